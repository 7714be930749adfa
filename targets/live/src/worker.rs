//! One client: asks one thing at a time.

use crate::site::Site;
use cluster::{Arrival, Client, Redirect};
use history::{Call, Doubt, NodeId, Outcome, ProcessId, Refusal, Ticket};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a client that was turned away waits before it says so: a cluster without a leader is not asked a
/// hundred thousand times a second.
const TURNED_AWAY: Duration = Duration::from_millis(10);

/// One call.
#[derive(Debug)]
pub struct Job {
    /// Whom to ask first.
    pub node: NodeId,
    /// What.
    pub call: Call,
    /// When the client's patience ends.
    pub deadline: Instant,
}

/// One life of a node, and where it is reached.
type Door = (SocketAddr, Pid);

/// A client's connections, one for each node it has spoken to, with the lives they were made to.
struct Connections {
    site: Arc<Site>,
    open: BTreeMap<NodeId, (Door, Box<dyn Client>)>,
}

/// Works until there are no more jobs. After an unknown outcome there will be none.
pub async fn work(process: ProcessId, mut jobs: mpsc::UnboundedReceiver<Job>, site: Arc<Site>) {
    let arrivals = site.arrivals.clone();
    let mut connections = Connections { site, open: BTreeMap::new() };
    let mut ticket = Ticket { process, number: 0 };
    while let Some(job) = jobs.recv().await {
        let deadline = job.deadline;
        ticket.number += 1;
        let outcome = connections.ask(ticket, job).await;
        if let Outcome::Fail(Refusal::Unreachable | Refusal::NotLeader { .. }) = outcome {
            sleep_until(deadline.min(Instant::now() + TURNED_AWAY)).await;
        }
        if arrivals.send(Arrival::Completed { process, outcome }).is_err() {
            break;
        }
    }
}

impl Connections {
    /// Asks, and follows a node's word on who leads; or insists.
    async fn ask(&mut self, ticket: Ticket, Job { node, call, deadline }: Job) -> Outcome {
        let (mut redirect, mut node) = (Redirect::new(node), node);
        // What a node says of itself no other can say.
        if self.site.system.insists() && !call.is_about_the_node() {
            redirect = redirect.insisting(self.site.daemons.keys().copied().collect());
        }
        loop {
            let outcome = self.ask_one(node, ticket, &call, deadline).await;
            match redirect.next(&outcome) {
                Some((next, pause)) if Instant::now() + pause < deadline => {
                    node = next;
                    if !pause.is_zero() {
                        sleep_until(Instant::now() + pause).await;
                    }
                }
                _ => return redirect.conclude(outcome),
            }
        }
    }

    async fn ask_one(&mut self, node: NodeId, ticket: Ticket, call: &Call, deadline: Instant) -> Outcome {
        let Some((address, _)) = self.connect(node, deadline).await else {
            return Outcome::Fail(Refusal::Unreachable);
        };
        let Some((_, client)) = self.open.get_mut(&node) else {
            return Outcome::Fail(Refusal::Unreachable);
        };
        let asked = timeout_at(deadline, client.call(ticket, call)).await;
        let outcome = asked.unwrap_or(Outcome::Unknown(Doubt::Timeout));
        if outcome.is_unknown() {
            tracing::debug!("{node} at {address}: {call}: {outcome}");
            self.open.remove(&node);
        }
        outcome
    }

    /// Sees to it that there is a connection to this life of the node. Nothing has been said if there is none.
    async fn connect(&mut self, node: NodeId, deadline: Instant) -> Option<Door> {
        let door = self.site.daemons.get(&node).and_then(|daemon| daemon.door());
        let open = self.open.get(&node).map(|(door, _)| *door);
        if open.is_some() && open == door {
            return door;
        }
        self.open.remove(&node);
        let client = timeout_at(deadline, self.site.system.connect(door?.0)).await.ok()?.ok()?;
        self.open.insert(node, (door?, client));
        door
    }
}
