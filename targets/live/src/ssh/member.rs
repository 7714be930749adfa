//! One host of the cluster, the agent there, and the processes of its node.

use super::deploy::Cargo;
use super::remote::{Errand, News, Pending, Remote};
use super::session::Connection;
use super::{HostLine, SshOptions};
use crate::hosts::Offspring;
use agent::words::{Answer, Command as Line, Condition, Request};
use cluster::HarnessError;
use history::NodeId;
use linux::disk::Trouble;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// The first pause between two attempts to reach a host again. It doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// One host of the cluster.
pub struct Member {
    /// Whose host it is.
    pub node: NodeId,
    /// Which host.
    pub line: HostLine,
    /// Where its peers and clients reach its node.
    pub listen: IpAddr,
    /// The node's directory there.
    pub home: String,
    options: Arc<SshOptions>,
    cargo: Arc<Cargo>,
    remote: Mutex<Option<Arc<Remote>>>,
    news: Mutex<Heard>,
    heard: Condvar,
    meant: Mutex<Meant>,
    /// How much of the node's log is here already.
    logged: Mutex<u64>,
}

/// What was heard of a host without being asked for.
#[derive(Default)]
struct Heard {
    /// How often it was connected.
    connections: u64,
    /// The last connection that was lost, and why.
    lost: (u64, String),
    /// How processes ended, until whoever waits for it takes it.
    ended: BTreeMap<u32, Option<i32>>,
    /// Who is told when the connection is lost.
    tell: Option<UnboundedSender<NodeId>>,
}

/// What is meant to be so on a host, whatever becomes of its agent.
#[derive(Debug, Default)]
struct Meant {
    paths: BTreeMap<IpAddr, Condition>,
    seed: u64,
    /// What is wrong with the disk, if it is one that forgets.
    disk: Option<Trouble>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under these locks but reading and writing single values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    /// A host that was not reached yet. `seed` decides the dice there.
    pub fn new(
        (node, line): (NodeId, HostLine),
        (options, cargo): (Arc<SshOptions>, Arc<Cargo>),
        home: String,
        seed: u64,
    ) -> Result<Member, HarnessError> {
        let (listen, meant) = (line.data()?, Mutex::new(Meant { seed, ..Meant::default() }));
        let (remote, news, heard, logged) =
            (Mutex::default(), Mutex::default(), Condvar::new(), Mutex::default());
        Ok(Member { node, line, listen, home, options, cargo, remote, news, heard, meant, logged })
    }

    /// Which host it is, for people.
    pub fn place(&self) -> String {
        format!("{} on {}", self.node, self.line.name)
    }

    /// From now on, tells when the connection is lost.
    pub fn watch(&self, tell: UnboundedSender<NodeId>) {
        locked(&self.news).tell = Some(tell);
    }

    /// Connects to the host, brings the program there and starts an agent.
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
        let connection = {
            let mut news = locked(&self.news);
            news.connections += 1;
            news.connections
        };
        let member = Arc::downgrade(self);
        let tell = move |news| {
            if let Some(member) = member.upgrade() {
                member.hear(news, connection);
            }
        };
        let remote = Remote::open(Connection::open(&self.line, &self.options)?, &errand, tell)?;
        *locked(&self.remote) = Some(Arc::new(remote));
        Ok(())
    }

    fn hear(&self, news: News, connection: u64) {
        let mut heard = locked(&self.news);
        match news {
            News::Ended(end) => drop(heard.ended.insert(end.pid, end.status)),
            News::Lost(why) => {
                tracing::warn!("{}: the connection is lost: {why}", self.place());
                heard.lost = (connection, why);
                if let Some(tell) = &heard.tell {
                    // If nobody listens any more, the run is over.
                    let _over = tell.send(self.node);
                }
            }
        }
        self.heard.notify_all();
    }

    /// Whether its agent is there, as far as we know.
    pub fn is_connected(&self) -> bool {
        let heard = locked(&self.news);
        heard.lost.0 < heard.connections
    }

    /// Lets go of the agent, which then repairs everything and ends.
    pub fn let_go(&self) {
        let remote = locked(&self.remote).take();
        drop(remote);
    }

    /// Reaches it again after its connection was lost, and makes everything there as it is meant to be, but for the
    /// node's process: its agent has repaired everything meanwhile.
    ///
    /// # Errors
    /// If it cannot be reached within the user's patience, or does not obey.
    pub fn recover(self: &Arc<Self>) -> Result<(), HarnessError> {
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            self.let_go();
            match self.reach() {
                Ok(()) => break,
                Err(error) if begin.elapsed() > self.options.patience => return Err(error),
                Err(error) => tracing::debug!("{}: {error}", self.place()),
            }
            thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        let (conditions, seed, disk) = {
            let meant = locked(&self.meant);
            (meant.paths.clone(), meant.seed, meant.disk)
        };
        let mut orders = vec![Request::Paths { conditions, seed }];
        if let Some(trouble) = disk {
            orders.extend([Request::Mount, Request::Sicken(trouble)]);
        }
        let failed = |why| HarnessError::new(format!("restore {}", self.place()), why);
        orders.into_iter().try_for_each(|order| self.ask(order).map(drop).map_err(failed))
    }

    /// Gives its agent an order.
    ///
    /// # Errors
    /// If it is not connected.
    pub fn order(&self, request: Request) -> Result<Pending, String> {
        let remote = locked(&self.remote).clone();
        Ok(remote.ok_or("its host is not connected")?.order(request))
    }

    /// Gives its agent an order, and waits for the answer.
    ///
    /// # Errors
    /// Why it was not obeyed.
    pub fn ask(&self, request: Request) -> Result<Answer, String> {
        self.order(request)?.wait()
    }

    /// From now on, what comes in there from these addresses is to be treated like this.
    ///
    /// # Errors
    /// If it is not connected; then it will be so when it is again.
    pub fn treat(&self, conditions: BTreeMap<IpAddr, Condition>) -> Result<Pending, String> {
        let seed = {
            let mut meant = locked(&self.meant);
            meant.paths.extend(&conditions);
            meant.seed
        };
        self.order(Request::Paths { conditions, seed })
    }

    /// Gives the node a disk that forgets, in this trouble.
    ///
    /// # Errors
    /// If there can be none.
    pub fn mount(&self) -> Result<(), String> {
        self.ask(Request::Mount)?;
        locked(&self.meant).disk = Some(Trouble::default());
        Ok(())
    }

    /// From now on this is to be wrong with its disk.
    ///
    /// # Errors
    /// As [`Member::treat`].
    pub fn sicken(&self, trouble: Trouble) -> Result<Answer, String> {
        if let Some(disk) = &mut locked(&self.meant).disk {
            *disk = trouble;
        }
        self.ask(Request::Sicken(trouble))
    }

    /// The process that starts the node there.
    pub fn parent(&self) -> u32 {
        locked(&self.remote).as_ref().map_or(0, |remote| remote.hello.pid)
    }

    /// Starts the node's process.
    ///
    /// # Errors
    /// If its agent cannot.
    pub fn start(self: &Arc<Self>, command: &Command) -> io::Result<Born> {
        let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        let env = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        let line = Line {
            program: text(command.get_program()),
            args: command.get_args().map(text).collect(),
            env: env.collect(),
        };
        let connection = locked(&self.news).connections;
        match self.ask(Request::Start(line)).map_err(io::Error::other)? {
            Answer::Started(pid) => Ok(Born { member: Arc::clone(self), pid, connection }),
            other => Err(io::Error::other(format!("its agent answered {other:?}"))),
        }
    }

    /// Our program there, if this is it.
    pub fn program(&self, program: &Path) -> Option<String> {
        (program == self.cargo.path()).then(|| self.cargo.place(&self.options.remote_dir))
    }

    /// Removes the node's directory there.
    ///
    /// # Errors
    /// What may be left there, and why.
    pub fn wipe(&self) -> Result<(), String> {
        let wiped = self.ask(Request::Wipe).map(drop);
        // Its agent repairs what is left, if it is there.
        self.let_go();
        wiped.map_err(|why| {
            format!("{} ({}): {} may be left: {why}", self.place(), self.line.control, self.home)
        })
    }
}

/// A process of a node, started by the agent on its host.
pub struct Born {
    member: Arc<Member>,
    pid: u32,
    connection: u64,
}

impl Offspring for Born {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.pid.cast_signed())
    }

    fn await_end(&self) -> io::Result<()> {
        let heard = locked(&self.member.news);
        let waits =
            |heard: &mut Heard| !heard.ended.contains_key(&self.pid) && heard.lost.0 < self.connection;
        let waited = self.member.heard.wait_while(heard, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn bring_log(&mut self, log: &Path) -> io::Result<()> {
        if self.lost().is_some() {
            // The next life will bring it.
            return Ok(());
        }
        let (mut file, mut begin) = (File::options().append(true).open(log)?, locked(&self.member.logged));
        while let Answer::Log { text, next } =
            self.member.ask(Request::Log(*begin)).map_err(io::Error::other)?
        {
            if text.is_empty() {
                break;
            }
            file.write_all(text.as_bytes())?;
            *begin = next;
        }
        Ok(())
    }

    fn lost(&self) -> Option<String> {
        let heard = locked(&self.member.news);
        let lost = !heard.ended.contains_key(&self.pid) && heard.lost.0 >= self.connection;
        lost.then(|| format!("its agent has killed it, because the connection was lost: {}", heard.lost.1))
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let ended = locked(&self.member.news).ended.remove(&self.pid).flatten();
        ended.map(ExitStatus::from_raw).ok_or_else(|| io::Error::other("nobody knows how it ended"))
    }
}
