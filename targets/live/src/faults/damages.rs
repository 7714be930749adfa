//! What happens to data behind a node's back: it is killed, its files are changed, and it is started again.

use super::{Observation, at_once, installed, processes};
use crate::daemon::Daemon;
use crate::site::Site;
use history::{Damage, Injection, NodeId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Damages the data of these nodes. All of it is done at once, and a rollback lets other faults wait for as long as it
/// looks back: whoever starts a node again must find what was done to it.
pub async fn damage(site: &Arc<Site>, nodes: &[NodeId], damage: &Damage) -> Observation {
    let (mut seen, mut victims, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    let daemons: Vec<&Arc<Daemon>> = nodes.iter().filter_map(|node| site.daemons.get(node)).collect();
    if let Damage::Rollback { after_ms } = damage {
        for daemon in &daemons {
            copies.push(copied(site, daemon).await);
        }
        sleep(Duration::from_millis(u64::from(*after_ms))).await;
    }
    let mut copies = copies.into_iter();
    for daemon in daemons {
        let node = daemon.node();
        match damaged(site, daemon, damage, copies.next()).await {
            Ok(what) => {
                victims.push(node);
                seen.push(format!("{node}: {what}"));
            }
            Err(why) => seen.push(format!("{node} was spared: {why}")),
        }
    }
    if victims.is_empty() {
        seen.extend(nodes.is_empty().then(|| "no node is named".to_owned()));
        return at_once(Injection::Skipped(seen.join(", ")));
    }
    // Those that were down start as well: the fault is one with its end.
    let (site, started) = (Arc::clone(site), processes::start(site, &victims).await);
    Box::pin(async move {
        let came = match started.await {
            Injection::Installed(evidence) => evidence.0,
            Injection::Skipped(why) | Injection::Doubtful(why) => why,
        };
        for daemon in victims.iter().filter_map(|node| site.daemons.get(node)) {
            if daemon.life(|life| life.runs() && life.serving.is_some()) {
                site.damages.accepted(daemon.node());
            }
        }
        // Whatever becomes of it, its data is damaged.
        installed(format!("{}; {came}", seen.join("; ")))
    })
}

async fn copied(site: &Arc<Site>, daemon: &Daemon) -> Result<(), String> {
    let (here, node, data) = (Arc::clone(site), daemon.node(), daemon.data().to_owned());
    let copied = spawn_blocking(move || here.damages.copy(node, &data)).await;
    copied.unwrap_or_else(|panic| Err(panic.to_string()))
}

async fn damaged(
    site: &Arc<Site>,
    daemon: &Daemon,
    damage: &Damage,
    copy: Option<Result<(), String>>,
) -> Result<String, String> {
    copy.transpose()?;
    site.pressures.thaw(daemon.node());
    if let Some(process) = daemon.kill() {
        let ended = process.end_within(processes::OBEYING).await;
        ended.ok_or_else(|| format!("it did not end within {} s", processes::OBEYING.as_secs()))?;
    }
    let (here, node, data, damage) =
        (Arc::clone(site), daemon.node(), daemon.data().to_owned(), damage.clone());
    let done = spawn_blocking(move || here.damages.damage(node, &data, &damage)).await;
    done.unwrap_or_else(|panic| Err(panic.to_string()))
}

/// Puts back the data of nodes that do not come up with what they have, and starts them. Who has served with damaged data
/// goes on with it: nobody can undo what was said since.
pub async fn mend(site: &Arc<Site>) -> Observation {
    let (mut seen, mut doubts, mut mended) = (Vec::new(), Vec::new(), Vec::new());
    for node in site.those(|life| !life.runs() && !life.starting) {
        let Some(daemon) = site.daemons.get(&node) else { continue };
        let (here, data) = (Arc::clone(site), daemon.data().to_owned());
        match spawn_blocking(move || here.damages.put_back(node, &data)).await {
            Ok(Ok(true)) => {
                seen.push(format!("{node} has its data back"));
                mended.push(node);
            }
            Ok(Ok(false)) => {}
            Ok(Err(why)) => doubts.push(format!("{node}: {why}")),
            Err(panic) => doubts.push(format!("{node}: {panic}")),
        }
    }
    if mended.is_empty() {
        seen.push("no node waits for its data".to_owned());
        return at_once(super::concluded(seen, doubts));
    }
    let started = processes::start(site, &mended).await;
    Box::pin(async move {
        match started.await {
            Injection::Installed(evidence) => seen.push(evidence.0),
            Injection::Skipped(why) => seen.push(why),
            Injection::Doubtful(why) => doubts.push(why),
        }
        super::concluded(seen, doubts)
    })
}
