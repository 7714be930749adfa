//! The clocks of the nodes, as we have bent them.
//!
//! A bent clock belongs to a node, not to its process: whoever is killed and started again finds the time of day as
//! wrong as it would have become by then.

use crate::process;
use history::NodeId;
use linux::clock::{ClockError, Jump, Restored, Shift, Skew, Turn};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The clocks of the nodes, as we have bent them. Everything here may block for a while.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<Bent>);

#[derive(Debug, Default)]
struct Bent {
    /// The processes that are in our hands.
    skews: BTreeMap<NodeId, (Pid, Skew)>,
    /// How the clocks of the nodes run that are not true.
    courses: BTreeMap<NodeId, Course>,
}

/// How the clocks of a node stand to ours, from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    since: Instant,
    /// The time of day.
    pub wall: Shift,
    /// The clock by which it waits.
    pub monotonic: Shift,
}

/// What became of a node's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// How they would have gone on.
    pub old: Course,
    /// How they go on.
    pub new: Course,
}

const TRUE_RATE: u32 = 1_000_000;

impl Course {
    /// The true time, but for a monotonic clock that may be ahead.
    pub fn truth(monotonic_ahead_ns: i64) -> Course {
        let shift = |ahead_ns| Shift { ahead_ns, rate_ppm: TRUE_RATE };
        Course { since: Instant::now(), wall: shift(0), monotonic: shift(monotonic_ahead_ns) }
    }

    /// How far its wall clock is ahead then, in nanoseconds.
    pub fn wall_at(&self, then: Instant) -> i64 {
        self.at(self.wall, then)
    }

    /// How far its monotonic clock is ahead then, in nanoseconds.
    pub fn monotonic_at(&self, then: Instant) -> i64 {
        self.at(self.monotonic, then)
    }

    fn at(&self, shift: Shift, then: Instant) -> i64 {
        let nanoseconds = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        let since = nanoseconds(then.saturating_duration_since(self.since));
        let until = nanoseconds(self.since.saturating_duration_since(then));
        let surplus = i128::from(shift.rate_ppm) - i128::from(TRUE_RATE);
        let gained = (since - until) * surplus / i128::from(TRUE_RATE);
        shift.ahead_ns.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX))
    }
}

impl Clocks {
    /// Turns the clocks of a node's process: both run at this rate, in parts per million; the time of day jumps, and
    /// the monotonic clock with it if that is ahead.
    ///
    /// # Errors
    /// If it is gone or may not be traced. Its clocks are as before then.
    pub fn turn(&self, node: NodeId, pid: Pid, jump_ns: i64, rate_ppm: u32) -> Result<Change, ClockError> {
        let by = |jump_ns| Turn { jump: Jump::By(jump_ns), rate_ppm };
        self.change(node, pid, by(jump_ns), by(jump_ns.max(0)))
    }

    /// Bends the clocks of a node's new process as those of its last; none if they were true.
    ///
    /// # Errors
    /// As [`Clocks::turn`].
    pub fn again(&self, node: NodeId, pid: Pid) -> Option<Result<Change, ClockError>> {
        let course = *self.lock().courses.get(&node)?;
        // A monotonic clock says nothing across lives: only its rate is taken over.
        let to = Jump::To(course.wall_at(Instant::now()));
        let wall = Turn { jump: to, rate_ppm: course.wall.rate_ppm };
        let monotonic = Turn { rate_ppm: course.monotonic.rate_ppm, ..Turn::STEADY };
        Some(self.change(node, pid, wall, monotonic))
    }

    fn change(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Change, ClockError> {
        let mut bent = self.lock();
        if bent.skews.get(&node).is_none_or(|(of, _)| *of != pid) {
            bent.skews.insert(node, (pid, Skew::attach(pid.as_raw())?));
        }
        let (_, skew) = &bent.skews[&node];
        let old = course(skew)?;
        skew.turn(wall, monotonic)?;
        let new = course(skew)?;
        bent.courses.insert(node, new);
        Ok(Change { old, new })
    }

    /// The nodes whose clocks are bent.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.lock().courses.keys().copied().collect()
    }

    /// Gives a node true clocks again; none if they were true. If it is dead, it will start with true ones.
    ///
    /// # Errors
    /// If its process is gone or can no longer be traced.
    pub fn repair(&self, node: NodeId) -> Option<Result<Change, ClockError>> {
        let mut bent = self.lock();
        let old = bent.courses.remove(&node)?;
        let (_, mut skew) = bent.skews.remove(&node)?;
        Some(skew.restore().map(|left| {
            let ahead = match left {
                Restored::Wholly => 0,
                Restored::Ahead(ahead) => ahead,
            };
            Change { old, new: Course::truth(ahead) }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Bent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The program that runs in the place of a process that we started. That process itself, unless it is the first of a
/// machine of its own, which only looks after the program.
pub fn program(pid: Pid) -> Pid {
    let machine = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    if machine(&pid.to_string()) == machine("self") {
        return pid;
    }
    process::tree(pid).get(1).copied().unwrap_or(pid)
}

fn course(skew: &Skew) -> Result<Course, ClockError> {
    let reading = skew.reading()?;
    Ok(Course { since: Instant::now(), wall: reading.wall, monotonic: reading.monotonic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_goes_on_at_its_rate() {
        let since = Instant::now();
        let wall = Shift { ahead_ns: 5_000, rate_ppm: 1_200_000 };
        let course = Course { since, wall, monotonic: Shift { ahead_ns: 0, rate_ppm: 0 } };
        assert_eq!(course.wall_at(since), 5_000);
        assert_eq!(course.wall_at(since + Duration::from_micros(10)), 7_000);
        assert_eq!(course.wall_at(since - Duration::from_micros(10)), 3_000);
        assert_eq!(course.monotonic_at(since + Duration::from_micros(10)), -10_000);
    }
}
