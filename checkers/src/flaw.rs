//! Why something was not allowed, before it is told.

use crate::linearizable::Violation;
use history::Value;

/// Why an object's history was not allowed: what a quick algorithm of an [`Object`](crate::Object) found. It names
/// operations by the indexes of their events; whoever has the history tells it to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw(pub(crate) Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a register with unique values.
    Register(Violation),
    /// Something was seen that nobody put there, unless he failed.
    Phantom { seen_by: u32, value: Value },
    /// Anything else, in words.
    Told { name: &'static str, words: Vec<Word> },
}

/// A piece of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// As it is.
    Say(String),
    /// The operation of this event, with its times.
    Op(u32),
    /// The operation of this event, in short.
    Brief(u32),
    /// An event with its time.
    At(u32),
}

impl Flaw {
    /// A flaw with the field's term for it, and nothing told yet.
    pub fn new(name: &'static str) -> Flaw {
        Flaw(Kind::Told { name, words: Vec::new() })
    }

    /// Somebody saw `value`, which nobody ever put there, or only an operation that certainly failed.
    pub fn phantom(seen_by: u32, value: Value) -> Flaw {
        Flaw(Kind::Phantom { seen_by, value })
    }

    /// Says this.
    #[must_use]
    pub fn say(self, words: impl Into<String>) -> Flaw {
        self.word(Word::Say(words.into()))
    }

    /// Names the operation that the event at this index belongs to, with its times.
    #[must_use]
    pub fn op(self, event: u32) -> Flaw {
        self.word(Word::Op(event))
    }

    /// Names the operation that the event at this index belongs to, without its times.
    #[must_use]
    pub fn brief(self, event: u32) -> Flaw {
        self.word(Word::Brief(event))
    }

    /// Names an event with its time.
    #[must_use]
    pub fn at(self, event: u32) -> Flaw {
        self.word(Word::At(event))
    }

    /// Names several operations, one after the other.
    #[must_use]
    pub fn ops(self, events: &[u32]) -> Flaw {
        events.iter().enumerate().fold(self, |flaw, (place, event)| {
            let flaw = if place == 0 { flaw } else { flaw.say("; ") };
            flaw.op(*event)
        })
    }

    fn word(mut self, word: Word) -> Flaw {
        if let Kind::Told { words, .. } = &mut self.0 {
            words.push(word);
        }
        self
    }
}

impl From<Violation> for Flaw {
    fn from(violation: Violation) -> Flaw {
        Flaw(Kind::Register(violation))
    }
}
