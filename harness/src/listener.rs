//! A judge who listens while a run goes on, so that a run that is lost can end.
//!
//! It follows the history file, and judges what is there so far again and again, seldom enough to take a small share of
//! one core. Only judges whose accusations stand whatever follows are asked. The verdict is not theirs: the main phase
//! ends, everything is repaired and read as always, and the whole history is judged from disk.

use checkers::{Budget, Case, Checker, open};
use history::{Entry, Sequence, jsonl};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A listener at work. It ends with [`Listener::dismiss`].
pub struct Listener {
    /// Set as soon as it has heard enough.
    pub enough: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    objection: Arc<Mutex<Option<String>>>,
    thread: JoinHandle<()>,
}

/// The shortest time from one judgement to the next.
const PAUSE: Duration = Duration::from_millis(500);
/// How many times as long as a judgement took it rests before the next.
const REST: u32 = 9;
/// How much memory one judgement may take, and how long.
const MEMORY: usize = 512 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

impl Listener {
    /// Follows the history at `path`, which exists.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn start(path: &Path, checkers: Vec<Box<dyn Checker>>) -> io::Result<Listener> {
        let file = BufReader::new(File::open(path)?);
        let (enough, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let objection = Arc::new(Mutex::new(None));
        let work = Work {
            tail: Tail { file, line: Vec::new(), header: true },
            checkers: checkers.into_iter().filter(|checker| checker.stands()).collect(),
            enough: Arc::clone(&enough),
            over: Arc::clone(&over),
            objection: Arc::clone(&objection),
        };
        let thread = thread::Builder::new().name("listener".to_owned()).spawn(move || work.listen())?;
        Ok(Listener { enough, over, objection, thread })
    }

    /// Ends it; its objection, if it had one.
    pub fn dismiss(self) -> Option<String> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        // One that panicked has heard nothing; the judgement from disk says what there is to say.
        let _ = self.thread.join();
        self.objection.lock().ok().and_then(|mut objection| objection.take())
    }
}

struct Work {
    tail: Tail,
    checkers: Vec<Box<dyn Checker>>,
    enough: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    objection: Arc<Mutex<Option<String>>>,
}

impl Work {
    fn listen(mut self) {
        let checkers = std::mem::take(&mut self.checkers);
        let mut cases: Vec<Box<dyn Case + '_>> = checkers.iter().map(|checker| open(&**checker)).collect();
        let (mut sequence, mut judged, mut rest) = (Sequence::default(), 0, PAUSE);
        while !self.over.load(Ordering::Relaxed) && !cases.is_empty() {
            thread::park_timeout(rest);
            // What cannot be read or cannot have happened is for the judgement from disk to say.
            if self.hear(&mut sequence, &mut cases).is_err() {
                return;
            }
            if sequence.len() == judged {
                continue;
            }
            judged = sequence.len();
            let begin = Instant::now();
            let budget = Budget::new(PATIENCE, MEMORY);
            if let Some(objection) = cases.iter_mut().find_map(|case| case.objection(&budget)) {
                if let Ok(mut place) = self.objection.lock() {
                    *place = Some(objection);
                }
                self.enough.store(true, Ordering::Relaxed);
                return;
            }
            rest = PAUSE.max(begin.elapsed() * REST);
        }
    }

    fn hear(&mut self, sequence: &mut Sequence, cases: &mut [Box<dyn Case + '_>]) -> io::Result<()> {
        while let Some(entry) = self.tail.next()? {
            let index = sequence.len();
            sequence.admit(entry.time, &entry.event).map_err(io::Error::other)?;
            cases.iter_mut().for_each(|case| case.hear(index, &entry));
        }
        Ok(())
    }
}

/// The whole lines of a file that grows.
struct Tail {
    file: BufReader<File>,
    line: Vec<u8>,
    header: bool,
}

impl Tail {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            self.file.read_until(b'\n', &mut self.line)?;
            if self.line.last() != Some(&b'\n') {
                // Half a line: its other half will come.
                return Ok(None);
            }
            let line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.header) {
                continue;
            }
            return jsonl::entry(&line).map(Some);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkers::{Linearizable, ListAppend, Set};
    use history::jsonl::Writer;

    /// Writes `text` event by event while a listener follows; what it objects to.
    fn heard(text: &str, checkers: Vec<Box<dyn Checker>>) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let mut writer = Writer::new(File::create(&path).unwrap()).unwrap();
        let listener = Listener::start(&path, checkers).unwrap();
        for entry in history::text::parse(text).unwrap().entries() {
            writer.add(entry.time, entry.event.clone()).unwrap();
            writer.commit().unwrap();
        }
        let begin = Instant::now();
        while !listener.enough.load(Ordering::Relaxed) && begin.elapsed() < 3 * PAUSE {
            thread::sleep(Duration::from_millis(10));
        }
        listener.dismiss()
    }

    #[test]
    fn it_objects_to_what_can_never_be_allowed_again() {
        let objection = heard("A:w1[0,1]; B:rnil[2,3]", vec![Box::new(Linearizable::default())]);
        assert!(objection.as_deref().is_some_and(|why| why.contains("stale read")), "{objection:?}");
        assert_eq!(heard("A:w1[0,?]; B:rnil[2,3]", vec![Box::new(Linearizable::default())]), None);
        let objection = heard("A:[ax1]!; B:[rx1]; C:[ax2 ry]", vec![Box::new(ListAppend::default())]);
        assert_eq!(objection.as_deref(), Some("list-append: G1a on k0"));
    }

    #[test]
    fn judges_who_must_hear_the_end_are_not_asked() {
        assert_eq!(heard("A:w1[0,1]; B:rnil[2,3]", vec![Box::new(Set)]), None);
    }
}
