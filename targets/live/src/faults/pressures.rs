//! What happens to what nodes have: too little of it. Pressure counts as made when the kernel said that it was felt.

use super::{Observation, at_once, concluded, installed, processes};
use crate::daemon::Daemon;
use crate::site::Site;
use history::{Injection, NodeId, Pressure};
use linux::cgroup::Reading;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// How long pressure may remain unseen.
const SHOWING: Duration = Duration::from_secs(2);

/// Gives these nodes too little of something.
pub async fn press(site: &Arc<Site>, nodes: &[NodeId], pressure: Pressure) -> Observation {
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for daemon in nodes.iter().filter_map(|node| site.daemons.get(node)) {
        match pressed(site, daemon, pressure).await {
            Ok(before) => victims.push((daemon.node(), before)),
            Err(why) => spared.push(why),
        }
    }
    if nodes.is_empty() {
        spared.push("no node is named".to_owned());
    }
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    let site = Arc::clone(site);
    Box::pin(async move {
        let (mut seen, mut unfelt, deadline) = (spared, Vec::new(), Instant::now() + SHOWING);
        let count = seen.len();
        for (node, before) in victims {
            match felt(&site, node, pressure, before, deadline).await {
                Ok(what) => seen.push(what),
                Err(why) => unfelt.push(why),
            }
        }
        // One that felt it shows that it works; the others have met no limit yet.
        if seen.len() == count {
            concluded(seen, unfelt)
        } else {
            installed([seen, unfelt].concat().join("; "))
        }
    })
}

/// Presses a node that was started again as its last process was.
pub async fn again(site: &Arc<Site>, daemon: &Arc<Daemon>) -> Option<Result<String, String>> {
    let pressure = site.pressures.of(daemon.node())?;
    let pressed = pressed(site, daemon, pressure).await;
    Some(pressed.map(|_| format!("{} is under pressure again: {pressure}", daemon.node())))
}

async fn pressed(site: &Arc<Site>, daemon: &Daemon, pressure: Pressure) -> Result<Reading, String> {
    let node = daemon.node();
    let pid = daemon.life(|life| life.process.as_ref().filter(|_| life.runs()).map(|process| process.pid));
    let pid = pid.ok_or_else(|| format!("{node} was down"))?;
    let here = Arc::clone(site);
    match spawn_blocking(move || here.pressures.press(node, pid, pressure)).await {
        Ok(pressed) => pressed.map_err(|why| format!("{node} was spared: {why}")),
        Err(panic) => Err(format!("{node} was spared: {panic}")),
    }
}

/// What the kernel said when the node felt it, or that it did not.
async fn felt(
    site: &Site,
    node: NodeId,
    pressure: Pressure,
    before: Reading,
    deadline: Instant,
) -> Result<String, String> {
    loop {
        let now = match site.pressures.reading(node) {
            Some(Ok(now)) => now,
            // A container's group goes with it: so does one that the kernel has killed.
            Some(Err(why)) => return Err(format!("{node}: {why}")),
            None => return Err(format!("{node} was relieved before it felt anything")),
        };
        // Whoever presses it anew meanwhile may have begun to count anew.
        let waited = now.throttled.saturating_sub(before.throttled);
        let failed = now.failures.saturating_sub(before.failures);
        match pressure {
            Pressure::Cpu { .. } if waited > 0 => {
                return Ok(format!("{node} gets {pressure}, and was throttled in {waited} periods so far"));
            }
            Pressure::Memory { .. } if failed > 0 => {
                let (usage, most) = (now.usage >> 10, now.most >> 10);
                return Ok(format!(
                    "{node} has {usage} of {most} KiB, and wanted more {failed} times so far"
                ));
            }
            Pressure::Freeze if now.frozen => return Ok(format!("{node}'s control group is frozen")),
            _ => {}
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "{node} gets {pressure}, and did not feel it within {} ms",
                SHOWING.as_millis()
            ));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Gives every node all it wants, and starts those that the kernel has killed for want of memory.
pub async fn relieve(site: &Arc<Site>) -> Observation {
    let here = Arc::clone(site);
    let relieved = match spawn_blocking(move || here.pressures.relieve()).await {
        Ok(relieved) => relieved,
        Err(panic) => return at_once(Injection::Doubtful(panic.to_string())),
    };
    if relieved.is_empty() {
        return at_once(installed("no node was under pressure"));
    }
    let (mut seen, mut doubts, mut starved) = (Vec::new(), Vec::new(), Vec::new());
    for (node, pressure, released) in relieved {
        match released {
            Ok(()) => seen.push(format!("{node} has all it wants again")),
            Err(why) => doubts.push(format!("{node}: {why}")),
        }
        if matches!(pressure, Pressure::Memory { .. }) {
            starved.push(node);
        }
    }
    let dead = site.those(|life| !life.runs() && !life.killed && !life.starting);
    starved.retain(|node| dead.contains(node));
    if starved.is_empty() {
        return at_once(concluded(seen, doubts));
    }
    let started = processes::start(site, &starved).await;
    Box::pin(async move {
        match started.await {
            Injection::Installed(evidence) => seen.push(evidence.0),
            Injection::Skipped(why) => seen.push(why),
            Injection::Doubtful(why) => doubts.push(why),
        }
        concluded(seen, doubts)
    })
}
