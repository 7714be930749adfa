//! # Paxos
//!
//! A few nodes agree on one value, and whatever becomes of them they never agree on another. This is the algorithm of
//! Lamport's *Paxos Made Simple* (2001, "PMS"), which he first told as *The Part-Time Parliament* (1998), for one value;
//! `synod.rs` is all of it, in the words of the paper. The rest of this folder makes a service of it: each **key** is an
//! instance of its own, a register that is written once.
//!
//! * `cas k nil→v` proposes `v`. It is ok if `v` is chosen for this very call, and refused with what was found otherwise.
//! * `read k` says what is chosen. If something may have been chosen that nobody knows of, the reader finishes it
//!   first, like any proposer: there is no looking without taking part.
//! * `cas k u→v` cannot be had: what is chosen is chosen for good. It is refused, and is a read.
//!
//! Any node proposes; nobody leads. `multipaxos/` is what becomes of it when many values are to be chosen in order.
//!
//! ## Why it is right
//!
//! A value is *chosen* when a majority has accepted it under one ballot. Before anybody proposes under a higher ballot he
//! has a majority's promises to accept nothing lower any more, and these tell what they have accepted. One of them has
//! accepted the chosen value, and of all that he is told he proposes the value of the highest ballot; by induction over
//! the ballots that is the chosen value (P2c).
//!
//! If nobody of a majority has accepted anything, nothing was chosen at the moment when the first of them said so; a
//! read that came before that may be answered with *nothing*. Once a value is known to be chosen every node that knows it
//! may answer at once: it will never be otherwise.
//!
//! ## What we write down, and when
//!
//! What an acceptor promised and accepted ([`Record`]), before it says so (PMS §2.5). A proposer promises its own ballot
//! to itself, durably, before anybody hears of it, so that it makes no ballot twice, and counts itself by a message to
//! itself. What is chosen is not written down: whoever forgot it asks again.
//!
//! ## Where to look
//!
//! `synod.rs` the algorithm · `seeker.rs` proposers, their clients, and how two of them do not duel for ever · `ballot.rs`
//! · `message.rs` · `invariants.rs` what must hold. `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose.
//! `testscripts/paxos/` tells it in stories.
//!
//! ## What we left out
//!
//! * Learners of their own: a proposer counts, and tells everybody once. Whoever misses that asks.
//! * A distinguished proposer: with it, and an instance for each slot of a log, this is Multi-Paxos.
//! * Forgetting: instances are kept for ever.

mod ballot;
mod invariants;
mod message;
mod seeker;
mod synod;

pub use ballot::Ballot;
pub use invariants::Invariants;
pub use message::{Message, Proposal, Record, Word};
pub(crate) use synod::Tally;

use crate::catalog::Entry;
use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status};
use history::{Call, CallKind, Chance, Key, NodeId, Outcome, Refusal, Ticket, Time};
use seeker::{Seeker, answer};
use std::collections::BTreeMap;
use synod::Acceptor;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node of Paxos.
#[derive(Debug)]
pub struct Paxos {
    me: NodeId,
    everyone: Vec<NodeId>,
    options: Options,
    chance: Chance,
    /// Durable.
    acceptors: BTreeMap<Key, Acceptor<Proposal>>,
    /// What it knows to be chosen.
    chosen: BTreeMap<Key, Proposal>,
    /// What it wants to know.
    seekers: BTreeMap<Key, Seeker>,
    /// The instances that the last input was about, so that a watcher need not look at all.
    touched: Vec<Key>,
    stopping: bool,
}

impl Protocol for Paxos {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: Entry = Entry {
        name: "paxos",
        about: "single-decree Paxos: registers that are written once, each an instance of consensus",
        serves: &[CallKind::Read, CallKind::Cas],
        claims: &["linearizable"],
        survives: &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure"],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        _now: Time,
        chance: Chance,
    ) -> Paxos {
        let mut acceptors: BTreeMap<Key, Acceptor<Proposal>> = BTreeMap::new();
        for record in disk {
            match record {
                Record::Promised(key, ballot) => {
                    let acceptor = acceptors.entry(key).or_default();
                    acceptor.promised = acceptor.promised.max(ballot);
                }
                Record::Accepted(key, ballot, value) => {
                    let acceptor = acceptors.entry(key).or_default();
                    acceptor.promised = acceptor.promised.max(ballot);
                    acceptor.accepted = Some((ballot, value));
                }
            }
        }
        let (chosen, seekers) = (BTreeMap::new(), BTreeMap::new());
        let everyone = founders.to_vec();
        Paxos {
            me,
            everyone,
            options,
            chance,
            acceptors,
            chosen,
            seekers,
            touched: Vec::new(),
            stopping: false,
        }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.touched.clear();
        match input {
            Input::Message { from, message: Message { key, word } } => {
                self.touched.push(key);
                self.receive(now, from, (key, word), out);
            }
            Input::Request { id, ticket, call } => self.request(now, id, (ticket, call), out),
            Input::Wake => self.try_again(now, out),
            Input::Change(_) => {}
            Input::Stop => self.stop(out),
        }
    }

    fn alarm(&self) -> Option<Time> {
        self.seekers.values().map(|seeker| seeker.again).min()
    }

    /// Nobody leads, or everybody does: every node is one that serves clients by itself.
    fn status(&self) -> Status {
        Status {
            role: Role::Leader,
            term: 0,
            leader: None,
            committed: self.chosen.len() as u64,
            stopped: self.stopping,
        }
    }
}

impl Paxos {
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

    fn receive(&mut self, now: Time, from: NodeId, (key, word): (Key, Word), out: &mut Output) {
        match (word, self.chosen.get(&key)) {
            // Whoever still asks is told the end of it.
            (Word::Prepare(_) | Word::Accept(..), Some(value)) if from != self.me => {
                let message = Message { key, word: Word::Chosen(*value) };
                out.push(Effect::Send { to: from, message });
            }
            (Word::Prepare(ballot), _) => {
                // FLAW promise-forgotten: it is not written down.
                let durable = !self.has(Flaw::PromiseForgotten);
                self.answer_prepare(from, key, ballot, durable, out);
            }
            (Word::Promise(ballot, accepted), _) => {
                self.count_promise(now, (from, key), (ballot, accepted), out);
            }
            (Word::Accept(ballot, value), _) => self.answer_accept(from, key, (ballot, value), out),
            (Word::Accepted(ballot), _) => self.count_accepted(from, key, ballot, out),
            (Word::Refuse(ballot, promised), _) => self.take_refuse(now, key, (ballot, promised)),
            (Word::Chosen(value), _) => self.learn(key, value, out),
        }
    }

    /// 1a came: 1b.
    fn answer_prepare(&mut self, from: NodeId, key: Key, ballot: Ballot, durable: bool, out: &mut Output) {
        let acceptor = self.acceptors.entry(key).or_default();
        let news = ballot > acceptor.promised;
        let word = match acceptor.prepare(ballot) {
            Ok(accepted) => Word::Promise(ballot, accepted),
            Err(promised) => Word::Refuse(ballot, promised),
        };
        if news && durable {
            out.push(Effect::Persist(Record::Promised(key, ballot)));
        }
        out.push(Effect::Send { to: from, message: Message { key, word } });
    }

    /// 2a came: 2b.
    fn answer_accept(
        &mut self,
        from: NodeId,
        key: Key,
        (ballot, value): (Ballot, Proposal),
        out: &mut Output,
    ) {
        let flaw = self.options.flaw;
        let acceptor = self.acceptors.entry(key).or_default();
        let news = acceptor.accepted.is_none_or(|(by, _)| by != ballot);
        let word = match acceptor.accept(ballot, value, flaw) {
            Ok(()) => {
                // FLAW accept-forgotten: it is not written down.
                if news && flaw != Some(Flaw::AcceptForgotten) {
                    out.push(Effect::Persist(Record::Accepted(key, ballot, value)));
                }
                Word::Accepted(ballot)
            }
            Err(promised) => Word::Refuse(ballot, promised),
        };
        out.push(Effect::Send { to: from, message: Message { key, word } });
    }

    /// A client asks.
    fn request(&mut self, now: Time, id: RequestId, (ticket, call): (Ticket, Call), out: &mut Output) {
        let known = call.key().and_then(|key| self.chosen.get(&key));
        let outcome = match (&call, known) {
            _ if !Paxos::ENTRY.serves.contains(&call.kind()) => Outcome::Fail(Refusal::Unserved),
            _ if self.stopping => Outcome::Fail(Refusal::Stopping),
            (call, Some(value)) => answer(call, ticket, *value),
            (_, None) => return self.seek(now, (id, ticket), call, out),
        };
        out.push(Effect::Reply { id, outcome });
    }

    /// Stops: there is nothing to hand over, and what others have accepted anybody may finish.
    fn stop(&mut self, out: &mut Output) {
        self.stopping = true;
        let waiting = std::mem::take(&mut self.seekers).into_values().flat_map(|seeker| seeker.waiting);
        out.extend(waiting.map(|waiting| waiting.let_go(&Refusal::Stopping)));
    }
}
