//! Every judge of a history whose origin nobody knows, by name: what `tribunal check --model` can say.
//!
//! To add a judge, add a line to [`MODELS`].

use crate::atomicity::Record;
use crate::models::{counter, guarded::Guarded, list::List, lock::Lock, queue, set, text::Text};
use crate::{
    Atomicity, Bank, Checker, ConditionalInsert, Counter, Earlier, Election, Errors, InsertOrder, Isolation,
    Leases, Linearizable, ListAppend, Log, LogPattern, LongFork, Monotonic, Queue, RwRegister, Sequential,
    Sessions, Set, SetFull, Staleness, Stats, TornCommit, UniqueIds, Watch,
};
use history::{Call, CallKind, Event, Mop, NodeId};
use std::collections::BTreeMap;

/// A model that a history can be held against.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it says, in a few words.
    pub about: &'static str,
    /// Whether it means anything where calls have no order in real time, but sessions.
    pub timeless: bool,
    /// What it judges beside the history, or instead of it.
    pub needs: Needs,
    levels: fn() -> Vec<&'static str>,
    judge: Judge,
}

/// What a judge must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The history.
    History,
    /// The history, and what nodes wrote down about transactions.
    Records,
    /// The logs of the nodes, and no history.
    Logs,
}

/// What was found beside the history.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// What nodes wrote down about transactions.
    pub records: Vec<Record>,
    /// Each node's log, if it could be had.
    pub logs: Vec<(NodeId, Option<String>)>,
    /// What no line of a log may match; [`PATTERN`] if nobody says.
    pub pattern: Option<String>,
}

/// What programs write when they fail in a way that nobody meant.
pub const PATTERN: &str =
    r"panicked at|\bpanic:|DATA RACE|[Aa]ssertion .*failed|\bFATAL\b|Segmentation fault";

type Made = Box<dyn Checker>;

/// Makes a judge who expects a level.
enum Judge {
    /// Of histories.
    Plain(fn(&str) -> Made),
    /// Of what was found beside them.
    Beside(fn(&str, Beside) -> Result<Made, String>),
}

/// How many newer writes a read may miss: 1-atomic reads see the newest (Golab, Hurwitz and Li, ICDCS 2013).
const LAGS: [(&str, Option<u64>); 6] = [
    ("1-atomic", Some(0)),
    ("2-atomic", Some(1)),
    ("3-atomic", Some(2)),
    ("5-atomic", Some(4)),
    ("10-atomic", Some(9)),
    ("measured", None),
];

/// Every model, in the order in which they are listed.
pub const MODELS: &[Entry] = &[
    timed("register", "registers with reads, writes and compare-and-sets", |_| {
        Box::new(Linearizable::default())
    }),
    isolated("list-append", "transactions that read and append to lists", |level| {
        Box::new(ListAppend::new(isolation(level)))
    }),
    isolated("rw-register", "transactions that read and write registers", |level| {
        Box::new(RwRegister::new(isolation(level)))
    }),
    timed("list", "lists that are appended to and read as a whole", |_| Box::new(Linearizable::new(List))),
    timed("text", "texts that are put, appended to and read as a whole", |_| {
        Box::new(Linearizable::new(Text))
    }),
    timed("lock", "locks that one client holds at a time", |_| Box::new(Linearizable::new(Lock))),
    timed("leases", "locks that stay with their holders for as long as those were told", |_| {
        Box::new(Leases)
    }),
    timed("guarded", "registers that refuse those who lost their lock", |_| {
        Box::new(Linearizable::new(Guarded))
    }),
    timed("fifo-queue", "queues: first in, first out", |_| Box::new(Linearizable::new(queue::Queue::FIFO))),
    timed("stack", "stacks: last in, first out", |_| Box::new(Linearizable::new(queue::Queue::STACK))),
    timed("priority-queue", "queues: the largest out first", |_| {
        Box::new(Linearizable::new(queue::Queue::PRIORITY))
    }),
    timed("exact-set", "sets with elements that come and go, linearizable", |_| {
        Box::new(Linearizable::new(set::Set))
    }),
    timed("exact-counter", "counters, linearizable", |_| {
        Box::new(Linearizable::new(counter::Counter::default()))
    }),
    sessional("sequential", "registers in some order that keeps that of each process", |_| {
        Box::new(Sequential::default())
    }),
    sessional("sessions", "registers and lists that keep the four session guarantees", |_| {
        Box::new(Sessions::default())
    }),
    Entry {
        levels: || LAGS.iter().map(|(name, _)| *name).collect(),
        ..timed("staleness", "registers whose reads miss at most so many newer writes", |level| {
            let writes = LAGS.iter().find(|(name, _)| *name == level).and_then(|(_, writes)| *writes);
            Box::new(Staleness { writes, time: None })
        })
    },
    timed("set", "sets that are looked at in the end", |_| Box::new(Set)),
    timed("set-full", "sets that are looked at all the time", |_| Box::new(SetFull::default())),
    timed("counter", "counters that stand between what is certain and what is possible", |_| {
        Box::new(Counter)
    }),
    timed("queue", "queues whose order does not matter", |_| Box::new(Queue::default())),
    timed("unique-ids", "numbers that nobody else gets", |_| Box::new(UniqueIds::default())),
    timed("bank", "accounts whose total stays the same", |_| Box::new(Bank::default())),
    timed("log", "partitioned logs with offsets", |_| Box::new(Log)),
    timed("watch", "watchers who see every change, once and in order", |_| Box::new(Watch)),
    timed("election", "one leader in each term", |_| Box::new(Election)),
    sessional("long-fork", "writes that all readers see in one order", |_| Box::new(LongFork)),
    timed("conditional-insert", "inserts of which one at most succeeds for each key (G2)", |_| {
        Box::new(ConditionalInsert)
    }),
    Entry {
        levels: || vec!["real-time", "session"],
        ..timed("insert-order", "whoever sees an element of a set sees the earlier ones", |level| {
            let earlier = if level == "session" { Earlier::Session } else { Earlier::RealTime };
            Box::new(InsertOrder { earlier })
        })
    },
    timed("monotonic", "rows whose stamps order them", |_| Box::new(Monotonic)),
    timed("torn-commit", "transactions that are there in the end as a whole, or not at all", |_| {
        Box::new(TornCommit)
    }),
    Entry {
        needs: Needs::Records,
        levels: || vec!["atomic", "nonblocking"],
        judge: Judge::Beside(|level, beside| {
            let nonblocking = level == "nonblocking";
            Ok(Box::new(Atomicity { records: beside.records, nonblocking, ..Atomicity::default() }))
        }),
        ..timed("atomicity", "transactions that commit everywhere or nowhere, by --records", nobody)
    },
    Entry {
        needs: Needs::Logs,
        judge: Judge::Beside(|_, beside| {
            let pattern = beside.pattern.as_deref().unwrap_or(PATTERN);
            Ok(Box::new(LogPattern::new(pattern, beside.logs)?))
        }),
        ..timed("log-pattern", "nodes' logs, none of whose lines matches --pattern", nobody)
    },
    sessional("stats", "calls of which each kind succeeded at least once", |_| Box::new(Stats)),
    sessional("errors", "calls that failed for a reason that nobody foresaw, by reason", |_| {
        Box::new(Errors)
    }),
];

/// A model that promises one thing, and speaks of real time.
const fn timed(name: &'static str, about: &'static str, judge: fn(&str) -> Made) -> Entry {
    let (needs, levels, judge) = (Needs::History, all as fn() -> _, Judge::Plain(judge));
    Entry { name, about, timeless: false, needs, levels, judge }
}

/// A model that promises one thing, and means something where there are only sessions.
const fn sessional(name: &'static str, about: &'static str, judge: fn(&str) -> Made) -> Entry {
    let (needs, levels, judge) = (Needs::History, all as fn() -> _, Judge::Plain(judge));
    Entry { name, about, timeless: true, needs, levels, judge }
}

/// A model of transactions, which promises some isolation.
const fn isolated(name: &'static str, about: &'static str, judge: fn(&str) -> Made) -> Entry {
    let levels = || Isolation::ALL.iter().rev().map(|level| level.name()).collect();
    let (needs, judge) = (Needs::History, Judge::Plain(judge));
    Entry { name, about, timeless: true, needs, levels, judge }
}

fn all() -> Vec<&'static str> {
    vec!["all"]
}

/// Stands in until what the judge needs is there.
fn nobody(_: &str) -> Made {
    Box::new(Atomicity::default())
}

/// The isolation of this name: it was looked up among the levels before.
fn isolation(level: &str) -> Isolation {
    Isolation::ALL
        .into_iter()
        .find(|isolation| isolation.name() == level)
        .unwrap_or(Isolation::StrictSerializable)
}

/// Whether a level of isolation is about real time.
fn is_of_time(level: &str) -> bool {
    level.starts_with("strict-") || (level.starts_with("strong-") && !level.starts_with("strong-session-"))
}

/// The model of this name.
///
/// # Errors
/// If there is none; says which there are.
pub fn lookup(name: &str) -> Result<&'static Entry, String> {
    let known = || MODELS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
    MODELS
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| format!("there is no model {name:?}; there is: {}", known()))
}

impl Entry {
    /// What it can promise of a history that has real time, or sessions only; what is expected if nobody says, first.
    pub fn levels(&self, has_time: bool) -> Vec<&'static str> {
        let mut levels = (self.levels)();
        levels.retain(|level| has_time || !is_of_time(level));
        levels
    }

    /// A judge who expects `level`, or the strongest there is.
    ///
    /// # Errors
    /// If nothing of the kind can be expected; says what can.
    pub fn judge(&self, level: Option<&str>, has_time: bool) -> Result<Box<dyn Checker>, String> {
        self.judge_beside(level, has_time, Beside::default())
    }

    /// As [`Entry::judge`], of a history beside which something was found.
    ///
    /// # Errors
    /// As [`Entry::judge`]; and if the pattern is none.
    pub fn judge_beside(
        &self,
        level: Option<&str>,
        has_time: bool,
        beside: Beside,
    ) -> Result<Box<dyn Checker>, String> {
        if !has_time && !self.timeless {
            return Err(format!(
                "the model {} speaks of real time, and the file says nothing of it",
                self.name
            ));
        }
        let levels = self.levels(has_time);
        let level = level.unwrap_or(levels[0]);
        match &self.judge {
            _ if !levels.contains(&level) => {
                Err(format!("{level:?} cannot be expected of {} here, but {}", self.name, levels.join(", ")))
            }
            Judge::Plain(judge) => Ok(judge(level)),
            Judge::Beside(judge) => judge(level, beside),
        }
    }
}

/// What a history seems to be about, from its calls.
#[derive(Debug, Default)]
pub struct Guess {
    calls: BTreeMap<CallKind, usize>,
    appends: usize,
    writes: usize,
    logs: usize,
}

impl Guess {
    /// Hears an event.
    pub fn hear(&mut self, event: &Event) {
        let Event::Invoke { call, .. } = event else { return };
        *self.calls.entry(call.kind()).or_default() += 1;
        let Call::Txn { mops } = call else { return };
        for mop in mops {
            match mop {
                Mop::Append { .. } => self.appends += 1,
                Mop::Write { .. } => self.writes += 1,
                Mop::Send { .. } | Mop::Poll => self.logs += 1,
                Mop::Read { .. } => {}
            }
        }
    }

    /// The name of the model, if anything was called.
    pub fn model(&self) -> Option<&'static str> {
        let called = |kind| self.calls.get(&kind).copied().unwrap_or(0);
        let any = |kinds: &[CallKind]| kinds.iter().any(|kind| called(*kind) > 0);
        Some(match () {
            () if self.calls.is_empty() => return None,
            () if self.logs > 0 || any(&[CallKind::Assign]) => "log",
            () if any(&[CallKind::Txn]) && self.writes > self.appends => "rw-register",
            () if any(&[CallKind::Txn]) => "list-append",
            () if any(&[CallKind::Balances, CallKind::Transfer]) => "bank",
            () if any(&[CallKind::Guarded]) => "guarded",
            () if any(&[CallKind::Acquire, CallKind::Release]) => "lock",
            () if any(&[CallKind::Enqueue, CallKind::Dequeue, CallKind::Drain]) => "queue",
            () if any(&[CallKind::Increment, CallKind::Count]) => "counter",
            () if any(&[CallKind::Append, CallKind::Elements]) && any(&[CallKind::Write]) => "text",
            () if any(&[CallKind::Append]) => "list",
            () if called(CallKind::Elements) > 1 => "set-full",
            () if any(&[CallKind::Add, CallKind::Elements]) => "set",
            () if any(&[CallKind::NextId]) => "unique-ids",
            () if any(&[CallKind::Watch]) => "watch",
            () if any(&[CallKind::Leader]) => "election",
            () => "register",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Verdict};
    use history::{History, text};

    #[test]
    fn every_model_has_a_judge_for_each_of_its_levels() {
        for entry in MODELS {
            for has_time in [true, false] {
                for level in entry.levels(has_time) {
                    assert_eq!(
                        entry.judge(Some(level), has_time).is_ok(),
                        has_time || entry.timeless,
                        "{}",
                        entry.name
                    );
                }
            }
            assert!(entry.judge(None, true).is_ok(), "{}", entry.name);
            assert_eq!(lookup(entry.name).unwrap().name, entry.name);
        }
        let Err(error) = lookup("frob") else { panic!("there is no such model") };
        assert!(error.contains("register, list-append"), "{error}");
        let lists = lookup("list-append").unwrap();
        let Err(error) = lists.judge(Some("frob"), true) else { panic!("there is no such level") };
        assert!(error.contains("here, but strict-serializable, "), "{error}");
        assert_eq!(lists.levels(false)[0], "strong-session-serializable");
        assert!(Isolation::ALL.into_iter().all(|level| isolation(level.name()) == level));
    }

    /// One call of every kind, each of which ends like this.
    fn only(end: &str) -> History {
        let calls = "A:wk1 5; A:rk1?; A:cas k1(5,6); A:[ax1 rx? wy2 ry?]; A:addk2 1; A:rk2{?}; A:remk2 1; A:hask2 1?; A:appk3 1; \
                     A:inck4; A:countk4?; A:enqk5 1; A:deqk5?; A:draink5?; A:acqk6; A:relk6; A:guardk7 1@3; A:idk8?; \
                     A:movek9k10 5; A:balances?; A:leader?; A:watchk1@0?; A:[sk11=1 poll?]";
        let mut history = History::new();
        for (number, call) in calls.split("; ").enumerate() {
            let (_, call) = call.split_once(':').unwrap();
            let at = 2 * number;
            let told = match end {
                "!" => format!("p{number}:{call}[{at},{}]!", at + 1),
                _ => format!("p{number}:{call}[{at},?]"),
            };
            for entry in text::parse(&told).unwrap_or_else(|error| panic!("{told}: {error}")).entries() {
                history.push(history::Time(history.len() as u64), entry.event.clone()).unwrap();
            }
        }
        assert!(history.ops().len() > 20);
        history
    }

    #[test]
    fn who_observed_nothing_says_so() {
        for entry in MODELS {
            for level in entry.levels(true) {
                let judge = entry.judge(Some(level), true).unwrap();
                for history in [History::new(), only("!"), only("?")] {
                    let report = judge.check(&history, &Budget::default());
                    let calls = history.len();
                    // Whoever only counts has counted.
                    if entry.name == "errors" && calls > 0 {
                        assert_eq!(report.verdict, Verdict::Valid);
                        continue;
                    }
                    assert_eq!(
                        report.verdict,
                        Verdict::Unknown,
                        "{} {level}, {calls} calls: {}",
                        entry.name,
                        report.summary
                    );
                }
            }
        }
    }

    /// As above, but each judge is given only calls that it knows.
    #[test]
    fn who_saw_nothing_but_failures_says_so() {
        for (models, calls) in [
            ("register sequential sessions staleness rw-register", "wk1 5; rk1?; cas k1(5,6)"),
            ("list-append", "[ax1 rx?]"),
            ("rw-register long-fork torn-commit", "[wx1 ry?]; [rx? ry?]"),
            ("list sessions list-append", "appk1 1; rk1{?}"),
            ("text", "wk1 5; appk1 1; rk1{?}"),
            ("lock", "acqk1; relk1"),
            ("guarded", "guardk1 1@3; rk1?"),
            ("fifo-queue stack priority-queue queue", "enqk1 1; deqk1?"),
            ("exact-set", "addk1 1; remk1 1; hask1 1?; rk1{?}"),
            ("set set-full insert-order monotonic", "addk1 1; rk1{?}"),
            ("exact-counter counter", "inck1; countk1?"),
            ("unique-ids", "idk1?"),
            ("bank", "movek1k2 5; balances?"),
            ("log", "[sk1=1 poll?]"),
            ("watch", "watchk1@0?; wk1 5"),
            ("election", "leader?"),
            ("conditional-insert", "cas k1(nil,6); cas k1(nil,7)"),
            ("stats", "wk1 5"),
        ] {
            for end in ["!", "?"] {
                let told: Vec<String> = (calls.split("; ").enumerate())
                    .map(|(at, call)| match end {
                        "!" => format!("p{at}:{call}[{},{}]!", 2 * at, 2 * at + 1),
                        _ => format!("p{at}:{call}[{},?]", 2 * at),
                    })
                    .collect();
                let history =
                    text::parse(&told.join("; ")).unwrap_or_else(|error| panic!("{told:?}: {error}"));
                for model in models.split(' ') {
                    let entry = lookup(model).unwrap();
                    for level in entry.levels(true) {
                        let report =
                            entry.judge(Some(level), true).unwrap().check(&history, &Budget::default());
                        assert_eq!(
                            report.verdict,
                            Verdict::Unknown,
                            "{model} {level}: {told:?}: {}",
                            report.summary
                        );
                        assert!(
                            !report.summary.contains("fits no such object"),
                            "{model}: {}",
                            report.summary
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_history_says_what_it_is_about() {
        for (told, model) in [
            ("(empty)", None),
            ("A:w1; B:r1", Some("register")),
            ("A:[ax1]; B:[rx1]", Some("list-append")),
            ("A:[wx1]; B:[rx1]", Some("rw-register")),
            ("A:[sx1 poll?]", Some("log")),
            ("A:acq; A:rel", Some("lock")),
            ("A:enq1; A:deq1", Some("queue")),
            ("A:add1; A:r{1}", Some("set")),
            ("A:add1; A:r{1}; A:r{1}", Some("set-full")),
            ("A:inc; A:r1", Some("counter")),
            ("A:balances{x:1}", Some("bank")),
            ("A:app1; A:w2; A:r{2}", Some("text")),
            ("A:w2; A:r{2}; A:r{2}", Some("text")),
        ] {
            let mut guess = Guess::default();
            text::parse(told).unwrap().entries().iter().for_each(|entry| guess.hear(&entry.event));
            assert_eq!(guess.model(), model, "{told}");
        }
    }
}
