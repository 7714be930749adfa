//! Does whoever sees a later insert see the earlier ones, too?
//!
//! * By real time: an element whose addition began after another's was acknowledged must not be seen without that one.
//!   Strict serializability promises it, serializability does not: Jepsen's `causal-reverse` (CockroachDB's `comments`).
//! * By session: as above, for additions of one process, in its order: CockroachDB's `sequential`.
//!
//! Where the additions that must be seen are ordered by the end of each, an element demands a prefix of them. So one
//! number per element, and one pass over each look, is enough.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, ProcessId, Reply, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Which additions come before which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Earlier {
    /// Those that were acknowledged before this one began.
    #[default]
    RealTime,
    /// Those of the same process.
    Session,
}

/// Judges looks at sets that only grow.
#[derive(Debug, Clone, Copy, Default)]
pub struct InsertOrder {
    /// Which additions come before which.
    pub earlier: Earlier,
}

/// An acknowledged addition, or one that may have happened.
struct Addition {
    value: Value,
    process: ProcessId,
    invoked: usize,
    acked: Option<usize>,
}

impl Checker for InsertOrder {
    fn name(&self) -> &'static str {
        match self.earlier {
            Earlier::RealTime => "insert-order by real time",
            Earlier::Session => "insert-order by session",
        }
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let (mut anomalies, mut looks) = (Vec::new(), 0);
        for (key, ops) in history.by_key() {
            let additions: Vec<Addition> = ops.iter().filter_map(addition).collect();
            let chains = self.chains(&additions);
            for op in &ops {
                let (Call::Elements { .. }, Outcome::Ok(Reply::List(there))) = (op.call, op.outcome) else {
                    continue;
                };
                looks += 1;
                let there: BTreeSet<Value> = there.iter().copied().collect();
                anomalies.extend(chains.iter().filter_map(|chain| gap(key, chain, &there, op)));
            }
        }
        let doubt = (looks == 0).then(|| "nobody looked successfully".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("{looks} looks saw no element without the earlier ones"),
        )
        .measure("looks", looks)
    }
}

/// Acknowledged additions, by the end of each, and for each addition how many of them it demands.
struct Chain<'a> {
    acked: Vec<&'a Addition>,
    demands: Vec<(&'a Addition, usize)>,
}

fn addition(op: &Op<'_>) -> Option<Addition> {
    let Call::Add { value, .. } = op.call else { return None };
    let acked = op.completed.filter(|_| op.outcome.is_ok());
    (!op.outcome.is_fail()).then_some(Addition {
        value: *value,
        process: op.process,
        invoked: op.invoked,
        acked,
    })
}

impl InsertOrder {
    fn chains<'a>(&self, additions: &'a [Addition]) -> Vec<Chain<'a>> {
        let mut groups: BTreeMap<Option<ProcessId>, Vec<&Addition>> = BTreeMap::new();
        for addition in additions {
            let group = (self.earlier == Earlier::Session).then_some(addition.process);
            groups.entry(group).or_default().push(addition);
        }
        let chain = |all: Vec<&'a Addition>| {
            let mut acked: Vec<&Addition> = all.iter().copied().filter(|one| one.acked.is_some()).collect();
            acked.sort_unstable_by_key(|one| one.acked);
            let demand =
                |one: &'a Addition| (one, acked.partition_point(|other| other.acked < Some(one.invoked)));
            let demands = all.into_iter().map(demand).collect();
            Chain { acked, demands }
        };
        groups.into_values().map(chain).collect()
    }
}

/// The first element that a look misses although it shows one that came later.
fn gap(key: Key, chain: &Chain<'_>, there: &BTreeSet<Value>, look: &Op<'_>) -> Option<Anomaly> {
    let (missed, earlier) = chain.acked.iter().enumerate().find(|(_, one)| !there.contains(&one.value))?;
    let demanding = chain.demands.iter().filter(|(one, _)| there.contains(&one.value));
    let (later, _) = demanding.max_by_key(|(_, count)| *count).filter(|(_, count)| *count > missed)?;
    let (a, b) = (earlier.value, later.value);
    let story = format!(
        "A look at {key} shows {b} but not {a}, which was acknowledged before the addition of {b} began."
    );
    let events =
        [earlier.invoked, later.invoked, look.invoked].into_iter().chain(earlier.acked).chain(look.completed);
    Some(Anomaly::new("insert seen without an earlier one", key, story, events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn who_sees_the_later_sees_the_earlier() {
        use Earlier::{RealTime, Session};
        for (text, real_time, session) in [
            ("A add 1 ok; B add 2 ok; C elements [1 2]", Verdict::Valid, Verdict::Valid),
            ("A add 1 ok; B add 2 ok; C elements [2]", Verdict::Invalid, Verdict::Valid),
            ("A add 1 ok; A add 2 ok; C elements [2]", Verdict::Invalid, Verdict::Invalid),
            ("A add 1 ok; A add 2 ok; C elements [1]", Verdict::Valid, Verdict::Valid),
            ("A add 1 ok (; B add 2 ok; A ); C elements [2]", Verdict::Valid, Verdict::Valid),
            ("A add 1 ?; B add 2 ok; C elements [2]", Verdict::Valid, Verdict::Valid),
            ("A add 1 fail; A add 2 ok; C elements [2]", Verdict::Valid, Verdict::Valid),
            ("A add 1 ok; B add 2 ?; C elements [2]", Verdict::Invalid, Verdict::Valid),
            ("A add 1 ok", Verdict::Unknown, Verdict::Unknown),
        ] {
            for (earlier, verdict) in [(RealTime, real_time), (Session, session)] {
                let report = InsertOrder { earlier }.check(&script(text), &Budget::default());
                assert_eq!(report.verdict, verdict, "{text}, {earlier:?}: {}", report.summary);
            }
        }
    }
}
