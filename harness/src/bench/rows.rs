//! What is measured: the goals of the project, with what others needed for the same on the same kind of machine.

use checkers::models::{counter::Counter, lock::Lock, queue::Queue, set::Set};
use checkers::synthetic::registers::STAY;
use checkers::synthetic::transactions::{Database, Objects};
use checkers::synthetic::{Listener, objects, registers, transactions};
use checkers::{Checker, Linearizable, Verdict};
use history::formats::Format;
use history::{Call, Entry, Event, Key, Time};

/// One line of the table.
pub struct Row {
    /// Its name, for `--filter`.
    pub name: &'static str,
    /// What is judged.
    pub source: Source,
    /// In which notation it is written down.
    pub format: Format,
    /// By whom.
    pub judge: Judge,
    /// What the judge must say, if that is known.
    pub verdict: Option<Verdict>,
    /// What was promised.
    pub goal: Goal,
    /// What others needed.
    pub peer: Option<Peer>,
    /// When it is measured.
    pub size: Size,
}

/// A history, or several.
#[derive(Clone, Copy)]
pub enum Source {
    /// Made up, with a stale read of these values or without.
    Registers(registers::Shape, Option<[i64; 2]>),
    /// Made up.
    Objects(objects::Shape),
    /// Made up: so many of them, each with a key of its own, one after the other.
    Several(objects::Shape, u64),
    /// Made up.
    Transactions(transactions::Shape),
    /// Every history in this folder of the corpus.
    Corpus(&'static str),
}

/// Who judges.
#[derive(Clone, Copy)]
pub enum Judge {
    /// A model of the catalogue, and what it promises: `tribunal check` knows it as well.
    Model(&'static str, Option<&'static str>),
    /// A judge that the catalogue has not.
    Own(fn() -> Box<dyn Checker>),
    /// Nobody: it is only read.
    Nobody,
}

/// What was promised, as far as it was.
#[derive(Clone, Copy, Default)]
pub struct Goal {
    /// Judging from memory takes so many seconds at most.
    pub seconds: Option<f64>,
    /// Judging takes so many MiB at most beside the history.
    pub mib: Option<u64>,
    /// Reading from disk: so many events a second at least.
    pub rate: Option<f64>,
}

/// Another tool on the same work, measured by us on a machine with 2 cores.
#[derive(Clone, Copy)]
pub struct Peer {
    /// Which, and what it needed.
    pub said: &'static str,
    /// How many seconds; at least so many, if it had not ended by then.
    pub seconds: f64,
}

/// When a row is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Always: it takes a second or so.
    Quick,
    /// Not if there is no time.
    Usual,
    /// Only if that is asked for: it takes minutes and gigabytes.
    Large,
}

impl Row {
    /// Tells the history, event by event; nothing, if it was not made up.
    pub fn tell<'l>(&self, listener: &'l mut Listener<'l>) {
        match self.source {
            Source::Registers(shape, stale) => registers::tell(shape, stale, 1, listener),
            Source::Objects(shape) => objects::tell(shape, 1, listener),
            Source::Several(shape, keys) => several(shape, keys, listener),
            Source::Transactions(shape) => transactions::tell(shape, 1, listener),
            Source::Corpus(_) => {}
        }
    }

    fn new(name: &'static str, source: Source, judge: Judge, verdict: Verdict) -> Row {
        Row {
            name,
            source,
            format: Format::Jsonl,
            judge,
            verdict: Some(verdict),
            goal: Goal::default(),
            peer: None,
            size: Size::Quick,
        }
    }

    fn within(self, seconds: f64) -> Row {
        Row { goal: Goal { seconds: Some(seconds), ..self.goal }, ..self }
    }

    fn mib(self, mib: u64) -> Row {
        Row { goal: Goal { mib: Some(mib), ..self.goal }, ..self }
    }

    fn peer(self, said: &'static str, seconds: f64) -> Row {
        Row { peer: Some(Peer { said, seconds }), ..self }
    }

    fn size(self, size: Size) -> Row {
        Row { size, ..self }
    }

    /// It is only read, in this notation, at a million events a second.
    fn only_read(self, format: Format) -> Row {
        let goal = Goal { rate: Some(1e6), ..Goal::default() };
        Row { format, judge: Judge::Nobody, verdict: None, goal, ..self }
    }
}

/// Tells the histories of several objects, one after the other.
fn several(shape: objects::Shape, keys: u64, listener: &mut Listener<'_>) {
    let mut told = 0;
    for name in 0..keys {
        objects::tell(shape, name, &mut |mut entry: Entry| {
            if let Event::Invoke { call, .. } = &mut entry.event
                && let Call::Write { key, .. } | Call::Append { key, .. } | Call::Elements { key } = call
            {
                *key = Key(name);
            }
            listener(Entry { time: Time(1_000 * told), ..entry });
            told += 1;
        });
    }
}

/// Every row, in the order of the table.
pub fn all() -> Vec<Row> {
    [real(), of_registers(), of_shapes(), of_objects(), of_lists(), of_rw_registers(), read()]
        .into_iter()
        .flatten()
        .collect()
}

const VALID: Verdict = Verdict::Valid;
const INVALID: Verdict = Verdict::Invalid;

fn real() -> Vec<Row> {
    let (register, text) = (Judge::Model("register", None), Judge::Model("text", None));
    vec![
        Row::new("corpus: kv, by Porcupine", Source::Corpus("porcupine/kv"), text, VALID).within(0.09),
        Row::new("corpus: etcd, by jepsen", Source::Corpus("porcupine/jepsen"), register, VALID)
            .within(0.09)
            .peer("Porcupine 0.87 s for 109", 0.87),
    ]
}

const UNIQUE: registers::Shape = registers::Shape {
    ops: 88_000,
    clients: 5,
    keys: 1,
    rotate: STAY,
    values: None,
    unknown: 0,
    mix: [5, 2, 2],
};
const FEW: registers::Shape = registers::Shape { values: Some(5), ..UNIQUE };
const STALE: Option<[i64; 2]> = Some([-1, -2]);

fn register(name: &'static str, shape: registers::Shape, stale: Option<[i64; 2]>) -> Row {
    let verdict = if stale.is_some() { INVALID } else { VALID };
    Row::new(name, Source::Registers(shape, stale), Judge::Model("register", None), verdict)
}

/// The rows that were promised.
fn of_registers() -> Vec<Row> {
    let keyed = registers::Shape { ops: 918_000, clients: 10, keys: 4_590, ..FEW };
    let unknown = registers::Shape { ops: 862, unknown: 50, ..FEW };
    let tens = registers::Shape { clients: 10, ..UNIQUE };
    let wide = registers::Shape { ops: 100_000, clients: 30, unknown: 10, ..FEW };
    let ten = registers::Shape { ops: 8_700, clients: 10, ..FEW };
    vec![
        register("registers: 918k, 4590 keys, 5 values", keyed, None)
            .within(0.1)
            .mib(150)
            .peer("Porcupine 1.6 s, 1.16 GB", 1.6),
        register(
            "registers: 918k, 100 keys, unique",
            registers::Shape { keys: 100, values: None, ..keyed },
            None,
        )
        .within(0.1)
        .mib(150),
        register("register: 88k, 5 clients, 5 values", FEW, None)
            .within(0.05)
            .mib(50)
            .peer("Porcupine 1.5 s, 1.9 GB", 1.5),
        register("register: 88k, 5 clients, 5 values, stale read", FEW, STALE)
            .within(0.05)
            .mib(50)
            .peer("Porcupine 12.6 s, 8.3 GB", 12.6),
        register("register: 88k, 10 clients, unique", tens, None)
            .within(0.05)
            .mib(50)
            .peer("Porcupine > 30 s, 8 GB", 30.0),
        register(
            "register: 88k, 25 clients, unique, stale read",
            registers::Shape { clients: 25, ..UNIQUE },
            STALE,
        )
        .within(0.05)
        .mib(50)
        .peer("Porcupine > 30 s, 18 GB", 30.0),
        register("register: 862, 5 values, 5 % unknown, stale read", unknown, STALE)
            .within(0.01)
            .peer("Porcupine > 30 s", 30.0),
        register("register: 8.7k, 10 clients, 5 values, stale read", ten, STALE)
            .within(0.3)
            .mib(200)
            .peer("Porcupine 6.2 s, 1.6 GB", 6.2),
        Row { verdict: None, ..register("register: 100k, 30 clients, 5 values, 1 % unknown", wide, None) }
            .size(Size::Usual),
    ]
}

/// Registers of all sizes.
fn of_shapes() -> Vec<Row> {
    let of = |ops, clients, unknown| registers::Shape { ops, clients, unknown, ..UNIQUE };
    vec![
        register("register: 10k, 5 clients, unique", of(10_000, 5, 0), None),
        register("register: 100k, 25 clients, unique, 20 % unknown", of(100_000, 25, 200), None),
        register("register: 1M, 10 clients, unique, 1 % unknown", of(1_000_000, 10, 10), None)
            .size(Size::Usual),
        register("register: 1M, 100 clients, unique, 20 % unknown", of(1_000_000, 100, 200), None)
            .size(Size::Usual),
        register("register: 10M, 10 clients, unique", of(10_000_000, 10, 0), None).size(Size::Large),
        register("register: 10M, 100 clients, unique, 20 % unknown", of(10_000_000, 100, 200), None)
            .size(Size::Large),
    ]
}

fn of_objects() -> Vec<Row> {
    use objects::Kind;
    let (kind, ops, clients, looks) = (Kind::Text, 9_180, 10, 500);
    let text = objects::Shape { kind, ops, clients, unknown: 0, looks, elements: 0, drains: false };
    let texts = Source::Several(text, 100);
    let row = |name, kind, looks, elements, judge: fn() -> Box<dyn Checker>| {
        let shape =
            objects::Shape { kind, ops: 1_000_000, clients: 10, unknown: 0, looks, elements, drains: false };
        Row::new(name, Source::Objects(shape), Judge::Own(judge), VALID).size(Size::Usual)
    };
    vec![
        Row::new("texts: 918k, 100 keys", texts, Judge::Model("text", None), VALID)
            .within(0.1)
            .mib(150)
            .size(Size::Usual),
        row("queue: 1M", Kind::Fifo, 500, 0, || Box::new(Linearizable::new(Queue::FIFO))),
        row("stack: 1M", Kind::Stack, 500, 0, || Box::new(Linearizable::new(Queue::STACK))),
        row("set: 1M, by element", Kind::Elements, 500, 200_000, || Box::new(Linearizable::new(Set))),
        row("counter: 1M", Kind::Counter, 500, 0, || Box::new(Linearizable::new(Counter::default()))),
        row("lock: 1M", Kind::Lock, 0, 0, || Box::new(Linearizable::new(Lock))),
    ]
}

/// Transactions of a database, held against what is promised.
fn txns(name: &'static str, txns: usize, objects: Objects, database: Database, promise: &'static str) -> Row {
    let model = if objects == Objects::Lists { "list-append" } else { "rw-register" };
    let verdict = if database == Database::Strict { VALID } else { INVALID };
    let shape = transactions::Shape { txns, objects, database, planted: false };
    Row::new(name, Source::Transactions(shape), Judge::Model(model, Some(promise)), verdict)
}

/// The same with a lost update.
fn with_lost_update(row: Row) -> Row {
    let source = match row.source {
        Source::Transactions(shape) => Source::Transactions(transactions::Shape { planted: true, ..shape }),
        other => other,
    };
    Row { source, verdict: Some(INVALID), ..row }
}

const STRICT: &str = "strict-serializable";

fn of_lists() -> Vec<Row> {
    let lists = |name, count, database| txns(name, count, Objects::Lists, database, STRICT);
    let stale = Database::Stale(3);
    vec![
        lists("lists: 10k", 10_000, Database::Strict),
        lists("lists: 100k", 100_000, Database::Strict).within(0.06).peer("Elle 2.3 s, 1.4 GB", 2.3),
        lists("lists: 1M", 1_000_000, Database::Strict)
            .within(0.7)
            .mib(400)
            .peer("Elle 25 s, 8.2 GB", 25.0)
            .size(Size::Usual),
        lists("lists: 10M", 10_000_000, Database::Strict).size(Size::Large),
        with_lost_update(lists("lists: 100k, a lost update", 100_000, Database::Strict)),
        lists("lists: 100k, of snapshots", 100_000, Database::Snapshot)
            .within(0.15)
            .peer("Elle 3.4 s, 1.9 GB", 3.4),
        lists("lists: 10k, one giant component", 10_000, stale).within(0.5).peer("Elle 2.6 s", 2.6),
        lists("lists: 100k, one giant component", 100_000, stale).within(0.5).peer("Elle 11 s", 11.0),
    ]
}

fn of_rw_registers() -> Vec<Row> {
    let registers = |name, count, promise| txns(name, count, Objects::Registers, Database::Strict, promise);
    let hundred = || registers("rw-registers: 100k, serializable", 100_000, "serializable");
    vec![
        hundred().within(0.2).peer("Elle 12 s, 1.8 GB", 12.0),
        with_lost_update(Row { name: "rw-registers: 100k, a lost update", ..hundred() }),
        registers("rw-registers: 10k, strict", 10_000, STRICT).within(0.1).peer("Elle 56 s, 7 GB", 56.0),
        registers("rw-registers: 100k, strict", 100_000, STRICT).size(Size::Usual),
        registers("rw-registers: 1M, serializable", 1_000_000, "serializable").size(Size::Usual),
    ]
}

fn read() -> Vec<Row> {
    let keyed = registers::Shape { ops: 500_000, clients: 10, keys: 100, ..FEW };
    let registers = |name| register(name, keyed, None);
    let lists = |name| txns(name, 100_000, Objects::Lists, Database::Strict, STRICT);
    let porcupine = |row: Row| row.peer("Porcupine's driver 9.6 s for 1M", 9.6);
    vec![
        porcupine(registers("reading: 1M events of registers, JSONL").only_read(Format::Jsonl)),
        registers("reading: 1M events of registers, EDN").only_read(Format::Edn),
        lists("reading: 200k events of lists, JSONL").only_read(Format::Jsonl),
        lists("reading: 200k events of lists, EDN").only_read(Format::Edn),
    ]
}
