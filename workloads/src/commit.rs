//! Transactions that write keys of several nodes, each everywhere or nowhere.
//!
//! Four in five write a value that nobody else writes to two or three keys; the others read one key. In the end, when
//! everything was repaired and there was time to decide, every key is read, and every node is asked what it wrote down
//! about transactions: so all the evidence is in the history, and can be judged again.

use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::combinators::{UntilOk, until_ok};
use crate::keys::{KeyUse, Keys};
use crate::txns::read_all;
use crate::{Context, Generator, Settings, Step};
use checkers::{Atomicity, TornCommit};
use history::{Call, CallKind, Chance, Event, Key, Mop, NodeId, Outcome, Phase, ProcessId, Reply, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const ENTRY: Entry = Entry {
    name: "commit",
    about: "transactions over several nodes, each everywhere or nowhere",
    calls: &[CallKind::Txn, CallKind::Ledger],
    options: Options::Keys,
    levels: || vec![NONBLOCKING, "atomic"],
    make,
    judges: |level| {
        let nonblocking = level == NONBLOCKING;
        vec![Box::new(Atomicity { nonblocking, grace: GRACE, ..Atomicity::default() }), Box::new(TornCommit)]
    },
};

/// Nobody aborts once somebody is past the point from which it can only commit.
const NONBLOCKING: &str = "atomic-nonblocking";

/// How long nodes have to decide what is undecided when all is repaired.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait before a node is asked again that did not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// After how long without any answer a node's ledger is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three in two workers: transactions meet at some keys, but seldom all of them at one.
const KEYS: KeyUse = KeyUse { count: Some(15), calls: 256, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Several, Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, Box::new(Reckoning::default()))
}

struct Several;

impl Asker for Several {
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        if hand.chance.below(5) == 0 {
            let key = hand.key();
            return Some((hand.somebody(), read_all(&[key])));
        }
        let wanted = hand.chance.between(2, 3);
        let mut keys = BTreeSet::new();
        for _ in 0..wanted {
            keys.extend(hand.key_but(&keys));
        }
        let value = hand.value();
        let mut keys: Vec<Key> = keys.into_iter().collect();
        // The first one is the one at whose node it begins.
        let first = hand.chance.below(keys.len() as u64) as usize;
        keys.rotate_left(first);
        let mops = keys.into_iter().map(|key| Mop::Write { key, value }).collect();
        Some((hand.somebody(), Call::Txn { mops }))
    }
}

/// Waits until all had time to decide, reads every key, and then every node's ledger.
#[derive(Default)]
struct Reckoning {
    keys: BTreeSet<Key>,
    ledgers: BTreeMap<NodeId, Ledger>,
    begins: Option<Time>,
    looks: Option<UntilOk>,
    open: BTreeMap<ProcessId, NodeId>,
    is_final: bool,
}

/// How far one node's ledger was read.
#[derive(Default)]
struct Ledger {
    after: u64,
    done: bool,
    asking: bool,
    /// When it may be asked again.
    due: Time,
    /// It did not answer; the pause begins when we next see a clock.
    failed: bool,
    give_up: Option<Time>,
}

impl Generator for Reckoning {
    fn next(&mut self, context: &Context<'_>) -> Step {
        self.is_final = true;
        let begins = *self.begins.get_or_insert(context.now + GRACE);
        if context.now < begins {
            return Step::Wait(begins);
        }
        let keys = &self.keys;
        let looks = self.looks.get_or_insert_with(|| until_ok(keys.iter().map(|key| read_all(&[*key]))));
        match looks.next(context) {
            Step::Done => self.ask_a_node(context),
            step => step,
        }
    }

    fn observe(&mut self, event: &Event) {
        if let Some(looks) = &mut self.looks {
            looks.observe(event);
        }
        match event {
            Event::Phase(Phase::Final) => self.is_final = true,
            Event::Invoke { node, call, .. } if !self.is_final => {
                self.keys.extend(crate::asking::keys_of(call));
                self.ledgers.entry(*node).or_default();
            }
            Event::Complete { process, outcome } => {
                let ledger = self.open.remove(process).and_then(|node| self.ledgers.get_mut(&node));
                if let Some(ledger) = ledger {
                    ledger.hear(outcome);
                }
            }
            _ => {}
        }
    }
}

impl Reckoning {
    fn ask_a_node(&mut self, context: &Context<'_>) -> Step {
        let now = context.now;
        for ledger in self.ledgers.values_mut().filter(|ledger| !ledger.done) {
            let give_up = *ledger.give_up.get_or_insert(now + PATIENCE);
            if std::mem::take(&mut ledger.failed) {
                ledger.due = now + PAUSE;
                ledger.done = now >= give_up;
            }
        }
        let mut waiting = self.ledgers.iter_mut().filter(|(_, ledger)| !ledger.done && !ledger.asking);
        if let Some((node, ledger)) = waiting.find(|(_, ledger)| ledger.due <= now) {
            let process = *context.free.first().expect("somebody is free");
            ledger.asking = true;
            self.open.insert(process, *node);
            return Step::Call { process, call: Call::Ledger { after: ledger.after }, node: Some(*node) };
        }
        let waiting = self.ledgers.values().filter(|ledger| !ledger.done);
        match waiting.map(|ledger| if ledger.asking { Time::NEVER } else { ledger.due }).min() {
            Some(due) => Step::Wait(due),
            None => Step::Done,
        }
    }
}

impl Ledger {
    fn hear(&mut self, outcome: &Outcome) {
        self.asking = false;
        match outcome {
            Outcome::Ok(Reply::Ledger(page)) => {
                self.after += page.records.len() as u64;
                self.done = !page.more;
                self.give_up = None;
            }
            _ => self.failed = true,
        }
    }
}
