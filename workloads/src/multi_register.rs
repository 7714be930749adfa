//! Several registers as one object: transactions of a group of registers, judged exactly.
//!
//! The values are few and come again and again, so nothing tells which write a read saw; a search weighs every order. Where
//! values are unique the workload `rw` says more about larger histories.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::last_looks;
use crate::keys::{KeyUse, Keys};
use crate::txns::read_all;
use checkers::{Linearizable, Meaning, Model, Object};
use history::{Call, CallKind, Chance, Got, Key, Mop, Op, Outcome, ProcessId, Reply, Value};
use std::collections::BTreeSet;

pub(crate) const ENTRY: Entry = Entry {
    name: "multi-register",
    about: "transactions of small groups of registers that hold few values",
    calls: &[CallKind::Txn],
    options: Options::Keys,
    levels: || vec!["strict-serializable"],
    make,
    judges: |_| vec![Box::new(Linearizable::new(MultiRegister))],
};

/// How many registers are a group.
const GROUP: u64 = 3;
/// How many values there are.
const VALUES: u64 = 5;

/// Each stands for a group.
const KEYS: KeyUse = KeyUse { calls: 64, unknowns: 5, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Groups, Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, last_looks(read_groups))
}

fn register(group: Key, place: u64) -> Key {
    Key(group.0 * GROUP + place)
}

fn read_groups(keys: &BTreeSet<Key>) -> Vec<Call> {
    let groups: BTreeSet<Key> = keys.iter().map(|key| Key(key.0 / GROUP)).collect();
    let whole = |group: Key| (0..GROUP).map(|place| register(group, place)).collect::<Vec<_>>();
    groups.into_iter().map(|group| read_all(&whole(group))).collect()
}

struct Groups;

impl Asker for Groups {
    /// Some registers of a group, each read or written.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let group = hand.key();
        let mut places: Vec<u64> = (0..GROUP).collect();
        hand.chance.shuffle(&mut places);
        places.truncate(hand.chance.between(1, GROUP) as usize);
        let mops = places.into_iter().map(|place| {
            let key = register(group, place);
            match hand.chance.coin(0.5) {
                true => Mop::Read { key },
                false => Mop::Write { key, value: Value(hand.chance.below(VALUES) as i64) },
            }
        });
        let mops = mops.collect();
        Some((hand.somebody(), Call::Txn { mops }))
    }
}

/// A group of registers that serves one transaction at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MultiRegister;

/// One part of a transaction: which register of the group, and what it saw there or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// It saw this.
    Saw(usize, Option<Value>),
    /// It left this.
    Left(usize, Value),
}

impl Model for MultiRegister {
    type State = [Option<Value>; GROUP as usize];
    type Action = Box<[Part]>;

    fn initial(&self) -> Self::State {
        [None; GROUP as usize]
    }

    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State> {
        let mut after = *state;
        for part in action {
            match *part {
                Part::Saw(place, value) if after[place] != value => return None,
                Part::Saw(..) => {}
                Part::Left(place, value) => after[place] = Some(value),
            }
        }
        Some(after)
    }

    fn observes(&self, action: &Self::Action) -> bool {
        action.iter().all(|part| matches!(part, Part::Saw(..)))
    }

    fn bounded(&self) -> bool {
        true
    }
}

impl Object for MultiRegister {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Self::Action> {
        let Call::Txn { mops } = op.call else { return Meaning::Misfit };
        let place = |key: &Key| (key.0 % GROUP) as usize;
        let left = |mop: &Mop| match mop {
            Mop::Write { key, value } => Some(Part::Left(place(key), *value)),
            _ => None,
        };
        let saw = |(mop, got): (&Mop, &Got)| match (mop, got) {
            (Mop::Read { key }, Got::Value(value)) => Some(Part::Saw(place(key), *value)),
            (mop, Got::Done) => left(mop),
            _ => None,
        };
        match op.outcome {
            Outcome::Fail(_) => Meaning::Nothing,
            Outcome::Unknown(_) if op.call.is_read() => Meaning::Nothing,
            Outcome::Unknown(_) => Meaning::Action(mops.iter().filter_map(left).collect()),
            Outcome::Ok(Reply::Txn(gots)) if gots.len() == mops.len() => {
                let parts: Option<Box<[Part]>> = mops.iter().zip(gots).map(saw).collect();
                parts.map_or(Meaning::Misfit, Meaning::Action)
            }
            Outcome::Ok(_) => Meaning::Misfit,
        }
    }

    /// The group, if it is about one alone.
    fn key(&self, call: &Call) -> Option<Key> {
        let mut groups = crate::asking::keys_of(call).map(|key| Key(key.0 / GROUP));
        let group = groups.next()?;
        groups.all(|other| other == group).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkers::{Budget, Checker, Verdict};
    use history::{Doubt, Event, History, NodeId, Time};

    fn judged(txns: &[(Vec<Mop>, Option<Vec<Got>>)]) -> Verdict {
        let mut history = History::new();
        for (process, (mops, gots)) in (0..).map(ProcessId).zip(txns) {
            let invoke = Event::Invoke { process, node: NodeId(1), call: Call::Txn { mops: mops.clone() } };
            let doubt = Outcome::Unknown(Doubt::Timeout);
            let outcome = gots.clone().map_or(doubt, |gots| Outcome::Ok(Reply::Txn(gots)));
            for event in [invoke, Event::Complete { process, outcome }] {
                history.push(Time(history.len() as u64), event).unwrap();
            }
        }
        Linearizable::new(MultiRegister).check(&history, &Budget::default()).verdict
    }

    fn write(key: u64, value: i64) -> Mop {
        Mop::Write { key: Key(key), value: Value(value) }
    }

    fn look() -> Vec<Mop> {
        (0..2).map(|key| Mop::Read { key: Key(key) }).collect()
    }

    fn seen(values: [Option<i64>; 2]) -> Option<Vec<Got>> {
        Some(values.map(|value| Got::Value(value.map(Value))).to_vec())
    }

    #[test]
    fn a_group_is_seen_as_of_one_instant() {
        let both = || (vec![write(0, 1), write(1, 2)], Some(vec![Got::Done; 2]));
        let perhaps = || (vec![write(0, 3), write(1, 4)], None);
        assert_eq!(judged(&[both(), (look(), seen([Some(1), Some(2)]))]), Verdict::Valid);
        assert_eq!(judged(&[both(), (look(), seen([Some(1), None]))]), Verdict::Invalid);
        assert_eq!(judged(&[both(), perhaps(), (look(), seen([Some(3), Some(4)]))]), Verdict::Valid);
        assert_eq!(judged(&[both(), perhaps(), (look(), seen([Some(1), Some(4)]))]), Verdict::Invalid);
        assert_eq!(judged(&[(vec![write(0, 1), write(3, 1)], None)]), Verdict::Unknown, "two groups");
    }
}
