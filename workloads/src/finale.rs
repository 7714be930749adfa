//! Last looks: everything is read back when all is repaired.

use crate::asking::keys_of;
use crate::combinators::{UntilOk, until_ok};
use crate::{Context, Generator, Step};
use history::{Call, Event, Key, Outcome, ProcessId, Reply, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Makes calls about the keys that the main phase used, until each is ok.
struct LastLooks<L> {
    keys: BTreeSet<Key>,
    looks: L,
    asking: Option<UntilOk>,
}

/// One such call about each key that was ever used. It has no bound on their number and needs none: it makes one call for
/// each hundred or so of the main phase.
pub(crate) fn look_at_each(look: fn(Key) -> Call) -> Box<dyn Generator> {
    last_looks(move |keys| keys.iter().copied().map(look).collect())
}

/// The calls that `looks` makes of all keys that were ever used.
pub(crate) fn last_looks(looks: impl Fn(&BTreeSet<Key>) -> Vec<Call> + Send + 'static) -> Box<dyn Generator> {
    Box::new(LastLooks { keys: BTreeSet::new(), looks, asking: None })
}

impl<L: Fn(&BTreeSet<Key>) -> Vec<Call> + Send> Generator for LastLooks<L> {
    fn next(&mut self, context: &Context<'_>) -> Step {
        let LastLooks { keys, looks, asking } = self;
        asking.get_or_insert_with(|| until_ok(looks(keys))).next(context)
    }

    fn observe(&mut self, event: &Event) {
        match (&mut self.asking, event) {
            (Some(asking), _) => asking.observe(event),
            (None, Event::Invoke { call, .. }) => self.keys.extend(keys_of(call)),
            _ => {}
        }
    }
}

/// Every worker looks at every key, and again at those about which they differ, until they agree. Workers ask different
/// nodes, so that is everybody's last word.
pub(crate) fn look_until_agreed(look: fn(Key) -> Call) -> Box<dyn Generator> {
    Box::new(Agreement {
        look,
        keys: BTreeSet::new(),
        waiting: VecDeque::new(),
        open: BTreeMap::new(),
        answers: BTreeMap::new(),
        rounds: 0,
        begin: None,
    })
}

/// So often all look, until they agree.
const ROUNDS: u32 = 20;
/// So long after the beginning of one round the next begins, at the earliest.
const PAUSE: Duration = Duration::from_millis(500);

struct Agreement {
    look: fn(Key) -> Call,
    /// About which they did not agree yet.
    keys: BTreeSet<Key>,
    /// Which worker is to look where.
    waiting: VecDeque<(u32, Key)>,
    open: BTreeMap<ProcessId, Key>,
    /// What they have found in this round: nothing if somebody got no answer.
    answers: BTreeMap<Key, Vec<Option<Reply>>>,
    rounds: u32,
    /// When the next round begins.
    begin: Option<Time>,
}

impl Agreement {
    /// The round is over: who agrees is done.
    fn conclude(&mut self) {
        for (key, answers) in std::mem::take(&mut self.answers) {
            if answers.iter().all(|answer| answer.is_some() && *answer == answers[0]) {
                self.keys.remove(&key);
            }
        }
    }
}

impl Generator for Agreement {
    fn next(&mut self, context: &Context<'_>) -> Step {
        if self.waiting.is_empty() && self.open.is_empty() {
            self.conclude();
            if self.keys.is_empty() || self.rounds == ROUNDS {
                return Step::Done;
            }
            let begin = *self.begin.get_or_insert(context.now);
            if context.now < begin {
                return Step::Wait(begin);
            }
            self.begin = Some(context.now + PAUSE);
            self.rounds += 1;
            let all = self.keys.iter().flat_map(|key| (0..context.workers).map(|worker| (worker, *key)));
            self.waiting = all.collect();
        }
        let free = |worker: u32| context.free.iter().copied().find(|free| free.0 % context.workers == worker);
        let found = self.waiting.iter().enumerate().find_map(|(at, (worker, _))| Some((at, free(*worker)?)));
        let Some((process, (_, key))) = found.and_then(|(at, free)| Some((free, self.waiting.remove(at)?)))
        else {
            return Step::Wait(Time::NEVER);
        };
        self.open.insert(process, key);
        Step::Call { process, call: (self.look)(key), node: None }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { call, .. } if self.rounds == 0 => self.keys.extend(keys_of(call)),
            Event::Complete { process, outcome } => {
                let Some(key) = self.open.remove(process) else { return };
                let answer = match outcome {
                    Outcome::Ok(Reply::List(list)) => {
                        let mut list = list.clone();
                        list.sort_unstable();
                        Some(Reply::List(list))
                    }
                    Outcome::Ok(reply) => Some(reply.clone()),
                    _ => None,
                };
                self.answers.entry(key).or_default().push(answer);
            }
            _ => {}
        }
    }
}
