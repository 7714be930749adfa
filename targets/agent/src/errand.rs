//! What an agent does when it is told to.

use crate::clock::Clock;
use crate::data::Data;
use crate::disk::{self, Disk};
use crate::node::Node;
use crate::paths::{self, Paths};
use crate::pressure::{self, Pressure};
use crate::probe;
use crate::words::{Answer, End, Request};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who does what an agent is told to: everything that it can break, and therefore everything that it repairs.
#[derive(Debug)]
pub struct Errands {
    myself: PathBuf,
    node: Node,
    paths: Paths,
    clock: Clock,
    disk: Disk,
    data: Data,
    pressure: Pressure,
    home: PathBuf,
}

impl Errands {
    /// Nothing is broken and nothing runs. The node will live in `home`; packets from `spared` are never dropped.
    ///
    /// # Errors
    /// If our own program cannot be found.
    pub fn new(home: PathBuf, spared: &[IpAddr]) -> Result<Errands, String> {
        let myself = std::env::current_exe().map_err(|why| format!("cannot find our own program: {why}"))?;
        let (disk, node) = (Disk::at(home.join("data")), Node::new(home.clone()));
        let data = Data::at(home.join("data"));
        let (paths, clock, pressure) = (Paths::new(spared.to_vec()), Clock::default(), Pressure::default());
        Ok(Errands { myself, node, paths, clock, disk, data, pressure, home })
    }

    /// Does it, and says what is so afterwards.
    ///
    /// # Errors
    /// Why it is not so.
    pub fn run(&mut self, request: Request) -> Result<Answer, String> {
        match request {
            Request::Ping => Ok(Answer::Done),
            Request::Start(line) => {
                disk::refuse_leftovers(&self.home)?;
                pressure::sweep()?;
                self.node.start(&self.myself, &line).map(Answer::Started)
            }
            Request::Ready => self.node.is_ready().map(Answer::Ready),
            Request::Kill => {
                // Who is frozen does not even die.
                self.pressure.thaw()?;
                self.node.kill().map(Answer::Process)
            }
            Request::Terminate => {
                self.pressure.thaw()?;
                self.node.terminate().map(Answer::Process)
            }
            Request::Pause => self.node.hold(true).map(Answer::Process),
            Request::Resume => self.node.hold(false).map(Answer::Process),
            Request::Status => Ok(Answer::Process(self.node.stands())),
            Request::Paths { conditions, seed } => self.paths.set(&conditions, seed).map(|()| Answer::Done),
            Request::Knock { from, at } => paths::knock(from, &at).map(|()| Answer::Done),
            Request::Counts => self.paths.counts().map(Answer::Counts),
            Request::Wall => Ok(Answer::Wall(wall())),
            Request::Turn { pid, wall, monotonic } => {
                let pid = self.node.program(pid)?;
                self.clock.turn(pid, wall, monotonic).map(Answer::Clocks).map_err(|why| why.to_string())
            }
            Request::Restore => match self.clock.restore() {
                None => Ok(Answer::Done),
                Some(restored) => restored.map(Answer::Clocks).map_err(|why| why.to_string()),
            },
            Request::Mount => self.disk.mount().map(|()| Answer::Done),
            Request::CutPower(tear) => self.disk.cut_power(tear).map(Answer::Lost),
            Request::Sicken(trouble) => self.disk.sicken(trouble).map(Answer::Disk),
            Request::Disk => self.disk.counters().map(Answer::Disk),
            Request::Copy => self.data.copy().map(|()| Answer::Done),
            Request::Damage { damage, seed } => {
                self.node.must_be_down()?;
                self.data.damage(&damage, seed).map(Answer::Damaged)
            }
            Request::PutBack => {
                self.node.must_be_down()?;
                self.data.put_back().map(|()| Answer::Done)
            }
            Request::Press { pid, limit } => {
                self.node.program(pid)?;
                self.pressure.press(pid, limit).map(Answer::Pressure)
            }
            Request::Pressure => self.pressure.reading().map(Answer::Pressure),
            Request::Relieve => self.pressure.release().map(|()| Answer::Done),
            Request::Log(begin) => self.node.log_from(begin).map(|(text, next)| Answer::Log { text, next }),
            Request::Probe => Ok(Answer::Abilities(probe::abilities())),
            Request::Wipe => {
                self.pressure.release().and(pressure::sweep())?;
                self.disk.unmount()?;
                self.node.wipe().map(|()| Answer::Done)
            }
        }
    }

    /// The ends of the node's processes that nobody was told of yet.
    pub fn ends(&mut self) -> Vec<End> {
        self.node.ends()
    }

    /// Undoes everything: heals what is cut, dissolves its control group, kills what runs, unmounts its disk.
    ///
    /// # Errors
    /// If the node does not go, or its disk or control group stays.
    pub fn repair(&mut self) -> Result<(), String> {
        self.paths.close();
        // Who is frozen does not die of a signal.
        let relieved = self.pressure.release();
        // A disk that is slow or broken must not keep anybody.
        let (killed, unmounted) = (self.node.kill().map(|_| ()), self.disk.unmount());
        relieved.and(killed).and(unmounted)
    }
}

/// What the time of day is here, in nanoseconds since 1970.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
