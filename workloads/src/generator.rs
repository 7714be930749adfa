//! What to ask next.

use history::{Call, Event, NodeId, ProcessId, Time};

/// A source of calls: a value that can be asked without a cluster, in virtual time, in a unit test.
pub trait Generator: Send {
    /// What to do now. Asked again after every event, and when a [`Step::Wait`] is over; a step that is
    /// returned counts as done.
    fn next(&mut self, context: &Context<'_>) -> Step;

    /// Something happened: every call and completion of the run is shown to every generator, its own and
    /// others'.
    fn observe(&mut self, event: &Event) {
        let _ = event;
    }
}

/// What a generator can see.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// The recorder's clock.
    pub now: Time,
    /// The processes that have no call open. Never empty.
    pub free: &'c [ProcessId],
    /// How many workers there are in all. The worker of a process is its number modulo this.
    pub workers: u32,
}

/// What a generator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This process asks this now. A process that is not free is an error of the generator.
    Call {
        /// Who; one of [`Context::free`].
        process: ProcessId,
        /// What.
        call: Call,
        /// Whom; its usual node if none is named.
        node: Option<NodeId>,
    },
    /// Nothing before this time, or before the next event.
    Wait(Time),
    /// Nothing more, ever. Calls still open may complete.
    Done,
}
