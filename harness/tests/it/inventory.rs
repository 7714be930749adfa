//! What of a run is on this machine, told from the doings of everybody else by its names: the run's directory, the
//! controller's number, our prefix.

use linux::net::{Filter, Namespace};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What of a run is to be looked for.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Texts of which each names the run: in the command lines of its processes and in mounts.
    pub names: Vec<String>,
    /// The controller's process.
    pub controller: u32,
    /// Whether there is a container engine to be asked.
    pub engine: bool,
    /// Networks of machines that are not ours but in which the run breaks something.
    pub networks: Vec<PathBuf>,
}

impl Inventory {
    /// Everything of the run that is there, each thing with its kind. The controller itself is no part of it.
    pub fn take(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut add = |kind: &str, thing: String| {
            found.insert(format!("{kind}: {thing}"));
        };
        for (number, line) in self.processes() {
            add("process", format!("{number} {line}"));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is /proc");
        mounts.lines().filter(|line| self.is_named(line)).for_each(|line| add("mount", line.to_owned()));
        let links = fs::read_to_string("/proc/net/dev").expect("there is /proc");
        let links = links.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
        links.filter(|name| name.starts_with(linux::net::NAME)).for_each(|name| add("link", name.to_owned()));
        for table in Filter::all().unwrap_or_default() {
            if table.contains("tribunal") {
                add("table", table);
            }
        }
        for network in &self.networks {
            let tables = Namespace::at(network).expect("it is there").inside(Filter::all);
            for table in tables.expect("it can be entered").expect("it can be asked") {
                add("table", format!("{table} in {}", network.display()));
            }
            for line in mounts_in(network).lines().filter(|line| self.is_named(line)) {
                add("mount", format!("{line} in {}", network.display()));
            }
        }
        self.engine().into_iter().for_each(|thing| add("engine", thing));
        found
    }

    /// The run's processes, with their command lines.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
        let process = |entry: fs::DirEntry| {
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            // The line of a zombie is empty: it is gone.
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let ours = self.is_named(&line) && number != self.controller && number != std::process::id();
            ours.then_some((number, line))
        };
        processes.filter_map(process).collect()
    }

    fn is_named(&self, text: &str) -> bool {
        self.names.iter().any(|name| text.contains(name.as_str()))
    }

    /// Containers, networks and images.
    fn engine(&self) -> Vec<String> {
        if !self.engine {
            return Vec::new();
        }
        let (label, prefix) =
            (format!("label={}", live::DOCKER_LABEL), format!("tribunal-{}-", self.controller));
        let lists: [&[&str]; 3] = [
            &["ps", "--all", "--format", "container {{.Names}}"],
            &["network", "ls", "--format", "network {{.Name}}"],
            &["images", "--format", "image {{.Repository}}"],
        ];
        let list = |args: &[&str]| {
            let output = Command::new("docker").args(args).args(["--filter", &label]).output();
            String::from_utf8(output.expect("there is docker").stdout).expect("its answer is text")
        };
        let lines = lists.map(list).concat();
        lines.lines().filter(|line| line.contains(&prefix)).map(str::to_owned).collect()
    }
}

/// What is mounted where somebody lives who is in this network; every machine has one such place beside ours.
fn mounts_in(network: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let name = PathBuf::from(format!("net:[{}]", fs::metadata(network).expect("it is there").ino()));
    let world = |process: &Path| fs::read_link(process.join("ns/mnt")).ok();
    let ours = world(Path::new("/proc/self"));
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten().map(|entry| entry.path());
    let mut inside = processes.filter(|process| {
        fs::read_link(process.join("ns/net")).is_ok_and(|net| net == name) && world(process) != ours
    });
    let first = inside.next().expect("somebody lives there");
    fs::read_to_string(first.join("mountinfo")).unwrap_or_default()
}

/// Everybody in the namespaces of these processes, by number and birth: the kernel gives numbers away again.
pub fn dwellers(processes: &[(u32, String)]) -> BTreeSet<(PathBuf, String)> {
    let kinds = ["net", "mnt", "pid", "uts"];
    let of = |process: &Path| {
        kinds.iter().filter_map(|kind| fs::read_link(process.join("ns").join(kind)).ok()).collect::<Vec<_>>()
    };
    let ours = of(Path::new("/proc/self"));
    let theirs = processes.iter().flat_map(|(number, _)| of(&Path::new("/proc").join(number.to_string())));
    let theirs: BTreeSet<PathBuf> = theirs.filter(|namespace| !ours.contains(namespace)).collect();
    let all = fs::read_dir("/proc").expect("there is /proc").flatten().map(|entry| entry.path());
    let inside = all.filter(|process| of(process).iter().any(|namespace| theirs.contains(namespace)));
    inside.filter_map(|process| Some((process.clone(), born(&process)?))).collect()
}

/// Whether none of them lives.
pub fn are_gone(those: &BTreeSet<(PathBuf, String)>) -> bool {
    those.iter().all(|(process, birth)| born(process).is_none_or(|born| born != *birth))
}

/// When a process was born: the twenty-second field.
fn born(process: &Path) -> Option<String> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}
