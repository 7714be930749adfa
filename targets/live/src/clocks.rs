//! The clocks of the nodes, as we have bent them.
//!
//! A bent clock belongs to a node, not to its process: whoever is killed and started again finds the time of day as
//! wrong as it would have become by then.

use crate::levers::Levers;
use agent::Turned;
use history::NodeId;
use linux::clock::{Jump, Reading, Shift, Turn};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The clocks of the nodes, as we have bent them. Everything here may block for a while.
pub struct Clocks {
    levers: Arc<dyn Levers>,
    /// How the clocks of the nodes run that are not true.
    courses: Mutex<BTreeMap<NodeId, Course>>,
}

/// How the clocks of a node stand to ours, from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    since: Instant,
    /// How far off `since` may be: it was read on one clock a little before or after the other.
    vague: Duration,
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
    /// How far its wall clock is ahead then, in nanoseconds.
    pub fn wall_at(&self, then: Instant) -> i64 {
        self.at(self.wall, then)
    }

    /// How far its monotonic clock is ahead then, in nanoseconds.
    pub fn monotonic_at(&self, then: Instant) -> i64 {
        self.at(self.monotonic, then)
    }

    /// How far off these may be, in nanoseconds: a clock that is not true has gained or lost meanwhile.
    pub fn doubt(&self) -> i64 {
        let off = |shift: Shift| u128::from(shift.rate_ppm.abs_diff(TRUE_RATE)) * self.vague.as_nanos();
        let most = off(self.wall).max(off(self.monotonic)) / u128::from(TRUE_RATE);
        i64::try_from(most).unwrap_or(i64::MAX)
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
    /// True ones, to be turned by these levers.
    pub fn new(levers: Arc<dyn Levers>) -> Clocks {
        Clocks { levers, courses: Mutex::default() }
    }

    /// Turns the clocks of a node's process: both run at this rate, in parts per million; the time of day jumps, and
    /// the monotonic clock with it if that is ahead.
    ///
    /// # Errors
    /// If it is gone or may not be traced. Its clocks are as before then.
    pub fn turn(&self, node: NodeId, pid: Pid, jump_ns: i64, rate_ppm: u32) -> Result<Change, String> {
        let by = |jump_ns| Turn { jump: Jump::By(jump_ns), rate_ppm };
        self.change(node, pid, by(jump_ns), by(jump_ns.max(0)))
    }

    /// Bends the clocks of a node's new process as those of its last; none if they were true.
    ///
    /// # Errors
    /// As [`Clocks::turn`].
    pub fn again(&self, node: NodeId, pid: Pid) -> Option<Result<Change, String>> {
        let course = *self.courses().get(&node)?;
        // A monotonic clock says nothing across lives: only its rate is taken over.
        let to = Jump::To(course.wall_at(Instant::now()));
        let wall = Turn { jump: to, rate_ppm: course.wall.rate_ppm };
        let monotonic = Turn { rate_ppm: course.monotonic.rate_ppm, ..Turn::STEADY };
        Some(self.change(node, pid, wall, monotonic))
    }

    fn change(&self, node: NodeId, pid: Pid, wall: Turn, monotonic: Turn) -> Result<Change, String> {
        let begin = Instant::now();
        let change = change(begin, self.levers.turn(node, pid, wall, monotonic)?);
        self.courses().insert(node, change.new);
        Ok(change)
    }

    /// The nodes whose clocks are bent.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.courses().keys().copied().collect()
    }

    /// Gives a node true clocks again; none if they were true. If it is dead, it will start with true ones.
    ///
    /// # Errors
    /// If its process is gone or can no longer be traced.
    pub fn repair(&self, node: NodeId) -> Option<Result<Change, String>> {
        self.courses().remove(&node)?;
        let begin = Instant::now();
        Some(self.levers.restore(node)?.map(|turned| change(begin, turned)))
    }

    fn courses(&self) -> MutexGuard<'_, BTreeMap<NodeId, Course>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clocks that were turned since `begin` were read somewhere in between.
fn change(begin: Instant, (old, new): Turned) -> Change {
    let vague = begin.elapsed() / 2;
    let course =
        |Reading { wall, monotonic }: Reading| Course { since: begin + vague, vague, wall, monotonic };
    Change { old: course(old), new: course(new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_goes_on_at_its_rate() {
        let since = Instant::now();
        let wall = Shift { ahead_ns: 5_000, rate_ppm: 1_200_000 };
        let course = Course {
            since,
            vague: Duration::from_millis(10),
            wall,
            monotonic: Shift { ahead_ns: 0, rate_ppm: 0 },
        };
        assert_eq!(course.wall_at(since), 5_000);
        assert_eq!(course.wall_at(since + Duration::from_micros(10)), 7_000);
        assert_eq!(course.wall_at(since - Duration::from_micros(10)), 3_000);
        assert_eq!(course.monotonic_at(since + Duration::from_micros(10)), -10_000);
        assert_eq!(course.doubt(), 10_000_000, "a clock that stands still loses all of them");
    }
}
