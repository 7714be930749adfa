//! The definitions, executed: every order, every subset of what is unknown.

use super::notation::{Do, End, Txn};
use std::collections::BTreeMap;

/// What must be respected beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Respect {
    Nothing,
    Sessions,
    Time,
}

pub(super) const RESPECTS: [Respect; 3] = [Respect::Nothing, Respect::Sessions, Respect::Time];

/// Lists and registers by key.
type State = BTreeMap<u64, Vec<i64>>;

/// The state after a transaction that begins in `state`, unless it could not have got what it got.
fn run(txn: &Txn, state: &State) -> Option<State> {
    let mut state = state.clone();
    for part in &txn.parts {
        let (Do::Append(key, _) | Do::List(key, _) | Do::Write(key, _) | Do::Read(key, _)) = part;
        let held = state.entry(*key).or_default();
        match part {
            Do::Append(_, value) => held.push(*value),
            Do::Write(_, value) => *held = vec![*value],
            Do::List(_, list) if txn.end == End::Ok && list != held => return None,
            Do::Read(_, value) if txn.end == End::Ok && *value != held.first().copied() => return None,
            _ => {}
        }
    }
    Some(state)
}

/// Whether `one` must come before `other`.
fn before(one: &Txn, other: &Txn, respect: Respect) -> bool {
    let earlier = one.end == End::Ok && one.completed < other.invoked;
    match respect {
        Respect::Nothing => false,
        Respect::Sessions => earlier && one.process == other.process,
        Respect::Time => earlier,
    }
}

/// Whether some order of what is ok and some of what is unknown explains every read.
pub(super) fn serializable(txns: &[Txn], respect: Respect) -> bool {
    fn go(txns: &[Txn], done: u32, state: &State, respect: Respect) -> bool {
        let open = |i: &usize| done >> i & 1 == 0 && txns[*i].end != End::Fail;
        if (0..txns.len()).filter(open).all(|i| txns[i].end == End::Unknown) {
            return true;
        }
        (0..txns.len()).filter(open).any(|next| {
            // Whoever must come before is done, or is unknown and then never happens.
            let free =
                (0..txns.len()).filter(open).all(|i| i == next || !before(&txns[i], &txns[next], respect));
            free && run(&txns[next], state).is_some_and(|state| go(txns, done | 1 << next, &state, respect))
        })
    }
    go(txns, 0, &State::new(), respect)
}

/// Whether there are moments of beginning and of commit for what is ok and for some of what is unknown, such that
/// everybody reads the state in which it began, and nobody commits a key that was committed since it began.
pub(super) fn snapshot(txns: &[Txn], respect: Respect) -> bool {
    moments(txns, respect, true)
}

/// The same with sessions, but everybody may commit.
pub(super) fn prefixes(txns: &[Txn]) -> bool {
    moments(txns, Respect::Sessions, false)
}

fn moments(txns: &[Txn], respect: Respect, first_wins: bool) -> bool {
    /// What began, and at which count of commits; what committed; the state; the last commit of each key.
    #[derive(Clone)]
    struct At {
        begun: Vec<Option<u32>>,
        done: u32,
        commits: u32,
        state: State,
        last: BTreeMap<u64, u32>,
    }
    fn go(txns: &[Txn], at: &At, respect: Respect, first_wins: bool) -> bool {
        let settled = |i: usize| at.done >> i & 1 == 1 || txns[i].end == End::Fail;
        if (0..txns.len()).all(|i| settled(i) || (txns[i].end == End::Unknown && at.begun[i].is_none())) {
            return true;
        }
        (0..txns.len()).filter(|i| !settled(*i)).any(|next| {
            let mut now = at.clone();
            let Some(begun) = at.begun[next] else {
                let free = (0..txns.len()).all(|i| settled(i) || !before(&txns[i], &txns[next], respect));
                now.begun[next] = Some(at.commits);
                return free && run(&txns[next], &at.state).is_some() && go(txns, &now, respect, first_wins);
            };
            now.commits += 1;
            now.done |= 1 << next;
            for part in &txns[next].parts {
                let (Do::Append(key, value) | Do::Write(key, value)) = part else { continue };
                if first_wins && at.last.get(key).is_some_and(|last| *last > begun) {
                    return false;
                }
                now.last.insert(*key, now.commits);
                let held = now.state.entry(*key).or_default();
                if let Do::Write(..) = part {
                    held.clear();
                }
                held.push(*value);
            }
            go(txns, &now, respect, first_wins)
        })
    }
    let begun = vec![None; txns.len()];
    go(
        txns,
        &At { begun, done: 0, commits: 0, state: State::new(), last: BTreeMap::new() },
        respect,
        first_wins,
    )
}

/// A read: whose, its place, of what, and who wrote that, `None` the beginning.
type Source = (usize, usize, u64, Option<usize>);

/// Every read of what the transaction did not write itself; nothing if one got what nobody else wrote.
fn sources(txns: &[Txn]) -> Option<Vec<Source>> {
    let mut reads = Vec::new();
    for (reader, txn) in txns.iter().enumerate() {
        for (at, part) in txn.parts.iter().enumerate() {
            let Do::Read(key, value) = part else { continue };
            if txn.parts[..at].iter().any(|part| matches!(part, Do::Write(own, _) if own == key)) {
                continue;
            }
            let wrote = |part: &Do| matches!(part, Do::Write(k, v) if k == key && Some(*v) == *value);
            let writer = txns.iter().position(|txn| txn.parts.iter().any(wrote));
            if value.is_some() && writer.is_none_or(|writer| writer == reader) {
                return None;
            }
            reads.push((reader, at, *key, writer));
        }
    }
    Some(reads)
}

/// Whether there is an order of commits as Biswas and Enea ask for: read committed (0), read atomic (1) or causal
/// consistency (2). All transactions are ok, and agree with themselves.
pub(super) fn causally(txns: &[Txn], model: usize) -> bool {
    let count = txns.len();
    let session = |one: usize, other: usize| before(&txns[one], &txns[other], Respect::Sessions);
    let Some(reads) = sources(txns) else { return false };
    let writes = |txn: usize, key: u64| {
        txns[txn].parts.iter().any(|part| matches!(part, Do::Write(own, _) if *own == key))
    };
    let mut related = vec![vec![false; count]; count];
    for (one, row) in related.iter_mut().enumerate() {
        for (other, cell) in row.iter_mut().enumerate() {
            *cell = session(one, other) || reads.iter().any(|read| read.0 == other && read.3 == Some(one));
        }
    }
    let mut closed = related.clone();
    for middle in 0..count {
        for one in 0..count {
            for other in 0..count {
                closed[one][other] |= closed[one][middle] && closed[middle][other];
            }
        }
    }
    // Whether `other` should have been seen by this read.
    let seen = |other: usize, read: &Source| match model {
        0 => {
            reads.iter().any(|earlier| earlier.0 == read.0 && earlier.1 < read.1 && earlier.3 == Some(other))
        }
        1 => related[other][read.0],
        _ => closed[other][read.0],
    };
    let mut order: Vec<usize> = Vec::new();
    fn go(order: &mut Vec<usize>, count: usize, fits: &dyn Fn(&[usize], usize) -> bool) -> bool {
        if order.len() == count {
            return true;
        }
        (0..count).any(|next| {
            if order.contains(&next) || !fits(order, next) {
                return false;
            }
            order.push(next);
            let found = go(order, count, fits);
            order.pop();
            found
        })
    }
    // Everybody related to the next one is there, and nobody who should have been seen comes after who was read.
    let fits = |order: &[usize], next: usize| {
        let related = (0..count).all(|one| !closed[one][next] || (one != next && order.contains(&one)));
        let read = |read: &Source| {
            let hides = writes(next, read.2) && read.3 != Some(next) && next != read.0 && seen(next, read);
            !hides || read.3.is_some_and(|writer| !order.contains(&writer))
        };
        related && reads.iter().all(read)
    };
    go(&mut order, count, &fits)
}
