//! A bank: money moves between accounts, and somebody looks at all of them.
//!
//! The accounts are `k0` to `k7` and hold ten each in the beginning.

use crate::Settings;
use crate::asking::{Asker, Hand, main_phase};
use crate::catalog::{Entry, Generators, ONE_PROMISE, Options};
use crate::finale::last_looks;
use crate::keys::{KeyUse, Keys};
use checkers::Bank;
use history::{Call, CallKind, Chance, Key, ProcessId};

pub(crate) const ENTRY: Entry = Entry {
    name: "bank",
    about: "transfers between eight accounts, and looks at all of them",
    calls: &[CallKind::Transfer, CallKind::Balances],
    options: Options::None,
    levels: || vec![ONE_PROMISE],
    make,
    judges: |_| vec![Box::new(judge())],
};

/// How many accounts there are.
pub const ACCOUNTS: u64 = 8;
/// What is in each of them in the beginning.
pub const INITIAL: i64 = 10;
/// The most that one transfer moves.
const MOST: u64 = 5;
/// How often the finale looks.
const LOOKS: usize = 10;

fn judge() -> Bank {
    let accounts = (0..ACCOUNTS).map(Key).collect();
    Bank { total: Some(ACCOUNTS as i64 * INITIAL), accounts: Some(accounts), overdraft: false }
}

fn make(settings: &Settings, chance: Chance) -> Generators {
    let main = main_phase(Transfers, Keys::new(KeyUse::USUAL), settings, &chance);
    (main, last_looks(|_| vec![Call::Balances; LOOKS]))
}

struct Transfers;

impl Asker for Transfers {
    /// As many looks as transfers.
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let call = if hand.chance.coin(0.5) {
            Call::Balances
        } else {
            let from = hand.chance.below(ACCOUNTS);
            let to = (from + hand.chance.between(1, ACCOUNTS - 1)) % ACCOUNTS;
            Call::Transfer { from: Key(from), to: Key(to), amount: hand.chance.between(1, MOST) as i64 }
        };
        Some((hand.somebody(), call))
    }
}
