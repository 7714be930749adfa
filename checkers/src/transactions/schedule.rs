//! An order in which everything may have run, found by running it.
//!
//! Whoever read a version runs after its writer, and whoever replaces a version runs after all its readers. Of those who can
//! run, the one goes first that must be over first. If nobody can, some of them wait for one another in a circle, and of
//! the versions for whose readers they wait one came too early: everything is undone back to it, its writer has to wait
//! for who could not replace it, and it goes on. With real time that is never far, so all this takes little longer than to
//! run everything once. What was learned of one circle holds while the other versions in it stay where they are.
//!
//! An order that is found is executed again by others. If none is found, there may be one all the same.

use super::needs::{Needs, Rows};
use super::notes::NONE;
use super::phenomenon::Order;
use super::store::{Fate, NEVER, Store};
use crate::Budget;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many runs may be undone: for each transaction, and in any case.
const UNDONE: (usize, usize) = (8, 10_000);

/// Why one transaction waits for another.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// It comes later in time, or in its session; or it reads what that one writes.
    Known,
    /// It replaces this version, which that one reads.
    Reader(u32),
    /// What it leaves was read when that one, who replaces it otherwise, was over.
    Outlived,
    /// It ran before that one, and that came to nothing: which of its lessons.
    Lesson(usize),
}

/// That somebody runs before who is to replace one of its versions: who, before whom, and when that was chosen.
type Choice = (u32, u32, Moment);

/// When something was chosen: twice how many had run, and one if it was chosen by running; and a number.
type Moment = (u32, u32);

/// For whom somebody has to wait, because together with these choices it would leave no order.
#[derive(Debug, Clone)]
struct Lesson {
    other: u32,
    because: Vec<Choice>,
}

impl Lesson {
    /// When the last was chosen of the choices that it rests on, if it rests on any. Back then it is void.
    fn since(&self) -> Option<Moment> {
        self.because.iter().map(|choice| choice.2).max()
    }
}

/// An order of the transactions that took effect which explains every read and respects so much, if one is found. `dues` are
/// those that are ok in the order in which they must have run, as far as anybody can tell, and when that is.
pub(crate) fn order(
    store: &Store,
    committed: &[bool],
    needs: &Needs,
    respects: Order,
    dues: &[(u32, u32)],
    budget: &Budget,
) -> Option<Vec<u32>> {
    let mut run = Run::new(store, needs, respects, dues);
    let mut waiting = (0..store.len() as u32).filter(|txn| committed[*txn as usize]).peekable();
    loop {
        run.ready(&mut waiting);
        while let Some(Reverse((_, txn))) = run.ready.pop() {
            if run.has_run(txn) || run.parked_on[txn as usize] != NONE {
                continue;
            }
            match run.waits_for(txn) {
                Some((other, _)) => run.park(txn, other),
                None => {
                    run.run(txn);
                    run.ready(&mut waiting);
                }
            }
        }
        if run.due() == NONE {
            return Some(run.order);
        }
        let given_up = run.undone > UNDONE.0 * store.len() + UNDONE.1 || budget.is_over();
        if given_up || !run.learn() {
            return None;
        }
    }
}

/// Transactions being run.
struct Run<'r> {
    store: &'r Store,
    needs: &'r Needs,
    respects: Order,
    dues: &'r [(u32, u32)],
    /// By when each transaction must have run, and its place in `dues`.
    deadline: Vec<u32>,
    turn: Vec<u32>,
    /// How many of `dues` have run before the first that has not.
    over: usize,
    /// The transaction before each in its session, if sessions are respected.
    previous: Vec<u32>,
    /// For each object, its writers by their deadlines; and how many of them have run before the first that has not.
    writers: Rows,
    replaced: Vec<u32>,
    /// For each version, when its last reader was called.
    late: Vec<u32>,
    /// Who ran, and the place of each in that, or [`NONE`].
    order: Vec<u32>,
    place: Vec<u32>,
    /// What each object holds, and what it held before each version.
    held: Vec<u32>,
    before: Vec<u32>,
    /// How many have still to read each version.
    left: Vec<u32>,
    /// Who may be able to run, by deadline.
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    /// For whom each one waits; who waits, some of them no longer; who waits for each, as a list.
    parked_on: Vec<u32>,
    parked: Vec<u32>,
    first: Vec<u32>,
    next: Vec<u32>,
    /// What each one has learned; who has lessons that are void back at a moment; how many lessons there were.
    lessons: FxHashMap<u32, Vec<Lesson>>,
    doubtful: BinaryHeap<(Moment, u32)>,
    learned: u32,
    /// How many runs were undone.
    undone: usize,
}

impl<'r> Run<'r> {
    fn new(store: &'r Store, needs: &'r Needs, respects: Order, dues: &'r [(u32, u32)]) -> Run<'r> {
        let (txns, versions, objects) = (store.len(), needs.object.len(), needs.held.len());
        let deadline = deadlines(txns, needs, dues);
        let called = |readers: &[u32]| readers.iter().map(|reader| store.invoked(*reader)).max();
        let late = (0..versions as u32).map(|version| called(needs.readers.row(version)).unwrap_or(0));
        let mut by_deadline: Vec<u32> = (0..txns as u32).collect();
        by_deadline.sort_unstable_by_key(|txn| deadline[*txn as usize]);
        let writes = by_deadline.iter().flat_map(|txn| needs.changes(*txn).map(|(_, object)| (object, *txn)));
        let mut turn = vec![NONE; txns];
        dues.iter().zip(0..).for_each(|((txn, _), place)| turn[*txn as usize] = place);
        Run {
            store,
            needs,
            respects,
            dues,
            turn,
            over: 0,
            previous: if respects == Order::Process { previous(store) } else { vec![NONE; txns] },
            writers: Rows::of(objects, writes),
            replaced: vec![0; objects],
            late: late.collect(),
            deadline,
            order: Vec::with_capacity(txns),
            place: vec![NONE; txns],
            held: needs.held.clone(),
            before: vec![NONE; versions],
            left: needs.counts(),
            ready: BinaryHeap::new(),
            parked_on: vec![NONE; txns],
            parked: Vec::new(),
            first: vec![NONE; txns],
            next: vec![NONE; txns],
            lessons: FxHashMap::default(),
            doubtful: BinaryHeap::new(),
            learned: 0,
            undone: 0,
        }
    }

    fn has_run(&self, txn: u32) -> bool {
        self.place[txn as usize] != NONE
    }

    /// The first that must run, or [`NONE`] if all have.
    fn due(&self) -> u32 {
        self.dues.get(self.over).map_or(NONE, |(txn, _)| *txn)
    }

    /// Whether somebody must run before this one is called.
    fn is_early(&self, txn: u32) -> bool {
        let due = self.due();
        self.respects == Order::Realtime && due != NONE && self.store.completed(due) < self.store.invoked(txn)
    }

    /// Takes those that may run by now.
    fn ready(&mut self, waiting: &mut std::iter::Peekable<impl Iterator<Item = u32>>) {
        while let Some(txn) = waiting.next_if(|txn| !self.is_early(*txn)) {
            self.push(txn);
        }
    }

    fn push(&mut self, txn: u32) {
        self.ready.push(Reverse((self.deadline[txn as usize], txn)));
    }

    fn park(&mut self, txn: u32, other: u32) {
        self.parked_on[txn as usize] = other;
        self.parked.push(txn);
        self.next[txn as usize] = std::mem::replace(&mut self.first[other as usize], txn);
    }

    /// For whom this one has to wait, and why.
    fn waits_for(&self, txn: u32) -> Option<(u32, Why)> {
        if self.is_early(txn) {
            return Some((self.due(), Why::Known));
        }
        let open = |other: &u32| *other != txn && !self.has_run(*other);
        let previous = Some(self.previous[txn as usize]).filter(|previous| *previous != NONE);
        if let Some(other) = previous.into_iter().chain(self.needs.sources(txn)).find(open) {
            return Some((other, Why::Known));
        }
        for (at, lesson) in self.lessons.get(&txn).into_iter().flatten().enumerate() {
            let void = |choice: &Choice| !self.has_run(choice.0) && self.has_run(choice.1);
            if open(&lesson.other) && !lesson.because.iter().any(void) {
                return Some((lesson.other, Why::Lesson(at)));
            }
        }
        for (version, object) in self.needs.changes(txn) {
            let old = self.held[object as usize];
            if old != NONE && self.left[old as usize] > 0 {
                let readers = self.needs.readers.row(old).iter().rev();
                if let Some(reader) = readers.copied().find(open) {
                    return Some((reader, Why::Reader(old)));
                }
            }
            let late = self.late[version as usize];
            if self.respects == Order::Realtime && late > self.store.invoked(txn) {
                let writers = self.writers.row(object)[self.replaced[object as usize] as usize..].iter();
                let mut over = writers.copied().take_while(|writer| self.deadline[*writer as usize] < late);
                if let Some(writer) = over.find(open) {
                    return Some((writer, Why::Outlived));
                }
            }
        }
        None
    }

    fn run(&mut self, txn: u32) {
        self.place[txn as usize] = self.order.len() as u32;
        self.order.push(txn);
        for (version, object) in self.needs.changes(txn) {
            let object = object as usize;
            self.before[version as usize] = std::mem::replace(&mut self.held[object], version);
            let writers = self.writers.row(object as u32)[self.replaced[object] as usize..].iter();
            self.replaced[object] += writers.take_while(|writer| self.has_run(**writer)).count() as u32;
        }
        for version in self.needs.reads.row(txn) {
            self.left[*version as usize] -= 1;
        }
        let mut waiting = std::mem::replace(&mut self.first[txn as usize], NONE);
        while waiting != NONE {
            self.parked_on[waiting as usize] = NONE;
            self.push(waiting);
            waiting = self.next[waiting as usize];
        }
        let dues = self.dues[self.over..].iter();
        self.over += dues.take_while(|(due, _)| self.has_run(*due)).count();
    }

    /// Finds out who ran too early, and goes back there. Whether there was somebody.
    fn learn(&mut self) -> bool {
        let mut path: Vec<(u32, Why)> = Vec::new();
        let mut met: FxHashMap<u32, usize> = FxHashMap::default();
        let mut at = self.due();
        let begin = loop {
            if let Some(begin) = met.get(&at) {
                break *begin;
            }
            let Some((other, why)) = self.waits_for(at) else {
                // What it waited for has become void.
                self.undo((u32::MAX, 0));
                return true;
            };
            met.insert(at, path.len());
            path.push((at, why));
            at = other;
        };
        let mut choices = self.choices(&shortened(path.split_off(begin)));
        let Some(latest) = choices.iter().copied().max_by_key(|choice| choice.2) else { return false };
        choices.retain(|choice| *choice != latest);
        self.learned += 1;
        let (txn, other, moment) = latest;
        // Whoever ran too early for two must wait for either: for this one, supposing that it need not wait for the other. If
        // that is wrong as well, it waits for the other.
        for choice in choices.iter_mut().filter(|choice| choice.2 == moment) {
            choice.2 = (moment.0 & !1, self.learned);
        }
        self.undo(moment);
        let lesson = Lesson { other, because: choices };
        self.doubtful.extend(lesson.since().map(|since| (since, txn)));
        self.lessons.entry(txn).or_default().push(lesson);
        true
    }

    /// The choices on which a circle of those who wait rests.
    fn choices(&self, circle: &[(u32, Why)]) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        for (txn, why) in circle {
            match why {
                Why::Reader(version) => {
                    let writer = self.needs.writer[*version as usize];
                    // What was there in the beginning nobody chose.
                    if writer != NONE {
                        choices.push((writer, *txn, (self.place[writer as usize] * 2 + 1, 0)));
                    }
                }
                Why::Lesson(at) => choices.extend(&self.lessons[txn][*at].because),
                Why::Known | Why::Outlived => {}
            }
        }
        choices.sort_unstable_by(|one, other| other.cmp(one));
        choices.dedup_by_key(|(txn, other, _)| (*txn, *other));
        choices
    }

    /// Goes back to a moment.
    fn undo(&mut self, moment: Moment) {
        for txn in std::mem::take(&mut self.parked) {
            let other = std::mem::replace(&mut self.parked_on[txn as usize], NONE);
            if other != NONE {
                self.first[other as usize] = NONE;
                self.push(txn);
            }
        }
        let undone = self.order.split_off(self.order.len().min(moment.0 as usize / 2));
        self.undone += undone.len() + 1;
        for txn in undone.into_iter().rev() {
            self.place[txn as usize] = NONE;
            for (version, object) in self.needs.changes(txn).rev() {
                self.held[object as usize] = self.before[version as usize];
                let deadline = self.deadline[txn as usize];
                let writers = self.writers.row(object);
                let sooner = writers.partition_point(|writer| self.deadline[*writer as usize] < deadline);
                let replaced = &mut self.replaced[object as usize];
                *replaced = sooner.min(*replaced as usize) as u32;
            }
            for version in self.needs.reads.row(txn) {
                self.left[*version as usize] += 1;
            }
            self.over = self.over.min(self.turn[txn as usize] as usize);
            self.push(txn);
        }
        while let Some((_, txn)) = self.doubtful.peek().copied().filter(|(since, _)| *since >= moment) {
            self.doubtful.pop();
            let lessons = self.lessons.get_mut(&txn).into_iter();
            lessons.for_each(|lessons| {
                lessons.retain(|lesson| lesson.since().is_none_or(|since| since < moment));
            });
        }
    }
}

/// A circle of those who wait, without the way between two who wait for readers of one version: both wait for all of them.
fn shortened(mut circle: Vec<(u32, Why)>) -> Vec<(u32, Why)> {
    let version = |(_, why): &(u32, Why)| if let Why::Reader(version) = why { Some(*version) } else { None };
    let mut at = 0;
    while at < circle.len() {
        let of = version(&circle[at]);
        let again = (at + 1..circle.len()).rev().find(|again| of.is_some() && version(&circle[*again]) == of);
        match again {
            // Nobody waits for itself.
            Some(again) if at == 0 && again + 1 == circle.len() => drop(circle.remove(0)),
            Some(again) => drop(circle.drain(at + 1..=again)),
            None => at += 1,
        }
    }
    circle
}

/// By when each transaction must have run: when it is due itself, or somebody who read from it, and so on.
fn deadlines(txns: usize, needs: &Needs, dues: &[(u32, u32)]) -> Vec<u32> {
    let mut deadlines = vec![NEVER; txns];
    let mut stack = Vec::new();
    for (txn, due) in dues {
        stack.push(*txn);
        while let Some(at) = stack.pop() {
            if deadlines[at as usize] == NEVER {
                deadlines[at as usize] = *due;
                stack.extend(needs.sources(at));
            }
        }
    }
    deadlines
}

/// The transaction before each one in its session that was ok, or [`NONE`].
fn previous(store: &Store) -> Vec<u32> {
    let mut last = vec![NONE; store.processes()];
    let mut previous = vec![NONE; store.len()];
    for txn in 0..store.len() as u32 {
        let last = &mut last[store.process(txn) as usize];
        previous[txn as usize] = *last;
        if store.fate(txn) == Fate::Ok {
            *last = txn;
        }
    }
    previous
}
