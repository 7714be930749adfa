//! The smallest core there is, to test drivers with: a register that tells its peers of each write.

use history::{Call, CallKind, Chance, NodeId, ProcessId, Ticket, Time, Value, Violation};
use protocols::catalog::Entry;
use protocols::{Effect, Input, Options, Protocol, Role, Status, Store, Watch};

/// Who asks is no matter for registers.
const NOBODY: Ticket = Ticket { process: ProcessId(0), number: 0 };

/// A register without agreement.
#[derive(Debug)]
pub struct Echo {
    me: NodeId,
    nodes: Vec<NodeId>,
    store: Store,
    /// How many messages came from itself.
    pub heard_from_itself: u64,
    /// How many came from peers.
    pub heard_from_peers: u64,
    stopped: bool,
}

/// Asks nothing.
#[derive(Debug, Default)]
pub struct Trusting;

impl Watch<Echo> for Trusting {
    fn observe(&mut self, _: NodeId, _: Option<&Echo>) -> Result<(), Box<Violation>> {
        Ok(())
    }
}

impl Protocol for Echo {
    type Message = Value;
    type Record = Call;
    type Watch = Trusting;
    const ENTRY: Entry = Entry {
        name: "echo",
        about: "a register without agreement",
        serves: &[CallKind::Read, CallKind::Write, CallKind::Cas],
        claims: &[],
        survives: &[],
        remembers: false,
    };

    fn boot(me: NodeId, nodes: &[NodeId], disk: Vec<Call>, _: Options, _: Time, _: Chance) -> Echo {
        let mut store = Store::default();
        for call in &disk {
            store.carry_out(NOBODY, call);
        }
        Echo { me, nodes: nodes.to_vec(), store, heard_from_itself: 0, heard_from_peers: 0, stopped: false }
    }

    fn handle(&mut self, _: Time, input: Input<Value>, out: &mut Vec<Effect<Value, Call>>) {
        match input {
            Input::Message { from, .. } if from == self.me => self.heard_from_itself += 1,
            Input::Message { .. } => self.heard_from_peers += 1,
            Input::Request { id, call, .. } => {
                if let Call::Write { value, .. } = call {
                    out.push(Effect::Persist(call.clone()));
                    let tell = |to: &NodeId| Effect::Send { to: *to, message: value };
                    out.extend(self.nodes.iter().map(tell));
                }
                out.push(Effect::Reply { id, outcome: self.store.carry_out(NOBODY, &call) });
            }
            Input::Wake | Input::Change(_) => {}
            Input::Stop => self.stopped = true,
        }
    }

    fn alarm(&self) -> Option<Time> {
        None
    }

    fn status(&self) -> Status {
        let committed = self.heard_from_peers;
        Status { role: Role::Leader, term: 1, leader: Some(self.me), committed, stopped: self.stopped }
    }
}
