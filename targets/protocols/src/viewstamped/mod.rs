//! # Viewstamped Replication
//!
//! A replicated state machine that needs no disk. After Liskov and Cowling, *Viewstamped Replication Revisited*
//! (MIT-CSAIL-TR-2012-021, "§"); the names are the paper's. Of 2f+1 replicas f may fail at a time. Time is cut into
//! *views*, each with a *primary* that follows from its number; the primary puts operations in order (`normal.rs`), and
//! when it falls silent the others begin the next view (`view_change.rs`).
//!
//! ## No disk
//!
//! What a replica knows is in its memory, and when it dies that is gone. It is safe because others know it too: whatever
//! was promised was promised to f+1. A replica that comes back asks them, and takes no part until it knows enough
//! (`recovery.rs`). So while a disk protects from all crashes that spare the disks, memory protects from crashes of **no
//! more than f replicas at a time**, and a replica counts as crashed until it has recovered. If more lose their memory at
//! once, what was committed may be lost, and nobody can tell. Then no replica serves any more: each that finds out
//! refuses with "unrecoverable", for ever. That is the price, and this protocol pays it rather than give a wrong answer.
//!
//! ## What we write down, and when
//!
//! One number: how many lives the replica has begun, before it takes any part in the next. It serves three ends. Without
//! it a replica that comes back could not be told from one that starts for the first time, and the first start of a
//! cluster, in which all memories are rightly empty, from the last. (The paper leaves that to an administrator.) It is
//! the nonce of a recovery, never used twice. And it is what others know a replica's lives by.
//!
//! ## Old lives
//!
//! The paper's recovery is not quite right. A replica may announce a view change, die, recover into the old view, and
//! then have its old announcement counted for the new one, so that a view begins behind the back of its own quorum
//! (Michael, Ports, Sharma and Szekeres, DISC 2017). As they propose, every message carries how often each replica has
//! lived (`lives.rs`), and nothing counts that was said in an earlier life than the latest one known.
//!
//! ## Where to look
//!
//! `normal.rs` requests, prepares, commits, state transfer · `view_change.rs` · `recovery.rs` · `lives.rs` crash vectors ·
//! `part.rs` what a replica is about · `message.rs`, `record.rs` · `invariants.rs` what is watched from outside. The
//! client table is that of the [`Store`]: a call that comes twice is carried out once. `FLAW` marks every branch where a
//! [`Flaw`] makes it wrong on purpose.
//!
//! ## What we left out
//!
//! * Checkpoints and garbage collection (§5.1): a log is kept from its beginning, and a replica that recovers is sent all
//!   of it.
//! * Reads at the primary by leases, and at backups (§6.3): reads are operations.
//! * Witnesses and batching (§6.1, §6.2), and reconfiguration (§7).
//! * The request that a client sends to all replicas when it hears nothing: ours follow hints, or ask again (`--retry`).

mod invariants;
mod lives;
mod message;
mod normal;
mod part;
mod record;
mod recovery;
mod view_change;

pub use invariants::Invariants;
pub use lives::Lives;
pub use message::{Body, Entry, Message, Tail};
pub use record::Record;

use crate::catalog::Entry as Listed;
use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, Store};
use history::{Chance, NodeId, Ticket, Time};
use part::{Part, Primary};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a replica wants done.
type Output = Vec<Effect<Message, Record>>;

/// One replica.
#[derive(Debug)]
pub struct Viewstamped {
    me: NodeId,
    /// The configuration, in order; a replica's place in it is its number.
    peers: Vec<NodeId>,
    place: usize,
    options: Options,
    chance: Chance,
    /// How often everybody has lived, itself included. Its own number is all that is durable.
    lives: Lives,
    view: u64,
    /// The last view in which its status was normal.
    last_normal: u64,
    log: Vec<Entry>,
    /// So many operations are committed, and executed.
    committed: usize,
    store: Store,
    part: Part,
    /// Operations that came before their turn.
    early: BTreeMap<usize, Entry>,
    /// How long its log was when the primary said that there is more.
    lagged: Option<usize>,
    /// The primary's clients.
    waiting: BTreeMap<Ticket, Vec<RequestId>>,
    /// When it last heard from the primary, or began to wait.
    heard: Time,
    /// After so much silence the next view shall begin.
    patience: Duration,
    /// When it looks around.
    next: Time,
    /// Since when it is to stop.
    stopping: Option<Time>,
}

impl Protocol for Viewstamped {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: Listed = Listed {
        name: "viewstamped",
        about: "Viewstamped Replication Revisited: everything in memory, recovered from the others after a crash",
        serves: &Store::SERVES_AND_LEADS,
        claims: &["linearizable", "strict-serializable"],
        survives: &["partition", "kill:one", "pause", "packets", "clock"],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Viewstamped {
        let place = founders.iter().position(|node| *node == me).unwrap_or(founders.len());
        let before = disk.iter().map(|Record::Lived { lives }| *lives).max().unwrap_or(0);
        let mut lives = Lives::none(founders.len());
        lives.hear(place, before + 1);
        Viewstamped {
            me,
            peers: founders.to_vec(),
            place,
            options,
            chance,
            lives,
            view: 0,
            last_normal: 0,
            log: Vec::new(),
            committed: 0,
            store: Store::default(),
            part: Part::Unborn,
            early: BTreeMap::new(),
            lagged: None,
            waiting: BTreeMap::new(),
            heard: now,
            patience: options.tempo.election,
            next: now,
            stopping: None,
        }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => self.request(now, id, (ticket, call), out),
            Input::Wake => self.wake(now, out),
            // The configuration never changes.
            Input::Change(_) => {}
            Input::Stop => {
                self.stopping.get_or_insert(now);
                self.leave(now, out);
            }
        }
    }

    fn alarm(&self) -> Option<Time> {
        (!matches!(self.part, Part::Retired | Part::Lost)).then_some(self.next)
    }

    fn status(&self) -> Status {
        let role = match self.part {
            Part::Primary(_) => Role::Leader,
            Part::Backup | Part::Retired => Role::Follower,
            Part::Unborn | Part::Changing(_) | Part::Recovering(_) | Part::Lost => Role::Candidate,
        };
        let stopped = self.stopping.is_some() && role != Role::Leader && self.waiting.is_empty();
        Status { role, term: self.view, leader: self.leader(), committed: self.committed as u64, stopped }
    }
}

impl Viewstamped {
    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How many may fail.
    fn f(&self) -> usize {
        self.peers.len().saturating_sub(1) / 2
    }

    fn primary_of(&self, view: u64) -> NodeId {
        let place = (view % self.peers.len().max(1) as u64) as usize;
        self.peers.get(place).copied().unwrap_or(self.me)
    }

    /// Who leads, if its status is normal.
    fn leader(&self) -> Option<NodeId> {
        matches!(self.part, Part::Backup | Part::Primary(_)).then(|| self.primary_of(self.view))
    }

    /// In which life a replica is, for all that is known.
    fn life_of(&self, node: NodeId) -> u64 {
        self.peers.iter().position(|peer| *peer == node).map_or(0, |place| self.lives.of(place))
    }

    /// What it is in its view, if that is under way.
    fn place_in_view(&self, now: Time) -> Part {
        if self.primary_of(self.view) == self.me {
            Part::Primary(Primary { since: now, ..Primary::default() })
        } else {
            Part::Backup
        }
    }

    /// The log after the first `after` operations.
    fn tail(&self, after: usize) -> Tail {
        let after = after.min(self.log.len());
        Tail { after, entries: self.log[after..].to_vec() }
    }

    fn others(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().copied().filter(|node| *node != self.me)
    }

    fn tell(&self, to: NodeId, body: Body, out: &mut Output) {
        out.push(Effect::Send { to, message: Message { lives: self.lives.clone(), body } });
    }

    fn tell_all(&self, body: &Body, out: &mut Output) {
        self.others().for_each(|to| self.tell(to, body.clone(), out));
    }

    /// Draws how long it waits, from now on.
    fn wait(&mut self, now: Time) {
        let election = self.options.tempo.election;
        self.heard = now;
        self.patience = self.chance.span(election, election * 2);
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        let Some(place) = self.peers.iter().position(|peer| *peer == from) else { return };
        if from == self.me {
            return self.born(now, out);
        }
        if self.lives.merge(&message.lives) {
            self.forget_old_lives();
        }
        if message.lives.of(place) < self.lives.of(place) {
            return;
        }
        if matches!(self.part, Part::Retired | Part::Unborn) {
            return;
        }
        if let (Part::Lost, false) = (&self.part, message.body == Body::Unrecoverable) {
            return self.tell(from, Body::Unrecoverable, out);
        }
        match message.body {
            Body::Prepare { view, op, entry, commit } => {
                self.take_prepare(now, from, (view, op, entry, commit), out);
            }
            Body::PrepareOk { view, op } => self.take_prepare_ok(now, from, (view, op), out),
            Body::Commit { view, commit, op } => self.take_commit(now, from, (view, commit, op), out),
            Body::StartViewChange { view, commit } => {
                self.take_start_view_change(now, from, (view, commit), out);
            }
            Body::DoViewChange { view, last_normal, log, commit } => {
                self.take_do_view_change(now, from, view, (last_normal, log, commit), out);
            }
            Body::StartView { view, log, commit } => {
                self.take_start_view(now, from, (view, log, commit), out)
            }
            Body::Recovery { nonce, round } => self.take_recovery(from, (nonce, round), out),
            Body::RecoveryResponse { view, nonce, state } => {
                self.take_recovery_response(now, from, (view, nonce), state, out);
            }
            Body::Forgot { nonce, round } => self.take_forgot(from, (nonce, round), out),
            Body::Unrecoverable => {
                if !matches!(self.part, Part::Lost) {
                    self.lose(out);
                }
            }
            Body::GetState { view, op } => self.take_get_state(from, (view, op), out),
            Body::NewState { view, log, commit } => self.take_new_state(now, (view, log, commit), out),
            Body::Farewell { view } => {
                if matches!(self.part, Part::Backup) && view == self.view && from == self.primary_of(view) {
                    self.change_view(now, view + 1, out);
                }
            }
            Body::Born => {}
        }
    }

    /// Somebody has died since: what it said before does not count any more.
    fn forget_old_lives(&mut self) {
        let lives: BTreeMap<NodeId, u64> =
            self.peers.iter().enumerate().map(|(place, node)| (*node, self.lives.of(place))).collect();
        let alive = |node: &NodeId, life: u64| lives.get(node) == Some(&life);
        match &mut self.part {
            Part::Primary(primary) => primary.backups.retain(|node, backup| alive(node, backup.life)),
            Part::Changing(change) => {
                change.starts.retain(|node, (life, _)| alive(node, *life));
                change.does.retain(|node, testimony| alive(node, testimony.life));
            }
            Part::Recovering(recovery) => {
                recovery.responses.retain(|node, response| alive(node, response.life));
            }
            Part::Unborn | Part::Backup | Part::Lost | Part::Retired => {}
        }
    }

    fn wake(&mut self, now: Time, out: &mut Output) {
        if now < self.next {
            return;
        }
        self.next = now + self.options.tempo.heartbeat;
        match &self.part {
            Part::Unborn => {
                out.push(Effect::Persist(Record::Lived { lives: self.lives.of(self.place) }));
                let message = Message { lives: self.lives.clone(), body: Body::Born };
                out.push(Effect::Send { to: self.me, message });
            }
            Part::Backup if now >= self.heard + self.patience => self.change_view(now, self.view + 1, out),
            Part::Backup | Part::Lost | Part::Retired => {}
            Part::Primary(_) => self.tick_primary(now, out),
            Part::Changing(_) => self.tick_changing(now, out),
            Part::Recovering(_) => self.ask(out),
        }
        self.leave(now, out);
    }

    /// Goes, if it is to stop: once its clients are answered, or have waited long enough.
    fn leave(&mut self, now: Time, out: &mut Output) {
        let Some(since) = self.stopping else { return };
        if !self.waiting.is_empty() && now < since + self.options.tempo.election * 2 {
            return;
        }
        if let Part::Primary(_) = self.part {
            self.tell_all(&Body::Farewell { view: self.view }, out);
        }
        self.let_go(out);
        self.part = Part::Retired;
    }
}
