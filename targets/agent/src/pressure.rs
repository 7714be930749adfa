//! Too little of something for the node's processes, in a control group of their own.
//!
//! The group's name says whose it is: which world of process numbers, which agent in it, and when that was born. So a
//! group is known to be left over when its agent is gone, and hosts that share a tree of control groups, as containers
//! do, leave one another's alone.

use linux::cgroup::{self, Limit, Reading, Squeeze};
use linux::process::{Process, world};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How the names of our groups begin. The controller's own on this machine have a number after the first dash.
const PREFIX: &str = "tribunal-agent-";
/// How long whoever is thawed may take to die of what killed it while it was frozen.
const DYING: Duration = Duration::from_secs(2);

/// What the node's processes have too little of, if anything. The group goes when this is dropped.
#[derive(Debug, Default)]
pub struct Pressure {
    squeeze: Option<Squeeze>,
}

impl Pressure {
    /// Gives a process, and its whole group of processes, no more than this, and no longer too little of something
    /// else; what the kernel says of the control group then.
    ///
    /// # Errors
    /// If the kernel refuses. They have all they want then.
    pub fn press(&mut self, pid: u32, limit: Limit) -> Result<Reading, String> {
        self.release()?;
        let squeezed = Squeeze::ours(&name("node")?, &together(pid), limit).and_then(|squeeze| {
            // Who was born while we looked is found the next time.
            squeeze.also(&together(pid))?;
            let reading = squeeze.reading()?;
            Ok((squeeze, reading))
        });
        let (squeeze, reading) = squeezed.map_err(|why| why.to_string())?;
        self.squeeze = Some(squeeze);
        Ok(reading)
    }

    /// What the kernel says of the group now.
    ///
    /// # Errors
    /// If there is none.
    pub fn reading(&self) -> Result<Reading, String> {
        let squeeze = self.squeeze.as_ref().ok_or("it has all it wants")?;
        squeeze.reading().map_err(|why| why.to_string())
    }

    /// Lets them go on if they are frozen, because they are to be killed.
    ///
    /// # Errors
    /// If they stay frozen.
    pub fn thaw(&mut self) -> Result<(), String> {
        let frozen = self.squeeze.as_ref().is_some_and(|squeeze| squeeze.limit() == Limit::Freeze);
        if frozen { self.release() } else { Ok(()) }
    }

    /// Gives them all they want, and dissolves the group.
    ///
    /// # Errors
    /// If it stays.
    pub fn release(&mut self) -> Result<(), String> {
        self.squeeze.take().map_or(Ok(()), Squeeze::release).map_err(|why| why.to_string())
    }
}

/// Whether there can be pressure here: every limit is tried, with a group that nobody is in.
///
/// # Errors
/// If not: why, and what to do about it.
pub fn can() -> Result<(), String> {
    let name = name("probe")?;
    let limits = [Limit::Cpu { permille: 1 }, Limit::Memory { spare: 1 << 30 }, Limit::Freeze];
    limits.into_iter().try_for_each(|limit| cgroup::can(&name, limit))
}

/// Dissolves the groups of agents of this host that were killed. Their nodes were killed with them, but whoever was
/// frozen dies only now, and is waited for.
///
/// # Errors
/// If one stays.
pub fn sweep() -> Result<(), String> {
    cgroup::find(PREFIX).iter().filter(|group| is_left(group)).try_for_each(|group| dissolve(group))
}

fn dissolve(group: &Path) -> Result<(), String> {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    cgroup::dissolve(group).map_err(|why| why.to_string())?;
    let gone = |pid: &str| pid.parse().ok().and_then(Process::of).is_none();
    let deadline = Instant::now() + DYING;
    while !members.lines().all(gone) && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The name of a group of ours.
fn name(of: &str) -> Result<String, String> {
    let process = Process::of(std::process::id());
    let Process { pid, birth } = process.ok_or("/proc does not say when this process began")?;
    Ok(format!("{PREFIX}{}-{pid}-{birth}-{of}", world()))
}

/// Whether this is the group of an agent of this world that is gone.
fn is_left(group: &Path) -> bool {
    let name = group.file_name().and_then(|name| name.to_str());
    let Some(whose) = name.and_then(|name| name.strip_prefix(PREFIX)) else { return false };
    let mut parts = whose.splitn(4, '-');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (Some(at), Some(pid), Some(birth)) = (number(), number(), number()) else { return false };
    at == world() && u32::try_from(pid).is_ok_and(|pid| Process { pid, birth }.is_gone())
}

/// Everyone in the group of processes that this one leads, itself first.
fn together(leader: u32) -> Vec<u32> {
    const GROUP: usize = 5 - 3;
    let mut all = vec![leader];
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let ours = |pid: &String| fields(pid).is_some_and(|all| all.get(GROUP) == Some(&leader.to_string()));
    let numbers = pids.filter(ours).filter_map(|pid| pid.parse::<u32>().ok());
    all.extend(numbers.filter(|pid| *pid != leader));
    all
}

/// The fields of `/proc/…/stat` from the third on. The second is a name in parentheses, which may contain anything.
pub fn fields(pid: &str) -> Option<Vec<String>> {
    let number: u32 = pid.parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_left_over_when_its_agent_of_this_world_is_gone() {
        let ours = name("node").unwrap();
        let left = |name: &str| is_left(&Path::new("/sys/fs/cgroup/cpu").join(name));
        assert!(!left(&ours), "we live: {ours}");
        assert!(left(&ours.replace("-node", "0-node")), "the same number, another birth");
        let world = world();
        assert!(left(&format!("{PREFIX}{world}-{}-1-node", u32::MAX)), "there is no such process");
        assert!(!left(&format!("{PREFIX}7{world}-{}-1-node", u32::MAX)), "another world's");
        assert!(!left("tribunal-1-2-3-n1"), "a controller's");
    }

    #[test]
    fn who_is_pressed_is_seen_to_be_and_no_longer_when_it_is_over() {
        let limits = [Limit::Cpu { permille: 1 }, Limit::Freeze];
        let test = name("test").unwrap();
        if let Err(why) = limits.into_iter().try_for_each(|limit| cgroup::can(&test, limit)) {
            println!("skipped: {why}");
            return;
        }
        let mut command = std::process::Command::new("/bin/sh");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.args(["-c", "sleep 60 & while :; do :; done"]).spawn().unwrap();
        while together(child.id()).len() < 2 {
            sleep(Duration::from_millis(2));
        }
        let mut pressure = Pressure::default();
        assert!(pressure.press(child.id(), Limit::Freeze).unwrap().frozen);
        let group = cgroup::find(&name("node").unwrap()).remove(0);
        let members = fs::read_to_string(group.join("cgroup.procs")).unwrap();
        assert_eq!(members.lines().count(), 2, "the child of the child as well: {members}");
        pressure.thaw().unwrap();
        assert!(pressure.reading().is_err());
        let before = pressure.press(child.id(), Limit::Cpu { permille: 10 }).unwrap().throttled;
        let deadline = Instant::now() + Duration::from_secs(10);
        while pressure.reading().unwrap().throttled == before && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        assert!(pressure.reading().unwrap().throttled > before);
        pressure.release().unwrap();
        assert!(!group.exists() && cgroup::find(&name("node").unwrap()).is_empty());
        let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
    }
}
