//! One node: a core, and what it runs on.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::farewell::Farewell;
use crate::throttle::Throttle;
use history::{Fault, Illness, NodeId, Outcome, Time};
use protocols::{Effect, Flaw, Protocol, RequestId, Role};
use std::collections::BTreeSet;

/// One node: a core while it lives, and what outlives it.
pub struct Machine<P: Protocol> {
    /// Who it is.
    pub id: NodeId,
    /// The core, while it runs.
    pub core: Option<P>,
    /// How often it was started or stopped: what was planned for an earlier life is void.
    pub life: u32,
    /// Its clock, which nothing stops.
    pub clock: Clock,
    /// Its disk.
    pub disk: Disk<P::Record>,
    /// What is wrong with its disk.
    pub illness: Option<Illness>,
    /// How much processor time it gets, if it is limited.
    pub throttle: Option<Throttle>,
    /// It stands still because its control group is frozen.
    pub frozen: bool,
    /// It is being started.
    pub starting: bool,
    /// It stopped because its disk failed.
    pub failed: bool,
    /// It was asked to end.
    pub leaving: bool,
    /// It is to be started again as soon as it has ended.
    pub wanted_back: bool,
    /// What happened to it while it was paused, if it is.
    pub asleep: Option<Vec<Happening<P>>>,
    /// Requests that it has taken and not answered.
    pub asked: BTreeSet<RequestId>,
    /// The earliest wake that is planned, in true time.
    pub wake: Option<Time>,
    outbox: Vec<Effect<P::Message, P::Record>>,
    after_sync: Vec<Effect<P::Message, P::Record>>,
    syncing: bool,
}

/// Something that will happen in a simulation.
pub enum Happening<P: Protocol> {
    /// A message arrives.
    Deliver {
        /// Whom it reaches.
        to: NodeId,
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: P::Message,
    },
    /// A client's request arrives.
    Ask {
        /// Whom it reaches.
        to: NodeId,
        /// Which.
        id: RequestId,
    },
    /// An answer reaches its client.
    Answer {
        /// To which request.
        id: RequestId,
        /// What it says.
        outcome: Outcome,
    },
    /// A client's patience ends.
    GiveUp {
        /// With which call.
        call: u64,
    },
    /// A core may want to be woken.
    Wake {
        /// Which.
        node: NodeId,
        /// In which life.
        life: u32,
    },
    /// A disk has synced.
    Synced {
        /// Whose.
        node: NodeId,
        /// In which life.
        life: u32,
    },
    /// It is looked whether nodes that were asked to end have gone.
    Leave(Box<Farewell>),
    /// The administrator looks how things stand.
    Administer {
        /// At which of its tasks.
        assignment: u64,
    },
    /// A node comes up.
    Boot {
        /// Which.
        node: NodeId,
        /// In which life.
        life: u32,
    },
    /// Nodes get an old copy of their disks.
    Rollback {
        /// Which, and what each had then.
        copies: Vec<(NodeId, Vec<P::Record>)>,
        /// The fault that this is part of.
        fault: Box<Fault>,
    },
}

impl<P: Protocol> Machine<P> {
    /// A node that is down, with an empty disk.
    pub fn new(id: NodeId, clock: Clock) -> Machine<P> {
        Machine {
            id,
            core: None,
            life: 0,
            clock,
            disk: Disk::new(),
            illness: None,
            throttle: None,
            frozen: false,
            starting: false,
            failed: false,
            leaving: false,
            wanted_back: false,
            asleep: None,
            asked: BTreeSet::new(),
            wake: None,
            outbox: Vec::new(),
            after_sync: Vec::new(),
            syncing: false,
        }
    }

    /// Whether it runs, awake, and leads.
    pub fn leads(&self) -> bool {
        self.asleep.is_none() && self.core.as_ref().is_some_and(|core| core.status().role == Role::Leader)
    }

    /// Whether it was asked to end and has nothing left to do.
    pub fn has_stopped(&self) -> bool {
        let stopped = self.asleep.is_none() && self.core.as_ref().is_some_and(|core| core.status().stopped);
        stopped && !self.syncing && self.outbox.is_empty()
    }

    /// Whether the disk is at work.
    pub fn is_syncing(&self) -> bool {
        self.syncing
    }

    /// The process ends. What it had not done is never done; the disk is the caller's business.
    pub fn die(&mut self) {
        self.life += 1;
        self.core = None;
        self.starting = false;
        (self.leaving, self.wanted_back) = (false, false);
        self.asleep = None;
        self.frozen = false;
        self.wake = None;
        self.outbox.clear();
        self.after_sync.clear();
        self.syncing = false;
    }

    /// Takes what the core wants done, and moves to `ready` what may be done now: everything up to the first
    /// record that must be durable first. Returns whether a sync has begun.
    ///
    /// This is group commit: one sync carries every record that is waiting, and what comes after any of them
    /// waits for it.
    pub fn take(
        &mut self,
        effects: &mut Vec<Effect<P::Message, P::Record>>,
        ready: &mut Vec<Effect<P::Message, P::Record>>,
        flaw: Option<Flaw>,
    ) -> bool {
        self.outbox.append(effects);
        if self.syncing {
            return false;
        }
        for effect in self.outbox.drain(..) {
            match effect {
                // FLAW no-sync: what is written is believed to be durable.
                Effect::Persist(record) => {
                    self.disk.write(record);
                    self.syncing = flaw != Some(Flaw::NoSync);
                }
                Effect::Rewrite(records) => {
                    self.disk.rewrite(records);
                    self.syncing = flaw != Some(Flaw::NoSync);
                }
                effect if self.syncing => self.after_sync.push(effect),
                effect => ready.push(effect),
            }
        }
        self.syncing
    }

    /// The sync has ended: moves to `ready` what waited for it.
    pub fn synced(&mut self, ready: &mut Vec<Effect<P::Message, P::Record>>) {
        self.disk.sync();
        self.syncing = false;
        ready.append(&mut self.after_sync);
    }
}
