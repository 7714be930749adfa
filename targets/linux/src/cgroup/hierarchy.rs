//! Where control groups are.

use super::error::CgroupError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which side of a group is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Standing still.
    Freezer,
}

impl Controller {
    /// As the kernel names it.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Memory => "memory",
            Controller::Freezer => "freezer",
        }
    }
}

/// A tree of groups that has a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Whether it is the one of version 2; else it is of version 1.
    pub unified: bool,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which of its groups is what is mounted there.
    root: String,
}

impl Hierarchy {
    /// The hierarchy that has this controller, as this process sees it.
    ///
    /// # Errors
    /// If there is none.
    pub fn with(controller: Controller) -> Result<Hierarchy, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let mounts = fs::read_to_string(path).map_err(CgroupError::at("read", path))?;
        let has = |mount: &Path| {
            let controllers = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
            controllers.split_whitespace().any(|name| name == controller.name())
        };
        choose(&mounts, controller, has).ok_or_else(|| {
            let why = io::Error::new(io::ErrorKind::NotFound, "no hierarchy that is mounted here has it");
            CgroupError::new(format!("find control groups for {}", controller.name()), why)
        })
    }

    /// The group of a process.
    ///
    /// # Errors
    /// If there is no such process, or its group is not below what is mounted.
    pub fn group_of(&self, pid: u32, controller: Controller) -> Result<PathBuf, CgroupError> {
        let doing = || format!("find the control group of process {pid}");
        let path = format!("/proc/{pid}/cgroup");
        let lines = fs::read_to_string(path).map_err(|why| CgroupError::new(doing(), why))?;
        let group = group(&lines, self.unified, controller).and_then(|group| self.below(&group));
        group.ok_or_else(|| CgroupError::new(doing(), io::Error::other("it is not in what is mounted here")))
    }

    fn below(&self, group: &str) -> Option<PathBuf> {
        let inside = Path::new(group).strip_prefix(&self.root).ok()?;
        // A process outside of our own view of the tree.
        if group.starts_with("/..") { None } else { Some(self.mount.join(inside)) }
    }

    /// Where a group can be made beside or below this one that has the controller, most modest first. In version 2 only
    /// groups without processes of their own hand controllers down.
    pub fn parents(&self, of: &Path, controller: Controller) -> Vec<PathBuf> {
        let inside = of.ancestors().take_while(|ancestor| ancestor.starts_with(&self.mount));
        let hands_down = |group: &&Path| {
            !self.unified
                || controller == Controller::Freezer
                || offers(group, controller)
                || fs::write(group.join("cgroup.subtree_control"), format!("+{}", controller.name())).is_ok()
        };
        inside.filter(hands_down).map(Path::to_owned).collect()
    }
}

fn offers(group: &Path, controller: Controller) -> bool {
    let offered = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    offered.split_whitespace().any(|name| name == controller.name())
}

/// A hierarchy of version 1 if one has the controller: it is then missing in the unified one.
pub(super) fn choose(mounts: &str, controller: Controller, has: impl Fn(&Path) -> bool) -> Option<Hierarchy> {
    let all: Vec<(String, Hierarchy)> = mounts.lines().filter_map(mounted).collect();
    let one = all.iter().find(|(options, hierarchy)| {
        !hierarchy.unified && options.split(',').any(|option| option == controller.name())
    });
    // Freezing needs no controller there.
    let two = || {
        let fits = |hierarchy: &Hierarchy| controller == Controller::Freezer || has(&hierarchy.mount);
        all.iter().find(|(_, hierarchy)| hierarchy.unified && fits(hierarchy))
    };
    one.or_else(two).map(|(_, hierarchy)| hierarchy.clone())
}

/// A hierarchy and its options: proc(5), `/proc/pid/mountinfo`.
fn mounted(line: &str) -> Option<(String, Hierarchy)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let unified = match filesystem.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let mut fields = mount.split(' ').skip(3);
    let (root, mount) = (fields.next()?.to_owned(), PathBuf::from(fields.next()?));
    Some((filesystem.nth(1)?.to_owned(), Hierarchy { unified, mount, root }))
}

/// The group that these lines of `/proc/pid/cgroup` name.
fn group(lines: &str, unified: bool, controller: Controller) -> Option<String> {
    lines.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let ours = match unified {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|name| name == controller.name()),
        };
        ours.then(|| group.to_owned())
    })
}

/// Every group whose name begins so, in every hierarchy.
pub fn find(prefix: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut open: Vec<PathBuf> =
        mounts.lines().filter_map(mounted).map(|(_, hierarchy)| hierarchy.mount).collect();
    let mut found = Vec::new();
    while let Some(group) = open.pop() {
        for entry in fs::read_dir(group).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
            if ours { found.push(entry.path()) } else { open.push(entry.path()) }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Thaws the group of a process, if it is frozen: until then it can neither go nor be killed.
///
/// # Errors
/// If its group cannot be found or thawed.
pub fn thaw(pid: u32) -> Result<(), CgroupError> {
    thaw_all(&Hierarchy::with(Controller::Freezer)?.group_of(pid, Controller::Freezer)?)
}

/// Each version knows one of these files; the topmost group has none.
fn thaw_all(group: &Path) -> Result<(), CgroupError> {
    for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let file = group.join(file);
        if file.exists() {
            fs::write(&file, thawed).map_err(CgroupError::at("write", &file))?;
        }
    }
    Ok(())
}

/// Removes a group: whoever is in it goes on in the one above.
///
/// # Errors
/// If it cannot be removed.
pub fn dissolve(group: &Path) -> Result<(), CgroupError> {
    thaw_all(group)?;
    let procs = group.join("cgroup.procs");
    let above = group.parent().unwrap_or(group).join("cgroup.procs");
    loop {
        let members = fs::read_to_string(&procs).map_err(CgroupError::at("read", &procs))?;
        let mut moved = false;
        for pid in members.lines() {
            // Who has ended meanwhile needs no other group.
            moved |= fs::write(&above, pid).is_ok();
        }
        if !moved {
            break;
        }
    }
    fs::remove_dir(group).map_err(CgroupError::at("remove", group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 /docker/4711 /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const TWO: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn controllers_are_found_in_either_version() {
        let found = |mounts, controller, has: bool| {
            let hierarchy: Hierarchy = choose(mounts, controller, |_| has)?;
            Some((hierarchy.unified, hierarchy.mount.display().to_string()))
        };
        let at = |unified, mount: &str| Some((unified, mount.to_owned()));
        assert_eq!(found(ONE, Controller::Cpu, false), at(false, "/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(found(ONE, Controller::Freezer, false), at(true, "/sys/fs/cgroup/unified"));
        assert_eq!(found(TWO, Controller::Memory, true), at(true, "/sys/fs/cgroup"));
        assert_eq!(found(TWO, Controller::Memory, false), None);
        assert_eq!(found("", Controller::Freezer, true), None);
    }

    #[test]
    fn a_group_is_where_the_process_says_within_what_is_mounted() {
        let lines = "8:memory:/docker/4711/a b\n2:cpu,cpuacct:/x\n0::/y/z\n";
        assert_eq!(group(lines, false, Controller::Cpu), Some("/x".to_owned()));
        assert_eq!(group(lines, true, Controller::Cpu), Some("/y/z".to_owned()));
        assert_eq!(group(lines, false, Controller::Freezer), None);
        let memory = choose(ONE, Controller::Memory, |_| false).unwrap();
        assert_eq!(memory.below("/docker/4711/a b"), Some(PathBuf::from("/sys/fs/cgroup/memory/a b")));
        assert_eq!(memory.below("/docker/4712"), None);
        let cpu = choose(ONE, Controller::Cpu, |_| false).unwrap();
        assert_eq!(cpu.below("/../other"), None, "outside of what this process may see");
    }

    #[test]
    fn in_version_2_a_group_is_made_where_controllers_are_handed_down() {
        let place = tempfile::tempdir().unwrap();
        let (mount, service) = (place.path().join("mount"), place.path().join("mount/slice/service"));
        fs::create_dir_all(&service).unwrap();
        fs::write(mount.join("slice/cgroup.subtree_control"), "io cpu\n").unwrap();
        // A file that cannot be written, as the kernel refuses it.
        fs::create_dir(service.join("cgroup.subtree_control")).unwrap();
        fs::create_dir(mount.join("cgroup.subtree_control")).unwrap();
        let two = Hierarchy { unified: true, mount: mount.clone(), root: "/".to_owned() };
        assert_eq!(two.parents(&service, Controller::Cpu), [mount.join("slice")]);
        assert_eq!(two.parents(&service, Controller::Freezer)[0], service);
        let one = Hierarchy { unified: false, ..two };
        assert_eq!(one.parents(&service, Controller::Cpu)[0], service);
    }
}
