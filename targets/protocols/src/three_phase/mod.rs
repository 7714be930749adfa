//! # Three-phase commit
//!
//! After Skeen (*Nonblocking Commit Protocols*, SIGMOD 1981), as told by Bernstein, Hadzilacos and Goodman
//! (*Concurrency Control and Recovery in Database Systems*, 1987, §7.5: "BHG"). What it shares with its rivals is said in
//! [`crate::commit`].
//!
//! ## The phase between
//!
//! Two-phase commit blocks because somebody may have committed while those who are alive are all uncertain. So when all
//! have said yes, the coordinator first tells everybody *that* (pre-commit), and commits only when all who are alive know
//! it. Then nobody who is alive is uncertain when anybody commits, and whoever is left can tell from how they stand
//! themselves what the dead may have done.
//!
//! ## Termination
//!
//! A participant in doubt asks its leader, at first the coordinator, whether it is there; every answer buys it patience.
//! If none comes for long, the leader is taken for dead and the next participant in the list takes its place (ranks are
//! places in that list, and who has once obeyed a higher rank obeys no lower one). The new leader asks how all stand
//! (`leading.rs`):
//!
//! 1. if somebody has decided, so it is;
//! 2. if nobody who lives knows that all voted yes, nobody has committed: abort;
//! 3. else those who do not know it are told first, and then: commit.
//!
//! Who was down since it voted takes no part in this, whatever it remembers: while it was away others may have decided
//! without it. It asks until somebody knows. If *all* have been down, nobody decided behind anybody's back, and how they
//! stood when they went down, put together, is the whole truth: the same rules, over all of them (total failure).
//!
//! ## What it is worth
//!
//! All this rests on one thing: who is taken for dead *is* dead. With crashes alone, and messages that arrive, repeated
//! often enough, well within the patience of those who wait, that is so, and nobody who lives ever waits for the dead.
//! **A partition breaks it**: each side takes the other for dead; one, where somebody knows that all voted yes, commits,
//! and the other aborts (BHG §7.5 assumes that communication never fails, and says so). So do long pauses, and clocks that
//! run wild. This is no mistake in the code; it is the protocol, and the catalogue claims no more for it than that it
//! survives crashes.
//!
//! ## What we write down, and when
//!
//! Votes, before they are said; that it knows that all voted yes, before it says so; decisions, before anybody is told.
//!
//! ## Where to look
//!
//! `leading.rs` coordinator and successors · `following.rs` · `message.rs`; `crate::commit` for votes, locks, tickets and
//! the ledger. `FLAW` marks every branch where a [`Flaw`] makes it wrong on purpose. `testscripts/three-phase/` tells all
//! this in stories.
//!
//! ## What we left out
//!
//! * The variant with a quorum (Skeen 1982; E3PC of Keidar and Dolev 1998), which keeps atomicity under partitions and
//!   blocks the smaller side.
//! * Presumptions: every decision is written down by everybody.

mod following;
mod leading;
mod message;

pub use message::{Message, Report};

use crate::catalog::Entry as About;
use crate::commit::{Invariants, OfSite, Record, SERVES, Site, TxnId};
use crate::{Effect, Flaw, Input, Options, Protocol, Role, Status};
use following::Follow;
use history::{Chance, NodeId, Time};
use leading::{Leading, Phase};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node wants done.
type Output = Vec<Effect<Message, Record>>;

/// One node: coordinator of the transactions whose first key is its own, participant of all that have a key of its own.
#[derive(Debug)]
pub struct ThreePhase {
    site: Site,
    options: Options,
    leading: BTreeMap<TxnId, Leading>,
    follows: BTreeMap<TxnId, Follow>,
    /// When it came to life: there may be something to do at once.
    first: Option<Time>,
}

impl Protocol for ThreePhase {
    type Message = Message;
    type Record = Record;
    type Watch = Invariants;
    const ENTRY: About = About {
        name: "three-phase",
        about: "three-phase commit with its termination protocol: never blocks while nodes only crash, and loses atomicity \
                when the network parts",
        serves: &SERVES,
        claims: &["linearizable", "strict-serializable", "atomic-nonblocking"],
        survives: &["kill", "crash"],
        remembers: true,
    };

    fn boot(
        me: NodeId,
        founders: &[NodeId],
        disk: Vec<Record>,
        options: Options,
        now: Time,
        _: Chance,
    ) -> ThreePhase {
        let site = Site::boot((me, founders), disk.iter(), &options, now);
        let (leading, follows) = (BTreeMap::new(), BTreeMap::new());
        ThreePhase { site, options, leading, follows, first: Some(now) }
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
            Input::Wake | Input::Change(_) => {}
            Input::Stop => self.site.stopping = true,
        }
        self.drive(now, out);
        self.inquire(now, out);
    }

    fn alarm(&self) -> Option<Time> {
        let led = self.leading.values().map(|leading| leading.again.min(leading.deadline));
        let followed = self.site.in_doubt().iter().filter(|id| !self.leading.contains_key(id));
        let asked = followed.filter_map(|id| self.follows.get(id)).map(|follow| follow.again);
        led.chain(asked).chain(self.first).min()
    }

    fn status(&self) -> Status {
        let stopped = self.site.stopping && self.leading.values().all(|leading| leading.rank > 0);
        // Every node leads the transactions of its own keys.
        Status { role: Role::Leader, term: 0, leader: None, committed: self.site.committed(), stopped }
    }
}

impl ThreePhase {
    fn has(&self, flaw: Flaw) -> bool {
        self.options.flaw == Some(flaw)
    }

    /// How often something is said again that was not answered: so often that not all of it is lost.
    fn beat(&self) -> Duration {
        self.options.tempo.heartbeat
    }

    /// After so much silence somebody is dead.
    fn patience(&self) -> Duration {
        4 * self.options.tempo.election
    }

    fn receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Output) {
        match message {
            Message::Prepare(txn) => self.vote(now, from, &txn, out),
            Message::Yes(id, gots) => self.hear_yes(now, from, id, gots, out),
            Message::No(id) => {
                let voting = self.leading.get(&id).map(|leading| &leading.phase);
                if let Some(Phase::Voting(_)) = voting {
                    self.conclude(now, id, false, out);
                }
            }
            Message::PreCommit(id, rank) => self.hear_pre_commit(now, from, id, rank, out),
            Message::Ack(id, rank) => self.hear_ack(now, from, id, rank, out),
            Message::Commit(id) => self.learn(now, id, true, out),
            Message::Abort(id) => self.learn(now, id, false, out),
            Message::Inquire(id) => self.tell(now, from, id, out),
            Message::Busy(id) => self.hear_busy(now, from, id),
            Message::Lost(id, report) => self.hear_lost(now, from, id, report, out),
            Message::Ask(id, rank) => self.hear_ask(now, from, id, rank, out),
            Message::Stand(id, rank, report) => self.hear_stand(now, from, (id, rank, report), out),
        }
    }
}

impl OfSite for ThreePhase {
    fn site(&self) -> &Site {
        &self.site
    }
}
