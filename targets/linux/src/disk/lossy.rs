//! A mounted disk that forgets.

use super::dice::Dice;
use super::error::DiskError;
use super::filesystem::LossyFilesystem;
use super::kernel::{self, Unmount};
use super::leftovers::source;
use super::names::Names;
use super::trouble::{Counters, Lost, Trouble};
use super::volume::{Volume, is_root};
use fuser::{BackgroundSession, Config, INodeNo, MountOption, Notifier, SessionACL};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How many requests are answered at once: as many as may wait for the real disk while others go on.
const THREADS: usize = 4;

/// How long a disk that is to be unmounted may be busy.
const PATIENCE: Duration = Duration::from_millis(500);

/// A directory mounted so that it forgets, on command, whatever was not synced. Unmounted when dropped, with
/// everything in place that was written to it.
pub struct LossyDisk {
    at: PathBuf,
    volume: Arc<Volume>,
    notifier: Notifier,
    session: Option<BackgroundSession>,
}

impl LossyDisk {
    /// Mounts the directory `backing` at the directory `at`, which may be the same. It is mounted in the mount
    /// namespace of the calling thread. Beside `backing` a directory
    /// is made, when it is needed, for what was removed and could come back.
    ///
    /// # Errors
    /// If it cannot be mounted, as [`super::can`] explains.
    pub fn mount(backing: &Path, at: &Path, names: Names) -> Result<LossyDisk, DiskError> {
        let failed = || DiskError::at("mount a lossy disk at", at);
        let at = at.canonicalize().map_err(failed())?;
        let volume = Volume::new(backing, names).map_err(DiskError::at("use as a lossy disk", backing))?;
        let volume = Arc::new(volume);
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(source().map_err(failed())?),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        // Nodes may run as somebody else; who is not root may not always say so, and runs them as himself.
        config.acl = if is_root() { SessionACL::All } else { SessionACL::Owner };
        (config.n_threads, config.clone_fd) = (Some(THREADS), true);
        let filesystem = LossyFilesystem::new(Arc::clone(&volume));
        let session = fuser::spawn_mount(filesystem, &at, &config).map_err(failed())?;
        Ok(LossyDisk { at, volume, notifier: session.notifier(), session: Some(session) })
    }

    /// Where it is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The power goes: everything that was not synced is lost. To be called when whoever used the disk is dead.
    ///
    /// # Errors
    /// If the file system below fails.
    pub fn lose_unsynced(&self) -> Result<Lost, DiskError> {
        self.lose(None)
    }

    /// The power goes in the middle of writing back: of what was not synced any part may be on the disk, in sectors and
    /// in any order; of names, those changed first. To be called when whoever used the disk is dead.
    ///
    /// # Errors
    /// If the file system below fails.
    pub fn tear(&self, seed: u64) -> Result<Lost, DiskError> {
        self.lose(Some(Dice::new(seed)))
    }

    fn lose(&self, dice: Option<Dice>) -> Result<Lost, DiskError> {
        // What was written through a mapping is in the kernel's cache alone until it is asked for.
        self.uncache()?;
        let lost = self.volume.lose(dice);
        let (lost, renamed) = lost.map_err(DiskError::at("take the power from", &self.at))?;
        self.uncache()?;
        for (directory, name) in renamed {
            self.told(self.notifier.inval_entry(INodeNo(directory), &name))?;
        }
        Ok(lost)
    }

    /// Makes the kernel forget what it has cached, after writing back what only it knows.
    fn uncache(&self) -> Result<(), DiskError> {
        let mut numbers = self.volume.numbers().into_iter();
        numbers.try_for_each(|number| self.told(self.notifier.inval_inode(INodeNo(number), 0, 0)))
    }

    fn told(&self, result: io::Result<()>) -> Result<(), DiskError> {
        result.map_err(DiskError::at("empty the kernel's cache of", &self.at))
    }

    /// From now on this is wrong with it; [`Trouble::default`] repairs it.
    ///
    /// # Errors
    /// If the kernel does not forget what it has cached, so that reads would not fail.
    pub fn set(&self, trouble: Trouble) -> Result<(), DiskError> {
        if trouble.fail_reads {
            self.uncache()?;
        }
        self.volume.set(trouble);
        Ok(())
    }

    /// What it was asked so far, and what is unsynced now.
    pub fn counters(&self) -> Counters {
        self.volume.counters()
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// If the file system below fails.
    pub fn settle(&self) -> Result<(), DiskError> {
        self.uncache()?;
        self.volume.settle().map_err(DiskError::at("settle", &self.at))
    }

    /// Unmounts it and makes everything durable. If it is in use it vanishes from the tree at once, and answers its
    /// last users as long as they are there.
    ///
    /// # Errors
    /// If it cannot be unmounted, or the file system below fails.
    pub fn unmount(mut self) -> Result<(), DiskError> {
        self.end()
    }

    /// A process that was just forked or killed may hold files open for a moment.
    fn unmount_patiently(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match kernel::unmount(&self.at, Unmount::Idle) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    fn end(&mut self) -> Result<(), DiskError> {
        let Some(session) = self.session.take() else { return Ok(()) };
        self.volume.set(Trouble::default());
        let unmounted = match self.unmount_patiently() {
            Ok(()) => ended(session),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                kernel::unmount(&self.at, Unmount::Lazily)
            }
            // Without privileges fuser asks fusermount3, when it is dropped.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                drop(session);
                Ok(())
            }
            // Somebody else has done it.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            Err(error) => Err(error),
        };
        let settled = self.volume.settle().map_err(DiskError::at("settle", &self.at));
        unmounted.map_err(DiskError::at("unmount", &self.at)).and(settled)
    }
}

/// Waits until nobody asks any more. Whoever is in a copy of our mount namespace may go on; it is not waited for.
fn ended(session: BackgroundSession) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !session.guard.is_finished() {
        if Instant::now() >= deadline {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    match session.join() {
        // A thread that was being handed its last message when the mount went is told this, not that the device is gone.
        Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => Ok(()),
        other => other,
    }
}

impl Drop for LossyDisk {
    fn drop(&mut self) {
        // Whoever wants to know calls `unmount`; what is left can be found by `leftovers`.
        let _left = self.end();
    }
}

impl fmt::Debug for LossyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossyDisk").field("at", &self.at).field("counters", &self.counters()).finish()
    }
}
