//! What a node has on its disk, and what is done to it behind the node's back.

use history::{Chance, Damage};
use linux::disk::{self, DiskError};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// The copy that a rollback gives back, beside the data.
const COPY: &str = "copy";
/// What was there before the last damage, beside the data.
const BEFORE: &str = "before-damage";

/// Of a file that has so many bytes, the first half rots: nobody knows here where a record ends, but what is written last
/// is hardly ever as long as the other half.
const ROTS: u64 = 4096;

/// A node's data directory. Nothing else is touched but two copies beside it.
#[derive(Debug, Clone)]
pub struct Data(PathBuf);

/// A file of a node.
struct Found {
    path: PathBuf,
    length: u64,
    written: SystemTime,
}

impl Data {
    /// The data in this directory.
    pub fn at(directory: PathBuf) -> Data {
        Data(directory)
    }

    /// Copies it, for a rollback later. The node may be at work meanwhile.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn copy(&self) -> Result<(), String> {
        self.copy_to(COPY)
    }

    fn copy_to(&self, name: &str) -> Result<(), String> {
        let copy = self.0.with_file_name(name);
        if copy.exists() {
            fs::remove_dir_all(&copy).map_err(|why| format!("cannot remove {}: {why}", copy.display()))?;
        }
        disk::snapshot(&self.0, &copy).map_err(said)
    }

    /// Damages it, where `seed` says; what was done, exactly. The node must be down. A rollback gives back what was
    /// copied last.
    ///
    /// # Errors
    /// If there is nothing to damage, or the disk refuses. It is what it was then.
    pub fn damage(&self, damage: &Damage, seed: u64) -> Result<String, String> {
        self.copy_to(BEFORE)?;
        self.edit(damage, seed).map_err(|why| match self.put_back() {
            Ok(()) => why,
            Err(worse) => format!("{why}; and it cannot be put back: {worse}"),
        })
    }

    fn edit(&self, damage: &Damage, seed: u64) -> Result<String, String> {
        let name = |path: &Path| path.strip_prefix(&self.0).unwrap_or(path).display().to_string();
        match damage {
            Damage::FlipBit { file } => {
                let path = match file {
                    Some(file) => self.file(file)?,
                    None => self.any(seed)?,
                };
                let disk::Flipped { offset, bit } = disk::flip_bit(&path, seed).map_err(said)?;
                Ok(format!("bit {bit} of byte {offset} of {} is flipped", name(&path)))
            }
            Damage::Rot { file } => {
                let path = match file {
                    Some(file) => self.file(file)?,
                    None => self.largest()?,
                };
                let length = fs::metadata(&path).map_err(|why| format!("{}: {why}", path.display()))?.len();
                if length < ROTS {
                    return Err(format!("{} has only {length} bytes, and its end must not rot", name(&path)));
                }
                let flipped = disk::flip_bit_within(&path, length / 2, seed).map_err(said)?;
                let disk::Flipped { offset, bit } = flipped;
                Ok(format!("bit {bit} of byte {offset} of {} is rotten, of {length} bytes", name(&path)))
            }
            Damage::Truncate { file, permille } => {
                let path = match file {
                    Some(file) => self.file(file)?,
                    None => self.last_written()?,
                };
                let length = fs::metadata(&path).map_err(|why| format!("{}: {why}", path.display()))?.len();
                let cut = (length.saturating_mul(u64::from(*permille))).div_ceil(1000).max(1);
                let cut = disk::truncate(&path, cut).map_err(said)?;
                Ok(format!(
                    "{} is {} bytes long, not {length}: the last {cut} are gone",
                    name(&path),
                    length - cut
                ))
            }
            Damage::Rollback { after_ms } => {
                let before = self.size();
                disk::restore(&self.0.with_file_name(COPY), &self.0).map_err(said)?;
                let now = self.size();
                Ok(format!(
                    "its data is that of {after_ms} ms before it was killed: {now} bytes, not {before}"
                ))
            }
        }
    }

    /// Makes it what it was before the last damage. The node must be down.
    ///
    /// # Errors
    /// If it was never damaged, or the disk refuses.
    pub fn put_back(&self) -> Result<(), String> {
        disk::restore(&self.0.with_file_name(BEFORE), &self.0).map_err(said)
    }

    /// A file that was named, which must be one of the node's.
    fn file(&self, named: &str) -> Result<PathBuf, String> {
        let path = Path::new(named);
        match path.components().all(|part| matches!(part, Component::Normal(_))) {
            true => Ok(self.0.join(path)),
            false => Err(format!("{named} is not below its data directory")),
        }
    }

    /// A file, the larger the likelier: every byte of all of them is as likely as any other.
    fn any(&self, seed: u64) -> Result<PathBuf, String> {
        let found = files(&self.0);
        let bytes = found.iter().map(|file| file.length).sum();
        let mut at = if bytes > 0 { Chance::new(seed).below(bytes) } else { 0 };
        let hit = found.into_iter().find(|file| {
            let hit = at < file.length;
            at = at.saturating_sub(file.length);
            hit
        });
        hit.map(|file| file.path).ok_or_else(|| "its files are empty".to_owned())
    }

    fn last_written(&self) -> Result<PathBuf, String> {
        let last = files(&self.0).into_iter().max_by_key(|file| file.written);
        last.map(|file| file.path).ok_or_else(|| "its files are empty".to_owned())
    }

    fn largest(&self) -> Result<PathBuf, String> {
        let largest = files(&self.0).into_iter().max_by_key(|file| file.length);
        largest.map(|file| file.path).ok_or_else(|| "its files are empty".to_owned())
    }

    fn size(&self) -> u64 {
        files(&self.0).iter().map(|file| file.length).sum()
    }
}

fn said(error: DiskError) -> String {
    error.to_string()
}

/// Every file in a directory that is not empty, in a certain order.
fn files(directory: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (Ok(kind), Ok(metadata)) = (entry.file_type(), entry.metadata()) else { continue };
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() && metadata.len() > 0 {
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Found { path: entry.path(), length: metadata.len(), written });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_what_it_says_and_can_be_put_back() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("data");
        fs::create_dir_all(directory.join("deep")).unwrap();
        fs::write(directory.join("deep/log"), [0; 1000]).unwrap();
        fs::write(directory.join("empty"), "").unwrap();
        let data = Data::at(directory.clone());
        assert!(data.put_back().is_err(), "nothing was done to it yet");

        let said = data.damage(&Damage::Truncate { file: None, permille: 250 }, 1).unwrap();
        assert_eq!(said, "deep/log is 750 bytes long, not 1000: the last 250 are gone");
        data.put_back().unwrap();
        assert_eq!(fs::read(directory.join("deep/log")).unwrap(), [0; 1000]);

        let flip = |file: Option<&str>| Damage::FlipBit { file: file.map(str::to_owned) };
        let said = data.damage(&flip(Some("deep/log")), 1).unwrap();
        let bytes = fs::read(directory.join("deep/log")).unwrap();
        let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        assert!(ones == 1 && said.ends_with("of deep/log is flipped"), "{said}");
        data.put_back().unwrap();
        data.damage(&flip(Some("deep/log")), 1).unwrap();
        assert_eq!(fs::read(directory.join("deep/log")).unwrap(), bytes, "the same dice hit the same bit");

        data.put_back().unwrap();
        let rot = Damage::Rot { file: None };
        assert!(data.damage(&rot, 1).unwrap_err().contains("deep/log has only 1000 bytes"));
        fs::write(directory.join("deep/log"), [0; 9000]).unwrap();
        for seed in 0..20 {
            let said = data.damage(&rot, seed).unwrap();
            let bytes = fs::read(directory.join("deep/log")).unwrap();
            let hit = bytes.iter().position(|byte| *byte != 0).unwrap();
            assert!(
                hit < 4500 && said.ends_with(&format!("byte {hit} of deep/log is rotten, of 9000 bytes"))
            );
            data.put_back().unwrap();
        }
        fs::write(directory.join("deep/log"), [0; 1000]).unwrap();

        for named in ["../secret", "/etc/passwd"] {
            let why = data.damage(&flip(Some(named)), 1).unwrap_err();
            assert!(why.contains("not below its data directory"), "{why}");
        }
        let rollback = Damage::Rollback { after_ms: 9 };
        assert!(data.damage(&rollback, 1).is_err(), "nothing was copied yet");
        data.copy().unwrap();
        fs::write(directory.join("deep/log"), [1; 5000]).unwrap();
        let said = data.damage(&rollback, 1).unwrap();
        assert!(said.contains("9 ms before") && said.ends_with("1000 bytes, not 5000"), "{said}");
        fs::write(directory.join("deep/log"), "").unwrap();
        assert_eq!(data.damage(&flip(None), 1), Err("its files are empty".to_owned()));
    }
}
