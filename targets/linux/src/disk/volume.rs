//! A disk that forgets: what every request does, without the protocol by which it comes.

use super::dice::Dice;
use super::inodes::{Inodes, ROOT};
use super::kernel;
use super::names::{self, Journal, Names, Place};
use super::trouble::{Counters, Lost, Trouble};
use fuser::FileAttr;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A disk that forgets.
#[derive(Debug)]
pub struct Volume {
    state: Mutex<State>,
    /// Whether files can be given to whoever makes them.
    privileged: bool,
}

#[derive(Debug)]
struct State {
    inodes: Inodes,
    names: Journal,
    trouble: Trouble,
    counters: Counters,
    /// How often the power has gone: a sync that began before is void.
    outages: u64,
}

/// Whoever makes a file, and with which permissions.
#[derive(Debug, Clone, Copy)]
pub struct Maker {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The permissions of the new file.
    pub mode: u32,
}

/// What is to be changed of a file's attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes {
    /// Its permissions.
    pub mode: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Its length.
    pub size: Option<u64>,
    /// When it was read and when it was written.
    pub times: fs::FileTimes,
    /// Whether `times` says anything.
    pub retimed: bool,
}

/// The names that a power cut gave another meaning: the directory's number and the name.
pub type Renamed = Vec<(u64, OsString)>;

/// One entry of a directory: its number, its kind and its name.
pub type Listing = Vec<(u64, Option<fs::FileType>, OsString)>;

impl Volume {
    /// A disk over the directory `root`.
    ///
    /// # Errors
    /// If `root` is not a directory, or nothing can be made beside it.
    pub fn new(root: &Path, names: Names) -> io::Result<Volume> {
        let root = root.canonicalize()?;
        let inodes = Inodes::new(&root)?;
        let names = Journal::new(names, &names::attic_of(&root))?;
        let (trouble, counters) = (Trouble::default(), Counters::default());
        let state = Mutex::new(State { inodes, names, trouble, counters, outages: 0 });
        Ok(Volume { state, privileged: is_root() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in one request must not hang the whole disk.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Inodes::look_up`].
    pub fn look_up(&self, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        self.state().inodes.look_up(parent, name)
    }

    /// As [`Inodes::forget`].
    pub fn forget(&self, number: u64, times: u64) {
        self.state().inodes.forget(number, times);
    }

    /// As [`Inodes::attributes`].
    pub fn attributes(&self, number: u64) -> io::Result<FileAttr> {
        self.state().inodes.attributes(number)
    }

    /// Changes attributes. The length is part of what a power cut takes; the others are durable at once.
    pub fn change(&self, number: u64, changes: Changes) -> io::Result<FileAttr> {
        let mut state = self.state();
        if let Some(size) = changes.size {
            let grows = size > state.inodes.attributes(number)?.size;
            state.writable(grows)?;
            state.inodes.get(number)?.change()?.resize(size);
        }
        let inode = state.inodes.get(number)?;
        if let Some(mode) = changes.mode {
            fs::set_permissions(inode.handle.path(), Permissions::from_mode(mode & 0o7777))?;
        }
        if changes.uid.is_some() || changes.gid.is_some() {
            chown(inode.handle.path(), changes.uid, changes.gid)?;
        }
        if changes.retimed && inode.target.is_none() {
            inode.open()?.set_times(changes.times)?;
        }
        state.inodes.attributes(number)
    }

    /// What a symbolic link points to.
    pub fn target(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let target = state.inodes.get(number)?.target.clone().ok_or_else(|| errno(libc::EINVAL))?;
        Ok(target.into_os_string().into_encoded_bytes())
    }

    /// Opens a file: finds out whether it can be.
    pub fn open(&self, number: u64) -> io::Result<()> {
        self.state().inodes.get(number)?.open().map(drop)
    }

    /// What is in a directory.
    pub fn list(&self, number: u64) -> io::Result<Listing> {
        use std::os::unix::fs::DirEntryExt;
        let path = self.state().inodes.get(number)?.handle.path();
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.ino(), entry.file_type().ok(), entry.file_name()))
        };
        fs::read_dir(path)?.map(entry).collect()
    }

    /// Makes a file, or opens it if it is there and `anew` does not forbid that.
    pub fn create(&self, parent: u64, name: &OsStr, maker: Maker, anew: bool) -> io::Result<FileAttr> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let made = self.make(parent, name, maker, |path| options.open(path).map(drop));
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !anew => self.look_up(parent, name),
            made => made,
        }
    }

    /// Makes a directory.
    pub fn make_directory(&self, parent: u64, name: &OsStr, maker: Maker) -> io::Result<FileAttr> {
        self.make(parent, name, maker, |path| fs::create_dir(path))
    }

    /// Makes a symbolic link.
    pub fn make_link(&self, parent: u64, name: &OsStr, maker: Maker, target: &Path) -> io::Result<FileAttr> {
        self.make(parent, name, maker, |path| symlink(target, path))
    }

    fn make(
        &self,
        parent: u64,
        name: &OsStr,
        maker: Maker,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<FileAttr> {
        let mut state = self.state();
        let place = state.place(parent, name)?;
        if fs::symlink_metadata(place.path()).is_err() {
            state.writable(true)?;
        }
        let path = place.path();
        make(&path)?;
        if self.privileged {
            lchown(&path, Some(maker.uid), Some(maker.gid))?;
        }
        if !fs::symlink_metadata(&path)?.is_symlink() {
            fs::set_permissions(&path, Permissions::from_mode(maker.mode & 0o7777))?;
        }
        let attributes = state.inodes.look_up(parent, name)?;
        state.names.made(attributes.ino.0, place)?;
        Ok(attributes)
    }

    /// Gives a file a second name.
    pub fn link(&self, number: u64, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        let mut state = self.state();
        state.writable(true)?;
        let place = state.place(parent, name)?;
        kernel::link(&state.inodes.get(number)?.handle.path(), &place.path())?;
        state.names.made(number, place)?;
        state.inodes.look_up(parent, name)
    }

    /// Removes a file.
    pub fn remove(&self, parent: u64, name: &OsStr) -> io::Result<()> {
        let mut state = self.state();
        let (child, place) = (state.inodes.find(parent, name)?, state.place(parent, name)?);
        state.names.remove(child, place)
    }

    /// Removes an empty directory.
    pub fn remove_directory(&self, parent: u64, name: &OsStr) -> io::Result<()> {
        let mut state = self.state();
        let (child, place) = (state.inodes.find(parent, name)?, state.place(parent, name)?);
        if !names::is_empty(&place.path())? {
            return Err(errno(libc::ENOTEMPTY));
        }
        state.names.remove(child, place)
    }

    /// Renames; what is at the new place goes, unless `anew` forbids that.
    pub fn rename(&self, from: (u64, &OsStr), to: (u64, &OsStr), anew: bool) -> io::Result<()> {
        let mut state = self.state();
        let child = state.inodes.find(from.0, from.1)?;
        let (from, to) = (state.place(from.0, from.1)?, state.place(to.0, to.1)?);
        let there = fs::symlink_metadata(to.path()).ok();
        let itself = there.as_ref().is_some_and(|there| there.ino() == child);
        match &there {
            Some(_) if anew => return Err(errno(libc::EEXIST)),
            // Two names of one file: POSIX has it that nothing happens.
            Some(_) if itself => return Ok(()),
            Some(there) if there.is_dir() && !names::is_empty(&to.path())? => {
                return Err(errno(libc::ENOTEMPTY));
            }
            _ => {}
        }
        state.names.rename(child, from, to, there.is_some())
    }

    /// Reads.
    pub fn read(&self, number: u64, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.counters.reads += 1;
        if state.trouble.fail_reads {
            return Err(state.fail(libc::EIO));
        }
        let inode = state.inodes.get(number)?;
        let file = inode.open()?;
        match &inode.unsynced {
            Some(unsynced) => unsynced.read(&file, offset, length),
            None => super::unsynced::read_plain(&file, offset, length),
        }
    }

    /// Writes, into memory only.
    pub fn write(&self, number: u64, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.counters.writes += 1;
        let grows = offset + data.len() as u64 > state.inodes.attributes(number)?.size;
        state.writable(grows)?;
        state.inodes.get(number)?.change()?.write(offset, data);
        Ok(())
    }

    /// Grows a file to at least this length, with zeros.
    pub fn reserve(&self, number: u64, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let grows = length > state.inodes.attributes(number)?.size;
        state.writable(grows)?;
        if grows {
            state.inodes.get(number)?.change()?.resize(length);
        }
        Ok(())
    }

    /// How long the next sync has to wait before it is done.
    pub fn sync_delay(&self) -> Duration {
        self.state().trouble.sync_delay
    }

    /// How often the power has gone.
    pub fn outages(&self) -> u64 {
        self.state().outages
    }

    /// Makes durable what was done to a file or directory, unless the power has gone since `outages` was read.
    pub fn sync(&self, number: u64, only_data: bool, delayed: bool, outages: u64) -> io::Result<()> {
        let file = {
            let mut state = self.state();
            state.counters.syncs += 1;
            state.counters.delayed_syncs += u64::from(delayed);
            if state.outages != outages {
                return Err(errno(libc::EIO));
            }
            if state.trouble.fail_syncs {
                return Err(state.fail(libc::EIO));
            }
            let inode = state.inodes.get(number)?;
            inode.settle()?;
            let file = inode.open()?;
            state.names.sync(number)?;
            file
        };
        // Others go on meanwhile. It takes as long as it does on this machine's disk.
        if only_data { file.sync_data() } else { file.sync_all() }
    }

    /// Makes everything durable, as a file system does that is unmounted.
    pub fn settle(&self) -> io::Result<()> {
        let mut state = self.state();
        let settled: Vec<io::Result<()>> = state.inodes.iter_mut().map(|inode| inode.settle()).collect();
        state.names.close()?;
        state.inodes.sweep();
        settled.into_iter().collect()
    }

    /// The power goes. What was not synced is lost, or, with dice, torn.
    pub fn lose(&self, mut dice: Option<Dice>) -> io::Result<(Lost, Renamed)> {
        let mut state = self.state();
        state.outages += 1;
        state.inodes.sweep();
        let mut lost = Lost::default();
        for inode in state.inodes.iter_mut() {
            let Some(unsynced) = inode.unsynced.take() else { continue };
            let kept = match &mut dice {
                Some(dice) => unsynced.tear(&*inode.open()?, dice)?,
                None => 0,
            };
            let same = unsynced.bytes() == kept && inode.open()?.metadata()?.len() == unsynced.size;
            lost.files += u64::from(!same);
            lost.bytes += unsynced.bytes() - kept;
            lost.kept += kept;
        }
        let changes = state.names.len();
        let kept = dice.map_or(0, |mut dice| dice.below(changes as u64 + 1) as usize);
        state.names.keep(kept)?;
        lost.names = (changes - kept) as u64;
        let renamed = state.names.undo()?;
        state.inodes.sweep();
        Ok((lost, renamed.into_iter().map(|place| (place.number, place.name)).collect()))
    }

    /// From now on this is wrong with it.
    pub fn set(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// What it was asked, and what is unsynced now.
    pub fn counters(&self) -> Counters {
        let mut state = self.state();
        state.inodes.sweep();
        let mut counters = Counters { unsynced_names: state.names.len() as u64, ..state.counters };
        for unsynced in state.inodes.iter_mut().filter_map(|inode| inode.unsynced.as_ref()) {
            counters.unsynced_files += 1;
            counters.unsynced_bytes += unsynced.bytes();
        }
        counters
    }

    /// Everything that the kernel may have cached.
    pub fn numbers(&self) -> Vec<u64> {
        self.state().inodes.numbers()
    }

    /// How much space there is: none, if it is full.
    pub fn space(&self) -> io::Result<libc::statvfs> {
        let mut state = self.state();
        let mut space = kernel::space(&state.inodes.get(ROOT)?.handle.path())?;
        if state.trouble.full {
            (space.f_bfree, space.f_bavail) = (0, 0);
        }
        Ok(space)
    }
}

impl State {
    fn place(&mut self, parent: u64, name: &OsStr) -> io::Result<Place> {
        let handle = Arc::clone(&self.inodes.get(parent)?.handle);
        Ok(Place { number: parent, handle, name: name.to_owned() })
    }

    /// Whether there can be a write, or one that needs more space.
    fn writable(&mut self, grows: bool) -> io::Result<()> {
        match self.trouble {
            Trouble { fail_writes: true, .. } => Err(self.fail(libc::EIO)),
            Trouble { full: true, .. } if grows => Err(self.fail(libc::ENOSPC)),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: i32) -> io::Error {
        self.counters.errors += 1;
        errno(error)
    }
}

/// The kernel wants numbers, and takes other kinds of error for EIO.
fn errno(error: i32) -> io::Error {
    io::Error::from_raw_os_error(error)
}

/// Whether this process is root, in its namespace.
pub fn is_root() -> bool {
    File::open("/proc/self/status").and_then(|file| file.metadata()).is_ok_and(|status| status.uid() == 0)
}
