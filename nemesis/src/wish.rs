//! What may be broken, as somebody asked for it.

use crate::check::known;
use crate::{How, Selector, Span};
use cluster::Abilities;
use history::{FaultKind, Moment, NodeId, Trouble};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Everything that may be broken, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// What.
    pub list: Vec<Wish>,
    /// About how long a fault lasts, and about how long after it began the next one does.
    pub interval: Duration,
    /// How long after the beginning of a fault the next one begins, if that is given.
    pub between: Option<Span>,
    /// How long faults last, if that is given.
    pub lasting: Option<Span>,
    /// Nothing begins before.
    pub start: Duration,
    /// Nothing begins after; if nothing is said, the end of the main phase is left alone.
    pub stop: Option<Duration>,
}

/// One thing that may be broken. What is not fixed is drawn each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What kind of fault.
    pub kind: FaultKind,
    /// In which way.
    pub how: Option<How>,
    /// Whose; meant for the kinds and ways that have victims.
    pub of: Option<Selector>,
    /// The moment to wait for.
    pub when: Option<Moment>,
    /// How often it comes, compared with the others.
    pub weight: u32,
    /// How long it lasts, if that is given.
    pub lasting: Option<Span>,
    /// What else is fixed.
    pub numbers: Numbers,
}

/// What else may be fixed about a fault. Each belongs to some kinds and ways only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// For packets: exactly this.
    pub trouble: Option<Trouble>,
    /// For clocks: how far they jump, in milliseconds.
    pub jump_ms: Option<Range>,
    /// For clocks: how fast they run, in parts per million.
    pub rate_ppm: Option<Range>,
    /// For strobed clocks: how long they stay there, and then again here, in milliseconds.
    pub every_ms: Option<Range>,
    /// For series: how often.
    pub times: Option<Range>,
    /// For restarts: how long down, in milliseconds.
    pub down_ms: Option<Range>,
    /// For restarts: how long up, in milliseconds.
    pub up_ms: Option<Range>,
    /// For slow disks: by how much, in milliseconds.
    pub delay_ms: Option<Range>,
    /// For partitions: who cannot hear whom.
    pub grudge: Option<BTreeMap<NodeId, Vec<NodeId>>>,
}

/// From the lowest to the highest number that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The lowest.
    pub low: i64,
    /// The highest; not below the lowest.
    pub high: i64,
}

impl Wishes {
    /// These, one as often as the other.
    pub fn new(list: Vec<Wish>, interval: Duration) -> Wishes {
        Wishes { list, interval, between: None, lasting: None, start: Duration::ZERO, stop: None }
    }

    /// The kinds that are wished for, each once, ascending.
    pub fn kinds(&self) -> Vec<FaultKind> {
        let kinds: BTreeSet<FaultKind> = self.list.iter().map(|wish| wish.kind).collect();
        kinds.into_iter().collect()
    }
}

impl From<FaultKind> for Wish {
    fn from(kind: FaultKind) -> Wish {
        let numbers = Numbers::default();
        Wish { kind, how: None, of: None, when: None, weight: 1, lasting: None, numbers }
    }
}

impl Wish {
    /// What `--nemesis` asks for: a list separated by commas, or `none`, or `all`, which is all that this cluster
    /// can and that a sound system survives; what it need not survive must be named. Each item is a kind, then `:` and a way or the nodes that are meant, then `@` and a moment to wait for:
    /// `kill`, `partition:ring`, `pause:primaries`, `partition:mute:n1+n2`, `kill:loop@new-leader`. The same item is
    /// taken once. A kind that is named and that the cluster cannot make is there too: whether to go on without it
    /// is the caller's question.
    ///
    /// # Errors
    /// If a word makes no sense: the error says what would.
    pub fn list(list: &str, abilities: &Abilities) -> Result<Vec<Wish>, String> {
        let can = |kind: FaultKind| abilities.faults.get(&kind).is_some_and(Result::is_ok);
        let possible: Vec<FaultKind> = FaultKind::ALL.into_iter().filter(|kind| can(*kind)).collect();
        let survivable = || possible.iter().copied().filter(|kind| kind.is_survivable());
        match list.trim() {
            "none" => return Ok(Vec::new()),
            "all" => return Ok(survivable().map(Wish::from).collect()),
            _ => {}
        }
        let mut wishes: Vec<Wish> = Vec::new();
        for item in list.split(',').map(str::trim) {
            let wish = Wish::item(item, &possible)?;
            if !wishes.contains(&wish) {
                wishes.push(wish);
            }
        }
        wishes.sort_by_key(|wish| wish.kind);
        Ok(wishes)
    }

    fn item(item: &str, possible: &[FaultKind]) -> Result<Wish, String> {
        let (words, when) = match item.split_once('@') {
            Some((words, when)) => (words, Some(moment(when)?)),
            None => (item, None),
        };
        let mut words = words.split(':');
        let name = words.next().unwrap_or_default();
        let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
        let mut wish = Wish { when, ..Wish::from(kind.ok_or_else(|| unknown(name, possible))?) };
        for word in words {
            wish.say(word).map_err(|why| format!("{item}: {why}"))?;
        }
        wish.check().map_err(|why| format!("{item}: {why}"))?;
        Ok(wish)
    }

    /// # Errors
    /// If it names a node that a cluster of so many nodes does not have.
    pub fn check_nodes(&self, nodes: u16) -> Result<(), String> {
        let of = match &self.of {
            Some(Selector::These(these)) => these.as_slice(),
            _ => &[],
        };
        let grudge = self.numbers.grudge.iter().flatten();
        let grudge = grudge.flat_map(|(hearer, unheard)| [hearer].into_iter().chain(unheard));
        let mut named = of.iter().chain(grudge);
        named.try_for_each(|node| known(*node, nodes)).map_err(|why| format!("{self}: {why}"))
    }

    /// Takes a word that is a way of this kind or names nodes.
    fn say(&mut self, word: &str) -> Result<(), String> {
        if let Some((how, _, _)) = How::of(self.kind).find(|(_, name, _)| *name == word) {
            return match self.how.replace(how) {
                None => Ok(()),
                Some(before) => Err(format!("{before} and {how} are two ways; ask for two faults")),
            };
        }
        let of = word.parse().map_err(|why| match ways(self.kind) {
            Some(ways) => format!("{word:?} is no way to make {}; there is: {ways}; and {why}", self.kind),
            None => why,
        })?;
        match self.of.replace(of) {
            None => Ok(()),
            Some(before) => Err(format!("{before} and {word} are two sets of nodes")),
        }
    }

    /// # Errors
    /// If what is fixed does not go together.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Wish { kind, how, of, when, weight, numbers, .. } = self;
        let of_kind = how.is_none_or(|how| How::of(*kind).any(|(other, _, _)| other == how));
        if let (false, Some(how)) = (of_kind, how) {
            return Err(format!("{how} is no way to make {kind}"));
        }
        if let (Some(how), Some(of)) = (how, of)
            && !how.has_victims()
        {
            return Err(format!("{how} is not made of chosen nodes such as {of}"));
        }
        if *of == Some(Selector::Subject) && when.is_none() {
            return Err("subject is whom a moment is about, and no moment is awaited".to_owned());
        }
        if *weight == 0 {
            return Err("what has no weight never comes; leave it out".to_owned());
        }
        if (*how == Some(How::Grudge)) != numbers.grudge.is_some() {
            return Err("a grudge has to be written: who cannot hear whom, in a file".to_owned());
        }
        Ok(())
    }
}

pub(crate) fn moment(name: &str) -> Result<Moment, String> {
    let known: Vec<&str> = Moment::ALL.iter().map(|moment| moment.name()).collect();
    let moment = Moment::ALL.into_iter().find(|moment| moment.name() == name);
    moment.ok_or_else(|| format!("{name:?} is no moment to wait for; there is: {}", known.join(", ")))
}

/// The ways of a kind, if it has more than one.
pub(crate) fn ways(kind: FaultKind) -> Option<String> {
    let names: Vec<&str> = How::of(kind).map(|(_, name, _)| name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn unknown(name: &str, possible: &[FaultKind]) -> String {
    if let "all" | "none" = name {
        return format!("{name:?} stands alone, not in a list");
    }
    let names: Vec<_> = possible.iter().map(|kind| kind.name()).collect();
    format!("{name:?} is not a kind of fault; this cluster can be given: {}, all, none", names.join(", "))
}

/// As `--nemesis` takes it. What only a file can say is left out.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        self.how.iter().try_for_each(|how| write!(f, ":{how}"))?;
        self.of.iter().try_for_each(|of| write!(f, ":{of}"))?;
        self.when.iter().try_for_each(|when| write!(f, "@{when}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Abilities {
        let mut faults: BTreeMap<_, _> = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
        faults.insert(FaultKind::Clock, Err("one machine has one clock; use --on sim".to_owned()));
        faults.remove(&FaultKind::Crash);
        faults.remove(&FaultKind::Disk);
        faults.remove(&FaultKind::Members);
        faults.remove(&FaultKind::Pressure);
        Abilities { calls: Vec::new(), faults }
    }

    fn read(list: &str) -> Result<Vec<Wish>, String> {
        Wish::list(list, &local())
    }

    fn kinds(list: &str) -> Vec<FaultKind> {
        read(list).unwrap().iter().map(|wish| wish.kind).collect()
    }

    #[test]
    fn lists_are_read() {
        use FaultKind::{Kill, Packets, Partition, Pause};
        assert_eq!(kinds("kill, partition,kill"), [Partition, Kill]);
        assert_eq!(kinds("clock"), [FaultKind::Clock], "named, though it cannot be made");
        assert_eq!(kinds("none"), []);
        assert_eq!(kinds("damage"), [FaultKind::Damage], "named; `all` does not mean it");
        assert_eq!(kinds("all"), [Partition, Kill, Pause, Packets]);
    }

    #[test]
    fn ways_nodes_and_moments_are_read_and_written() {
        let list = "partition:ring,partition:mute:n1+n3,partition:minority-third,kill:loop:primaries,\
                    kill@new-leader,pause:subject@started,clock:strobe";
        let wishes = read(list).unwrap();
        let written: Vec<String> = wishes.iter().map(Wish::to_string).collect();
        assert_eq!(written.join(","), list);
        assert_eq!(wishes[1].how, Some(How::Mute));
        assert_eq!(wishes[1].of, Some(Selector::These(vec![NodeId(1), NodeId(3)])));
        assert_eq!(wishes[4].when, Some(Moment::NewLeader));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (list, why) in [
            (
                "kil",
                "\"kil\" is not a kind of fault; this cluster can be given: partition, kill, pause, packets",
            ),
            ("", "\"\" is not a kind of fault"),
            ("kill,", "\"\" is not a kind of fault"),
            ("kill,all", "\"all\" stands alone"),
            ("kill:ring", "\"ring\" is no way to make kill; there is: restart, loop, terminate"),
            ("pause:ring", "pause:ring: \"ring\" names no nodes; what does: one, minority"),
            ("partition:ring:bridge", "ring and bridge are two ways"),
            ("kill:one:all", "one and all are two sets of nodes"),
            ("partition:ring:one", "ring is not made of chosen nodes such as one"),
            ("kill@noon", "\"noon\" is no moment to wait for; there is: new-leader, started"),
            ("kill:subject", "no moment is awaited"),
            ("partition:grudge", "a grudge has to be written"),
        ] {
            let error = read(list).unwrap_err();
            assert!(error.contains(why), "{list:?}: {error}");
        }
    }

    #[test]
    fn strangers_are_refused() {
        let check = |item: &str| read(item).unwrap()[0].check_nodes(3);
        assert_eq!(check("kill:n1+n3"), Ok(()));
        assert_eq!(check("kill:n1+n4"), Err("kill:n1+n4: n4 is not in a cluster of 3 nodes".to_owned()));
        let mut grudge = Wish { how: Some(How::Grudge), ..Wish::from(FaultKind::Partition) };
        grudge.numbers.grudge = Some(BTreeMap::from([(NodeId(1), vec![NodeId(2), NodeId(7)])]));
        assert!(grudge.check_nodes(7).is_ok() && grudge.check_nodes(6).is_err());
    }

    #[test]
    fn every_way_has_a_name_of_its_own() {
        for kind in FaultKind::ALL {
            let names: BTreeSet<&str> = How::of(kind).map(|(_, name, _)| name).collect();
            assert_eq!(names.len(), How::of(kind).count());
            assert!(names.iter().all(|name| name.parse::<Selector>().is_err()), "{kind}: {names:?}");
        }
    }
}
