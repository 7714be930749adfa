//! # Raft
//!
//! Raft lets a few nodes keep one log, and so one state, as if they were one node that does not fail. This is
//! all of it that a register needs, after the paper (Ongaro and Ousterhout, *In Search of an Understandable
//! Consensus Algorithm*, extended version, 2014: "§") and Ongaro's thesis (*Consensus: Bridging Theory and
//! Practice*, 2014: "thesis"). Names that differ from the paper's say what they are: a *canvass* is a pre-vote,
//! a *reject* is a failed AppendEntries.
//!
//! ## Terms and elections
//!
//! Time is cut into terms, each with at most one leader (§5.1, §5.2). A node that hears no leader for its
//! election timeout, drawn anew each time, first *canvasses* ([`Message::Canvass`], thesis 9.6): would you vote
//! for me? Nobody says yes who hears a leader, or whose log is more up to date; and asking changes nothing at
//! either end. So a node that was cut off comes back in its old term and disturbs no one. With a majority
//! behind it, it enters the next term, votes for itself and asks for votes. A node votes once in a term, first
//! come, first served, and only for a log that has all that its own has (§5.4.1); [`Place`] compares that way.
//!
//! A leader that hears no majority within an election timeout steps down (check-quorum, thesis 6.2), so that its
//! clients look elsewhere. Nothing depends on that but their patience: no clock is ever trusted for safety.
//!
//! ## The log
//!
//! Clients' writes are entries of the leader's log, which it brings to everyone (§5.3). Each append says what
//! comes before its entries, and a follower that has something else there says no and where its conflicting term
//! begins, so that the leader steps back a whole term at a time. A follower that is known to agree is sent
//! entries as they come, several appends in flight; what comes faster than the window allows gathers into one
//! larger append (`progress.rs`, thesis 10.2.1). A gap shows as a rejection, of the next append or of the next
//! heartbeat, which asks for the place before the next entry like any append does.
//!
//! An entry is committed once a majority holds it durably and it is of the leader's own term; all before it
//! are committed with it (§5.4.2, figure 8). A leader therefore begins its term with an entry that does nothing.
//! Committed entries are applied in order, and whoever asked for one is answered then. A compare-and-set
//! compares when it is applied, so its refusal is an answer from the log, too.
//!
//! ## Reads
//!
//! Reads make no entry (ReadIndex, thesis 6.4): the leader notes what is committed, confirms by a heartbeat
//! round begun after the read came that it still leads, waits until it has applied what it noted, and answers.
//! Every append carries the number of the latest round and every answer echoes it; all reads that come during
//! one round share the next (`read.rs`).
//!
//! ## What we write down, and when
//!
//! Term and vote ([`Record::Ballot`]), new entries ([`Record::Append`]) and cuts ([`Record::Truncate`]): read in
//! order, they are a node's whole durable state. How far the log is committed is not written; it is learnt again
//! from the next leader.
//!
//! The rule "on stable storage before responding" (figure 2) is the order of the effects: a vote, an ack, a
//! reply stand behind the [`Effect::Persist`] that they rest on, and **drivers perform effects in one order
//! across all inputs**. A driver may write every Persist in its queue with one sync (group commit) and then do
//! the rest, but nothing that stands behind a Persist may overtake it. The core does not wait for its disk;
//! it may be several Persists ahead of it.
//!
//! That leaves one question: when may a node count *itself*? An entry that a leader has only in memory must
//! not make a majority: leader and one follower of three would then commit what a crash of the leader
//! takes back. So a node tells itself, by a message to itself behind the Persist, which comes back when it is
//! durable: [`Message::Persisted`] for a leader's entries (one under way at a time, for all that were appended
//! so far), and [`Message::Vote`] for a candidate's own vote. Votes and copies are thus counted all alike, and
//! what this core calls committed is durable on a majority, also in the eyes of a watch that looks into its
//! memory. A leader may still *send* entries before its own disk has them (thesis 10.2.1): telling is not
//! counting.
//!
//! ## Who takes part
//!
//! The members change one at a time while the cluster runs, by entries of the log (thesis chapter 4). `change.rs`
//! says how and why so, `members.rs` what a configuration is.
//!
//! ## Leaving
//!
//! A leader that is to stop finishes what it has, then tells a follower with a complete log to begin an election
//! at once (thesis 3.10, `transfer.rs`). A leader that is deposed answers its unfinished writes with *unknown*,
//! since the next leader may commit them, and its reads with a refusal, since they had no effect.
//!
//! ## Where to look
//!
//! `election.rs` canvass, vote, lead, step down · `replication.rs` append, ack, reject, heartbeat · `commit.rs`
//! counting and applying · `read.rs` · `transfer.rs` · `progress.rs` one follower as its leader sees it ·
//! `leader.rs` what only a leader has · `part.rs` the parts a node plays · `log.rs`, `record.rs`, `message.rs` ·
//! `snapshot.rs` what stands for a log that has grown long · `change.rs`, `members.rs` who takes part · `invariants.rs` the five properties of figure 3 and that majorities
//! meet, watched from outside. `FLAW` marks every branch where a
//! [`Flaw`] makes it wrong on purpose. `testscripts/raft/` tells all this in stories.
//!
//! ## What we left out
//!
//! * Joint consensus (§6): members change one at a time, see `change.rs`.
//! * Sessions that expire (thesis 6.3): a client that sends a call again is recognised for ever.
//! * Lease reads (thesis 6.4.1): they trust clocks. They are here as a flaw, to show what that costs.
//! * Reads from followers, forwarding of requests, witnesses, priorities.
//! * Disks that lie: what was synced is believed to be there.

mod change;
mod commit;
mod election;
mod invariants;
mod leader;
mod log;
mod members;
mod message;
mod part;
mod progress;
mod read;
mod record;
mod replication;
mod snapshot;
mod transfer;

pub use invariants::Invariants;
pub use log::{Command, Entry, Log, Place};
pub use members::Members;
pub use message::Message;
pub use record::Record;
pub use snapshot::Snapshot;

use crate::catalog::Entry as About;
use crate::{Effect, Flaw, Input, Options, Protocol, Reading, RequestId, Role, Status, Store};
use history::{Call, Chance, Membership, NodeId, Outcome, Refusal, Reply, Ticket, Time};
use part::Part;
use record::Recovered;
use replication::Append;
use snapshot::{Incoming, Parcel, Piece};
use std::sync::Arc;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// Whether there is nothing to say when this is done.
fn needs_no_answer(call: &Call) -> bool {
    matches!(call, Call::Write { .. } | Call::Append { .. } | Call::Add { .. } | Call::Enqueue { .. })
}

/// One Raft node.
#[derive(Debug)]
pub struct Raft {
    me: NodeId,
    options: Options,
    chance: Chance,
    /// Durable: written down before anything that follows from it.
    term: u64,
    /// Durable: whom it voted for in this term.
    vote: Option<NodeId>,
    /// Durable.
    log: Log,
    /// Volatile: learnt anew after a boot.
    commit: u64,
    /// Equal to `commit` between inputs.
    applied: u64,
    store: Store,
    /// The latest snapshot, as it is sent.
    parcel: Option<Arc<Parcel>>,
    /// The snapshot that it is being brought.
    incoming: Option<Incoming>,
    part: Part,
    /// The election timeout as drawn last.
    patience: Duration,
    /// When it canvasses, unless it leads.
    deadline: Time,
    /// Since when it is to stop.
    stopping: Option<Time>,
    /// FLAW members-not-rolled-back: a configuration that is no longer in the log.
    kept: Option<Members>,
    /// Records that FLAW ack-before-persist holds back.
    owed: Vec<Record>,
}

impl Protocol for Raft {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: About = About {
        name: "raft",
        about: "Raft: registers, lists, sets, counters, queues, locks and more, and transactions",
        serves: &Store::SERVES_AND_LEADS,
        claims: &["linearizable", "strict-serializable"],
        survives: &[
            "partition",
            "kill",
            "crash",
            "pause",
            "packets",
            "clock",
            "disk",
            "pressure",
            "members",
            "damage:rot",
        ],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Raft {
        let recovered = Recovered::read(disk, Members::founders(founders));
        let Recovered { term, vote, log, snapshot } = recovered;
        let parcel = snapshot.as_ref().map(Parcel::new);
        let (applied, store) = snapshot.map_or_else(Default::default, |all| (all.last.index, all.store));
        let mut raft = Raft {
            me,
            options,
            chance,
            term,
            vote,
            log,
            commit: applied,
            applied,
            store: store.with(options.flaw),
            parcel,
            incoming: None,
            part: Part::Follower(None),
            patience: Duration::ZERO,
            deadline: now,
            stopping: None,
            kept: None,
            owed: Vec::new(),
        };
        raft.rest(now);
        // FLAW commit-restored-wrongly: what is on disk must have been committed.
        if raft.has(Flaw::CommitRestoredWrongly) {
            raft.commit_up_to(now, raft.log.last_index(), &mut Vec::new());
        }
        raft
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        out.extend(self.owed.drain(..).map(Effect::Persist));
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => self.request(now, id, (ticket, call), out),
            Input::Wake => self.wake(now, out),
            Input::Change(change) => self.change(now, change, out),
            Input::Stop => self.stop(now, out),
        }
    }

    fn members(&self) -> Option<Membership> {
        let (at, members) = self.log.members_at(self.commit);
        Some(members.shown(at))
    }

    fn alarm(&self) -> Option<Time> {
        match &self.part {
            Part::Leader(leader) => Some(leader.beat),
            Part::Follower(_) | Part::Canvasser(_) | Part::Candidate(_) => Some(self.deadline),
        }
    }

    fn status(&self) -> Status {
        let (role, leader) = match &self.part {
            Part::Leader(_) => (Role::Leader, Some(self.me)),
            Part::Canvasser(_) | Part::Candidate(_) => (Role::Candidate, None),
            Part::Follower(following) => (Role::Follower, following.map(|following| following.leader)),
        };
        let stopped = self.stopping.is_some() && role != Role::Leader;
        Status { role, term: self.term, leader, committed: self.commit, stopped }
    }
}

impl Raft {
    /// The log as it is in memory; its end may not be durable yet.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How far the log has been applied to the store.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// A layer above wants this in the log. Says in which term it will stand at which index, if it is ever committed;
    /// nothing if this node does not lead. What is committed is in [`Raft::log`], up to [`Raft::applied`].
    pub fn offer(&mut self, what: Vec<u8>, out: &mut Output) -> Option<(u64, u64)> {
        if self.stopping.is_some() || !matches!(self.part, Part::Leader(_)) {
            return None;
        }
        let index = self.propose(Entry { term: self.term, command: Command::Other(what) }, out);
        Some((self.term, index))
    }

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// A message came. Terms come first (§5.1): a higher one makes this node a follower in it, a lower one is
    /// history, and its sender is told so.
    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        // FLAW lease-reads: its one merit; who hears a leader elects no other, or leases would mean nothing.
        if self.has(Flaw::LeaseReads) && matches!(message, Message::RequestVote { .. }) && self.is_led(now) {
            return;
        }
        let raised = message.term() > self.term && message.raises_term();
        if raised {
            self.enter_term(now, message.term(), out);
            if !matches!(message, Message::RequestVote { .. }) {
                self.write_ballot(out);
            }
        }
        if message.term() < self.term {
            if message.wants_answer() {
                out.push(Effect::Send { to: from, message: Message::Stale { term: self.term } });
            }
            return;
        }
        match message {
            Message::Canvass { term, last } => self.answer_canvass(now, from, term, last, out),
            Message::Support { term, granted: true } if term == self.term => {
                self.count_support(now, from, out);
            }
            Message::RequestVote { last, .. } => self.answer_request_vote(now, from, last, raised, out),
            Message::Vote { granted: true, .. } => self.count_vote(now, from, out),
            Message::Append { previous, entries, commit, round, .. } => {
                self.answer_append(now, from, Append { previous, entries, commit, round }, out);
            }
            Message::Ack { matched, round, .. } => self.take_ack(now, from, matched, round, out),
            Message::Reject { rejected, conflict, round, .. } => {
                self.take_reject(now, from, (rejected, conflict), round, out);
            }
            Message::Install { last, offset, data, done, round, .. } => {
                self.take_piece(now, from, Piece { last, offset, data, done, round }, out);
            }
            Message::Received { last, bytes, round, .. } => {
                self.take_received(now, from, (last, bytes), round, out);
            }
            Message::TimeoutNow { .. } => self.take_over(now, out),
            Message::Persisted { index, .. } if from == self.me => self.own_persisted(now, index, out),
            Message::Persisted { .. }
            | Message::Support { .. }
            | Message::Vote { .. }
            | Message::Stale { .. } => {}
        }
    }

    /// A client asks.
    fn request(&mut self, now: Time, id: RequestId, (ticket, call): (Ticket, Call), out: &mut Output) {
        if call == Call::Leader {
            let mut status = self.status();
            // FLAW claims-before-elected: it will win, surely.
            if self.has(Flaw::ClaimsBeforeElected) && matches!(self.part, Part::Candidate(_)) {
                status.leader = Some(self.me);
            }
            return out.push(Effect::Reply { id, outcome: status.leads() });
        }
        // FLAW stale-local-reads: anyone answers.
        if self.has(Flaw::StaleLocalReads) && call.is_read() {
            out.push(Effect::Reply { id, outcome: self.store.read(&call) });
            return;
        }
        let refusal = match &self.part {
            _ if self.stopping.is_some() => Some(Refusal::Stopping),
            Part::Leader(_) => None,
            Part::Follower(Some(following)) => Some(Refusal::NotLeader { hint: Some(following.leader) }),
            Part::Follower(None) | Part::Canvasser(_) | Part::Candidate(_) => {
                Some(Refusal::NotLeader { hint: None })
            }
        };
        match refusal {
            Some(refusal) => out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) }),
            None if call.is_read() => self.read(now, id, call, out),
            None => self.write(now, id, (ticket, call), out),
        }
    }

    /// A client of this leader writes: through the log.
    fn write(&mut self, now: Time, id: RequestId, (ticket, call): (Ticket, Call), out: &mut Output) {
        let hasty = self.has(Flaw::AcknowledgedBeforeCommit) && needs_no_answer(&call);
        let at = Reading::of(&call, self.term, now);
        let index = self.propose(Entry { term: self.term, command: Command::Call { ticket, call, at } }, out);
        // FLAW acknowledged-before-commit: it is in the leader's log, that must do.
        if hasty {
            out.push(Effect::Reply { id, outcome: Outcome::Ok(Reply::Done) });
        } else if let Part::Leader(leader) = &mut self.part {
            leader.pending.push_back((index, id));
        }
    }

    /// The alarm may be due.
    fn wake(&mut self, now: Time, out: &mut Output) {
        match &self.part {
            Part::Leader(leader) if now >= leader.beat => self.beat(now, out),
            Part::Leader(_) => {}
            Part::Follower(_) | Part::Canvasser(_) | Part::Candidate(_) => {
                if now >= self.deadline {
                    self.canvass(now, out);
                }
            }
        }
    }
}
