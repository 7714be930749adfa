//! What control groups had before they were given less.

use super::error::CgroupError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a control group, and what was in them before they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before(Vec<(PathBuf, String)>);

impl Before {
    /// What is in these files now.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Result<Before, CgroupError> {
        let files = files.into_iter().map(|path| {
            let text = fs::read_to_string(&path).map_err(CgroupError::at("read", &path))?;
            Ok((path, text.trim().to_owned()))
        });
        files.collect::<Result<_, _>>().map(Before)
    }

    /// Puts it back, in reverse order.
    ///
    /// # Errors
    /// If the kernel refuses. If the group is gone, that is as good.
    pub fn restore(&self) -> Result<(), CgroupError> {
        let restored = self.0.iter().rev().try_for_each(|(file, text)| write(file, text));
        restored.or_else(|why| if why.is_gone() { Ok(()) } else { Err(why) })
    }
}

/// Writes a file of a control group.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn write(file: &Path, text: &str) -> Result<(), CgroupError> {
    let doing = || format!("write {text} to {}", file.display());
    // Never made anew: a group that is gone must not come back as a folder somewhere else.
    let opened = fs::OpenOptions::new().write(true).truncate(true).open(file);
    let written = opened.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|why| CgroupError::new(doing(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_is_put_back_and_nothing_is_made() {
        let place = tempfile::tempdir().unwrap();
        let [period, quota] = ["period", "quota"].map(|name| place.path().join(name));
        fs::write(&period, "100\n").unwrap();
        assert!(Before::of([period.clone(), quota.clone()]).is_err(), "one is not there");
        fs::write(&quota, "-1\n").unwrap();
        let before = Before::of([period.clone(), quota.clone()]).unwrap();
        fs::remove_file(&quota).unwrap();
        before.restore().unwrap();
        assert!(!quota.exists(), "a group that is gone stays so");
        fs::write(&quota, "7777").unwrap();
        write(&period, "200").unwrap();
        before.restore().unwrap();
        assert_eq!(fs::read_to_string(&period).unwrap() + &fs::read_to_string(&quota).unwrap(), "100-1");
    }
}
