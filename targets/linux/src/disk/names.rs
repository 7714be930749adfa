//! What a power cut would take from directories.

use super::handle::Handle;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What becomes of names (files made, renamed, removed) that were not synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// They are durable at once. Kinder than any real file system.
    Kept,
    /// As a file system with a journal has it (XFS; ext4 only keeps more): changes reach the disk in their order, and
    /// syncing a directory or a file makes every change durable up to the last one that concerns it.
    Journaled,
}

/// A directory, and its number.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its number, as the kernel knows it through us.
    pub number: u64,
    /// The directory itself.
    pub handle: Arc<Handle>,
    /// The name in it.
    pub name: OsString,
}

impl Place {
    /// A path that leads there.
    pub fn path(&self) -> PathBuf {
        self.handle.child(&self.name)
    }
}

/// Changes of names that were not synced, in their order.
#[derive(Debug)]
pub struct Journal {
    names: Names,
    changes: Vec<Change>,
    /// Where removed files wait until their removal is durable.
    attic: PathBuf,
    /// How many were ever put there.
    stored: u64,
}

#[derive(Debug)]
struct Change {
    child: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Made { place: Place },
    Removed { place: Place, stored: PathBuf },
    Renamed { from: Place, to: Place, replaced: Option<PathBuf> },
}

impl Journal {
    /// An empty journal. `attic` must be on the file system of the files; it is made when it is needed. What a killed
    /// process left there was removed, and is.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn new(names: Names, attic: &Path) -> io::Result<Journal> {
        match fs::remove_dir_all(attic) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Journal { names, changes: Vec::new(), attic: attic.to_owned(), stored: 0 }),
        }
    }

    /// How many changes a power cut could take.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Notes that `place` is the name of a new file, directory or link with this number.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn made(&mut self, child: u64, place: Place) -> io::Result<()> {
        self.note(child, What::Made { place })
    }

    /// Removes a name. A directory must be empty: whoever asks has checked.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn remove(&mut self, child: u64, place: Place) -> io::Result<()> {
        let stored = self.store(&place.path())?;
        self.note(child, What::Removed { place, stored })
    }

    /// Renames, over what is at `to` if anything is.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn rename(&mut self, child: u64, from: Place, to: Place, replaces: bool) -> io::Result<()> {
        let replaced = if replaces { Some(self.store(&to.path())?) } else { None };
        if let Err(error) = fs::rename(from.path(), to.path()) {
            let back = replaced.map_or(Ok(()), |stored| fs::rename(stored, to.path()));
            return back.and(Err(error));
        }
        self.note(child, What::Renamed { from, to, replaced })
    }

    /// Makes durable every change up to the last one that concerns this file or directory.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn sync(&mut self, number: u64) -> io::Result<()> {
        let last = self.changes.iter().rposition(|change| change.concerns(number));
        self.keep(last.map_or(0, |last| last + 1))
    }

    /// Makes the first so many changes durable.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn keep(&mut self, count: usize) -> io::Result<()> {
        self.changes.drain(..count.min(self.changes.len())).try_for_each(Change::forget)
    }

    /// Makes all changes durable and removes the attic, until it is needed again.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn close(&mut self) -> io::Result<()> {
        self.keep(self.changes.len())?;
        match fs::remove_dir(&self.attic) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes back every change, the last one first. Returns the places whose names mean something else now.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn undo(&mut self) -> io::Result<Vec<Place>> {
        let mut touched = Vec::new();
        while let Some(change) = self.changes.pop() {
            touched.extend(change.undo()?);
        }
        Ok(touched)
    }

    fn note(&mut self, child: u64, what: What) -> io::Result<()> {
        self.changes.push(Change { child, what });
        if self.names == Names::Kept { self.keep(1) } else { Ok(()) }
    }

    fn store(&mut self, path: &Path) -> io::Result<PathBuf> {
        match fs::create_dir(&self.attic) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.stored += 1;
        let stored = self.attic.join(self.stored.to_string());
        fs::rename(path, &stored)?;
        Ok(stored)
    }
}

impl Change {
    fn concerns(&self, number: u64) -> bool {
        let within = match &self.what {
            What::Made { place } | What::Removed { place, .. } => place.number == number,
            What::Renamed { from, to, .. } => from.number == number || to.number == number,
        };
        within || self.child == number
    }

    /// It is durable: what was put aside for undoing it can go.
    fn forget(self) -> io::Result<()> {
        match self.what {
            What::Made { .. } | What::Renamed { replaced: None, .. } => Ok(()),
            What::Removed { stored, .. } | What::Renamed { replaced: Some(stored), .. } => remove(&stored),
        }
    }

    fn undo(self) -> io::Result<Vec<Place>> {
        match self.what {
            What::Made { place } => {
                remove(&place.path())?;
                Ok(vec![place])
            }
            What::Removed { place, stored } => {
                fs::rename(stored, place.path())?;
                Ok(vec![place])
            }
            What::Renamed { from, to, replaced } => {
                fs::rename(to.path(), from.path())?;
                replaced.map_or(Ok(()), |stored| fs::rename(stored, to.path()))?;
                Ok(vec![from, to])
            }
        }
    }
}

/// Removes a file or an empty directory.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }
}

/// Whether a directory holds nothing.
///
/// # Errors
/// If it cannot be read.
pub fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

/// The name of the attic of a directory: beside it, so that it is on the same file system.
pub fn attic_of(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or(OsStr::new("root")).to_owned();
    name.push(".removed");
    directory.with_file_name(name)
}
