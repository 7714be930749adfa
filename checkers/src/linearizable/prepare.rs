//! From a history to the operations that a check of linearizability must explain.
//!
//! What each operation means is the object's business. A change whose outcome is unknown may happen at any time
//! after its invocation: it returns [`NEVER`]. An object whose calls are all about parts of it is as many objects.

use crate::models::register::Action;
use crate::{Flaw, Item, Meaning, NEVER, Object, threads};
use history::{History, Key, Op, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// A history, taken apart by object.
#[derive(Debug)]
pub(crate) struct Prepared<A> {
    /// Every object, in the order of first use: its key, and which part of it, if its parts are objects of their
    /// own.
    pub objects: Vec<(Key, Option<Value>)>,
    /// The items of each.
    pub items: Vec<Items<A>>,
    /// Answers that could never be right, with their keys.
    pub absurd: Vec<(Key, Flaw)>,
    /// How many keys there are.
    pub keys: usize,
    /// How many operations there were, of every outcome.
    pub ops: usize,
    /// How many of them ended unknown.
    pub unknown: usize,
    /// How many of them are known to have done or seen something.
    pub certain: usize,
}

/// Why a history is not one of such an object: the event whose answer does not fit its call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub String);

/// From so many operations on, several threads take a history apart.
const LONG: usize = 1 << 14;

/// More threads than these only wait for memory.
const THREADS: usize = 8;

/// Keys up to here are looked up in a table.
const MOST_KEYS: usize = 1 << 20;

impl<A> Prepared<A> {
    /// Takes `history` apart.
    pub fn of<O: Object<Action = A>>(object: &O, history: &History) -> Result<Prepared<A>, Misfit>
    where
        A: Send,
    {
        if history.len() >= NEVER as usize / 2 {
            return Err(Misfit(format!("the history has {} events, more than can be judged", history.len())));
        }
        let count = history.ops().len();
        let threads = if count < LONG { 1 } else { threads::all().min(THREADS) };
        let whole = find_whole(object, history);
        let size = count.div_ceil(threads);
        let piece = |number| Piece::of(object, history, &whole, number * size, size);
        let mut prepared = Prepared {
            objects: Vec::new(),
            items: Vec::new(),
            absurd: Vec::new(),
            keys: 0,
            ops: count,
            unknown: 0,
            certain: 0,
        };
        let mut places = Places::up_to(count);
        for piece in threads::each(threads, piece) {
            prepared.add(piece?, &mut places);
        }
        let mut in_parts = FxHashSet::default();
        let keys = prepared.objects.iter().filter(|(key, part)| part.is_none() || in_parts.insert(*key));
        prepared.keys = keys.count();
        Ok(prepared)
    }

    /// Adds what comes next in the history.
    fn add(&mut self, piece: Piece<A>, places: &mut Places) {
        for (object, items) in piece.objects.into_iter().zip(piece.items) {
            match places.of(object, self.objects.len()) {
                Some(place) => self.items[place].append(items),
                None => {
                    self.objects.push(object);
                    self.items.push(items);
                }
            }
        }
        self.absurd.extend(piece.absurd);
        self.unknown += piece.unknown;
        self.certain += piece.certain;
    }

    /// The object with the most items, the first of them if there are several, and how many those are.
    pub fn largest(&self) -> Option<(Key, usize)> {
        let sizes = self.objects.iter().zip(&self.items).map(|((key, _), items)| (*key, items.len()));
        sizes.rev().max_by_key(|(_, len)| *len)
    }

    /// The items of the object at `place`.
    #[cfg(test)]
    pub fn items(&self, place: usize) -> Vec<Item<A>>
    where
        A: Clone,
    {
        let items = &self.items[place];
        items.full.iter().chain([&items.last]).flatten().cloned().collect()
    }
}

/// The items of one object, in the order of their invocation. They are in chunks: objects grow side by side, and what is put
/// down at one time lies close together so.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Items<A> {
    /// Chunks that are full.
    full: Vec<Vec<Item<A>>>,
    /// The one that comes last.
    last: Vec<Item<A>>,
    /// How many items the full ones have.
    before: usize,
}

/// A chunk has room for so many at least, and at most: many objects are tiny.
const CHUNK: (usize, usize) = (4, 32);

impl<A> Items<A> {
    fn new() -> Items<A> {
        Items { full: Vec::new(), last: Vec::with_capacity(CHUNK.0), before: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.before + self.last.len()
    }

    /// All of them in a row.
    pub fn whole(mut self) -> Vec<Item<A>> {
        if self.full.is_empty() {
            return self.last;
        }
        let mut whole = Vec::with_capacity(self.len());
        self.full.iter_mut().for_each(|chunk| whole.append(chunk));
        whole.append(&mut self.last);
        whole
    }

    fn push(&mut self, item: Item<A>) {
        if self.last.len() == self.last.capacity() {
            self.turn(Vec::with_capacity(self.len().clamp(CHUNK.0, CHUNK.1)));
        }
        self.last.push(item);
    }

    /// Begins another chunk.
    #[inline(never)]
    fn turn(&mut self, next: Vec<Item<A>>) {
        self.before += self.last.len();
        self.full.push(std::mem::replace(&mut self.last, next));
    }

    fn append(&mut self, later: Items<A>) {
        for chunk in later.full.into_iter().chain([later.last]) {
            self.turn(chunk);
        }
    }
}

/// The places of objects.
struct Places {
    /// By key: keys are usually counted from somewhere small. 0 if it has none yet, else one more than its place.
    keys: Vec<u32>,
    others: FxHashMap<(Key, Option<Value>), u32>,
}

impl Places {
    /// For the objects of so many operations.
    fn up_to(count: usize) -> Places {
        Places { keys: vec![0; count.min(MOST_KEYS)], others: FxHashMap::default() }
    }

    /// The place of an object; nothing if it is new, and then it gets this one.
    fn of(&mut self, object: (Key, Option<Value>), new: usize) -> Option<usize> {
        let (Key(key), part) = object;
        let number = usize::try_from(key).ok().filter(|_| part.is_none());
        let place = match number.and_then(|number| self.keys.get_mut(number)) {
            Some(place) => place,
            None => self.others.entry(object).or_insert(0),
        };
        if *place == 0 {
            *place = new as u32 + 1;
            return None;
        }
        Some(*place as usize - 1)
    }
}

/// What one of several threads makes of operations that follow one another.
struct Piece<A> {
    /// The objects that they are about, in the order of first use.
    objects: Vec<(Key, Option<Value>)>,
    items: Vec<Items<A>>,
    absurd: Vec<(Key, Flaw)>,
    unknown: usize,
    certain: usize,
}

impl<A> Piece<A> {
    fn of<O: Object<Action = A>>(
        object: &O,
        history: &History,
        whole: &FxHashSet<Key>,
        begin: usize,
        size: usize,
    ) -> Result<Piece<A>, Misfit> {
        let mut places = Places::up_to(size);
        let mut piece =
            Piece { objects: Vec::new(), items: Vec::new(), absurd: Vec::new(), unknown: 0, certain: 0 };
        for op in (begin..begin + size).map_while(|number| history.nth_op(number)) {
            let key = object.key(op.call).ok_or_else(|| misfit(&op))?;
            let part = object.part(op.call).filter(|_| !whole.contains(&key));
            let place = places.of((key, part), piece.objects.len()).unwrap_or_else(|| {
                piece.objects.push((key, part));
                piece.items.push(Items::new());
                piece.items.len() - 1
            });
            let unknown = op.outcome.is_unknown();
            piece.unknown += usize::from(unknown);
            match object.meaning(&op) {
                Meaning::Nothing => {}
                Meaning::Misfit => return Err(misfit(&op)),
                Meaning::Absurd(flaw) => piece.absurd.push((key, flaw)),
                Meaning::Action(action) => {
                    let returned = op.completed.filter(|_| !unknown).map_or(NEVER, |at| at as u32);
                    piece.certain += usize::from(returned != NEVER);
                    piece.items[place].push(Item { action, invoked: op.invoked as u32, returned });
                }
            }
        }
        Ok(piece)
    }
}

/// The keys that some call is about as a whole, if there are parts at all.
fn find_whole<O: Object>(object: &O, history: &History) -> FxHashSet<Key> {
    if !object.in_parts() {
        return FxHashSet::default();
    }
    let whole = history.ops().filter(|op| object.part(op.call).is_none());
    whole.filter_map(|op| object.key(op.call)).collect()
}

fn misfit(op: &Op<'_>) -> Misfit {
    Misfit(format!(
        "event {}: {} was answered {:?}, which fits no such object",
        op.invoked, op.call, op.outcome
    ))
}

/// Drops every change of unknown outcome that nobody can have seen, for it might as well not have happened; and
/// of equal ones the later, if there are more than operations that could see one. What is left is linearizable
/// exactly if everything was.
pub(crate) fn without_unseen(items: Vec<Item<Action>>) -> Vec<Item<Action>> {
    if items.iter().all(|item| item.returned != NEVER) {
        return items;
    }
    let mut kept: Vec<bool> = items.iter().map(|item| item.returned != NEVER).collect();
    let mut sights = FxHashMap::default();
    items.iter().zip(&kept).filter(|(_, kept)| **kept).for_each(|(item, _)| note(item, &mut sights));
    let mut grown = true;
    while grown {
        grown = false;
        for (item, kept) in items.iter().zip(&mut kept).filter(|(_, kept)| !**kept) {
            if sights.get(&item.action.left()).is_some_and(|sights| item.invoked < sights.last) {
                (*kept, grown) = (true, true);
                note(item, &mut sights);
            }
        }
    }
    let mut equal: FxHashMap<Action, usize> = FxHashMap::default();
    let mut needed = |item: &Item<Action>| {
        let before = equal.entry(item.action).or_default();
        *before += 1;
        sights.get(&item.action.left()).is_some_and(|sights| *before <= sights.count)
    };
    let kept = items.iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| *item);
    kept.filter(|item| item.returned != NEVER || needed(item)).collect()
}

/// The same for what is read as a whole, and grows until all of it is replaced: whatever was written is seen by the next
/// who looks, or else is gone before anybody does. `left` is the piece that a change wrote, `saw` what a read found.
pub(crate) fn without_unread<A>(
    mut items: Vec<Item<A>>,
    left: impl Fn(&A) -> Option<Value>,
    saw: impl for<'a> Fn(&'a A) -> &'a [Value],
) -> Vec<Item<A>> {
    let doubtful = |item: &Item<A>| left(&item.action).filter(|_| item.returned == NEVER);
    // The last return of a read that found it.
    let mut read: FxHashMap<Value, u32> = items.iter().filter_map(doubtful).map(|piece| (piece, 0)).collect();
    if !read.is_empty() {
        for item in &items {
            for piece in saw(&item.action) {
                let last = read.get_mut(piece);
                last.into_iter().for_each(|last| *last = item.returned.max(*last));
            }
        }
    }
    items.retain(|item| doubtful(item).is_none_or(|piece| item.invoked < read[&piece]));
    items
}

/// Who may have seen a value: how many, and the last return among them.
#[derive(Default)]
struct Sights {
    count: usize,
    last: u32,
}

fn note(item: &Item<Action>, sights: &mut FxHashMap<Option<Value>, Sights>) {
    if let Some(saw) = item.action.saw() {
        let sights = sights.entry(saw).or_default();
        sights.count += 1;
        sights.last = sights.last.max(item.returned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{register::Register, text::Text};
    use history::text;

    fn kept(history: &str) -> Vec<u32> {
        let history = text::parse(history).unwrap();
        let prepared = Prepared::of(&Register::default(), &history).unwrap();
        without_unseen(prepared.items(0)).iter().map(|item| item.invoked).collect()
    }

    #[test]
    fn an_unknown_change_that_nobody_can_have_seen_is_dropped() {
        assert_eq!(kept("A:w1[0,?]; B:r1[1,2]"), [0, 1]);
        assert_eq!(kept("A:w1[0,?]; B:r2[1,2]"), [1]);
        assert_eq!(kept("B:r1[0,1]; A:w1[2,?]"), [0], "the read was over");
    }

    #[test]
    fn an_unknown_change_is_kept_if_one_that_was_kept_may_have_seen_it() {
        assert_eq!(kept("A:w1[0,?]; B:cas(1,2)[1,?]; C:r2[2,3]"), [0, 1, 2]);
        assert_eq!(kept("A:w1[0,?]; B:cas(1,2)[1,?]; C:r3[2,3]"), [2]);
    }

    #[test]
    fn an_unknown_append_that_nobody_can_have_read_is_dropped() {
        let kept = |history: &str| {
            let history = text::parse(history).unwrap();
            let prepared = Prepared::of(&Text, &history).unwrap();
            Text.prune(prepared.items(0)).iter().map(|item| item.invoked).collect::<Vec<_>>()
        };
        assert_eq!(kept("A:appx1[0,?]; B:rx{1}[1,2]; C:appx2[3,?]"), [0, 1]);
        assert_eq!(kept("A:appx1[0,?]; B:appx2[1,2]; C:rx{2}[3,4]"), [1, 3]);
        assert_eq!(kept("B:rx{1}[0,1]; A:appx1[2,?]"), [0], "the read was over");
    }

    #[test]
    fn no_more_equal_ones_are_kept_than_could_be_seen() {
        assert_eq!(kept("A:w1[0,?]; B:w1[1,?]; C:w1[2,?]; D:r1[3,5]; E:r1[4,6]"), [0, 1, 3, 4]);
    }
}
