//! A history of whatever origin: from a file in anybody's notation to a verdict, without holding it as a whole.

use crate::ahead;
use crate::analyze::{Exhibit, Judgement};
use crate::tally::Tally;
use checkers::catalog::{self, Beside, Guess};
use checkers::{Budget, Checker, Deaths, Invariants, Panel, Verdict};
use cluster::HarnessError;
use history::formats::{self, Format, Names, Options, Scanned};
use history::jsonl::{self, ReadError};
use history::{Call, Entry, Event, Got, History, Key, Mop, Outcome, Reply, Sequence, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::time::Duration;

/// How a file is to be heard.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What it is; told by how it begins, if not said.
    pub format: Option<Format>,
    /// The model; guessed from the calls, if not said.
    pub model: Option<String>,
    /// What is expected of the model; its strongest promise, if not said.
    pub expect: Option<String>,
    /// What the file leaves open.
    pub options: Options,
    /// What was found beside the history.
    pub beside: Beside,
    /// How long judging may take.
    pub time: Duration,
    /// How much memory judging may take.
    pub bytes: usize,
}

/// How a file was judged.
pub struct Heard {
    /// What the judges say.
    pub judgement: Judgement,
    /// What the file is, if it is a history.
    pub format: Option<Format>,
    /// The model against which it was held.
    pub model: String,
    /// Whether nobody said so.
    pub guessed: bool,
    /// How many entries were about no client.
    pub skipped: u64,
    /// What stands behind the numbers of keys and values that the anomalies speak of.
    pub names: BTreeMap<String, String>,
}

/// How many events may pass before the model is guessed.
const PATIENCE: usize = 2_000;

/// How much of a file is enough to tell what it is.
const HEAD: usize = 8 << 10;

/// Reads a file and has it judged. `progress` is told how many events were heard, now and then.
///
/// # Errors
/// If it cannot be read, makes no sense, or there is no judge for it.
pub fn hear(path: &Path, terms: &Terms, mut progress: impl FnMut(usize)) -> Result<Heard, HarnessError> {
    let wrong = |why: &dyn Display| HarnessError::new(format!("judge {}", path.display()), why.to_string());
    let Opened { format, lines, source } = open(path, terms.format).map_err(|why| wrong(&why))?;
    let options = &terms.options;
    let foreign = matches!(format, Format::Edn | Format::Json | Format::Log);
    if !foreign && (options.initial.is_some() || options.nil_is_unknown) {
        let why = "it says itself that registers hold nothing first, and what nil is";
        return Err(wrong(&format!(
            "--initial and --nil-is-unknown are for edn, json and log; of {format} {why}"
        )));
    }
    // What it is about is known only from its calls, and a judge must be there before the first of them is heard:
    // hence the beginning is read twice.
    let model = match &terms.model {
        Some(model) => model.clone(),
        None => guess(path, format, terms).map_err(|why| wrong(&why))?,
    };
    let judge = judge(&model, format, terms).map_err(|why| wrong(&why))?;
    let mut judges: Vec<&dyn Checker> = vec![&*judge];
    if format == Format::Jsonl {
        judges.extend([&Invariants as &dyn Checker, &Deaths]);
    }

    let mut panel = Panel::new(&judges, terms.bytes);
    panel.expect(lines);
    let mut sequence = Sequence::default();
    let scanned = ahead::scan(format, source, &terms.options, |line, entry| {
        let index = sequence.len();
        let admitted = sequence.admit(entry.time, &entry.event);
        admitted.map_err(|source| ReadError::Malformed { line, source })?;
        if index.is_multiple_of(1 << 14) {
            progress(index);
        }
        panel.hear(index, entry);
        Ok(())
    });
    let scanned = scanned.map_err(|error| wrong(&error))?;
    progress(sequence.len());
    let (mut reports, history) = panel.close(&Budget::new(terms.time, terms.bytes));
    // Only the simulator looks at invariants: of any other history it means nothing that none was seen broken.
    reports.retain(|report| report.checker != Invariants.name() || report.verdict == Verdict::Invalid);
    let named: BTreeSet<usize> = reports
        .iter()
        .flat_map(|report| &report.anomalies)
        .flat_map(|anomaly| anomaly.events.clone())
        .collect();
    let mut exhibits = Exhibits::of(&named, &scanned.names);
    match &history {
        Some(history) => {
            let entries = named.iter().filter_map(|at| Some((*at, history.entries().get(*at)?)));
            entries.for_each(|(at, entry)| exhibits.see(at, entry));
        }
        None => again(path, format, terms, &mut exhibits).map_err(|error| wrong(&error))?,
    }
    // A large history takes long to free, and nobody waits for that; where there is no thread for it, we do.
    drop(std::thread::Builder::new().spawn(move || drop(history)));
    let judgement = Judgement {
        verdict: Verdict::combine(reports.iter().map(|report| report.verdict)),
        reports,
        events: sequence.len(),
        digest: String::new(),
        torn: torn(&scanned),
        tally: Tally::default(),
        fault_counts: BTreeMap::new(),
        faults: Vec::new(),
        exhibits: exhibits.shown,
    };
    let (guessed, names) = (terms.model.is_none(), exhibits.meant);
    Ok(Heard { judgement, format: Some(format), model, guessed, skipped: scanned.skipped, names })
}

/// Has logs judged, which are no history.
///
/// # Errors
/// If there is no judge for them.
pub fn hear_logs(path: &Path, model: &str, terms: &Terms) -> Result<Heard, HarnessError> {
    let wrong = |why: String| HarnessError::new(format!("judge {}", path.display()), why);
    let judge = judge(model, Format::Jsonl, terms).map_err(wrong)?;
    let reports = checkers::judge(&[&*judge], &History::new(), &Budget::new(terms.time, terms.bytes));
    let judgement = Judgement {
        verdict: Verdict::combine(reports.iter().map(|report| report.verdict)),
        reports,
        events: 0,
        digest: String::new(),
        torn: None,
        tally: Tally::default(),
        fault_counts: BTreeMap::new(),
        faults: Vec::new(),
        exhibits: Vec::new(),
    };
    let (model, names) = (model.to_owned(), BTreeMap::new());
    Ok(Heard { judgement, format: None, model, guessed: false, skipped: 0, names })
}

/// Reads a file as a whole, if it fits, so that something of it can be drawn.
///
/// # Errors
/// If it cannot be read.
pub fn whole(path: &Path, format: Format, terms: &Terms) -> Result<Option<History>, HarnessError> {
    let wrong = |why: &dyn Display| HarnessError::new(format!("draw {}", path.display()), why.to_string());
    let Opened { source, .. } = open(path, Some(format)).map_err(|why| wrong(&why))?;
    let (mut history, mut left) = (History::new(), terms.bytes / 2);
    let enough = "it does not fit";
    let scanned = formats::scan(format, source, &terms.options, |line, entry| {
        let Some(rest) = left.checked_sub(checkers::weight(&entry.event)) else {
            return Err(ReadError::Garbled { line, why: enough.to_owned() });
        };
        left = rest;
        history.push(entry.time, entry.event).map_err(|source| ReadError::Malformed { line, source })
    });
    match scanned {
        Err(ReadError::Garbled { why, .. }) if why == enough => Ok(None),
        scanned => scanned.map(|_| Some(history)).map_err(|error| wrong(&error)),
    }
}

fn torn(scanned: &Scanned) -> Option<String> {
    let torn = scanned.torn?;
    Some(format!(
        "line {} was torn off after {} bytes; everything before it was judged",
        torn.line, torn.bytes
    ))
}

/// A file whose beginning was looked at.
struct Opened<S> {
    format: Format,
    /// About how many lines it has, if all are like the first ones; fewer, if it is packed.
    lines: usize,
    source: S,
}

/// Opens a file and tells what it is.
fn open(path: &Path, format: Option<Format>) -> Result<Opened<impl BufRead + Send>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_or(0, |file| file.len());
    let mut source = formats::open(file).map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    source.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|error| error.to_string())?;
    if head.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let unknown = || {
        let begins = head[..head.len().min(40)].escape_ascii();
        let known = Format::ALL.map(Format::name).join(", ");
        format!("it is in no known format: it begins with \"{begins}\"; --format says what it is ({known})")
    };
    let format = format.or_else(|| Format::detect(&head)).ok_or_else(unknown)?;
    let among_first = head.iter().filter(|byte| **byte == b'\n').count();
    let lines = usize::try_from(length).unwrap_or(usize::MAX) / head.len() * among_first;
    Ok(Opened { format, lines, source: io::Cursor::new(head).chain(source) })
}

/// What the first events are about.
fn guess(path: &Path, format: Format, terms: &Terms) -> Result<String, String> {
    let Opened { source, .. } = open(path, Some(format))?;
    let (mut guess, mut events) = (Guess::default(), 0);
    let enough = "enough was heard";
    let scanned = formats::scan(format, source, &terms.options, |line, entry| {
        guess.hear(&entry.event);
        events += 1;
        if events < PATIENCE { Ok(()) } else { Err(ReadError::Garbled { line, why: enough.to_owned() }) }
    });
    match scanned {
        Err(ReadError::Garbled { why, .. }) if why == enough => {}
        scanned => drop(scanned.map_err(|error| error.to_string())?),
    }
    Ok(guess.model().unwrap_or("register").to_owned())
}

fn judge(model: &str, format: Format, terms: &Terms) -> Result<Box<dyn Checker>, String> {
    catalog::lookup(model)?.judge_beside(terms.expect.as_deref(), format.has_time(), terms.beside.clone())
}

/// The events that anomalies name, and what stands behind the numbers in them.
struct Exhibits<'e> {
    named: &'e BTreeSet<usize>,
    names: &'e Names,
    shown: Vec<Exhibit>,
    meant: BTreeMap<String, String>,
}

impl<'e> Exhibits<'e> {
    fn of(named: &'e BTreeSet<usize>, names: &'e Names) -> Exhibits<'e> {
        Exhibits { named, names, shown: Vec::new(), meant: BTreeMap::new() }
    }

    /// Looks whether the event at `index` is one of them.
    fn see(&mut self, index: usize, entry: &Entry) {
        if self.named.contains(&index) {
            self.meanings(&entry.event);
            self.shown.push(Exhibit { index, at: entry.time.to_string(), event: entry.event.to_string() });
        }
    }

    fn meanings(&mut self, event: &Event) {
        if self.names.is_empty() {
            return;
        }
        let (keys, values) = said(event);
        for key in keys {
            self.meant.extend(self.names.key(key).map(|name| (key.to_string(), name.to_owned())));
        }
        for value in values {
            self.meant.extend(self.names.value(value).map(|name| (value.to_string(), name.to_owned())));
        }
    }
}

/// Reads the file once more, as far as anything of it is to be shown.
fn again(path: &Path, format: Format, terms: &Terms, exhibits: &mut Exhibits<'_>) -> Result<(), String> {
    let Some(last) = exhibits.named.last() else { return Ok(()) };
    let Opened { source, .. } = open(path, Some(format))?;
    if format == Format::Jsonl {
        let picked = jsonl::pick(source, exhibits.named, |index, entry| exhibits.see(index, &entry));
        return picked.map_err(|error| error.to_string());
    }
    let mut index = 0;
    let enough = "all was seen";
    let scanned = formats::scan(format, source, &terms.options, |line, entry| {
        exhibits.see(index, &entry);
        index += 1;
        if index <= *last { Ok(()) } else { Err(ReadError::Garbled { line, why: enough.to_owned() }) }
    });
    match scanned {
        Err(ReadError::Garbled { why, .. }) if why == enough => Ok(()),
        scanned => scanned.map(drop).map_err(|error| error.to_string()),
    }
}

/// The keys and values that an event speaks of.
fn said(event: &Event) -> (Vec<Key>, Vec<Value>) {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    match event {
        Event::Invoke { call: Call::Txn { mops }, .. } => {
            for mop in mops {
                match mop {
                    Mop::Read { key } => keys.push(*key),
                    Mop::Write { key, value } | Mop::Append { key, value } | Mop::Send { key, value } => {
                        keys.push(*key);
                        values.push(*value);
                    }
                    Mop::Poll => {}
                }
            }
        }
        Event::Invoke { call, .. } => {
            keys.extend(call.key());
            match call {
                Call::Write { value, .. }
                | Call::Add { value, .. }
                | Call::Remove { value, .. }
                | Call::Contains { value, .. }
                | Call::Append { value, .. }
                | Call::Enqueue { value, .. } => values.push(*value),
                Call::Cas { expected, new, .. } => values.extend(expected.iter().chain([new])),
                Call::Transfer { from, to, .. } => keys.extend([*from, *to]),
                _ => {}
            }
        }
        Event::Complete { outcome: Outcome::Ok(reply), .. } => match reply {
            Reply::Read(value) => values.extend(*value),
            Reply::List(list) => values.extend(list),
            Reply::Balances(balances) => keys.extend(balances.iter().map(|(key, _)| *key)),
            Reply::Txn(gots) => gots.iter().for_each(|got| match got {
                Got::Value(value) => values.extend(*value),
                Got::List(list) => values.extend(list),
                _ => {}
            }),
            _ => {}
        },
        _ => {}
    }
    (keys, values)
}
