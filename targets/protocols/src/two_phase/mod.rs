//! # Two-phase commit, presumed abort
//!
//! After Gray (*Notes on Data Base Operating Systems*, 1978) and Mohan, Lindsay and Obermarck (*Transaction Management in
//! the R\* Distributed Database Management System*, TODS 11:4, 1986: "R\*"). What it shares with its rivals is said in
//! [`crate::commit`].
//!
//! ## The two phases
//!
//! The coordinator asks every participant, itself among them, to *prepare*. Who can commit locks its keys, writes down its
//! vote with all that the transaction does, and says yes; from then on it is uncertain. If all say yes, the coordinator
//! writes down that the transaction is committed ([`crate::commit::Deed::Resolved`]): **that record is the decision**. As
//! soon as it is durable, and not before, the client is told, and everybody else. Each of them writes the decision down,
//! carries it out and acknowledges; when all have, the coordinator need not tell anybody any more
//! ([`crate::commit::Deed::Ended`]). One no, or silence until the deadline, and it is aborted.
//!
//! ## Presumed abort
//!
//! The coordinator writes nothing down before the decision, and nothing at all if that is to abort (R\*). It can
//! forget an aborted transaction at once, because whoever asks about one that it does not remember is told that it was
//! aborted. That is right: it forgets a committed one never, and after a crash it remembers every one whose record became
//! durable; the others nobody was told of.
//!
//! ## Doubt
//!
//! A participant that said yes and hears nothing asks the coordinator, and the other participants as well (cooperative
//! termination: Bernstein, Hadzilacos and Goodman 1987, §7.4, "BHG"): one that knows the decision tells it, and one that
//! has not voted refuses to from now on, durably, so that it knows the decision, too. If all of them are uncertain, they
//! wait until the coordinator is back, and their keys stay locked. **The protocol blocks**, and no protocol with one
//! coordinator and no more messages can do otherwise (Skeen 1981). Clients that come to such a key are told so.
//!
//! ## What we write down, and when
//!
//! Votes, before they are said; the commit record, before anybody is told; decisions carried out, before they are
//! acknowledged; the end. At boot the coordinator goes on telling what it resolved and did not end, and whoever voted asks.
//! A coordinator that finds its own vote and no commit record aborts.
//!
//! ## Where to look
//!
//! `coordinator.rs` · `participant.rs` · `message.rs`; `crate::commit` for votes, locks, tickets and the ledger. `FLAW`
//! marks every branch where a [`Flaw`] makes it wrong on purpose. `testscripts/two-phase/` tells all this in stories.

mod coordinator;
mod message;
mod participant;

pub use message::Message;

use crate::catalog::Entry as About;
use crate::commit::{CLAIMS, Deed, Invariants, OfSite, Record, SERVES, Site, TxnId};
use crate::{Effect, Flaw, Input, Options, Protocol, Role, Status};
use coordinator::{Coordination, Phase};
use history::{Chance, NodeId, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node: coordinator of the transactions whose first key is its own, participant of all that have a key of its own.
#[derive(Debug)]
pub struct TwoPhase {
    site: Site,
    options: Options,
    coordinating: BTreeMap<TxnId, Coordination>,
    /// When it asks what became of a transaction.
    ask_at: BTreeMap<TxnId, Time>,
    /// When it came to life: there may be something to do at once.
    first: Option<Time>,
}

impl Protocol for TwoPhase {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: About = About {
        name: "two-phase",
        about: "two-phase commit, presumed abort: transactions over keys that are divided among the nodes",
        serves: &SERVES,
        claims: &CLAIMS,
        survives: &["partition", "kill", "crash", "pause", "packets", "clock", "disk", "pressure"],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        _: Chance,
    ) -> TwoPhase {
        let site = Site::boot((me, founders), disk.iter(), &options, now);
        let mut core = TwoPhase {
            site,
            options,
            coordinating: BTreeMap::new(),
            ask_at: BTreeMap::new(),
            first: Some(now),
        };
        for record in &disk {
            match &record.deed {
                Deed::Resolved(id, _) => core.remember(now, *id),
                Deed::Ended(id) => drop(core.coordinating.remove(id)),
                _ => {}
            }
        }
        core
    }

    fn handle(&mut self, now: Time, input: Input<Message>, out: &mut Output) {
        self.first = None;
        self.site.announce(now, out);
        match input {
            Input::Message { from, message } => self.receive(now, from, message, out),
            Input::Request { id, ticket, call } => {
                if let Some(txn) = self.site.request(now, id, (ticket, call), out) {
                    self.begin(now, txn, out);
                }
            }
            Input::Wake => {}
            Input::Stop => self.site.stopping = true,
            Input::Change(_) => {}
        }
        self.drive(now, out);
        self.inquire(now, out);
    }

    fn alarm(&self) -> Option<Time> {
        let told = self.coordinating.values().map(|coordination| match coordination.phase {
            Phase::Voting(_) => coordination.again.min(coordination.deadline),
            Phase::Resolving(_) => Time::NEVER,
            Phase::Committed(_) => coordination.again,
        });
        let asked = self.site.in_doubt().iter().filter_map(|id| self.ask_at.get(id).copied());
        told.chain(asked).chain(self.first).min().filter(|time| *time < Time::NEVER)
    }

    fn status(&self) -> Status {
        let stopped = self.site.stopping && self.coordinating.is_empty();
        // Every node leads the transactions of its own keys.
        Status { role: Role::Leader, term: 0, leader: None, committed: self.site.committed(), stopped }
    }
}

impl TwoPhase {
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How long a coordinator waits for votes.
    fn patience(&self) -> Duration {
        2 * self.options.tempo.election
    }

    /// A transaction that an earlier life resolved and did not end is told to everybody again.
    fn remember(&mut self, now: Time, id: TxnId) {
        if let Some(txn) = self.site.known(id).and_then(|known| known.txn.clone()) {
            let phase = Phase::Committed(txn.nodes.iter().copied().collect());
            self.coordinating.insert(id, Coordination { txn, phase, again: now, deadline: now });
        }
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Prepare(txn) => self.vote(now, from, &txn, out),
            Message::Yes(id, gots) => self.hear_yes(now, from, id, gots, out),
            Message::No(id) => self.abort(id, Some(from), out),
            Message::Resolved(id) if from == self.site.me => self.resolved(now, id, out),
            Message::Resolved(_) => {}
            Message::Commit(id) => self.learn(now, id, true, out),
            Message::Abort(id) => self.learn(now, id, false, out),
            Message::Ack(id) => self.hear_ack(now, from, id, out),
            Message::Inquire(id) => self.help(now, from, id, out),
        }
    }
}

impl OfSite for TwoPhase {
    fn site(&self) -> &Site {
        &self.site
    }
}
