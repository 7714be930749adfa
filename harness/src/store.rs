//! The run directory: everything that a run leaves, in files that other programs can read.

use crate::args::TxnLength;
use cluster::HarnessError;
use nemesis::Plan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What was asked for, as `test.json` keeps it: enough to judge the run again and to repeat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestFile {
    /// The version of Tribunal that ran it.
    pub version: String,
    /// The command line, without its password.
    pub argv: Vec<String>,
    /// What must be typed after `tribunal` to make the run again.
    #[serde(default)]
    pub again: Vec<String>,
    /// When it began.
    pub started: String,
    /// The system under test.
    pub system: String,
    /// Where its nodes ran.
    pub target: String,
    /// What was asked.
    pub workload: String,
    /// What it was held against.
    #[serde(default)]
    pub expect: Option<String>,
    /// How many keys were in use at a time, if it was said.
    #[serde(default)]
    pub keys: Option<u32>,
    /// How often each of them, if it was said.
    #[serde(default)]
    pub key_dist: Option<String>,
    /// After how many calls a key was used no more, if it was said.
    #[serde(default)]
    pub ops_per_key: Option<u32>,
    /// How many parts a transaction had, if it was said.
    #[serde(default)]
    pub txn_length: Option<TxnLength>,
    /// For how many milliseconds a lock was got, if it was said.
    #[serde(default)]
    pub lease_ms: Option<u64>,
    /// Whether clients that heard nothing asked again.
    #[serde(default)]
    pub retry: bool,
    /// What was to be broken.
    pub nemesis: Vec<history::FaultKind>,
    /// The same in detail, as `--nemesis` takes it.
    #[serde(default)]
    pub nemesis_list: String,
    /// The file that said it, if one did.
    #[serde(default)]
    pub nemesis_file: Option<PathBuf>,
    /// The plan that was followed, if it was not drawn.
    #[serde(default)]
    pub plan_file: Option<PathBuf>,
    /// Whether this run drew its own mix of what could have been broken.
    #[serde(default)]
    pub swarm: bool,
    /// What was asked for and could not be broken there, with the reason.
    #[serde(default)]
    pub missing: BTreeMap<history::FaultKind, String>,
    /// How many nodes.
    pub nodes: u16,
    /// How many workers.
    pub concurrency: u32,
    /// Calls a second, all workers together; 0 is as many as they could.
    pub rate: f64,
    /// The length of the main phase, in milliseconds.
    pub time_limit_ms: u64,
    /// The mean length of a fault, in milliseconds.
    pub nemesis_interval_ms: u64,
    /// How long a client waited, in milliseconds.
    pub timeout_ms: u64,
    /// Where all chance came from.
    pub seed: u64,
    /// The bug the system was given.
    pub flaw: Option<String>,
    /// Whether faults were repaired before the final reads.
    pub healing: bool,
    /// The machine it ran on.
    pub host: Host,
}

/// The machine a run was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its operating system's kernel.
    pub kernel: String,
    /// How many processors it has.
    pub cpus: usize,
}

/// A run directory.
#[derive(Debug, Clone)]
pub struct Store {
    /// Where it is.
    pub path: PathBuf,
}

impl Store {
    /// A new directory `root/<name>/<started>`, and `latest` links to it beside it and in `root`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(root: &Path, name: &str, started: &str) -> Result<Store, HarnessError> {
        let failed = |error: io::Error| {
            HarnessError::new(format!("keep the run in {}", root.display()), error)
                .advise("Choose a directory that can be written with --store DIR.")
        };
        fs::create_dir_all(root.join(name)).map_err(failed)?;
        // Two runs that begin in the same millisecond must not share a directory.
        let mut path = root.join(name).join(started);
        let mut again = 2;
        while let Err(error) = fs::create_dir(&path) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(failed(error));
            }
            path = root.join(name).join(format!("{started}-{again}"));
            again += 1;
        }
        let place = path.file_name().unwrap_or_default();
        link(&root.join(name).join("latest"), Path::new(place)).map_err(failed)?;
        link(&root.join("latest"), &Path::new(name).join(place)).map_err(failed)?;
        Ok(Store { path })
    }

    /// Writes `test.json` and `plan.json`, and opens `history.jsonl`.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn open(&self, test: &TestFile, plan: &Plan) -> Result<File, HarnessError> {
        self.write_json("test.json", test)?;
        self.write_json("plan.json", plan)?;
        File::create(self.history()).map_err(|error| HarnessError::new("create history.jsonl", error))
    }

    /// Writes a file of this run, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), HarnessError> {
        let (path, temporary) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        let mut bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| HarnessError::new(format!("write {}", path.display()), error))?;
        bytes.push(b'\n');
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| HarnessError::new(format!("write {}", path.display()), error))
    }

    /// The history.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// What was asked for, if that is known.
    ///
    /// # Errors
    /// If the file is there but makes no sense.
    pub fn test(&self) -> Result<Option<TestFile>, HarnessError> {
        let path = self.path.join("test.json");
        let doing = || format!("read {}", path.display());
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HarnessError::new(doing(), error)),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| HarnessError::new(doing(), error))
            }
        }
    }
}

/// Points `at` to `to`, replacing a link of ours. A file that is no link is somebody else's and stays.
fn link(at: &Path, to: &Path) -> io::Result<()> {
    if at.is_symlink() {
        fs::remove_file(at)?;
    }
    match symlink(to, at) {
        // Another run that began at the same moment was faster, or it is not ours to replace.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

impl Host {
    /// This machine.
    pub fn here() -> Host {
        let read = |path| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        Host {
            name: read("/proc/sys/kernel/hostname"),
            kernel: read("/proc/sys/kernel/osrelease"),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
