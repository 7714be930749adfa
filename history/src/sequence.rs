//! What can happen after what.

use crate::{Event, Malformed, ProcessId, Time};
use rustc_hash::FxHashMap;

/// The order of events, as far as it binds: every process does one thing at a time, and time does not run backwards.
/// It keeps what is open, not what was.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    processes: FxHashMap<ProcessId, Standing>,
    last: Time,
    events: usize,
    calls: usize,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    Busy { since: usize, call: usize },
    Dead,
}

impl Sequence {
    /// Admits the next event. If it is a completion, says the how manieth call it completes, from 0.
    ///
    /// # Errors
    /// If a busy or dead process calls, an idle one completes or is stamped, or time runs backwards.
    pub fn admit(&mut self, time: Time, event: &Event) -> Result<Option<usize>, Malformed> {
        let index = self.events;
        let malformed = |why: String| Err(Malformed { index, why });
        if time < self.last {
            return malformed(format!("it is at {time}, before the event in front of it at {}", self.last));
        }
        let mut completed = None;
        match event {
            Event::Invoke { process, .. } => {
                match self.processes.get(process) {
                    None => {}
                    Some(Standing::Busy { since, .. }) => {
                        return malformed(format!("{process} calls while its call of event {since} is open"));
                    }
                    Some(Standing::Dead) => {
                        return malformed(format!("{process} calls, but ended with an unknown outcome"));
                    }
                }
                self.processes.insert(*process, Standing::Busy { since: index, call: self.calls });
                self.calls += 1;
            }
            Event::Stamped { process, .. }
                if !matches!(self.processes.get(process), Some(Standing::Busy { .. })) =>
            {
                return malformed(format!("{process} is told when a call took effect, and has none open"));
            }
            Event::Complete { process, outcome } => {
                let Some(Standing::Busy { call, .. }) = self.processes.get(process).copied() else {
                    return malformed(format!("{process} completes a call that it never made"));
                };
                match outcome.is_unknown() {
                    true => self.processes.insert(*process, Standing::Dead),
                    false => self.processes.remove(process),
                };
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
