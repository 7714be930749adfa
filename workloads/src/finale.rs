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
/// nodes, so that is everybody's last word. Counters agree when they stand where they can: two that lack different changes
/// may well stand at the same.
pub(crate) fn look_until_agreed(look: fn(Key) -> Call) -> Box<dyn Generator> {
    Box::new(Agreement {
        look,
        keys: BTreeSet::new(),
        sums: Sums::default(),
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
    sums: Sums,
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
            let alike = answers.iter().all(|answer| answer.is_some() && *answer == answers[0]);
            if alike && self.sums.allow(key, answers[0].as_ref()) {
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
        self.sums.observe(event);
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

/// Where counters can stand when everybody has heard of everything.
#[derive(Default)]
struct Sums {
    /// Of what is acknowledged.
    certain: BTreeMap<Key, i64>,
    /// What became of these is not known, so far or for good.
    doubtful: BTreeMap<Key, Vec<i64>>,
    open: BTreeMap<ProcessId, (Key, i64)>,
}

impl Sums {
    fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { process, call: Call::Increment { key, by }, .. } => {
                self.open.insert(*process, (*key, *by));
            }
            Event::Complete { process, outcome } => {
                let Some((key, by)) = self.open.remove(process) else { return };
                match outcome {
                    Outcome::Ok(_) => *self.certain.entry(key).or_default() += by,
                    Outcome::Unknown(_) => self.doubtful.entry(key).or_default().push(by),
                    Outcome::Fail(_) => {}
                }
            }
            _ => {}
        }
    }

    /// Whether this is where a counter can stand, or something else.
    fn allow(&self, key: Key, answer: Option<&Reply>) -> bool {
        let Some(Reply::Count(count)) = answer else { return true };
        let open = self.open.values().filter(|(other, _)| *other == key).map(|(_, by)| *by);
        let doubtful: Vec<i64> = self.doubtful.get(&key).into_iter().flatten().copied().chain(open).collect();
        let certain = self.certain.get(&key).copied().unwrap_or(0);
        let low = certain + doubtful.iter().filter(|by| **by < 0).sum::<i64>();
        let high = certain + doubtful.iter().filter(|by| **by > 0).sum::<i64>();
        (low..=high).contains(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::NodeId;

    /// One round of looks at the counter, each of which finds the same; false if there is none.
    fn round(agreement: &mut dyn Generator, now: &mut Time, finds: i64) -> bool {
        let workers: Vec<ProcessId> = (0..2).map(ProcessId).collect();
        let mut asked = 0;
        while asked < workers.len() {
            let context = Context { now: *now, workers: 2, free: &workers[asked..] };
            match agreement.next(&context) {
                Step::Call { process, call, .. } => {
                    agreement.observe(&Event::Invoke { process, node: NodeId(1), call });
                    let outcome = Outcome::Ok(Reply::Count(finds));
                    agreement.observe(&Event::Complete { process, outcome });
                    asked += 1;
                }
                Step::Wait(until) => *now = until,
                Step::Done => return false,
            }
        }
        true
    }

    #[test]
    fn counters_that_agree_by_chance_are_looked_at_again() {
        let (mut agreement, mut now) = (look_until_agreed(|key| Call::Count { key }), Time::ZERO);
        for (process, by, outcome) in [
            (0, 2, Outcome::Ok(Reply::Count(2))),
            (1, 2, Outcome::Ok(Reply::Count(2))),
            (0, 7, Outcome::Fail(history::Refusal::Stopping)),
            (1, 1, Outcome::Unknown(history::Doubt::Timeout)),
        ] {
            let (process, call) = (ProcessId(process), Call::Increment { key: Key(1), by });
            agreement.observe(&Event::Invoke { process, node: NodeId(1), call });
            agreement.observe(&Event::Complete { process, outcome });
        }
        assert!(round(agreement.as_mut(), &mut now, 2), "it looks");
        assert!(round(agreement.as_mut(), &mut now, 3), "two that have not heard of each other agree");
        assert!(round(agreement.as_mut(), &mut now, 6), "nobody knows why");
        assert!(round(agreement.as_mut(), &mut now, 5), "not known, but possible");
        assert!(!round(agreement.as_mut(), &mut now, 5), "it is done");
    }
}
