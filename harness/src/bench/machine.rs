//! The machine on which something is measured.

use serde::Serialize;
use std::fs;
use std::thread::available_parallelism;

/// What a number says nothing without.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many cores may be used.
    pub cores: usize,
    /// How much memory there is, in GiB.
    pub memory_gib: u64,
    /// The kernel's version.
    pub kernel: String,
    /// Our version, and whether it was built to be fast.
    pub tribunal: String,
    /// How many processes wanted a core in the last minute, on average, before anything was measured.
    pub load: f64,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |path: &str, name: &str| {
            let text = read(path);
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let kib = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = kib.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        let build = if cfg!(debug_assertions) { "a debug build: slow" } else { "release" };
        Machine {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: available_parallelism().map_or(1, usize::from),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            tribunal: format!("{} ({build})", env!("CARGO_PKG_VERSION")),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }
}
