//! The kernel's questions (FUSE), each answered by one sentence of [`Volume`].

use super::volume::{Changes, Listing, Maker, Volume};
use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::FileTimes;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

/// How long the kernel may believe what it was told. Nobody changes anything but through it, and a power cut takes
/// everything back that it believes.
const BELIEVED: Duration = Duration::from_secs(10);

/// A disk that forgets, as the kernel sees it.
pub struct LossyFilesystem {
    volume: Arc<Volume>,
    /// Directories that are being read: what was in them when they were opened.
    listings: Mutex<BTreeMap<u64, Listing>>,
    opened: AtomicU64,
}

impl LossyFilesystem {
    /// Answers from this volume.
    pub fn new(volume: Arc<Volume>) -> LossyFilesystem {
        LossyFilesystem { volume, listings: Mutex::default(), opened: AtomicU64::new(1) }
    }

    fn listings(&self) -> MutexGuard<'_, BTreeMap<u64, Listing>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs, at once or, if the disk is slow, in a thread of its own: nobody else waits for it.
    fn sync(&self, number: INodeNo, only_data: bool, reply: ReplyEmpty) {
        let (volume, delay) = (Arc::clone(&self.volume), self.volume.sync_delay());
        let outages = volume.outages();
        let work = move || {
            thread::sleep(delay);
            match volume.sync(number.0, only_data, !delay.is_zero(), outages) {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(Errno::from(error)),
            }
        };
        if delay.is_zero() {
            work();
        } else {
            // If there can be no more threads, `reply` is dropped, which is an error to whoever asked.
            let _refused = thread::Builder::new().name("slow sync".to_owned()).spawn(work);
        }
    }
}

/// Answers with an error, or goes on.
macro_rules! answer {
    ($result:expr, $reply:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return $reply.error(Errno::from(error)),
        }
    };
}

fn maker(request: &Request, mode: u32) -> Maker {
    Maker { uid: request.uid(), gid: request.gid(), mode }
}

fn times(accessed: Option<TimeOrNow>, written: Option<TimeOrNow>) -> FileTimes {
    let time = |time| match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    };
    let times = accessed.map_or(FileTimes::new(), |accessed| FileTimes::new().set_accessed(time(accessed)));
    written.map_or(times, |written| times.set_modified(time(written)))
}

impl Filesystem for LossyFilesystem {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = answer!(self.volume.look_up(parent.0, name), reply);
        reply.entry(&BELIEVED, &found, Generation(0));
    }

    fn forget(&self, _: &Request, number: INodeNo, times: u64) {
        self.volume.forget(number.0, times);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = answer!(self.volume.attributes(number.0), reply);
        reply.attr(&BELIEVED, &found);
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        written: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let retimed = accessed.is_some() || written.is_some();
        let changes = Changes { mode, uid, gid, size, times: times(accessed, written), retimed };
        let found = answer!(self.volume.change(number.0, changes), reply);
        reply.attr(&BELIEVED, &found);
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        let target = answer!(self.volume.target(number.0), reply);
        reply.data(&target);
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let made = answer!(self.volume.make_directory(parent.0, name, maker(request, mode)), reply);
        reply.entry(&BELIEVED, &made, Generation(0));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(self.volume.remove(parent.0, name), reply);
        reply.ok();
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(self.volume.remove_directory(parent.0, name), reply);
        reply.ok();
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let made = answer!(self.volume.make_link(parent.0, name, maker(request, 0o777), target), reply);
        reply.entry(&BELIEVED, &made, Generation(0));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let anew = flags.contains(RenameFlags::RENAME_NOREPLACE);
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return reply.error(Errno::EINVAL);
        }
        answer!(self.volume.rename((parent.0, name), (new_parent.0, new_name), anew), reply);
        reply.ok();
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = answer!(self.volume.link(number.0, parent.0, name), reply);
        reply.entry(&BELIEVED, &found, Generation(0));
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        answer!(self.volume.open(number.0), reply);
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let anew = flags & libc::O_EXCL != 0;
        let made = answer!(self.volume.create(parent.0, name, maker(request, mode), anew), reply);
        reply.created(&BELIEVED, &made, Generation(0), FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let data = answer!(self.volume.read(number.0, offset, length as usize), reply);
        reply.data(&data);
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        answer!(self.volume.write(number.0, offset, data), reply);
        reply.written(u32::try_from(data.len()).expect("the kernel writes at most a megabyte at once"));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file syncs nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, only_data: bool, reply: ReplyEmpty) {
        self.sync(number, only_data, reply);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, only_data: bool, reply: ReplyEmpty) {
        self.sync(number, only_data, reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        match mode {
            0 => answer!(self.volume.reserve(number.0, offset.saturating_add(length)), reply),
            libc::FALLOC_FL_KEEP_SIZE => {}
            _ => return reply.error(Errno::EOPNOTSUPP),
        }
        reply.ok();
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let listing = answer!(self.volume.list(number.0), reply);
        let handle = self.opened.fetch_add(1, Ordering::Relaxed);
        self.listings().insert(handle, listing);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listings = self.listings();
        let entries = listings.get(&handle.0).map_or(&[][..], Vec::as_slice);
        let dots = [".", ".."].map(|name| (number, FileType::Directory, OsStr::new(name)));
        let rest = entries.iter().map(|(number, kind, name)| {
            let kind = kind.and_then(FileType::from_std).unwrap_or(FileType::RegularFile);
            (INodeNo(*number), kind, name.as_os_str())
        });
        let all = dots.into_iter().chain(rest).zip(1..).skip(usize::try_from(offset).unwrap_or(usize::MAX));
        for ((number, kind, name), next) in all {
            if reply.add(number, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let space = answer!(self.volume.space(), reply);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        reply.statfs(
            space.f_blocks,
            space.f_bfree,
            space.f_bavail,
            space.f_files,
            space.f_ffree,
            small(space.f_bsize),
            small(space.f_namemax),
            small(space.f_frsize),
        );
    }
}
