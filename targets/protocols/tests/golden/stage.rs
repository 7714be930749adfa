//! The stage: nodes, disks, clocks and messages that move only when the script says so.

use crate::notation;
use history::{Call, Chance, Change, NodeId, ProcessId, Ticket, Time};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;
use tribunal_protocols::raft::{Command, Entry, Raft, Record};
use tribunal_protocols::{
    Compaction, Effect, Flaw, Input, Options, Protocol, RequestId, Role, Status, Tempo, Watch,
};

/// A cluster on a stage.
pub struct Stage<P: Protocol> {
    players: BTreeMap<NodeId, Player<P>>,
    options: Options,
    founders: u16,
    under_way: VecDeque<Letter<P::Message>>,
    /// Those who are apart from all others.
    apart: Vec<NodeId>,
    requests: u64,
    watch: P::Watch,
    steps: u64,
    violation: Option<String>,
    told: String,
}

struct Player<P: Protocol> {
    core: Option<P>,
    disk: Vec<P::Record>,
    /// Its own clock.
    clock: Time,
    stalled: bool,
    /// What waits for the disk.
    queue: VecDeque<Effect<P::Message, P::Record>>,
    boots: u64,
}

impl<P: Protocol> Default for Player<P> {
    fn default() -> Player<P> {
        Player {
            core: None,
            disk: Vec::new(),
            clock: Time::default(),
            stalled: false,
            queue: VecDeque::new(),
            boots: 0,
        }
    }
}

#[derive(Clone)]
struct Letter<M> {
    from: NodeId,
    to: NodeId,
    message: M,
}

/// Some of the messages under way.
pub struct Filter {
    pub from: Option<NodeId>,
    pub to: Option<NodeId>,
    pub kind: Option<String>,
    pub count: usize,
}

impl Filter {
    fn matches<M: Debug + 'static>(&self, letter: &Letter<M>) -> bool {
        self.from.is_none_or(|from| from == letter.from)
            && self.to.is_none_or(|to| to == letter.to)
            && self.kind.as_ref().is_none_or(|kind| *kind == notation::kind(&letter.message))
    }
}

type Done = Result<(), String>;

impl<P: Protocol> Stage<P> {
    /// So many nodes that begin a cluster, and so many that may join it later and are down.
    pub fn new(founders: u16, spares: u16, flaw: Option<Flaw>, compaction: Compaction) -> Stage<P> {
        let options = Options { flaw, compaction, tempo: Tempo::default() };
        let players = NodeId::all(founders + spares).into_iter().map(|node| (node, Player::default()));
        let mut stage = Stage {
            players: players.collect(),
            options,
            founders,
            under_way: VecDeque::new(),
            apart: Vec::new(),
            requests: 0,
            watch: P::Watch::default(),
            steps: 0,
            violation: None,
            told: String::new(),
        };
        for node in NodeId::all(founders) {
            stage.start(node);
        }
        stage
    }

    pub fn nodes(&self) -> Vec<NodeId> {
        self.players.keys().copied().collect()
    }

    /// What was told since the last `clear`, or the violation.
    pub fn told(&mut self) -> Result<String, Box<dyn Error>> {
        let told = std::mem::take(&mut self.told);
        match self.violation.take() {
            Some(violation) => Err(format!("{told}{violation}").into()),
            None => Ok(told),
        }
    }

    pub fn clear(&mut self) {
        self.told.clear();
    }

    fn tell(&mut self, line: &str) {
        self.told.push_str(line);
        self.told.push('\n');
    }

    fn player(&mut self, node: NodeId) -> Result<&mut Player<P>, String> {
        self.players.get_mut(&node).ok_or_else(|| format!("there is no {node}"))
    }

    fn start(&mut self, node: NodeId) {
        let (founders, options) = (NodeId::all(self.founders), self.options);
        let Some(player) = self.players.get_mut(&node) else { return };
        let chance = Chance::new(player.boots).split(&node.to_string());
        let disk = player.disk.clone();
        player.core = Some(P::boot(node, &founders, disk, options, player.clock, chance));
        self.look(node);
    }

    pub fn boot(&mut self, node: NodeId) -> Done {
        if self.player(node)?.core.is_some() {
            return Err(format!("{node} runs already"));
        }
        self.start(node);
        let what = if P::ENTRY.name == "raft" { "log" } else { "disk" };
        self.tell_state(what, node);
        Ok(())
    }

    pub fn crash(&mut self, node: NodeId) -> Done {
        let player = self.player(node)?;
        let lost: Vec<String> = player.queue.drain(..).map(|effect| show::<P>(&effect)).collect();
        (player.core, player.stalled, player.boots) = (None, false, player.boots + 1);
        for effect in lost {
            self.tell(&format!("{node} never did: {effect}"));
        }
        self.look(node);
        Ok(())
    }

    pub fn set_disk(&mut self, node: NodeId, term: u64, terms: &[u64]) -> Done {
        let player = self.player(node)?;
        if player.core.is_some() {
            return Err(format!("{node} runs: crash it first"));
        }
        // The same index and term is the same entry on every node.
        let entries = (1..).zip(terms).map(|(index, &term)| {
            let value = history::Value((term * 100 + index) as i64);
            let ticket = Ticket { process: ProcessId(0), number: index };
            let call = Call::Write { key: history::Key(0), value };
            let command = Command::Call { ticket, call, at: None };
            Record::Append { index, entry: Entry { term, command } }
        });
        let disk: Vec<Record> = [Record::Ballot { term, vote: None }].into_iter().chain(entries).collect();
        let ours = (&mut player.disk as &mut dyn Any).downcast_mut::<Vec<Record>>();
        *ours.ok_or("only the disk of Raft can be written by hand")? = disk;
        Ok(())
    }

    pub fn wake(&mut self, node: NodeId) -> Done {
        let player = self.player(node)?;
        let alarm = player.core.as_ref().and_then(P::alarm).ok_or(format!("{node} has no alarm"))?;
        player.clock = player.clock.max(alarm);
        self.tell(&format!("{node} wakes"));
        self.input(node, Input::Wake);
        Ok(())
    }

    pub fn pass(&mut self, node: NodeId, ms: u64) {
        if let Ok(player) = self.player(node) {
            player.clock = player.clock + Duration::from_millis(ms);
        }
    }

    pub fn elect(&mut self, node: NodeId) -> Done {
        let silence = 2 * self.options.tempo.election.as_millis() as u64;
        self.nodes().into_iter().for_each(|node| self.pass(node, silence));
        self.wake(node)?;
        self.settle()?;
        let leads = self.status(node).is_some_and(|status| status.role == Role::Leader);
        if leads || self.violation.is_some() { Ok(()) } else { Err(format!("{node} was not elected")) }
    }

    pub fn stall(&mut self, node: NodeId) -> Done {
        self.player(node)?.stalled = true;
        Ok(())
    }

    /// The disk has written everything that waited for it.
    pub fn sync(&mut self, node: NodeId) -> Done {
        let player = self.player(node)?;
        player.stalled = false;
        let done: Vec<String> = player.queue.iter().map(show::<P>).collect();
        self.tell(&format!("{node} has synced its disk"));
        done.iter().for_each(|effect| self.tell(&format!("  {effect}")));
        self.perform(node);
        Ok(())
    }

    pub fn stop(&mut self, node: NodeId) -> Done {
        self.player(node)?;
        self.tell(&format!("{node} is to stop"));
        self.input(node, Input::Stop);
        if self.status(node).is_some_and(|status| status.stopped) {
            self.tell("  * stopped");
        }
        Ok(())
    }

    pub fn change(&mut self, node: NodeId, change: Change) -> Done {
        self.player(node)?;
        self.tell(&format!("{node} ← administrator: {change}"));
        self.input(node, Input::Change(change));
        Ok(())
    }

    pub fn cut(&mut self, nodes: &[NodeId]) {
        self.apart = nodes.to_vec();
    }

    pub fn request(&mut self, node: NodeId, call: Call) -> Done {
        self.player(node)?;
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(&format!("{node} ← client #{}: {}", id.0, notation::call(&call)));
        // Every request is a client of its own.
        let ticket = Ticket { process: ProcessId(id.0 as u32), number: 1 };
        self.input(node, Input::Request { id, ticket, call });
        Ok(())
    }

    fn take(&mut self, filter: &Filter) -> Vec<Letter<P::Message>> {
        let mut taken = Vec::new();
        let mut left = VecDeque::new();
        for letter in self.under_way.drain(..) {
            if taken.len() < filter.count && filter.matches(&letter) {
                taken.push(letter);
            } else {
                left.push_back(letter);
            }
        }
        self.under_way = left;
        taken
    }

    pub fn deliver(&mut self, filter: &Filter) -> Done {
        let letters = self.take(filter);
        if letters.is_empty() {
            return Err("nothing is under way".to_owned());
        }
        letters.into_iter().for_each(|letter| self.hand(letter));
        Ok(())
    }

    fn hand(&mut self, Letter { from, to, message }: Letter<P::Message>) {
        let down = self.players.get(&to).is_none_or(|player| player.core.is_none());
        if down || self.apart.contains(&from) != self.apart.contains(&to) {
            self.tell(&format!("{to} ✗ {from} {}", notation::message(&message)));
        } else {
            self.tell(&format!("{to} ← {from} {}", notation::message(&message)));
            self.input(to, Input::Message { from, message });
        }
    }

    pub fn settle(&mut self) -> Done {
        for _ in 0..10_000 {
            if self.violation.is_some() {
                return Ok(());
            }
            match self.under_way.pop_front() {
                Some(letter) => self.hand(letter),
                None => return Ok(()),
            }
        }
        Err("it does not settle".to_owned())
    }

    pub fn disturb(&mut self, how: &str, filter: &Filter) {
        let letters = self.take(filter);
        for Letter { from, to, message } in &letters {
            let verb = match how {
                "drop" => "lost",
                "repeat" => "doubled",
                _ => "put last",
            };
            self.tell(&format!("{verb}: {from} → {to} {}", notation::message(message)));
        }
        match how {
            "repeat" => {
                let doubled = letters.into_iter().flat_map(|letter| [letter.clone(), letter]);
                self.under_way.extend(doubled);
            }
            "reverse" => self.under_way.extend(letters.into_iter().rev()),
            _ => {}
        }
    }

    fn status(&self, node: NodeId) -> Option<Status> {
        self.players.get(&node)?.core.as_ref().map(P::status)
    }

    fn input(&mut self, node: NodeId, input: Input<P::Message>) {
        let before = self.status(node);
        let Some(player) = self.players.get_mut(&node) else { return };
        let Some(core) = &mut player.core else {
            self.tell(&format!("  {node} is down"));
            return;
        };
        let mut out = Vec::new();
        core.handle(player.clock, input, &mut out);
        for effect in &out {
            let line = show::<P>(effect);
            let player = self.players.get_mut(&node).expect("it was there");
            let waits = player.stalled && (!player.queue.is_empty() || is_for_the_disk::<P>(effect));
            player.queue.push_back(effect.clone());
            self.tell(&format!("  {}{line}", if waits { "… " } else { "" }));
            self.perform_ready(node);
        }
        self.tell_change(node, before);
        self.look(node);
        self.perform(node);
    }

    /// Leaves in the queue what the stalled disk holds back, and messages to the node itself.
    fn perform_ready(&mut self, node: NodeId) {
        while let Some(player) = self.players.get_mut(&node) {
            let waits = match player.queue.front() {
                None => true,
                Some(Effect::Persist(_) | Effect::Rewrite(_)) => player.stalled,
                Some(Effect::Send { to, .. }) => *to == node,
                Some(Effect::Reply { .. }) => false,
            };
            if waits {
                return;
            }
            match player.queue.pop_front() {
                Some(Effect::Persist(record)) => player.disk.push(record),
                Some(Effect::Rewrite(records)) => player.disk = records,
                Some(Effect::Send { to, message }) => {
                    self.under_way.push_back(Letter { from: node, to, message });
                }
                Some(Effect::Reply { .. }) | None => {}
            }
        }
    }

    /// Performs everything that does not wait for the disk; messages to itself come back at once.
    fn perform(&mut self, node: NodeId) {
        loop {
            self.perform_ready(node);
            let Some(player) = self.players.get_mut(&node) else { return };
            if !matches!(player.queue.front(), Some(Effect::Send { .. })) {
                return;
            }
            if let Some(Effect::Send { to, message }) = player.queue.pop_front() {
                self.hand(Letter { from: node, to, message });
            }
        }
    }

    fn look(&mut self, node: NodeId) {
        self.steps += 1;
        let state = self.players.get(&node).and_then(|player| player.core.as_ref());
        if let Err(violation) = self.watch.observe(node, state) {
            let told = format!("{} ({}): {}", violation.property, violation.source, violation.story);
            self.violation.get_or_insert(told);
        }
    }

    fn tell_change(&mut self, node: NodeId, before: Option<Status>) {
        let (Some(before), Some(now)) = (before, self.status(node)) else { return };
        let standing = |status: Status| (status.role, status.term, status.leader);
        if standing(before) != standing(now) {
            self.tell(&format!("  * {}", standing_of(now)));
        }
        if before.committed != now.committed {
            self.tell(&format!("  * committed up to {}", now.committed));
        }
    }

    pub fn tell_state(&mut self, what: &str, node: NodeId) {
        let Some(player) = self.players.get(&node) else { return };
        let line = match (what, &player.core) {
            ("disk", _) if player.disk.is_empty() => "nothing".to_owned(),
            ("disk", _) => player.disk.iter().map(notation::record).collect::<Vec<_>>().join(" | "),
            (_, None) => "down".to_owned(),
            ("log" | "members", Some(core)) => match (core as &dyn Any).downcast_ref::<Raft>() {
                Some(raft) => tell_raft(what, raft),
                None => "only Raft shows that".to_owned(),
            },
            (_, Some(core)) => {
                let status = core.status();
                let stopped = if status.stopped { ", stopped" } else { "" };
                format!("{}, committed {}{stopped}", standing_of(status), status.committed)
            }
        };
        self.tell(&format!("{node}: {line}"));
    }

    pub fn tell_invariants(&mut self) {
        self.tell(&format!("the invariants held after each of {} steps", self.steps));
    }
}

/// The log of a Raft node, or who it believes takes part.
fn tell_raft(what: &str, core: &Raft) -> String {
    let (log, settled) = (core.log(), core.members());
    if what == "members" {
        let (at, latest) = log.members();
        let settled = settled.map_or_else(|| "nobody knows".to_owned(), |members| members.to_string());
        return format!("{settled}; latest {latest} (at {at})");
    }
    let entries = (1..=log.last_index()).filter_map(|index| Some((index, log.get(index)?)));
    let entries: Vec<String> = entries.map(|(at, entry)| notation::entry(at, entry)).collect();
    let base = log.base();
    let after = if base.index > 0 { format!("after {} ", notation::place(base)) } else { String::new() };
    format!("{after}[{}] committed {}", entries.join(" | "), core.status().committed)
}

fn is_for_the_disk<P: Protocol>(effect: &Effect<P::Message, P::Record>) -> bool {
    matches!(effect, Effect::Persist(_) | Effect::Rewrite(_))
}

fn show<P: Protocol>(effect: &Effect<P::Message, P::Record>) -> String {
    match effect {
        Effect::Persist(record) => format!("persist {}", notation::record(record)),
        Effect::Rewrite(records) => {
            let records: Vec<String> = records.iter().map(notation::record).collect();
            format!("rewrite {}", records.join(" | "))
        }
        Effect::Send { to, message } => format!("→ {to} {}", notation::message(message)),
        Effect::Reply { id, outcome } => format!("reply #{}: {outcome}", id.0),
    }
}

fn standing_of(status: Status) -> String {
    match (status.role, status.leader) {
        (Role::Leader, _) => format!("leads term {}", status.term),
        (Role::Candidate, _) => format!("seeks to lead, term {}", status.term),
        (Role::Follower, Some(leader)) => format!("follows {leader} in term {}", status.term),
        (Role::Follower, None) => format!("follows no one in term {}", status.term),
    }
}
