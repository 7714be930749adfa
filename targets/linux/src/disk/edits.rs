//! Damage to the files of a dead node, and copies of them.

use super::dice::Dice;
use super::error::DiskError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

/// A bit that was flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flipped {
    /// In which byte.
    pub offset: u64,
    /// Which one, from the lowest.
    pub bit: u8,
}

/// Flips one bit of a file, anywhere in it.
///
/// # Errors
/// If it is empty or cannot be changed.
pub fn flip_bit(path: &Path, seed: u64) -> Result<Flipped, DiskError> {
    flip_bit_within(path, u64::MAX, seed)
}

/// Flips one bit of the first so many bytes of a file.
///
/// # Errors
/// If it is empty or cannot be changed.
pub fn flip_bit_within(path: &Path, bytes: u64, seed: u64) -> Result<Flipped, DiskError> {
    let flip = || {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (length, mut dice) = (file.metadata()?.len().min(bytes), Dice::new(seed));
        if length == 0 {
            return Err(io::Error::other("it is empty"));
        }
        let flipped = Flipped { offset: dice.below(length), bit: dice.below(8) as u8 };
        let mut byte = [0];
        file.read_exact_at(&mut byte, flipped.offset)?;
        file.write_all_at(&[byte[0] ^ (1 << flipped.bit)], flipped.offset)?;
        file.sync_all().map(|()| flipped)
    };
    flip().map_err(DiskError::at("flip a bit of", path))
}

/// Cuts so many bytes from the end of a file; all of it if it has no more. Returns how many were cut.
///
/// # Errors
/// If it cannot be changed.
pub fn truncate(path: &Path, bytes: u64) -> Result<u64, DiskError> {
    let cut = || {
        let file = OpenOptions::new().write(true).open(path)?;
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(bytes))?;
        file.sync_all().map(|()| length.min(bytes))
    };
    cut().map_err(DiskError::at("truncate", path))
}

/// Copies a directory with all that is in it to a new place.
///
/// # Errors
/// If the place is taken, or something cannot be copied.
pub fn snapshot(directory: &Path, to: &Path) -> Result<(), DiskError> {
    fs::create_dir(to).map_err(DiskError::at("make the snapshot", to))?;
    copy(directory, to).map_err(DiskError::at("copy", directory))
}

/// Makes a directory what it was when the snapshot was taken. The directory itself stays, as it may be a mount.
///
/// # Errors
/// If there is no snapshot, or something cannot be removed or copied; then the directory is a mixture.
pub fn restore(from: &Path, directory: &Path) -> Result<(), DiskError> {
    fs::read_dir(from).map_err(DiskError::at("read the snapshot", from))?;
    empty(directory).map_err(DiskError::at("empty", directory))?;
    copy(from, directory).map_err(DiskError::at("restore", directory))
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            File::open(&target)?.sync_all()?;
        }
        // Sockets and pipes hold nothing; their owner makes them anew.
    }
    File::open(to)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_flipped_and_flipped_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        let mut places = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let flipped = flip_bit(&path, seed).unwrap();
            let bytes = fs::read(&path).unwrap();
            let ones: u32 = bytes.iter().map(|byte| (byte ^ 7).count_ones()).sum();
            assert_eq!((ones, bytes[flipped.offset as usize]), (1, 7 ^ (1 << flipped.bit)));
            assert_eq!(flip_bit(&path, seed).unwrap(), flipped, "the same seed, the same bit");
            places.insert(flipped.offset);
        }
        assert!(places.len() > 20, "{places:?}");
        assert!((0..50).all(|seed| flip_bit_within(&path, 9, seed).unwrap().offset < 9));
        fs::write(&path, []).unwrap();
        assert!(flip_bit(&path, 1).unwrap_err().to_string().contains("it is empty"));
    }

    #[test]
    fn a_file_is_truncated_by_no_more_than_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "hello world").unwrap();
        assert_eq!(truncate(&path, 6).unwrap(), 6);
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
        assert_eq!(truncate(&path, 60).unwrap(), 5);
        assert!(truncate(&directory.path().join("nothing"), 1).is_err());
    }

    #[test]
    fn a_directory_is_restored_to_what_it_was() {
        let place = tempfile::tempdir().unwrap();
        let (data, kept) = (place.path().join("data"), place.path().join("kept"));
        fs::create_dir_all(data.join("deep/er")).unwrap();
        fs::write(data.join("deep/er/file"), "old").unwrap();
        symlink("deep/er/file", data.join("link")).unwrap();
        snapshot(&data, &kept).unwrap();
        assert!(snapshot(&data, &kept).is_err(), "a snapshot is never overwritten");

        fs::write(data.join("deep/er/file"), "new").unwrap();
        fs::write(data.join("more"), "more").unwrap();
        fs::remove_file(data.join("link")).unwrap();
        restore(&kept, &data).unwrap();
        assert_eq!(fs::read_to_string(data.join("link")).unwrap(), "old");
        assert!(!data.join("more").exists());
        assert!(restore(&place.path().join("nothing"), &data).is_err());
        assert!(data.join("link").exists(), "what cannot be restored is not emptied");
    }
}
