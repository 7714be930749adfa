//! Does only one of two conditional inserts succeed?
//!
//! Each transaction inserts for a key if nobody has inserted for it yet. If two succeed, each looked before the other had
//! written: an anti-dependency cycle through a predicate, Adya's G2 (*Weak Consistency*, 1999, §3.2.4), which
//! serializability forbids. Jepsen's `g2`.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History};

/// Judges inserts on the condition that nothing is there: compare-and-sets from nil.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConditionalInsert;

impl Checker for ConditionalInsert {
    fn name(&self) -> &'static str {
        "conditional-insert"
    }

    /// Who won has won.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut keys, mut contested) = (Vec::new(), 0, 0);
        for (key, ops) in history.by_key() {
            let inserts: Vec<_> =
                ops.iter().filter(|op| matches!(op.call, Call::Cas { expected: None, .. })).collect();
            let won: Vec<_> = inserts.iter().filter(|op| op.outcome.is_ok()).collect();
            keys += usize::from(!inserts.is_empty());
            contested += usize::from(inserts.len() > 1 && !won.is_empty());
            if won.len() > 1 {
                let story = format!(
                    "{} inserts for {key} succeeded, each on the condition to be the only one.",
                    won.len()
                );
                let events = won.iter().flat_map(|op| [Some(op.invoked), op.completed]).flatten();
                anomalies.push(Anomaly::new("G2", key, story, events));
            }
        }
        let doubt = (contested == 0).then(|| "no key was contested and won".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("each of {contested} contested keys was won once"),
        )
        .measure("keys", keys)
        .measure("contested keys", contested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn one_of_two_wins() {
        for (text, verdict) in [
            ("A insert 1 ok; B insert 2 fail", Verdict::Valid),
            ("A insert 1 ok (; B insert 2 ok; A )", Verdict::Invalid),
            ("A insert 1 ok; B insert 2 ?", Verdict::Valid),
            ("A@1 insert 1 ok; B@2 insert 2 ok", Verdict::Unknown),
            ("A insert 1 fail; B insert 2 fail", Verdict::Unknown),
        ] {
            let report = ConditionalInsert.check(&script(text), &Budget::default());
            assert_eq!(report.verdict, verdict, "{text}");
        }
    }
}
