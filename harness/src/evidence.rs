//! What is judged beside a history: what nodes wrote down.

use checkers::atomicity::Record;
use cluster::HarnessError;
use history::NodeId;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// How long a line of records may be.
const LINE: u64 = 1 << 20;

/// Reads what nodes wrote down about transactions: a JSON object a line.
///
/// # Errors
/// If the file cannot be read; says which line makes no sense.
pub fn records(path: &Path) -> Result<Vec<Record>, HarnessError> {
    let doing = || format!("read the records {}", path.display());
    let failed = |why: String| HarnessError::new(doing(), why);
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(error.to_string()))?);
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = (&mut file).take(LINE).read_until(b'\n', &mut bytes);
        match read.map_err(|error| failed(format!("line {number}: {error}")))? {
            0 => break,
            read if read as u64 == LINE => {
                return Err(failed(format!("line {number} is longer than {LINE} bytes")));
            }
            _ if bytes.trim_ascii().is_empty() => continue,
            _ => {}
        }
        let record = serde_json::from_slice(&bytes);
        records.push(record.map_err(|error| failed(format!("line {number} is garbled: {error}")))?);
    }
    Ok(records)
}

/// The logs of a run's nodes; or if `path` is a file, that log, as if it were the first node's.
///
/// # Errors
/// If there is none, one cannot be read, or they take more than `bytes`.
pub fn logs(path: &Path, bytes: usize) -> Result<Vec<(NodeId, Option<String>)>, HarnessError> {
    if path.is_file() {
        return Ok(vec![(NodeId(1), log(path, &mut (bytes as u64))?)]);
    }
    let doing = || format!("read the logs of {}", path.display());
    let entries = fs::read_dir(path.join("nodes"))
        .map_err(|error| HarnessError::new(doing(), format!("nodes: {error}")))?;
    let (mut logs, mut left) = (Vec::new(), bytes as u64);
    for entry in entries {
        let entry = entry.map_err(|error| HarnessError::new(doing(), error))?;
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix('n')).and_then(|number| number.parse().ok());
        if let Some(number) = number {
            logs.push((NodeId(number), log(&entry.path().join("node.log"), &mut left)?));
        }
    }
    logs.sort_by_key(|(node, _)| *node);
    Ok(logs)
}

/// One log, if it is there. What is not UTF-8 is replaced.
fn log(path: &Path, left: &mut u64) -> Result<Option<String>, HarnessError> {
    let failed = |why: String| HarnessError::new(format!("read the log {}", path.display()), why);
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(error.to_string()))?,
    };
    let mut bytes = Vec::new();
    let read = file.take(left.saturating_add(1)).read_to_end(&mut bytes);
    let read = read.map_err(|error| failed(error.to_string()))? as u64;
    *left =
        left.checked_sub(read).ok_or_else(|| failed("the logs do not fit in --memory-budget".to_owned()))?;
    Ok(Some(match String::from_utf8(bytes) {
        Ok(log) => log,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}
