//! # Sharded: several Raft groups, and transactions across them
//!
//! The keys are parted by a hash over a few *shards*. Each shard is kept by a **group**: a Raft log of its own, of which
//! every node is a member, with a leader of its own. A call about one shard is one entry of its group's log. A
//! transaction about several is carried out by two-phase commit (Gray, *Notes on Data Base Operating Systems*, 1978), of
//! which every party is a replicated log and not a machine, as in Spanner (Corbett et al., 2012, §4.2.1): so neither a
//! coordinator nor a participant that fails leaves the others waiting for ever.
//!
//! ## A transaction
//!
//! 1. The client asks the leader of the first of its shards: that group *coordinates*. The leader sends every shard's
//!    group its part ([`Message::Prepare`]).
//! 2. A group *prepares* by an entry of its log ([`Command::Prepare`]). When that is applied its keys are locked, what it
//!    reads is read, and what it writes is set aside; or, if somebody else holds one of its keys, nothing happens. The
//!    leader votes accordingly ([`Message::Vote`]), with what was read.
//! 3. With a *yes* from all, or one *no*, the coordinator decides: by an entry of its own log ([`Command::Decide`]), of
//!    which the first counts. Once that is applied the client is answered, and the others are told
//!    ([`Message::Outcome`]).
//! 4. A group that hears of it finishes ([`Command::Finish`]): writes what was set aside, or not, and lets go of the locks.
//!
//! ## Why it is right
//!
//! *Atomic*: every group finishes as the coordinator's log says first, and that is one log. Nobody votes before his vote
//! is in a log, so that a new leader knows what the last one promised.
//!
//! *Strictly serializable*: locks are taken before anything is read and kept until the end is known (strict two-phase
//! locking), and at one moment before the client is answered a transaction holds all its locks. What touches one shard
//! alone locks and lets go in one step of its log, reads too. Who meets a lock is aborted at once and never waits, so there
//! are no deadlocks; its client may try again.
//!
//! *Never stuck*: a group that has prepared and hears nothing asks the coordinator's group ([`Message::Ask`]). If the
//! decision stands in its log its leader says it. If not, and the leader is not at work on the transaction itself, the
//! leader whose memory held the votes is gone; then nobody can ever decide on *commit*, and *abort* is decided. A leader that
//! is deposed before it offered a decision answers its client with a certain *aborted* for the same reason, and after that
//! with *unknown*.
//!
//! ## What we write down, and when
//!
//! What the Raft cores write down, each line with its group ([`Record`]). Nothing else needs to be: all else is made of
//! the logs.
//!
//! ## Where to look
//!
//! `shard.rs` what a log makes of its shard · `command.rs` what stands in the logs · `coordinator.rs` two-phase commit ·
//! `message.rs` · `invariants.rs` Raft's in every group, and that no transaction ends two ways. `FLAW` marks every branch
//! where a [`Flaw`] makes it wrong on purpose.
//!
//! ## What we left out
//!
//! * Shards that move or split, groups on some of the nodes, snapshots: the logs are kept as a whole.
//! * Shared locks, waiting for locks, reads without an entry of the log or at a timestamp.
//! * Clients who ask again: a call that was lost is not known again.

mod command;
mod coordinator;
mod invariants;
mod message;
mod shard;

pub use command::{Command, Group, Txn};
pub use invariants::Invariants;
pub use message::{Message, Record};

use crate::catalog::{BORNE_BY_QUORUMS, Entry};
use crate::raft::{self, Raft};
use crate::{Compaction, Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, wire};
use coordinator::Coordinating;
use history::{Call, CallKind, Chance, Key, Mop, NodeId, Outcome, Refusal, Ticket, Time};
use shard::{Shard, key_of};
use std::collections::{BTreeMap, BTreeSet};

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// How many groups there are.
const GROUPS: Group = 3;

/// Where a key is kept.
fn shard_of(key: Key) -> Group {
    // A multiplicative hash, so that keys that are neighbours are often apart.
    ((key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % u64::from(GROUPS)) as Group
}

/// One node, which takes part in every group.
#[derive(Debug)]
pub struct Sharded {
    me: NodeId,
    everyone: Vec<NodeId>,
    options: Options,
    groups: Vec<Raft>,
    shards: Vec<Shard>,
    /// How far each group's log was applied to its shard.
    applied: Vec<u64>,
    /// In which term this node leads each group, if it does.
    leads: Vec<Option<u64>>,
    /// By group and index: the term of the entry that a client waits for.
    asked: BTreeMap<(Group, u64), (u64, RequestId)>,
    coordinating: BTreeMap<Txn, Coordinating>,
    /// Those whose end was offered to a log.
    finishing: BTreeSet<(Group, Txn)>,
    /// For how many ticks those have been prepared that are, where this node leads.
    waited: BTreeMap<(Group, Txn), u32>,
    next_tick: Time,
    stopping: bool,
    /// How transactions ended in the last step, for a watcher.
    ended: Vec<(Txn, bool)>,
}

impl Protocol for Sharded {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: Entry = Entry {
        name: "sharded",
        about: "keys parted over three Raft groups, and transactions across them by two-phase commit",
        serves: &[CallKind::Read, CallKind::Write, CallKind::Cas, CallKind::Txn],
        claims: &["linearizable", "strict-serializable"],
        survives: BORNE_BY_QUORUMS,
        remembers: false,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Sharded {
        let mut disks: Vec<Vec<raft::Record>> = vec![Vec::new(); usize::from(GROUPS)];
        for Record(group, record) in disk {
            if let Some(disk) = disks.get_mut(usize::from(group)) {
                disk.push(record);
            }
        }
        // Its flaws are ours, not those of the groups; and a log that was put together could not be applied here.
        let compaction = Compaction { every: u64::MAX, ..options.compaction };
        let inner = Options { flaw: None, compaction, ..options };
        let chances = (0..GROUPS).map(|group| chance.split(&format!("g{group}")));
        let groups = disks.into_iter().zip(chances);
        let groups: Vec<Raft> =
            groups.map(|(disk, chance)| Raft::boot(me, founders, disk, inner, now, chance)).collect();
        Sharded {
            me,
            everyone: founders.to_vec(),
            options,
            shards: groups.iter().map(|_| Shard::default()).collect(),
            applied: vec![0; groups.len()],
            leads: vec![None; groups.len()],
            groups,
            asked: BTreeMap::new(),
            coordinating: BTreeMap::new(),
            finishing: BTreeSet::new(),
            waited: BTreeMap::new(),
            next_tick: now + options.tempo.heartbeat,
            stopping: false,
            ended: Vec::new(),
        }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.ended.clear();
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => self.request(now, (id, ticket), call, out),
            Input::Wake => {
                for group in 0..GROUPS {
                    self.within(now, group, Input::Wake, out);
                }
                if now >= self.next_tick {
                    self.tick(now, out);
                }
            }
            Input::Change(_) => {}
            Input::Stop => {
                self.stopping = true;
                for group in 0..GROUPS {
                    self.within(now, group, Input::Stop, out);
                }
            }
        }
    }

    fn alarm(&self) -> Option<Time> {
        self.groups.iter().filter_map(Raft::alarm).chain([self.next_tick]).min()
    }

    /// It leads if it leads any group.
    fn status(&self) -> Status {
        let each = || self.groups.iter().map(Raft::status);
        let leads = self.leads.iter().any(Option::is_some);
        Status {
            role: if leads { Role::Leader } else { Role::Follower },
            term: each().map(|status| status.term).max().unwrap_or(0),
            leader: each().next().and_then(|status| status.leader),
            committed: self.applied.iter().sum(),
            stopped: self.stopping && each().all(|status| status.stopped),
        }
    }
}

impl Sharded {
    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// Whether it leads this group.
    fn leads(&self, group: Group) -> bool {
        self.leads.get(usize::from(group)).is_some_and(Option::is_some)
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Within(group, message) => {
                self.within(now, group, Input::Message { from, message }, out);
            }
            Message::Prepare { txn, group, coordinator, mops } => {
                self.take_prepare(txn, (group, coordinator), mops, out);
            }
            Message::Vote { txn, group, saw } => self.take_vote(txn, group, saw, out),
            Message::Outcome { txn, commit } => self.take_outcome(txn, commit, out),
            Message::Ask { txn, coordinator } => self.take_ask(from, txn, coordinator, out),
        }
    }

    /// Something happens within a group: what it wants done is done, and what it has committed is applied.
    fn within(&mut self, now: Time, group: Group, input: Input<raft::Message>, out: &mut Output) {
        let at = usize::from(group);
        let Some(raft) = self.groups.get_mut(at) else { return };
        let mut inner = Vec::new();
        raft.handle(now, input, &mut inner);
        pass_on(group, inner, out);
        let status = self.groups[at].status();
        let leads = (status.role == Role::Leader).then_some(status.term);
        if self.leads[at] != leads {
            self.leads[at] = leads;
            self.depose(group, out);
        }
        self.apply(group, out);
    }

    fn apply(&mut self, group: Group, out: &mut Output) {
        let at = usize::from(group);
        while self.applied[at] < self.groups[at].applied() {
            let index = self.applied[at] + 1;
            self.applied[at] = index;
            let Some(entry) = self.groups[at].log().get(index) else { continue };
            let (term, raft::Command::Other(bytes)) = (entry.term, &entry.command) else { continue };
            // What a node of this cluster put there can be read.
            let Ok(command) = wire::decode::<Command>(bytes) else { continue };
            let came = self.shards[at].apply(command, self.options.flaw);
            self.react(group, (index, term), came, out);
        }
    }

    /// Offers a command to the log of a group; where it will stand if this node still leads the group.
    fn offer(&mut self, group: Group, command: &Command, out: &mut Output) -> Option<(u64, u64)> {
        let raft = self.groups.get_mut(usize::from(group))?;
        let mut inner = Vec::new();
        let place = raft.offer(wire::encode(command), &mut inner);
        pass_on(group, inner, out);
        place
    }

    /// Says something to whoever leads a group, as far as this node knows.
    fn tell_leader(&self, group: Group, message: Message, out: &mut Output) {
        let leader = self.groups.get(usize::from(group)).and_then(|raft| raft.status().leader);
        out.extend(leader.map(|to| Effect::Send { to, message }));
    }

    /// A client asks.
    fn request(&mut self, now: Time, (id, txn): (RequestId, Ticket), call: Call, out: &mut Output) {
        let refusal = match self.begin(now, (id, txn), call, out) {
            Ok(()) => return,
            Err(refusal) => refusal,
        };
        out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) });
    }

    fn begin(
        &mut self,
        now: Time,
        (id, txn): (RequestId, Ticket),
        call: Call,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        let keys: Vec<Key> = match &call {
            Call::Txn { mops } if mops.iter().all(|mop| !matches!(mop, Mop::Send { .. } | Mop::Poll)) => {
                mops.iter().filter_map(key_of).collect()
            }
            Call::Read { key } | Call::Write { key, .. } | Call::Cas { key, .. } => vec![*key],
            _ => return Err(Refusal::Unserved),
        };
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        let groups: BTreeSet<Group> = keys.into_iter().map(shard_of).collect();
        let first = groups.first().copied().unwrap_or(0);
        if !self.leads(first) {
            let status = self.groups.get(usize::from(first)).map(Raft::status);
            let hint = status.and_then(|status| status.leader).filter(|leader| *leader != self.me);
            return Err(Refusal::NotLeader { hint });
        }
        if groups.len() > 1 {
            self.coordinate(now, (id, txn), (first, &call), out);
            return Ok(());
        }
        let refused = Refusal::NotLeader { hint: None };
        let (term, index) = self.offer(first, &Command::Do { txn, call }, out).ok_or(refused)?;
        self.asked.insert((first, index), (term, id));
        Ok(())
    }
}

/// What a group wants done.
fn pass_on(group: Group, effects: Vec<Effect<raft::Message, raft::Record>>, out: &mut Output) {
    out.extend(effects.into_iter().map(|effect| match effect {
        Effect::Persist(record) => Effect::Persist(Record(group, record)),
        Effect::Send { to, message } => Effect::Send { to, message: Message::Within(group, message) },
        // It is never asked anything by a client, and never puts its log together.
        Effect::Reply { id, outcome } => Effect::Reply { id, outcome },
        Effect::Rewrite(_) => unreachable!("a group's log is kept as a whole"),
    }));
}
