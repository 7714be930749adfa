//! A history of transactions, as it is heard: what judges of lists and of registers do alike.

use super::store::Store;
use crate::checker::objection;
use crate::{Budget, Case, Checker, Report};
use history::{Call, Entry, Event, History, Outcome, Reply};

/// What a judge keeps of the transactions that it hears.
pub(crate) trait Hearing: Default {
    /// What is said of a call that this judge does not know.
    const STRANGE: &'static str;

    /// The transactions, and why they cannot be judged at all, if so.
    fn kept(&mut self) -> (&mut Store, &mut Option<String>);

    /// A call, as parts of the transaction that has just begun; or what in it is strange.
    fn call(&mut self, call: &Call) -> Result<(), String>;

    /// The answer to a transaction that took effect.
    fn reply(&mut self, txn: u32, reply: &Reply) -> Result<(), String>;

    /// What is kept of a whole history.
    fn of(history: &History) -> Self {
        let mut heard = Self::default();
        history.entries().iter().enumerate().for_each(|(index, entry)| heard.hear(index, entry));
        heard
    }

    /// Hears the next event.
    fn hear(&mut self, index: usize, entry: &Entry) {
        if self.kept().1.is_none() {
            *self.kept().1 = self.try_hear(index, entry).err();
        }
    }

    /// Hears it, or says why the history cannot be judged.
    fn try_hear(&mut self, index: usize, entry: &Entry) -> Result<(), String> {
        let store = self.kept().0;
        match &entry.event {
            Event::Invoke { call, .. } => {
                let parts = if let Call::Txn { mops } = call { mops.len() } else { 1 };
                if !store.fits(index, parts) {
                    return Err(format!("event {index}: the history is too long for this checker"));
                }
                store.begin(index, entry.time, &entry.event);
                self.call(call).map_err(|what| format!("event {index}: {what} {}", Self::STRANGE))
            }
            Event::Stamped { process, stamp } => {
                store.stamp(*process, *stamp);
                Ok(())
            }
            Event::Complete { process, outcome } => {
                let Some(txn) = store.end(index, entry.time, *process, outcome) else { return Ok(()) };
                let wrong = |what: String| format!("event {index}: {what}");
                if let Outcome::Ok(reply) = outcome { self.reply(txn, reply).map_err(wrong) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// A judge of transactions.
pub(crate) trait Judge: Checker + Copy + 'static {
    /// What it keeps.
    type Heard: Hearing;

    /// Judges what was heard.
    fn judge(self, heard: &Self::Heard, budget: &Budget) -> Report;
}

/// A case that is being heard.
pub(crate) struct Open<J: Judge> {
    judge: J,
    heard: J::Heard,
}

impl<J: Judge> Open<J> {
    /// Nothing was heard so far.
    pub fn new(judge: J) -> Open<J> {
        Open { judge, heard: J::Heard::default() }
    }
}

impl<J: Judge> Case for Open<J> {
    fn hear(&mut self, index: usize, entry: &Entry) {
        self.heard.hear(index, entry);
    }

    fn objection(&mut self, budget: &Budget) -> Option<String> {
        let asked = self.judge.stands();
        asked.then(|| objection(&self.judge, self.judge.judge(&self.heard, budget)))?
    }

    fn close(self: Box<Self>, budget: &Budget) -> Report {
        self.judge.judge(&self.heard, budget)
    }
}
