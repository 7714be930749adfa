//! `docs/FORMATS.md` says the truth: the code reads its examples, and they show everything there is.

use history::{
    Call, Doubt, Entry, Event, Evidence, Fault, Injection, Moment, Mop, NodeId, Outcome, Phase, Refusal,
};
use history::{Reply, Stamp, Time};
use nemesis::{Intent, Plan, Selector, Shape, Turnover};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/FORMATS.md");

/// The contents of every block that begins with ```` ```language name ````.
fn blocks(language: &str, name: &str) -> Vec<&'static str> {
    let fence = format!("```{language} {name}\n");
    let mut found = Vec::new();
    for part in PAGE.split(fence.as_str()).skip(1) {
        found.push(part.split("```").next().expect("split yields at least one part"));
    }
    assert!(!found.is_empty(), "docs/FORMATS.md has no block {name:?}");
    found
}

/// How a thing is written: the names of its variants on the way down. Matches without a catch-all, so that a
/// new variant is not forgotten here, nor, therefore, on the page.
fn names(event: &Event) -> Vec<&'static str> {
    match event {
        Event::Phase(Phase::Main) => vec!["phase main"],
        Event::Phase(Phase::Heal) => vec!["phase heal"],
        Event::Phase(Phase::Final) => vec!["phase final"],
        Event::Phase(Phase::Done) => vec!["phase done"],
        Event::Invoke { call, .. } => vec![match call {
            Call::Read { .. } => "read",
            Call::Write { .. } => "write",
            Call::Cas { expected: Some(_), .. } => "cas",
            Call::Cas { expected: None, .. } => "cas nil",
            Call::Txn { mops } => return mops.iter().map(mop_name).collect(),
            call => call.kind().name(),
        }],
        Event::Stamped { stamp: Stamp { start: Some(_), .. }, .. } => vec!["stamped from and to"],
        Event::Stamped { stamp: Stamp { start: None, .. }, .. } => vec!["stamped"],
        Event::Complete { outcome, .. } => vec![outcome_name(outcome)],
        Event::Noticed { moment: Moment::NewLeader, .. } => vec!["new leader"],
        Event::Noticed { moment: Moment::Started, .. } => vec!["started"],
        Event::Inject(fault) => vec![fault_name(fault)],
        Event::Injected { result, .. } => vec![match **result {
            Injection::Installed(_) => "installed",
            Injection::Skipped(_) => "skipped",
            Injection::Doubtful(_) => "doubtful",
        }],
        Event::Died { .. } => vec!["died"],
        Event::Violated(_) => vec!["violated"],
    }
}

fn mop_name(mop: &Mop) -> &'static str {
    match mop {
        Mop::Read { .. } => "txn read",
        Mop::Write { .. } => "txn write",
        Mop::Append { .. } => "txn append",
        Mop::Send { .. } => "txn send",
        Mop::Poll => "txn poll",
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok(Reply::Done) => "ok done",
        Outcome::Ok(Reply::Read(Some(_))) => "ok read",
        Outcome::Ok(Reply::Read(None)) => "ok read nil",
        Outcome::Ok(Reply::List(_)) => "ok list",
        Outcome::Ok(Reply::Count(_)) => "ok count",
        Outcome::Ok(Reply::Is(_)) => "ok is",
        Outcome::Ok(Reply::Held(_)) => "ok held",
        Outcome::Ok(Reply::Balances(_)) => "ok balances",
        Outcome::Ok(Reply::Leader(_)) => "ok leader",
        Outcome::Ok(Reply::Changes(_)) => "ok changes",
        Outcome::Ok(Reply::Txn(_)) => "ok txn",
        Outcome::Ok(Reply::Ledger(_)) => "ok ledger",
        Outcome::Fail(Refusal::Mismatch { .. }) => "mismatch",
        Outcome::Fail(Refusal::NotLeader { .. }) => "not leader",
        Outcome::Fail(Refusal::Unreachable) => "unreachable",
        Outcome::Fail(Refusal::Unserved) => "unserved",
        Outcome::Fail(Refusal::Stopping) => "stopping",
        Outcome::Fail(Refusal::Aborted) => "aborted",
        Outcome::Fail(Refusal::NotHeld) => "not held",
        Outcome::Fail(Refusal::Other(_)) => "refused",
        Outcome::Unknown(Doubt::Timeout) => "timeout",
        Outcome::Unknown(Doubt::Disconnected) => "disconnected",
        Outcome::Unknown(Doubt::Deposed) => "deposed",
        Outcome::Unknown(Doubt::Unfinished) => "unfinished",
        Outcome::Unknown(Doubt::Other(_)) => "other",
    }
}

fn fault_name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Cut { .. } => "cut",
        Fault::Kill { .. } => "kill",
        Fault::Terminate { .. } => "terminate",
        Fault::Crash { unsynced: None, .. } => "crash",
        Fault::Crash { unsynced: Some(_), .. } => "crash in a certain way",
        Fault::Start { .. } => "start",
        Fault::Pause { .. } => "pause",
        Fault::Resume { .. } => "resume",
        Fault::Impair { .. } => "impair",
        Fault::Skew { .. } => "skew",
        Fault::Sicken { .. } => "sicken",
        Fault::Press { .. } => "press",
        Fault::Damage { .. } => "damage",
        Fault::Members { .. } => "members",
        Fault::Repair { .. } => "repair",
    }
}

fn intent_names(intent: &Intent) -> Vec<&'static str> {
    match intent {
        Intent::Partition(shape) => match shape {
            Shape::Halves | Shape::Bridge | Shape::MajoritiesRing | Shape::Grudge(_) => {
                vec!["partition", shape.name()]
            }
            Shape::Isolate(of) | Shape::Apart(of) | Shape::Mute(of) | Shape::Deaf(of) => {
                vec!["partition", shape.name(), selector_name(of)]
            }
        },
        Intent::Kill(of) => vec!["kill", selector_name(of)],
        Intent::Restart { of, .. } => vec!["restart", selector_name(of)],
        Intent::Strobe { of, .. } => vec!["strobe", selector_name(of)],
        Intent::Terminate(of) => vec!["terminate", selector_name(of)],
        Intent::Crash(of) => vec!["crash", selector_name(of)],
        Intent::PowerCut { of, .. } => vec!["power cut", selector_name(of)],
        Intent::Pause(of) => vec!["pause", selector_name(of)],
        Intent::Packets { of, .. } => vec!["packets", selector_name(of)],
        Intent::Clock { of, .. } => vec!["clock", selector_name(of)],
        Intent::Disk { of, .. } => vec!["disk", selector_name(of)],
        Intent::Pressure { of, .. } => vec!["pressure", selector_name(of)],
        Intent::Damage { of, .. } => vec!["damage", selector_name(of)],
        Intent::Members(Turnover::Grow) => vec!["members", "grow"],
        Intent::Members(Turnover::Shrink(of)) => vec!["members", "shrink", selector_name(of)],
        Intent::Members(Turnover::Replace(of)) => vec!["members", "replace", selector_name(of)],
        Intent::Repair(_) => vec!["repair"],
    }
}

fn selector_name(selector: &Selector) -> &'static str {
    match selector {
        Selector::One => "one",
        Selector::Minority => "minority",
        Selector::Majority => "majority",
        Selector::MinorityThird => "minority third",
        Selector::Primaries => "primaries",
        Selector::All => "all",
        Selector::Subject => "subject",
        Selector::These(_) => "these",
    }
}

#[test]
fn every_line_of_a_history_is_as_documented() {
    let mut shown = BTreeSet::new();
    for line in blocks("json", "history").into_iter().flat_map(str::lines) {
        let entry: Entry = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_string(&entry).unwrap(), line, "it is written as it is documented");
        shown.extend(names(&entry.event));
    }
    // Counted from the matches above: a variant that the page does not show is missing here.
    let everything = 4 + (4 + 5 + 20) + 25 + 2 + 2 + 15 + 3 + 2;
    assert_eq!(shown.len(), everything, "{shown:?}");
}

#[test]
fn the_first_line_of_a_history_is_as_documented() {
    let written = history::jsonl::Writer::new(Vec::new()).unwrap().finish().unwrap();
    assert_eq!(blocks("json", "history-header"), [String::from_utf8(written).unwrap()]);
}

#[test]
fn every_record_of_a_transaction_is_as_documented() {
    use checkers::atomicity::{Record, Step};
    let mut shown = BTreeSet::new();
    for line in blocks("json", "records").into_iter().flat_map(str::lines) {
        let record: Record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
        shown.insert(match record.step {
            Step::Began(_) => 0,
            Step::VotedYes => 1,
            Step::VotedNo => 2,
            Step::HeardYes(_) => 3,
            Step::PreCommitted => 4,
            Step::Committed => 5,
            Step::Aborted => 6,
            Step::Applied => 7,
        });
    }
    assert_eq!(shown.len(), 8, "{shown:?}");
}

#[test]
fn a_plan_is_as_documented() {
    let [text] = blocks("json", "plan")[..] else { panic!("there is one plan") };
    let plan = Plan::read(text, 5).unwrap();
    assert!(plan.0.is_sorted_by_key(|step| step.at));
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
    let shown: BTreeSet<_> = plan.0.iter().flat_map(|step| intent_names(&step.intent)).collect();
    assert_eq!(shown.len(), 15 + 8 + 8 + 3, "{shown:?}");
    let awaited: BTreeSet<_> = plan.0.iter().filter_map(|step| step.when).collect();
    assert_eq!(awaited.len(), Moment::ALL.len(), "{awaited:?}");
}

#[test]
fn the_compact_notation_is_as_documented() {
    let [text] = blocks("text", "compact")[..] else { panic!("there is one block") };
    let history = history::text::parse(text).unwrap();
    assert_eq!(history.ops().len(), 36);
}

/// Where there is something in a JSON value: `reports.anomalies.name`. Elements of one list are taken together.
fn places(value: &Value) -> BTreeSet<String> {
    let below = |name: &str, value: &Value| {
        let inner = places(value).into_iter().map(|place| format!("{name}.{place}"));
        inner.chain([name.to_owned()]).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| below(name, value)).collect(),
        Value::Array(items) => items.iter().flat_map(places).collect(),
        _ => BTreeSet::new(),
    }
}

fn documented(name: &str) -> Value {
    let [text] = blocks("json", name)[..] else { panic!("there is one {name}") };
    serde_json::from_str(text).expect("the example is JSON")
}

fn read(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("the program writes JSON")
}

fn tribunal(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_tribunal")).args(args).output().expect("the program was built")
}

#[test]
fn the_clocks_on_the_page_are_read() {
    let lines: Vec<&str> = blocks("json", "clocks").iter().flat_map(|block| block.lines()).collect();
    let rows: Vec<tribunal::clocks::Row> =
        lines.iter().map(|line| serde_json::from_str(line).expect("it is a reading")).collect();
    let again: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    assert_eq!(again, lines);
}

#[test]
fn a_run_writes_its_test_file_as_documented() {
    let store = tempfile::tempdir().unwrap();
    let place = store.path().to_str().unwrap();
    tribunal(&["test", "raft", "--on", "sim", "--time-limit", "1s", "--seed", "1", "--store", place]);
    assert_eq!(places(&read(&store.path().join("latest/test.json"))), places(&documented("test")));
    assert!(store.path().join("raft-register/latest/history.jsonl").is_file());
    assert!(store.path().join("raft-register/latest/plan.json").is_file());
}

#[test]
fn a_verdict_is_written_as_documented() {
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join("test.json"), serde_json::to_vec(&documented("test")).unwrap()).unwrap();
    let stale = history::text::parse("A:w1[0,1]; A:w2[2,3]; B:r1[4,5]").unwrap();
    let mut writer = history::jsonl::Writer::new(Vec::new()).unwrap();
    for entry in stale.entries() {
        writer.add(entry.time, entry.event.clone()).unwrap();
    }
    let kill = Box::new(Fault::Kill { nodes: vec![NodeId(3)] });
    let result = Box::new(Injection::Installed(Evidence("it is gone".to_owned())));
    for (at, event) in
        [Event::Inject(kill.clone()), Event::Injected { fault: kill, result }].into_iter().enumerate()
    {
        writer.add(Time::from_secs(60 + at as u64), event).unwrap();
    }
    fs::write(run.path().join("history.jsonl"), writer.finish().unwrap()).unwrap();
    let output = tribunal(&["check", run.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(places(&read(&run.path().join("verdict.json"))), places(&documented("verdict")));
}
