//! What happens to disks: power cuts and illnesses.

use super::processes::{self, OBEYING};
use super::{Observation, at_once, concluded, installed};
use crate::daemon::was_killed;
use crate::site::Site;
use history::{Illness, Injection, NodeId, Unsynced};
use linux::disk::Counters;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// How long an illness may remain unseen.
const SHOWING: Duration = Duration::from_secs(2);

/// Why a node whose disk does not forget is spared.
const ORDINARY: &str = "has an ordinary disk: this cluster was not given disks that forget";

/// Cuts the power of these nodes. All of it is done at once: whoever starts a node again must find what the cut left.
pub async fn crash(site: &Arc<Site>, nodes: &[NodeId], unsynced: Option<Unsynced>) -> Observation {
    let (lossy, ordinary): (Vec<NodeId>, Vec<NodeId>) = nodes.iter().partition(|node| site.disks.has(**node));
    lossy.iter().for_each(|node| site.pressures.thaw(*node));
    let (victims, mut seen) = processes::signalled(site, &lossy, "already down", |daemon| daemon.kill());
    seen.extend(ordinary.iter().map(|node| format!("{node} {ORDINARY}")));
    if victims.is_empty() {
        return at_once(Injection::Skipped(seen.join(", ")));
    }
    let mut doubts = Vec::new();
    for (daemon, process) in victims {
        let (node, pid) = (daemon.node(), process.pid);
        match process.end_within(OBEYING).await {
            Some(end) if was_killed(end) => {}
            Some(end) => doubts.push(format!("{node}, process {pid}, ended by itself: {end}")),
            None => {
                doubts.push(format!("{node}, process {pid}, did not end within {} s", OBEYING.as_secs()));
                continue;
            }
        }
        match power_cut(site, node, unsynced).await {
            Ok(lost) => seen.push(format!("{node}: process {pid} gone; {lost}")),
            Err(why) => doubts.push(format!("{node}: process {pid} gone; {why}")),
        }
    }
    at_once(concluded(seen, doubts))
}

async fn power_cut(site: &Arc<Site>, node: NodeId, unsynced: Option<Unsynced>) -> Result<String, String> {
    let here = Arc::clone(site);
    match spawn_blocking(move || here.disks.cut_power(node, unsynced)).await {
        Ok(Ok((Unsynced::Lost, lost))) => Ok(lost.to_string()),
        Ok(Ok((Unsynced::Torn, lost))) => Ok(format!("torn: {lost}")),
        Ok(Err(why)) => Err(why),
        Err(panic) => Err(panic.to_string()),
    }
}

/// Makes the disks of these nodes ill.
pub async fn sicken(site: &Arc<Site>, nodes: &[NodeId], illness: Illness) -> Observation {
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for node in nodes.iter().copied() {
        if !site.disks.has(node) {
            spared.push(format!("{node} {ORDINARY}"));
            continue;
        }
        let here = Arc::clone(site);
        match spawn_blocking(move || here.disks.sicken(node, illness)).await {
            Ok(Ok(before)) => victims.push((node, before)),
            Ok(Err(error)) => spared.push(format!("{node} was spared: {error}")),
            Err(panic) => spared.push(format!("{node} was spared: {panic}")),
        }
    }
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    let site = Arc::clone(site);
    Box::pin(async move {
        let (mut seen, mut doubts, deadline) = (Vec::new(), Vec::new(), Instant::now() + SHOWING);
        for (node, before) in victims {
            match felt(&site, node, before, deadline).await {
                Some(what) => seen.push(format!("{node}'s disk: {illness}; {what} so far")),
                None => doubts.push(format!(
                    "{node}'s disk: {illness}, and nobody felt it within {} ms",
                    SHOWING.as_millis()
                )),
            }
        }
        // One that was used shows that it works; the others are ill too, and nobody has looked yet.
        match seen.is_empty() {
            true => concluded(spared, doubts),
            false => installed([seen, doubts, spared].concat().join("; ")),
        }
    })
}

/// Waits until somebody has felt that a disk is ill.
async fn felt(site: &Arc<Site>, node: NodeId, before: Counters, deadline: Instant) -> Option<String> {
    loop {
        let here = Arc::clone(site);
        let now = spawn_blocking(move || here.disks.levers.counters(node)).await.ok()?.ok()?;
        let errors = now.errors.saturating_sub(before.errors);
        let slow = now.delayed_syncs.saturating_sub(before.delayed_syncs);
        match (errors, slow) {
            (0, 0) if Instant::now() >= deadline => return None,
            (0, 0) => sleep(Duration::from_millis(10)).await,
            (0, slow) => return Some(format!("{slow} syncs were slow")),
            (errors, _) => return Some(format!("{errors} requests failed")),
        }
    }
}

/// Makes every disk well, and starts the nodes that have stopped because of theirs.
pub async fn cure(site: &Arc<Site>) -> Observation {
    let here = Arc::clone(site);
    let cured = match spawn_blocking(move || here.disks.cure()).await {
        Ok(Ok(cured)) => cured,
        Ok(Err(why)) => return at_once(Injection::Doubtful(why)),
        Err(panic) => return at_once(Injection::Doubtful(panic.to_string())),
    };
    if cured.is_empty() {
        return at_once(installed("no disk was ill"));
    }
    let names: Vec<String> = cured.iter().map(NodeId::to_string).collect();
    let well = format!("the disks of {} are well", names.join(" "));
    let stopped: Vec<NodeId> = site
        .those(|life| !life.runs() && !life.killed)
        .into_iter()
        .filter(|node| cured.contains(node))
        .collect();
    if stopped.is_empty() {
        return at_once(installed(well));
    }
    let started = processes::start(site, &stopped).await;
    Box::pin(async move {
        match started.await {
            Injection::Installed(evidence) => installed(format!("{well}; {}", evidence.0)),
            Injection::Skipped(why) => installed(format!("{well}; {why}")),
            Injection::Doubtful(why) => Injection::Doubtful(format!("{well}; {why}")),
        }
    })
}
