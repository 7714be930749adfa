//! # ABD: a register for many, by majorities and without a leader
//!
//! Registers that can be read and written by everyone and never block as long as a majority lives, although nobody leads
//! and nobody agrees on anything. After Attiya, Bar-Noy and Dolev, *Sharing Memory Robustly in Message-Passing Systems*
//! (Journal of the ACM, 1995), with many writers as Lynch and Shvartsman have them (*Robust emulation of shared memory using
//! dynamic quorum-acknowledged broadcasts*, FTCS 1997).
//!
//! ## Two phases
//!
//! Every node keeps of every register the newest [`Version`] that it has heard of: a value and the [`Tag`] of its write.
//! Tags are totally ordered, and no two writes have the same. Whichever node a client asks carries its call out, in two
//! rounds:
//!
//! 1. **Query.** It asks everyone what they hold, and waits for a majority. Let *m* be the newest of the answers.
//! 2. **Propagate.** A write makes a new version with a tag greater than that of *m*; a read takes *m* itself. It brings
//!    that to everyone and waits until a majority holds it, or something newer. Then the client is answered.
//!
//! Two majorities share a node. So whoever queries after some call has ended hears from a node that holds that call's
//! version or a newer one: tags never go back from a call to one that begins after its end, and grow if the latter writes.
//! That order of tags is a linearization (Lynch, *Distributed Algorithms*, 1996, lemma 13.16).
//!
//! That a *read writes* is the heart of it. A version that a slow or dead writer has brought to a minority may be seen by one
//! read and not by the next; the first must make sure of it before it answers. Who answered the query with that version
//! holds it already, and if those are a majority, there is nothing left to do: reads of quiet registers take one round.
//!
//! ## Why not everything is built like this
//!
//! There is no election and so no pause after one; a node that is slow, paused or cut off delays nobody else; nothing
//! depends on a clock. The price is that a register can be written and read and *nothing else*: a compare-and-set decides
//! who comes first, which is consensus, and consensus cannot be had this way (Herlihy, *Wait-Free Synchronization*, 1991;
//! Fischer, Lynch and Paterson, 1985). It is refused. For the same reason a call that a client sends again is carried out
//! again: nobody is there to remember that it was done. A write that is done twice may undo what came between.
//!
//! ## What becomes of a call that finds no majority
//!
//! It asks again and again, and after a while gives up. A read, and a write that is still in its first phase, have certainly
//! done nothing: they *fail*. A write in its second phase may be held by somebody, and whoever reads it will make sure of
//! it: *unknown*.
//!
//! ## What we write down, and when
//!
//! The paper's nodes never come back; ours do. [`Record::Version`] comes before the [`Message::Stored`] that rests on it:
//! an acknowledgement is a promise to remember. What a node holds only in memory it may say, for effects are performed in
//! order: whatever is said of it waits for the disk. Nothing counts the node itself but its own answer, which it sends to
//! itself like to everyone.
//!
//! [`Record::Boot`] numbers the node's lives and is durable before anything else is said. With it, a [`Turn`] names one call
//! for ever: an answer that was meant for the last life is none to this one, and a writer that crashed after bringing a tag to
//! a few does not give the same tag to another value. When there are many records, they are replaced by what they amount to.
//!
//! ## Where to look
//!
//! `calls.rs` the two phases · `tag.rs` tags, turns, versions · `message.rs` messages and records · `invariants.rs` what is
//! watched from outside. `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose. `testscripts/abd/` tells
//! all this in stories.
//!
//! ## What we left out
//!
//! * Nodes that join and leave (Lynch and Shvartsman, *RAMBO*, 2002).
//! * Quorums that are no majorities; the paper's bounded tags.
//! * Recognising a call that is sent again, see above.

mod calls;
mod invariants;
mod message;
mod tag;

pub use invariants::Invariants;
pub use message::{Message, Record};
pub use tag::{Tag, Turn, Version};

use crate::catalog::{BORNE_BY_QUORUMS, Entry};
use crate::{Effect, Flaw, Input, Options, Protocol, Role, Status};
use calls::Pending;
use history::{CallKind, Chance, Key, NodeId, Time};
use std::collections::BTreeMap;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node.
#[derive(Debug)]
pub struct Abd {
    me: NodeId,
    nodes: Vec<NodeId>,
    options: Options,
    /// Durable: which of its lives this is.
    boot: u64,
    /// Whether that has been written down.
    begun: bool,
    /// Durable before anything is said of it.
    versions: BTreeMap<Key, Version>,
    /// How many records there are on its disk.
    records: u64,
    /// By number.
    calls: BTreeMap<u64, Pending>,
    called: u64,
    stopping: bool,
    /// Records that FLAW tag-not-persisted holds back.
    owed: Vec<Record>,
    last: Last,
}

/// What came of the last step, for the watch.
#[derive(Debug, Default)]
struct Last {
    /// The register that was looked at.
    stored: Option<Key>,
    /// The write that ended.
    written: Option<(Key, Tag)>,
}

impl Protocol for Abd {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;

    const ENTRY: Entry = Entry {
        name: "abd",
        about: "ABD: registers by majorities and without a leader; a compare-and-set is beyond it",
        serves: &[CallKind::Read, CallKind::Write],
        // Linearizability is local: what is true of each register is true of all, as far as one call is about one.
        claims: &["linearizable", "strict-serializable"],
        survives: BORNE_BY_QUORUMS,
        remembers: false,
    };

    fn boot(me: NodeId, founders: &[NodeId], disk: Vec<Record>, options: Options, _: Time, _: Chance) -> Abd {
        let (mut boot, mut versions, records) = (0, BTreeMap::new(), disk.len() as u64);
        for record in disk {
            match record {
                Record::Boot { number } => boot = number,
                Record::Version { key, version } => drop(versions.insert(key, version)),
            }
        }
        Abd {
            me,
            nodes: founders.to_vec(),
            options,
            boot: boot + 1,
            begun: false,
            versions,
            records,
            calls: BTreeMap::new(),
            called: 0,
            stopping: false,
            owed: Vec::new(),
            last: Last::default(),
        }
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.last = Last::default();
        if !std::mem::replace(&mut self.begun, true) {
            self.write_down(Record::Boot { number: self.boot }, out);
        }
        out.extend(self.owed.drain(..).map(Effect::Persist));
        match input {
            Input::Message { from, message } if self.nodes.contains(&from) => {
                self.receive(now, from, message, out);
            }
            Input::Request { id, call, .. } => self.request(now, id, &call, out),
            Input::Wake => self.wake(now, out),
            Input::Stop => self.stopping = true,
            Input::Message { .. } | Input::Change(_) => {}
        }
    }

    fn alarm(&self) -> Option<Time> {
        if !self.begun {
            return Some(Time::ZERO);
        }
        self.calls.values().map(Pending::due).min()
    }

    /// Every node carries out the calls that it is asked: in that sense all of them lead, and its lives are its terms.
    fn status(&self) -> Status {
        Status {
            role: Role::Leader,
            term: self.boot,
            leader: Some(self.me),
            committed: 0,
            stopped: self.stopping && self.calls.is_empty(),
        }
    }
}

impl Abd {
    /// What it holds.
    pub fn version(&self, key: Key) -> Version {
        self.versions.get(&key).copied().unwrap_or_default()
    }

    /// Whether it has this flaw.
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Query { turn, key } => {
                let version = self.version(key);
                self.last.stored = Some(key);
                out.push(Effect::Send { to: from, message: Message::Held { turn, version } });
            }
            Message::Store { turn, key, version } => {
                self.store(key, version, out);
                out.push(Effect::Send { to: from, message: Message::Stored { turn } });
            }
            Message::Held { turn, version } => self.take_held(now, from, turn, version, out),
            Message::Stored { turn } => self.take_stored(from, turn, out),
        }
    }

    /// Holds this from now on, unless it holds something newer.
    fn store(&mut self, key: Key, version: Version, out: &mut Output) {
        let held = self.version(key).tag;
        // FLAW ties-not-broken: of two writes with the same number, the first to come is kept.
        let newer = match self.has(Flaw::TiesNotBroken) {
            true => version.tag.number > held.number,
            false => version.tag > held,
        };
        if !newer {
            return;
        }
        self.versions.insert(key, version);
        self.last.stored = Some(key);
        let record = Record::Version { key, version };
        // FLAW tag-not-persisted: it is written down with whatever comes next.
        if self.has(Flaw::TagNotPersisted) { self.owed.push(record) } else { self.write_down(record, out) }
    }

    /// Makes a record durable, and now and then all that the records amount to in their place.
    fn write_down(&mut self, record: Record, out: &mut Output) {
        self.records += 1;
        let needed = self.versions.len() as u64 + 1;
        if self.records <= self.options.compaction.every.max(2 * needed) {
            return out.push(Effect::Persist(record));
        }
        let versions =
            self.versions.iter().map(|(key, version)| Record::Version { key: *key, version: *version });
        let records = [Record::Boot { number: self.boot }].into_iter().chain(versions).collect();
        self.records = needed;
        out.push(Effect::Rewrite(records));
    }
}
