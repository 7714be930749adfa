//! What a reader is told of transactions, word for word: `testscripts/stories.txt`. After a change that is meant,
//! `TRIBUNAL_BLESS=1 cargo test -p tribunal-checkers stories` writes what is told now; read it before it is committed.

use super::notation::{history, parse};
use crate::{Budget, Checker, Isolation, ListAppend, RwRegister};
use history::{History, Time};
use std::fmt::Write;

const STORIES: &str = include_str!("../../../testscripts/stories.txt");

/// Each history: whether it is of lists, what is expected, and what happened.
fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    STORIES.lines().filter_map(|line| line.strip_prefix("## ")).map(|line| {
        let [model, expect, text] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        (model, expect, text)
    })
}

/// What is told, with a tenth of a second between events.
fn told(model: &str, expect: &str, text: &str) -> String {
    let mut slow = History::new();
    for (at, entry) in history(&parse(text, model == "list-append")).entries().iter().enumerate() {
        slow.push(Time::from_millis(100 * at as u64), entry.event.clone()).unwrap();
    }
    let expect = Isolation::ALL.into_iter().find(|level| level.name() == expect).unwrap();
    let judge: Box<dyn Checker> = match model {
        "list-append" => Box::new(ListAppend::new(expect)),
        _ => Box::new(RwRegister::new(expect)),
    };
    let report = judge.check(&slow, &Budget::default());
    let mut page = String::new();
    for anomaly in &report.anomalies {
        let _ = writeln!(page, "{}\n{}", anomaly.name, anomaly.story.replace(". ", ".\n"));
    }
    page
}

#[test]
fn stories_of_every_kind_are_told_as_they_were_read() {
    let header = STORIES
        .lines()
        .take_while(|line| line.starts_with("# "))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut page = header;
    for (model, expect, text) in cases() {
        let _ = write!(page, "\n## {model} | {expect} | {text}\n{}", told(model, expect, text));
    }
    if std::env::var_os("TRIBUNAL_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/stories.txt");
        std::fs::write(path, &page).unwrap();
        return;
    }
    for (number, (told, read)) in page.lines().zip(STORIES.lines()).enumerate() {
        assert_eq!(told, read, "line {}", number + 1);
    }
    assert_eq!(page.len(), STORIES.len());
    for kind in [
        "G0",
        "G1c",
        "G-single",
        "G-nonadjacent",
        "G2-item",
        "G0-realtime",
        "G-single-realtime",
        "G-single-process",
        "G1a",
        "G1b",
        "internal",
        "future-read",
        "duplicate-elements",
        "incompatible-order",
        "garbage-read",
        "dirty-update",
        "lost-update",
        "no-snapshots",
        "no-order",
        "non-monotonic-read",
        "fractured-read",
        "causality-violation",
    ] {
        assert!(page.lines().any(|line| line == kind), "nothing is told of {kind}");
    }
}
