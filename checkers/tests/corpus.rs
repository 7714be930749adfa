//! Histories of the field with known verdicts: each must be judged as its manifest says.
//!
//! The corpus is not part of the sources. It is looked for in `TRIBUNAL_CORPUS`, then in `../shared/corpus` beside the
//! workspace; if it is not there, the tests say what they did not judge and pass.

use history::formats::{self, Format, Options};
use history::{Call, Chance, Entry, Event, Got, Key, Mop, Outcome, Reply, Sequence, Value, jsonl};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tribunal_checkers::{self as checkers, Budget, Verdict, catalog};

/// Histories that are valid for the manifest but show nothing: of such a one we say that nobody can tell.
const VACUOUS: &[&str] =
    &["jepsen-rs/ex_history.edn", "polysi/fig7/20_100_15_10000_0_uniform/hist-00000/history.bincode"];

/// The snapshot isolation of PolySI, which respects sessions.
const SESSION_SI: &str = "strong-session-snapshot-isolation";

/// What the manifest says of the histories that PolySI's authors made with PostgreSQL.
const SI_AND_PERHAPS_MORE: &str = "valid for SI (and, fig7, SER) as far as the paper says";

/// Those of them that are not serializable: PolySI, which judges snapshot isolation only, could not tell. For each, the events
/// at which some transactions were called of which each must come before the next and the last before the first.
const WRITE_SKEW: &[(&str, &[usize])] = &[
    ("polysi/fig7/20_100_15_10000_0.5_hotspot/hist-00000/history.bincode", &[810, 1806]),
    ("polysi/fig7/20_100_15_10000_0.75_uniform/hist-00000/history.bincode", &[2310, 2912]),
    ("polysi/fig7/20_100_15_1000_0.5_uniform/hist-00000/history.bincode", &[622, 3824, 2430, 816]),
    ("polysi/fig7/20_100_15_2000_0.5_uniform/hist-00000/history.bincode", &[210, 2610]),
];

/// A row of the manifest.
struct Row {
    path: PathBuf,
    name: String,
    model: String,
    expected: String,
}

fn corpus() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let said = std::env::var_os("TRIBUNAL_CORPUS").map(PathBuf::from);
    let corpus = said.unwrap_or_else(|| workspace.join("../shared/corpus"));
    corpus.join("MANIFEST.tsv").is_file().then_some(corpus)
}

fn rows() -> Vec<Row> {
    let Some(corpus) = corpus() else {
        println!("not judged: the corpus is not here (TRIBUNAL_CORPUS, ../shared/corpus)");
        return Vec::new();
    };
    let manifest = fs::read_to_string(corpus.join("MANIFEST.tsv")).expect("the corpus has a manifest");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, _, model, expected] = fields[..4] else { unreachable!() };
        let (name, model, expected) = (name.to_owned(), model.to_owned(), expected.to_owned());
        Row { path: corpus.join(&name), name, model, expected }
    };
    let rows: Vec<Row> = manifest.lines().skip(1).map(row).collect();
    assert!(rows.len() > 100, "only {} rows", rows.len());
    rows
}

fn scan(row: &Row, options: &Options, mut hear: impl FnMut(Entry)) -> Format {
    let mut source =
        formats::open(File::open(&row.path).expect("the manifest names it")).expect("it can be read");
    let format = Format::detect(source.fill_buf().expect("it can be read"))
        .unwrap_or_else(|| panic!("{}: what is it?", row.name));
    let mut sequence = Sequence::default();
    let scanned = formats::scan(format, source, options, |line, entry| {
        let admitted = sequence.admit(entry.time, &entry.event);
        admitted.map_err(|source| jsonl::ReadError::Malformed { line, source })?;
        hear(entry);
        Ok(())
    });
    let scanned = scanned.unwrap_or_else(|error| panic!("{}: {error}", row.name));
    assert_eq!(scanned.torn, None, "{}", row.name);
    assert!(sequence.len() > 1, "{} has no events", row.name);
    format
}

/// How a row is judged.
struct Terms {
    model: &'static str,
    options: Options,
    /// What is expected of the history, and the verdict; nothing if the manifest does not say. The first is what the manifest
    /// speaks of.
    levels: Vec<(Option<&'static str>, Option<Verdict>)>,
}

/// The levels of AWDIT and of Biswas and Enea, from the weakest.
const WEAK: [(&str, &str); 3] =
    [("read-committed", "rc-atomic-visibility"), ("read-atomic", "read-atomic"), ("causal", "causal")];

fn terms(row: &Row) -> Terms {
    let plain = Options::default();
    let (model, options) = match row.model.as_str() {
        "cas-register init nil (failed cas = observation; read :timed-out = unknown)" => ("register", plain),
        "cas-register init 0 (read nil = value unknown)" => {
            ("register", Options { initial: Some(0), nil_is_unknown: true })
        }
        "kv get/put/append strings, init \"\"" => ("text", plain),
        "list-append" => ("list-append", plain),
        "mutex" => ("lock", plain),
        "bank" => ("bank", plain),
        "set" => ("set", plain),
        "set-full" => ("set-full", plain),
        other if other.starts_with("rw-register") => ("rw-register", plain),
        other => panic!("no judge for {other}"),
    };
    let (valid, invalid) = (Some(Verdict::Valid), Some(Verdict::Invalid));
    let levels = match row.expected.as_str() {
        _ if VACUOUS.contains(&row.name.as_str()) => vec![(None, Some(Verdict::Unknown))],
        "?" => vec![(None, None)],
        "valid" => vec![(None, valid)],
        "invalid" => vec![(None, invalid)],
        "invalid for causal (TCC)" => vec![(Some("causal"), invalid)],
        "invalid for SI" => vec![(Some(SESSION_SI), invalid)],
        SI_AND_PERHAPS_MORE => {
            let skewed = WRITE_SKEW.iter().any(|(name, _)| *name == row.name);
            let serializable = if skewed { invalid } else { valid };
            vec![(Some(SESSION_SI), valid), (Some("serializable"), serializable)]
        }
        expected => {
            let strongest = expected.strip_prefix("strongest level held of RC<RA<CC: ").expect(expected);
            let held = WEAK.iter().position(|(name, _)| *name == strongest).map_or(0, |place| place + 1);
            assert!(held > 0 || strongest == "none", "{expected}");
            let level = |(place, (_, level))| (Some(level), if place < held { valid } else { invalid });
            WEAK.into_iter().enumerate().map(level).collect()
        }
    };
    Terms { model, options, levels }
}

#[test]
fn every_history_is_judged_as_the_manifest_says() {
    let mut wrong = Vec::new();
    let mut judged: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        let terms = terms(&row);
        let model = catalog::lookup(terms.model).unwrap();
        let judges: Vec<_> = terms
            .levels
            .iter()
            .map(|(level, expected)| (model.judge(*level, level.is_none()).unwrap(), level, expected))
            .collect();
        let mut cases: Vec<_> = judges.iter().map(|(judge, ..)| checkers::open(&**judge)).collect();
        let mut index = 0;
        scan(&row, &terms.options, |entry| {
            cases.iter_mut().for_each(|case| case.hear(index, &entry));
            index += 1;
        });
        for (case, (_, level, expected)) in cases.into_iter().zip(&judges) {
            let report = case.close(&Budget::new(Duration::from_secs(60), 1 << 30));
            let level = level.unwrap_or("the model");
            match expected {
                None => println!("{}: {} {}", row.name, report.verdict, report.summary),
                Some(expected) if *expected != report.verdict => wrong.push(format!(
                    "{}: {} for {level}, but the manifest says {}: {}",
                    row.name, report.verdict, row.expected, report.summary
                )),
                Some(_) => {}
            }
        }
        *judged.entry(format!("{}: {}", row.model, row.expected)).or_default() += 1;
    }
    judged.iter().for_each(|(what, count)| println!("{count:5}  {what}"));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a transaction of registers read, and what it wrote.
type Access = (Vec<(Key, Option<Value>)>, Vec<(Key, Value)>);

/// The transaction that is called at an event and answered at the next.
fn access(entries: &[Entry], at: usize) -> Access {
    let (Event::Invoke { call: Call::Txn { mops }, .. }, Event::Complete { outcome, .. }) =
        (&entries[at].event, &entries[at + 1].event)
    else {
        panic!("event {at} calls no transaction");
    };
    let Outcome::Ok(Reply::Txn(gots)) = outcome else { panic!("event {at} did not succeed") };
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for (mop, got) in mops.iter().zip(gots) {
        match (mop, got) {
            (Mop::Write { key, value }, _) => writes.push((*key, *value)),
            (Mop::Read { key }, Got::Value(value)) => reads.push((*key, *value)),
            other => panic!("{other:?}"),
        }
    }
    (reads, writes)
}

/// By the definition alone: each of some transactions read what the next one replaced, the value before all others, or
/// wrote what the next one read. So none of them can have been the first.
#[test]
fn histories_with_write_skew_show_it() {
    for row in rows() {
        let Some((_, events)) = WRITE_SKEW.iter().find(|(name, _)| *name == row.name) else { continue };
        let mut entries = Vec::new();
        scan(&row, &Options::default(), |entry| entries.push(entry));
        let txns: Vec<Access> = events.iter().map(|at| access(&entries, *at)).collect();
        for (place, (reads, writes)) in txns.iter().enumerate() {
            let (later_reads, later_writes) = &txns[(place + 1) % txns.len()];
            let replaced = |key: &Key| later_writes.iter().any(|(written, _)| written == key);
            let missed = reads.iter().any(|(key, value)| value.is_none() && replaced(key));
            let seen = writes.iter().any(|(key, value)| later_reads.contains(&(*key, Some(*value))));
            assert!(missed || seen, "{}: event {} need not come first", row.name, events[place]);
        }
    }
}

/// Everything that a reader says of these bytes.
fn heard(format: Format, source: impl BufRead) -> (usize, String) {
    let mut events = 0;
    let end = formats::scan(format, source, &Options::default(), |_, entry| {
        std::hint::black_box(entry);
        events += 1;
        Ok(())
    });
    (events, end.map_or_else(|error| error.to_string(), |scanned| format!("{:?}", scanned.torn)))
}

#[test]
fn damaged_histories_make_no_reader_panic_and_chunks_mean_nothing() {
    for (number, row) in rows().iter().enumerate() {
        let whole = fs::read(&row.path).unwrap();
        let format = Format::detect(&whole).unwrap();
        let mut chance = Chance::new(number as u64);
        for _ in 0..4 {
            // A piece from the beginning is enough: readers remember little.
            let mut bytes = whole[..whole.len().min(20_000)].to_vec();
            for _ in 0..chance.below(4) {
                let at = chance.below(bytes.len() as u64) as usize;
                match chance.below(3) {
                    0 => bytes[at] = chance.bits() as u8,
                    1 => bytes.insert(at, b"[]{}()\"\\#:;,-\n0"[chance.below(15) as usize]),
                    _ => drop(bytes.drain(at..(at + 40).min(bytes.len()))),
                }
            }
            let at_once = heard(format, &bytes[..]);
            assert_eq!(at_once, heard(format, BufReader::with_capacity(7, &bytes[..])), "{}", row.name);
        }
    }
}
