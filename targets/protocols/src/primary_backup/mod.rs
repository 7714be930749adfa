//! # Primary and backups, in two modes
//!
//! One node does the work and the others keep a copy: the oldest way to survive a failure, after Alsberg and Day, *A Principle
//! for Resilient Sharing of Distributed Resources* (ICSE 1976), and Budhiraja, Marzullo, Schneider and Toueg, *The
//! Primary-Backup Approach* (in Mullender, *Distributed Systems*, 1993). The log and how it is brought in line is close to
//! *PacificA* (Lin and others, MSR-TR-2008-25), without the manager that PacificA asks who takes part.
//!
//! There is one core and one difference, *when a write is answered*:
//!
//! * `primary-backup` (synchronous): when **every** node has it on its disk.
//! * `primary-backup-async`: when the primary has it on its own. The others get it soon.
//!
//! ## Epochs
//!
//! Time is cut into epochs. The primary of an epoch follows from its number, round robin, so there is never more than one in
//! an epoch (Pb1 of Budhiraja and others). A backup that hears nothing for its timeout makes itself the primary of its own next
//! epoch, and *asks nobody*. Whoever hears of a later epoch becomes a backup in it, writes that down, and answers no earlier
//! one.
//!
//! ## The log
//!
//! Changes are entries of the primary's log. An entry is *stable* when every node has said that it holds it durably, the
//! primary itself among them. In a new epoch every backup makes its log a copy of the new primary's: it says how much it
//! knows to be stable, for so far all logs are the same, and takes all that follows from the primary, in one piece.
//! After that, entries come as they are made, and gaps are noticed by what comes next.
//!
//! ## Why the synchronous mode needs no votes
//!
//! Quorums must meet. If writes go to *all* nodes, the other quorum may be *any one* node (Gifford, *Weighted Voting*, 1979:
//! write all, read one). So:
//!
//! * Whoever takes over holds everything that was ever answered: it has acknowledged it.
//! * Nothing can be answered in an earlier epoch any more, for that would take the acknowledgement of the new primary.
//! * So a primary may answer *reads* alone, without asking whether it still leads: as long as it has not acknowledged a later
//!   epoch, nobody else answers a write. Two nodes that both believe to lead answer the same.
//! * One thing a new primary does not know: which entries at the end of its log were answered. It brings them to everyone
//!   before it answers its first read. If it knows its whole log to be stable, there is nothing to wait for.
//!
//! No clock is trusted: a false timeout costs time and nothing else. What it costs is *availability*: one node that
//! is down, slow or cut off stops every write, where a majority would not care. It says so: a primary that has not
//! heard from a backup turns writes away at once, as if it did not lead; and while some writes are on their way to
//! everyone, others wait at the primary alone, where they can still be turned away. Budhiraja and others let the
//! primary go on without the backup that failed; that takes failures that can be told from slowness, or somebody who
//! decides who takes part, which is consensus. With nothing but a timeout, to go on alone is to lose what the others
//! have acknowledged.
//!
//! ## What the asynchronous mode loses
//!
//! It goes on alone. The primary answers from its own disk and ships its log behind the answer; a backup that hears
//! nothing takes over with what it has. It serves as soon as everyone has joined it, or had time to: when a cluster
//! starts, two may take over at once, and neither must answer before it knows. Whatever had not been shipped is *lost*,
//! although it was answered, as soon as
//! the old primary's log is made a copy of the new one's; and while the two cannot hear each other, both answer. That
//! is no mistake in the code, it is what this mode does: Redis with Sentinel (Kingsbury, *Call me maybe: Redis*,
//! 2013), and MySQL at GitHub on 21 October 2018, where 43 seconds of partition took a day to mend. So it claims to
//! be linearizable as long as *nothing* fails, and survives no fault. `--nemesis partition` shows the lost writes,
//! one by one.
//!
//! ## What we write down, and when
//!
//! [`Record::Follow`] and [`Record::Lead`] before anything is said in the new epoch; [`Record::Append`] and [`Record::Align`]
//! before the [`Message::Ack`] that rests on them. How much is stable goes along with them: after a boot a node may know
//! less, and asks for more than it needs. A node that led and boots again is a backup: it may have sent what its disk never
//! got, and an epoch has one log. The primary counts its own disk by a message to itself behind the record.
//!
//! ## Where to look
//!
//! `primary.rs` take over, write, ship, count, read · `backup.rs` epochs, copies, timeouts · `log.rs` · `message.rs` messages and
//! records · `invariants.rs` what is watched from outside. `FLAW` marks every branch where a [`Flaw`] makes it wrong on
//! purpose. `testscripts/primary-backup/` tells all this in stories.
//!
//! ## What we left out
//!
//! * Going on without a node that failed, and taking it back (view changes, a configuration manager, chain replication).
//! * Snapshots: the log is never cut.
//! * Reads at backups. Any node could answer them in the synchronous mode, if it knew what is stable.

mod backup;
mod invariants;
mod log;
mod message;
mod primary;

pub use invariants::Invariants;
pub use log::Log;
pub use message::{Entry, Message, Record};

use crate::catalog::Entry as Catalogued;
use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, Store};
use history::{Call, Chance, NodeId, Outcome, Refusal, Reply, Ticket, Time};
use primary::Primary;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// It answers when everyone has it.
pub type Synchronous = PrimaryBackup<true>;
/// It answers when it has it itself.
pub type Asynchronous = PrimaryBackup<false>;

/// One node.
#[derive(Debug)]
pub struct PrimaryBackup<const SYNC: bool> {
    me: NodeId,
    nodes: Vec<NodeId>,
    options: Options,
    chance: Chance,
    /// Durable: written down before anything that follows from it.
    log: Log,
    /// So much of the log has been carried out.
    applied: u64,
    store: Store,
    part: Part,
    /// When it takes over, unless it leads.
    deadline: Time,
    stopping: bool,
}

/// The part that a node plays.
#[derive(Debug)]
enum Part {
    /// It follows the primary of its epoch.
    Backup {
        /// FLAW deposed-primary-reads: it was a primary in this life.
        deposed: bool,
    },
    /// It leads its epoch.
    Primary(Primary),
}

impl<const SYNC: bool> Protocol for PrimaryBackup<SYNC> {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;

    const ENTRY: Catalogued = match SYNC {
        true => Catalogued {
            name: "primary-backup",
            about: "a primary that answers when every node has it: anything, as long as all can be reached",
            serves: &Store::SERVES_AND_LEADS,
            claims: &["linearizable", "strict-serializable"],
            survives: &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure"],
            remembers: true,
        },
        false => Catalogued {
            name: "primary-backup-async",
            about: "a primary that answers when it has it itself: right until something fails, then it loses writes",
            serves: &Store::SERVES_AND_LEADS,
            claims: &["linearizable", "strict-serializable"],
            survives: &[],
            remembers: true,
        },
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Self {
        let mut node = PrimaryBackup {
            me,
            nodes: founders.to_vec(),
            options,
            chance,
            log: Log::read(disk),
            applied: 0,
            store: Store::default(),
            part: Part::Backup { deposed: false },
            deadline: now,
            stopping: false,
        };
        node.apply_up_to(node.log.stable, &mut Vec::new());
        node.rest(now);
        node
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.log.kept = self.log.end();
        match input {
            Input::Message { from, message } if self.nodes.contains(&from) => {
                self.receive(now, from, message, out);
            }
            Input::Request { id, ticket, call } => self.request(now, id, ticket, call, out),
            Input::Wake => self.wake(now, out),
            Input::Stop => self.stopping = true,
            Input::Message { .. } | Input::Change(_) => {}
        }
    }

    fn alarm(&self) -> Option<Time> {
        self.nodes.contains(&self.me).then(|| self.due())
    }

    fn status(&self) -> Status {
        let (role, done) = match &self.part {
            Part::Primary(primary) => {
                let role = if primary.leads() { Role::Leader } else { Role::Candidate };
                (role, primary.is_done(self.log.stable, self.log.end()))
            }
            Part::Backup { .. } => (Role::Follower, true),
        };
        let leader = (self.log.epoch > 0).then(|| self.primary_of(self.log.epoch));
        let (term, committed, stopped) = (self.log.epoch, self.log.stable, self.stopping && done);
        Status { role, term, leader, committed, stopped }
    }
}

impl<const SYNC: bool> PrimaryBackup<SYNC> {
    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// Who leads an epoch.
    fn primary_of(&self, epoch: u64) -> NodeId {
        self.nodes[(epoch % self.nodes.len() as u64) as usize]
    }

    /// Does what a record says, here and on the disk.
    fn write_down(&mut self, record: Record, out: &mut Output) {
        self.log.take(record.clone());
        out.push(Effect::Persist(record));
    }

    /// A client asks.
    fn request(&mut self, now: Time, id: RequestId, ticket: Ticket, call: Call, out: &mut Output) {
        let Status { role, leader, term, .. } = self.status();
        if call == Call::Leader {
            // This is about what the node itself believes, so there is nobody else to ask.
            let leader = leader.filter(|leader| role == Role::Leader || *leader != self.me);
            let reply = Reply::Leader(leader.map(|leader| (leader, term)));
            return out.push(Effect::Reply { id, outcome: Outcome::Ok(reply) });
        }
        let deposed = matches!(self.part, Part::Backup { deposed: true });
        // FLAW deposed-primary-reads: who has led has all that is needed to answer.
        if deposed && self.has(Flaw::DeposedPrimaryReads) && call.is_read() {
            return out.push(Effect::Reply { id, outcome: self.store.read(&call) });
        }
        let refusal = match role {
            _ if self.stopping => Some(Refusal::Stopping),
            Role::Leader => None,
            _ => Some(Refusal::NotLeader { hint: leader.filter(|leader| *leader != self.me) }),
        };
        match refusal {
            Some(refusal) => out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) }),
            None if call.is_read() => self.read(now, id, call, out),
            None => self.write(now, id, ticket, call, out),
        }
    }
}
