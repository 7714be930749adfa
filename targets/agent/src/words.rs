//! What the controller and an agent say to one another: one JSON value per line, in both directions.
//!
//! Every [`Order`] is answered by one [`Word::Answer`] with its number. An agent begins with [`Word::Hello`], and
//! says [`Word::Ended`] whenever the node's process ends.

use history::{Damage, FaultKind};
use linux::cgroup::{self, Limit};
use linux::clock::{Reading, Turn};
use linux::disk::{Counters, Lost, Trouble};
use linux::net::{Counts, Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The number of this language. Both ends are the same program, so they differ only if an old one was left behind.
pub const VERSION: u32 = 4;

/// Something that the controller wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The answer will carry the same number.
    pub id: u64,
    /// What.
    pub request: Request,
}

/// What the controller can want.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// To know that the agent is there. It also renews the lease, as every order does.
    Ping,
    /// The node to be started.
    Start(Command),
    /// What the node wrote into its ready file.
    Ready,
    /// The node's process to be killed, and to know that it is gone.
    Kill,
    /// The node's process to be asked to end. When it has, that is news.
    Terminate,
    /// The node's process group to stand still, and to know that it does.
    Pause,
    /// The node's process group to go on, and to know that it does.
    Resume,
    /// To know how the node's process stands.
    Status,
    /// What comes in from these addresses to be treated like this from now on.
    Paths {
        /// How, by source. Those that are not named are treated as before.
        conditions: BTreeMap<IpAddr, Condition>,
        /// Where the dice begin.
        seed: u64,
    },
    /// A packet to be sent from one of our addresses to each of others: a fault that nobody else notices shows it.
    Knock {
        /// Our address.
        from: IpAddr,
        /// Theirs.
        at: Vec<IpAddr>,
    },
    /// What became of what came in, by source.
    Counts,
    /// What the time of day is.
    Wall,
    /// The clocks of the node's process to turn.
    Turn {
        /// Which process, so that it is not another life's.
        pid: u32,
        /// The time of day.
        wall: Turn,
        /// The clock by which it waits.
        monotonic: Turn,
    },
    /// The clocks that were turned to be true again.
    Restore,
    /// A disk that forgets to be mounted below the node's data.
    Mount,
    /// What that disk has not synced to be lost, or torn by dice that begin at this number.
    CutPower(Option<u64>),
    /// Something to be wrong with that disk.
    Sicken(Trouble),
    /// What that disk did so far.
    Disk,
    /// The node's data to be copied, for a rollback later.
    Copy,
    /// The node's data to be damaged. It must be down.
    Damage {
        /// How. A rollback gives back what was copied last.
        damage: Damage,
        /// Where the dice begin.
        seed: u64,
    },
    /// The node's data to be what it was before it was damaged last. It must be down.
    PutBack,
    /// The node's processes to have no more than this, in a control group of their own.
    Press {
        /// Which process, so that it is not another life's.
        pid: u32,
        /// What they may have.
        limit: Limit,
    },
    /// What the kernel says of that group.
    Pressure,
    /// The node's processes to have all they want again.
    Relieve,
    /// A piece of the node's log, from this byte on.
    Log(u64),
    /// What can be broken on this machine.
    Probe,
    /// The node's directory to be removed.
    Wipe,
}

/// How what comes in from one address is treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// It is dropped.
    pub cut: bool,
    /// What is done to it otherwise.
    pub policy: Policy,
}

/// A command line for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program, on this machine.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables to set for it.
    pub env: Vec<(String, String)>,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The first word.
    Hello(Hello),
    /// What became of an order.
    Answer {
        /// The order's number.
        id: u64,
        /// What was wanted, or why it could not be.
        answer: Result<Answer, String>,
    },
    /// The node's process ended.
    Ended(End),
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of its program.
    pub version: u32,
    /// Its process: the parent of every node that it starts.
    pub pid: u32,
    /// What the machine calls itself.
    pub host: String,
    /// Whether it is root.
    pub root: bool,
}

/// How a node's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Which process.
    pub pid: u32,
    /// Exit status or signal, as `wait(2)` says it; `None` if nobody could wait for it.
    pub status: Option<i32>,
}

/// What was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is so.
    Done,
    /// The process with this number was started.
    Started(u32),
    /// What the ready file says; `None` as long as there is none.
    Ready(Option<String>),
    /// How the node's process stands, seen after the order was obeyed.
    Process(Standing),
    /// What became of packets, by source.
    Counts(BTreeMap<IpAddr, Counts>),
    /// The time of day, in nanoseconds since 1970.
    Wall(i64),
    /// How clocks stood before, and how they stand now.
    Clocks((Reading, Reading)),
    /// What a power cut took.
    Lost(Lost),
    /// What a disk did before the order.
    Disk(Counters),
    /// What exactly was done to the node's data.
    Damaged(String),
    /// What the kernel says of the node's control group.
    Pressure(cgroup::Reading),
    /// A piece of the log, and where the next begins; an empty piece is the end.
    Log {
        /// The piece. What is not UTF-8 is replaced.
        text: String,
        /// Where the next one begins.
        next: u64,
    },
    /// What can be broken here.
    Abilities(Vec<Ability>),
}

/// How a node's process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its number, or that of the last one.
    pub pid: u32,
    /// What the kernel says.
    pub state: State,
}

/// What the kernel says about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is gone and reaped.
    Gone,
    /// At least one of its threads is not stopped.
    Runs,
    /// Every thread of it is stopped (state T).
    Stopped,
}

/// Whether one kind of fault can be made on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ability {
    /// Which.
    pub fault: FaultKind,
    /// It can, or why it cannot and what to do.
    pub able: Result<(), String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_line_and_is_read_back() {
        let words = [
            Word::Hello(Hello { version: VERSION, pid: 7, host: "m1".to_owned(), root: true }),
            Word::Answer {
                id: 1,
                answer: Ok(Answer::Counts([("10.56.0.1".parse().unwrap(), Counts::default())].into())),
            },
            Word::Answer { id: 2, answer: Err("two\nlines".to_owned()) },
            Word::Answer { id: 3, answer: Ok(Answer::Ready(None)) },
            Word::Ended(End { pid: 8, status: Some(9) }),
        ];
        for word in words {
            let line = serde_json::to_string(&word).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Word>(&line).unwrap(), word);
        }
    }

    #[test]
    fn orders_that_say_much_are_read_back() {
        let policy = Policy { loss: 0.1, delay: std::time::Duration::from_millis(3), ..Policy::default() };
        let conditions = [("10.56.0.1".parse().unwrap(), Condition { cut: true, policy })].into();
        for request in [
            Request::Paths { conditions, seed: 7 },
            Request::Turn { pid: 9, wall: Turn::TRUE, monotonic: Turn::STEADY },
            Request::Press { pid: 9, limit: Limit::Cpu { permille: 20 } },
            Request::Sicken(Trouble { full: true, ..Trouble::default() }),
            Request::Damage { damage: Damage::FlipBit { file: None }, seed: 3 },
        ] {
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request, "{line}");
        }
    }

    #[test]
    fn an_order_looks_like_this() {
        let from = "fd00::2".parse().unwrap();
        let order = Order { id: 5, request: Request::Knock { from, at: vec![from] } };
        let line = r#"{"id":5,"request":{"knock":{"from":"fd00::2","at":["fd00::2"]}}}"#;
        assert_eq!(serde_json::to_string(&order).unwrap(), line);
        assert_eq!(serde_json::from_str::<Order>(line).unwrap(), order);
    }
}
