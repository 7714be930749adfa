//! What the nodes' own clocks showed while the run went on: `clocks.jsonl`.
//!
//! They are no events: nothing is judged by them, and a run that asked them more often has the same history.

use cluster::{ClockReading, HarnessError};
use history::{NodeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{LineWriter, Write};
use std::path::{Path, PathBuf};

/// The file of a run directory.
pub const FILE: &str = "clocks.jsonl";

/// One line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// When the node was asked.
    pub time: Time,
    /// Which node.
    pub node: NodeId,
    /// How far its wall clock was ahead of the controller's, in nanoseconds.
    pub ahead_ns: i64,
    /// How far off that can be at most, in nanoseconds.
    pub within_ns: u64,
}

/// Writes readings down as they come. The file is made with the first.
#[derive(Debug)]
pub struct Clocks {
    path: PathBuf,
    file: Option<LineWriter<File>>,
    last: BTreeMap<NodeId, Time>,
}

impl Clocks {
    /// None yet, of the run in this directory.
    pub fn of(run: &Path) -> Clocks {
        Clocks { path: run.join(FILE), file: None, last: BTreeMap::new() }
    }

    /// Writes down those that are new.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(&mut self, readings: &[ClockReading]) -> Result<(), HarnessError> {
        for reading in readings {
            let ClockReading { time, node, ahead_ns, within_ns } = *reading;
            if self.last.insert(node, time) == Some(time) {
                continue;
            }
            let row = serde_json::to_string(&Row { time, node, ahead_ns, within_ns });
            let written = row.map_err(std::io::Error::other).and_then(|row| {
                if self.file.is_none() {
                    self.file = Some(LineWriter::new(File::create(&self.path)?));
                }
                self.file.iter_mut().try_for_each(|file| writeln!(file, "{row}"))
            });
            written.map_err(|why| HarnessError::new(format!("write {}", self.path.display()), why))?;
        }
        Ok(())
    }
}

/// What was written down; nothing if there is no such file. A last line that was torn is left out.
pub fn read(run: &Path) -> Vec<Row> {
    let text = fs::read_to_string(run.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_written_down_once() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(read(run.path()), []);
        let mut clocks = Clocks::of(run.path());
        let reading =
            |time, node| ClockReading { time: Time(time), node: NodeId(node), ahead_ns: -7, within_ns: 3 };
        clocks.note(&[]).unwrap();
        assert!(!run.path().join(FILE).exists());
        clocks.note(&[reading(1, 1), reading(2, 2)]).unwrap();
        clocks.note(&[reading(1, 1), reading(5, 2)]).unwrap();
        let rows = read(run.path());
        assert_eq!(
            rows.iter().map(|row| (row.time.0, row.node.0)).collect::<Vec<_>>(),
            [(1, 1), (2, 2), (5, 2)]
        );
        assert_eq!((rows[0].ahead_ns, rows[0].within_ns), (-7, 3));
        assert!(Clocks::of(Path::new("/no/such/run")).note(&[reading(1, 1)]).is_err());
    }
}
