//! Real mounts. Where they are not possible each test says so.

use super::dice::Dice;
use super::names::Names;
use super::trouble::Trouble;
use super::{Counters, DiskError, LossyDisk, Lost, can, clean, leftovers};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A lossy disk over a directory of its own.
struct Bench {
    disk: Option<LossyDisk>,
    place: TempDir,
}

impl Bench {
    /// `None` where lossy disks cannot be mounted, which is said.
    fn new(test: &str, names: Names) -> Option<Bench> {
        if let Err(why) = can() {
            assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
            println!("skipped: {test}: {why}");
            return None;
        }
        let place = TempDir::new().unwrap();
        fs::create_dir(place.path().join("data")).unwrap();
        let mut bench = Bench { disk: None, place };
        bench.disk = Some(LossyDisk::mount(&bench.data(), &bench.data(), names).unwrap());
        Some(bench)
    }

    fn disk(&self) -> &LossyDisk {
        self.disk.as_ref().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    /// Writes and syncs.
    fn promised(&self, name: &str, content: &[u8]) -> File {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.path(name)).unwrap();
        file.write_all_at(content, 0).unwrap();
        file.sync_all().unwrap();
        file
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn lose(&self) -> Lost {
        self.disk().lose_unsynced().unwrap()
    }

    /// Unmounts, and looks that nothing is left.
    fn end(mut self) {
        self.disk.take().unwrap().unmount().unwrap();
        assert!(!mounted(&self.data()), "it is unmounted");
        assert_eq!(fs::read_dir(self.place.path()).unwrap().count(), 1, "the data is left and nothing else");
    }
}

/// Otherwise every test here could be skipped where none should be.
#[test]
fn whoever_may_mount_can() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let may_mount = u64::from_str_radix(capabilities.trim(), 16).unwrap() >> 21 & 1 == 1;
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    match can() {
        Ok(()) => assert!(device.is_ok()),
        Err(why) => assert!(!may_mount || device.is_err(), "{why}"),
    }
}

fn mounted(at: &Path) -> bool {
    fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&format!(" {} ", at.display()))
}

fn lost(files: u64, bytes: u64) -> Lost {
    Lost { files, bytes, kept: 0, names: 0 }
}

#[test]
fn what_was_not_synced_is_lost_and_what_was_is_not() {
    let Some(bench) = Bench::new("appended, overwritten, truncated", Names::Kept) else { return };
    let appended = bench.promised("appended", &[1; 4096]);
    appended.write_all_at(&[2; 12288], 4096).unwrap();
    let overwritten = bench.promised("overwritten", &[1; 10_000]);
    overwritten.write_all_at(&[2; 500], 3000).unwrap();
    let regrown = bench.promised("regrown", &[1; 9000]);
    regrown.set_len(100).unwrap();
    regrown.set_len(5000).unwrap();
    let expected = [&[1; 100][..], &[0; 4900]].concat();
    assert_eq!(bench.content("regrown"), expected, "what was truncated does not come back by growing");
    assert_eq!(bench.content("appended"), [vec![1; 4096], vec![2; 12288]].concat());
    assert_eq!(fs::metadata(bench.path("appended")).unwrap().len(), 16384);
    drop((appended, overwritten, regrown));

    let Counters { unsynced_files, unsynced_bytes, .. } = bench.disk().counters();
    assert_eq!((unsynced_files, unsynced_bytes), (3, 12288 + 500), "closing a file syncs nothing");
    assert_eq!(bench.lose(), lost(3, 12288 + 500));
    assert_eq!(bench.content("appended"), [1; 4096]);
    assert_eq!(fs::metadata(bench.path("appended")).unwrap().len(), 4096);
    assert_eq!(bench.content("overwritten"), [1; 10_000]);
    assert_eq!(bench.content("regrown"), [1; 9000]);
    assert_eq!(bench.lose(), lost(0, 0), "there is nothing more to lose");
    bench.end();
}

#[test]
fn every_way_of_syncing_syncs() {
    let Some(bench) = Bench::new("every way of syncing", Names::Kept) else { return };
    bench.promised("by sync_data", b"").write_all_at(b"kept", 0).unwrap();
    File::open(bench.path("by sync_data")).unwrap().sync_data().unwrap();
    for (name, flag) in [("by O_SYNC", libc::O_SYNC), ("by O_DSYNC", libc::O_DSYNC)] {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).custom_flags(flag).open(bench.path(name));
        let before = bench.disk().counters().syncs;
        file.unwrap().write_all(b"kept").unwrap();
        assert_eq!(bench.disk().counters().syncs, before + 1, "{name}");
    }
    let shortened = bench.promised("by fsync after truncation", b"kept and more");
    shortened.set_len(4).unwrap();
    shortened.sync_all().unwrap();
    assert_eq!(bench.lose(), lost(0, 0));
    drop(shortened);
    for name in bench.names() {
        assert_eq!(bench.content(&name), b"kept", "{name}");
    }
    assert_eq!(bench.names().len(), 4);
    bench.end();
}

#[test]
fn a_mapping_keeps_what_msync_promised_and_nothing_else() {
    if let Some(path) = std::env::var_os(OBJECT) {
        return write_mapped(Path::new(&path));
    }
    let Some(bench) = Bench::new("mmap and msync", Names::Kept) else { return };
    drop(bench.promised("mapped", &[1; 8192]));
    // Not here: unmapping waits for whoever serves the file, and holds up every thread that needs memory meanwhile.
    let mapped = elsewhere("a_mapping_keeps_what_msync_promised_and_nothing_else", &bench.path("mapped"))
        .wait()
        .unwrap();
    assert!(mapped.success());
    assert_eq!(bench.content("mapped")[5000], 4);
    let found = bench.lose();
    assert!(found.files == 1 && found.bytes >= 2, "{found}");
    let mut expected = [1; 8192];
    expected[10] = 2;
    assert_eq!(bench.content("mapped"), expected);
    bench.end();
}

/// Tells a process below what to work on.
const OBJECT: &str = "TRIBUNAL_TEST_OBJECT";

/// Runs a test in a process of its own, where it finds what to work on and plays its other part.
fn elsewhere(test: &str, object: &Path) -> Child {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", &format!("disk::tests::{test}")]);
    process.env(OBJECT, object).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[expect(unsafe_code, reason = "the standard library maps no files")]
fn write_mapped(path: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping of a whole file, at a place that the kernel chooses.
    let mapping = unsafe { libc::mmap(std::ptr::null_mut(), 8192, access, shared, file.as_raw_fd(), 0) };
    assert_ne!(mapping, libc::MAP_FAILED);
    let byte = |at: usize, value: u8| {
        assert!(at < 8192);
        // SAFETY: it is inside the mapping, and the file is that long as long as this is used.
        unsafe { mapping.cast::<u8>().add(at).write_volatile(value) }
    };
    byte(10, 2);
    // SAFETY: the mapping is there, and a page long at least.
    assert_eq!(unsafe { libc::msync(mapping, 4096, libc::MS_SYNC) }, 0);
    byte(11, 3);
    byte(5000, 4);
}

#[test]
fn torn_writes_leave_synced_bytes_alone() {
    let Some(bench) = Bench::new("torn writes", Names::Kept) else { return };
    let (mut nothing, mut all, mut some) = (0, 0, 0);
    for seed in 0..200 {
        let (name, mut dice) = (format!("file {seed}"), Dice::new(seed));
        let old: Vec<u8> = (0..1 + dice.below(20_000)).map(|_| 1 + dice.below(100) as u8).collect();
        let file = bench.promised(&name, &old);
        let mut new = old.clone();
        for _ in 0..=dice.below(3) {
            let offset = dice.below(20_000) as usize;
            let data: Vec<u8> = (0..1 + dice.below(9000)).map(|_| 101 + dice.below(100) as u8).collect();
            file.write_all_at(&data, offset as u64).unwrap();
            new.resize(new.len().max(offset + data.len()), 0);
            new[offset..offset + data.len()].copy_from_slice(&data);
        }
        let before = bench.disk().counters().unsynced_bytes;
        let torn = bench.disk().tear(seed).unwrap();
        let found = bench.content(&name);
        assert!((old.len()..=new.len()).contains(&found.len()), "seed {seed}");
        for (at, byte) in found.iter().enumerate() {
            let old_byte = old.get(at).copied().unwrap_or(0);
            assert!(*byte == old_byte || *byte == new[at], "seed {seed}, byte {at}: {byte}");
        }
        assert!(found[..old.len()] == old || torn.bytes < before, "seed {seed}: {torn}");
        match torn.bytes {
            0 => all += 1,
            bytes if bytes == before => nothing += 1,
            _ => some += 1,
        }
    }
    println!("of 200 tears {nothing} kept nothing, {all} everything, {some} some of it");
    assert!(nothing > 20 && all > 20 && some > 20);
    bench.end();
}

#[test]
fn names_that_were_not_synced_change_back() {
    let Some(bench) = Bench::new("names", Names::Journaled) else { return };
    let sync_directory = || File::open(bench.data()).unwrap().sync_all().unwrap();
    bench.promised("old", b"old");
    bench.promised("other", b"other");
    fs::create_dir(bench.path("empty")).unwrap();
    sync_directory();

    fs::write(bench.path("new"), b"new").unwrap();
    fs::rename(bench.path("old"), bench.path("other")).unwrap();
    fs::remove_dir(bench.path("empty")).unwrap();
    fs::create_dir(bench.path("deep")).unwrap();
    fs::write(bench.path("deep/file"), b"deep").unwrap();
    symlink("other", bench.path("link")).unwrap();
    fs::hard_link(bench.path("new"), bench.path("second")).unwrap();
    fs::remove_file(bench.path("new")).unwrap();
    assert_eq!(bench.names(), ["deep", "link", "other", "second"]);
    assert_eq!(bench.content("link"), b"old");
    assert_eq!(bench.content("second"), b"new");

    let lost = bench.lose();
    assert_eq!(lost.names, 8, "{lost}");
    assert_eq!(bench.names(), ["empty", "old", "other"]);
    assert_eq!((bench.content("old"), bench.content("other")), (b"old".to_vec(), b"other".to_vec()));

    // The usual way to replace a file.
    bench.promised("temporary", b"newer");
    fs::rename(bench.path("temporary"), bench.path("old")).unwrap();
    sync_directory();
    assert_eq!(bench.lose(), Lost::default());
    assert_eq!((bench.names().len(), bench.content("old")), (3, b"newer".to_vec()));
    // And the wrong one: the name is durable, and what it names is not.
    fs::write(bench.path("temporary"), b"newest").unwrap();
    fs::rename(bench.path("temporary"), bench.path("old")).unwrap();
    sync_directory();
    assert_eq!(bench.lose(), self::lost(1, 6));
    assert_eq!(bench.content("old"), b"");
    bench.end();
}

#[test]
fn names_can_be_durable_at_once() {
    let Some(bench) = Bench::new("durable names", Names::Kept) else { return };
    fs::write(bench.path("new"), b"new").unwrap();
    assert_eq!(bench.lose(), lost(1, 3));
    assert_eq!((bench.names(), bench.content("new")), (vec!["new".to_owned()], vec![]));
    bench.end();
}

#[test]
fn a_program_sees_a_failing_disk() {
    let Some(bench) = Bench::new("EIO, ENOSPC", Names::Kept) else { return };
    let file = bench.promised("file", &[1; 5000]);
    let set = |trouble| bench.disk().set(trouble).unwrap();
    let errno = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().unwrap();

    set(Trouble { full: true, ..Trouble::default() });
    assert_eq!(errno(file.write_all_at(b"more", 5000)), libc::ENOSPC);
    assert_eq!(errno(File::create(bench.path("another")).map(drop)), libc::ENOSPC);
    assert_eq!(errno(fs::create_dir(bench.path("directory"))), libc::ENOSPC);
    file.write_all_at(b"over", 0).unwrap();
    let mut program = Command::new("dd");
    program.args(["if=/dev/zero", "bs=4k", "count=1", "seek=5"]);
    let shown = program.arg(format!("of={}", bench.path("file").display())).output().unwrap();
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(said.contains("No space left on device"), "a program of others sees it: {said}");

    set(Trouble { fail_writes: true, ..Trouble::default() });
    assert_eq!(errno(file.write_all_at(b"over", 0)), libc::EIO);
    set(Trouble { fail_syncs: true, ..Trouble::default() });
    file.write_all_at(b"unsynced", 0).unwrap();
    assert_eq!(errno(file.sync_data()), libc::EIO);
    set(Trouble { fail_reads: true, ..Trouble::default() });
    assert_eq!(errno(file.read_exact_at(&mut [0], 0)), libc::EIO);
    set(Trouble::default());
    assert_eq!(bench.content("file")[..8], *b"unsynced");
    assert!(bench.disk().counters().errors >= 6, "{:?}", bench.disk().counters());
    bench.lose();
    drop(file);
    assert_eq!(bench.content("file"), [1; 5000], "a sync that failed has promised nothing");
    bench.end();
}

#[test]
fn a_slow_sync_delays_nobody_else_and_a_power_cut_ends_it() {
    let Some(bench) = Bench::new("slow syncs", Names::Kept) else { return };
    let file = bench.promised("file", b"old");
    let delay = Duration::from_secs(1);
    bench.disk().set(Trouble { sync_delay: delay, ..Trouble::default() }).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| (file.sync_data(), begun.elapsed()));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(bench.content("file"), b"new");
        fs::write(bench.path("other"), b"other").unwrap();
        assert!(!slow.is_finished(), "others go on: {:?}", begun.elapsed());
        let (synced, took) = slow.join().unwrap();
        synced.unwrap();
        assert!(took >= delay, "{took:?}");

        file.write_all_at(b"!!!", 0).unwrap();
        let slow = scope.spawn(|| file.sync_data());
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(bench.lose(), lost(2, 8), "three bytes of this file, five of the other");
        assert!(slow.join().unwrap().is_err());
    });
    drop(file);
    assert_eq!(bench.content("file"), b"new");
    assert_eq!(bench.disk().counters().delayed_syncs, 2);
    bench.end();
}

#[test]
fn writers_do_not_disturb_one_another() {
    let Some(bench) = Bench::new("concurrent writers", Names::Journaled) else { return };
    std::thread::scope(|scope| {
        for writer in 0..8u8 {
            let bench = &bench;
            scope.spawn(move || {
                let mut file = File::create(bench.path(&format!("writer {writer}"))).unwrap();
                for round in 0..100u8 {
                    file.write_all(&[writer; 700]).unwrap();
                    if round % 10 == 9 {
                        file.sync_data().unwrap();
                    }
                }
                file.write_all(&[99; 50]).unwrap();
            });
        }
    });
    assert_eq!(bench.lose(), lost(8, 400));
    for writer in 0..8u8 {
        assert!(bench.content(&format!("writer {writer}")) == vec![writer; 70_000], "writer {writer}");
    }
    let syncs = bench.disk().counters().syncs;
    assert!(syncs >= 80, "{syncs}");
    bench.end();
}

#[test]
fn it_is_a_file_system_like_any_other() {
    let Some(bench) = Bench::new("a file system", Names::Journaled) else { return };
    fs::create_dir_all(bench.path("a/b")).unwrap();
    fs::write(bench.path("a/b/file"), b"content").unwrap();
    fs::set_permissions(bench.path("a/b/file"), PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(fs::metadata(bench.path("a/b/file")).unwrap().permissions().mode() & 0o7777, 0o640);
    fs::rename(bench.path("a/b"), bench.path("a/c")).unwrap();
    assert_eq!(bench.content("a/c/file"), b"content");
    let refused = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(refused(fs::remove_dir(bench.path("a"))), ErrorKind::DirectoryNotEmpty);
    assert_eq!(refused(fs::create_dir(bench.path("a"))), ErrorKind::AlreadyExists);
    assert_eq!(refused(File::create_new(bench.path("a/c/file")).map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(refused(fs::remove_file(bench.path("nothing"))), ErrorKind::NotFound);
    let mut unlinked = OpenOptions::new().read(true).write(true).open(bench.path("a/c/file")).unwrap();
    fs::remove_file(bench.path("a/c/file")).unwrap();
    unlinked.write_all(b"CON").unwrap();
    unlinked.sync_all().unwrap();
    let mut buffer = [0; 7];
    unlinked.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"CONtent", "who has it open goes on using it");
    drop(unlinked);
    let many = bench.path("many");
    fs::create_dir(&many).unwrap();
    (0..500).for_each(|number| fs::write(many.join(format!("file {number}")), [1]).unwrap());
    assert_eq!(fs::read_dir(&many).unwrap().count(), 500);
    fs::remove_dir_all(&many).unwrap();
    fs::remove_dir_all(bench.path("a")).unwrap();
    assert_eq!(bench.names(), Vec::<String>::new());
    fs::write(bench.path("kept"), b"kept").unwrap();
    let (data, place) = (bench.data(), bench.place.path().to_owned());
    let Bench { disk, place: _place } = bench;
    disk.unwrap().unmount().unwrap();
    assert_eq!(fs::read(data.join("kept")).unwrap(), b"kept", "an orderly end loses nothing");
    assert_eq!(fs::read_dir(place).unwrap().count(), 1);
}

#[test]
fn a_busy_disk_vanishes_at_once() {
    let Some(mut bench) = Bench::new("busy", Names::Kept) else { return };
    let file = bench.promised("file", b"open");
    drop(bench.disk.take());
    assert!(!mounted(&bench.data()));
    assert_eq!(fs::read_dir(bench.place.path()).unwrap().count(), 1);
    let mut buffer = [0; 4];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"open", "who has it open can go on");
}

#[test]
fn what_cannot_be_mounted_is_said() {
    let place = TempDir::new().unwrap();
    let nothing = place.path().join("nothing");
    let error: DiskError = LossyDisk::mount(&nothing, &nothing, Names::Kept).unwrap_err();
    assert!(error.to_string().contains("nothing: No such file"), "{error}");
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let error = LossyDisk::mount(&file, place.path(), Names::Kept).unwrap_err().to_string();
    assert!(error.contains("file: not a directory"), "{error}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn what_a_killed_process_leaves_is_found_and_cleaned() {
    if let Some(data) = std::env::var_os(OBJECT) {
        return wait_to_be_killed(Path::new(&data));
    }
    let Some(bench) = Bench::new("leftovers", Names::Kept) else { return };
    let place = TempDir::new().unwrap();
    let data = place.path().join("a place");
    fs::create_dir(&data).unwrap();
    let mut process = elsewhere("what_a_killed_process_leaves_is_found_and_cleaned", &data);
    wait_until(|| place.path().join("done").exists());
    assert!(!leftovers().unwrap().contains(&data), "it is served");
    // Who stands still answers nobody, and lives.
    let stopped = Command::new("kill").args(["-STOP", &process.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(leftovers().unwrap()));
    let found = told.recv_timeout(Duration::from_secs(10));
    process.kill().unwrap();
    assert!(!found.expect("it asks nobody who stands still").contains(&data));
    process.wait().unwrap();
    let found = leftovers().unwrap();
    assert!(found.contains(&data) && !found.contains(&bench.data()), "{found:?}");
    clean(&data).unwrap();
    assert!(!leftovers().unwrap().contains(&data));
    assert_eq!(fs::read(data.join("up")).unwrap(), b"", "what was not synced is not there");
    bench.end();
}

fn wait_to_be_killed(data: &Path) {
    let _disk = LossyDisk::mount(data, data, Names::Kept).unwrap();
    fs::write(data.join("up"), b"up").unwrap();
    // Who is killed while it waits for an answer of its own cannot end.
    fs::write(data.with_file_name("done"), b"").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn who_is_killed_while_it_waits_for_its_own_disk_is_freed() {
    if let Some(data) = std::env::var_os(OBJECT) {
        return wait_for_its_own_disk(Path::new(&data));
    }
    let Some(bench) = Bench::new("its own disk", Names::Kept) else { return };
    let place = TempDir::new().unwrap();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut process = elsewhere("who_is_killed_while_it_waits_for_its_own_disk_is_freed", &data);
    wait_until(|| place.path().join("waiting").exists());
    std::thread::sleep(Duration::from_millis(100));
    process.kill().unwrap();
    wait_until(|| leftovers().unwrap().contains(&data));
    std::thread::sleep(Duration::from_millis(100));
    assert!(process.try_wait().unwrap().is_none(), "it waits for an answer that only it could give");
    clean(&data).unwrap();
    wait_until(|| process.try_wait().unwrap().is_some());
    assert!(!leftovers().unwrap().contains(&data));
    bench.end();
}

fn wait_for_its_own_disk(data: &Path) {
    let disk = LossyDisk::mount(data, data, Names::Kept).unwrap();
    disk.set(Trouble { sync_delay: Duration::from_secs(60), ..Trouble::default() }).unwrap();
    let mut file = File::create(data.join("file")).unwrap();
    file.write_all(b"content").unwrap();
    fs::write(data.with_file_name("waiting"), b"").unwrap();
    file.sync_all().unwrap();
}

fn wait_until(mut what: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < deadline, "it should not take so long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_it_costs_is_measured() {
    let Some(bench) = Bench::new("cost", Names::Journaled) else { return };
    let plain = TempDir::new().unwrap();
    let appends = |path: &Path| {
        let (mut file, begun, mut took) = (File::create(path).unwrap(), Instant::now(), Vec::new());
        while begun.elapsed() < Duration::from_millis(500) {
            let before = Instant::now();
            file.write_all(&[1; 4096]).unwrap();
            file.sync_data().unwrap();
            took.push(before.elapsed());
        }
        took.sort();
        (took.len() * 2, took[took.len() / 2])
    };
    let (without, with) = (appends(&plain.path().join("file")), appends(&bench.path("file")));
    println!(
        "append of 4 KiB and sync: plain {}/s, median {:?}; lossy {}/s, median {:?}",
        without.0, without.1, with.0, with.1
    );
    assert!(with.0 > 20, "it is not so slow that nothing can be tested");
    bench.end();
}
