//! The named histories of `testscripts/linearizable.txt`.

use super::{both, shown};
use crate::linearizable::prepare::Prepared;
use crate::models::register::Register;
use crate::{Budget, Checker, Linearizable, Report, Verdict};
use history::{Value, text};

/// One line of the table.
struct Case<'t> {
    id: &'t str,
    initial: Option<Value>,
    history: history::History,
    expected: &'t str,
}

fn cases() -> Vec<Case<'static>> {
    let table = include_str!("../../../testscripts/linearizable.txt");
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let case = |line: &'static str| {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [id, initial, history, expected, _why] = fields[..] else { panic!("not five fields: {line}") };
        let initial = (initial != "nil").then(|| Value(initial.parse().expect(line)));
        Case { id, initial, history: text::parse(history).expect(line), expected }
    };
    lines.map(case).collect()
}

fn report(case: &Case<'_>) -> Report {
    Linearizable::new(Register { initial: case.initial }).check(&case.history, &Budget::default())
}

#[test]
fn every_named_history_is_judged_as_the_table_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let report = report(&case);
        let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
        let vacuous = report.summary.starts_with("vacuous");
        let said =
            if vacuous || report.verdict == Verdict::Valid { "yes".to_owned() } else { names.join(", ") };
        for anomaly in &report.anomalies {
            assert!(!anomaly.events.is_empty() && anomaly.events.is_sorted(), "{}", case.id);
        }
        if said != case.expected {
            wrong.push(format!("{} {}: {said}, not {}", case.id, shown(&case.history), case.expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases().len() >= 36);
}

#[test]
fn every_algorithm_that_applies_agrees_with_the_table() {
    let mut by_unique = 0;
    for case in cases() {
        let prepared = Prepared::of(&Register::default(), &case.history).unwrap();
        for place in (0..prepared.objects.len()).filter(|_| prepared.absurd.is_empty()) {
            by_unique += usize::from(both(case.initial, &prepared.items(place), case.expected == "yes"));
        }
    }
    assert!(by_unique >= 30, "{by_unique} keys judged by unique values");
}
