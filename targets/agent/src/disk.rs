//! The disk below the node's data, when it is one that forgets.

use linux::disk::{self, Counters, LossyDisk, Lost, Names, Trouble};
use std::fs;
use std::path::{Path, PathBuf};

/// The disk below the node's data: an ordinary one until another is mounted over it. It is unmounted when this is
/// dropped.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    lossy: Option<LossyDisk>,
}

impl Disk {
    /// An ordinary disk below this directory.
    pub fn at(data: PathBuf) -> Disk {
        Disk { data, lossy: None }
    }

    /// Mounts one that forgets. What an agent that was killed has left mounted there is removed first.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&mut self) -> Result<(), String> {
        sweep(&self.data)?;
        fs::create_dir_all(&self.data).map_err(|why| format!("{}: {why}", self.data.display()))?;
        let mounted = LossyDisk::mount(&self.data, &self.data, Names::Journaled);
        self.lossy = Some(mounted.map_err(|why| why.to_string())?);
        Ok(())
    }

    /// What was not synced is lost, or torn by dice that begin at this number.
    ///
    /// # Errors
    /// If it does not forget, or the disk below fails.
    pub fn cut_power(&self, tear: Option<u64>) -> Result<Lost, String> {
        let disk = self.lossy()?;
        tear.map_or_else(|| disk.lose_unsynced(), |seed| disk.tear(seed)).map_err(|why| why.to_string())
    }

    /// From now on this is wrong with it; what it did before.
    ///
    /// # Errors
    /// If it does not obey.
    pub fn sicken(&self, trouble: Trouble) -> Result<Counters, String> {
        let disk = self.lossy()?;
        let before = disk.counters();
        disk.set(trouble).map(|()| before).map_err(|why| why.to_string())
    }

    /// What it was asked, and how it answered.
    ///
    /// # Errors
    /// If it does not count.
    pub fn counters(&self) -> Result<Counters, String> {
        self.lossy().map(LossyDisk::counters)
    }

    fn lossy(&self) -> Result<&LossyDisk, String> {
        self.lossy.as_ref().ok_or_else(|| "has an ordinary disk".to_owned())
    }

    /// Unmounts it, with everything in place that was written, and whatever an agent that was killed has left there.
    ///
    /// # Errors
    /// If it stays.
    pub fn unmount(&mut self) -> Result<(), String> {
        let unmounted = self.lossy.take().map_or(Ok(()), LossyDisk::unmount);
        unmounted.map_err(|why| why.to_string()).and(sweep(self.data.parent().unwrap_or(&self.data)))
    }
}

/// Refuses a machine on which another run that was killed has left mounts: its agent was killed too.
///
/// # Errors
/// If there are some, which, and how to remove them; or if the kernel does not say.
pub fn refuse_leftovers(home: &Path) -> Result<(), String> {
    let dead = disk::leftovers().map_err(|why| why.to_string())?;
    refuse(home, &dead)
}

fn refuse(home: &Path, dead: &[PathBuf]) -> Result<(), String> {
    let strange = dead.iter().filter(|mount| !mount.starts_with(home));
    let strange: Vec<String> = strange.map(|mount| mount.display().to_string()).collect();
    if strange.is_empty() {
        return Ok(());
    }
    let left = strange.join(", ");
    Err(format!(
        "this host is still broken by a run that was killed, which left mounted {left}: `tribunal clean` with the same \
         --hosts removes it"
    ))
}

/// Removes the mounts of ours at or below this path that nobody serves any more.
///
/// # Errors
/// If one stays.
pub fn sweep(path: &Path) -> Result<(), String> {
    let mut dead = disk::leftovers().map_err(|why| why.to_string())?;
    dead.retain(|mount| mount.starts_with(path));
    dead.iter().try_for_each(|mount| disk::clean(mount)).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_run_has_left_is_refused_and_what_this_one_has_is_not() {
        let home = Path::new("/var/tmp/tribunal/runs/b/n1");
        assert_eq!(refuse(home, &[]), Ok(()));
        assert_eq!(refuse(home, &[home.join("data")]), Ok(()));
        let why = refuse(home, &[home.join("data"), "/var/tmp/tribunal/runs/a/n1/data".into()]).unwrap_err();
        assert!(why.contains("runs/a/n1/data: `tribunal clean`") && !why.contains("runs/b"), "{why}");
    }
}
