//! One member of the cluster: its host, the agent there, and its node's process through all its lives.

use super::deploy::Cargo;
use super::remote::{Errand, News, Remote};
use super::session::Connection;
use super::{HostLine, SshOptions};
use agent::words::{self, Answer, Request, State};
use cluster::{Addresses, Arrival, HarnessError, Seat, Standing, System};
use history::NodeId;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, timeout};

/// How long a node may take to say how it stands.
const ANSWERING: Duration = Duration::from_millis(500);

/// One member of the cluster.
pub struct Member {
    /// Who it is.
    pub node: NodeId,
    /// Its host.
    pub line: HostLine,
    /// How its host is reached.
    pub options: SshOptions,
    /// Its seat as it looks on its host.
    pub there: Seat,
    /// Its directory here: its log in the end, and a copy of its ready file.
    pub here: PathBuf,
    /// Its directory there.
    pub home: String,
    system: Arc<dyn System>,
    cargo: Arc<Cargo>,
    arrivals: mpsc::Sender<Arrival>,
    lost: UnboundedSender<NodeId>,
    remote: Mutex<Option<Arc<Remote>>>,
    life: Mutex<Life>,
}

/// How a node's process stands.
#[derive(Debug, Default, Clone)]
pub struct Life {
    /// Its number on its host.
    pub pid: Option<u32>,
    /// It is meant to be down.
    pub killed: bool,
    /// It is meant to stand still.
    pub paused: bool,
    /// Where it serves, once it does.
    pub serving: Option<Addresses>,
    /// What it said last, if it still answers.
    pub standing: Option<Standing>,
    /// How its last process ended.
    pub ended: String,
}

/// What all members have in common.
pub struct Shared {
    /// What they run.
    pub system: Arc<dyn System>,
    /// The program that is deployed.
    pub cargo: Arc<Cargo>,
    /// Where everything that happens is told.
    pub arrivals: mpsc::Sender<Arrival>,
    /// Where it is told whose connection is lost.
    pub lost: UnboundedSender<NodeId>,
}

impl Member {
    /// A member whose host was not reached yet. `there.parent` is not known before.
    pub fn new(
        shared: &Shared,
        line: HostLine,
        options: SshOptions,
        there: Seat,
        home: String,
        here: PathBuf,
    ) -> Member {
        Member {
            node: there.node,
            line,
            options,
            there,
            here,
            home,
            system: Arc::clone(&shared.system),
            cargo: Arc::clone(&shared.cargo),
            arrivals: shared.arrivals.clone(),
            lost: shared.lost.clone(),
            remote: Mutex::default(),
            life: Mutex::default(),
        }
    }

    /// How its process stands.
    pub fn life(&self) -> MutexGuard<'_, Life> {
        // Nothing is done under this lock but reading and writing single values.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which host it is, for people.
    pub fn place(&self) -> String {
        format!("{} on {}", self.node, self.line.name)
    }

    /// Connects to the host, brings the program there and starts an agent. Takes its time: not for a thread of
    /// the runtime.
    ///
    /// # Errors
    /// If any of it fails.
    pub fn reach(self: &Arc<Self>) -> Result<(), HarnessError> {
        let host = Connection::open(&self.line, &self.options)?;
        let program = self.cargo.deliver(&host, &self.options.remote_dir)?;
        drop(host);
        let errand = Errand {
            program,
            home: self.home.clone(),
            lock: format!("{}/agent.lock", self.options.remote_dir),
            sudo: self.options.sudo,
            silence: self.options.silence,
        };
        let member = Arc::downgrade(self);
        let tell = move |news| {
            if let Some(member) = member.upgrade() {
                member.hear(news);
            }
        };
        let remote = Remote::open(Connection::open(&self.line, &self.options)?, &errand, tell)?;
        *self.remote() = Some(Arc::new(remote));
        Ok(())
    }

    fn remote(&self) -> MutexGuard<'_, Option<Arc<Remote>>> {
        self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the agent, which then repairs everything and ends. Takes its time.
    pub fn let_go(&self) {
        let remote = self.remote().take();
        drop(remote);
    }

    fn hear(&self, news: News) {
        match news {
            News::Ended(end) => {
                let words::End { pid, ours, how, words } = end;
                let how = format!("{how}; last words: {words}");
                let mut life = self.life();
                if life.pid != Some(pid) {
                    return;
                }
                let killed = life.killed;
                *life = Life { killed, ended: how.clone(), ..Life::default() };
                drop(life);
                if !ours {
                    // If nobody listens any more, the run is over.
                    let _over = self.arrivals.send(Arrival::Died { node: self.node, how });
                }
            }
            News::Lost(why) => {
                tracing::warn!("{}: the connection is lost: {why}", self.place());
                // Its agent kills it. That is our doing, and no fault of the system's.
                let mut life = self.life();
                *life =
                    Life { killed: life.killed, ended: "its agent killed it".to_owned(), ..Life::default() };
                drop(life);
                let _over = self.lost.send(self.node);
            }
        }
    }

    /// Gives its agent an order.
    ///
    /// # Errors
    /// Why it was not obeyed.
    pub async fn ask(&self, request: Request) -> Result<Answer, String> {
        let remote = self.remote().clone();
        let remote = remote.ok_or("its host is not connected")?;
        let limit = self.options.silence + Duration::from_secs(2);
        let late = || Err(format!("its agent does not answer within {} s", limit.as_secs()));
        timeout(limit, remote.ask(request)).await.unwrap_or_else(|_| late())
    }

    /// Starts its process.
    ///
    /// # Errors
    /// If its agent cannot.
    pub async fn start(&self) -> Result<u32, String> {
        let parent =
            self.remote().as_ref().map(|remote| remote.hello.pid).ok_or("its host is not connected")?;
        let seat = Seat { parent, ..self.there.clone() };
        let launch = self.system.launch(&seat);
        let ours = launch.program == self.cargo.path();
        let program = if ours {
            self.cargo.place(&self.options.remote_dir)
        } else {
            launch.program.display().to_string()
        };
        let line = words::Command { program, args: launch.args, env: launch.env };
        match self.ask(Request::Start(line)).await? {
            Answer::Started(pid) => {
                *self.life() = Life { pid: Some(pid), ..Life::default() };
                Ok(pid)
            }
            other => Err(format!("its agent answered {other:?}")),
        }
    }

    /// Waits until this process serves.
    ///
    /// # Errors
    /// With the reason if it ends first, or takes longer than `limit`.
    pub async fn serve(&self, pid: u32, limit: Duration) -> Result<Standing, String> {
        let deadline = Instant::now() + limit;
        let mut complaint = "it has not said that it is ready".to_owned();
        while Instant::now() < deadline {
            if self.life().pid != Some(pid) {
                return Err(format!("it ended before it was ready: {}", self.life().ended));
            }
            match self.addresses().await {
                Ok(Some(addresses)) => match self.say(addresses).await {
                    Some(standing) => {
                        let mut life = self.life();
                        if life.pid == Some(pid) {
                            (life.serving, life.standing) = (Some(addresses), Some(standing));
                            return Ok(standing);
                        }
                    }
                    None => complaint = format!("nobody answers at {}", addresses.control),
                },
                Ok(None) => {}
                Err(why) => complaint = why,
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(format!("{complaint} within {} s", limit.as_secs()))
    }

    /// Where it says that it serves. A system reads ready files where it is itself, so this one is brought here.
    async fn addresses(&self) -> Result<Option<Addresses>, String> {
        let Answer::Ready(Some(text)) = self.ask(Request::Ready).await? else { return Ok(None) };
        let ready = self.here.join("ready");
        fs::write(&ready, text).map_err(|why| format!("{}: {why}", ready.display()))?;
        let seat = Seat { ready, ..self.there.clone() };
        self.system.addresses(&seat).map_err(|why| why.to_string())
    }

    async fn say(&self, addresses: Addresses) -> Option<Standing> {
        timeout(ANSWERING, self.system.standing(addresses.control)).await.ok().flatten()
    }

    /// Asks again and again how it stands, for ever.
    pub async fn observe(self: Arc<Self>) {
        loop {
            let asked = {
                let life = self.life();
                life.pid.zip(life.serving)
            };
            if let Some((pid, addresses)) = asked {
                let standing = self.say(addresses).await;
                let mut life = self.life();
                if life.pid == Some(pid) {
                    life.standing = standing;
                }
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Kills its process, fetches its log, and removes its directory from its host.
    ///
    /// # Errors
    /// What may be left there, and why.
    pub async fn clear(&self) -> Result<(), String> {
        self.life().killed = true;
        let killed = self.ask(Request::Kill).await?;
        if !matches!(killed, Answer::Process(words::Standing { state: State::Gone, .. })) {
            return Err(format!("its process is still there: {killed:?}"));
        }
        self.fetch_log().await?;
        self.ask(Request::Wipe).await.map(|_| ())
    }

    async fn fetch_log(&self) -> Result<(), String> {
        let (mut log, mut begin) = (String::new(), 0);
        while let Answer::Log { text, next } = self.ask(Request::Log(begin)).await? {
            if text.is_empty() {
                break;
            }
            log.push_str(&text);
            begin = next;
        }
        let path = self.here.join("node.log");
        fs::write(&path, log).map_err(|why| format!("{}: {why}", path.display()))
    }
}
