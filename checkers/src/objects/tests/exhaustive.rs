//! Every small history of some objects, against the oracle.

use super::oracle::{deeds, explains};
use super::{says, shown};
use crate::linearizable::shapes::{indexes, label, shapes};
use crate::synthetic::objects::Kind;
use history::{Call, Doubt, Event, History, Key, NodeId, Outcome, ProcessId, Reply, Time, Value};
use rayon::prelude::*;

/// What an operation can be; without an answer it ends unknown.
type Label = (Call, Option<Reply>);

fn labels(kind: Kind) -> Vec<Label> {
    let key = Key(0);
    let enqueue = |v| Call::Enqueue { key, value: Value(v) };
    let done = Some(Reply::Done);
    match kind {
        Kind::Fifo | Kind::Stack | Kind::Largest => {
            let took = |value| (Call::Dequeue { key }, Some(Reply::Read(value)));
            vec![
                (enqueue(1), done.clone()),
                (enqueue(2), done),
                took(Some(Value(1))),
                took(Some(Value(2))),
                took(None),
                (enqueue(1), None),
                (Call::Dequeue { key }, None),
            ]
        }
        Kind::Counter => {
            let saw = |count| (Call::Count { key }, Some(Reply::Count(count)));
            let inc = Call::Increment { key, by: 1 };
            vec![(inc.clone(), done), saw(0), saw(1), saw(2), (inc, None)]
        }
        Kind::Text => {
            let saw = |all: &[i64]| {
                let all = all.iter().map(|v| Value(*v)).collect();
                (Call::Elements { key }, Some(Reply::List(all)))
            };
            let put = Call::Write { key, value: Value(1) };
            let append = |v| Call::Append { key, value: Value(v) };
            vec![
                (put.clone(), done.clone()),
                (append(2), done),
                saw(&[]),
                saw(&[1]),
                saw(&[2]),
                saw(&[1, 2]),
                saw(&[2, 1]),
                (put, None),
                (append(2), None),
            ]
        }
        _ => {
            let saw = |all: &[i64]| {
                let all = all.iter().map(|v| Value(*v)).collect();
                (Call::Elements { key }, Some(Reply::List(all)))
            };
            let put = |v| match kind {
                Kind::List => Call::Append { key, value: Value(v) },
                _ => Call::Add { key, value: Value(v) },
            };
            let two = if kind == Kind::List { saw(&[2, 1]) } else { saw(&[2]) };
            vec![
                (put(1), done.clone()),
                (put(2), done),
                saw(&[]),
                saw(&[1]),
                saw(&[1, 2]),
                two,
                (put(1), None),
            ]
        }
    }
}

/// Judges every history of up to `most` operations; how many were right and wrong.
fn judge_all(kind: Kind, most: usize) -> (u64, u64) {
    let labels = labels(kind);
    let judge = |shape: &Vec<(usize, usize)>| {
        let (at, mut count) = (indexes(shape), (0, 0));
        let ends_last = |i: usize| shape.iter().all(|(a, _)| *a <= shape[i].1);
        let certain = labels.iter().filter(|(_, reply)| reply.is_some()).count();
        let many = |i| if ends_last(i) { labels.len() } else { certain };
        label(shape, &many, &mut |chosen| {
            let mut events = vec![None; 2 * shape.len()];
            for (i, (l, (from, to))) in chosen.iter().zip(&at).enumerate() {
                let (process, (call, reply)) = (ProcessId(i as u32), labels[*l].clone());
                let outcome = reply.map_or(Outcome::Unknown(Doubt::Timeout), Outcome::Ok);
                events[*from] = Some(Event::Invoke { process, node: NodeId(1), call });
                events[*to] = Some(Event::Complete { process, outcome });
            }
            let mut history = History::new();
            for event in events.into_iter().flatten() {
                history.push(Time(history.len() as u64), event).unwrap();
            }
            let expected = explains(kind, &deeds(kind, &history));
            assert_eq!(says(kind, &history).fine, expected, "{kind:?}: {}", shown(&history));
            *(if expected { &mut count.0 } else { &mut count.1 }) += 1;
        });
        count
    };
    let all: Vec<_> = (1..=most).flat_map(shapes).collect();
    all.par_iter().map(judge).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// The numbers are what was counted when this was written; they can only change with the enumeration.
#[test]
fn every_history_of_up_to_four_operations() {
    let counted =
        [Kind::Fifo, Kind::Stack, Kind::Largest, Kind::Counter, Kind::Grown, Kind::List, Kind::Text]
            .map(|kind| judge_all(kind, 4));
    assert_eq!(
        counted,
        [
            (3_786, 8_198),
            (3_938, 8_046),
            (3_763, 8_221),
            (943, 3_212),
            (2_756, 14_429),
            (2_184, 15_001),
            (4_287, 32_988)
        ]
    );
}
