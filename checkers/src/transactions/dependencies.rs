//! The graph of what comes before what, judged.

use super::cycles::{Finding, classify, mask};
use super::graph::{Edge, Graph};
use super::phenomenon::{Class, Order, Phenomenon};
use super::store::Store;
use super::witness::{Circle, Finder};
use std::collections::BTreeMap;

/// How many circles are looked for to be told.
const TOLD: usize = 20;

/// What a dependency graph says.
#[derive(Debug)]
pub(crate) struct Verdicts {
    /// Each kind of circle and in how many components it was found.
    pub counts: BTreeMap<Phenomenon, usize>,
    /// Circles to tell, the worst first.
    pub circles: Vec<(Phenomenon, Circle)>,
    /// Kinds of circles of which nobody could say whether they are of a worse kind.
    pub unsure: Vec<Phenomenon>,
    graph: Graph,
    /// The order of all transactions, if there is one that respects real time.
    strict: Option<Vec<u32>>,
}

impl Verdicts {
    /// Judges the graph of these edges. The first vertices are the committed transactions; the others help.
    pub fn of(vertices: usize, edges: &[Edge]) -> Verdicts {
        let graph = Graph::new(vertices, edges);
        let all = graph.components(mask(Class::G2Item, Order::Realtime));
        let mut verdicts = Verdicts {
            counts: BTreeMap::new(),
            circles: Vec::new(),
            unsure: Vec::new(),
            strict: all.acyclic().then(|| all.order()),
            graph,
        };
        if verdicts.strict.is_none() {
            let tangle = verdicts.graph.tangled(&all);
            let findings = classify(&tangle);
            let phenomenon = |finding: &Finding| Phenomenon::Cycle(finding.class, finding.order);
            for finding in &findings {
                *verdicts.counts.entry(phenomenon(finding)).or_default() += 1;
                if finding.unsure {
                    verdicts.unsure.push(phenomenon(finding));
                }
            }
            let mut finder = Finder::new(&tangle);
            let chosen = choose(&findings);
            let told = chosen.iter().filter_map(|one| Some((phenomenon(one), finder.find(one)?)));
            verdicts.circles = told.collect();
        }
        verdicts
    }

    /// An order of the transactions that every edge follows, if there is one that respects so much, and what it
    /// respects.
    pub fn order(&self, store: &Store, committed: &[bool], respects: Order) -> Option<Vec<u32>> {
        let order = match &self.strict {
            Some(order) => order.clone(),
            None => {
                let components = self.graph.components(mask(Class::G2Item, respects));
                if !components.acyclic() {
                    return None;
                }
                components.order()
            }
        };
        let is_txn = |vertex: &u32| (*vertex as usize) < store.len() && committed[*vertex as usize];
        Some(order.into_iter().filter(is_txn).collect())
    }
}

/// Some findings of each kind.
fn choose(findings: &[Finding]) -> Vec<Finding> {
    let mut kinds: BTreeMap<(Order, Class), Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        kinds.entry((finding.order, finding.class)).or_default().push(*finding);
    }
    let each = TOLD.checked_div(kinds.len()).unwrap_or(0).max(1);
    kinds.into_values().flat_map(|of_kind| of_kind.into_iter().take(each)).collect()
}
