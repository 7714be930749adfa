//! What an agent does when it is told to.

use crate::gate::Cuts;
use crate::node::Node;
use crate::probe;
use crate::words::{Answer, End, Request};
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;

/// Who does what an agent is told to: everything that it can break, and therefore everything that it repairs.
#[derive(Debug)]
pub struct Errands {
    myself: PathBuf,
    node: Node,
    cuts: Cuts,
}

impl Errands {
    /// Nothing is broken and nothing runs. The node will live in `home`; packets from `spared` are never dropped.
    ///
    /// # Errors
    /// If our own program cannot be found.
    pub fn new(home: PathBuf, spared: &[IpAddr]) -> Result<Errands, String> {
        let myself = std::env::current_exe().map_err(|why| format!("cannot find our own program: {why}"))?;
        Ok(Errands { myself, node: Node::new(home), cuts: Cuts::new(spared.to_vec()) })
    }

    /// Does it, and says what is so afterwards.
    ///
    /// # Errors
    /// Why it is not so.
    pub fn run(&mut self, request: Request) -> Result<Answer, String> {
        match request {
            Request::Ping => Ok(Answer::Done),
            Request::Start(line) => self.node.start(&self.myself, &line).map(Answer::Started),
            Request::Ready => self.node.is_ready().map(Answer::Ready),
            Request::Kill => self.node.kill().map(Answer::Process),
            Request::Pause => self.node.hold(true).map(Answer::Process),
            Request::Resume => self.node.hold(false).map(Answer::Process),
            Request::Status => Ok(Answer::Process(self.node.stands())),
            Request::Cut(sources) => self.cuts.cut(&sources).map(|()| Answer::Done),
            Request::Knock { from, at } => knock(from, &at).map(|()| Answer::Done),
            Request::Heal => self.cuts.heal().map(|()| Answer::Done),
            Request::Drops => self.cuts.drops().map(Answer::Drops),
            Request::Log(begin) => self.node.log_from(begin).map(|(text, next)| Answer::Log { text, next }),
            Request::Probe => Ok(Answer::Abilities(probe::abilities())),
            Request::Wipe => self.node.wipe().map(|()| Answer::Done),
        }
    }

    /// The ends of the node's processes that nobody was told of yet.
    pub fn ends(&mut self) -> Vec<End> {
        self.node.ends()
    }

    /// Undoes everything: heals what is cut and kills what runs.
    ///
    /// # Errors
    /// If the node does not go.
    pub fn repair(&mut self) -> Result<(), String> {
        self.cuts.close();
        self.node.kill().map(|_| ())
    }
}

/// The port at which nobody is expected to listen: discard.
const DISCARD: u16 = 9;

/// Sends an empty datagram to each of these addresses.
fn knock(from: IpAddr, at: &[IpAddr]) -> Result<(), String> {
    let socket = UdpSocket::bind((from, 0)).map_err(|why| format!("cannot send from {from}: {why}"))?;
    for address in at {
        let sent = socket.send_to(&[], (*address, DISCARD));
        sent.map_err(|why| format!("cannot send from {from} to {address}: {why}"))?;
    }
    Ok(())
}
