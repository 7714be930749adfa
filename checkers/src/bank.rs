//! Is all the money there, whenever anybody looks?
//!
//! Every complete look at all balances shows the known accounts, one balance each, and always the same total: transfers
//! move money and make none. Semantics of Jepsen's `bank` checker. A look that shows another total is explained by the
//! transfers that alone make the difference, where there are any: such a transfer was seen half done.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Reply};
use std::collections::BTreeSet;

/// Judges banks.
#[derive(Debug, Clone, Default)]
pub struct Bank {
    /// What all balances add up to; if not said, what the first look shows.
    pub total: Option<i64>,
    /// The accounts; if not said, those of the first look.
    pub accounts: Option<BTreeSet<Key>>,
    /// Whether a balance may be negative.
    pub overdraft: bool,
}

impl Checker for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    /// Two looks that disagree will disagree for ever, whichever of them is taken for the first.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let looks: Vec<(Op<'_>, &[(Key, i64)])> = history
            .ops()
            .filter_map(|op| match op.outcome {
                Outcome::Ok(Reply::Balances(all)) => Some((op, all.as_slice())),
                _ => None,
            })
            .collect();
        let Some((_, first)) = looks.first() else {
            return Report::unknown(self.name(), "nobody looked at all balances successfully");
        };
        let total = self.total.unwrap_or_else(|| sum(first));
        let accounts = self.accounts.clone().unwrap_or_else(|| first.iter().map(|(key, _)| *key).collect());
        let mut anomalies = Vec::new();
        for (op, all) in &looks {
            for (name, story) in self.faults(all, total, &accounts, history, op) {
                anomalies.push(Anomaly::new(name, None, story, [op.invoked].into_iter().chain(op.completed)));
            }
        }
        let ok = |op: &Op<'_>| matches!(op.call, Call::Transfer { .. }) && op.outcome.is_ok();
        let transfers = history.ops().filter(ok).count();
        Report::conclude(
            self.name(),
            anomalies,
            None,
            format!("{} looks, always {total} in all", looks.len()),
        )
        .measure("looks", looks.len())
        .measure("transfers", transfers)
        .measure("total", total)
    }
}

fn sum(balances: &[(Key, i64)]) -> i64 {
    balances.iter().fold(0, |sum, (_, balance)| sum.saturating_add(*balance))
}

impl Bank {
    fn faults(
        &self,
        all: &[(Key, i64)],
        total: i64,
        accounts: &BTreeSet<Key>,
        history: &History,
        look: &Op<'_>,
    ) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut shown = BTreeSet::new();
        for (key, balance) in all {
            if !accounts.contains(key) {
                faults.push(("unexpected account", format!("A look shows {key}, which is no account.")));
            } else if !shown.insert(*key) {
                faults.push(("unexpected account", format!("A look shows {key} twice.")));
            }
            if *balance < 0 && !self.overdraft {
                faults.push(("negative balance", format!("A look shows {balance} in {key}.")));
            }
        }
        if let Some(missing) = accounts.iter().find(|key| !shown.contains(*key)) {
            faults.push(("missing account", format!("A look does not show {missing}.")));
        } else if faults.iter().all(|(name, _)| *name == "negative balance") && sum(all) != total {
            let (seen, off) = (sum(all), sum(all).saturating_sub(total));
            let half = halves(history, look, off);
            faults.push(("wrong total", format!("The balances add up to {seen} instead of {total}{half}.")));
        }
        faults
    }
}

/// The transfers that explain a difference if one of their halves was seen without the other.
fn halves(history: &History, look: &Op<'_>, off: i64) -> String {
    let end = look.completed.unwrap_or(look.invoked);
    let candidate = |op: &Op<'_>| match op.call {
        Call::Transfer { from, to, amount }
            if amount.checked_abs() == off.checked_abs() && !op.outcome.is_fail() =>
        {
            // One that ended before is no candidate unless its effect can come later.
            let under_way = op.invoked < end
                && op.completed.is_none_or(|at| at > look.invoked || op.outcome.is_unknown());
            under_way.then(|| format!("{amount} from {from} to {to} (event {})", op.invoked))
        }
        _ => None,
    };
    let found: Vec<String> = history.ops().filter_map(|op| candidate(&op)).take(3).collect();
    match found.as_slice() {
        [] => String::new(),
        all => format!(", as if half of a transfer was seen: {}", all.join(", or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn money_is_neither_made_nor_lost() {
        for (text, overdraft, verdict, name) in [
            ("A balances [1:5 2:5]; A transfer 1 2 3 ok; B balances [1:2 2:8]", false, Verdict::Valid, ""),
            ("A balances [1:5 2:5]; B balances [1:2 2:5]", false, Verdict::Invalid, "wrong total"),
            // S5: the total is right, one account is below zero.
            ("A balances [1:5 2:5]; B balances [1:-1 2:11]", false, Verdict::Invalid, "negative balance"),
            ("A balances [1:5 2:5]; B balances [1:-1 2:11]", true, Verdict::Valid, ""),
            ("A balances [1:5 2:5]; B balances [1:10]", false, Verdict::Invalid, "missing account"),
            ("A balances [1:5 2:5]; B balances [1:5 2:5 3:0]", false, Verdict::Invalid, "unexpected account"),
            ("A balances [1:5 2:5]; B balances [1:5 2:0 2:5]", false, Verdict::Invalid, "unexpected account"),
            ("A transfer 1 2 3 ok", false, Verdict::Unknown, ""),
        ] {
            let report = Bank { overdraft, ..Bank::default() }.check(&script(text), &Budget::default());
            let names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
            assert_eq!(
                (report.verdict, names.join(",").as_str()),
                (verdict, name),
                "{text}: {}",
                report.summary
            );
        }
    }

    #[test]
    fn a_wrong_total_is_explained_by_the_transfer_seen_half_done() {
        let text =
            "A balances [1:5 2:5]; A transfer 1 2 3 ok (; B balances [1:2 2:5]; A ); A transfer 2 1 3 ok";
        let report = Bank::default().check(&script(text), &Budget::default());
        assert_eq!(
            report.anomalies[0].story,
            "The balances add up to 7 instead of 10, as if half of a transfer was seen: 3 from k1 to k2 (event 2)."
        );
        let stated = Bank { total: Some(12), ..Bank::default() };
        assert_eq!(
            stated.check(&script("A balances [1:5 2:5]"), &Budget::default()).verdict,
            Verdict::Invalid
        );
    }
}
