//! Do all readers see independent writes in the same order?
//!
//! Every key is written once, and readers look at groups of keys. Of two reads of one group one must have seen all that
//! the other saw; if each saw something that the other did not, they saw two writes in opposite orders: a *long fork*
//! (Sovran et al., *Transactional storage for geo-replicated systems*, SOSP 2011, §3), which parallel snapshot isolation
//! allows and snapshot isolation does not. Sorted by how much they saw, only neighbours need to be compared: if each
//! includes the one before it, all are comparable. Jepsen's `long-fork` compares every pair.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, Got, History, Key, Mop, Op, Outcome, Reply, Value};
use std::collections::BTreeMap;

/// Judges reads of groups of keys that are written once.
#[derive(Debug, Clone, Copy, Default)]
pub struct LongFork;

/// A read of a group: what each key held, and the read's call.
type Reading = (BTreeMap<Key, Option<Value>>, usize);

impl Checker for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    /// What two reads saw stays seen.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let mut writes: BTreeMap<Key, (Value, usize)> = BTreeMap::new();
        let mut groups: BTreeMap<Vec<Key>, Vec<Reading>> = BTreeMap::new();
        for op in history.ops() {
            let Call::Txn { mops } = op.call else { continue };
            for mop in mops {
                let Mop::Write { key, value } = mop else { continue };
                if let Some((_, other)) = writes.insert(*key, (*value, op.invoked)) {
                    let why = format!("{key} is written twice, by events {other} and {}", op.invoked);
                    return Report::unknown(
                        self.name(),
                        format!("{why}: this judge knows no order of versions"),
                    );
                }
            }
            if let Some(reading) = reading(&op, mops) {
                groups.entry(reading.keys().copied().collect()).or_default().push((reading, op.invoked));
            }
        }
        let (mut anomalies, mut reads) = (Vec::new(), 0);
        for readings in groups.values_mut() {
            reads += readings.len();
            readings.sort_by_key(|(reading, at)| (reading.values().flatten().count(), *at));
            anomalies.extend(readings.windows(2).filter_map(|pair| fork(&pair[0], &pair[1])));
        }
        let doubt = (reads == 0).then(|| "nobody read a group of keys successfully".to_owned());
        let fine = format!("{reads} reads of {} groups saw the writes in one order", groups.len());
        Report::conclude(self.name(), anomalies, doubt, fine)
            .measure("groups", groups.len())
            .measure("reads", reads)
            .measure("writes", writes.len())
    }
}

fn reading(op: &Op<'_>, mops: &[Mop]) -> Option<BTreeMap<Key, Option<Value>>> {
    let Outcome::Ok(Reply::Txn(gots)) = op.outcome else { return None };
    let all_read = mops.len() > 1 && mops.iter().all(|mop| matches!(mop, Mop::Read { .. }));
    let saw = |(mop, got): (&Mop, &Got)| match (mop, got) {
        (Mop::Read { key }, Got::Value(value)) => Some((*key, *value)),
        _ => None,
    };
    all_read.then(|| mops.iter().zip(gots).filter_map(saw).collect())
}

/// Whether the one that saw less saw something that the other did not.
fn fork((less, one): &Reading, (more, other): &Reading) -> Option<Anomaly> {
    let only_less = less.iter().find(|(key, value)| value.is_some() && more[*key] != **value)?;
    let only_more = more.iter().find(|(key, value)| value.is_some() && less[*key] != **value);
    let (key, value) = (only_less.0, only_less.1.unwrap_or(Value(0)));
    Some(match (more[key], only_more) {
        (Some(changed), _) => {
            let story = format!("{key} was read as {value} and as {changed}, but is written once.");
            Anomaly::new("changed value", *key, story, [*one, *other])
        }
        (None, Some((second, _))) => {
            let story = format!(
                "One read saw {key} written and {second} not yet; another saw {second} written and {key} not yet: \
                 each write came before the other."
            );
            Anomaly::new("long fork", None, story, [*one, *other])
        }
        (None, None) => {
            let story = format!("One read saw {key} written, another did not, though it saw as much.");
            Anomaly::new("long fork", *key, story, [*one, *other])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn all_readers_see_one_order() {
        for (text, verdict) in [
            ("A txn w1=1; B txn w2=2; C txn r1=1 r2=nil; D txn r1=1 r2=2", Verdict::Valid),
            ("A txn w1=1; B txn w2=2; C txn r1=1 r2=nil; D txn r1=nil r2=2", Verdict::Invalid),
            ("A txn w1=1; B txn w2=2; C txn r1=1 r2=nil; D txn r1=nil r2=2 !", Verdict::Valid),
            ("A txn w1=1; C txn r1=1 r2=nil r3=nil; D txn r1=nil r2=2 r3=3", Verdict::Invalid),
            ("A txn w1=1; C txn r1=1 r2=nil; D txn r1=7 r2=nil", Verdict::Invalid),
            ("A txn w1=1; A txn w1=2; C txn r1=1 r2=nil", Verdict::Unknown),
            ("A txn w1=1; C txn r1=1", Verdict::Unknown),
            ("C txn r1=1 r2=nil; D txn r3=nil r4=2", Verdict::Valid),
        ] {
            let report = LongFork.check(&script(text), &Budget::default());
            assert_eq!(report.verdict, verdict, "{text}: {}", report.summary);
        }
    }

    #[test]
    fn neighbours_are_enough() {
        // Every set of up to four reads of three keys, against every pair.
        for code in 0..8usize.pow(4) {
            let reads: Vec<usize> = (0..4).map(|place| code >> (3 * place) & 7).collect();
            let word = |read: &usize| {
                let part = |key: usize| format!("r{key}={}", if read >> key & 1 == 1 { "1" } else { "nil" });
                format!("C txn {}", (0..3).map(part).collect::<Vec<_>>().join(" "))
            };
            let text = reads.iter().map(word).collect::<Vec<_>>().join("; ");
            let comparable = reads.iter().all(|a| reads.iter().all(|b| a & b == *a || a & b == *b));
            let expected = if comparable { Verdict::Valid } else { Verdict::Invalid };
            assert_eq!(LongFork.check(&script(&text), &Budget::default()).verdict, expected, "{text}");
        }
    }
}
