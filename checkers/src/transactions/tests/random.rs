//! Random small histories.

use super::notation::{Do, End, Txn};
use history::Chance;
use std::collections::BTreeMap;

/// How a random database runs transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    /// At one instant between call and completion, or at any instant.
    Serial { strict: bool },
    /// From a snapshot, committed later; in between, or at any instants.
    Snapshot { strong: bool },
    /// Every part by itself.
    Parts,
}

/// A random history: a few transactions of a random database, some of them unknown or failed, sometimes a lie.
pub(super) fn histories(chance: &mut Chance, lists: bool) -> Vec<Txn> {
    let count = chance.between(2, 5);
    let mut places: Vec<u64> = (0..2 * count).collect();
    chance.shuffle(&mut places);
    let (mut txns, mut next) = (Vec::new(), 1);
    for place in places.chunks(2) {
        let parts = (0..chance.between(1, 3)).map(|_| {
            let key = chance.below(2);
            next += 1;
            match (chance.permille(500), lists) {
                (true, true) => Do::Append(key, next),
                (true, false) => Do::Write(key, next),
                (false, true) => Do::List(key, Vec::new()),
                (false, false) => Do::Read(key, None),
            }
        });
        let (invoked, completed) = (place[0].min(place[1]), place[0].max(place[1]));
        txns.push(Txn { process: 0, invoked, completed, end: End::Ok, parts: parts.collect() });
    }
    txns.sort_by_key(|txn| txn.invoked);
    let database = match chance.below(5) {
        0 => Database::Serial { strict: true },
        1 => Database::Serial { strict: false },
        2 => Database::Snapshot { strong: true },
        3 => Database::Snapshot { strong: false },
        _ => Database::Parts,
    };
    execute(&mut txns, database, chance);
    if lists && chance.permille(400) {
        look_at_the_end(&mut txns, 2 * count);
    }
    spoil(&mut txns, chance);
    seat(&mut txns, chance);
    txns
}

/// Lets the database answer.
fn execute(txns: &mut [Txn], database: Database, chance: &mut Chance) {
    let mut state: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut steps: Vec<(u64, u64, usize, usize)> = Vec::new();
    for (i, txn) in txns.iter().enumerate() {
        let inside =
            !matches!(database, Database::Serial { strict: false } | Database::Snapshot { strong: false });
        let (from, to) = if inside { (10 * txn.invoked, 10 * txn.completed) } else { (0, 100) };
        let number = if let Database::Parts = database { txn.parts.len() } else { 2 };
        let mut points: Vec<(u64, u64)> =
            (0..number).map(|_| (chance.between(from, to), chance.bits())).collect();
        points.sort_unstable();
        steps.extend(points.iter().enumerate().map(|(step, point)| (point.0, point.1, i, step)));
    }
    steps.sort_unstable();
    let mut snapshots: BTreeMap<usize, BTreeMap<u64, Vec<i64>>> = BTreeMap::new();
    for (_, _, i, step) in steps {
        match (database, step) {
            (Database::Serial { .. }, 0) => {
                txns[i].parts.iter_mut().for_each(|part| answer(part, &mut state))
            }
            (Database::Serial { .. }, _) => {}
            (Database::Parts, step) => answer(&mut txns[i].parts[step], &mut state),
            (Database::Snapshot { .. }, 0) => {
                let mut own = state.clone();
                txns[i].parts.iter_mut().for_each(|part| answer(part, &mut own));
                snapshots.insert(i, state.clone());
            }
            (Database::Snapshot { .. }, _) => {
                let began = &snapshots[&i];
                let writes = |part: &Do| match part {
                    Do::Append(key, _) | Do::Write(key, _) => Some(*key),
                    _ => None,
                };
                let mut keys = txns[i].parts.iter().filter_map(writes);
                if keys.any(|key| began.get(&key) != state.get(&key)) {
                    txns[i].end = End::Fail;
                } else {
                    let changes = |part: &&mut Do| matches!(part, Do::Append(..) | Do::Write(..));
                    txns[i].parts.iter_mut().filter(changes).for_each(|part| answer(part, &mut state));
                }
            }
        }
    }
}

fn answer(part: &mut Do, state: &mut BTreeMap<u64, Vec<i64>>) {
    match part {
        Do::Append(key, value) => state.entry(*key).or_default().push(*value),
        Do::List(key, list) => *list = state.get(key).cloned().unwrap_or_default(),
        Do::Write(key, value) => drop(state.insert(*key, vec![*value])),
        Do::Read(key, value) => *value = state.get(key).and_then(|held| held.first().copied()),
    }
}

/// A last transaction reads the longest list of every key.
fn look_at_the_end(txns: &mut Vec<Txn>, at: u64) {
    let mut longest: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for part in txns.iter().filter(|txn| txn.end == End::Ok).flat_map(|txn| &txn.parts) {
        if let Do::List(key, list) = part
            && longest.get(key).is_none_or(|known| known.len() < list.len())
        {
            longest.insert(*key, list.clone());
        }
    }
    for part in txns.iter().filter(|txn| txn.end == End::Ok).flat_map(|txn| &txn.parts) {
        if let Do::Append(key, value) = part {
            let list = longest.entry(*key).or_default();
            if !list.contains(value) {
                list.push(*value);
            }
        }
    }
    let parts = longest.into_iter().map(|(key, list)| Do::List(key, list)).collect();
    txns.push(Txn { process: 0, invoked: at, completed: at + 1, end: End::Ok, parts });
}

/// Unknown outcomes, failures, and now and then something untrue.
fn spoil(txns: &mut [Txn], chance: &mut Chance) {
    for txn in txns.iter_mut() {
        if chance.permille(150) {
            txn.end = End::Unknown;
            txn.completed = if chance.permille(500) { u64::MAX } else { txn.completed };
        } else if chance.permille(40) {
            txn.end = End::Fail;
        }
    }
    if !chance.permille(350) {
        return;
    }
    spoil_register(txns, chance);
    let lists: Vec<Vec<i64>> = txns.iter().flat_map(|txn| &txn.parts).filter_map(listed).collect();
    let mut reads: Vec<&mut Vec<i64>> =
        txns.iter_mut().flat_map(|txn| &mut txn.parts).filter_map(listed_mut).collect();
    if reads.is_empty() {
        return;
    }
    let one = chance.below(reads.len() as u64) as usize;
    match chance.below(5) {
        0 => drop(reads[one].pop()),
        1 => reads[one].push(99),
        2 => reads[one].reverse(),
        3 => {
            let again = reads[one].first().copied();
            reads[one].extend(again);
        }
        _ => *reads[one] = lists[chance.below(lists.len() as u64) as usize].clone(),
    }
}

/// Lets a register be read as something else.
fn spoil_register(txns: &mut [Txn], chance: &mut Chance) {
    let value = |part: &Do| if let Do::Write(_, value) = part { Some(*value) } else { None };
    let written: Vec<i64> = txns.iter().flat_map(|txn| &txn.parts).filter_map(value).chain([99]).collect();
    let mut reads: Vec<&mut Option<i64>> =
        txns.iter_mut().flat_map(|txn| &mut txn.parts).filter_map(held_mut).collect();
    if !reads.is_empty() {
        let one = chance.below(reads.len() as u64) as usize;
        *reads[one] = if chance.permille(300) { None } else { chance.pick(&written).copied() };
    }
}

fn held_mut(part: &mut Do) -> Option<&mut Option<i64>> {
    if let Do::Read(_, value) = part { Some(value) } else { None }
}

fn listed(part: &Do) -> Option<Vec<i64>> {
    if let Do::List(_, list) = part { Some(list.clone()) } else { None }
}

fn listed_mut(part: &mut Do) -> Option<&mut Vec<i64>> {
    if let Do::List(_, list) = part { Some(list) } else { None }
}

/// Gives every transaction a process that is idle, an old one if it can.
fn seat(txns: &mut [Txn], chance: &mut Chance) {
    let mut free: Vec<(u32, u64)> = Vec::new();
    let mut fresh = 0;
    for txn in txns.iter_mut() {
        let idle: Vec<usize> = (0..free.len()).filter(|i| free[*i].1 < txn.invoked).collect();
        let seat = match chance.permille(700) && !idle.is_empty() {
            true => free.swap_remove(idle[chance.below(idle.len() as u64) as usize]).0,
            false => {
                fresh += 1;
                fresh - 1
            }
        };
        txn.process = seat;
        if txn.end != End::Unknown {
            free.push((seat, txn.completed));
        }
    }
}
