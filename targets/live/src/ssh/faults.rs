//! Making faults on the hosts, and seeing that they happened.
//!
//! What is done is done in the order in which it was asked for; what is observed of it takes its time, and the
//! faults do not wait for one another's evidence.

use super::crew::Crew;
use super::member::Member;
use agent::words::{Answer, Request, State};
use cluster::Arrival;
use history::{Evidence, Fault, FaultKind, Injection, Link, NodeId};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a cut may remain unseen.
const SHOWING: Duration = Duration::from_secs(1);
/// After the first effect, how long others may take to show, so that the evidence says how wide it is.
const SETTLING: Duration = Duration::from_millis(200);
/// How long a node may take to serve again.
const STARTING: Duration = Duration::from_secs(10);

/// What will have become of a fault.
type Observation = Pin<Box<dyn Future<Output = Injection> + Send>>;

/// Makes faults in the order in which they come, for ever.
pub async fn serve(crew: Arc<Crew>, mut faults: UnboundedReceiver<Fault>) {
    while let Some(fault) = faults.recv().await {
        let observation = make(&crew, &fault).await;
        let arrivals = crew.arrivals.clone();
        tokio::spawn(async move {
            let result = observation.await;
            // If nobody listens any more, the run is over.
            let _over = arrivals.send(Arrival::Injected { fault, result });
        });
    }
}

async fn make(crew: &Arc<Crew>, fault: &Fault) -> Observation {
    match fault {
        Fault::Cut { links, .. } => cut(crew, links).await,
        Fault::Kill { nodes } => kill(crew, nodes).await,
        Fault::Start { nodes } => start(crew, nodes).await,
        Fault::Pause { nodes } => hold(crew, nodes, true).await,
        Fault::Resume { nodes } => hold(crew, nodes, false).await,
        Fault::Repair { kind: FaultKind::Partition } => heal(crew).await,
        Fault::Repair { kind: FaultKind::Kill } => {
            let killed = crew.those(|life| life.killed);
            if killed.is_empty() {
                at_once(installed("no node was down by our hand"))
            } else {
                start(crew, &killed).await
            }
        }
        Fault::Repair { kind: FaultKind::Pause } => {
            let paused = crew.those(|life| life.paused);
            if paused.is_empty() {
                at_once(installed("no node was paused"))
            } else {
                hold(crew, &paused, false).await
            }
        }
        Fault::Repair { .. } => at_once(installed("there is no such fault here")),
        other => at_once(Injection::Skipped(format!("{} faults are not made over ssh", other.kind()))),
    }
}

/// Orders every host at once; what each said.
async fn all(
    crew: &Crew,
    orders: BTreeMap<NodeId, Request>,
) -> BTreeMap<NodeId, (Arc<Member>, Result<Answer, String>)> {
    let mut asking = JoinSet::new();
    for (node, order) in orders {
        if let Some(member) = crew.members.get(&node).cloned() {
            asking.spawn(async move { (node, (Arc::clone(&member), member.ask(order).await)) });
        }
    }
    asking.join_all().await.into_iter().collect()
}

/// Who may not be heard on each host: the data addresses of those that are cut off from it.
fn sources(crew: &Crew, links: &[Link]) -> BTreeMap<NodeId, Vec<IpAddr>> {
    let mut sources: BTreeMap<NodeId, Vec<IpAddr>> = BTreeMap::new();
    for link in links {
        if let Some(from) = crew.members.get(&link.from) {
            sources.entry(link.to).or_default().push(from.there.listen);
        }
    }
    sources
}

/// A packet of our own for each link, so that a cut is seen even if nobody uses the link.
fn knocks(crew: &Crew, links: &[Link]) -> BTreeMap<NodeId, Request> {
    let mut doors: BTreeMap<NodeId, Vec<IpAddr>> = BTreeMap::new();
    for link in links {
        if let Some(to) = crew.members.get(&link.to) {
            doors.entry(link.from).or_default().push(to.there.listen);
        }
    }
    let knock = |(node, at)| {
        let from = crew.members.get(&node)?.there.listen;
        Some((node, Request::Knock { from, at }))
    };
    doors.into_iter().filter_map(knock).collect()
}

async fn cut(crew: &Arc<Crew>, links: &[Link]) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    crew.cuts().extend(links);
    let before = drops(crew, links).await;
    let orders = sources(crew, links).into_iter().map(|(node, sources)| (node, Request::Cut(sources)));
    let begin = Instant::now();
    let said = all(crew, orders.collect()).await;
    let made = begin.elapsed();
    let doubts: Vec<String> = said.values().filter_map(|(member, said)| complaint(member, said)).collect();
    // Whoever refuses to send is not what is asked about here: the counters will tell.
    let _sent = all(crew, knocks(crew, links)).await;
    let (crew, links) = (Arc::clone(crew), links.to_vec());
    Box::pin(async move {
        let seen = watch(&crew, &links, &before).await;
        let (used, packets) = (seen.len(), seen.values().sum::<u64>());
        let evidence = format!(
            "{used} of {} links dropped {packets} packets, made within {:.1} ms",
            links.len(),
            made.as_secs_f64() * 1e3
        );
        match (doubts.is_empty(), used) {
            (true, 0) => Injection::Doubtful(format!(
                "none of the {} cut links dropped anything within {} ms, not even a packet of ours",
                links.len(),
                SHOWING.as_millis()
            )),
            (true, _) => installed(evidence),
            (false, _) => Injection::Doubtful(format!("{}; {evidence}", doubts.join("; "))),
        }
    })
}

/// What each of these links dropped so far.
async fn drops(crew: &Crew, links: &[Link]) -> BTreeMap<Link, u64> {
    let orders = links.iter().map(|link| (link.to, Request::Drops)).collect();
    let said = all(crew, orders).await;
    let dropped = links.iter().filter_map(|link| {
        let Some((_, Ok(Answer::Drops(drops)))) = said.get(&link.to) else { return None };
        let from = crew.members.get(&link.from)?.there.listen;
        drops.get(&from).map(|count| (*link, *count))
    });
    dropped.collect()
}

/// Waits until one of these links has dropped something, and a little longer; those that have, and how much.
async fn watch(crew: &Crew, links: &[Link], before: &BTreeMap<Link, u64>) -> BTreeMap<Link, u64> {
    let (deadline, mut settled) = (Instant::now() + SHOWING, None);
    loop {
        let since = |(link, now): (Link, u64)| (link, now - before.get(&link).copied().unwrap_or(0).min(now));
        let now = drops(crew, links).await;
        let seen: BTreeMap<Link, u64> = now.into_iter().map(since).filter(|(_, count)| *count > 0).collect();
        if settled.is_none() && !seen.is_empty() {
            settled = Some(Instant::now() + SETTLING);
        }
        if Instant::now() >= settled.unwrap_or(deadline) {
            return seen;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn heal(crew: &Arc<Crew>) -> Observation {
    let cuts = std::mem::take(&mut *crew.cuts());
    if cuts.is_empty() {
        return at_once(installed("no link was cut"));
    }
    let links: Vec<Link> = cuts.into_iter().collect();
    let swallowed: u64 = drops(crew, &links).await.values().sum();
    let orders = links.iter().map(|link| (link.to, Request::Heal)).collect();
    let begin = Instant::now();
    let said = all(crew, orders).await;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let doubts: Vec<String> = said.values().filter_map(|(member, said)| complaint(member, said)).collect();
    let hosts = said.len();
    let seen = format!(
        "{} links are open again on {hosts} hosts within {took:.1} ms; they had dropped {swallowed} packets",
        links.len()
    );
    at_once(concluded(vec![seen], doubts))
}

async fn kill(crew: &Arc<Crew>, nodes: &[NodeId]) -> Observation {
    let (victims, spared) = select(crew, nodes, "already down", |life| {
        life.pid.is_some() && !std::mem::replace(&mut life.killed, true)
    });
    let said = all(crew, victims.into_iter().map(|node| (node, Request::Kill)).collect()).await;
    let mut doubts = Vec::new();
    let mut seen = spared.clone();
    for (member, said) in said.values() {
        match said {
            Ok(Answer::Process(process)) => {
                seen.push(format!("{}, process {}, is gone", member.place(), process.pid));
            }
            _ => doubts.extend(complaint(member, said)),
        }
    }
    at_once(if said.is_empty() { Injection::Skipped(spared.join(", ")) } else { concluded(seen, doubts) })
}

async fn hold(crew: &Arc<Crew>, nodes: &[NodeId], stopped: bool) -> Observation {
    let otherwise = if stopped { "down or paused already" } else { "not paused" };
    let (victims, spared) = select(crew, nodes, otherwise, |life| {
        let changes = life.pid.is_some() && !life.killed && life.paused != stopped;
        if changes {
            life.paused = stopped;
        }
        changes
    });
    let order = || if stopped { Request::Pause } else { Request::Resume };
    let said = all(crew, victims.into_iter().map(|node| (node, order())).collect()).await;
    let (mut seen, mut doubts) = (spared.clone(), Vec::new());
    for (member, said) in said.values() {
        match said {
            Ok(Answer::Process(process)) => seen.push(match process.state {
                State::Stopped => {
                    format!(
                        "every thread of {}, process {}, is stopped (state T)",
                        member.place(),
                        process.pid
                    )
                }
                _ => format!("{}, process {}, runs", member.place(), process.pid),
            }),
            _ => doubts.extend(complaint(member, said)),
        }
    }
    at_once(if said.is_empty() { Injection::Skipped(spared.join(", ")) } else { concluded(seen, doubts) })
}

async fn start(crew: &Arc<Crew>, nodes: &[NodeId]) -> Observation {
    let (victims, mut seen) =
        select(crew, nodes, "running already", |life| life.pid.is_none() || life.killed);
    let mut starting = JoinSet::new();
    for member in victims.iter().filter_map(|node| crew.members.get(node)).cloned() {
        starting.spawn(async move { (member.start().await, member) });
    }
    let started = starting.join_all().await;
    if started.is_empty() {
        return at_once(Injection::Skipped(seen.join(", ")));
    }
    Box::pin(async move {
        let mut doubts = Vec::new();
        for (pid, member) in started {
            let served = match pid {
                Ok(pid) => member.serve(pid, STARTING).await.map(|standing| (pid, standing)),
                Err(why) => Err(why),
            };
            match served {
                Ok((pid, standing)) => {
                    seen.push(format!("{}, process {pid}, serves in term {}", member.place(), standing.term));
                }
                Err(why) => doubts.push(format!("{}: {why}", member.place())),
            }
        }
        concluded(seen, doubts)
    })
}

/// The nodes whose lives agree, which also note it; and what is to be said of the others.
fn select(
    crew: &Crew,
    nodes: &[NodeId],
    otherwise: &str,
    agree: impl Fn(&mut super::member::Life) -> bool,
) -> (Vec<NodeId>, Vec<String>) {
    let (mut victims, mut spared) = (Vec::new(), Vec::new());
    for member in nodes.iter().filter_map(|node| crew.members.get(node)) {
        if agree(&mut member.life()) {
            victims.push(member.node);
        } else {
            spared.push(format!("{} was {otherwise}", member.node));
        }
    }
    if nodes.is_empty() {
        spared.push("no node is named".to_owned());
    }
    (victims, spared)
}

fn complaint(member: &Member, said: &Result<Answer, String>) -> Option<String> {
    match said {
        Ok(Answer::Done | Answer::Process(_)) => None,
        Ok(other) => Some(format!("{}: its agent answered {other:?}", member.place())),
        Err(why) => Some(format!("{}: {why}", member.place())),
    }
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
