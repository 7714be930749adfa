//! Is there at most one leader in a term?
//!
//! Clients ask who leads, and in which term. For one term there is one answer (Raft §5.2, election safety), whoever is
//! asked, whenever. A node that still believes in the leader of an old term is allowed; a node that was asked about a
//! term and later speaks of an older one is not, for terms are durable.

use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, NodeId, Outcome, Reply};
use std::collections::BTreeMap;

/// Judges what nodes say about who leads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Election;

impl Checker for Election {
    fn name(&self) -> &'static str {
        "election"
    }

    /// What was said of a term stays said.
    fn stands(&self) -> bool {
        true
    }

    fn check(&self, history: &History, _: &Budget) -> Report {
        let mut anomalies = Vec::new();
        let mut leaders: BTreeMap<u64, (NodeId, usize)> = BTreeMap::new();
        // For each node the highest term of answers, by the end of each.
        let mut answers: BTreeMap<NodeId, Vec<(usize, usize, u64)>> = BTreeMap::new();
        for op in history.ops() {
            let (Call::Leader, Outcome::Ok(Reply::Leader(Some((leader, term)))), Some(end)) =
                (op.call, op.outcome, op.completed)
            else {
                continue;
            };
            let (first, at) = *leaders.entry(*term).or_insert((*leader, op.invoked));
            if first != *leader {
                let story = format!("In term {term}, {first} led by one answer, and {leader} by another.");
                anomalies.push(Anomaly::new("two leaders in one term", None, story, [at, op.invoked, end]));
            }
            answers.entry(op.node).or_default().push((op.invoked, end, *term));
        }
        for (node, answers) in &answers {
            anomalies.extend(regressions(*node, answers));
        }
        let doubt = leaders.is_empty().then(|| "nobody ever said who leads".to_owned());
        Report::conclude(
            self.name(),
            anomalies,
            doubt,
            format!("{} terms, one leader in each", leaders.len()),
        )
        .measure("terms with a leader", leaders.len())
    }
}

fn regressions(node: NodeId, answers: &[(usize, usize, u64)]) -> Vec<Anomaly> {
    let mut ended: Vec<&(usize, usize, u64)> = answers.iter().collect();
    ended.sort_unstable_by_key(|(_, end, _)| *end);
    let mut ended = ended.into_iter().peekable();
    let (mut highest, mut found) = (None::<(u64, usize)>, Vec::new());
    for (invoked, end, term) in answers {
        while let Some((_, at, other)) = ended.next_if(|(_, at, _)| at < invoked) {
            highest = highest.max(Some((*other, *at)));
        }
        if let Some((high, at)) = highest.filter(|(high, _)| high > term) {
            let story = format!("{node} spoke of term {high}, then, asked again, of term {term}.");
            found.push(Anomaly::new("term went backwards", None, story, [at, *invoked, *end]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, script::script};

    #[test]
    fn one_leader_in_a_term() {
        for (text, verdict) in [
            ("A leader n1@1; B leader n2@2; A leader n2@2", Verdict::Valid),
            ("A leader n1@1; B leader n2@1", Verdict::Invalid),
            ("A leader n2@2; B leader n1@1", Verdict::Invalid),
            // Another node still believes in an old term.
            ("A leader n2@2; B#2 leader n1@1", Verdict::Valid),
            ("A#1 leader n2@2; B#2 leader n3@2", Verdict::Invalid),
            ("A leader n1@1 (; B leader n2@2; A )", Verdict::Valid),
            ("A leader nil", Verdict::Unknown),
            ("A leader ?", Verdict::Unknown),
        ] {
            let report = Election.check(&script(text), &Budget::default());
            assert_eq!(report.verdict, verdict, "{text}: {}", report.summary);
        }
    }
}
