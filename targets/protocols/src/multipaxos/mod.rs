//! # Multi-Paxos
//!
//! A few nodes agree on one command for each slot of a log, and so keep one state, as if they were one node that does
//! not fail. This is Lamport's algorithm as *Paxos Made Simple* (2001, "PMS") tells it: one instance of consensus for
//! each slot, with a distinguished proposer, the *leader*, who goes through phase 1 once for all slots. The words
//! *slot*, *scout*, *commander* and *pvalue* are van Renesse and Altinbuken's (*Paxos Made Moderately Complex*, 2015,
//! "PMMC"); here every node plays all the parts. What it takes to let it run is from Chandra, Griesemer and Redstone
//! (*Paxos Made Live*, 2007). `paxos/` has the algorithm for one value alone; it is the better place to begin.
//!
//! ## Ballots and promises
//!
//! A ballot is a round and the node that made it, so no two nodes make the same. *Phase 1*: who wants to lead asks
//! everybody to promise its ballot: to accept no lower one any more ([`Message::Prepare`]). Who promises tells what it
//! has accepted for every slot of which the candidate does not know what is chosen ([`Message::Promise`]). With a
//! majority's promises the candidate leads. *Phase 2*: for a slot it proposes a command under its ballot
//! ([`Message::Accept`]), and who has promised no higher ballot accepts ([`Message::Accepted`]). What a majority has
//! accepted **under one ballot** is chosen, for ever.
//!
//! For ever, because a later leader asks a majority first, and one of those has accepted it: of what it finds for a slot
//! the leader must propose that with the **highest ballot**, and by induction that is the chosen command (P2c). Where
//! nobody of the majority has anything, nothing was chosen and nothing can be under a lower ballot any more. If there is
//! something beyond such a slot it is a gap, and the leader proposes that nothing be done there (PMS §3); else it is
//! free for the next request. So unlike in Raft slots are decided side by side and in any order; they are only applied
//! in order.
//!
//! ## Who leads
//!
//! Any number of candidates is safe; for anything to happen there should be one (PMS §2.4). A node that hears no leader
//! for its election timeout, drawn anew each time, first *canvasses*: would you promise me this ballot? Nobody says yes
//! who hears a leader, and asking changes nothing at either end, so that a node that was cut off does not come back with
//! a ballot that unseats a leader whom everybody else hears. (That is Raft's pre-vote; the papers leave room for it.) A
//! leader that hears no majority within an election timeout steps down, so that its clients look elsewhere. Nothing
//! depends on all that but their patience.
//!
//! ## Learning
//!
//! A leader says with all it sends up to which slot everything is chosen. Followers know most of these commands, having
//! accepted them; what they missed, and be it ten thousand slots, they ask for and are told in runs (`learner.rs`). A
//! candidate is told in the promises what others know to be chosen, up to a few hundred slots; who is further behind is
//! taught instead and may not lead yet, and whoever of any majority knows most never meets that.
//!
//! ## Reads
//!
//! Reads use no slot: `read.rs` says which quorum they ask instead, and why that is enough.
//!
//! ## What we write down, and when
//!
//! Promises ([`Record::Promised`]), what was accepted ([`Record::Accepted`]) and what others said is chosen
//! ([`Record::Chosen`]): read in order, they are a node's whole durable state. "An acceptor records its intended response
//! in stable storage before actually sending the response" (PMS §2.5): the response stands behind the
//! [`Effect::Persist`]. A candidate, too, promises its own ballot durably before anybody hears of it, so that it makes no
//! ballot twice. And a node counts *itself* like any other, by a message to itself behind the Persist: what this core
//! calls chosen is durable on a majority.
//!
//! Up to where slots are known to be chosen is written along with the next thing that is accepted. It would be safe to
//! forget, since phase 1 would find it again; but then a cluster that restarts would decide its whole log anew.
//!
//! ## Where to look
//!
//! `acceptor.rs` promises and accepts · `election.rs` canvass, phase 1, step down · `commander.rs` phase 2
//! and heartbeats · `learner.rs` what is chosen, and catching up · `read.rs` · `handover.rs` · `leader.rs`, `part.rs` what
//! a node knows in each part it plays · `message.rs`, `record.rs` · `invariants.rs` what must hold over the whole cluster.
//! `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose. `testscripts/multipaxos/` tells it in stories.
//!
//! ## What we left out
//!
//! * Snapshots: the log is kept as a whole, in memory and on disk, and who missed much is told all of it.
//! * Changes of the members (PMMC §2.1's configurations with a window α).
//! * Master leases (*Paxos Made Live* §5.2): they trust clocks.
//! * Collocated-roles shortcuts that save messages, fast and flexible quorums, leaderless variants.
//! * Disks that lie: what was synced is believed to be there.

mod acceptor;
mod commander;
mod election;
mod handover;
mod invariants;
mod leader;
mod learner;
mod message;
mod part;
mod read;
mod record;

pub use invariants::Invariants;
pub use message::{Command, Message, Pvalue};
pub use record::Record;

use crate::catalog::{BORNE_BY_QUORUMS, Entry};
use crate::paxos::Ballot;
use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, Store};
use history::{Call, Chance, NodeId, Outcome, Refusal, Ticket, Time};
use part::Part;
use record::Recovered;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node of Multi-Paxos.
#[derive(Debug)]
pub struct MultiPaxos {
    me: NodeId,
    everyone: Vec<NodeId>,
    options: Options,
    chance: Chance,
    /// Durable: it accepts no lower ballot.
    promised: Ballot,
    /// Durable: what it has accepted last for each slot that it does not know to be chosen.
    accepted: BTreeMap<u64, (Ballot, Command)>,
    /// What is chosen, from slot 1 on, without a gap.
    log: Vec<Command>,
    /// What the log makes of it.
    store: Store,
    /// The highest ballot that it heard of.
    highest: Ballot,
    part: Part,
    /// When it last asked the leader for what it missed, if it waits for that.
    asked: Option<Time>,
    /// The election timeout as drawn last.
    patience: Duration,
    /// When it canvasses, unless it leads.
    deadline: Time,
    /// Since when it is to stop.
    stopping: Option<Time>,
}

impl Protocol for MultiPaxos {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: Entry = Entry {
        name: "multipaxos",
        about: "Multi-Paxos with a leader that is found by timeouts: serves what the reference node serves",
        serves: &Store::SERVES_AND_LEADS,
        claims: &["linearizable", "strict-serializable"],
        survives: BORNE_BY_QUORUMS,
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> MultiPaxos {
        let Recovered { promised, accepted, log } = Recovered::read(disk);
        let mut store = Store::default();
        for command in &log {
            if let Command::Call { ticket, call, at } = command {
                store.apply(*ticket, call, *at);
            }
        }
        let mut node = MultiPaxos {
            me,
            everyone: founders.to_vec(),
            options,
            chance,
            promised,
            accepted,
            log,
            store,
            highest: promised,
            part: Part::Follower(None),
            asked: None,
            patience: Duration::ZERO,
            deadline: now,
            stopping: None,
        };
        node.rest(now);
        node
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => self.request(now, id, (ticket, call), out),
            Input::Wake => self.wake(now, out),
            Input::Change(_) => {}
            Input::Stop => self.stop(now, out),
        }
    }

    fn alarm(&self) -> Option<Time> {
        match &self.part {
            Part::Leader(leader) => Some(leader.beat),
            Part::Follower(_) | Part::Canvasser(..) | Part::Candidate(_) => Some(self.deadline),
        }
    }

    fn status(&self) -> Status {
        let (role, ballot, leader) = match &self.part {
            Part::Leader(leader) => (Role::Leader, leader.ballot, Some(self.me)),
            Part::Canvasser(..) => (Role::Candidate, self.promised, None),
            Part::Candidate(scout) => (Role::Candidate, scout.ballot, None),
            Part::Follower(Some(following)) => {
                (Role::Follower, following.ballot, Some(following.ballot.node))
            }
            Part::Follower(None) => (Role::Follower, self.promised, None),
        };
        let stopped = self.stopping.is_some() && role != Role::Leader;
        Status { role, term: ballot.number(), leader, committed: self.prefix(), stopped }
    }
}

impl MultiPaxos {
    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How many nodes are a majority.
    fn quorum(&self) -> usize {
        // FLAW half-is-enough: of four nodes two are, and of five.
        let more = usize::from(!self.has(Flaw::HalfIsEnough));
        (self.everyone.len() / 2 + more).max(1)
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Canvass { ballot, after } => self.answer_canvass(now, from, (ballot, after), out),
            Message::Support { ballot, granted: true } => self.count_support(now, from, ballot, out),
            Message::Support { .. } => {}
            Message::Prepare { ballot, after } => self.answer_prepare(now, from, (ballot, after), out),
            Message::Promise { ballot, after, chosen, accepted } => {
                self.count_promise(now, (from, ballot), (after, chosen), accepted, out);
            }
            Message::Accept { ballot, entries, chosen } => {
                self.answer_accept(now, from, (ballot, entries), chosen, out);
            }
            Message::Accepted { ballot, slots } => self.count_accepted(now, (from, ballot), &slots, out),
            Message::Refuse { ballot, promised } => self.take_refuse(now, ballot, promised, out),
            Message::Heartbeat { ballot, chosen, round } => {
                self.answer_heartbeat(now, (from, ballot), (chosen, round), out);
            }
            Message::Alive { ballot, round } => self.take_alive(now, (from, ballot), round, out),
            Message::Learn { after } => self.teach(from, after, out),
            Message::Chosen { after, commands } => self.take_chosen(now, after, commands, out),
            Message::TakeOver { ballot } => self.take_over(now, ballot, out),
        }
    }

    /// A client asks.
    fn request(&mut self, now: Time, id: RequestId, (ticket, call): (Ticket, Call), out: &mut Output) {
        if call == Call::Leader {
            return out.push(Effect::Reply { id, outcome: self.status().leads() });
        }
        let refusal = match &self.part {
            _ if self.stopping.is_some() => Refusal::Stopping,
            Part::Leader(_) if call.is_read() => return self.read(id, call, out),
            Part::Leader(_) => return self.write(now, id, (ticket, call), out),
            Part::Follower(Some(following)) => Refusal::NotLeader { hint: Some(following.ballot.node) },
            Part::Follower(None) | Part::Canvasser(..) | Part::Candidate(_) => {
                Refusal::NotLeader { hint: None }
            }
        };
        out.push(Effect::Reply { id, outcome: Outcome::Fail(refusal) });
    }

    /// The alarm may be due.
    fn wake(&mut self, now: Time, out: &mut Output) {
        match &self.part {
            Part::Leader(leader) if now >= leader.beat => self.beat(now, out),
            Part::Leader(_) => {}
            Part::Follower(_) | Part::Canvasser(..) | Part::Candidate(_) => {
                if now >= self.deadline {
                    self.canvass(now, out);
                }
            }
        }
    }
}
