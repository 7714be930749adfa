//! What was broken, and whether it really was.

use crate::{MessageKind, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of fault: what `--nemesis` names, and what one repair undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Links between nodes carry nothing.
    Partition,
    /// Processes die at once; what their operating system had accepted stays.
    Kill,
    /// Machines lose power; what was not synced to disk may be lost, torn or reordered.
    Crash,
    /// Processes stand still and later go on as if nothing had been.
    Pause,
    /// Links delay, lose, duplicate, reorder, corrupt or hold messages.
    Packets,
    /// A node's own clock jumps or runs fast or slow.
    Clock,
    /// A node's disk fails, is full or is slow.
    Disk,
    /// A node has little processor time or memory, or is frozen by its control group.
    Pressure,
    /// What a node has on its disk is changed behind its back. No protocol survives all of it.
    Damage,
    /// Nodes join and leave the cluster while it runs.
    Members,
}

/// One direction of the path between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// Who sends.
    pub from: NodeId,
    /// Who would receive.
    pub to: NodeId,
}

/// What an impaired link does to the messages on it. Rates are out of a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trouble {
    /// Extra delay of every message, in milliseconds.
    pub delay_ms: u32,
    /// Up to so much more, drawn for each message, in milliseconds. Order is kept unless `reorder` says else.
    pub jitter_ms: u32,
    /// How many messages are lost.
    pub loss: u16,
    /// How many messages arrive twice.
    pub duplicate: u16,
    /// How many messages are overtaken by later ones.
    pub reorder: u16,
    /// How many messages are corrupted: one bit of them is another when they arrive. Checksums notice, so that to
    /// whoever listens it is a loss.
    #[serde(skip_serializing_if = "is_zero")]
    pub corrupt: u16,
    /// At most so many bytes a second; zero is no limit.
    pub bytes_per_second: u32,
    /// Keep every message until the fault is repaired, then deliver all.
    pub hold: bool,
    /// Only messages of this kind, if one is named. Only the simulator can tell them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<MessageKind>,
}

/// Old records do not have it, and records without it look like them.
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Illness {
    /// Every read that reaches it fails (EIO).
    ReadErrors,
    /// Every write fails (EIO).
    WriteErrors,
    /// Every sync fails (EIO).
    SyncErrors,
    /// No file can be made, none can grow (ENOSPC).
    Full,
    /// Every sync takes longer.
    SlowSyncs {
        /// By so many milliseconds.
        delay_ms: u32,
    },
}

/// What a node has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pressure {
    /// Processor time: all its threads together get so much of one processor and no more.
    Cpu {
        /// How much, in thousandths of one processor.
        permille: u16,
    },
    /// Memory: it may have what it has now, and so much more. If it needs more, the kernel kills it.
    Memory {
        /// How much more, in KiB.
        spare_kib: u32,
    },
    /// Everything: its control group is frozen. Unlike a signal, nobody in it can see or refuse that.
    Freeze,
}

/// What becomes of what was not synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsynced {
    /// All of it is lost: the power went before anything was written back.
    Lost,
    /// Any part of it is there: the power went in the middle of writing back.
    Torn,
}

/// What is done to the files of a node while it is down.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// One bit is flipped.
    FlipBit {
        /// In which file, below its data directory; in any of them if not said, the larger the likelier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// One bit is flipped of something that more was written after: no node can take it for the end of a log that was
    /// torn when it fell. Nobody flips it back.
    Rot {
        /// In which file, below its data directory; in the largest if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// The end of a file is cut off.
    Truncate {
        /// Of which file, below its data directory; of the one that was written last if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// How much of it, in thousandths; at least one byte.
        permille: u16,
    },
    /// Its data is copied now; after a while it is killed and given the copy: it forgets what it learned meanwhile.
    Rollback {
        /// After how many milliseconds.
        after_ms: u32,
    },
}

/// Something done to the cluster, naming its victims, so that the history is exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Cut these links, in addition to those already cut.
    Cut {
        /// The shape's name, for people: `halves`, `bridge`, ….
        shape: String,
        /// What is cut.
        links: Vec<Link>,
    },
    /// Kill these processes (SIGKILL).
    Kill {
        /// Whom.
        nodes: Vec<NodeId>,
    },
    /// Ask these processes to end in good order (SIGTERM).
    Terminate {
        /// Whom.
        nodes: Vec<NodeId>,
    },
    /// Cut the power of these nodes.
    Crash {
        /// Whose.
        nodes: Vec<NodeId>,
        /// What becomes of what was not synced; either, by chance, if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsynced: Option<Unsynced>,
    },
    /// Start these nodes again; those that run are left alone.
    Start {
        /// Whom.
        nodes: Vec<NodeId>,
    },
    /// Freeze these processes (SIGSTOP).
    Pause {
        /// Whom.
        nodes: Vec<NodeId>,
    },
    /// Let these processes go on (SIGCONT); those that run are left alone.
    Resume {
        /// Whom.
        nodes: Vec<NodeId>,
    },
    /// Impair these links; replaces what was impaired on them before.
    Impair {
        /// Which.
        links: Vec<Link>,
        /// How.
        trouble: Trouble,
    },
    /// Change the clocks of these nodes.
    Skew {
        /// Whose.
        nodes: Vec<NodeId>,
        /// How far their clock jumps now, in milliseconds. A node's monotonic clock never jumps back.
        jump_ms: i64,
        /// How fast it runs from now on, in parts per million of true time; 1,000,000 is true.
        rate_ppm: u32,
    },
    /// Make the disks of these nodes ill; replaces what was wrong with them before.
    Sicken {
        /// Whose.
        nodes: Vec<NodeId>,
        /// How.
        illness: Illness,
    },
    /// Give these nodes too little of something; replaces what they had too little of before.
    Press {
        /// Whom.
        nodes: Vec<NodeId>,
        /// What they have too little of.
        pressure: Pressure,
    },
    /// Damage the data of these nodes: each is killed, its files are changed, and it is started again.
    Damage {
        /// Whose.
        nodes: Vec<NodeId>,
        /// How.
        damage: Damage,
    },
    /// Change who takes part, by the system's own means.
    Members {
        /// Who joins.
        join: Vec<NodeId>,
        /// Who leaves, and is stopped then.
        leave: Vec<NodeId>,
    },
    /// Undo every fault of this kind.
    Repair {
        /// Which kind.
        kind: FaultKind,
    },
}

/// What became of an attempt to inject a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// It happened: here is what was observed. That a command was sent is no evidence.
    Installed(Evidence),
    /// It did not happen, for a reason that is nobody's fault (no leader to kill, node already down).
    Skipped(String),
    /// It may have happened.
    Doubtful(String),
}

/// What was observed of an installed fault, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(pub String);

impl FaultKind {
    /// Every kind, in the order in which people list them.
    pub const ALL: [FaultKind; 10] = [
        FaultKind::Partition,
        FaultKind::Kill,
        FaultKind::Crash,
        FaultKind::Pause,
        FaultKind::Packets,
        FaultKind::Clock,
        FaultKind::Disk,
        FaultKind::Pressure,
        FaultKind::Damage,
        FaultKind::Members,
    ];

    /// Whether a sound system survives it, so that its verdict says something about the system. What is not
    /// survivable must be asked for by name.
    pub fn is_survivable(self) -> bool {
        self != FaultKind::Damage
    }

    /// Every kind that a sound system survives: what `all` means.
    pub fn survivable() -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.into_iter().filter(|kind| kind.is_survivable())
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Partition => "partition",
            FaultKind::Kill => "kill",
            FaultKind::Crash => "crash",
            FaultKind::Pause => "pause",
            FaultKind::Packets => "packets",
            FaultKind::Clock => "clock",
            FaultKind::Disk => "disk",
            FaultKind::Pressure => "pressure",
            FaultKind::Damage => "damage",
            FaultKind::Members => "members",
        }
    }

    /// One line for `tribunal list nemeses`.
    pub fn about(self) -> &'static str {
        match self {
            FaultKind::Partition => "links between nodes are cut: halves, isolate, ring, bridge, one-way",
            FaultKind::Kill => {
                "processes are killed with SIGKILL, or asked to end with SIGTERM, and started again later"
            }
            FaultKind::Crash => "nodes lose power: what was not synced is lost, torn or reordered",
            FaultKind::Pause => "processes are frozen with SIGSTOP and go on later",
            FaultKind::Packets => "links delay, lose, duplicate, reorder, corrupt or hold messages",
            FaultKind::Clock => "clocks jump, or run fast or slow",
            FaultKind::Disk => "disks fail to read, write or sync, are full, or sync slowly",
            FaultKind::Pressure => {
                "nodes get little processor time or memory, or are frozen, by their control groups"
            }
            FaultKind::Damage => {
                "files of dead nodes are changed: a bit flipped, an end cut off, old data put back; not in `all`, \
                 because no protocol survives all of it (damage:rot some do)"
            }
            FaultKind::Members => "nodes join, leave and are replaced while the cluster runs",
        }
    }
}

impl Fault {
    /// The kind this belongs to; undoing belongs to the kind that it undoes.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::Cut { .. } => FaultKind::Partition,
            Fault::Kill { .. } | Fault::Terminate { .. } | Fault::Start { .. } => FaultKind::Kill,
            Fault::Crash { .. } => FaultKind::Crash,
            Fault::Pause { .. } | Fault::Resume { .. } => FaultKind::Pause,
            Fault::Impair { .. } => FaultKind::Packets,
            Fault::Skew { .. } => FaultKind::Clock,
            Fault::Sicken { .. } => FaultKind::Disk,
            Fault::Press { .. } => FaultKind::Pressure,
            Fault::Damage { .. } => FaultKind::Damage,
            Fault::Members { .. } => FaultKind::Members,
            Fault::Repair { kind } => *kind,
        }
    }

    /// A few words, for a line that has little room.
    pub fn brief(&self) -> String {
        match self {
            Fault::Cut { shape, .. } => format!("cut {shape}"),
            Fault::Impair { links, trouble } => format!("{} links {trouble}", links.len()),
            other => other.to_string(),
        }
    }

    /// The nodes that it names, by themselves or as ends of links, ascending, each once.
    pub fn victims(&self) -> Vec<NodeId> {
        let mut victims = match self {
            Fault::Cut { links, .. } | Fault::Impair { links, .. } => {
                links.iter().flat_map(|link| [link.from, link.to]).collect()
            }
            Fault::Kill { nodes }
            | Fault::Terminate { nodes }
            | Fault::Crash { nodes, .. }
            | Fault::Start { nodes }
            | Fault::Pause { nodes }
            | Fault::Resume { nodes }
            | Fault::Skew { nodes, .. }
            | Fault::Sicken { nodes, .. }
            | Fault::Press { nodes, .. }
            | Fault::Damage { nodes, .. } => nodes.clone(),
            Fault::Members { join, leave } => [join.as_slice(), leave].concat(),
            Fault::Repair { .. } => Vec::new(),
        };
        victims.sort_unstable();
        victims.dedup();
        victims
    }

    /// Whether this undoes instead of breaking.
    pub fn is_repair(&self) -> bool {
        matches!(self, Fault::Start { .. } | Fault::Resume { .. } | Fault::Repair { .. })
    }
}

/// Links by sender, `n1→n2,n3`, so that a partition of nine nodes can still be read.
fn paths(links: &[Link]) -> String {
    let mut senders: Vec<NodeId> = links.iter().map(|link| link.from).collect();
    senders.sort_unstable();
    senders.dedup();
    let all = senders.len() > 2 && links.len() == senders.len() * (senders.len() - 1);
    if all {
        return format!("every link of {}", names(&senders));
    }
    let from = |sender: &NodeId| {
        let to = links.iter().filter(|link| link.from == *sender).map(|link| link.to.to_string());
        format!("{sender}→{}", to.collect::<Vec<_>>().join(","))
    };
    senders.iter().map(from).collect::<Vec<_>>().join(" ")
}

fn names<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.from, self.to)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut say = |shown: bool, part: String| parts.extend(shown.then_some(part));
        say(self.delay_ms + self.jitter_ms > 0, format!("delay {}+{} ms", self.delay_ms, self.jitter_ms));
        say(self.loss > 0, format!("loss {}‰", self.loss));
        say(self.duplicate > 0, format!("duplicate {}‰", self.duplicate));
        say(self.reorder > 0, format!("reorder {}‰", self.reorder));
        say(self.corrupt > 0, format!("corrupt {}‰", self.corrupt));
        say(self.bytes_per_second > 0, format!("at most {} B/s", self.bytes_per_second));
        say(self.hold, "hold".to_owned());
        f.write_str(&if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })?;
        self.only.map_or(Ok(()), |only| write!(f, ", of {only} only"))
    }
}

impl Illness {
    /// Whether what a node wants to keep is refused.
    pub fn fails_writing(self) -> bool {
        matches!(self, Illness::WriteErrors | Illness::SyncErrors | Illness::Full)
    }

    /// Whether something fails, so that a node may well stop. A slow disk is no excuse.
    pub fn is_failure(self) -> bool {
        !matches!(self, Illness::SlowSyncs { .. })
    }
}

impl fmt::Display for Illness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Illness::ReadErrors => f.write_str("reads fail"),
            Illness::WriteErrors => f.write_str("writes fail"),
            Illness::SyncErrors => f.write_str("syncs fail"),
            Illness::Full => f.write_str("full"),
            Illness::SlowSyncs { delay_ms } => write!(f, "syncs take {delay_ms} ms longer"),
        }
    }
}

impl fmt::Display for Unsynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsynced::Lost => "lost",
            Unsynced::Torn => "torn",
        })
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pressure::Cpu { permille } => write!(f, "at most {permille}‰ of a processor"),
            Pressure::Memory { spare_kib } => write!(f, "at most {spare_kib} KiB more memory"),
            Pressure::Freeze => f.write_str("frozen"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |file: &Option<String>| file.as_ref().map_or_else(String::new, |file| format!(" of {file}"));
        match self {
            Damage::FlipBit { file } => write!(f, "a bit{} flipped", of(file)),
            Damage::Rot { file } => write!(f, "a bit{} rotten, before its end", of(file)),
            Damage::Truncate { file, permille } => write!(f, "the last {permille}‰{} cut off", of(file)),
            Damage::Rollback { after_ms } => write!(f, "the last {after_ms} ms forgotten"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Cut { shape, links } => write!(f, "cut {shape}: {}", paths(links)),
            Fault::Kill { nodes } => write!(f, "kill {}", names(nodes)),
            Fault::Terminate { nodes } => write!(f, "terminate {}", names(nodes)),
            Fault::Crash { nodes, unsynced: None } => write!(f, "crash {}", names(nodes)),
            Fault::Crash { nodes, unsynced: Some(fate) } => {
                write!(f, "crash {}: what was not synced is {fate}", names(nodes))
            }
            Fault::Start { nodes } => write!(f, "start {}", names(nodes)),
            Fault::Pause { nodes } => write!(f, "pause {}", names(nodes)),
            Fault::Resume { nodes } => write!(f, "resume {}", names(nodes)),
            Fault::Impair { links, trouble } => write!(f, "impair {}: {trouble}", paths(links)),
            Fault::Skew { nodes, jump_ms, rate_ppm } => {
                write!(f, "skew {}: jump {jump_ms} ms, rate {:.3}", names(nodes), f64::from(*rate_ppm) / 1e6)
            }
            Fault::Sicken { nodes, illness } => write!(f, "sicken {}: {illness}", names(nodes)),
            Fault::Press { nodes, pressure } => write!(f, "press {}: {pressure}", names(nodes)),
            Fault::Damage { nodes, damage } => write!(f, "damage {}: {damage}", names(nodes)),
            Fault::Members { join, leave } => {
                let said = |nodes: &[NodeId], does: &str| {
                    (!nodes.is_empty()).then(|| format!("{does} {}", names(nodes)))
                };
                let said: Vec<String> =
                    [said(join, "join"), said(leave, "leave")].into_iter().flatten().collect();
                write!(f, "members: {}", said.join(", "))
            }
            Fault::Repair { kind } => write!(f, "repair {kind}"),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Injection::Installed(Evidence(seen)) => write!(f, "installed: {seen}"),
            Injection::Skipped(why) => write!(f, "skipped: {why}"),
            Injection::Doubtful(why) => write!(f, "doubtful: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_can_be_read() {
        let link = |from, to| Link { from: NodeId(from), to: NodeId(to) };
        let cut = |links| Fault::Cut { shape: "mute".to_owned(), links }.to_string();
        assert_eq!(cut(vec![link(1, 2), link(1, 3), link(2, 3)]), "cut mute: n1→n2,n3 n2→n3");
        let nodes = [1, 2, 3];
        let all = nodes.iter().flat_map(|from| nodes.iter().map(|to| link(*from, *to)));
        let all = all.filter(|link| link.from != link.to).collect();
        assert_eq!(cut(all), "cut mute: every link of n1 n2 n3");
    }
}
