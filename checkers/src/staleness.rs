//! How stale was what was read?
//!
//! A read that was invoked after newer values had certainly been written is stale: by so many writes, each of which
//! was invoked after the write of what was read had returned, and had returned before the read was invoked; and by
//! the time since the first of them returned. Both are lower bounds (compare Golab, Hurwitz and Li, *On the
//! k-Atomicity-Verification Problem*, ICDCS 2013), and nothing is assumed but that writes take effect in real time.

use crate::linearizable::Teller;
use crate::{Budget, Checker, NEVER, Report};
use history::{Call, History, Key, Outcome, Reply, Time, Value};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// Measures how stale reads of registers with unique values were. Invalid only beyond what is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staleness {
    /// A read may miss so many newer writes, if that is promised.
    pub writes: Option<u64>,
    /// A read may be so much behind, if that is promised.
    pub time: Option<Duration>,
}

/// One read that was stale.
#[derive(Debug, Clone, Copy)]
struct Stale {
    key: Key,
    read: u32,
    /// How many newer writes it missed.
    missed: u64,
    /// The first of them: its invocation.
    first: u32,
    behind: Duration,
}

#[derive(Clone, Copy)]
struct Write {
    invoked: u32,
    returned: u32,
}

/// What happened to one register.
#[derive(Default)]
struct Register {
    writes: Vec<Write>,
    by_value: FxHashMap<Value, Write>,
    repeated: bool,
    /// What was read, and when that was invoked.
    reads: Vec<(Option<Value>, u32)>,
}

impl Register {
    fn of(history: &History) -> std::collections::BTreeMap<Key, Register> {
        let mut registers: std::collections::BTreeMap<Key, Register> = Default::default();
        for op in history.ops() {
            let Some(key) = op.call.key() else { continue };
            let returned = op.completed.filter(|_| op.outcome.is_ok()).map_or(NEVER, |at| at as u32);
            let write = Write { invoked: op.invoked as u32, returned };
            match (op.call, op.outcome) {
                (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => {
                    registers.entry(key).or_default().reads.push((*value, write.invoked));
                }
                (Call::Write { value, .. } | Call::Cas { new: value, .. }, outcome) if !outcome.is_fail() => {
                    let register = registers.entry(key).or_default();
                    register.repeated |= register.by_value.insert(*value, write).is_some();
                    register.writes.extend(outcome.is_ok().then_some(write));
                }
                _ => {}
            }
        }
        registers
    }

    /// The stale reads. Each asks how many writes lie wholly between two events: all that were invoked after the
    /// one and returned before the other.
    fn stale(&mut self, key: Key, history: &History) -> Vec<Stale> {
        self.writes.sort_unstable_by_key(|write| write.invoked);
        let mut asked: Vec<(u32, u32)> = Vec::new();
        for (value, read) in &self.reads {
            match value.map(|value| self.by_value.get(&value)) {
                None => asked.push((0, *read)),
                Some(Some(write)) if write.returned < *read => asked.push((write.returned, *read)),
                Some(_) => {}
            }
        }
        asked.sort_unstable_by_key(|(after, _)| std::cmp::Reverse(*after));
        // Writes are taken up from the last to the first; a tree counts them by their return.
        let mut returns: Vec<u32> = self.writes.iter().map(|write| write.returned).collect();
        returns.sort_unstable();
        let mut counts = vec![0u64; returns.len() + 1];
        let mut left = self.writes.len();
        let mut earliest: Option<Write> = None;
        let mut stale = Vec::new();
        for (after, read) in asked {
            while left > 0 && (self.writes[left - 1].invoked > after || after == 0) {
                left -= 1;
                let write = self.writes[left];
                if earliest.is_none_or(|earliest| write.returned < earliest.returned) {
                    earliest = Some(write);
                }
                let mut at = returns.partition_point(|other| *other < write.returned) + 1;
                while at < counts.len() {
                    counts[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
            let (mut at, mut missed) = (returns.partition_point(|other| *other < read), 0);
            while at > 0 {
                missed += counts[at];
                at -= at & at.wrapping_neg();
            }
            let time = |event: u32| history.entries().get(event as usize).map_or(Time::ZERO, |e| e.time);
            if let Some(first) = earliest.filter(|_| missed > 0) {
                let behind = time(read).since(time(first.returned));
                stale.push(Stale { key, read, missed, first: first.invoked, behind });
            }
        }
        stale
    }
}

impl Checker for Staleness {
    fn name(&self) -> &'static str {
        "staleness"
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut stale, mut reads, mut repeated) = (Vec::new(), 0, 0);
        for (key, mut register) in Register::of(history) {
            match register.repeated {
                true => repeated += 1,
                false => {
                    reads += register.reads.len();
                    stale.extend(register.stale(key, history));
                }
            }
        }
        let beyond = |stale: &&Stale| {
            self.writes.is_some_and(|most| stale.missed > most)
                || self.time.is_some_and(|most| stale.behind > most)
        };
        let worst = stale.iter().filter(beyond).max_by_key(|stale| (stale.missed, stale.behind)).copied();
        let summary = format!("{} of {reads} reads were stale", stale.len());
        let report = match worst {
            Some(worst) => {
                let teller = Teller { history, key: worst.key, beginning: "nil".to_owned() };
                let anomaly = teller.listing("too stale", &[worst.first, worst.read], |_, list| {
                    format!(
                        "What was read had been replaced {:.3} s before, by {} newer writes at least: the first of \
                         them, and the read, are {list}.",
                        worst.behind.as_secs_f64(),
                        worst.missed
                    )
                });
                Report::invalid(self.name(), summary, vec![anomaly])
            }
            None if repeated > 0 => Report::unknown(
                self.name(),
                format!("{summary}; {repeated} registers were not judged, because a value was written twice"),
            ),
            None if reads == 0 => Report::unknown(self.name(), "vacuous: nobody read anything successfully"),
            None => Report::valid(self.name(), summary),
        };
        measured(report, &mut stale)
    }
}

fn measured(report: Report, stale: &mut [Stale]) -> Report {
    stale.sort_unstable_by_key(|stale| stale.missed);
    let quantile = |stale: &[Stale], share: f64| {
        stale.get((stale.len() as f64 * share) as usize).or(stale.last()).copied()
    };
    let missed = |share| quantile(stale, share).map_or(0, |stale| stale.missed);
    let report = report
        .measure("stale reads", stale.len())
        .measure("newer writes missed by them: median, p99, most", {
            format!("{}, {}, {}", missed(0.5), missed(0.99), missed(1.0))
        });
    stale.sort_unstable_by_key(|stale| stale.behind);
    let behind = |share| quantile(stale, share).map_or(0.0, |stale| stale.behind.as_secs_f64());
    report.measure(
        "how far they were behind: median, p99, most",
        format!("{:.3} s, {:.3} s, {:.3} s", behind(0.5), behind(0.99), behind(1.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use history::text;

    fn check(told: &str, writes: Option<u64>) -> Report {
        Staleness { writes, time: None }.check(&text::parse(told).unwrap(), &Budget::default())
    }

    #[test]
    fn a_read_is_as_stale_as_the_writes_that_it_missed() {
        let told = "A:w1[0,1]; A:w2[2,3]; A:w3[4,5]; B:r1[6,7]; C:r3[8,9]; D:rnil[10,11]";
        let report = check(told, None);
        assert_eq!((report.verdict, report.summary.as_str()), (Verdict::Valid, "2 of 3 reads were stale"));
        assert_eq!(report.measures[1].1, "3, 3, 3");
        assert_eq!(check(told, Some(3)).verdict, Verdict::Valid);
        let report = check(told, Some(2));
        assert_eq!(
            (report.verdict, report.anomalies[0].events.as_slice()),
            (Verdict::Invalid, &[0, 1, 10, 11][..])
        );
    }

    #[test]
    fn what_may_have_been_current_is_not_stale() {
        for told in
            ["A:w1[0,1]; A:w2[2,5]; B:r1[3,4]", "A:w1[0,3]; B:w2[1,2]; C:r1[4,5]", "A:w1[0,?]; B:rnil[1,2]"]
        {
            assert_eq!(check(told, Some(0)).verdict, Verdict::Valid, "{told}");
        }
        assert_eq!(check("A:w1[0,1]; B:w1[2,3]; C:r1[4,5]", None).verdict, Verdict::Unknown);
    }
}
