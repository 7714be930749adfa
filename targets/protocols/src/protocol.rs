//! What a protocol core is.

use crate::Flaw;
use crate::catalog::Entry;
use history::{Call, Chance, Change, Membership, NodeId, Outcome, Reply, Ticket, Time, Violation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// A replicated service as a pure state machine.
///
/// `now` is the node's own monotonic clock. It never jumps back, but it may run fast or slow, and it begins
/// anywhere: a core compares its own readings with one another and nothing else.
pub trait Protocol: Sized + Send + 'static {
    /// What nodes say to one another.
    type Message: Clone + Debug + Serialize + DeserializeOwned + Send + 'static;
    /// What a node writes down.
    type Record: Clone + Debug + Serialize + DeserializeOwned + Send + 'static;
    /// Its invariants over the whole cluster, for the simulator.
    type Watch: Watch<Self> + Default;

    /// What it is called, serves and promises.
    const ENTRY: Entry;

    /// Comes to life: first boot and reboot are one path. `founders` are those with whom the cluster began, the same
    /// at every node and every boot; a node that joined later is none of them. `disk` is what was made durable, in
    /// order. Nothing is sent from here: if there is something to do at once, the alarm is due at once.
    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Self::Record>,
        options: Options,
        now: Time,
        chance: Chance,
    ) -> Self;

    /// Something happened. Adds to `out` what is to be done, in this order.
    fn handle(
        &mut self,
        now: Time,
        input: Input<Self::Message>,
        out: &mut Vec<Effect<Self::Message, Self::Record>>,
    );

    /// When it wants an [`Input::Wake`], on its own clock. A wake that comes late, or early, or twice, is fine.
    fn alarm(&self) -> Option<Time>;

    /// Who takes part, for all that this node knows to be settled; `None` if that never changes.
    fn members(&self) -> Option<Membership> {
        None
    }

    /// How it stands, for people and for the nemesis.
    fn status(&self) -> Status;
}

/// What can happen to a core.
#[derive(Debug, Clone)]
pub enum Input<M> {
    /// A peer's message came. Messages may be lost, repeated, reordered and late; they are never garbled.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: M,
    },
    /// A client asks. Ids are never used twice by one node since its boot.
    Request {
        /// For the reply.
        id: RequestId,
        /// Who asks, and which of its calls this is: a client that heard nothing may send it again, to anyone.
        ticket: Ticket,
        /// What is asked.
        call: Call,
    },
    /// The alarm is due.
    Wake,
    /// An administrator wishes for this. It is not answered, and may be wished for again and again:
    /// [`Protocol::members`] shows what became of it.
    Change(Change),
    /// The node is to stop in good order: take no more requests, hand leadership over.
    /// [`Status::stopped`] says when it is done.
    Stop,
}

/// What a core wants done. Effects are performed strictly in order: nothing after a [`Effect::Persist`] happens
/// before it is durable. That is the whole safety rule, and the data type keeps it.
#[derive(Debug, Clone)]
pub enum Effect<M, R> {
    /// Make this durable.
    Persist(R),
    /// Make these durable in place of everything that was written before, all of them or none: what a node boots
    /// from is either all that stood there, or these. Whatever is said of [`Effect::Persist`] holds for it too.
    Rewrite(Vec<R>),
    /// Send this to a peer, if it can be reached. A message to the node itself comes back to it as an
    /// [`Input::Message`] from itself, as soon as its turn in this list has come and always: no network takes
    /// part. Behind a [`Effect::Persist`], it is how a core learns that the record is durable.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: M,
    },
    /// Answer a client.
    Reply {
        /// Of this node's [`Input::Request`].
        id: RequestId,
        /// The answer.
        outcome: Outcome,
    },
}

/// A client's request at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How a core is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How fast it lives.
    pub tempo: Tempo,
    /// When what it has applied is put together.
    pub compaction: Compaction,
    /// The bug it has, if any.
    pub flaw: Option<Flaw>,
}

/// How fast a core lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tempo {
    /// How often a leader shows that it lives.
    pub heartbeat: Duration,
    /// After so much silence an election begins; up to twice that, drawn each time.
    pub election: Duration,
}

impl Default for Tempo {
    fn default() -> Tempo {
        Tempo { heartbeat: Duration::from_millis(50), election: Duration::from_millis(300) }
    }
}

/// When a core that keeps a log puts together what it has applied, and how it brings that to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// After so many entries it takes a snapshot of its state. At least one.
    pub every: u64,
    /// So many of the entries before it are kept all the same, for those who lack only these.
    pub keep: u64,
    /// So many bytes of a snapshot are sent at a time. At least one.
    pub chunk: usize,
}

impl Default for Compaction {
    fn default() -> Compaction {
        Compaction { every: 1000, keep: 500, chunk: 16 << 10 }
    }
}

/// How a core stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its part.
    pub role: Role,
    /// Its term, epoch, view or ballot.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// How far its log is committed.
    pub committed: u64,
    /// Whether an [`Input::Stop`] has been carried out.
    pub stopped: bool,
}

impl Status {
    /// The answer to [`Call::Leader`]: what the node itself believes, so there is nobody else to ask.
    pub fn leads(&self) -> Outcome {
        Outcome::Ok(Reply::Leader(self.leader.map(|leader| (leader, self.term))))
    }
}

/// A node's part in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It leads, or believes so.
    Leader,
    /// It wants to lead.
    Candidate,
    /// It follows.
    Follower,
}

/// Invariants over a whole cluster, checked after every step of every node.
pub trait Watch<P> {
    /// `node` has just made a step and now is `state`; `None` if it has just died.
    ///
    /// # Errors
    /// With the invariant that no longer holds.
    fn observe(&mut self, node: NodeId, state: Option<&P>) -> Result<(), Box<Violation>>;
}
