//! # Zab
//!
//! ZooKeeper's atomic broadcast: a primary makes *transactions*, and every node delivers them in one order. After
//! Junqueira, Reed and Serafini, *Zab: High-performance broadcast for primary-backup systems* (DSN 2011), and Medeiros,
//! *ZooKeeper's atomic broadcast protocol: theory and practice* (2012), from which the names are: a *zxid* numbers a
//! transaction by the epoch of its primary and its place in that epoch.
//!
//! ## Phases
//!
//! A node without a leader *looks* for one (phase 0, `election.rs`). The leader then finds an epoch later than all before
//! it (phase 1, discovery), brings a quorum its own history (phase 2, synchronisation; both in `discovery.rs`), and only
//! then makes transactions (phase 3, `broadcast.rs`). A follower that comes later goes through the same phases with a
//! leader that is already in the third. Whoever does not hear from the other for an election timeout goes back to phase 0,
//! the leader too, if it hears no quorum.
//!
//! ## Why it is right
//!
//! From the moment a quorum has accepted an epoch, nobody commits anything in an earlier one. What was committed before
//! is on a quorum, which has a node in common with those who accepted; the leader's history is at least as late as
//! theirs, by current epoch and then by zxid; and histories are prefixes of those of their epoch's primary, so it holds
//! all that was committed. A node makes an epoch its *current* one only together with that epoch's history, so a later
//! current epoch always means to know more. What a follower has beyond the leader's history was never committed, and is
//! cut off. Within an epoch there is one primary, which numbers without gaps, and followers take what it sends only in
//! that order: so two histories that share a zxid share all before it.
//!
//! ## What clients may expect
//!
//! There are two entries of the catalogue, and they differ in reads alone (`client.rs`). `zab` reads as ZooKeeper does:
//! every node answers from what it has delivered, so reads are fast and may be old. It is **not linearizable, and does
//! not claim to be**: it is sequentially consistent for clients that stay with their node. A client that moves to another
//! node may see older state there. ZooKeeper's clients therefore carry the last zxid that they saw, and are turned away
//! by servers that lag; ours carry nothing, so they stay: they are never redirected, and the catalogue offers no
//! `--retry`, which would lead them elsewhere. What must see everything — that all elements of a set are there in the end, or where a counter
//! stands — is not served by `zab` at all. `zab-sync` precedes reads by a *sync* through the broadcast, is linearizable,
//! and serves everything. (ZooKeeper's own `sync` is weaker: its leader asks no quorum. That is a flaw here,
//! `sync-without-quorum`.)
//!
//! ## What we write down, and when
//!
//! The epoch accepted last, before it is acknowledged; the current epoch and its history in one record, before they are;
//! each transaction, before it is. What is committed is not written down: it is learnt from the next leader, and a node
//! that restarts serves nobody until it has.
//!
//! A leader counts itself by messages to itself behind its records, so what it calls committed is durable on a quorum.
//! It may send a transaction before its own disk has it: it never leads that epoch again if it forgets it.
//!
//! ## Where to look
//!
//! `election.rs` votes · `discovery.rs` epochs and histories · `broadcast.rs` proposals, acks, commits, pings · `client.rs`
//! requests, reads, sync, delivery · `part.rs` the parts a node plays · `log.rs`, `record.rs`, `message.rs` ·
//! `invariants.rs` the properties of the paper, watched from outside. `FLAW` marks every branch where a [`Flaw`] makes it
//! wrong on purpose. `testscripts/zab/` and `testscripts/zab-sync/` tell all this in stories.
//!
//! ## What we left out
//!
//! * Snapshots: the history is kept from its beginning, in memory and on disk.
//! * Observers, dynamic reconfiguration, and ZooKeeper's tree of nodes, with watches and ephemeral nodes.
//! * Sessions that move between servers, see above; and sessions that expire.
//! * The paper's channels, in order and without loss while they are open. Ours may lose, repeat and reorder: connections
//!   have numbers, zxids put transactions in order, and what may have been lost is said again.

mod broadcast;
mod client;
mod discovery;
mod election;
mod invariants;
mod log;
mod message;
mod part;
mod record;

pub use invariants::Invariants;
pub use log::{Command, Log, Txn, Zxid};
pub use message::{Message, Stance, Vote};
pub use record::Record;

use crate::catalog::{BORNE_BY_QUORUMS, Entry};
use crate::{Effect, Flaw, Input, Options, Protocol, Role, Status, Store};
use client::Waiting;
use history::{CallKind, Chance, NodeId, Time};
use part::{Part, Phase};
use record::Recovered;
use std::collections::BTreeMap;

/// What a stale look cannot falsify, since it is true of any prefix of the history: see the essay.
const WITHOUT_SYNC: Entry = Entry {
    name: "zab",
    about: "ZooKeeper's atomic broadcast; every node answers reads from what it has, so they may be old",
    serves: &[
        CallKind::Read,
        CallKind::Write,
        CallKind::Cas,
        CallKind::Txn,
        CallKind::Append,
        CallKind::Elements,
        CallKind::Enqueue,
        CallKind::Dequeue,
        CallKind::Drain,
        CallKind::NextId,
        CallKind::Transfer,
        CallKind::Balances,
        CallKind::Leader,
    ],
    claims: &["sequential", "strong-session-serializable", "unordered", "unique"],
    survives: BORNE_BY_QUORUMS,
    // It would know them again, but a client that asks another node may find it older than the last.
    remembers: false,
};

const WITH_SYNC: Entry = Entry {
    name: "zab-sync",
    about: "ZooKeeper's atomic broadcast, with a sync through the broadcast before reads",
    serves: &Store::SERVES_AND_LEADS,
    claims: &["linearizable", "strict-serializable"],
    survives: BORNE_BY_QUORUMS,
    remembers: true,
};

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One Zab node. With `SYNC`, reads wait for a sync.
#[derive(Debug)]
pub struct Zab<const SYNC: bool> {
    me: NodeId,
    peers: Vec<NodeId>,
    options: Options,
    chance: Chance,
    /// Durable: the epoch that it accepted last (`f.p`).
    accepted: u64,
    /// Durable: the epoch whose history it has (`f.a`).
    current: u64,
    /// Durable: its history (`f.h`).
    log: Log,
    /// So many of its transactions are delivered: learnt anew after a boot.
    applied: usize,
    store: Store,
    part: Part,
    /// The round of voting.
    round: u64,
    /// The vote with which the last election ended for it.
    voted: Option<Vote>,
    /// Transactions that came before their turn.
    early: BTreeMap<Zxid, Txn>,
    waiting: Waiting,
    /// What its clock showed when something last happened.
    now: Time,
    /// When it looks around.
    next: Time,
    /// Since when it is to stop.
    stopping: Option<Time>,
    /// What FLAW epoch-before-history holds back.
    owed: Vec<Txn>,
    /// FLAW current-epoch-not-persisted: what its disk says.
    written: u64,
}

impl<const SYNC: bool> Protocol for Zab<SYNC> {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: Entry = if SYNC { WITH_SYNC } else { WITHOUT_SYNC };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Zab<SYNC> {
        let Recovered { accepted, current, log } = Recovered::read(disk);
        let mut zab = Zab {
            me,
            peers: founders.to_vec(),
            options,
            chance,
            accepted,
            current,
            log,
            applied: 0,
            store: Store::default(),
            part: Part::Retired,
            round: 1,
            voted: None,
            early: BTreeMap::new(),
            waiting: Waiting::default(),
            now,
            next: now,
            stopping: None,
            owed: Vec::new(),
            written: current,
        };
        zab.part = Part::Looking(zab.own_votes());
        zab
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.now = now;
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => self.request(id, (ticket, call), out),
            Input::Wake => self.wake(now, out),
            // Members never change.
            Input::Change(_) => {}
            Input::Stop => self.stop(now, out),
        }
    }

    fn alarm(&self) -> Option<Time> {
        (!matches!(self.part, Part::Retired)).then_some(self.next)
    }

    fn status(&self) -> Status {
        let role = match &self.part {
            Part::Leading(leading) if matches!(leading.phase, Phase::Broadcast(_)) => Role::Leader,
            Part::Leading(_) | Part::Looking(_) => Role::Candidate,
            Part::Following(_) | Part::Retired => Role::Follower,
        };
        let leader = self.primary().map(|(_, leader)| leader);
        let stopped = self.stopping.is_some() && role != Role::Leader && self.waiting.is_empty();
        Status { role, term: self.accepted, leader, committed: self.applied as u64, stopped }
    }
}

impl<const SYNC: bool> Zab<SYNC> {
    /// Its history as it is in memory; the end may not be durable yet.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many of its transactions are delivered.
    pub fn applied(&self) -> usize {
        self.applied
    }

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How many nodes are a quorum.
    fn quorum(&self) -> usize {
        self.peers.len() / 2 + 1
    }

    fn broadcast(&self, message: &Message, out: &mut Output) {
        let others = self.peers.iter().filter(|node| **node != self.me);
        out.extend(others.map(|to| Effect::Send { to: *to, message: message.clone() }));
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        if !self.peers.contains(&from) || matches!(self.part, Part::Retired) {
            return;
        }
        match message {
            Message::Notify { round, vote, stance } => {
                self.take_notify(now, from, (round, vote, stance), out)
            }
            Message::FollowerInfo { link, accepted } => self.take_knock(now, from, (link, accepted), out),
            Message::NewEpoch { link, epoch } => self.take_new_epoch(now, from, (link, epoch), out),
            Message::AckEpoch { link, epoch, fresh, current, ends } => {
                self.take_ack_epoch(now, from, (link, epoch, fresh), (current, ends), out);
            }
            Message::NewLeader { link, epoch, keep, txns } => {
                self.take_new_leader(now, from, (link, epoch), (keep, txns), out);
            }
            Message::AckLeader { link, epoch, last } => {
                self.take_ack_leader(now, from, (link, epoch, last), out)
            }
            Message::UpToDate { link, epoch, committed } => {
                self.take_up_to_date(now, from, (link, epoch, committed), out);
            }
            Message::Propose { epoch, txns } => {
                self.pay(out);
                self.take_propose(now, from, (epoch, txns), out);
            }
            Message::Ack { epoch, last } => self.take_ack(now, from, (epoch, last), out),
            Message::Commit { epoch, zxid } => self.take_commit(now, from, (epoch, zxid), out),
            Message::Ping { epoch, last, committed } => {
                self.take_ping(now, from, (epoch, last, committed), out)
            }
            Message::Missing { epoch, after } => self.take_missing(from, (epoch, after), out),
            Message::Forward { epoch, command } => self.take_forward(from, epoch, command, out),
            Message::Farewell { epoch } => self.take_farewell(now, from, epoch, out),
            Message::Done { ticket, outcome } => self.take_done(ticket, &outcome, out),
            Message::Synced { token, committed } => self.take_synced(token, committed, out),
        }
    }

    /// FLAW epoch-before-history: the history is written down with what comes next.
    fn pay(&mut self, out: &mut Output) {
        let owed = std::mem::take(&mut self.owed);
        out.extend(owed.into_iter().map(|txn| Effect::Persist(Record::Append { txn })));
    }

    fn wake(&mut self, now: Time, out: &mut Output) {
        if now < self.next {
            return;
        }
        self.next = now + self.options.tempo.heartbeat;
        match &self.part {
            Part::Looking(_) => self.tick_looking(now, out),
            Part::Following(_) => self.tick_following(now, out),
            Part::Leading(_) => self.tick_leading(now, out),
            Part::Retired => {}
        }
        self.pass_on_again(now, out);
        self.leave(now, out);
    }

    /// Is to stop in good order.
    fn stop(&mut self, now: Time, out: &mut Output) {
        self.stopping.get_or_insert(now);
        self.leave(now, out);
    }

    /// Goes, if it is to stop and leads, or looks: once its clients are answered, or have waited long enough.
    fn leave(&mut self, now: Time, out: &mut Output) {
        let Some(since) = self.stopping else { return };
        let waited = self.waiting.is_empty() || now >= since + self.options.tempo.election * 2;
        if !waited || matches!(self.part, Part::Following(_)) && self.waiting.is_empty() {
            return;
        }
        if let (Part::Leading(leading), Some((epoch, _))) = (&self.part, self.primary()) {
            let followers = leading.followers.keys();
            let farewell = |to: &NodeId| Effect::Send { to: *to, message: Message::Farewell { epoch } };
            out.extend(followers.map(farewell));
        }
        self.let_go(out);
        self.part = Part::Retired;
    }

    /// The leader goes in good order, so there is no need to wait until its silence is noticed.
    fn take_farewell(&mut self, now: Time, from: NodeId, epoch: u64, out: &mut Output) {
        if self.primary() == Some((epoch, from)) && from != self.me {
            self.look(now, out);
        }
    }
}
