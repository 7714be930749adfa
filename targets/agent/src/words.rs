//! What the controller and an agent say to one another: one JSON value per line, in both directions.
//!
//! Every [`Order`] is answered by one [`Word::Answer`] with its number. An agent begins with [`Word::Hello`], and
//! says [`Word::Ended`] whenever the node's process ends.

use history::FaultKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The number of this language. Both ends are the same program, so they differ only if an old one was left behind.
pub const VERSION: u32 = 1;

/// Something that the controller wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The answer will carry the same number.
    pub id: u64,
    /// What.
    pub request: Request,
}

/// What the controller can want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The node's process group to stand still, and to know that it does.
    Pause,
    /// The node's process group to go on, and to know that it does.
    Resume,
    /// To know how the node's process stands.
    Status,
    /// Packets from these addresses to be dropped when they arrive here, besides those that already are.
    Cut(Vec<IpAddr>),
    /// A packet to be sent from one of our addresses to each of others: a cut that nobody else notices shows it.
    Knock {
        /// Our address.
        from: IpAddr,
        /// Theirs.
        at: Vec<IpAddr>,
    },
    /// No packets to be dropped any more.
    Heal,
    /// How many packets were dropped, by source, since they were cut.
    Drops,
    /// A piece of the node's log, from this byte on.
    Log(u64),
    /// What can be broken on this machine.
    Probe,
    /// The node's directory to be removed.
    Wipe,
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
    /// Whether the agent had killed it.
    pub ours: bool,
    /// Exit status or signal.
    pub how: String,
    /// The last line of its log.
    pub words: String,
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
    /// Packets dropped, by source.
    Drops(BTreeMap<IpAddr, u64>),
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
            Word::Answer { id: 1, answer: Ok(Answer::Drops([("10.56.0.1".parse().unwrap(), 3)].into())) },
            Word::Answer { id: 2, answer: Err("two\nlines".to_owned()) },
            Word::Answer { id: 3, answer: Ok(Answer::Ready(None)) },
            Word::Ended(End { pid: 8, ours: false, how: "signal: 9".to_owned(), words: "oh".to_owned() }),
        ];
        for word in words {
            let line = serde_json::to_string(&word).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Word>(&line).unwrap(), word);
        }
    }

    #[test]
    fn an_order_looks_like_this() {
        let order = Order { id: 5, request: Request::Cut(vec!["fd00::2".parse().unwrap()]) };
        let line = r#"{"id":5,"request":{"cut":["fd00::2"]}}"#;
        assert_eq!(serde_json::to_string(&order).unwrap(), line);
        assert_eq!(serde_json::from_str::<Order>(line).unwrap(), order);
    }
}
