//! What a replica is about, with what it knows only meanwhile.

use super::message::{Entry, Tail};
use history::{NodeId, Time};
use std::collections::BTreeMap;

/// A replica's status.
#[derive(Debug)]
pub(super) enum Part {
    /// Its record is not durable yet, so it takes no part.
    Unborn,
    /// It is a backup of its view, which is under way.
    Backup,
    /// It is the primary of its view, which is under way.
    Primary(Primary),
    /// Its view has not begun yet.
    Changing(Change),
    /// It has lost its memory, and asks for that of others.
    Recovering(Recovery),
    /// A majority lost its memory at once.
    Lost,
    /// It has stopped in good order, and says nothing more.
    Retired,
}

/// What only a primary knows.
#[derive(Debug, Default)]
pub(super) struct Primary {
    /// How far each backup holds the log.
    pub(super) backups: BTreeMap<NodeId, Backup>,
    /// Since when it is the primary.
    pub(super) since: Time,
}

/// A backup as its primary sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backup {
    /// In which life it said so.
    pub(super) life: u64,
    /// So many operations it holds.
    pub(super) op: usize,
    pub(super) heard: Time,
}

/// A view change under way.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Who else wants it, in which life it said so, and how many operations it knew to be committed.
    pub(super) starts: BTreeMap<NodeId, (u64, usize)>,
    /// What everybody has, at the new primary.
    pub(super) does: BTreeMap<NodeId, Testimony>,
}

/// What a replica brings into a new view.
#[derive(Debug)]
pub(super) struct Testimony {
    pub(super) life: u64,
    pub(super) last_normal: u64,
    pub(super) log: Tail,
    pub(super) commit: usize,
}

/// A recovery under way.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    pub(super) round: u64,
    pub(super) responses: BTreeMap<NodeId, Response>,
    /// Who had lost its memory, in which life, before this round of questions began.
    pub(super) earlier: BTreeMap<NodeId, u64>,
    /// The same of those who said so in this round.
    pub(super) now: BTreeMap<NodeId, u64>,
}

/// What a replica answered to a recovering one.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) life: u64,
    pub(super) view: u64,
    pub(super) state: Option<(Vec<Entry>, usize)>,
}
