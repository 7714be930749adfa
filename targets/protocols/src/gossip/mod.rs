//! # Gossip: counters and sets that are always there and agree in the end
//!
//! Every node answers at once from what it knows, whoever else it can reach, and tells the others behind the answer. Nothing
//! is linearizable. What is promised is *strong eventual consistency* (Shapiro, Preguiça, Baquero and Zawirski, *Conflict-free
//! Replicated Data Types*, SSS 2011; the types are from the same authors' *A comprehensive study of Convergent and Commutative
//! Replicated Data Types*, INRIA RR-7506, 2011: "the report"): nodes that have heard of the same changes are in the same state,
//! and when everybody can reach everybody for a while, all have heard of all of them.
//!
//! ## States that can be joined
//!
//! The state of an object is an element of a semilattice: any two have a *join*, and every change moves up. Joining is
//! commutative, associative and idempotent, so it does not matter in which order, by which way, or how often something is heard:
//! messages may be lost, repeated and reordered at will.
//!
//! * **Counters** (`counter.rs`): each node counts for itself, up and down, and knows copies of the others' counts. The join
//!   takes the larger number of each; the value is the sum.
//! * **Sets** (`set.rs`): each addition has a *dot*, a name that is never used again; a removal takes the dots that it sees. So
//!   an addition wins over a removal that did not see it.
//!
//! ## Anti-entropy
//!
//! Now and then a node picks another at random and pushes the objects that have changed since that one last
//! acknowledged a push: whole states of these objects, joined at the other end (compare Almeida, Shoker and Baquero,
//! *Delta State Replicated Data Types*, 2018, algorithm 2; ours are not deltas but the objects that have them). What was
//! learnt is passed on like what was changed, so a node that nobody else reaches is heard through a third.
//!
//! ## What we write down, and when
//!
//! A change of the node's own before its client is answered; what another has pushed before the [`Message::Got`] that
//! lets it forget to push it again. The two numbers that must never go back are thus as durable as what they were
//! used for: the node's own slot in a counter, and the number of its last dot in a set. If a node forgot one, and
//! others had heard of it, its next changes would look to them like old ones, and be lost.
//!
//! [`Record::Boot`] numbers the node's lives, for how much has changed is counted in memory: an acknowledgement of something
//! that was pushed in an earlier life says nothing about this one. When there are many records, they are replaced by what
//! they amount to.
//!
//! ## Where to look
//!
//! `counter.rs`, `set.rs` the types · `objects.rs` all of them, and what changed when · `message.rs` messages and records ·
//! `invariants.rs` what is watched from outside. `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose.
//! `testscripts/gossip/` tells all this in stories.
//!
//! ## What we left out
//!
//! * Registers: of two concurrent writes one is dropped (last writer wins) or both are kept (multi-value), and what is
//!   promised of either is not what a register's readers ask.
//! * Recognising a call that is sent again: a second node cannot know of the first, so it counts twice.
//! * Nodes that join and leave: a slot or a dot is its node's for ever.
//! * Session guarantees: a client that goes from one node to another may see less than before.

mod counter;
mod invariants;
mod message;
mod objects;
mod set;

pub use counter::{Counter, Slot};
pub use invariants::Invariants;
pub use message::{Message, Name, Record, State};
pub use objects::Objects;
pub use set::{Dot, Set};

use crate::catalog::Entry;
use crate::{Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status};
use history::{Call, CallKind, Chance, Key, NodeId, Outcome, Refusal, Reply, Time, Value};
use std::collections::BTreeMap;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// So many objects go into one push.
const MOST: usize = 32;

/// One node.
#[derive(Debug)]
pub struct Gossip {
    me: NodeId,
    others: Vec<NodeId>,
    options: Options,
    chance: Chance,
    /// Durable: which of its lives this is.
    boot: u64,
    begun: bool,
    /// Durable before anything is said of it.
    objects: Objects,
    /// How many records there are on its disk.
    records: u64,
    /// Up to which of its changes each of the others knows all.
    known: BTreeMap<NodeId, u64>,
    /// When it pushes next.
    due: Time,
    stopping: bool,
    /// FLAW dots-reused: the number of its last dot, in memory.
    dots: u64,
    /// The objects that the last step changed, for the watch.
    last: Vec<Name>,
}

impl Protocol for Gossip {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;

    const ENTRY: Entry = Entry {
        name: "gossip",
        about: "gossip: counters and sets that always answer and agree in the end, and are never linearizable",
        serves: &[
            CallKind::Increment,
            CallKind::Count,
            CallKind::Add,
            CallKind::Remove,
            CallKind::Contains,
            CallKind::Elements,
        ],
        claims: &["eventual"],
        survives: &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure"],
        remembers: false,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Gossip {
        let (mut boot, mut objects, records) = (0, Objects::default(), disk.len() as u64);
        for record in disk {
            match record {
                Record::Boot { number } => boot = number,
                record => objects.take(me, record),
            }
        }
        let last = objects.all().map(|(name, _)| name).collect();
        Gossip {
            me,
            others: founders.iter().copied().filter(|node| *node != me).collect(),
            options,
            chance,
            boot: boot + 1,
            begun: false,
            objects,
            records,
            known: BTreeMap::new(),
            due: now,
            stopping: false,
            dots: 0,
            last,
        }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.last.clear();
        if !std::mem::replace(&mut self.begun, true) {
            self.write_down(Record::Boot { number: self.boot }, out);
        }
        match input {
            Input::Message { from, message: Message::Push { boot, change, states } } => {
                for (name, state) in states {
                    self.learn(name, state, out);
                }
                out.push(Effect::Send { to: from, message: Message::Got { boot, change } });
            }
            Input::Message { from, message: Message::Got { boot, change } } => {
                if boot == self.boot {
                    let known = self.known.entry(from).or_default();
                    *known = change.max(*known);
                }
            }
            Input::Request { id, call, .. } => self.request(id, &call, out),
            Input::Wake if now >= self.due => self.push(now, out),
            Input::Stop => self.stopping = true,
            Input::Wake | Input::Change(_) => {}
        }
    }

    fn alarm(&self) -> Option<Time> {
        Some(self.due)
    }

    /// Every node answers whatever it is asked: in that sense all of them lead, and its lives are its terms.
    fn status(&self) -> Status {
        Status {
            role: Role::Leader,
            term: self.boot,
            leader: Some(self.me),
            committed: 0,
            stopped: self.stopping,
        }
    }
}

impl Gossip {
    /// What it knows.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// Tells somebody what it may not know.
    fn push(&mut self, now: Time, out: &mut Output) {
        self.due = now + self.options.tempo.heartbeat;
        let Some(to) = self.chance.pick(&self.others).copied() else { return };
        let (states, change) = self.objects.after(self.known.get(&to).copied().unwrap_or(0), MOST);
        if !states.is_empty() {
            out.push(Effect::Send { to, message: Message::Push { boot: self.boot, change, states } });
        }
    }

    /// Another knows this.
    fn learn(&mut self, name: Name, state: State, out: &mut Output) {
        if self.objects.is(name, &state) {
            return;
        }
        // FLAW merge-adds: what another has counted has not been counted here.
        let known = if self.has(Flaw::MergeAdds) { self.objects.state(name) } else { None };
        match (known, &state) {
            (Some(State::Counter(mut sum)), State::Counter(theirs)) => {
                sum.add(theirs);
                self.objects.put(name, State::Counter(sum));
            }
            // FLAW merge-overwrites: what comes is the news.
            _ if self.has(Flaw::MergeOverwrites) => self.objects.put(name, state.clone()),
            _ => return self.change(Record::Joined { name, state }, out),
        }
        self.last.push(name);
        self.write_down(Record::Joined { name, state }, out);
    }

    /// A client asks.
    fn request(&mut self, id: RequestId, call: &Call, out: &mut Output) {
        let done = match *call {
            _ if self.stopping => Err(Refusal::Stopping),
            Call::Increment { key, by } => self.increment(key, by, out),
            Call::Count { key } => Ok(Reply::Count(self.count(key))),
            Call::Add { key, value } => Ok(self.add(key, value, out)),
            Call::Remove { key, value } => Ok(self.remove(key, value, out)),
            Call::Contains { key, value } => Ok(Reply::Is(self.contains(key, value))),
            Call::Elements { key } => {
                Ok(Reply::List(self.objects.sets.get(&key).map(Set::elements).unwrap_or_default()))
            }
            _ => Err(Refusal::Unserved),
        };
        out.push(Effect::Reply { id, outcome: done.map_or_else(Outcome::Fail, Outcome::Ok) });
    }

    fn count(&self, key: Key) -> i64 {
        self.objects.counters.get(&key).map_or(0, Counter::value)
    }

    fn contains(&self, key: Key, value: Value) -> bool {
        self.objects.sets.get(&key).is_some_and(|set| set.contains(value))
    }

    fn increment(&mut self, key: Key, by: i64, out: &mut Output) -> Result<Reply, Refusal> {
        let slots = self.objects.counters.get(&key).map(|counter| &counter.slots);
        let slot = slots.and_then(|slots| slots.get(&self.me)).copied().unwrap_or_default();
        let slot =
            slot.count(by).ok_or_else(|| Refusal::Other("the counter cannot count so far".to_owned()))?;
        let record = Record::Counted { key, slot };
        // FLAW slot-not-durable: the others will remember.
        if self.has(Flaw::SlotNotDurable) {
            self.objects.take(self.me, record);
            self.last.push(Name::Counter(key));
        } else {
            self.change(record, out);
        }
        Ok(Reply::Count(self.count(key)))
    }

    fn add(&mut self, key: Key, value: Value, out: &mut Output) -> Reply {
        let new = !self.contains(key, value);
        let first = Dot { node: self.me, number: 1 };
        let mut dot = self.objects.sets.get(&key).map_or(first, |set| set.next(self.me));
        // FLAW dots-reused: counted in memory, from one after each boot.
        if self.has(Flaw::DotsReused) {
            self.dots += 1;
            dot.number = self.dots;
        }
        self.change(Record::Added { key, value, dot }, out);
        Reply::Is(new)
    }

    fn remove(&mut self, key: Key, value: Value, out: &mut Output) -> Reply {
        let there = self.contains(key, value);
        if there {
            self.change(Record::Removed { key, value }, out);
            // FLAW remove-by-value: a removal is of the value and not of its additions.
            if self.has(Flaw::RemoveByValue) {
                self.objects.sets.entry(key).or_default().bury(value);
            }
        }
        Reply::Is(there)
    }

    /// Does what a record says, here and on the disk.
    fn change(&mut self, record: Record, out: &mut Output) {
        self.last.push(match &record {
            Record::Boot { .. } => return,
            Record::Counted { key, .. } => Name::Counter(*key),
            Record::Added { key, .. } | Record::Removed { key, .. } => Name::Set(*key),
            Record::Joined { name, .. } => *name,
        });
        self.objects.take(self.me, record.clone());
        self.write_down(record, out);
    }

    /// Makes a record durable, and now and then all that the records amount to in their place.
    fn write_down(&mut self, record: Record, out: &mut Output) {
        self.records += 1;
        let needed = (self.objects.counters.len() + self.objects.sets.len()) as u64 + 1;
        if self.records <= self.options.compaction.every.max(2 * needed) {
            return out.push(Effect::Persist(record));
        }
        let all = self.objects.all().map(|(name, state)| Record::Joined { name, state });
        let records = [Record::Boot { number: self.boot }].into_iter().chain(all).collect();
        self.records = needed;
        out.push(Effect::Rewrite(records));
    }
}
