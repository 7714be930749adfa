//! Raft.

mod commit;
mod election;
mod invariants;
mod leader;
mod log;
mod message;
mod part;
mod progress;
mod read;
mod record;
mod replication;
mod transfer;

pub use invariants::Invariants;
pub use log::{Entry, Log, Place};
pub use message::Message;
pub use record::Record;

use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, Store};
use history::{Call, Chance, NodeId, Outcome, Refusal, Reply, Time};
use part::Part;
use record::Recovered;
use replication::Append;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One Raft node.
#[derive(Debug)]
pub struct Raft {
    me: NodeId,
    /// Everyone else.
    peers: Vec<NodeId>,
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
    part: Part,
    /// The election timeout as drawn last.
    patience: Duration,
    /// When it canvasses, unless it leads.
    deadline: Time,
    /// Since when it is to stop.
    stopping: Option<Time>,
    /// Records that FLAW ack-before-persist holds back.
    owed: Vec<Record>,
}

impl Protocol for Raft {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;

    fn boot(
        me: NodeId,
        nodes: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Raft {
        let Recovered { term, vote, log } = Recovered::read(disk);
        let mut raft = Raft {
            me,
            peers: nodes.iter().copied().filter(|&node| node != me).collect(),
            options,
            chance,
            term,
            vote,
            log,
            commit: 0,
            applied: 0,
            store: Store::default(),
            part: Part::Follower(None),
            patience: Duration::ZERO,
            deadline: now,
            stopping: None,
            owed: Vec::new(),
        };
        raft.rest(now);
        // FLAW commit-restored-wrongly: what is on disk must have been committed.
        if raft.has(Flaw::CommitRestoredWrongly) {
            raft.commit_up_to(raft.log.last_index(), &mut Vec::new());
        }
        raft
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        out.extend(self.owed.drain(..).map(Effect::Persist));
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, call } => self.request(id, call, out),
            Input::Wake => self.wake(now, out),
            Input::Stop => self.stop(now, out),
        }
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

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How many nodes are a majority.
    fn quorum(&self) -> usize {
        (self.peers.len() + 1) / 2 + 1
    }

    /// A message came. Terms come first (§5.1): a higher one makes this node a follower in it, a lower one is
    /// history, and its sender is told so.
    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        if from != self.me && !self.peers.contains(&from) {
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
            Message::TimeoutNow { .. } => self.take_over(now, out),
            Message::Persisted { index, .. } if from == self.me => self.own_persisted(index, out),
            Message::Persisted { .. }
            | Message::Support { .. }
            | Message::Vote { .. }
            | Message::Stale { .. } => {}
        }
    }

    /// A client asks.
    fn request(&mut self, id: RequestId, call: Call, out: &mut Output) {
        // FLAW stale-local-reads: anyone answers.
        if self.has(Flaw::StaleLocalReads) && call.is_read() {
            out.push(Effect::Reply { id, outcome: self.store.apply(&call) });
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
            None if call.is_read() => self.read(id, call, out),
            None => self.write(id, call, out),
        }
    }

    /// A client of this leader writes: through the log.
    fn write(&mut self, id: RequestId, call: Call, out: &mut Output) {
        let hasty = self.has(Flaw::AcknowledgedBeforeCommit) && matches!(call, Call::Write { .. });
        let index = self.propose(Entry { term: self.term, call: Some(call) }, out);
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
