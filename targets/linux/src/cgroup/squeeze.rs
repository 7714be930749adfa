//! Processes that get too little.

use super::before::{Before, write};
use super::error::CgroupError;
use super::hierarchy::{self, Controller, Hierarchy};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The kernel deals out processor time in periods of 100 ms, and no less than 1 ms at a time.
const PERIOD_US: u64 = 100_000;
const LEAST_US: u64 = 1_000;
/// How long freezing and thawing may take.
const SETTLING: Duration = Duration::from_secs(2);

/// What a group of processes may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So many thousandths of one processor.
    Cpu {
        /// How many; at least one.
        permille: u16,
    },
    /// What it has, and so much more memory.
    Memory {
        /// How many bytes more.
        spare: u64,
    },
    /// Nothing: it is frozen.
    Freeze,
}

/// What the kernel says of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// In how many periods it had used up its processor time.
    pub throttled: u64,
    /// How much memory is charged to it, in bytes.
    pub usage: u64,
    /// How much may be, in bytes.
    pub most: u64,
    /// How often it wanted more.
    pub failures: u64,
    /// Whether everything in it is frozen.
    pub frozen: bool,
}

/// A limit on some processes. It goes when this is dropped.
#[derive(Debug)]
pub struct Squeeze {
    limit: Limit,
    unified: bool,
    group: PathBuf,
    /// Whether the group is our own and goes as well.
    ours: bool,
    /// What the group had.
    before: Before,
    over: bool,
}

/// Whether there can be such a limit in a group of our own. It tries, with a group that nobody is in.
///
/// # Errors
/// If not: why, and what to do about it.
pub fn can(name: &str, limit: Limit) -> Result<(), String> {
    let squeezed = Squeeze::ours(name, &[], limit).and_then(Squeeze::release);
    squeezed.map_err(|why| {
        format!("{why}; control groups can be made by root where they are mounted to be written")
    })
}

impl Limit {
    fn controller(self) -> Controller {
        match self {
            Limit::Cpu { .. } => Controller::Cpu,
            Limit::Memory { .. } => Controller::Memory,
            Limit::Freeze => Controller::Freezer,
        }
    }
}

impl Squeeze {
    /// Moves these processes to a new group of this name, which has the limit.
    ///
    /// # Errors
    /// If there can be no such group, or they cannot be moved. Everything is as before then.
    pub fn ours(name: &str, pids: &[u32], limit: Limit) -> Result<Squeeze, CgroupError> {
        Squeeze::ours_in(&Hierarchy::with(limit.controller())?, name, pids, limit)
    }

    /// As [`Squeeze::ours`], in this hierarchy.
    pub(super) fn ours_in(
        hierarchy: &Hierarchy,
        name: &str,
        pids: &[u32],
        limit: Limit,
    ) -> Result<Squeeze, CgroupError> {
        let controller = limit.controller();
        let from = hierarchy.group_of(pids.first().copied().unwrap_or_else(std::process::id), controller)?;
        let mut last = None;
        for parent in hierarchy.parents(&from, controller) {
            let group = parent.join(name);
            match fs::create_dir(&group) {
                Ok(()) => {
                    let (unified, before) = (hierarchy.unified, Before::default());
                    let mut squeeze = Squeeze { limit, unified, group, ours: true, before, over: false };
                    squeeze.also(pids)?;
                    squeeze.set(|_| Ok(()))?;
                    return Ok(squeeze);
                }
                Err(why) => last = Some(CgroupError::at("make the control group", &group)(why)),
            }
        }
        Err(last.unwrap_or_else(|| {
            let why = std::io::Error::other("no control group above ours hands it down");
            CgroupError::new(format!("make a control group for {}", controller.name()), why)
        }))
    }

    /// Puts the limit on the group in which this process is, and everyone else in it. `note` is told before that what the
    /// group has, for whoever must put it back if this process cannot.
    ///
    /// # Errors
    /// If its group cannot be found or written, or what `note` fails with. Everything is as before then.
    pub fn theirs(
        pid: u32,
        limit: Limit,
        note: impl FnOnce(&Before) -> Result<(), CgroupError>,
    ) -> Result<Squeeze, CgroupError> {
        let controller = limit.controller();
        let hierarchy = Hierarchy::with(controller)?;
        let group = hierarchy.group_of(pid, controller)?;
        if group == hierarchy.mount || group == hierarchy.group_of(std::process::id(), controller)? {
            let why = std::io::Error::other("it has no control group of its own");
            return Err(CgroupError::new(format!("limit process {pid} alone"), why));
        }
        let unified = hierarchy.unified;
        let mut squeeze =
            Squeeze { limit, unified, group, ours: false, before: Before::default(), over: false };
        squeeze.set(note)?;
        Ok(squeeze)
    }

    /// What the limit is.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether the group is one of our own, which outlives the processes in it.
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// Moves these processes there too. Who has ended meanwhile is not missed.
    ///
    /// # Errors
    /// If they cannot be moved.
    pub fn also(&self, pids: &[u32]) -> Result<(), CgroupError> {
        let procs = self.group.join("cgroup.procs");
        for pid in pids {
            match fs::write(&procs, pid.to_string()) {
                Err(why) if why.raw_os_error() != Some(libc::ESRCH) => {
                    return Err(CgroupError::new(format!("move process {pid} to {}", procs.display()), why));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the kernel says of the group now.
    ///
    /// # Errors
    /// If it is gone.
    pub fn reading(&self) -> Result<Reading, CgroupError> {
        let mut reading = Reading::default();
        match self.limit {
            Limit::Cpu { .. } => reading.throttled = field(&self.read("cpu.stat")?, "nr_throttled"),
            Limit::Memory { .. } => {
                let [usage, most] = self.memory_files();
                (reading.usage, reading.most) = (number(&self.read(usage)?), number(&self.read(most)?));
                reading.failures = match self.unified {
                    true => field(&self.read("memory.events")?, "max"),
                    false => number(&self.read("memory.failcnt")?),
                };
            }
            Limit::Freeze => {
                reading.frozen = match self.unified {
                    true => field(&self.read("cgroup.events")?, "frozen") == 1,
                    false => self.read("freezer.state")? == "FROZEN",
                }
            }
        }
        Ok(reading)
    }

    /// Takes the limit away: the group gets back what it had, or, if it is our own, goes.
    ///
    /// # Errors
    /// If the kernel refuses. If the group is gone already, that is as good.
    pub fn release(mut self) -> Result<(), CgroupError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), CgroupError> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        let restored = self.before.restore().and_then(|()| self.settle(false));
        let done = match self.ours {
            true => restored.and_then(|()| hierarchy::dissolve(&self.group)),
            false => restored,
        };
        done.or_else(|why| if why.is_gone() { Ok(()) } else { Err(why) })
    }

    fn set(&mut self, note: impl FnOnce(&Before) -> Result<(), CgroupError>) -> Result<(), CgroupError> {
        let files = self.files()?.into_iter();
        let files: Vec<_> = files.map(|(file, text)| (self.group.join(file), text)).collect();
        let before = Before::of(files.iter().map(|(file, _)| file.clone()))?;
        note(&before)?;
        self.before = before;
        files.iter().try_for_each(|(file, text)| write(file, text))?;
        self.settle(true)
    }

    /// Which files of the group say its limit, and what they must say.
    fn files(&self) -> Result<Vec<(&'static str, String)>, CgroupError> {
        Ok(match self.limit {
            Limit::Cpu { permille } => {
                let permille = u64::from(permille.max(1));
                // Very little comes rarely rather than in pieces that are too small.
                let period = PERIOD_US.max(LEAST_US * 1000 / permille);
                let quota = period * permille / 1000;
                match self.unified {
                    true => vec![("cpu.max", format!("{quota} {period}"))],
                    false => vec![
                        ("cpu.cfs_period_us", period.to_string()),
                        ("cpu.cfs_quota_us", quota.to_string()),
                    ],
                }
            }
            Limit::Memory { spare } => {
                let [usage, most] = self.memory_files();
                vec![(most, (number(&self.read(usage)?) + spare).to_string())]
            }
            Limit::Freeze => match self.unified {
                true => vec![("cgroup.freeze", "1".to_owned())],
                false => vec![("freezer.state", "FROZEN".to_owned())],
            },
        })
    }

    /// Waits until everything is frozen, or thawed. A process that waits for a disk is frozen when that has answered.
    fn settle(&self, frozen: bool) -> Result<(), CgroupError> {
        let deadline = Instant::now() + SETTLING;
        while self.limit == Limit::Freeze && self.reading()?.frozen != frozen && Instant::now() < deadline {
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// How much memory there is, and how much there may be.
    fn memory_files(&self) -> [&'static str; 2] {
        match self.unified {
            true => ["memory.current", "memory.max"],
            false => ["memory.usage_in_bytes", "memory.limit_in_bytes"],
        }
    }

    fn read(&self, file: &str) -> Result<String, CgroupError> {
        let path = self.group.join(file);
        let text = fs::read_to_string(&path).map_err(CgroupError::at("read", &path))?;
        Ok(text.trim().to_owned())
    }
}

impl Drop for Squeeze {
    fn drop(&mut self) {
        // Whoever wants to know calls `release`; what is left can be found by `find`.
        let _left = self.end();
    }
}

/// A number, or the largest if there is no limit.
fn number(text: &str) -> u64 {
    text.parse().unwrap_or(u64::MAX)
}

/// The number that follows a name at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}
