//! Making faults, and seeing that they happened.
//!
//! A fault has two halves. What is done is done at once, one fault after the other, in the order in which they
//! were asked for. What is observed of it takes its time, and the faults do not wait for one another's evidence.

mod clocks;
mod damages;
mod disks;
mod links;
mod members;
mod pressures;
pub mod processes;

use crate::site::Site;
use cluster::Arrival;
use history::{Evidence, Fault, FaultKind, Injection};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What will have become of a fault.
type Observation = Pin<Box<dyn Future<Output = Injection> + Send>>;

/// Makes faults in the order in which they come, for ever.
pub async fn serve(site: Arc<Site>, mut faults: mpsc::UnboundedReceiver<Fault>) {
    while let Some(fault) = faults.recv().await {
        let observation = make(&site, &fault).await;
        let arrivals = site.arrivals.clone();
        tokio::spawn(async move {
            let result = observation.await;
            // If nobody listens any more, the run is over.
            let _over = arrivals.send(Arrival::Injected { fault, result });
        });
    }
}

async fn make(site: &Arc<Site>, fault: &Fault) -> Observation {
    match fault {
        Fault::Cut { links, .. } => links::cut(site, links),
        Fault::Impair { links, trouble } => links::impair(site, links, *trouble),
        Fault::Kill { nodes } => processes::kill(site, nodes),
        Fault::Terminate { nodes } => processes::terminate(site, nodes),
        Fault::Start { nodes } => processes::start(site, nodes).await,
        Fault::Pause { nodes } => processes::pause(site, nodes),
        Fault::Resume { nodes } => processes::resume(site, nodes),
        Fault::Repair { kind: FaultKind::Partition } => links::mend(site),
        Fault::Repair { kind: FaultKind::Packets } => links::leave_alone(site),
        Fault::Repair { kind: FaultKind::Kill | FaultKind::Crash } => {
            let killed = site.those(|life| life.killed);
            if killed.is_empty() {
                at_once(installed("no node was down by our hand"))
            } else {
                processes::start(site, &killed).await
            }
        }
        Fault::Repair { kind: FaultKind::Pause } => {
            let paused = site.those(|life| life.paused);
            if paused.is_empty() {
                at_once(installed("no node was paused"))
            } else {
                processes::resume(site, &paused)
            }
        }
        Fault::Repair { kind: FaultKind::Clock } => clocks::repair(site).await,
        Fault::Repair { kind: FaultKind::Disk } => disks::cure(site).await,
        Fault::Press { nodes, pressure } => pressures::press(site, nodes, *pressure).await,
        Fault::Repair { kind: FaultKind::Pressure } => pressures::relieve(site).await,
        Fault::Damage { nodes, damage } => damages::damage(site, nodes, damage).await,
        Fault::Repair { kind: FaultKind::Damage } => damages::mend(site).await,
        Fault::Members { .. } | Fault::Repair { kind: FaultKind::Members } => members::assign(site, fault),
        Fault::Crash { nodes, unsynced } => disks::crash(site, nodes, *unsynced).await,
        Fault::Sicken { nodes, illness } => disks::sicken(site, nodes, *illness).await,
        Fault::Skew { nodes, jump_ms, rate_ppm } => clocks::skew(site, nodes, *jump_ms, *rate_ppm).await,
    }
}

/// Undoes everything that was made, for nodes that go on without us; what may be left of it.
pub async fn undo(site: &Arc<Site>) -> Vec<String> {
    let mut left = Vec::new();
    for kind in [FaultKind::Pressure, FaultKind::Pause, FaultKind::Clock, FaultKind::Kill] {
        match make(site, &Fault::Repair { kind }).await.await {
            Injection::Doubtful(why) => left.push(why),
            Injection::Installed(_) | Injection::Skipped(_) => {}
        }
    }
    left
}

fn installed(evidence: impl Into<String>) -> Injection {
    Injection::Installed(Evidence(evidence.into()))
}

fn at_once(result: Injection) -> Observation {
    Box::pin(std::future::ready(result))
}

fn concluded(seen: Vec<String>, doubts: Vec<String>) -> Injection {
    if doubts.is_empty() {
        installed(seen.join("; "))
    } else {
        Injection::Doubtful([doubts, seen].concat().join("; "))
    }
}
