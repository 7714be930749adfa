//! What is wrong with clocks. A clock counts as bent when the node itself was heard to tell another time than it
//! would have told without.

use super::{Observation, at_once, concluded, installed};
use crate::clocks::{Change, Course};
use crate::daemon::{Daemon, Look};
use crate::site::Site;
use history::{Injection, NodeId};
use nix::unistd::Pid;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How long a change may remain unseen.
const SHOWING: Duration = Duration::from_secs(2);
/// Over how long a rate is measured, at least.
const MEASURING: Duration = Duration::from_millis(300);
/// How exactly we know how a clock was turned, in nanoseconds.
const SLACK: i64 = 1_000_000;

/// A node whose clocks have been turned.
pub struct Victim {
    daemon: Arc<Daemon>,
    pid: Pid,
    change: Change,
    /// What they showed before.
    before: Option<Look>,
}

/// Turns the clocks of these nodes.
pub async fn skew(site: &Arc<Site>, nodes: &[NodeId], jump_ms: i64, rate_ppm: u32) -> Observation {
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for daemon in nodes.iter().filter_map(|node| site.daemons.get(node)) {
        let node = daemon.node();
        let Some(pid) = running(daemon) else {
            spared.push(format!("{node} was down"));
            continue;
        };
        let before = daemon.look(pid).await;
        let clocks = Arc::clone(&site.clocks);
        let turn = move || clocks.turn(node, pid, jump_ms.saturating_mul(1_000_000), rate_ppm);
        match spawn_blocking(turn).await {
            Ok(Ok(change)) => victims.push(Victim { daemon: Arc::clone(daemon), pid, change, before }),
            Ok(Err(error)) => spared.push(format!("{node} was spared: {error}")),
            Err(panic) => spared.push(format!("{node} was spared: {panic}")),
        }
    }
    if nodes.is_empty() {
        spared.push("no node is named".to_owned());
    }
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    Box::pin(witnessed(victims, spared, Vec::new()))
}

/// Gives every node true clocks again.
pub async fn repair(site: &Arc<Site>) -> Observation {
    let (mut victims, mut seen, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    for daemon in site.clocks.nodes().iter().filter_map(|node| site.daemons.get(node)) {
        let (node, pid) = (daemon.node(), running(daemon));
        let before = match pid {
            Some(pid) => daemon.look(pid).await,
            None => None,
        };
        let clocks = Arc::clone(&site.clocks);
        match (spawn_blocking(move || clocks.repair(node)).await, pid) {
            (Ok(Some(Ok(change))), Some(pid)) => {
                victims.push(Victim { daemon: Arc::clone(daemon), pid, change, before });
            }
            (_, was) if running(daemon) != was => seen.push(truly(node)),
            (_, None) => seen.push(truly(node)),
            (Ok(Some(Err(error))), _) => doubts.push(format!("{node}: {error}")),
            (Ok(None), _) => {}
            (Err(panic), _) => doubts.push(format!("{node}: {panic}")),
        }
    }
    if victims.is_empty() && doubts.is_empty() && seen.is_empty() {
        return at_once(installed("no clock was bent"));
    }
    Box::pin(witnessed(victims, seen, doubts))
}

fn truly(node: NodeId) -> String {
    format!("{node} is down and will start with true clocks")
}

/// Bends the clocks of a node that was started again as those of its last process; none if they were true.
///
/// # Errors
/// If that fails: what to say of it.
pub async fn again(site: &Arc<Site>, daemon: &Arc<Daemon>, pid: Pid) -> Option<Result<Victim, String>> {
    let (clocks, node) = (Arc::clone(&site.clocks), daemon.node());
    let changed = match spawn_blocking(move || clocks.again(node, pid)).await {
        Ok(changed) => changed?,
        Err(panic) => Err(panic.to_string()),
    };
    let victim = |change| Victim { daemon: Arc::clone(daemon), pid, change, before: None };
    Some(changed.map(victim).map_err(|why| format!("{node} runs with true clocks: {why}")))
}

/// The process that we started for a node, if it runs.
fn running(daemon: &Daemon) -> Option<Pid> {
    daemon.life(|life| life.process.as_ref().filter(|_| life.runs()).map(|process| process.pid))
}

/// Listens to all of them at once.
async fn witnessed(victims: Vec<Victim>, mut seen: Vec<String>, mut doubts: Vec<String>) -> Injection {
    let listening: Vec<_> = victims.into_iter().map(|victim| tokio::spawn(victim.witness())).collect();
    for heard in listening {
        match heard.await {
            Ok(Ok(evidence)) => seen.push(evidence),
            Ok(Err(doubt)) => doubts.push(doubt),
            Err(panic) => doubts.push(panic.to_string()),
        }
    }
    concluded(seen, doubts)
}

impl Victim {
    /// Listens to the node until it has told a time that it would not have told without the change.
    ///
    /// # Errors
    /// If it tells another time, or none: what to say of it.
    pub async fn witness(self) -> Result<String, String> {
        let (node, Change { old, new }) = (self.daemon.node(), self.change);
        let deadline = Instant::now() + SHOWING;
        let mut zero = self.before.map(|before| Zero::of(&before, &old));
        let mut first: Option<Look> = None;
        // The last look at which it told a time that it would not have told without.
        let mut seen: Option<Look> = None;
        loop {
            let Some(look) = self.daemon.look(self.pid).await else {
                if Instant::now() >= deadline {
                    return Err(format!("{node} does not say what its clocks show"));
                }
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let zero = *zero.get_or_insert_with(|| Zero::of(&look, &new));
            let first = *first.get_or_insert(look);
            if !agrees(&look, &zero, &new) {
                // It told the time that it should until someone turned it again.
                if let Some(last) = seen {
                    return Ok(self.evidence(&first, &last, &zero));
                }
                let (is, should) = (seconds(look.wall().middle()), seconds(new.wall_at(look.to)));
                let monotonic = seconds(look.monotonic(&zero).middle());
                return Err(format!(
                    "{node}'s wall clock is {is} s ahead, not {should} s, and its monotonic clock {monotonic} s"
                ));
            }
            if seen.is_some() || !agrees(&look, &zero, &old) || same(&old, &new, look.to) {
                seen = Some(look);
            }
            let measured = old.wall.rate_ppm == new.wall.rate_ppm || look.from - first.to >= MEASURING;
            if seen.is_some() && measured {
                return Ok(self.evidence(&first, &look, &zero));
            }
            if Instant::now() >= deadline {
                return Err(format!("{node}'s clocks cannot be told from what they were"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn evidence(&self, first: &Look, last: &Look, zero: &Zero) -> String {
        let (node, Change { old, new }) = (self.daemon.node(), self.change);
        let mut said = format!("{node}'s wall clock is now {} s ahead", seconds(last.wall().middle()));
        let jumped = new.monotonic_at(last.to) - old.monotonic_at(last.to);
        if self.before.is_some() && jumped.abs() > SLACK {
            let is = seconds(last.monotonic(zero).middle());
            said += &format!(", its monotonic clock {is} s");
        }
        if old.wall.rate_ppm != new.wall.rate_ppm || new.wall.rate_ppm != 1_000_000 {
            let span = middle(last) - middle(first);
            let ran = |from: i64, to: i64| (to - from) as f64 / (span.as_nanos() as f64).max(1.0);
            let wall = ran(first.clock.wall_ns, last.clock.wall_ns);
            let monotonic = ran(first.clock.monotonic_ns, last.clock.monotonic_ns);
            if span >= MEASURING / 2 {
                said += &format!(", they run at {wall:.3} and {monotonic:.3} (over {} ms)", span.as_millis());
            }
        }
        said
    }
}

fn seconds(nanoseconds: i64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e9)
}

/// When a look was taken, as near as we know.
fn middle(look: &Look) -> Instant {
    look.from + (look.to - look.from) / 2
}

/// Somewhere between two numbers: how far a clock is ahead, as far as it can be told when the answer took a while.
#[derive(Debug, Clone, Copy)]
struct Between {
    least: i64,
    most: i64,
}

impl Between {
    fn middle(self) -> i64 {
        self.least.midpoint(self.most)
    }

    fn may_be(self, one: i64, other: i64, slack: i64) -> bool {
        self.least.saturating_sub(slack) <= one.max(other)
            && one.min(other) <= self.most.saturating_add(slack)
    }
}

/// When a node's monotonic clock would have been zero had it always been true: a moment on our clock, relative to
/// another.
#[derive(Debug, Clone, Copy)]
struct Zero {
    epoch: Instant,
    at: Between,
}

impl Zero {
    /// What a look says about it, when the clock was on this course: as vague as the look, and as the course.
    fn of(look: &Look, course: &Course) -> Zero {
        let (epoch, doubt) = (look.from, course.doubt());
        let at = |then| span(epoch, then) + course.monotonic_at(then) - look.clock.monotonic_ns;
        Zero { epoch, at: Between { least: at(look.from) - doubt, most: at(look.to) + doubt } }
    }
}

impl Look {
    fn wall(&self) -> Between {
        let most = self.clock.wall_ns - self.wall_ns;
        Between { least: most - span(self.from, self.to), most }
    }

    fn monotonic(&self, zero: &Zero) -> Between {
        let (from, to) = (span(zero.epoch, self.from), span(zero.epoch, self.to));
        let shown = self.clock.monotonic_ns;
        Between { least: shown - to + zero.at.least, most: shown - from + zero.at.most }
    }
}

fn span(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(i64::MAX)
}

/// Whether what a node said is what it should say on this course.
fn agrees(look: &Look, zero: &Zero, course: &Course) -> bool {
    let slack = SLACK.saturating_add(course.doubt());
    let (from, to) = (look.from, look.to);
    look.wall().may_be(course.wall_at(from), course.wall_at(to), slack)
        && look.monotonic(zero).may_be(course.monotonic_at(from), course.monotonic_at(to), slack)
}

/// Whether two courses are one as far as anybody can see, then and later.
fn same(old: &Course, new: &Course, then: Instant) -> bool {
    let near = |a: i64, b: i64| (a - b).abs() <= SLACK;
    near(old.wall_at(then), new.wall_at(then))
        && near(old.monotonic_at(then), new.monotonic_at(then))
        && old.wall.rate_ppm == new.wall.rate_ppm
        && old.monotonic.rate_ppm == new.monotonic.rate_ppm
}
