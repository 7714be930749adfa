//! Stories about the protocols, told by hand: `testscripts/NAME/` holds one script per story, with its transcript.
//!
//! A script moves every message, clock and disk itself, and the runner drives the core through the same trait
//! as the simulator and the reference node. The invariants are checked after every step of every node; a
//! violation fails the command. `UPDATE_GOLDENFILES=1 cargo test -p tribunal-protocols --test golden` writes
//! the transcripts anew: read them before you believe them.
//!
//! ```text
//! cluster 3 [spares=1] [flaw=NAME]   three new nodes, with empty disks, and one that is down and no member
//!   [snapshot=4 keep=1 chunk=20]     a snapshot every four entries, one kept before it, sent 20 bytes at a time
//! disk n1 term=4 1 1 4       n1's disk: its term, and the term of each entry of its log
//! boot n1 …   crash n1 …     crash loses what the disk had not synced
//! wake n1                    n1's clock jumps to its alarm: an election timeout, or a heartbeat
//! pass n1 … ms=300           clocks go on, and no alarm is rung
//! elect n1                   everyone's leader falls silent, n1 wakes first, everything is delivered
//! deliver [from=] [to=] [kind=] [count=]    what is under way now, in order; answers stay under way
//! drop, repeat, reverse      of the same: lost, doubled, in the other order
//! settle                     deliver until nothing is under way
//! cut n1 …   heal            those are apart from all others; what crosses the cut is lost
//! stall n1   sync n1         n1's disk takes its time; and has done it
//! write n1 x=5   read n1 x   cas n1 x=5 to=6   stop n1
//! txn n1 x=5 y               writes x and reads y
//! call n1 '{"increment":{"key":0,"by":1}}'     any other call, as histories write it
//! add n1 n4   remove n1 n3   an administrator asks n1 for it
//! log, status, disk, members [n1 …]   how things stand
//! invariants                 how many steps they held for
//! ```
//!
//! In transcripts `7@2` is the entry at index 7 of term 2, `n2 ← n1 …` is a step of n2, and what it does
//! about it follows: `→` is a message, `…` waits for the disk, `*` is how it stands afterwards.

#[path = "golden/notation.rs"]
mod notation;
#[path = "golden/stage.rs"]
mod stage;

use goldenscript::{Argument, Command, Context, Runner};
use history::{Call, Change, Key, Mop, NodeId, Value};
use stage::{Filter, Stage};
use std::error::Error;
use std::path::{Path, PathBuf};
use tribunal_protocols::catalog::{self, Visitor};
use tribunal_protocols::{Compaction, Flaw, Protocol};

type Told = Result<String, Box<dyn Error>>;

#[test]
fn every_story_is_told_as_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts");
    let mut stories = 0;
    let mut broken = Vec::new();
    for protocol in listed(&folder) {
        let name = protocol.file_name().and_then(|name| name.to_str()).expect("it is named after a protocol");
        for script in listed(&protocol) {
            stories += 1;
            let told = catalog::visit(name, Telling(&script));
            if let Err(error) = told.unwrap_or_else(|| Err(format!("there is no protocol {name}"))) {
                broken.push(format!("{}: {error}", script.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(stories >= 70, "only {stories} stories");
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("it is a folder");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

/// Tells one story of whatever protocol it sees.
struct Telling<'a>(&'a Path);

impl Visitor for Telling<'_> {
    type Out = Result<(), String>;

    fn visit<P: Protocol>(self) -> Result<(), String> {
        let mut teller = Teller::<P> { stage: Stage::new(0, 0, None, Compaction::default()) };
        goldenscript::run(&mut teller, self.0).map_err(|error| error.to_string())
    }
}

/// Runs one script.
struct Teller<P: Protocol> {
    stage: Stage<P>,
}

impl<P: Protocol> Runner for Teller<P> {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Told {
        let stage = &mut self.stage;
        stage.clear();
        let name = command.name.as_str();
        match name {
            "cluster" => {
                let mut args = command.consume_args();
                let flaw = args.take_key("flaw").map(str::parse::<Flaw>).transpose()?;
                let spares = args.take_key("spares").map(str::parse).transpose()?.unwrap_or(0);
                let usual = Compaction::default();
                let compaction = Compaction {
                    every: args.take_key("snapshot").map(str::parse).transpose()?.unwrap_or(usual.every),
                    keep: args.take_key("keep").map(str::parse).transpose()?.unwrap_or(0),
                    chunk: args.take_key("chunk").map(str::parse).transpose()?.unwrap_or(usual.chunk),
                };
                let count = args.next_pos().ok_or("how many nodes?")?.parse()?;
                args.reject_next()?;
                *stage = Stage::new(count, spares, flaw, compaction);
            }
            "disk" if command.args.len() > 1 => set_disk(stage, command)?,
            "log" | "status" | "disk" | "members" => {
                let nodes = nodes_or_all(stage, command)?;
                nodes.iter().for_each(|&node| stage.tell_state(name, node));
            }
            "boot" => each(command, |node| stage.boot(node))?,
            "crash" => each(command, |node| stage.crash(node))?,
            "wake" => each(command, |node| stage.wake(node))?,
            "elect" => each(command, |node| stage.elect(node))?,
            "stall" => each(command, |node| stage.stall(node))?,
            "sync" => each(command, |node| stage.sync(node))?,
            "stop" => each(command, |node| stage.stop(node))?,
            "cut" => stage.cut(&nodes(command)?),
            "heal" => stage.cut(&[]),
            "pass" => {
                let nodes = nodes_or_all(stage, command)?;
                let ms = command.consume_args().take_key("ms").ok_or("how long? ms=")?.parse()?;
                nodes.iter().for_each(|&node| stage.pass(node, ms));
            }
            "deliver" => stage.deliver(&filter(command)?)?,
            "drop" | "repeat" | "reverse" => stage.disturb(name, &filter(command)?),
            "settle" => stage.settle()?,
            "write" | "read" | "cas" => request(stage, command)?,
            "txn" => transact(stage, command)?,
            "call" => call(stage, command)?,
            "add" | "remove" => change(stage, command)?,
            "invariants" => stage.tell_invariants(),
            _ => return Err(format!("no such command: {name}").into()),
        }
        stage.told()
    }
}

fn nodes(command: &Command) -> Result<Vec<NodeId>, Box<dyn Error>> {
    let names = command.args.iter().filter_map(|arg| match arg {
        Argument::Positional(name) => Some(name),
        _ => None,
    });
    Ok(names.map(|name| name.parse()).collect::<Result<_, _>>()?)
}

fn nodes_or_all<P: Protocol>(stage: &Stage<P>, command: &Command) -> Result<Vec<NodeId>, Box<dyn Error>> {
    let named = nodes(command)?;
    Ok(if named.is_empty() { stage.nodes() } else { named })
}

fn each(command: &Command, mut act: impl FnMut(NodeId) -> Result<(), String>) -> Result<(), Box<dyn Error>> {
    for node in nodes(command)? {
        act(node)?;
    }
    Ok(())
}

fn filter(command: &Command) -> Result<Filter, Box<dyn Error>> {
    let mut args = command.consume_args();
    let filter = Filter {
        from: args.take_key("from").map(str::parse).transpose()?,
        to: args.take_key("to").map(str::parse).transpose()?,
        kind: args.take_key("kind").map(str::to_owned),
        count: args.take_key("count").map(str::parse).transpose()?.unwrap_or(usize::MAX),
    };
    args.reject_next()?;
    Ok(filter)
}

fn set_disk<P: Protocol>(stage: &mut Stage<P>, command: &Command) -> Result<(), Box<dyn Error>> {
    let mut args = command.consume_args();
    let term = args.take_key("term").ok_or("which term? term=")?.parse()?;
    let node = args.next_pos().ok_or("whose disk?")?.parse()?;
    let mut terms = Vec::new();
    while let Some(term) = args.next_pos() {
        terms.push(term.parse()?);
    }
    Ok(stage.set_disk(node, term, &terms)?)
}

fn request<P: Protocol>(stage: &mut Stage<P>, command: &Command) -> Result<(), Box<dyn Error>> {
    let mut args = command.consume_args();
    let node = args.next_pos().ok_or("which node?")?.parse()?;
    let call = if command.name == "read" {
        Call::Read { key: key(args.next_pos().ok_or("which register?")?)? }
    } else {
        let new = args.take_key("to").map(str::parse).transpose()?.map(Value);
        let (name, text) = args.next_key().ok_or("which register?")?;
        let value = if text == "nil" { None } else { Some(Value(text.parse()?)) };
        match (new, value) {
            (Some(new), expected) => Call::Cas { key: key(name)?, expected, new },
            (None, Some(value)) => Call::Write { key: key(name)?, value },
            (None, None) => return Err("nil cannot be written".into()),
        }
    };
    args.reject_next()?;
    Ok(stage.request(node, call)?)
}

fn transact<P: Protocol>(stage: &mut Stage<P>, command: &Command) -> Result<(), Box<dyn Error>> {
    let parts = command.args.get(1..).unwrap_or_default();
    let asked = command.consume_args().next_pos().ok_or("which node?")?.parse()?;
    let part = |argument: &Argument| -> Result<Mop, Box<dyn Error>> {
        Ok(match argument {
            Argument::Positional(name) => Mop::Read { key: key(name)? },
            Argument::KeyValue(name, text) => Mop::Write { key: key(name)?, value: Value(text.parse()?) },
            _ => return Err("what is to be done?".into()),
        })
    };
    let mops = parts.iter().map(part).collect::<Result<_, _>>()?;
    Ok(stage.request(asked, Call::Txn { mops })?)
}

fn call<P: Protocol>(stage: &mut Stage<P>, command: &Command) -> Result<(), Box<dyn Error>> {
    let mut args = command.consume_args();
    let node = args.next_pos().ok_or("which node?")?.parse()?;
    let call = serde_json::from_str(args.next_pos().ok_or("which call?")?)?;
    args.reject_next()?;
    Ok(stage.request(node, call)?)
}

fn change<P: Protocol>(stage: &mut Stage<P>, command: &Command) -> Result<(), Box<dyn Error>> {
    let nodes = nodes(command)?;
    let [leader, node] = nodes[..] else { return Err("who is asked, and about whom?".into()) };
    let change = if command.name == "add" { Change::Add(node) } else { Change::Remove(node) };
    Ok(stage.change(leader, change)?)
}

fn key(name: &str) -> Result<Key, String> {
    let place = ["x", "y", "z"].iter().position(|known| *known == name);
    place.map(|place| Key(place as u64)).ok_or_else(|| format!("registers are x, y and z, not {name:?}"))
}
