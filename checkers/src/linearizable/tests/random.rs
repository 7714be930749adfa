//! Random histories: against the oracle while they are small, one algorithm against the other when they are not.

use super::oracle::{Deed, explains};
use super::{both, prepared_says, shown};
use crate::cases::cases;
use crate::linearizable::prepare::{Prepared, without_unseen};
use crate::linearizable::{search, unique};
use crate::models::register::{Action, Register};
use crate::synthetic::registers::{STAY, Shape, simulate};
use crate::{Budget, linearizable::meter::Meter};
use crate::{Item, NEVER};
use history::{Call, Chance, Event, History, Key, Outcome, Refusal, Reply, Value};

/// The history with one answer changed at random: what a read or a refused compare-and-set saw.
fn garbled(history: &History, chance: &mut Chance) -> History {
    let told = |event: &Event| {
        let read = matches!(event, Event::Complete { outcome: Outcome::Ok(Reply::Read(_)), .. });
        read || matches!(event, Event::Complete { outcome: Outcome::Fail(Refusal::Mismatch { .. }), .. })
    };
    let answers: Vec<usize> = (0..history.len()).filter(|i| told(&history.entries()[*i].event)).collect();
    let chosen = chance.pick(&answers).copied();
    let mut garbled = History::new();
    for (i, entry) in history.entries().iter().enumerate() {
        let mut event = entry.event.clone();
        let other = Some(Value(chance.below(6) as i64)).filter(|value| value.0 < 5);
        if let Event::Complete { outcome: Outcome::Ok(Reply::Read(value)), .. } = &mut event
            && chosen == Some(i)
        {
            *value = other;
        }
        if let Event::Complete { outcome: Outcome::Fail(Refusal::Mismatch { found }), .. } = &mut event
            && chosen == Some(i)
        {
            *found = other;
        }
        garbled.push(entry.time, event).unwrap();
    }
    garbled
}

/// What the oracle says of a whole history, key by key.
fn oracle_says(history: &History) -> bool {
    let mut keys: Vec<Key> = history.ops().map(|op| op.call.key().unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    // Values count from 1 here, so that zero can be nothing.
    let number = |value: Option<Value>| value.map_or(0, |value| value.0 + 1);
    keys.into_iter().all(|key| {
        let mut deeds = Vec::new();
        for op in history.ops().filter(|op| op.call.key() == Some(key)) {
            let (saw, left) = match (op.call, op.outcome) {
                (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => (Some(number(*value)), None),
                (Call::Write { value, .. }, outcome) if !outcome.is_fail() => {
                    (None, Some(number(Some(*value))))
                }
                (Call::Cas { expected, .. }, Outcome::Fail(Refusal::Mismatch { found })) => {
                    if found == expected {
                        return false;
                    }
                    (Some(number(*found)), None)
                }
                (Call::Cas { expected, new, .. }, outcome) if !outcome.is_fail() => {
                    (Some(number(*expected)), Some(number(Some(*new))))
                }
                _ => continue,
            };
            let to = op.completed.filter(|_| !op.outcome.is_unknown());
            deeds.push(Deed { saw, left, from: op.invoked, to });
        }
        explains(&deeds, 0)
    })
}

fn small(chance: &mut Chance) -> Shape {
    Shape {
        ops: chance.between(2, 8) as usize,
        clients: chance.between(2, 4) as u32,
        keys: chance.between(1, 2),
        rotate: STAY,
        values: (chance.below(2) == 0).then_some(3),
        unknown: 200,
        mix: [4, 3, 3],
    }
}

#[test]
fn random_histories_are_judged_as_by_the_oracle() {
    let mut chance = Chance::new(1);
    let (mut yes, mut no) = (0, 0);
    for seed in 0..cases(100_000) {
        let history = simulate(small(&mut chance), seed);
        let right = chance.below(3) == 0;
        let history = if right { history } else { garbled(&history, &mut chance) };
        let expected = oracle_says(&history);
        assert!(expected || !right, "the simulation is wrong: {}", shown(&history));
        assert_eq!(prepared_says(&history), expected, "{}", shown(&history));
        *(if expected { &mut yes } else { &mut no }) += 1;
    }
    assert!(yes > cases(100_000) / 5 && no > cases(100_000) / 5, "yes {yes}, no {no}");
}

#[test]
fn both_algorithms_agree_on_long_histories_of_unique_values() {
    let mut chance = Chance::new(2);
    let (mut yes, mut no) = (0, 0);
    for seed in 0..2_000 {
        let shape =
            Shape { ops: 150, clients: 5, keys: 1, rotate: STAY, values: None, unknown: 50, mix: [4, 3, 3] };
        let history = simulate(shape, seed);
        let prepared = Prepared::of(&Register::default(), &history).unwrap();
        let mut items = prepared.items(0);
        if chance.below(2) == 0 {
            disturb(&mut items, &mut chance);
        }
        let expected = unique::judge(None, &items).expect("values are unique").is_ok();
        assert!(both(None, &items, expected));
        *(if expected { &mut yes } else { &mut no }) += 1;
    }
    assert!(yes > 500 && no > 500, "yes {yes}, no {no}");
}

/// Lets one read see what another one saw.
fn disturb(items: &mut [Item<Action>], chance: &mut Chance) {
    let reads: Vec<usize> =
        (0..items.len()).filter(|i| matches!(items[*i].action, Action::Read(_))).collect();
    if let (Some(one), Some(other)) = (chance.pick(&reads), chance.pick(&reads)) {
        items[*one].action = items[*other].action;
    }
}

/// Makes a history less demanding, so that what could be explained still can.
fn relax(items: &mut Vec<Item<Action>>, chance: &mut Chance) {
    let at = chance.below(items.len() as u64) as usize;
    match (chance.below(3), items[at].action) {
        (0, Action::Read(_)) => drop(items.remove(at)),
        (1, Action::Write(_) | Action::Cas { .. }) => items[at].returned = NEVER,
        _ => {
            // The return moves behind the next few events.
            if items[at].returned != NEVER {
                items[at].returned = items[at].returned.saturating_add(chance.between(1, 9) as u32 * 2);
            }
        }
    }
}

#[test]
fn relaxing_a_history_never_makes_it_wrong() {
    let mut chance = Chance::new(3);
    let meter = Meter::new(&Budget::default());
    let model = Register::default();
    let says = |items: &[Item<Action>]| {
        matches!(search::search(&model, &without_unseen(items.to_vec()), &meter), search::Answer::Order(_))
    };
    let mut healed = 0;
    for seed in 0..3_000 {
        let values = (seed % 2 == 0).then_some(3);
        let shape =
            Shape { ops: 25, clients: 4, keys: 1, rotate: STAY, values, unknown: 100, mix: [4, 3, 3] };
        let history = simulate(shape, seed);
        // Every index twice, so that a return can move between two others and never falls on one.
        let double = |item: &Item<Action>| Item {
            invoked: item.invoked * 2,
            returned: if item.returned == NEVER { NEVER } else { item.returned * 2 + (item.invoked % 2) },
            ..*item
        };
        let mut items: Vec<_> =
            Prepared::of(&Register::default(), &history).unwrap().items(0).iter().map(double).collect();
        disturb(&mut items, &mut chance);
        let mut before = says(&items);
        for _ in 0..10 {
            if items.is_empty() {
                break;
            }
            relax(&mut items, &mut chance);
            let after = says(&items);
            assert!(after || !before, "{items:?}");
            healed += usize::from(after && !before);
            before = after;
        }
    }
    assert!(healed > 100, "only {healed} relaxations mattered");
}
