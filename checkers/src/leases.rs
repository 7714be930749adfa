//! Does a lock stay with its holder for as long as he was told?
//!
//! Who gets a lock for a time may count on it from when he is told until that time is over, counted from before he asked:
//! whoever gave it did so after that. (So counts every client that does not trust the network: Gray and Cheriton, *Leases*,
//! 1989.) Who gets it for good may count on it until he lets go. Nobody else may get it meanwhile.
//!
//! That is a promise about time, and holds as far as clocks are true. So a tenth of each lease is left out of account, and
//! while some node's clock was bent on purpose, nothing is said: then fencing tokens alone keep the holders apart, which
//! another judge looks at ([`models::lock`](crate::models::lock)).

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, Event, Fault, FaultKind, History, Injection, Key, Outcome, ProcessId, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// Judges how long locks stay with those who got them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leases;

/// A time in which somebody may count on a lock.
#[derive(Debug, Clone, Copy)]
struct Hold {
    by: ProcessId,
    /// The event by which it was asked for, and when that was.
    asked: (usize, Time),
    /// The event by which it was given, and when that was.
    given: (usize, Time),
    /// When its holder let go, or could not count on it any more.
    until: Time,
}

/// Two who held a lock at once.
#[derive(Debug, Clone, Copy)]
struct Overlap {
    key: Key,
    first: Hold,
    second: Hold,
}

impl Overlap {
    fn length(&self) -> Duration {
        self.first.until.min(self.second.until).since(self.second.given.1)
    }
}

impl Checker for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    /// Who held the lock when somebody else got it, did; whatever follows.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let bent = bent(history);
        let in_doubt = |from: Time, to: Time| bent.iter().any(|(begin, end)| *begin < to && from < *end);
        let all = holds(history);
        let count: usize = all.values().map(Vec::len).sum();
        let true_all_along = |hold: &&Hold| !in_doubt(hold.asked.1, hold.given.1.max(hold.until));
        let judged = all.values().flatten().filter(true_all_along).count();
        let overlaps = all.into_iter().flat_map(|(key, holds)| overlaps(key, holds));
        let excused = |overlap: &Overlap| {
            in_doubt(overlap.first.asked.1.min(overlap.second.asked.1), overlap.second.given.1)
        };
        let (excused, wrong): (Vec<Overlap>, Vec<Overlap>) = overlaps.partition(excused);
        let doubt = (count == 0).then(|| "nobody ever got a lock".to_owned());
        let longest = excused.iter().chain(&wrong).map(Overlap::length).max().unwrap_or_default();
        let anomalies = wrong.iter().map(Overlap::anomaly).collect();
        let fine = format!(
            "{count} times a lock was got, {judged} while all clocks were true, and nobody else got it then while its holder \
             could count on it"
        );
        Report::conclude(self.name(), anomalies, doubt, fine)
            .measure("two holders at once, clocks being wrong", excused.len())
            .measure("two holders at once, at most for", format!("{} ms", longest.as_millis()))
    }
}

impl Overlap {
    fn anomaly(&self) -> Anomaly {
        let Overlap { key, first, second } = self;
        let until = match first.until {
            Time::NEVER => "until it lets go".to_owned(),
            until => format!("until {until}"),
        };
        let story = format!(
            "{} got the lock at {}, and could count on it {until}. At {} {} got it as well: for {} ms two held it.",
            first.by,
            first.given.1,
            second.given.1,
            second.by,
            self.length().as_millis()
        );
        let events = [first.asked.0, first.given.0, second.asked.0, second.given.0];
        Anomaly::new("two holders", *key, story, events)
    }
}

/// When some clock was not true: from before it was bent until all were true again.
fn bent(history: &History) -> Vec<(Time, Time)> {
    let (mut bent, mut since) = (Vec::new(), None);
    for entry in history.entries() {
        match &entry.event {
            Event::Inject(fault) if matches!(**fault, Fault::Skew { .. }) => {
                since.get_or_insert(entry.time);
            }
            Event::Injected { fault, result } => {
                let repaired = matches!(**fault, Fault::Repair { kind: FaultKind::Clock })
                    && matches!(**result, Injection::Installed(_));
                bent.extend(since.take_if(|_| repaired).map(|since| (since, entry.time)));
            }
            _ => {}
        }
    }
    bent.extend(since.map(|since| (since, Time::NEVER)));
    bent
}

/// Who got which lock, for as long as he may count on it.
fn holds(history: &History) -> BTreeMap<Key, Vec<Hold>> {
    let time = |at: usize| history.entries()[at].time;
    let mut all: BTreeMap<Key, Vec<Hold>> = BTreeMap::new();
    for op in history.ops() {
        match (op.call, op.outcome, op.completed) {
            (Call::Acquire { key, lease_ms }, Outcome::Ok(_), Some(completed)) => {
                let asked = (op.invoked, time(op.invoked));
                let until = lease_ms.map_or(Time::NEVER, |lease| {
                    let lease = Duration::from_millis(lease);
                    asked.1 + (lease - lease / 10)
                });
                let hold = Hold { by: op.process, asked, given: (completed, time(completed)), until };
                all.entry(*key).or_default().push(hold);
            }
            // What certainly failed has not let go of anything.
            (Call::Release { .. }, Outcome::Fail(_), _) => {}
            (Call::Release { key }, ..) => {
                let own = all.entry(*key).or_default().iter_mut().filter(|hold| hold.by == op.process);
                own.for_each(|hold| hold.until = hold.until.min(time(op.invoked)));
            }
            _ => {}
        }
    }
    all
}

/// Each hold that began while another one's holder could count on the lock.
fn overlaps(key: Key, mut holds: Vec<Hold>) -> Vec<Overlap> {
    holds.retain(|hold| hold.given.1 < hold.until);
    holds.sort_unstable_by_key(|hold| hold.given.1);
    let (mut open, mut found): (Vec<Hold>, Vec<Overlap>) = (Vec::new(), Vec::new());
    for second in holds {
        open.retain(|hold| hold.until > second.given.1);
        found.extend(open.iter().filter(|hold| hold.by != second.by).map(|first| Overlap {
            key,
            first: *first,
            second,
        }));
        open.push(second);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::cases::cases;
    use history::{Chance, Evidence, NodeId, Refusal, Reply};

    const KEY: Key = Key(3);

    fn asks(process: u32, lease_ms: Option<u64>) -> Event {
        let call = Call::Acquire { key: KEY, lease_ms };
        Event::Invoke { process: ProcessId(process), node: NodeId(1), call }
    }

    fn gets(process: u32) -> Event {
        Event::Complete { process: ProcessId(process), outcome: Outcome::Ok(Reply::Held(None)) }
    }

    fn lets_go(process: u32) -> Event {
        Event::Invoke { process: ProcessId(process), node: NodeId(1), call: Call::Release { key: KEY } }
    }

    fn hears(process: u32, gone: bool) -> Event {
        let outcome = if gone { Outcome::Ok(Reply::Done) } else { Outcome::Fail(Refusal::NotHeld) };
        Event::Complete { process: ProcessId(process), outcome }
    }

    fn fault(fault: Fault) -> [Event; 2] {
        let result = Box::new(Injection::Installed(Evidence("seen".to_owned())));
        [Event::Inject(Box::new(fault.clone())), Event::Injected { fault: Box::new(fault), result }]
    }

    /// What happens in which millisecond.
    fn history(events: impl IntoIterator<Item = (u64, Event)>) -> History {
        let mut history = History::new();
        for (millis, event) in events {
            let time = Time(Time::from_millis(millis).0 + history.len() as u64);
            history.push(time, event).unwrap();
        }
        history
    }

    fn verdict(history: &History) -> Verdict {
        Leases.check(history, &Budget::default()).verdict
    }

    #[test]
    fn nobody_else_gets_a_lock_before_its_lease_is_over() {
        let lease = Some(100);
        let second = |at| [(0, asks(1, lease)), (9, gets(1)), (at, asks(2, lease)), (at, gets(2))];
        assert_eq!(verdict(&history(second(50))), Verdict::Invalid);
        assert_eq!(verdict(&history(second(89))), Verdict::Invalid);
        // It is counted from when it was asked for, and a tenth is left out of account.
        assert_eq!(verdict(&history(second(91))), Verdict::Valid);
        let let_go = |gone, at| {
            let first = [(0, asks(1, lease)), (9, gets(1)), (20, lets_go(1)), (20, hears(1, gone))];
            history(first.into_iter().chain([(at, asks(2, lease)), (at, gets(2))]))
        };
        assert_eq!(verdict(&let_go(true, 21)), Verdict::Valid);
        assert_eq!(
            verdict(&let_go(false, 21)),
            Verdict::Invalid,
            "who was turned away has let go of nothing"
        );
        let for_good = [(0, asks(1, None)), (1, gets(1)), (90_000, asks(2, lease)), (90_000, gets(2))];
        assert_eq!(verdict(&history(for_good)), Verdict::Invalid);
        // The answer came when it was of no use any more; and who gets it twice shares it with nobody.
        let late = [(0, asks(1, lease)), (1, asks(2, lease)), (95, gets(1)), (96, gets(2))];
        assert_eq!(verdict(&history(late)), Verdict::Valid);
        assert_eq!(
            verdict(&history([(0, asks(1, lease)), (1, gets(1)), (2, asks(1, lease)), (3, gets(1))])),
            Verdict::Valid
        );
        assert_eq!(verdict(&history([(0, asks(1, lease))])), Verdict::Unknown);
    }

    #[test]
    fn nothing_is_said_while_clocks_are_wrong() {
        let skew = || fault(Fault::Skew { nodes: vec![NodeId(1)], jump_ms: 0, rate_ppm: 2_000_000 });
        let mended = || fault(Fault::Repair { kind: FaultKind::Clock });
        let told = |from: u64, to: Option<u64>| {
            let lease = Some(100);
            let holds = [(10, asks(1, lease)), (11, gets(1)), (50, asks(2, lease)), (51, gets(2))];
            let bent = skew().map(|event| (from, event)).into_iter();
            let mended = to.into_iter().flat_map(|to| mended().map(|event| (to, event)));
            let mut all: Vec<(u64, Event)> = holds.into_iter().chain(bent).chain(mended).collect();
            all.sort_by_key(|(at, _)| *at);
            Leases.check(&history(all), &Budget::default())
        };
        for (from, to, expected) in [
            (20, None, Verdict::Valid),
            (20, Some(30), Verdict::Valid),
            (0, Some(10), Verdict::Valid),
            (0, Some(9), Verdict::Invalid),
            (60, None, Verdict::Invalid),
            (51, Some(90), Verdict::Invalid),
        ] {
            let report = told(from, to);
            assert_eq!(report.verdict, expected, "from {from} to {to:?}");
            let excused = if expected == Verdict::Valid { "1" } else { "0" };
            assert_eq!(report.measures[0].1, excused);
            assert_eq!(report.measures[1].1, "48 ms");
        }
    }

    /// Whether at some instant two may count on the lock, word for word.
    fn two_at_once(history: &History) -> bool {
        let ops: Vec<_> = history.ops().collect();
        let time = |at: usize| history.entries()[at].time;
        let counts_on_it = |process: ProcessId, now: Time| {
            ops.iter().filter(|op| op.process == process && op.outcome.is_ok()).any(|op| {
                let Call::Acquire { lease_ms, .. } = op.call else { return false };
                let in_time = lease_ms.is_none_or(|lease| now.0 < time(op.invoked).0 + lease * 900_000);
                let gone = ops.iter().any(|other| {
                    let releases = matches!(other.call, Call::Release { .. }) && !other.outcome.is_fail();
                    other.process == process
                        && releases
                        && other.invoked > op.invoked
                        && time(other.invoked) <= now
                });
                op.completed.is_some_and(|at| time(at) <= now) && in_time && !gone
            })
        };
        let processes: std::collections::BTreeSet<ProcessId> = ops.iter().map(|op| op.process).collect();
        history
            .entries()
            .iter()
            .any(|entry| processes.iter().filter(|process| counts_on_it(**process, entry.time)).count() > 1)
    }

    #[test]
    fn random_histories_are_judged_as_by_the_definition() {
        let mut wrong = 0;
        for seed in 0..cases(4_000) {
            let mut chance = Chance::new(seed);
            let mut busy = [None::<bool>; 3];
            let (mut at, mut events) = (0, Vec::new());
            for _ in 0..chance.between(6, 24) {
                at += chance.below(25);
                let process = chance.below(3) as u32;
                let event = match busy[process as usize].take() {
                    None => {
                        let asking = chance.permille(600);
                        busy[process as usize] = Some(asking);
                        let lease = chance.permille(900).then(|| chance.between(10, 100));
                        if asking { asks(process, lease) } else { lets_go(process) }
                    }
                    Some(true) if chance.permille(700) => gets(process),
                    Some(true) => hears(process, false),
                    Some(false) => hears(process, chance.permille(700)),
                };
                events.push((at, event));
            }
            let history = history(events);
            let expected = two_at_once(&history);
            assert_eq!(verdict(&history) == Verdict::Invalid, expected, "seed {seed}: {history:#?}");
            wrong += u64::from(expected);
        }
        assert!(wrong * 10 > cases(4_000) && wrong * 10 < cases(4_000) * 9, "{wrong} were wrong");
    }
}
