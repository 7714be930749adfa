//! A system under test: how to run one node of it, and how to speak to it.

use history::{Call, CallKind, Change, Membership, NodeId, Outcome, Ticket};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;

/// How to run and speak to one kind of system.
pub trait System: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> String;

    /// The calls it serves.
    fn serves(&self) -> Vec<CallKind>;

    /// Whether its clients send a call again if they heard nothing: it must recognise the ticket then.
    fn insists(&self) -> bool {
        false
    }

    /// How its peers' streams are cut into messages, so that a proxy can lose, repeat and reorder whole ones.
    fn framing(&self) -> Framing;

    /// The command that runs one node.
    fn launch(&self, seat: &Seat) -> Launch;

    /// Where the node on this seat serves; `None` as long as it is not ready.
    ///
    /// # Errors
    /// If it said something that cannot be understood.
    fn addresses(&self, seat: &Seat) -> std::io::Result<Option<Addresses>>;

    /// Opens a connection for clients.
    fn connect(&self, address: SocketAddr) -> Connecting;

    /// Whether its members can change while it runs, by [`System::wish`].
    fn can_change(&self) -> bool {
        false
    }

    /// Tells the node itself, over a connection that no fault touches, what an administrator wishes. Whether it
    /// heard; what becomes of it, [`Standing::members`] shows.
    fn wish(&self, _: SocketAddr, _: Change) -> Answer<bool> {
        Box::pin(std::future::ready(false))
    }

    /// Asks the node itself how it stands, over a connection that no fault touches. `None` if it does not say.
    fn standing(&self, address: SocketAddr) -> Answer<Option<Standing>>;
}

/// A future of ours: boxed, so that systems can be chosen at run time.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection in the making.
pub type Connecting = Answer<std::io::Result<Box<dyn Client>>>;

/// A connection of one client to one node.
pub trait Client: Send {
    /// Asks. The caller limits the time; a call that is given up leaves the connection unusable. Whoever sends a call
    /// again, here or on another connection, does so with the same ticket.
    fn call(&mut self, ticket: Ticket, call: &Call) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>>;
}

/// How a stream is cut into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each message follows its length, four bytes big-endian.
    LengthPrefixed,
    /// We cannot tell; only whole streams can be delayed, throttled, held and cut.
    Opaque,
}

/// The place of one node: what it needs to know in order to run.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Who it is.
    pub node: NodeId,
    /// Where it reaches each of its peers.
    pub peers: Vec<(NodeId, SocketAddr)>,
    /// The nodes, perhaps itself, with which the cluster does not begin and which may join it later.
    pub spares: Vec<NodeId>,
    /// Its data directory. It exists.
    pub data: PathBuf,
    /// The file by which it says that it is ready to serve, and where. It does not exist when the node starts.
    pub ready: PathBuf,
    /// Its own stream of chance.
    pub seed: u64,
    /// The address on which it listens.
    pub listen: IpAddr,
    /// The ports on which it listens.
    pub ports: Ports,
    /// The process that starts it, by the number that it knows it by.
    pub parent: u32,
}

/// The ports on which a node is to listen. Zero leaves the choice to the operating system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// For its peers.
    pub peers: u16,
    /// For clients.
    pub clients: u16,
    /// For [`System::standing`].
    pub control: u16,
}

/// Where a node listens. It may differ after each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For its peers.
    pub peers: SocketAddr,
    /// For clients.
    pub clients: SocketAddr,
    /// For [`System::standing`].
    pub control: SocketAddr,
}

/// A command line. The process it starts must end when the thread that started it does: nothing may survive
/// its controller.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables to set for it.
    pub env: Vec<(String, String)>,
}

/// How a node says it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it leads.
    pub primary: bool,
    /// In which term, epoch or view.
    pub term: u64,
    /// What its own clocks show, if it says.
    pub clock: Option<Clock>,
    /// Who belongs to the cluster, if that can change and it says.
    pub members: Option<Membership>,
}

/// What a node's own clocks show, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The time of day: since 1970.
    pub wall_ns: i64,
    /// The clock by which it waits: since a moment of its own.
    pub monotonic_ns: i64,
}
