//! One node as a participant: its keys, what it promised, and what its clients are waiting for.

use super::record::{Deed, Record};
use super::shard::{Gots, Shard};
use super::txn::{Txn, TxnId, changes, name_of, participants, parts};
use crate::{Effect, Flaw, Options, RequestId};
use history::ledger::{self, Page, Step};
use history::{Call, Doubt, Got, Mop, NodeId, Outcome, Refusal, Reply, Ticket, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How a participant stands to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It voted yes and knows no more.
    Uncertain,
    /// It knows that everybody voted yes (three-phase commit).
    PreCommitted,
    /// It has committed.
    Committed,
    /// It has aborted, or will never vote yes.
    Aborted,
}

impl State {
    /// What was decided, if it knows.
    pub fn decision(self) -> Option<bool> {
        match self {
            State::Committed => Some(true),
            State::Aborted => Some(false),
            State::Uncertain | State::PreCommitted => None,
        }
    }
}

/// What a participant knows of a transaction.
#[derive(Debug, Clone)]
pub struct Known {
    /// What it promised; nothing if it never did.
    pub txn: Option<Txn>,
    /// How it stands.
    pub state: State,
    /// What it got from the keys here.
    pub gots: Gots,
    /// Since when it is so, or since the boot.
    pub since: Time,
    /// Whether it was undecided when the node came to life again.
    pub recovered: bool,
}

/// What became of a client's call.
#[derive(Debug, Clone)]
enum Tried {
    /// It is being tried, or its outcome is in doubt.
    Trying(TxnId),
    /// It took effect, with this answer.
    Done(Outcome),
}

/// What one node has, whatever the protocol.
#[derive(Debug)]
pub struct Site {
    /// Itself.
    pub me: NodeId,
    /// All nodes: they divide the keys among them, and never change.
    pub nodes: Vec<NodeId>,
    /// After how long somebody who waits for a transaction is told that it blocks.
    pub patience: Duration,
    /// Its keys.
    pub shard: Shard,
    /// Since when it is to stop.
    pub stopping: bool,
    /// FLAW reads-ignore-locks.
    pub reads_ignore_locks: bool,
    /// FLAW locks-not-recovered: the transactions whose keys it did not lock again.
    unlocked: bool,
    known: BTreeMap<TxnId, Known>,
    undecided: BTreeSet<TxnId>,
    /// The decisions of this life, in order.
    decided: Vec<(TxnId, bool)>,
    committed: u64,
    tickets: BTreeMap<Ticket, Tried>,
    waiting: BTreeMap<TxnId, Vec<RequestId>>,
    ledger: Vec<ledger::Record>,
    life: u32,
    number: u32,
    booted: Time,
    before: Time,
    announced: bool,
}

impl Site {
    /// A node that comes to life with what it wrote down in earlier lives.
    pub fn boot<'r>(
        (me, nodes): (NodeId, &[NodeId]),
        records: impl Iterator<Item = &'r Record>,
        options: &Options,
        now: Time,
    ) -> Site {
        let unlocked = options.flaw == Some(Flaw::LocksNotRecovered);
        let mut site = Site {
            me,
            nodes: nodes.to_vec(),
            patience: 4 * options.tempo.election,
            shard: Shard::default(),
            stopping: false,
            reads_ignore_locks: options.flaw == Some(Flaw::ReadsIgnoreLocks),
            unlocked,
            known: BTreeMap::new(),
            undecided: BTreeSet::new(),
            decided: Vec::new(),
            committed: 0,
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ledger: Vec::new(),
            life: 1,
            number: 0,
            booted: now,
            before: Time::ZERO,
            announced: false,
        };
        for record in records {
            site.before = record.at;
            site.redo(now, &record.deed);
            site.enter(record);
        }
        site.decided.clear();
        for id in &site.undecided {
            if let Some(known) = site.known.get_mut(id) {
                known.recovered = true;
            }
            // FLAW locks-not-recovered: it remembers what it promised, and not what that has locked.
            if unlocked {
                site.shard.abort(*id);
            }
        }
        site
    }

    /// Does again what was written down.
    fn redo(&mut self, now: Time, deed: &Deed) {
        match deed {
            Deed::Booted => self.life += 1,
            Deed::Alone { id, ticket, mops, outcome, .. } => {
                if self.shard.lock(*id, mops, (self.me, &self.nodes)).is_ok() {
                    self.shard.commit(*id);
                }
                self.tickets.insert(*ticket, Tried::Done(outcome.clone()));
            }
            Deed::Voted(txn) => drop(self.promise(now, txn)),
            Deed::Refused(id) => self.refuse(now, *id),
            Deed::PreCommitted(id) => {
                if let Some(known) = self.known.get_mut(id) {
                    known.state = State::PreCommitted;
                }
            }
            Deed::Decided(id, commit) => self.settle(now, *id, *commit),
            Deed::Resolved(..) | Deed::Ended(_) => {}
            Deed::AppliedAgain(id) => self.again(*id),
        }
    }

    /// The time that this node was up, in all its lives.
    fn uptime(&self, now: Time) -> Time {
        self.before + now.since(self.booted)
    }

    /// Writes it down, and enters it in the ledger.
    pub fn write<M, R: From<Record>>(&mut self, now: Time, deed: Deed, out: &mut Vec<Effect<M, R>>) {
        let record = Record { deed, at: self.uptime(now) };
        self.enter(&record);
        out.push(Effect::Persist(record.into()));
    }

    /// As [`Site::write`], without writing it down. For flaws.
    pub fn pretend(&mut self, now: Time, deed: Deed) {
        let record = Record { deed, at: self.uptime(now) };
        self.enter(&record);
    }

    /// The first thing that a life does is to say that it has begun: so its transactions are told from those of others.
    pub fn announce<M, R: From<Record>>(&mut self, now: Time, out: &mut Vec<Effect<M, R>>) {
        if !std::mem::replace(&mut self.announced, true) {
            self.write(now, Deed::Booted, out);
        }
    }

    /// Enters it in the ledger: what is of interest to a judge, and only of transactions that write.
    fn enter(&mut self, Record { deed, at }: &Record) {
        let (id, steps) = match deed {
            Deed::Alone { id, txn: true, .. } => {
                let me = vec![self.me];
                (*id, vec![Step::Began(me), Step::VotedYes, Step::Committed, Step::Applied])
            }
            Deed::Voted(txn) if txn.id.node == self.me => {
                (txn.id, vec![Step::Began(txn.nodes.clone()), Step::VotedYes])
            }
            Deed::Voted(txn) => (txn.id, vec![Step::VotedYes]),
            Deed::Refused(id) => (*id, vec![Step::VotedNo, Step::Aborted]),
            Deed::Resolved(id, _) => {
                let others = self.known.get(id).and_then(|known| known.txn.as_ref());
                let others = others.map_or(&[][..], |txn| &txn.nodes).iter();
                (*id, others.map(|node| Step::HeardYes(*node)).collect())
            }
            Deed::PreCommitted(id) => (*id, vec![Step::PreCommitted]),
            Deed::Decided(id, true) => (*id, vec![Step::Committed, Step::Applied]),
            Deed::Decided(id, false) => (*id, vec![Step::Aborted]),
            Deed::AppliedAgain(id) => (*id, vec![Step::Applied]),
            Deed::Booted | Deed::Ended(_) | Deed::Alone { .. } => return,
        };
        let Some(txn) = id.name else { return };
        let (node, attempt, time) = (self.me, id.attempt(), Some(*at));
        let record = |step| ledger::Record { node, txn, attempt, step, time };
        self.ledger.extend(steps.into_iter().map(record));
    }

    /// What it knows of a transaction.
    pub fn known(&self, id: TxnId) -> Option<&Known> {
        self.known.get(&id)
    }

    /// The transactions that it has promised to commit and of which it does not know whether it is to.
    pub fn in_doubt(&self) -> &BTreeSet<TxnId> {
        &self.undecided
    }

    /// How many transactions it committed in this life.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The decisions of this life, in order.
    pub fn decided(&self) -> &[(TxnId, bool)] {
        &self.decided
    }

    /// A client asks. What is about several nodes is handed back, to be coordinated.
    pub fn request<M, R: From<Record>>(
        &mut self,
        now: Time,
        id: RequestId,
        (ticket, call): (Ticket, Call),
        out: &mut Vec<Effect<M, R>>,
    ) -> Option<Txn> {
        let mut answer = |outcome| out.push(Effect::Reply { id, outcome });
        if let Call::Ledger { after } = call {
            answer(Outcome::Ok(Reply::Ledger(Page::of(self.me, &self.ledger, after))));
            return None;
        }
        let mops = match &call {
            Call::Cas { key, new, .. } => Some(vec![Mop::Write { key: *key, value: *new }]),
            call => parts(call),
        };
        let Some(mops) = mops else {
            answer(Outcome::Fail(Refusal::Unserved));
            return None;
        };
        let nodes = participants(&mops, &self.nodes);
        let Some(coordinator) = nodes.first().copied() else {
            answer(Outcome::Ok(Reply::Txn(Vec::new())));
            return None;
        };
        if coordinator != self.me || self.stopping {
            let hint = Some(coordinator);
            answer(Outcome::Fail(match self.stopping {
                true => Refusal::Stopping,
                false => Refusal::NotLeader { hint },
            }));
            return None;
        }
        match self.tickets.get(&ticket) {
            Some(Tried::Done(outcome)) => {
                answer(outcome.clone());
                return None;
            }
            // Whoever asks again waits like whoever asked first.
            Some(Tried::Trying(txn)) => {
                self.waiting.entry(*txn).or_default().push(id);
                return None;
            }
            None => {}
        }
        self.number += 1;
        let txn = TxnId { node: self.me, life: self.life, number: self.number, name: name_of(&mops) };
        if nodes.len() > 1 {
            self.tickets.insert(ticket, Tried::Trying(txn));
            self.waiting.entry(txn).or_default().push(id);
            return Some(Txn { id: txn, ticket, mops, nodes });
        }
        let outcome = self.alone(now, txn, (ticket, &call), mops, out);
        out.push(Effect::Reply { id, outcome });
        None
    }

    /// What is about this node's keys alone needs nobody else: it is done at once, by one record.
    fn alone<M, R: From<Record>>(
        &mut self,
        now: Time,
        id: TxnId,
        (ticket, call): (Ticket, &Call),
        mops: Vec<Mop>,
        out: &mut Vec<Effect<M, R>>,
    ) -> Outcome {
        let reads = !mops.iter().any(changes);
        // FLAW reads-ignore-locks: who only looks need not wait for anybody.
        let gots = if self.reads_ignore_locks && reads {
            self.shard.peek(&mops)
        } else {
            match self.shard.lock(id, &mops, (self.me, &self.nodes)) {
                Ok(gots) => gots.into_iter().map(|(_, got)| got).collect(),
                Err((key, holder)) => return Outcome::Fail(self.blocked(now, key, holder)),
            }
        };
        if let Call::Cas { key, expected, .. } = call {
            let found = self.shard.value(*key);
            if found != *expected {
                self.shard.abort(id);
                return Outcome::Fail(Refusal::Mismatch { found });
            }
        }
        let reply = match call {
            Call::Txn { .. } => Reply::Txn(gots),
            Call::Read { .. } => match gots.into_iter().next() {
                Some(Got::Value(value)) => Reply::Read(value),
                _ => Reply::Read(None),
            },
            _ => Reply::Done,
        };
        let outcome = Outcome::Ok(reply);
        self.shard.commit(id);
        if !reads {
            self.tickets.insert(ticket, Tried::Done(outcome.clone()));
            let txn = matches!(call, Call::Txn { .. });
            self.write(now, Deed::Alone { id, ticket, mops, outcome: outcome.clone(), txn }, out);
        }
        outcome
    }

    /// Why somebody is turned away at a locked key.
    fn blocked(&self, now: Time, key: history::Key, holder: TxnId) -> Refusal {
        let since = self.known.get(&holder).map_or(now, |known| known.since);
        match now.since(since) > self.patience {
            true => Refusal::Other(format!("{key} is locked by a transaction that is in doubt")),
            false => Refusal::Aborted,
        }
    }

    /// Votes: whether it can commit. If so it has locked its keys, and will have written it down before anything that
    /// follows in `out` happens.
    pub fn vote<M, R: From<Record>>(
        &mut self,
        now: Time,
        txn: &Txn,
        out: &mut Vec<Effect<M, R>>,
    ) -> Option<Gots> {
        if let Some(known) = self.known.get(&txn.id) {
            return (known.state != State::Aborted).then(|| known.gots.clone());
        }
        if self.promise(now, txn).is_some() {
            self.write(now, Deed::Voted(txn.clone()), out);
            return self.known.get(&txn.id).map(|known| known.gots.clone());
        }
        self.refuse(now, txn.id);
        self.write(now, Deed::Refused(txn.id), out);
        None
    }

    /// Never votes yes from now on, if it has not yet done so.
    pub fn abstain<M, R: From<Record>>(&mut self, now: Time, id: TxnId, out: &mut Vec<Effect<M, R>>) {
        if !self.known.contains_key(&id) {
            self.refuse(now, id);
            self.write(now, Deed::Refused(id), out);
        }
    }

    fn promise(&mut self, now: Time, txn: &Txn) -> Option<()> {
        let gots = self.shard.lock(txn.id, &txn.mops, (self.me, &self.nodes)).ok()?;
        if txn.id.node == self.me {
            self.tickets.insert(txn.ticket, Tried::Trying(txn.id));
        }
        let txn = txn.clone();
        let id = txn.id;
        let known = Known { txn: Some(txn), state: State::Uncertain, gots, since: now, recovered: false };
        self.known.insert(id, known);
        self.undecided.insert(id);
        Some(())
    }

    fn refuse(&mut self, now: Time, id: TxnId) {
        let state = State::Aborted;
        let known = Known { txn: None, state, gots: Gots::new(), since: now, recovered: false };
        self.known.insert(id, known);
        self.decided.push((id, false));
    }

    /// It knows that everybody voted yes.
    pub fn pre_commit<M, R: From<Record>>(&mut self, now: Time, id: TxnId, out: &mut Vec<Effect<M, R>>) {
        let uncertain = self.known.get_mut(&id).filter(|known| known.state == State::Uncertain);
        if let Some(known) = uncertain {
            known.state = State::PreCommitted;
            self.write(now, Deed::PreCommitted(id), out);
        }
    }

    /// It learns the decision, and carries it out; a client that waits is told, with what everybody got if that is known. Once decided is decided; nothing that is said later counts.
    pub fn decide<M, R: From<Record>>(
        &mut self,
        now: Time,
        id: TxnId,
        commit: bool,
        gots: Option<&Gots>,
        out: &mut Vec<Effect<M, R>>,
    ) {
        let undecided = self.known.get(&id).is_some_and(|known| known.state.decision().is_none());
        if undecided {
            self.settle(now, id, commit);
            self.write(now, Deed::Decided(id, commit), out);
            let txn = self.known.get(&id).and_then(|known| known.txn.clone());
            if let Some(txn) = txn.filter(|_| self.waiting.contains_key(&id)) {
                self.answer(&txn, commit, gots, out);
            }
        }
    }

    fn settle(&mut self, now: Time, id: TxnId, commit: bool) {
        let Some(known) = self.known.get_mut(&id) else { return };
        self.undecided.remove(&id);
        self.decided.push((id, commit));
        self.committed += u64::from(commit);
        (known.state, known.since) = (if commit { State::Committed } else { State::Aborted }, now);
        if commit {
            // FLAW locks-not-recovered: what it wanted was forgotten with its locks.
            if self.unlocked
                && known.recovered
                && let Some(txn) = &known.txn
            {
                self.shard.force(&txn.mops, (self.me, &self.nodes));
            }
            self.shard.commit(id);
        } else {
            self.shard.abort(id);
        }
        if id.node != self.me {
            return;
        }
        // A client that asks again is told so; but what it read is known only while this life lasts.
        let Some(txn) = known.txn.clone() else { return };
        if commit {
            self.tickets.entry(txn.ticket).and_modify(|tried| {
                if let Tried::Trying(_) = tried {
                    *tried = Tried::Done(told(&txn.mops, None));
                }
            });
        } else {
            self.tickets.remove(&txn.ticket);
        }
    }

    /// FLAW commit-applied-twice: carries the transaction out once more.
    pub fn again(&mut self, id: TxnId) {
        if let Some(txn) = self.known.get(&id).and_then(|known| known.txn.as_ref()) {
            self.shard.force(&txn.mops, (self.me, &self.nodes));
        }
    }

    /// Tells whoever waits for it what became of a transaction.
    pub fn answer<M, R>(
        &mut self,
        txn: &Txn,
        commit: bool,
        gots: Option<&Gots>,
        out: &mut Vec<Effect<M, R>>,
    ) {
        let outcome = if commit { told(&txn.mops, gots) } else { Outcome::Fail(Refusal::Aborted) };
        if commit {
            self.tickets.insert(txn.ticket, Tried::Done(outcome.clone()));
        } else {
            self.tickets.remove(&txn.ticket);
        }
        let waiting = self.waiting.remove(&txn.id).into_iter().flatten();
        out.extend(waiting.map(|id| Effect::Reply { id, outcome: outcome.clone() }));
    }
}

/// What a client is told of a transaction that committed.
fn told(mops: &[Mop], gots: Option<&Gots>) -> Outcome {
    let got = |place: usize, mop: &Mop| match changes(mop) {
        true => Some(Got::Done),
        false => {
            let mut gots = gots.into_iter().flatten();
            gots.find(|(at, _)| *at as usize == place).map(|(_, got)| got.clone())
        }
    };
    let all: Option<Vec<Got>> = mops.iter().enumerate().map(|(place, mop)| got(place, mop)).collect();
    match all {
        Some(all) => Outcome::Ok(Reply::Txn(all)),
        None => Outcome::Unknown(Doubt::Other("it committed; what it read is forgotten".to_owned())),
    }
}
