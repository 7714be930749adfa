//! One client: asks one thing at a time, over connections of its own to the nodes.

use super::crew::Crew;
use cluster::{Addresses, Arrival, Client, Redirect};
use history::{Call, Doubt, NodeId, Outcome, ProcessId, Refusal};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a client that was turned away waits before it says so.
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

/// A client's connections, one for each node it has spoken to, with the process they were made to.
struct Connections {
    crew: Arc<Crew>,
    open: BTreeMap<NodeId, (u32, Box<dyn Client>)>,
}

/// Works until there are no more jobs. After an unknown outcome there will be none.
pub async fn work(process: ProcessId, mut jobs: mpsc::UnboundedReceiver<Job>, crew: Arc<Crew>) {
    let arrivals = crew.arrivals.clone();
    let mut connections = Connections { crew, open: BTreeMap::new() };
    while let Some(job) = jobs.recv().await {
        let deadline = job.deadline;
        let outcome = connections.ask(job).await;
        if let Outcome::Fail(Refusal::Unreachable | Refusal::NotLeader { .. }) = outcome {
            sleep_until(deadline.min(Instant::now() + TURNED_AWAY)).await;
        }
        if arrivals.send(Arrival::Completed { process, outcome }).is_err() {
            break;
        }
    }
}

impl Connections {
    /// Asks, and follows a node's word on who leads.
    async fn ask(&mut self, Job { node, call, deadline }: Job) -> Outcome {
        let (mut redirect, mut node) = (Redirect::new(node), node);
        loop {
            let outcome = self.ask_one(node, &call, deadline).await;
            match redirect.next(&outcome) {
                Some(next) => node = next,
                None => return outcome,
            }
        }
    }

    async fn ask_one(&mut self, node: NodeId, call: &Call, deadline: Instant) -> Outcome {
        let Some(client) = self.connect(node, deadline).await else {
            return Outcome::Fail(Refusal::Unreachable);
        };
        let outcome = timeout_at(deadline, client.call(call)).await;
        let outcome = outcome.unwrap_or(Outcome::Unknown(Doubt::Timeout));
        if outcome.is_unknown() {
            self.open.remove(&node);
        }
        outcome
    }

    /// A connection to this life of the node. Nothing has been said if there is none.
    async fn connect(&mut self, node: NodeId, deadline: Instant) -> Option<&mut Box<dyn Client>> {
        let door = self.crew.members.get(&node).and_then(|member| {
            let life = member.life();
            Some((life.pid?, life.serving?))
        });
        if self.open.get(&node).map(|(pid, _)| *pid) != door.map(|(pid, _)| pid) {
            self.open.remove(&node);
        }
        let (pid, Addresses { clients, .. }) = door?;
        if !self.open.contains_key(&node) {
            let client = timeout_at(deadline, self.crew.system.connect(clients)).await.ok()?.ok()?;
            self.open.insert(node, (pid, client));
        }
        self.open.get_mut(&node).map(|(_, client)| client)
    }
}
