//! A set in which an addition wins over a removal that did not see it: an observed-remove set, without tombstones
//! (Bieniusa and others, *An Optimized Conflict-free Replicated Set*, 2012).
//!
//! Every addition has a name of its own, its [`Dot`]: the node that made it, and that node's number for it. An
//! element is in the set as long as one of its dots is. A removal takes away the dots that it sees and no others. The
//! set remembers how far it has seen each node's dots, so it can tell a dot that another has removed (seen, and no
//! longer there) from one that it has not heard of.

use history::{NodeId, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One addition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dot {
    /// Who made it.
    pub node: NodeId,
    /// Which of its additions to this set; from 1.
    pub number: u64,
}

/// One set.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// What is there, each with every addition of it that nobody has removed.
    there: BTreeSet<(Value, Dot)>,
    /// Up to which number each node's additions have been seen here, all of them.
    pub(super) seen: BTreeMap<NodeId, u64>,
    /// FLAW remove-by-value: what was ever removed.
    buried: BTreeSet<Value>,
}

impl Set {
    /// The name of this node's next addition.
    pub(super) fn next(&self, node: NodeId) -> Dot {
        Dot { node, number: self.seen.get(&node).copied().unwrap_or(0) + 1 }
    }

    /// Adds it. The new dot stands for the old ones, too.
    pub(super) fn add(&mut self, value: Value, dot: Dot) {
        self.remove(value);
        let seen = self.seen.entry(dot.node).or_default();
        *seen = dot.number.max(*seen);
        self.there.insert((value, dot));
    }

    /// Removes all of it that is seen here.
    pub(super) fn remove(&mut self, value: Value) {
        let dots: Vec<(Value, Dot)> = self.dots(value).copied().collect();
        for dot in dots {
            self.there.remove(&dot);
        }
    }

    /// FLAW remove-by-value: the value is to go, whoever adds it.
    pub(super) fn bury(&mut self, value: Value) {
        self.buried.insert(value);
    }

    /// All that either has seen added, without what either has seen removed.
    pub(super) fn join(&mut self, other: &Set) {
        let news: Vec<(Value, Dot)> =
            other.there.iter().filter(|(_, dot)| !self.has_seen(*dot)).copied().collect();
        self.there.retain(|there| other.there.contains(there) || !other.has_seen(there.1));
        self.there.extend(news);
        for (node, number) in &other.seen {
            let seen = self.seen.entry(*node).or_default();
            *seen = (*number).max(*seen);
        }
        self.buried.extend(&other.buried);
        self.there.retain(|(value, _)| !self.buried.contains(value));
    }

    fn has_seen(&self, dot: Dot) -> bool {
        self.seen.get(&dot.node).is_some_and(|seen| dot.number <= *seen)
    }

    /// The additions of a value that are there.
    fn dots(&self, value: Value) -> impl Iterator<Item = &(Value, Dot)> {
        let least = Dot { node: NodeId(0), number: 0 };
        self.there.range((value, least)..).take_while(move |(other, _)| *other == value)
    }

    /// Whether it is there.
    pub fn contains(&self, value: Value) -> bool {
        self.dots(value).next().is_some()
    }

    /// What is there, ascending.
    pub fn elements(&self) -> Vec<Value> {
        let mut values: Vec<Value> = self.there.iter().map(|(value, _)| *value).collect();
        values.dedup();
        values
    }
}

/// `n1#4`
impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.node, self.number)
    }
}

/// `{5 n1#4, 6 n2#1} seen n1#4 n2#1`
impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.there.iter().map(|(value, dot)| format!("{value} {dot:?}")).collect();
        let seen =
            self.seen.iter().map(|(node, number)| format!(" {:?}", Dot { node: *node, number: *number }));
        write!(f, "{{{}}} seen{}", all.join(", "), seen.collect::<String>())
    }
}
