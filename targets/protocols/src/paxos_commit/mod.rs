//! # Paxos Commit
//!
//! After Gray and Lamport (*Consensus on Transaction Commit*, TODS 31:1, 2006: "GL"). What it shares with its rivals is said
//! in [`crate::commit`].
//!
//! ## One consensus for each vote
//!
//! Two-phase commit blocks because one node alone knows the decision. Here the decision is nobody's: **a transaction is
//! committed if and only if Paxos chooses *prepared* for every participant**, in an instance of its own for each. All nodes
//! are acceptors (2F+1 of them), so as long as F+1 are up and hear one another, anybody can find out what was chosen, or
//! bring it about.
//!
//! Ballot 0 of an instance belongs to its participant: who has locked its keys and written down its vote proposes
//! *prepared* to all acceptors at once (phase 2a); no phase 1 is needed, since no ballot is lower. Acceptors write down what
//! they accept and tell the coordinator (2b), which counts: when a majority has accepted *prepared* of everybody, it is
//! committed, with as many message delays as in two-phase commit and one more. A participant that cannot commit writes that
//! down and says so; nobody else ever proposes *prepared* where nothing was accepted, so *aborted* is all that can be
//! chosen for it, and all may abort at once (GL, §4).
//!
//! ## Whoever is in doubt leads
//!
//! A participant that hears nothing asks the others, and then leads a ballot of its own, above all that it knows of: it
//! asks all acceptors for promises (1a, 1b), for all instances together. Of what a majority reports it proposes for each
//! participant what was accepted in the highest ballot, and **where nothing was accepted, *aborted*** (2a); what a majority
//! accepts is chosen. Two majorities have an acceptor in common, so whatever was chosen before, it proposes. Of several who
//! lead at once the one with the highest ballot comes through; the times that they wait are drawn.
//!
//! So the death of the coordinator blocks nobody, and no partition or pause makes two sides differ: only the side with a
//! majority of the acceptors goes on.
//!
//! ## What we write down, and when
//!
//! As an acceptor, promises and what it accepted, before it says so; as a participant, its vote, before it proposes it;
//! decisions, before they are told. A leader writes its ballot down before it uses it, so no later life uses it again.
//!
//! ## Where to look
//!
//! `participant.rs` · `leader.rs` · `acceptor.rs` · `message.rs`; `crate::commit` for votes, locks, tickets and the ledger.
//! `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose. `testscripts/paxos-commit/` tells all this in
//! stories.
//!
//! ## What we left out
//!
//! * One message for all instances of one acceptor, and acceptors that are participants (GL): they save messages.
//! * Forgetting: acceptors keep every ballot for ever.
//! * Faster Paxos Commit, in which acceptors tell every participant (GL).

mod acceptor;
mod leader;
mod message;
mod participant;

pub use message::{Message, Record, Votes};

use crate::catalog::Entry as About;
use crate::commit::{Invariants, OfSite, SERVES, Site, TxnId};
use crate::{Effect, Flaw, Input, Options, Protocol, Role, Status};
use acceptor::Ballots;
use history::{Chance, NodeId, Time};
use leader::Leading;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node: acceptor of all transactions, coordinator of those whose first key is its own, participant of all that have a
/// key of its own.
#[derive(Debug)]
pub struct PaxosCommit {
    site: Site,
    options: Options,
    chance: Chance,
    ballots: BTreeMap<TxnId, Ballots>,
    leading: BTreeMap<TxnId, Leading>,
    /// When it does something about a transaction of which it is in doubt, and whether it has asked the others by then.
    ask_at: BTreeMap<TxnId, (Time, bool)>,
    /// When it came to life: there may be something to do at once.
    first: Option<Time>,
}

impl Protocol for PaxosCommit {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: About = About {
        name: "paxos-commit",
        about: "Paxos Commit: transactions that a majority of the nodes can always decide",
        serves: &SERVES,
        claims: &["linearizable", "strict-serializable", "atomic-nonblocking"],
        survives: &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure"],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> PaxosCommit {
        let records = disk.iter().filter_map(|record| match record {
            Record::Participant(record) => Some(record),
            Record::Promised(..) | Record::Accepted(..) => None,
        });
        let site = Site::boot((me, founders), records, &options, now);
        let mut ballots: BTreeMap<TxnId, Ballots> = BTreeMap::new();
        for record in &disk {
            match record {
                Record::Promised(id, ballot) => {
                    let ballots = ballots.entry(*id).or_default();
                    ballots.promised = ballots.promised.max(*ballot);
                }
                Record::Accepted(id, ballot, votes) => ballots.entry(*id).or_default().accept(*ballot, votes),
                Record::Participant(_) => {}
            }
        }
        let (leading, ask_at) = (BTreeMap::new(), BTreeMap::new());
        PaxosCommit { site, options, chance, ballots, leading, ask_at, first: Some(now) }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.first = None;
        self.site.announce(now, out);
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => {
                if let Some(txn) = self.site.request(now, id, (ticket, call), out) {
                    self.begin(now, txn, out);
                }
            }
            Input::Wake | Input::Change(_) => {}
            Input::Stop => self.site.stopping = true,
        }
        self.drive(now, out);
        self.inquire(now, out);
    }

    fn alarm(&self) -> Option<Time> {
        let led = self.leading.values().map(|leading| leading.again.min(leading.deadline));
        let doubted = self.site.in_doubt().iter().filter(|id| !self.leading.contains_key(id));
        let asked = doubted.filter_map(|id| self.ask_at.get(id)).map(|(due, _)| *due);
        led.chain(asked).chain(self.first).min()
    }

    fn status(&self) -> Status {
        let stopped = self.site.stopping && self.leading.values().all(|leading| leading.ballot > 0);
        // Every node leads the transactions of its own keys.
        Status { role: Role::Leader, term: 0, leader: None, committed: self.site.committed(), stopped }
    }
}

impl PaxosCommit {
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How often something is said again that was not answered.
    fn beat(&self) -> Duration {
        self.options.tempo.heartbeat * 2
    }

    fn majority(&self) -> usize {
        self.site.nodes.len() / 2 + 1
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Prepare(txn) => self.vote(now, from, &txn, out),
            Message::Prepared(id, gots) => self.hear_prepared(now, from, id, gots, out),
            Message::Propose(id, ballot, votes) => self.hear_propose(from, id, ballot, votes, out),
            Message::Accepted(id, ballot, votes) => self.hear_accepted(now, from, (id, ballot, votes), out),
            Message::Ask(id, ballot) => self.hear_ask(from, id, ballot, out),
            Message::Promise(id, ballot, accepted) => self.hear_promise(from, (id, ballot), accepted, out),
            Message::Commit(id) => self.learn(now, id, true, out),
            Message::Abort(id) => self.learn(now, id, false, out),
            Message::Inquire(id) => self.help(now, from, id, out),
        }
    }
}

impl OfSite for PaxosCommit {
    fn site(&self) -> &Site {
        &self.site
    }
}
