//! The files and directories that the kernel knows through us.

use super::handle::Handle;
use super::unsynced::Unsynced;
use fuser::{FileAttr, FileType, INodeNo};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number by which the kernel knows the directory that is mounted.
pub const ROOT: u64 = INodeNo::ROOT.0;

/// A file or directory that the kernel knows, or that has something unsynced.
#[derive(Debug)]
pub struct Inode {
    /// The file itself.
    pub handle: Arc<Handle>,
    /// Open, once anyone has opened it.
    opened: Option<Arc<File>>,
    /// What a symbolic link points to.
    pub target: Option<PathBuf>,
    /// What a power cut would take from it.
    pub unsynced: Option<Unsynced>,
    /// How often the kernel was told of it and has not yet forgotten.
    known: u64,
}

/// All of them, by their numbers in their file system; the root by [`ROOT`].
#[derive(Debug)]
pub struct Inodes {
    all: BTreeMap<u64, Inode>,
    /// The root's number in its file system.
    root: u64,
    /// The file system on which numbers are what they seem.
    device: u64,
    /// The one mount that all are found through: what is mounted inside is not ours.
    mount: u64,
}

impl Inodes {
    /// A table that holds the root alone.
    ///
    /// # Errors
    /// If it is not a directory, or cannot be held.
    pub fn new(root: &Path) -> io::Result<Inodes> {
        let handle = Handle::of(&root.canonicalize()?)?;
        let metadata = handle.metadata()?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let (number, device, mount) = (metadata.ino(), metadata.dev(), handle.mount()?);
        let root = Inode { handle: Arc::new(handle), opened: None, target: None, unsynced: None, known: 1 };
        Ok(Inodes { all: BTreeMap::from([(ROOT, root)]), root: number, device, mount })
    }

    /// The one with this number.
    ///
    /// # Errors
    /// If there is none, which the kernel should know.
    pub fn get(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.all.get_mut(&number).ok_or_else(|| io::Error::from_raw_os_error(libc::ESTALE))
    }

    /// Finds what has this name in `parent`, without telling the kernel.
    ///
    /// # Errors
    /// If there is nothing.
    pub fn find(&mut self, parent: u64, name: &OsStr) -> io::Result<u64> {
        let path = self.get(parent)?.handle.child(name);
        let handle = Handle::of(&path)?;
        let metadata = handle.metadata()?;
        if handle.mount()? != self.mount {
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        let number = match metadata.dev() == self.device {
            true if metadata.ino() == self.root => ROOT,
            true => metadata.ino(),
            // An overlay has directories of its own and files of others, whose numbers are others' too.
            false => metadata.ino() ^ metadata.dev().rotate_left(32) ^ 1 << 63,
        };
        let target = if metadata.is_symlink() { Some(fs::read_link(&path)?) } else { None };
        let inode = || Inode { handle: Arc::new(handle), opened: None, target, unsynced: None, known: 0 };
        self.all.entry(number).or_insert_with(inode);
        Ok(number)
    }

    /// Finds what has this name in `parent`, for the kernel.
    ///
    /// # Errors
    /// If there is nothing.
    pub fn look_up(&mut self, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        let number = self.find(parent, name)?;
        self.get(number)?.known += 1;
        self.attributes(number)
    }

    /// What the kernel is told of a file.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn attributes(&mut self, number: u64) -> io::Result<FileAttr> {
        let inode = self.get(number)?;
        let found = inode.handle.metadata()?;
        let size = inode.unsynced.as_ref().map_or(found.size(), |unsynced| unsynced.size);
        let changed = inode.unsynced.as_ref().map(|unsynced| unsynced.changed);
        let kind = FileType::from_std(found.file_type());
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: found.blocks().max(size.div_ceil(512)),
            atime: time(found.atime(), found.atime_nsec()),
            mtime: changed.unwrap_or(time(found.mtime(), found.mtime_nsec())),
            ctime: changed.unwrap_or(time(found.ctime(), found.ctime_nsec())),
            crtime: UNIX_EPOCH,
            kind: kind.unwrap_or(FileType::RegularFile),
            perm: (found.mode() & 0o7777) as u16,
            nlink: u32::try_from(found.nlink()).unwrap_or(u32::MAX),
            uid: found.uid(),
            gid: found.gid(),
            rdev: u32::try_from(found.rdev()).unwrap_or(0),
            blksize: 4096,
            flags: 0,
        })
    }

    /// The kernel has forgotten a file so many times.
    pub fn forget(&mut self, number: u64, times: u64) {
        if let Some(inode) = self.all.get_mut(&number) {
            inode.known = inode.known.saturating_sub(times);
            if !inode.is_needed() && number != ROOT {
                self.all.remove(&number);
            }
        }
    }

    /// Lets go of what nobody can see any more.
    pub fn sweep(&mut self) {
        self.all.retain(|number, inode| *number == ROOT || inode.is_needed());
    }

    /// The numbers of all.
    pub fn numbers(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    /// All, in the order of their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Inode> {
        self.all.values_mut()
    }
}

impl Inode {
    /// Opens it, or finds it open.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.opened {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.handle.open()?);
        self.opened = Some(Arc::clone(&file));
        Ok(file)
    }

    /// What is unsynced of it; from now on there is something.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn change(&mut self) -> io::Result<&mut Unsynced> {
        if self.unsynced.is_none() {
            self.unsynced = Some(Unsynced::over(self.open()?.metadata()?.len()));
        }
        Ok(self.unsynced.as_mut().expect("it was just put there"))
    }

    /// Makes everything written to it durable, as far as we are concerned.
    ///
    /// # Errors
    /// If the file system fails; then it is unsynced still.
    pub fn settle(&mut self) -> io::Result<()> {
        if let Some(unsynced) = &self.unsynced {
            let file = self.opened.as_ref().expect("whatever was changed is open");
            unsynced.settle(file)?;
            self.unsynced = None;
        }
        Ok(())
    }

    /// Whether anybody can see it: the kernel, or, by its name, anyone.
    fn is_needed(&self) -> bool {
        let named = || self.handle.metadata().is_ok_and(|found| found.nlink() > 0);
        self.known > 0 || self.unsynced.is_some() && named()
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let part = Duration::from_nanos(nanoseconds.unsigned_abs());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    if seconds >= 0 { UNIX_EPOCH + whole + part } else { UNIX_EPOCH - whole + part }
}
