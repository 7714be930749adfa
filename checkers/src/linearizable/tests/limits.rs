//! What large, odd and hopeless histories come to.

use crate::synthetic::registers::{STAY, Shape, simulate};
use crate::{Budget, Checker, Linearizable, Report, Verdict};
use history::{
    Call, Chance, Event, Fault, FaultKind, History, Key, NodeId, Outcome, ProcessId, Reply, Time, Value, text,
};
use std::time::{Duration, Instant};

fn check(history: &History, budget: &Budget) -> Report {
    Linearizable::default().check(history, budget)
}

fn measure<'r>(report: &'r Report, name: &str) -> &'r str {
    &report.measures.iter().find(|(measure, _)| measure == name).unwrap().1
}

/// M11 of the catalogue. Thirty clients with five values are far beyond any search.
#[test]
fn a_hundred_thousand_operations_on_one_key_end_within_the_budget() {
    let shape = Shape {
        ops: 100_000,
        clients: 30,
        keys: 1,
        rotate: STAY,
        values: Some(5),
        unknown: 5,
        mix: [2, 1, 1],
    };
    let history = simulate(shape, 11);
    let began = Instant::now();
    let report = check(&history, &Budget::new(Duration::from_secs(2), 64 << 20));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_ne!(report.verdict, Verdict::Invalid);
    let unique = simulate(Shape { values: None, ..shape }, 11);
    assert_eq!(check(&unique, &Budget::new(Duration::from_secs(10), 64 << 20)).verdict, Verdict::Valid);
}

#[test]
fn a_spent_budget_is_told_and_never_guessed() {
    let shape = Shape {
        ops: 5_000,
        clients: 20,
        keys: 2,
        rotate: STAY,
        values: Some(3),
        unknown: 20,
        mix: [1, 1, 1],
    };
    let history = simulate(shape, 1);
    let report = check(&history, &Budget::new(Duration::ZERO, 1 << 30));
    assert_eq!(report.verdict, Verdict::Unknown);
    for words in
        ["explored up to event", "configurations", "the time was up", "and 1 more keys were not decided"]
    {
        assert!(report.summary.contains(words), "{}", report.summary);
    }
    for (bytes, words) in
        [(410_000, "the memory was used up"), (1 << 18, "5000 operations do not fit in 0 MiB")]
    {
        let report = check(&history, &Budget::new(Duration::from_secs(60), bytes));
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.summary.contains(words), "{}", report.summary);
    }
}

#[test]
fn doubt_about_one_key_hides_no_violation_of_another() {
    let shape = Shape {
        ops: 5_000,
        clients: 20,
        keys: 1,
        rotate: STAY,
        values: Some(3),
        unknown: 20,
        mix: [1, 1, 1],
    };
    let mut history = simulate(shape, 1);
    let (process, node, key) = (ProcessId(1_000_000), NodeId(1), Key(9));
    let end = history.entries().last().unwrap().time;
    history.push(end, Event::Invoke { process, node, call: Call::Read { key } }).unwrap();
    let outcome = Outcome::Ok(Reply::Read(Some(Value(4))));
    history.push(end, Event::Complete { process, outcome }).unwrap();
    let report = check(&history, &Budget::new(Duration::ZERO, 1 << 30));
    assert_eq!((report.verdict, report.anomalies[0].name.as_str()), (Verdict::Invalid, "phantom value"));
    assert!(report.summary.contains("phantom value, on 1 of 2 keys; k0 was explored"), "{}", report.summary);
}

#[test]
fn an_empty_history_proves_nothing() {
    let report = check(&History::new(), &Budget::default());
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.summary.starts_with("vacuous: "), "{}", report.summary);
}

#[test]
fn the_measures_say_what_was_judged_and_how() {
    let (one, two) = ("A:w1[0,1]; B:w1[2,3]; C:wx1[4,?]", "D:rynil[5,6]; E:ry?[7,?]");
    let overlapping = "F:wz1[8,10]; G:wz1[9,12]; H:wz2[11,13]; I:rz1[14,15]";
    let history = text::parse(&format!("{one}; {two}; {overlapping}")).unwrap();
    let report = check(&history, &Budget::default());
    assert_eq!(measure(&report, "operations"), "9");
    assert_eq!(measure(&report, "unknown outcomes"), "2 (22.2 %)");
    assert_eq!(measure(&report, "keys"), "3");
    assert_eq!(measure(&report, "largest key"), "k2, 4 operations");
    assert_eq!(measure(&report, "judged by unique values"), "1");
    assert_eq!(measure(&report, "judged by greedy order"), "1");
    assert_eq!(measure(&report, "judged by search"), "1");
}

/// M5 and M6 of the catalogue: order is that of the events, whatever their times; and other events do not matter.
#[test]
fn equal_times_and_other_events_do_not_matter() {
    let plain = text::parse("A:w1[0,2]; B:r nil[1,3]").unwrap();
    let mut history = History::new();
    let repair = || Event::Inject(Box::new(Fault::Repair { kind: FaultKind::Kill }));
    for entry in plain.entries() {
        history.push(Time(7), repair()).unwrap();
        history.push(Time(7), entry.event.clone()).unwrap();
    }
    assert_eq!(check(&history, &Budget::default()).verdict, Verdict::Valid);
}

#[test]
fn an_answer_that_fits_no_call_is_unknown_and_named() {
    let mut history = History::new();
    let (process, node) = (ProcessId(0), NodeId(1));
    let call = Call::Write { key: Key(0), value: Value(1) };
    history.push(Time(0), Event::Invoke { process, node, call }).unwrap();
    history.push(Time(1), Event::Complete { process, outcome: Outcome::Ok(Reply::Read(None)) }).unwrap();
    let report = check(&history, &Budget::default());
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.summary.starts_with("event 0:"), "{}", report.summary);
}

#[test]
fn every_violating_key_is_counted_and_the_first_twenty_are_told() {
    let ops = |key: usize| {
        format!(
            "A:w k{key} 1[{},{}]; B:r k{key} nil[{},{}]; ",
            4 * key,
            4 * key + 1,
            4 * key + 2,
            4 * key + 3
        )
    };
    let history = text::parse(&(0..30).map(ops).collect::<String>()).unwrap();
    let report = check(&history, &Budget::default());
    assert_eq!(report.anomalies.len(), 20);
    assert_eq!(report.summary, "stale read, on 30 of 30 keys");
    assert_eq!(measure(&report, "anomalies"), "30");
    let keys: Vec<Key> = report.anomalies.iter().filter_map(|anomaly| anomaly.key).collect();
    assert_eq!(keys, (0..20).map(Key).collect::<Vec<_>>());
}

/// One read in four hundred operations sees what has long been overwritten; the story is about few of them.
#[test]
fn a_story_from_a_search_is_short() {
    let mut found = 0;
    for seed in 0..20 {
        let shape = Shape {
            ops: 400,
            clients: 4,
            keys: 1,
            rotate: STAY,
            values: Some(20),
            unknown: 0,
            mix: [2, 1, 1],
        };
        let history = simulate(shape, seed);
        let mut chance = Chance::new(seed);
        let reads: Vec<usize> = (0..history.len())
            .filter(|i| {
                matches!(
                    history.entries()[*i].event,
                    Event::Complete { outcome: Outcome::Ok(Reply::Read(_)), .. }
                )
            })
            .collect();
        let chosen = *chance.pick(&reads).unwrap();
        let mut wrong = History::new();
        for (i, entry) in history.entries().iter().enumerate() {
            let mut event = entry.event.clone();
            if let (Event::Complete { outcome: Outcome::Ok(Reply::Read(value)), .. }, true) =
                (&mut event, i == chosen)
            {
                *value = Some(Value(chance.below(20) as i64));
            }
            wrong.push(entry.time, event).unwrap();
        }
        let report = check(&wrong, &Budget::default());
        if report.verdict == Verdict::Invalid {
            found += 1;
            let anomaly = &report.anomalies[0];
            assert!(anomaly.events.len() <= 40, "{} events", anomaly.events.len());
            assert!(anomaly.events.contains(&chosen), "the read that was changed is not in the story");
        }
    }
    assert!(found >= 10, "{found}");
}
