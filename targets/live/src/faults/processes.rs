//! What happens to processes: killed, started, frozen, thawed.

use super::{Observation, at_once, clocks, concluded, pressures};
use crate::daemon::{Daemon, Process, was_killed, went};
use crate::site::Site;
use history::{Injection, NodeId};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a process may take to obey a signal.
pub const OBEYING: Duration = Duration::from_secs(5);
/// How long a node may take to serve again.
const STARTING: Duration = Duration::from_secs(10);
/// The victims of a signal, by process.
pub type Victims = Vec<(Arc<Daemon>, Process)>;

pub fn kill(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    // Who is frozen does not even die.
    nodes.iter().for_each(|node| site.pressures.thaw(*node));
    let (victims, spared) = signalled(site, nodes, "already down", |daemon| daemon.kill());
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    Box::pin(async move {
        let (mut seen, mut doubts) = (spared, Vec::new());
        for (daemon, process) in victims {
            let who = format!("{}, process {},", daemon.node(), process.pid);
            match process.end_within(OBEYING).await {
                Some(end) if was_killed(end) => seen.push(format!("{who} ended: {end}")),
                Some(end) => doubts.push(format!("{who} ended by itself: {end}")),
                None => doubts.push(format!("{who} did not end within {} s", OBEYING.as_secs())),
            }
        }
        concluded(seen, doubts)
    })
}

/// Asks these nodes to end, and kills those who do not in time.
pub fn terminate(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    // Who is frozen does not hear anything.
    nodes.iter().for_each(|node| site.pressures.thaw(*node));
    let (victims, spared) = signalled(site, nodes, "paused or already down", |daemon| daemon.terminate());
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    let asked = Instant::now();
    Box::pin(async move {
        let (mut seen, mut doubts) = (spared, Vec::new());
        for (daemon, process) in victims {
            let who = format!("{}, process {}, which was asked to end,", daemon.node(), process.pid);
            let end = process.clone().end_within(OBEYING.saturating_sub(asked.elapsed())).await;
            match end {
                Some(end) if went(end) => {
                    seen.push(format!("{who} did so within {} ms: {end}", asked.elapsed().as_millis()));
                }
                Some(end) => doubts.push(format!("{who} ended otherwise: {end}")),
                None => {
                    daemon.insist(process.pid);
                    let gone = process.end_within(OBEYING).await.is_some();
                    let then = if gone { "and was killed" } else { "nor when it was killed" };
                    doubts.push(format!("{who} did not within {} s, {then}", OBEYING.as_secs()));
                }
            }
        }
        concluded(seen, doubts)
    })
}

pub async fn start(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    let (mut started, mut doubts, mut spared) = (Vec::new(), Vec::new(), Vec::new());
    for daemon in nodes.iter().filter_map(|node| site.daemons.get(node)) {
        if daemon.life(|life| life.runs()) {
            spared.push(format!("{} ran already", daemon.node()));
            continue;
        }
        match daemon.start().await {
            Ok(pid) => started.push((Arc::clone(daemon), pid, clocks::again(site, daemon, pid).await)),
            Err(error) => doubts.push(format!("{} could not be started: {error}", daemon.node())),
        }
    }
    if started.is_empty() && doubts.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    let site = Arc::clone(site);
    Box::pin(async move {
        let mut seen = spared;
        for (daemon, pid, bent) in started {
            match daemon.serve(pid, STARTING).await {
                Ok(standing) => {
                    seen.push(format!("{}, process {pid}, serves in term {}", daemon.node(), standing.term))
                }
                Err(why) => doubts.push(format!("{}: {why}", daemon.node())),
            }
            match pressures::again(&site, &daemon).await {
                None => {}
                Some(Ok(how)) => seen.push(how),
                Some(Err(why)) => doubts.push(why),
            }
            match bent {
                None => {}
                Some(Err(why)) => doubts.push(why),
                Some(Ok(victim)) => match victim.witness().await {
                    Ok(evidence) => seen.push(evidence),
                    Err(doubt) => doubts.push(doubt),
                },
            }
        }
        concluded(seen, doubts)
    })
}

pub fn pause(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    let stop = |daemon: &Daemon| {
        if site.pressures.is_frozen(daemon.node()) {
            return None;
        }
        daemon.signal(Signal::SIGSTOP, |life| !life.killed && !std::mem::replace(&mut life.paused, true))
    };
    let (victims, spared) = signalled(site, nodes, "down, frozen or paused already", stop);
    stopped_or_not(victims, spared, true)
}

pub fn resume(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    let go_on = |daemon: &Daemon| daemon.signal(Signal::SIGCONT, |life| std::mem::take(&mut life.paused));
    let (victims, spared) = signalled(site, nodes, "not paused", go_on);
    stopped_or_not(victims, spared, false)
}

fn stopped_or_not(victims: Victims, spared: Vec<String>, stopped: bool) -> Observation {
    if victims.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    Box::pin(async move {
        let (mut seen, mut doubts, deadline) = (spared, Vec::new(), Instant::now() + OBEYING);
        for (daemon, Process { pid, .. }) in victims {
            let mut is_stopped = daemon.is_stopped(pid).await;
            while is_stopped == Some(!stopped) && Instant::now() < deadline {
                sleep(Duration::from_millis(2)).await;
                is_stopped = daemon.is_stopped(pid).await;
            }
            let node = daemon.node();
            match is_stopped {
                Some(true) => {
                    seen.push(format!("every thread of {node}, process {pid}, is stopped (state T)"))
                }
                Some(false) => seen.push(format!("{node}, process {pid}, runs")),
                None => doubts.push(format!("{node}, process {pid}, is gone")),
            }
            if is_stopped == Some(!stopped) {
                doubts.push(format!("{node} did not obey within {} s", OBEYING.as_secs()));
            }
        }
        concluded(seen, doubts)
    })
}

/// Signals each of these nodes; those that were, and what is to be said of the others.
pub fn signalled(
    site: &Site,
    nodes: &[NodeId],
    otherwise: &str,
    signal: impl Fn(&Daemon) -> Option<Process>,
) -> (Victims, Vec<String>) {
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for daemon in nodes.iter().filter_map(|node| site.daemons.get(node)) {
        match signal(daemon) {
            Some(process) => victims.push((Arc::clone(daemon), process)),
            None => spared.push(format!("{} was {otherwise}", daemon.node())),
        }
    }
    if nodes.is_empty() {
        spared.push("no node is named".to_owned());
    }
    (victims, spared)
}
