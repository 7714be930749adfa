//! Making faults, and seeing that they happened.
//!
//! A fault has two halves. What is done is done at once, one fault after the other, in the order in which they
//! were asked for. What is observed of it takes its time, and the faults do not wait for one another's evidence.

use crate::daemon::{Daemon, Process, was_killed};
use crate::link::Counts;
use crate::process;
use crate::site::Site;
use cluster::{Arrival, Framing};
use history::{Evidence, Fault, FaultKind, Injection, Link, NodeId, Trouble};
use nix::sys::signal::Signal;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Why power cannot be cut here, and what to do instead.
pub const NO_CRASH: &str = "processes on this machine share its power, and what its kernel accepted survives them; \
                            use kill here, or --on sim for lost and torn writes";
/// Why clocks cannot be bent here, and what to do instead.
pub const NO_CLOCK: &str =
    "processes on this machine share its clock; use --on sim for jumping and drifting clocks";

/// How long a process may take to obey a signal.
const OBEYING: Duration = Duration::from_secs(5);
/// How long a node may take to serve again.
const STARTING: Duration = Duration::from_secs(10);
/// How long a cut or an impairment may remain unseen.
const SHOWING: Duration = Duration::from_millis(500);
/// After the first effect, how long others may take to show, so that the evidence says how wide it is.
const SETTLING: Duration = Duration::from_millis(100);

/// What will have become of a fault.
type Observation = Pin<Box<dyn Future<Output = Injection> + Send>>;
/// The victims of a signal, by process.
type Victims = Vec<(Arc<Daemon>, Process)>;

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
        Fault::Cut { links, .. } => cut(site, links),
        Fault::Impair { links, trouble } => impair(site, links, *trouble),
        Fault::Kill { nodes } => kill(site, nodes),
        Fault::Start { nodes } => start(site, nodes).await,
        Fault::Pause { nodes } => pause(site, nodes),
        Fault::Resume { nodes } => resume(site, nodes),
        Fault::Repair { kind: FaultKind::Partition } => {
            let links = site.network.all(|condition| condition.cut);
            site.network.change(&links, |condition| condition.cut = false);
            repaired(site, links)
        }
        Fault::Repair { kind: FaultKind::Packets } => {
            let links = site.network.all(|condition| condition.trouble != Trouble::default());
            site.network.change(&links, |condition| condition.trouble = Trouble::default());
            repaired(site, links)
        }
        Fault::Repair { kind: FaultKind::Kill } => {
            let killed = site.those(|life| life.killed);
            if killed.is_empty() {
                at_once(installed("no node was down by our hand"))
            } else {
                start(site, &killed).await
            }
        }
        Fault::Repair { kind: FaultKind::Pause } => {
            let paused = site.those(|life| life.paused);
            if paused.is_empty() { at_once(installed("no node was paused")) } else { resume(site, &paused) }
        }
        Fault::Repair { kind: FaultKind::Crash | FaultKind::Clock } => {
            at_once(installed("there is no such fault here"))
        }
        Fault::Crash { .. } => at_once(Injection::Skipped(NO_CRASH.to_owned())),
        Fault::Skew { .. } => at_once(Injection::Skipped(NO_CLOCK.to_owned())),
    }
}

fn installed(evidence: impl Into<String>) -> Injection {
    Injection::Installed(Evidence(evidence.into()))
}

fn at_once(result: Injection) -> Observation {
    Box::pin(std::future::ready(result))
}

fn cut(site: &Arc<Site>, links: &[Link]) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    // Of a stream that is no messages nothing is dropped; there, what is held back shows the cut.
    let swallowed = |counts: Counts| counts.dropped + counts.held;
    let before = site.network.counts(links);
    site.network.change(links, |condition| condition.cut = true);
    let (site, links) = (Arc::clone(site), links.to_vec());
    Box::pin(async move {
        let seen = watch(&site, &links, &before, swallowed).await;
        let (all, messages) = (links.len(), seen.iter().map(|counts| swallowed(*counts)).sum::<u64>());
        match seen.iter().filter(|counts| swallowed(**counts) > 0).count() {
            0 => Injection::Doubtful(format!(
                "nobody used the {all} cut links within {} ms",
                SHOWING.as_millis()
            )),
            some => installed(format!("{some} of {all} links swallowed {messages} messages")),
        }
    })
}

fn impair(site: &Arc<Site>, links: &[Link], trouble: Trouble) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    if site.network.framing() == Framing::Opaque && trouble.loss + trouble.duplicate + trouble.reorder > 0 {
        let why = "this system's messages cannot be told apart, so none can be lost, repeated or overtaken";
        return at_once(Injection::Skipped(why.to_owned()));
    }
    let before = site.network.counts(links);
    site.network.change(links, |condition| condition.trouble = trouble);
    let (site, links) = (Arc::clone(site), links.to_vec());
    Box::pin(async move {
        let seen = watch(&site, &links, &before, |counts| counts.affected()).await;
        let used = seen.iter().filter(|counts| counts.met > 0).count();
        let sum = seen.iter().fold(Counts::default(), |sum, counts| sum + *counts);
        if used == 0 {
            let (all, limit) = (links.len(), SHOWING.as_millis());
            return Injection::Doubtful(format!("nobody used the {all} impaired links within {limit} ms"));
        }
        installed(format!(
            "of {} messages on {used} of {} links {} were lost, {} delayed, {} repeated, {} overtaken, {} held",
            sum.met,
            links.len(),
            sum.lost,
            sum.delayed,
            sum.duplicated,
            sum.reordered,
            sum.held
        ))
    })
}

/// Reports which links carry messages again. They are our own proxies: that they are open again is certain, even
/// if nobody uses them.
fn repaired(site: &Arc<Site>, links: Vec<Link>) -> Observation {
    if links.is_empty() {
        return at_once(installed("no link was in trouble"));
    }
    let (site, before) = (Arc::clone(site), site.network.counts(&links));
    Box::pin(async move {
        let seen = watch(&site, &links, &before, |counts| counts.passed).await;
        let used = seen.iter().filter(|counts| counts.passed > 0).count();
        installed(format!("{} links are open again, and {used} carried messages at once", links.len()))
    })
}

/// Waits until one of these links shows an effect, and a little longer; what all of them did meanwhile.
async fn watch(
    site: &Site,
    links: &[Link],
    before: &[Counts],
    effect: impl Fn(Counts) -> u64,
) -> Vec<Counts> {
    let (deadline, mut settled) = (Instant::now() + SHOWING, None);
    loop {
        let now = site.network.counts(links);
        let since: Vec<Counts> = now.into_iter().zip(before).map(|(now, before)| now - *before).collect();
        if settled.is_none() && since.iter().any(|counts| effect(*counts) > 0) {
            settled = Some(Instant::now() + SETTLING);
        }
        if Instant::now() >= settled.unwrap_or(deadline) {
            return since;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn kill(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
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

async fn start(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    let (mut started, mut doubts, mut spared) = (Vec::new(), Vec::new(), Vec::new());
    for daemon in nodes.iter().filter_map(|node| site.daemons.get(node)) {
        if daemon.life(|life| life.runs()) {
            spared.push(format!("{} ran already", daemon.node()));
            continue;
        }
        match daemon.start(&site.spawner).await {
            Ok(pid) => started.push((Arc::clone(daemon), pid)),
            Err(error) => doubts.push(format!("{} could not be started: {error}", daemon.node())),
        }
    }
    if started.is_empty() && doubts.is_empty() {
        return at_once(Injection::Skipped(spared.join(", ")));
    }
    Box::pin(async move {
        let mut seen = spared;
        for (daemon, pid) in started {
            match daemon.serve(pid, STARTING).await {
                Ok(standing) => {
                    seen.push(format!("{}, process {pid}, serves in term {}", daemon.node(), standing.term))
                }
                Err(why) => doubts.push(format!("{}: {why}", daemon.node())),
            }
        }
        concluded(seen, doubts)
    })
}

fn pause(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
    let stop = |daemon: &Daemon| {
        daemon.signal(Signal::SIGSTOP, |life| !life.killed && !std::mem::replace(&mut life.paused, true))
    };
    let (victims, spared) = signalled(site, nodes, "down or paused already", stop);
    stopped_or_not(victims, spared, true)
}

fn resume(site: &Arc<Site>, nodes: &[NodeId]) -> Observation {
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
            let mut is_stopped = process::is_stopped(pid);
            while is_stopped == Some(!stopped) && Instant::now() < deadline {
                sleep(Duration::from_millis(2)).await;
                is_stopped = process::is_stopped(pid);
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
fn signalled(
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

fn concluded(seen: Vec<String>, doubts: Vec<String>) -> Injection {
    if doubts.is_empty() {
        installed(seen.join("; "))
    } else {
        Injection::Doubtful([doubts, seen].concat().join("; "))
    }
}
