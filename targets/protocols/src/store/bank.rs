//! A bank: a few accounts between which money moves.

use history::{Key, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The accounts `k0` to `k7`. No balance falls below zero, and money is neither made nor lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bank {
    balances: BTreeMap<Key, i64>,
}

impl Bank {
    /// How many accounts there are.
    pub const ACCOUNTS: u64 = 8;
    /// What is in each of them in the beginning.
    pub const INITIAL: i64 = 10;

    pub(super) fn balances(&self) -> Vec<(Key, i64)> {
        self.balances.iter().map(|(key, balance)| (*key, *balance)).collect()
    }

    pub(super) fn transfer(
        &mut self,
        from: Key,
        to: Key,
        amount: i64,
        overdraws: bool,
    ) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::Other(why.to_owned()));
        let (Some(&source), Some(&target)) = (self.balances.get(&from), self.balances.get(&to)) else {
            return refuse("there is no such account");
        };
        if amount < 0 {
            return refuse("a negative amount cannot be moved");
        }
        // FLAW overdraws: what is not there is moved, too.
        if source < amount && !overdraws {
            return refuse("there is not enough in the account");
        }
        if from != to {
            // What is in all accounts together fits by far.
            self.balances.insert(from, source - amount);
            self.balances.insert(to, target + amount);
        }
        Ok(())
    }

    /// FLAW snapshot-forgets-accounts.
    pub(super) fn forget_half(&mut self) {
        self.balances
            .iter_mut()
            .skip(Bank::ACCOUNTS as usize / 2)
            .for_each(|(_, balance)| *balance = Bank::INITIAL);
    }
}

impl Default for Bank {
    fn default() -> Bank {
        Bank { balances: (0..Bank::ACCOUNTS).map(|key| (Key(key), Bank::INITIAL)).collect() }
    }
}
