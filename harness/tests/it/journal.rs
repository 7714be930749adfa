//! What is done was written down before, to the last repair, and what was written down is done.

use cluster::{Abilities, Arrival, Cluster, HarnessError};
use history::{
    Call, Chance, Event, Evidence, Fault, Injection, NodeId, Outcome, ProcessId, Reply, Time, jsonl,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tribunal::run::{Ending, Limits, Run, Summary};
use workloads::Settings;

/// A journal that others can look into, on a disk with so much room.
#[derive(Debug, Clone, Default)]
struct Journal {
    bytes: Rc<RefCell<Vec<u8>>>,
    room: Option<usize>,
}

impl Journal {
    /// How often this event is in it.
    fn count(&self, event: &Event) -> usize {
        let event = serde_json::to_string(event).expect("events can be written");
        String::from_utf8_lossy(&self.bytes.borrow()).lines().filter(|line| line.contains(&event)).count()
    }
}

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.bytes.borrow_mut();
        if self.room.is_some_and(|room| written.len() + bytes.len() > room) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A cluster that does nothing but look whether it was written down what it is asked to do.
struct Witness {
    journal: Journal,
    now: Time,
    arrivals: VecDeque<Arrival>,
    made: Vec<Fault>,
    /// How many orders were not in the journal.
    unwritten: usize,
    /// What it fails at.
    fails: fn(&Fault) -> bool,
}

impl Cluster for Witness {
    fn nodes(&self) -> Vec<NodeId> {
        NodeId::all(3)
    }

    fn abilities(&self) -> Abilities {
        Abilities { calls: Vec::new(), faults: Default::default() }
    }

    fn primaries(&self) -> Vec<NodeId> {
        vec![NodeId(1)]
    }

    fn serving(&self) -> Vec<NodeId> {
        self.nodes()
    }

    fn now(&self) -> Time {
        self.now
    }

    fn start(&mut self) -> Result<(), HarnessError> {
        Ok(())
    }

    fn invoke(
        &mut self,
        process: ProcessId,
        node: NodeId,
        call: Call,
        _: Duration,
    ) -> Result<(), HarnessError> {
        let written = self.journal.count(&Event::Invoke { process, node, call: call.clone() });
        self.unwritten += usize::from(written == 0);
        let reply = match call {
            Call::Read { .. } => Reply::Read(None),
            _ => Reply::Done,
        };
        self.arrivals.push_back(Arrival::Completed { process, outcome: Outcome::Ok(reply) });
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), HarnessError> {
        let made = self.made.iter().filter(|made| **made == fault).count();
        let written = self.journal.count(&Event::Inject(Box::new(fault.clone())));
        self.unwritten += usize::from(written <= made);
        self.made.push(fault.clone());
        if (self.fails)(&fault) {
            return Err(HarnessError::new(format!("inject {fault}"), "the injector is dead"));
        }
        let result = Injection::Installed(Evidence("seen".to_owned()));
        self.arrivals.push_back(Arrival::Injected { fault, result });
        Ok(())
    }

    fn next(&mut self, until: Time) -> Result<Option<Arrival>, HarnessError> {
        let arrival = self.arrivals.pop_front();
        if arrival.is_none() {
            self.now = self.now.max(until);
        }
        Ok(arrival)
    }

    fn stop(&mut self) -> Result<(), HarnessError> {
        Ok(())
    }
}

/// Runs partitions, kills and pauses on a witness.
fn witnessed(room: Option<usize>, fails: fn(&Fault) -> bool) -> (Witness, Summary, Vec<Fault>) {
    let journal = Journal { room, ..Journal::default() };
    let (made, arrivals) = (Vec::new(), VecDeque::new());
    let mut witness =
        Witness { journal: journal.clone(), now: Time::ZERO, arrivals, made, unwritten: 0, fails };
    let settings = Settings { rate: Some(50.0), time_limit: Duration::from_secs(4), ..Settings::default() };
    let mut workload = workloads::lookup("register")
        .and_then(|entry| entry.workload(&settings, None, Chance::new(1)))
        .expect("there are registers");
    let second = Duration::from_secs(1);
    let limits = Limits {
        concurrency: 2,
        time: 4 * second,
        patience: second,
        heal: second,
        finale: second,
        healing: true,
    };
    let plan = r#"[[500000000, {"pause": "one"}], [1000000000, {"partition": "halves"}],
        [1000000001, {"kill": "one"}], [2000000000, {"repair": "partition"}], [3000000000, {"partition": "halves"}]]"#;
    let plan = serde_json::from_str(plan).expect("it is a plan");
    let (mut watcher, stop) = (|_: Time, _: &tribunal::tally::Tally| {}, AtomicBool::new(false));
    let sink = journal.clone();
    let run = Run::new(&mut witness, &mut workload, plan, limits, sink, &mut watcher, &stop, Chance::new(2));
    let summary = run.expect("there is room for a header").go();
    let reading = jsonl::read(&journal.bytes.borrow()[..]).expect("it is our own history");
    let injected = reading.history.entries().iter().filter_map(|entry| match &entry.event {
        Event::Inject(fault) => Some(fault.as_ref().clone()),
        _ => None,
    });
    let injected = injected.collect();
    (witness, summary, injected)
}

fn repairs(made: &[Fault]) -> Vec<String> {
    let mut repairs: Vec<String> = made
        .iter()
        .filter(|fault| matches!(fault, Fault::Repair { .. }))
        .map(|fault| fault.kind().name().to_owned())
        .collect();
    repairs.sort();
    repairs
}

#[test]
fn every_fault_is_written_down_before_it_is_made_and_so_is_every_repair() {
    let (witness, summary, written) = witnessed(None, |_| false);
    assert_eq!((summary.ending, witness.unwritten), (Ending::Complete, 0));
    assert_eq!(written, witness.made);
    assert_eq!(
        repairs(&written),
        ["kill", "partition", "partition", "pause"],
        "one was planned, three ended it"
    );
    assert_eq!(written.len(), 4 + 4);
}

#[test]
fn a_dead_injector_ends_the_run_and_everything_else_is_repaired() {
    let (witness, summary, written) = witnessed(None, |fault| matches!(fault, Fault::Kill { .. }));
    assert!(matches!(summary.ending, Ending::Failed(ref error) if error.to_string().contains("dead")));
    assert_eq!((witness.unwritten, &written), (0, &witness.made));
    assert!(matches!(written[2], Fault::Kill { .. }), "what could not be made was written down: {written:?}");
    assert_eq!(repairs(&written), ["kill", "partition", "pause"]);

    // One repair that fails keeps nobody from the others.
    let (witness, summary, written) = witnessed(None, |fault| matches!(fault, Fault::Repair { .. }));
    assert!(matches!(summary.ending, Ending::Failed(_)));
    assert_eq!((witness.unwritten, &written), (0, &witness.made));
    assert_eq!(repairs(&written), ["kill", "partition", "partition", "pause"]);
}

#[test]
fn when_nothing_can_be_written_nothing_is_done_but_repairs() {
    // Room for a pause and half a second of calls.
    let (witness, summary, written) = witnessed(Some(6_000), |_| false);
    assert!(matches!(summary.ending, Ending::Failed(ref error) if error.to_string().contains("history")));
    let (repaired, broken): (Vec<Fault>, Vec<Fault>) =
        witness.made.iter().cloned().partition(|fault| matches!(fault, Fault::Repair { .. }));
    assert_eq!(broken, written, "nothing was broken that was not written down");
    assert!(!broken.is_empty() && broken.len() < 4, "{broken:?}");
    assert!(repairs(&repaired).contains(&"pause".to_owned()), "{repaired:?}");
    assert_eq!(witness.unwritten, repaired.len(), "only repairs were not");
}
