//! Who takes part: an administrator at work.

use super::{Observation, processes};
use crate::site::Site;
use cluster::{Chore, Operator};
use history::{Change, Fault, Injection, NodeId, Time};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often the administrator looks.
const PACE: Duration = Duration::from_millis(50);
/// How long a node may take to hear a wish.
const HEARING: Duration = Duration::from_millis(200);

/// The administrator is told what to do next; what it was at it leaves.
pub fn assign(site: &Arc<Site>, fault: &Fault) -> Observation {
    let (site, fault, task) = (Arc::clone(site), fault.clone(), site.members.assign());
    Box::pin(async move {
        let _office = site.members.office.lock().await;
        administer(&site, &fault, task).await
    })
}

async fn administer(site: &Arc<Site>, fault: &Fault, task: u64) -> Injection {
    let begin = Instant::now();
    let now = || Time::ZERO + begin.elapsed();
    let Some(operator) = Operator::new(fault, site.members.size, Time::ZERO) else {
        return Injection::Skipped("this is not the business of an administrator".to_owned());
    };
    loop {
        look(site);
        if !site.members.is_latest(task) {
            return site
                .members
                .staff(|staff| operator.result(staff, now()).unwrap_or_else(|| operator.superseded(staff)));
        }
        for chore in site.members.staff(|staff| operator.chores(staff)) {
            match chore {
                Chore::Employ(node) => employ(site, node).await,
                Chore::Dismiss(node) => dismiss(site, node).await,
                Chore::Wish(change) => wish(site, change).await,
            }
        }
        if let Some(result) = site.members.staff(|staff| operator.result(staff, now())) {
            return result;
        }
        sleep(PACE).await;
    }
}

/// Hears what every node said last of the members.
fn look(site: &Site) {
    for daemon in site.daemons.values() {
        if let Some(said) = daemon.members() {
            site.members.staff(|staff| staff.hear(said));
        }
    }
}

/// A node that does not come is seen by what the system says of it.
async fn employ(site: &Arc<Site>, node: NodeId) {
    let came = processes::start(site, &[node]).await.await;
    tracing::debug!("{node} is to join: {came}");
}

async fn dismiss(site: &Arc<Site>, node: NodeId) {
    let went = processes::kill(site, &[node]).await;
    tracing::debug!("{node} has left: {went}");
}

/// Tells everyone who leads.
async fn wish(site: &Site, change: Change) {
    for leader in site.primaries() {
        let Some(control) = site.daemons.get(&leader).and_then(|daemon| daemon.control()) else { continue };
        let heard = timeout(HEARING, site.system.wish(control, change)).await.unwrap_or(false);
        tracing::debug!("{leader} was told to {change}, heard: {heard}");
    }
}
