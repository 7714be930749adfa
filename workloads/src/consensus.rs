//! Consensus: everybody proposes a value for each of many keys, and everybody asks what was chosen.
//!
//! A proposal is a compare-and-set of a register that holds nothing. At most one of them can be had, so a register that is
//! linearizable is consensus: what was chosen was proposed, and nobody ever sees two values of one key. What the
//! compare-and-sets that were refused have found is judged as well. Every value is proposed at most once in a run.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, Options};
use crate::finale::look_at_each;
use crate::keys::{KeyUse, Keys};
use checkers::Linearizable;
use history::{Call, CallKind, Chance, ProcessId};

pub(crate) const ENTRY: Entry = Entry {
    name: "consensus",
    about: "proposals for registers that hold nothing yet, and looks at what was chosen",
    calls: &[CallKind::Read, CallKind::Cas],
    options: Options::Keys,
    levels: || vec!["linearizable"],
    make,
    judges: |_| vec![Box::new(Linearizable::default())],
};

/// A key is soon decided, and then there is little left to see.
const KEYS: KeyUse = KeyUse { calls: 12, ..KeyUse::USUAL };

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Proposals, Keys::new(settings.key_use(KEYS)), settings, &chance);
    (main, look_at_each(|key| Call::Read { key }))
}

struct Proposals;

impl Asker for Proposals {
    /// As many proposals as looks.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let key = hand.key();
        let call = match hand.chance.coin(0.5) {
            true => Call::Cas { key, expected: None, new: hand.value() },
            false => Call::Read { key },
        };
        Some((hand.somebody(), call))
    }
}
