//! The real histories of the field, with their verdicts.

use cluster::HarnessError;
use history::formats::{self, Format, Options};
use history::jsonl::ReadError;
use history::{History, formats::Scanned};
use std::fs;
use std::path::{Path, PathBuf};

/// A history of the corpus.
pub struct Real {
    /// Its name in the manifest.
    pub name: String,
    /// What happened.
    pub history: History,
    /// Whether the manifest calls it valid.
    pub valid: bool,
}

/// Where a folder of the corpus is, if it is here: in the directory that was said, or beside the workspace.
pub fn folder(said: Option<&Path>, folder: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = said.map_or_else(beside, Path::to_owned);
    Some(corpus.join(folder)).filter(|found| found.is_dir() && corpus.join("MANIFEST.tsv").is_file())
}

/// The files of a folder of the corpus with a known verdict, and whether that is "valid".
///
/// # Errors
/// If the manifest is not there or makes no sense.
pub fn files(folder: &Path) -> Result<Vec<(PathBuf, bool)>, HarnessError> {
    let wrong = |why: &str| HarnessError::new(format!("read the manifest above {}", folder.display()), why);
    let manifest = folder.ancestors().map(|above| above.join("MANIFEST.tsv")).find(|path| path.is_file());
    let manifest = manifest.ok_or_else(|| wrong("it is not there"))?;
    let corpus = manifest.parent().ok_or_else(|| wrong("it is nowhere"))?;
    let text = fs::read_to_string(&manifest).map_err(|error| wrong(&error.to_string()))?;
    let file = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let (name, verdict) = (fields.first()?, fields.get(3)?);
        let known = ["valid", "invalid"].contains(verdict);
        Some((corpus.join(name), *verdict == "valid")).filter(|(path, _)| known && path.starts_with(folder))
    };
    Ok(text.lines().skip(1).filter_map(file).collect())
}

/// Reads a file of the corpus from memory.
///
/// # Errors
/// If it makes no sense.
pub fn read(name: &str, bytes: &[u8], valid: bool) -> Result<Real, HarnessError> {
    let wrong = |why: String| HarnessError::new(format!("read {name}"), why);
    let format = Format::detect(bytes).ok_or_else(|| wrong("it is in no known format".to_owned()))?;
    let mut history = History::new();
    let scanned: Result<Scanned, ReadError> =
        formats::scan(format, bytes, &Options::default(), |line, entry| {
            let pushed = history.push(entry.time, entry.event);
            pushed.map_err(|source| ReadError::Malformed { line, source })
        });
    scanned.map_err(|error| wrong(error.to_string()))?;
    Ok(Real { name: name.to_owned(), history, valid })
}
