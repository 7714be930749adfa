//! The write-ahead log: what a node has promised, on disk.
//!
//! ```text
//! file  = magic (8 bytes) version (u32) { entry }
//! entry = length (u32) checksum (u32) payload        checksum = CRC-32 of the length and the payload
//! payload = { length (u32) record }                  everything big-endian
//! ```
//! One entry is one write and one sync: all records that became durable together (group commit). The next
//! entry is written only when the last one is durable, so a crash can leave at most one bad entry, and nothing
//! after it: that is a torn tail, which nobody was promised and which recovery cuts. A bad entry with a good
//! one after it cannot come from a crash: the disk lost something that was promised, and the node refuses to
//! start rather than break its word.
//!
//! When a snapshot takes the place of what was written, a new file with everything that counts is written beside the
//! log, synced, and given its name. Nothing in it was ever torn, so an empty entry follows it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"TRIBUNAL";
const VERSION: u32 = 1;
const HEADER: usize = 12;
const PREFIX: usize = 8;

/// Why there is no log to go on with.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// What was promised is damaged.
    #[error("{path}: damaged at byte {offset}: {reason}", path = path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Where the damage begins.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It is whole, but not this program's.
    #[error("{path}: record {index} is not one of this protocol's: {why}", path = path.display())]
    Foreign {
        /// The log.
        path: PathBuf,
        /// Which record, from zero.
        index: usize,
        /// Why it cannot be read.
        why: String,
    },
    /// Another process uses it.
    #[error("{path}: another process uses this log", path = path.display())]
    Busy {
        /// The log.
        path: PathBuf,
    },
    /// The disk does not do what it is told.
    #[error("{path}: cannot {doing}: {source}", path = path.display())]
    Disk {
        /// The log.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The operating system's word.
        source: io::Error,
    },
}

/// An open log. After an error it must not be used again: nobody knows what reached the disk.
#[derive(Debug)]
pub struct Wal {
    path: PathBuf,
    file: File,
    syncs: bool,
}

/// What was found in a log.
#[derive(Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Every record that was promised, in order.
    pub records: Vec<Vec<u8>>,
    /// How many bytes of a torn tail were cut.
    pub cut: usize,
}

impl Wal {
    /// Opens the log at `path`, or begins one; cuts a torn tail.
    ///
    /// # Errors
    /// If the disk fails, the log is damaged or not a log, or another process uses it.
    pub fn open(path: &Path) -> Result<(Wal, Recovered), WalError> {
        Wal::open_as(path, false)
    }

    /// FLAW rot-taken-for-torn: opens the log at `path`, or begins one; cuts it wherever it is damaged.
    ///
    /// # Errors
    /// If the disk fails, it is not a log, or another process uses it.
    pub fn open_cutting(path: &Path) -> Result<(Wal, Recovered), WalError> {
        Wal::open_as(path, true)
    }

    fn open_as(path: &Path, cutting: bool) -> Result<(Wal, Recovered), WalError> {
        let disk = |doing| move |source| WalError::Disk { path: path.to_owned(), doing, source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut wal = Wal { path: path.to_owned(), file: file.map_err(disk("open it"))?, syncs: true };
        wal.file.try_lock().map_err(|_| WalError::Busy { path: path.to_owned() })?;

        let mut bytes = Vec::new();
        wal.file.read_to_end(&mut bytes).map_err(disk("read it"))?;
        let (recovered, end) = match recover(path, &bytes) {
            Err(WalError::Corrupt { offset, .. }) if cutting && offset >= HEADER => {
                let (good, end) = recover(path, &bytes[..offset])?;
                (Recovered { cut: bytes.len() - end, ..good }, end)
            }
            found => found?,
        };
        if end == 0 {
            wal.begin().map_err(disk("begin it"))?;
        } else if recovered.cut > 0 {
            wal.file.set_len(end as u64).map_err(disk("cut its torn tail"))?;
            wal.file.sync_all().map_err(disk("sync it"))?;
        }
        wal.file.seek(SeekFrom::End(0)).map_err(disk("find its end"))?;
        Ok((wal, recovered))
    }

    /// FLAW no-sync: from now on what is appended is believed to be durable, and only written.
    #[must_use]
    pub fn without_syncs(self) -> Wal {
        Wal { syncs: false, ..self }
    }

    /// Makes `records` durable, all or none: one write, one sync.
    ///
    /// # Errors
    /// If the disk fails; then they may or may not be durable.
    pub fn append(&mut self, records: &[Vec<u8>]) -> Result<(), WalError> {
        let entry = entry(records);
        let written = self.file.write_all(&entry).map_err(|error| ("append to it", error));
        let sync = || if self.syncs { self.file.sync_data() } else { Ok(()) };
        let synced = written.and_then(|()| sync().map_err(|error| ("sync it", error)));
        synced.map_err(|(doing, source)| WalError::Disk { path: self.path.clone(), doing, source })
    }

    /// Puts `records` in place of all that the log holds: afterwards, and after a crash at any moment, it is either
    /// as it was or as it should be. A new file takes the name of the old one when it is durable.
    ///
    /// # Errors
    /// If the disk fails; then nobody knows which of the two a reader will find.
    pub fn rewrite(&mut self, records: &[Vec<u8>]) -> Result<(), WalError> {
        let failed = |doing| move |source| (doing, source);
        let anew = || -> Result<File, (&'static str, io::Error)> {
            let path = fresh(&self.path);
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(true).open(&path);
            let mut file = file.map_err(failed("begin it anew"))?;
            // Nobody else knows it yet, so nobody can be before us.
            file.try_lock().map_err(|why| ("lock it anew", why.into()))?;
            // It was synced before it got its name, so what is bad in it was never torn: the empty entry says so.
            let bytes = [header().as_slice(), &entry(records), &entry(&[])].concat();
            file.write_all(&bytes).map_err(failed("write it anew"))?;
            if self.syncs {
                file.sync_all().map_err(failed("sync it anew"))?;
            }
            std::fs::rename(&path, &self.path).map_err(failed("put the new one in its place"))?;
            if self.syncs {
                sync_parent(&self.path).map_err(failed("sync its directory"))?;
            }
            Ok(file)
        };
        let disk = |(doing, source)| WalError::Disk { path: self.path.clone(), doing, source };
        self.file = anew().map_err(disk)?;
        Ok(())
    }

    /// Writes the header, and makes the file's name as durable as its content.
    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header())?;
        self.file.sync_all()?;
        sync_parent(&self.path)
    }
}

/// What a log is called while it is written anew. A crash may leave it; it means nothing then.
fn fresh(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Makes the name of a file durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&VERSION.to_be_bytes());
    header
}

fn entry(records: &[Vec<u8>]) -> Vec<u8> {
    let mut entry = vec![0; PREFIX];
    for record in records {
        entry.extend_from_slice(&length(record));
        entry.extend_from_slice(record);
    }
    let length = length(&entry[PREFIX..]);
    let checksum = checksum(length, &entry[PREFIX..]);
    entry[..4].copy_from_slice(&length);
    entry[4..8].copy_from_slice(&checksum.to_be_bytes());
    entry
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("what a core persists at once is far below 4 GiB").to_be_bytes()
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// What a log of these bytes holds, and where its good part ends; zero if it has yet to be begun.
fn recover(path: &Path, bytes: &[u8]) -> Result<(Recovered, usize), WalError> {
    let corrupt = |offset, reason| WalError::Corrupt { path: path.to_owned(), offset, reason };
    let mut recovered = Recovered { records: Vec::new(), cut: 0 };
    if bytes.len() < HEADER && header().starts_with(bytes) {
        return Ok((Recovered { cut: bytes.len(), ..recovered }, 0));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(corrupt(0, "it does not begin as a log does".to_owned()));
    }
    if !bytes.starts_with(&header()) {
        return Err(corrupt(8, format!("its version is not {VERSION}, the one this program knows")));
    }
    let mut end = HEADER;
    while end < bytes.len() {
        match payload(&bytes[end..]) {
            Ok(payload) => {
                let records = split(payload).ok_or_else(|| corrupt(end, "its records overrun it".to_owned()));
                recovered.records.extend(records?);
                end += PREFIX + payload.len();
            }
            Err(reason) => {
                if let Some(next) = (end + 1..bytes.len()).find(|next| payload(&bytes[*next..]).is_ok()) {
                    return Err(corrupt(end, format!("{reason}, yet a good entry follows at byte {next}")));
                }
                recovered.cut = bytes.len() - end;
                break;
            }
        }
    }
    Ok((recovered, end))
}

/// The payload of the entry at the beginning of `bytes`, or why there is none.
fn payload(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("the length is cut short")?;
    let (expected, rest) = rest.split_first_chunk::<4>().ok_or("the checksum is cut short")?;
    let payload = rest.get(..u32::from_be_bytes(*length) as usize).ok_or("the payload is cut short")?;
    let good = checksum(*length, payload) == u32::from_be_bytes(*expected);
    good.then_some(payload).ok_or("the checksum does not match")
}

fn split(mut payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = payload.split_first_chunk::<4>() {
        let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        records.push(record.to_vec());
        payload = rest;
    }
    payload.is_empty().then_some(records)
}

#[cfg(test)]
impl Wal {
    /// A log on a disk that is always full.
    pub(crate) fn on_a_full_disk() -> Wal {
        let path = PathBuf::from("/dev/full");
        Wal { file: OpenOptions::new().write(true).open(&path).unwrap(), path, syncs: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::Chance;

    /// A log of several entries.
    struct Sample {
        bytes: Vec<u8>,
        records: Vec<Vec<u8>>,
        /// For each entry: where it ends, and how many records there are up to there.
        ends: Vec<(usize, usize)>,
    }

    fn sample(seed: u64) -> Sample {
        let mut chance = Chance::new(seed);
        let (mut bytes, mut records, mut ends) = (header().to_vec(), Vec::new(), vec![(HEADER, 0)]);
        for _ in 0..chance.between(2, 6) {
            let some = (0..chance.between(1, 3)).map(|_| {
                let length = chance.below(9);
                (0..length).map(|_| chance.bits() as u8).collect::<Vec<u8>>()
            });
            let some: Vec<Vec<u8>> = some.collect();
            bytes.extend(entry(&some));
            records.extend(some);
            ends.push((bytes.len(), records.len()));
        }
        Sample { bytes, records, ends }
    }

    fn recovered(bytes: &[u8]) -> Result<(Recovered, usize), WalError> {
        recover(Path::new("wal"), bytes)
    }

    #[test]
    fn a_log_cut_anywhere_recovers_every_entry_before_the_cut() {
        for seed in 0..50 {
            let Sample { bytes, records, ends } = sample(seed);
            for cut in 0..=bytes.len() {
                let (found, end) = recovered(&bytes[..cut]).unwrap();
                let whole = ends.iter().rev().find(|(end, _)| *end <= cut);
                let (expected_end, count) = whole.copied().unwrap_or((0, 0));
                assert_eq!(found.records, records[..count], "seed {seed}, cut at {cut}");
                assert_eq!((end, found.cut), (expected_end, cut - expected_end), "seed {seed}, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_in_the_middle_and_cut_in_the_last_entry() {
        for seed in 0..50 {
            let Sample { bytes, records, ends } = sample(seed);
            let (last, before) = ends[ends.len() - 2];
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                match recovered(&damaged) {
                    Ok((found, end)) => {
                        assert!(bit / 8 >= last, "seed {seed}: bit {bit} went unnoticed");
                        assert_eq!(found.records, records[..before]);
                        assert_eq!((end, found.cut), (last, bytes.len() - last));
                    }
                    Err(WalError::Corrupt { offset, reason, .. }) => {
                        assert!(bit / 8 < last, "seed {seed}: bit {bit} of the tail: {reason}");
                        assert!(offset <= bit / 8, "the damage is before the place that is named");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn a_log_goes_on_where_it_was_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (mut wal, found) = Wal::open(&path).unwrap();
        assert_eq!(found, Recovered { records: vec![], cut: 0 });
        wal.append(&[b"one".to_vec(), b"two".to_vec()]).unwrap();
        wal.append(&[b"three".to_vec()]).unwrap();
        assert!(matches!(Wal::open(&path), Err(WalError::Busy { .. })), "two processes, one log");
        drop(wal);

        let length = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
        let (mut wal, found) = Wal::open(&path).unwrap();
        assert_eq!(found, Recovered { records: vec![b"one".to_vec(), b"two".to_vec()], cut: 16 });
        wal.append(&[b"four".to_vec()]).unwrap();
        drop(wal);
        let (_, found) = Wal::open(&path).unwrap();
        assert_eq!(
            found,
            Recovered { records: [b"one", b"two", &b"four"[..]].map(<[u8]>::to_vec).into(), cut: 0 }
        );
    }

    #[test]
    fn a_log_written_anew_holds_that_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (mut wal, _) = Wal::open(&path).unwrap();
        wal.append(&[b"one".to_vec(), b"two".to_vec()]).unwrap();
        // What an earlier attempt left is no obstacle.
        std::fs::write(fresh(&path), "half of it").unwrap();
        wal.rewrite(&[b"both".to_vec()]).unwrap();
        assert!(matches!(Wal::open(&path), Err(WalError::Busy { .. })), "it is still ours");
        wal.append(&[b"three".to_vec()]).unwrap();
        drop(wal);
        let (_, found) = Wal::open(&path).unwrap();
        assert_eq!(found.records, [&b"both"[..], b"three"].map(<[u8]>::to_vec));
        assert!(!fresh(&path).exists());
    }

    #[test]
    fn a_log_written_anew_is_refused_wherever_it_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (mut wal, _) = Wal::open(&path).unwrap();
        wal.rewrite(&[b"all".to_vec(), b"there is".to_vec()]).unwrap();
        drop(wal);
        let good = std::fs::read(&path).unwrap();
        let end = good.len() - entry(&[]).len();
        for bit in 0..end * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(matches!(Wal::open(&path), Err(WalError::Corrupt { .. })), "bit {bit}");
        }
    }

    #[test]
    fn who_takes_rot_for_a_torn_end_goes_on_with_what_is_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (mut wal, _) = Wal::open(&path).unwrap();
        let records = [b"one", b"two", b"six"].map(|word| word.to_vec());
        records.iter().for_each(|record| wal.append(std::slice::from_ref(record)).unwrap());
        drop(wal);
        let mut bytes = std::fs::read(&path).unwrap();
        let length = entry(&records[..1]).len();
        bytes[HEADER + length + PREFIX + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = Wal::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("damaged at byte {}", HEADER + length)), "{error}");
        let (wal, found) = Wal::open_cutting(&path).unwrap();
        assert_eq!(found, Recovered { records: records[..1].to_vec(), cut: 2 * length });
        drop(wal);
        assert_eq!(Wal::open(&path).unwrap().1.records, records[..1], "the rest is gone for good");
    }

    #[test]
    fn a_log_that_cannot_be_written_anew_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        let (mut wal, _) = Wal::open(&path).unwrap();
        wal.append(&[b"one".to_vec()]).unwrap();
        std::fs::create_dir(fresh(&path)).unwrap();
        let error = wal.rewrite(&[b"two".to_vec()]).unwrap_err().to_string();
        assert!(error.contains("cannot begin it anew"), "{error}");
        drop(wal);
        assert_eq!(Wal::open(&path).unwrap().1.records, [b"one".to_vec()]);
    }

    #[test]
    fn what_is_no_log_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wal");
        for (text, why) in
            [(&b"my diary, volume one"[..], "does not begin"), (b"TRIBUNAL\0\0\0\x02", "version")]
        {
            std::fs::write(&path, text).unwrap();
            let error = Wal::open(&path).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("wal: damaged at byte"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let error = Wal::on_a_full_disk().append(&[vec![1]]).unwrap_err().to_string();
        assert!(error.contains("/dev/full: cannot append to it"), "{error}");
    }
}
