//! What can happen after what.

use crate::{Event, Malformed, ProcessId, Time};
use rustc_hash::FxHashMap;

/// The order of events, as far as it binds: every process does one thing at a time, and time does not run backwards.
/// It keeps what is open, not what was.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    processes: Processes,
    last: Time,
    events: usize,
    calls: usize,
}

#[derive(Debug, Clone, Copy, Default)]
enum Standing {
    #[default]
    Idle,
    Busy {
        since: usize,
        call: usize,
    },
    Dead,
}

/// How every process stands.
#[derive(Debug, Clone, Default)]
struct Processes {
    /// By number: processes are usually counted from 0.
    few: Vec<Standing>,
    others: FxHashMap<ProcessId, Standing>,
}

/// Processes up to here have a place in a table.
const FEW: usize = 1 << 18;

impl Processes {
    fn standing(&mut self, process: ProcessId) -> &mut Standing {
        let number = process.0 as usize;
        if number >= FEW {
            return self.others.entry(process).or_default();
        }
        if number >= self.few.len() {
            self.few.resize((number + 1).next_power_of_two(), Standing::Idle);
        }
        &mut self.few[number]
    }

    /// Nothing is open for it any more, so nothing is kept of it.
    fn release(&mut self, process: ProcessId) {
        match self.few.get_mut(process.0 as usize) {
            Some(standing) => *standing = Standing::Idle,
            None => drop(self.others.remove(&process)),
        }
    }
}

impl Sequence {
    /// Admits the next event. If it is a completion, says the how manieth call it completes, from 0.
    ///
    /// # Errors
    /// If a busy or dead process calls, an idle one completes or is stamped, or time runs backwards.
    #[inline]
    pub fn admit(&mut self, time: Time, event: &Event) -> Result<Option<usize>, Malformed> {
        let index = self.events;
        let malformed = |why: String| Err(Malformed { index, why });
        if time < self.last {
            return malformed(format!("it is at {time}, before the event in front of it at {}", self.last));
        }
        let mut completed = None;
        match event {
            Event::Invoke { process, .. } => {
                let standing = self.processes.standing(*process);
                match standing {
                    Standing::Idle => *standing = Standing::Busy { since: index, call: self.calls },
                    Standing::Busy { since, .. } => {
                        return malformed(format!("{process} calls while its call of event {since} is open"));
                    }
                    Standing::Dead => {
                        return malformed(format!("{process} calls, but ended with an unknown outcome"));
                    }
                }
                self.calls += 1;
            }
            Event::Stamped { process, .. }
                if !matches!(self.processes.standing(*process), Standing::Busy { .. }) =>
            {
                return malformed(format!("{process} is told when a call took effect, and has none open"));
            }
            Event::Complete { process, outcome } => {
                let standing = self.processes.standing(*process);
                let Standing::Busy { call, .. } = *standing else {
                    return malformed(format!("{process} completes a call that it never made"));
                };
                match outcome.is_unknown() {
                    true => *standing = Standing::Dead,
                    false => self.processes.release(*process),
                }
                completed = Some(call);
            }
            _ => {}
        }
        self.last = time;
        self.events += 1;
        Ok(completed)
    }

    /// How many events were admitted.
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }
}
