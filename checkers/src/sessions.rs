//! What a client may expect of its own session, object by object.
//!
//! Terry and others, *Session Guarantees for Weakly Consistent Replicated Data* (PDIS 1994): whatever the order in
//! which an object took its versions,
//! * **read your writes**: a read does not see an older version than one that its client wrote before;
//! * **monotonic reads**: nor an older one than its client saw before;
//! * **monotonic writes**: a client's writes come in the order in which it made them;
//! * **writes follow reads**: a write comes after what its client had seen before.
//!
//! Each says of two versions which is older. A guarantee holds for an object exactly if there is an order of its
//! versions that agrees with all that it says, which is to say: if that goes round in no circle. Versions are told
//! apart by their values, so every value may be written once. Of a list the order is known from its longest read.
//! What one object's versions say about another's is a question of causal consistency, not of this judge.

use crate::linearizable::Teller;
use crate::{Anomaly, Budget, Checker, Report};
use history::{Call, History, Key, Op, Outcome, Refusal, Reply, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Judges the four session guarantees for registers with unique values, and for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sessions {
    /// Whether writes are in the order of real time, as under one leader at a time: then more can be told.
    pub real_time: bool,
}

/// The four guarantees.
const GUARANTEES: [&str; 4] =
    ["read your writes", "monotonic reads", "monotonic writes", "writes follow reads"];

/// What one operation says about versions: which it saw, and which it made.
#[derive(Debug, Clone, Copy)]
struct Deed {
    saw: Option<u32>,
    made: Option<u32>,
    invoked: u32,
    returned: Option<u32>,
}

/// The initial version.
const INITIAL: u32 = 0;

/// The versions of an object, by number.
#[derive(Default)]
struct Versions {
    numbers: FxHashMap<Value, u32>,
    repeated: bool,
    /// The longest list that was read.
    longest: Vec<Value>,
}

impl Versions {
    fn number(&mut self, value: Option<Value>) -> u32 {
        let next = self.numbers.len() as u32 + 1;
        value.map_or(INITIAL, |value| *self.numbers.entry(value).or_insert(next))
    }

    /// What an operation saw and made, if it is one on a register or a list.
    fn deed(&mut self, op: &Op<'_>, written: &mut FxHashMap<u32, usize>) -> Option<Deed> {
        let certain = op.completed.filter(|_| !op.outcome.is_unknown()).map(|at| at as u32);
        let (saw, made) = match (op.call, op.outcome) {
            (Call::Read { .. }, Outcome::Ok(Reply::Read(value))) => (Some(*value), None),
            (Call::Elements { .. }, Outcome::Ok(Reply::List(all))) => {
                if all.len() > self.longest.len() {
                    self.longest.clone_from(all);
                }
                (Some(all.last().copied()), None)
            }
            (Call::Write { value, .. } | Call::Append { value, .. }, outcome) if !outcome.is_fail() => {
                (None, Some(*value))
            }
            (Call::Cas { expected, new, .. }, Outcome::Ok(_)) => (Some(*expected), Some(*new)),
            (Call::Cas { .. }, Outcome::Fail(Refusal::Mismatch { found })) => (Some(*found), None),
            (Call::Cas { new, .. }, Outcome::Unknown(_)) => (None, Some(*new)),
            _ => return None,
        };
        let (saw, made) = (saw.map(|saw| self.number(saw)), made.map(|made| self.number(Some(made))));
        if let Some(made) = made {
            let times = written.entry(made).or_default();
            *times += 1;
            self.repeated |= *times > 1;
        }
        Some(Deed { saw, made, invoked: op.invoked as u32, returned: certain })
    }
}

/// Which version must be older than which, and who says so.
struct Graph {
    /// By version, and by helper after those: the newer ones.
    newer: Vec<Vec<(u32, u32)>>,
}

impl Graph {
    fn helper(&mut self) -> u32 {
        self.newer.push(Vec::new());
        self.newer.len() as u32 - 1
    }

    fn edge(&mut self, older: u32, newer: u32, by: u32) {
        self.newer[older as usize].push((newer, by));
    }

    /// A circle, if there is one: who says so.
    fn circle(&self) -> Option<Vec<u32>> {
        // 0: never met, 1: on the way, 2: leads to no circle.
        let mut color = vec![0u8; self.newer.len()];
        let mut way: Vec<(u32, usize, u32)> = Vec::new();
        for start in 0..self.newer.len() as u32 {
            if color[start as usize] != 0 {
                continue;
            }
            way.push((start, 0, u32::MAX));
            color[start as usize] = 1;
            while let Some((at, next, _)) = way.last_mut() {
                let (from, edge) = (*at, self.newer[*at as usize].get(*next).copied());
                *next += 1;
                match edge {
                    None => {
                        color[from as usize] = 2;
                        way.pop();
                    }
                    Some((to, by)) if color[to as usize] == 0 => {
                        color[to as usize] = 1;
                        way.push((to, 0, by));
                    }
                    Some((to, by)) if color[to as usize] == 1 => {
                        let begin = way.iter().position(|(at, ..)| *at == to)?;
                        let mut who: Vec<u32> = way[begin + 1..].iter().map(|(.., by)| *by).collect();
                        who.push(by);
                        who.retain(|by| *by != u32::MAX);
                        return Some(who);
                    }
                    Some(_) => {}
                }
            }
        }
        None
    }
}

/// What one object's sessions say.
struct Object {
    key: Key,
    versions: Versions,
    sessions: BTreeMap<u32, Vec<Deed>>,
}

impl Object {
    /// Whatever the guarantee: what is known of the order of versions anyway.
    fn known(&self, real_time: bool) -> Graph {
        let mut graph = Graph { newer: vec![Vec::new(); self.versions.numbers.len() + 1] };
        for version in 1..=self.versions.numbers.len() as u32 {
            graph.edge(INITIAL, version, u32::MAX);
        }
        let number = |value: &Value| self.versions.numbers.get(value).copied();
        let list: Vec<u32> = self.versions.longest.iter().filter_map(number).collect();
        list.windows(2).for_each(|pair| graph.edge(pair[0], pair[1], u32::MAX));
        let deeds = self.sessions.values().flatten();
        for deed in deeds.clone() {
            if let (Some(saw), Some(made)) = (deed.saw, deed.made) {
                graph.edge(saw, made, deed.invoked);
            }
        }
        if real_time {
            let writes = deeds.filter_map(|deed| deed.made.map(|made| (made, *deed)));
            let mut ends: Vec<(u32, bool, u32, u32)> = Vec::new();
            for (made, deed) in writes {
                ends.push((deed.invoked, true, made, deed.invoked));
                ends.extend(deed.returned.map(|returned| (returned, false, made, deed.invoked)));
            }
            ends.sort_unstable();
            let mut returned = graph.helper();
            for (_, begins, made, by) in ends {
                if begins {
                    graph.edge(returned, made, by);
                } else {
                    let next = graph.helper();
                    graph.edge(returned, next, u32::MAX);
                    graph.edge(made, next, by);
                    returned = next;
                }
            }
        }
        graph
    }

    /// What a guarantee says of all sessions.
    fn says(&self, guarantee: usize, graph: &mut Graph) {
        for deeds in self.sessions.values() {
            match guarantee {
                0 => after_own(deeds, graph),
                1 => in_turn(graph, deeds.iter().filter_map(|deed| Some((deed.saw?, deed.invoked)))),
                2 => in_turn(graph, deeds.iter().filter_map(|deed| Some((deed.made?, deed.invoked)))),
                _ => after_seen(deeds, graph),
            }
        }
    }
}

/// Each version is as old as the next one, or older.
fn in_turn(graph: &mut Graph, versions: impl Iterator<Item = (u32, u32)>) {
    let mut last: Option<(u32, u32)> = None;
    for (version, by) in versions {
        if let Some((before, said)) = last.filter(|(before, _)| *before != version) {
            // Both operations say so: a helper stands for the first.
            let helper = graph.helper();
            graph.edge(before, helper, said);
            graph.edge(helper, version, by);
        }
        last = Some((version, by));
    }
}

/// All that a session wrote is as old as what it reads afterwards, or older.
fn after_own(deeds: &[Deed], graph: &mut Graph) {
    // Helpers stand for all that was written up to some write.
    let mut written: Vec<(u32, u32, u32)> = Vec::new();
    for deed in deeds {
        if let Some(saw) = deed.saw {
            match written.iter().rposition(|(version, ..)| *version == saw) {
                None => {
                    written.iter().rev().take(1).for_each(|(.., all)| graph.edge(*all, saw, deed.invoked))
                }
                Some(own) => {
                    for (version, by, _) in &written[own + 1..] {
                        let helper = graph.helper();
                        graph.edge(*version, helper, *by);
                        graph.edge(helper, saw, deed.invoked);
                    }
                    if let Some((.., before)) = own.checked_sub(1).map(|at| written[at]) {
                        graph.edge(before, saw, deed.invoked);
                    }
                }
            }
        }
        if let Some(made) = deed.made {
            let all = graph.helper();
            graph.edge(made, all, deed.invoked);
            if let Some((.., before)) = written.last() {
                graph.edge(*before, all, u32::MAX);
            }
            written.push((made, deed.invoked, all));
        }
    }
}

/// All that a session saw is older than what it writes afterwards.
fn after_seen(deeds: &[Deed], graph: &mut Graph) {
    let mut seen: Option<u32> = None;
    for deed in deeds {
        if let (Some(seen), Some(made)) = (seen, deed.made) {
            graph.edge(seen, made, deed.invoked);
        }
        if let Some(saw) = deed.saw {
            let all = graph.helper();
            graph.edge(saw, all, deed.invoked);
            if let Some(before) = seen {
                graph.edge(before, all, u32::MAX);
            }
            seen = Some(all);
        }
    }
}

impl Sessions {
    fn objects(history: &History) -> Vec<Object> {
        history
            .by_key()
            .into_iter()
            .map(|(key, ops)| {
                let (mut versions, mut sessions) = (Versions::default(), BTreeMap::new());
                let mut written = FxHashMap::default();
                for op in ops {
                    if let Some(deed) = versions.deed(&op, &mut written) {
                        sessions.entry(op.process.0).or_insert_with(Vec::new).push(deed);
                    }
                }
                Object { key, versions, sessions }
            })
            .filter(|object| !object.sessions.is_empty())
            .collect()
    }

    fn judge(&self, history: &History, object: &Object) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        for (guarantee, name) in GUARANTEES.iter().enumerate() {
            let mut graph = object.known(self.real_time);
            object.says(guarantee, &mut graph);
            let Some(mut who) = graph.circle() else { continue };
            who.sort_unstable();
            who.dedup();
            let teller = Teller { history, key: object.key, beginning: "nil".to_owned() };
            anomalies.push(teller.listing(name, &who, |_, list| {
                format!(
                    "No order of the versions of {} keeps the guarantee \"{name}\". By it, or by what is known \
                     anyway, each of these puts a version after another, and together they go round in a circle: \
                     {list}.",
                    object.key
                )
            }));
        }
        anomalies
    }
}

impl Checker for Sessions {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn check(&self, history: &History, budget: &Budget) -> Report {
        let objects = Sessions::objects(history);
        let repeated = objects.iter().filter(|object| object.versions.repeated).count();
        let (mut anomalies, mut judged) = (Vec::new(), 0);
        for object in objects.iter().filter(|object| !object.versions.repeated) {
            if budget.is_over() {
                break;
            }
            anomalies.extend(self.judge(history, object));
            judged += 1;
        }
        let doubt = objects.len() - judged;
        let summary = format!("{judged} objects, each guarantee by itself");
        let saw = |object: &Object| object.sessions.values().flatten().any(|deed| deed.saw.is_some());
        let mut report = match (anomalies.is_empty(), doubt) {
            (true, _) if !objects.iter().any(saw) => {
                Report::unknown(self.name(), "vacuous: nobody read anything successfully")
            }
            (false, _) => {
                let names = GUARANTEES.iter().filter(|name| anomalies.iter().any(|a| a.name == **name));
                let names: Vec<&str> = names.copied().collect();
                Report::invalid(self.name(), names.join(", "), anomalies.clone())
            }
            (true, 0) => Report::valid(self.name(), summary),
            (true, _) => Report::unknown(
                self.name(),
                format!("{doubt} objects were not judged, {repeated} because a value was written twice"),
            ),
        };
        for name in GUARANTEES {
            let count = anomalies.iter().filter(|anomaly| anomaly.name == name).count();
            report = report.measure(&format!("objects without {name}"), count);
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use history::text;

    fn broken(told: &str) -> Vec<String> {
        let report = Sessions::default().check(&text::parse(told).unwrap(), &Budget::default());
        assert_eq!(report.verdict == Verdict::Invalid, !report.anomalies.is_empty());
        report.anomalies.into_iter().map(|anomaly| anomaly.name).collect()
    }

    #[test]
    fn each_guarantee_is_broken_by_itself() {
        let none: [&str; 0] = [];
        assert_eq!(broken("A:w1[0,1]; A:rnil[2,3]"), ["read your writes"]);
        assert_eq!(broken("A:w1[0,1]; B:r1[2,3]; B:rnil[4,5]"), ["monotonic reads"]);
        assert_eq!(broken("A:w1[0,1]; A:w2[2,3]; B:w2[4,5]; B:r1[6,7]"), none, "a value is written twice");
        assert_eq!(broken("A:w1[0,1]; A:w2[2,3]; B:cas(2,3)[4,5]; C:cas(3,1)[6,?]"), none);
        assert_eq!(broken("A:w2[0,1]; A:w3[2,3]; B:cas(3,4)[4,5]; B:r2[6,7]"), none);
        assert_eq!(broken("A:r1[0,1]; A:w2[2,3]; B:cas(2,1)[4,5]"), ["writes follow reads"]);
        assert_eq!(broken("A:w1[0,1]; A:w2[2,3]; B:cas(2,1)[4,5]"), none, "written twice");
        assert_eq!(
            broken("A:w1[0,1]; A:w2[2,3]; A:r2[4,5]; A:r1[6,7]"),
            ["read your writes"],
            "an older one of its own"
        );
    }

    #[test]
    fn what_one_client_may_see_late_is_no_fault() {
        let none: [&str; 0] = [];
        assert_eq!(broken("A:w1[0,1]; B:rnil[2,3]; B:r1[4,5]; A:w2[6,7]; B:r1[8,9]; A:r2[10,11]"), none);
        assert_eq!(broken("A:w1[0,1]; B:w2[2,3]; A:r2[4,5]; B:r1[6,7]"), ["read your writes"]);
    }

    #[test]
    fn if_writes_are_in_real_time_more_is_known() {
        let history = text::parse("A:w1[0,1]; A:w2[2,3]; B:r2[4,5]; B:r1[6,7]").unwrap();
        let verdict = |real_time| Sessions { real_time }.check(&history, &Budget::default()).verdict;
        assert_eq!(verdict(false), Verdict::Valid, "the order of the writes is nobody's business");
        assert_eq!(verdict(true), Verdict::Invalid);
    }
}
