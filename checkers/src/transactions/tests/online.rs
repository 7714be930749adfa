//! What is said while a history goes on, held against what is said in the end.

use super::notation::history;
use super::random::histories;
use crate::cases::cases;
use crate::{Budget, Checker, Isolation, ListAppend, RwRegister, Verdict, open};
use history::{
    Call, Chance, Event, Got, History, Key, Mop, NodeId, Outcome, ProcessId, Refusal, Reply, Time, Value,
};

/// After how many events this judge objects, if it does.
fn objects(checker: &dyn Checker, history: &History) -> Option<usize> {
    let mut case = open(checker);
    history.entries().iter().enumerate().position(|(index, entry)| {
        case.hear(index, entry);
        case.objection(&Budget::default()).is_some()
    })
}

/// Every case of `count`: whoever objects accuses in the end. How many objected, and how many of those that accused in the end.
fn agree(lists: bool, count: u64) -> (usize, usize) {
    let (mut objected, mut accused) = (0, 0);
    for seed in 0..count {
        let mut chance = Chance::new(seed);
        let txns = histories(&mut chance, lists);
        let history = history(&txns);
        let expect = Isolation::ALL[chance.below(Isolation::ALL.len() as u64) as usize];
        let judge: Box<dyn Checker> =
            if lists { Box::new(ListAppend::new(expect)) } else { Box::new(RwRegister::new(expect)) };
        let at = objects(&*judge, &history);
        let report = judge.check(&history, &Budget::default());
        accused += usize::from(report.verdict == Verdict::Invalid);
        if let Some(at) = at {
            objected += 1;
            assert_eq!(
                report.verdict,
                Verdict::Invalid,
                "seed {seed}, {expect}, event {at}: {}: {txns:?}",
                report.summary
            );
        }
    }
    (objected, accused)
}

#[test]
fn an_objection_always_means_invalid_in_the_end() {
    for lists in [true, false] {
        let (objected, accused) = agree(lists, cases(4_000));
        println!("lists: {lists}: {objected} objected, {accused} accused");
        assert!(objected > 100 && objected * 2 > accused, "{objected} of {accused}");
    }
}

/// Transactions one after the other, some aborted and some in doubt, until one of them is `wrong`.
fn run(count: usize, at: usize, wrong: &[(Vec<Mop>, Outcome)]) -> (History, usize) {
    let (mut history, mut held, mut planted) = (History::new(), vec![Vec::new(); 5], 0);
    let mut time = 0;
    let mut push = |event| {
        time += 1;
        history.push(Time(time), event).unwrap();
        history.len()
    };
    let mut process = 0;
    for number in 0..count {
        let key = Key(number as u64 % 5);
        let list: &mut Vec<Value> = &mut held[number % 5];
        let value = Value(number as i64 + 1);
        let call = Call::Txn { mops: vec![Mop::Read { key }, Mop::Append { key, value }] };
        push(Event::Invoke { process: ProcessId(process), node: NodeId(1), call });
        let outcome = match number % 7 {
            3 => Outcome::Fail(Refusal::Aborted),
            5 => Outcome::Unknown(history::Doubt::Timeout),
            _ => Outcome::Ok(Reply::Txn(vec![Got::List(list.clone()), Got::Done])),
        };
        if !outcome.is_fail() {
            list.push(value);
        }
        let doubt = outcome.is_unknown();
        push(Event::Complete { process: ProcessId(process), outcome });
        process += u32::from(doubt);
        if number == at {
            for (place, (mops, outcome)) in wrong.iter().enumerate() {
                let process = ProcessId(10_000 + place as u32);
                push(Event::Invoke { process, node: NodeId(1), call: Call::Txn { mops: mops.clone() } });
                planted = push(Event::Complete { process, outcome: outcome.clone() });
            }
        }
    }
    (history, planted)
}

#[test]
fn a_planted_flaw_is_objected_to_as_soon_as_it_shows() {
    let (x, y) = (Key(100), Key(101));
    let append = |key, value| Mop::Append { key, value: Value(value) };
    let read = |key| Mop::Read { key };
    let ok = |gots: &[Option<&[i64]>]| {
        let got = |got: &Option<&[i64]>| {
            got.map_or(Got::Done, |list| Got::List(list.iter().copied().map(Value).collect()))
        };
        Outcome::Ok(Reply::Txn(gots.iter().map(got).collect()))
    };
    let fail = || Outcome::Fail(Refusal::Aborted);
    for (name, wrong) in [
        ("G1a", vec![(vec![append(x, 1)], fail()), (vec![read(x)], ok(&[Some(&[1])]))]),
        (
            "duplicate-elements",
            vec![(vec![append(x, 1)], ok(&[None])), (vec![read(x)], ok(&[Some(&[1, 1])]))],
        ),
        (
            "incompatible-order",
            vec![
                (vec![append(x, 1)], ok(&[None])),
                (vec![append(x, 2)], ok(&[None])),
                (vec![read(x)], ok(&[Some(&[1, 2])])),
                (vec![read(x)], ok(&[Some(&[2, 1])])),
            ],
        ),
        ("internal", vec![(vec![append(x, 1), read(x)], ok(&[None, Some(&[])]))]),
        (
            "G1b",
            vec![(vec![append(x, 1), append(x, 2)], ok(&[None, None])), (vec![read(x)], ok(&[Some(&[1])]))],
        ),
        (
            "G-single",
            vec![
                (vec![append(x, 1), append(y, 1)], ok(&[None, None])),
                (vec![read(x), read(y)], ok(&[Some(&[1]), Some(&[])])),
            ],
        ),
        ("G-single-realtime", vec![(vec![append(x, 1)], ok(&[None])), (vec![read(x)], ok(&[Some(&[])]))]),
        ("garbage-read", vec![(vec![read(x)], ok(&[Some(&[7])]))]),
    ] {
        let (history, planted) = run(400, 200, &wrong);
        let judge = ListAppend::default();
        let mut case = open(&judge);
        let mut objection = None;
        for (index, entry) in history.entries().iter().enumerate() {
            case.hear(index, entry);
            // Seldom, as a listener asks; and right before and after the flaw.
            let asked = index % 100 == 0 || [planted - 3, planted - 1].contains(&index);
            objection =
                objection.or_else(|| Some((index, asked.then(|| case.objection(&Budget::default()))??)));
        }
        let (index, why) = objection.unwrap_or_else(|| panic!("{name}: nobody objected"));
        assert_eq!(index, planted - 1, "{name}: {why}");
        assert!(why.contains(name), "{name}: {why}");
        assert_eq!(case.close(&Budget::default()).verdict, Verdict::Invalid, "{name}");
        assert_eq!(objects(&judge, &run(60, usize::MAX, &[]).0), None, "a sound run");
    }
}
