//! One node's process, through all its lives.

use crate::hosts::{Door, Hosts, Offspring};
use crate::levers::Levers;
use crate::sighting::Sighting;
use cluster::{Arrival, Clock, Seat, Standing, System};
use history::{Membership, NodeId};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

/// How long the last process may take to go, whether it was killed or asked to.
const GOING: Duration = Duration::from_secs(10);

/// One node's process, through all its lives.
pub struct Daemon {
    seat: Seat,
    log: PathBuf,
    system: Arc<dyn System>,
    hosts: Arc<dyn Hosts>,
    levers: Arc<dyn Levers>,
    arrivals: mpsc::Sender<Arrival>,
    life: watch::Sender<Life>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// How a node's process stands.
#[derive(Debug, Default)]
pub struct Life {
    /// A process is being born.
    pub starting: bool,
    /// Its process, until it is reaped.
    pub process: Option<Process>,
    /// We killed it, or asked it to end; if it has no process, that is why.
    pub killed: bool,
    /// We asked it to end.
    pub asked: bool,
    /// We stopped it.
    pub paused: bool,
    /// Where it serves, once it does.
    pub serving: Option<Serving>,
    /// How its last process ended.
    pub ended: Option<ExitStatus>,
}

/// One process of a node. Whoever wants to see its end holds on to this: the node may have another by then.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number, and its group's.
    pub pid: Pid,
    end: watch::Receiver<Option<ExitStatus>>,
}

/// Where a node serves.
#[derive(Debug)]
pub struct Serving {
    /// The way for clients. It closes with this life.
    clients: Door,
    /// Where it is asked how it stands.
    control: SocketAddr,
    /// What it said last, if it still answers.
    pub standing: Option<Standing>,
    /// What its clock showed when it last said.
    pub sighting: Option<Sighting>,
}

/// What the clocks of a node showed.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Before anybody was asked.
    pub from: std::time::Instant,
    /// When it had answered.
    pub to: std::time::Instant,
    /// What the true wall clock of its host showed just before it was asked: nanoseconds since 1970.
    pub wall_ns: i64,
    /// What the node said.
    pub clock: Clock,
}

impl Life {
    /// Whether its process is meant to be there.
    pub fn runs(&self) -> bool {
        self.process.is_some() && !self.killed
    }

    fn is(&self, pid: Pid) -> bool {
        self.process.as_ref().is_some_and(|process| process.pid == pid)
    }
}

impl Process {
    /// How it ended, if it does within this time.
    pub async fn end_within(mut self, limit: Duration) -> Option<ExitStatus> {
        let ended = timeout(limit, self.end.wait_for(Option::is_some)).await;
        *ended.ok()?.ok()?
    }
}

impl Daemon {
    /// A node that has yet to be started.
    pub fn new(
        seat: Seat,
        log: PathBuf,
        system: Arc<dyn System>,
        hosts: Arc<dyn Hosts>,
        levers: Arc<dyn Levers>,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Daemon {
        Daemon {
            seat,
            log,
            system,
            hosts,
            levers,
            arrivals,
            life: watch::Sender::default(),
            keeper: Mutex::default(),
        }
    }

    /// Who it is.
    pub fn node(&self) -> NodeId {
        self.seat.node
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.seat.data
    }

    /// Looks at how it stands.
    pub fn life<T>(&self, look: impl FnOnce(&Life) -> T) -> T {
        look(&self.life.borrow())
    }

    /// Where clients reach it, and in which life: a connection to another is good for nothing.
    pub fn door(&self) -> Option<(SocketAddr, Pid)> {
        self.life(|life| Some((life.serving.as_ref()?.clients.address, life.process.as_ref()?.pid)))
    }

    /// Starts a process, once the last one, which must have been killed, is gone.
    ///
    /// # Errors
    /// If the old one does not go or the new one does not come.
    pub async fn start(self: &Arc<Self>) -> io::Result<Pid> {
        self.down_within(GOING).await?;
        self.rest();
        if let Err(error) = fs::remove_file(&self.seat.ready)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let command = self.command()?;
        let program = command.get_program().display().to_string();
        self.life.send_modify(|life| *life = Life { starting: true, ..Life::default() });
        let (tell, told) = oneshot::channel();
        let daemon = Arc::clone(self);
        let keeper = std::thread::Builder::new().name(format!("{} keeper", self.node()));
        match keeper.spawn(move || daemon.keep(command, tell)) {
            Ok(keeper) => *self.keeper() = Some(keeper),
            Err(error) => {
                self.life.send_modify(|life| life.starting = false);
                return Err(error);
            }
        }
        let born = told.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it is gone")));
        born.map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))
    }

    /// Starts a process and waits for its end: what a thread of its own does, because the process is to be
    /// killed when the thread ends.
    fn keep(&self, command: Command, tell: oneshot::Sender<io::Result<Pid>>) {
        let process = match self.hosts.spawn(self.node(), command) {
            Ok(process) => process,
            Err(error) => {
                self.life.send_modify(|life| life.starting = false);
                // If nobody waits for it any more, nobody misses it.
                let _unwanted = tell.send(Err(error));
                return;
            }
        };
        let (pid, (tell_end, end)) = (process.pid(), watch::channel(None));
        let mut unwanted = false;
        self.life.send_modify(|life| {
            life.starting = false;
            life.process = Some(Process { pid, end });
            unwanted = life.killed;
        });
        // If nobody waits for it any more, it must not live.
        if tell.send(Ok(pid)).is_err() || unwanted {
            self.signal(Signal::SIGKILL, |life| {
                life.killed = true;
                true
            });
        }
        self.bury(process, &tell_end);
    }

    fn command(&self) -> io::Result<Command> {
        let there = self.hosts.seat(&self.seat);
        let launch = self.hosts.launch(&there, self.system.launch(&there))?;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(launch.program);
        command.args(launch.args).envs(launch.env).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    fn bury(&self, mut process: Box<dyn Offspring>, tell: &watch::Sender<Option<ExitStatus>>) {
        let pid = process.pid();
        if let Err(error) = process.await_end() {
            tracing::error!("cannot wait for {}, process {pid}: {error}", self.node());
        }
        if let Err(error) = process.bring_log(&self.log) {
            tracing::warn!("the log of {}, process {pid}, stays where it is: {error}", self.node());
        }
        let lost = process.lost();
        if let Some(why) = &lost {
            tracing::warn!("{}, process {pid}: {why}", self.node());
        }
        let (mut ended, mut ours) = (None, false);
        // Reaped under the lock: whoever sends a signal under it can be sure whom the number means.
        self.life.send_modify(|life| {
            if lost.is_none() {
                ended =
                    process.wait().inspect_err(|error| tracing::error!("cannot reap {pid}: {error}")).ok();
            }
            // It may have died just before we killed it: then the death is its own. What we lost sight of ended by us.
            let obeyed = |end| was_killed(end) || life.asked && went(end);
            ours = lost.is_some() || life.killed && ended.is_none_or(obeyed);
            *life = Life { killed: life.killed, ended, ..Life::default() };
            self.hosts.locate(self.node(), None);
        });
        tell.send_replace(ended);
        if !ours {
            // If nobody listens any more, the run is over.
            let _over = self.arrivals.send(Arrival::Died { node: self.node(), how: self.epitaph() });
        }
    }

    /// Sends a signal to its process if it has one and `mark` agrees; `mark` also notes what was done.
    pub fn signal(&self, signal: Signal, mark: impl FnOnce(&mut Life) -> bool) -> Option<Process> {
        let mut signalled = None;
        self.life.send_if_modified(|life| {
            if let Some(process) = life.process.clone()
                && mark(life)
            {
                match self.levers.signal(self.seat.node, process.pid, signal) {
                    Ok(()) => signalled = Some(process),
                    Err(error) => tracing::error!("cannot send {signal} to {}: {error}", self.seat.node),
                }
            }
            signalled.is_some()
        });
        signalled
    }

    /// Kills its process, if it has one that was not killed yet. One that is being born will not live.
    pub fn kill(&self) -> Option<Process> {
        self.life.send_if_modified(|life| {
            life.killed |= life.starting;
            life.starting
        });
        self.signal(Signal::SIGKILL, |life| !std::mem::replace(&mut life.killed, true))
    }

    /// Asks its process to end, if it has one that can hear that.
    pub fn terminate(&self) -> Option<Process> {
        self.signal(Signal::SIGTERM, |life| {
            let hears = !life.killed && !life.paused;
            life.killed |= hears;
            life.asked |= hears;
            hears
        })
    }

    /// Kills this process of it, which was asked to end and does not.
    pub fn insist(&self, pid: Pid) {
        self.signal(Signal::SIGKILL, |life| life.is(pid));
    }

    /// Lets go of a node that is somebody else's: its process goes on, and we no longer wait for its end.
    pub fn leave(&self) {
        // What ends now is the waiting, and by our hand.
        self.life.send_modify(|life| life.killed = true);
        self.hosts.let_go(self.node());
    }

    /// Waits until it has no process.
    ///
    /// # Errors
    /// If it still has one after this time.
    pub async fn down_within(&self, limit: Duration) -> io::Result<()> {
        let mut life = self.life.subscribe();
        let down = timeout(limit, life.wait_for(|life| life.process.is_none() && !life.starting)).await;
        let late =
            || io::Error::new(io::ErrorKind::TimedOut, format!("its process does not end within {limit:?}"));
        down.map_or_else(|_| Err(late()), |_| Ok(()))
    }

    /// Waits until the thread that kept its last process, which is down, has let go of everything.
    pub fn rest(&self) {
        // Taken first: the lock is not held while we wait.
        let keeper = self.keeper().take();
        // If it panicked, it let go as well.
        let _panicked = keeper.map(JoinHandle::join);
    }

    fn keeper(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this process serves, and opens its door for clients.
    ///
    /// # Errors
    /// With the reason if it ends first, or takes longer than `limit`.
    pub async fn serve(self: &Arc<Self>, pid: Pid, limit: Duration) -> Result<Standing, String> {
        let deadline = Instant::now() + limit;
        let mut complaint = "it has not said that it is ready".to_owned();
        while Instant::now() < deadline {
            if self.life(|life| !life.is(pid) || life.killed) {
                return Err(format!("it ended before it was ready: {}", self.epitaph()));
            }
            let known = self.hosts.addresses(self.node());
            let said = match known {
                Some(known) => Ok(Some(known)),
                None => {
                    let brought = self.aside(|daemon| daemon.hosts.bring_ready(&daemon.seat)).await;
                    brought.and_then(|()| self.system.addresses(&self.seat))
                }
            };
            match said {
                Ok(Some(addresses)) => {
                    self.locate(pid, addresses.peers);
                    match self.ask(addresses.control, Duration::from_millis(500)).await {
                        Some(standing) => {
                            let opened =
                                self.open(pid, addresses.clients, addresses.control, standing.clone());
                            return opened.map(|()| standing);
                        }
                        None => "it does not say how it stands".clone_into(&mut complaint),
                    }
                }
                Ok(None) => {}
                Err(error) => complaint = error.to_string(),
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err(format!("{complaint} within {} s; {}", limit.as_secs(), self.epitaph()))
    }

    /// Tells the network where this life of the node is, unless it is over.
    fn locate(&self, pid: Pid, peers: SocketAddr) {
        self.life.send_if_modified(|life| {
            if life.is(pid) {
                self.hosts.locate(self.node(), Some(peers));
            }
            false
        });
    }

    fn open(&self, pid: Pid, to: SocketAddr, control: SocketAddr, standing: Standing) -> Result<(), String> {
        let clients = self.hosts.door(to).map_err(|error| error.to_string())?;
        let serving = Serving { clients, control, standing: Some(standing), sighting: None };
        let opened = self.life.send_if_modified(|life| {
            let alive = life.is(pid) && !life.killed;
            if alive {
                life.serving = Some(serving);
            }
            alive
        });
        if opened { Ok(()) } else { Err(format!("it ended as soon as it was ready: {}", self.epitaph())) }
    }

    async fn ask(&self, control: SocketAddr, limit: Duration) -> Option<Standing> {
        timeout(limit, self.system.standing(control)).await.ok().flatten()
    }

    /// Does something that may block for a while, out of the way of the runtime.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        action: impl FnOnce(&Daemon) -> T + Send + 'static,
    ) -> T {
        let daemon = Arc::clone(self);
        match spawn_blocking(move || action(&daemon)).await {
            Ok(done) => done,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is being shut down, and this task with it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether every thread of this process is stopped; `None` if there is no such process.
    pub async fn is_stopped(self: &Arc<Self>, pid: Pid) -> Option<bool> {
        self.aside(move |daemon| daemon.levers.is_stopped(daemon.seat.node, pid)).await
    }

    /// What the clocks of this process show now, if it says.
    pub async fn look(self: &Arc<Self>, pid: Pid) -> Option<Look> {
        let control =
            self.life(|life| life.serving.as_ref().filter(|_| life.is(pid)).map(|at| at.control))?;
        let from = std::time::Instant::now();
        let wall_ns = self.aside(|daemon| daemon.levers.wall(daemon.seat.node)).await.ok()?;
        let clock = self.ask(control, Duration::from_millis(150)).await?.clock?;
        Some(Look { from, to: std::time::Instant::now(), wall_ns, clock })
    }

    /// Where its process is asked how it stands.
    pub fn control(&self) -> Option<SocketAddr> {
        self.life(|life| life.serving.as_ref().map(|serving| serving.control))
    }

    /// Who it said last belongs to the cluster.
    pub fn members(&self) -> Option<Membership> {
        self.life(|life| life.serving.as_ref()?.standing.as_ref()?.members.clone())
    }

    /// Asks again and again how it stands, for ever.
    pub async fn observe(self: Arc<Self>) {
        loop {
            let asked = self.life(|life| Some((life.process.as_ref()?.pid, life.serving.as_ref()?.control)));
            if let Some((pid, control)) = asked {
                let asked = self.ask(control, Duration::from_millis(150));
                let (standing, sighting) = Sighting::of(asked).await;
                self.life.send_if_modified(|life| {
                    if life.is(pid)
                        && let Some(serving) = &mut life.serving
                    {
                        serving.standing = standing;
                        serving.sighting = sighting.or(serving.sighting);
                    }
                    false
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// How its last process ended, and its last words.
    fn epitaph(&self) -> String {
        let words = self.last_words(1).pop().unwrap_or_else(|| "none".to_owned());
        let end =
            self.life(|life| life.ended.map_or_else(|| "it runs".to_owned(), |ended| ended.to_string()));
        format!("{end}; last words: {words}")
    }

    /// The last lines of its log.
    pub fn last_words(&self, lines: usize) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(4096)..]).into_owned();
        let lines_of_it: Vec<&str> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
        lines_of_it[lines_of_it.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Whether a process ended by SIGKILL.
pub fn was_killed(ended: ExitStatus) -> bool {
    ended.signal() == Some(Signal::SIGKILL as i32)
}

/// Whether a process ended as those do that are asked to (SIGTERM): in good order, by that signal, or saying as shells and
/// virtual machines do that it was.
pub fn went(ended: ExitStatus) -> bool {
    let term = Signal::SIGTERM as i32;
    ended.success() || ended.signal() == Some(term) || ended.code() == Some(128 + term)
}
