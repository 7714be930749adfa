//! A workload.

use crate::{Generator, KeyDistribution, KeyUse};
use checkers::Checker;
use history::CallKind;
use std::time::Duration;

/// What to ask of a system, and how to judge the answers.
///
/// Both generators are shown every event of the run from its beginning, so the finale learns from the main
/// phase whatever it needs to know. When `main` is done, or the run is stopped, open calls are awaited, faults
/// are repaired, and `finale` is asked until it is done.
pub struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// The calls it makes: a system must serve all of them.
    pub calls: Vec<CallKind>,
    /// What clients ask while the nemesis breaks. It ends by itself when its [`Settings::time_limit`] is over.
    pub main: Box<dyn Generator>,
    /// What they ask after everything was repaired. It may depend on what the main phase did.
    pub finale: Box<dyn Generator>,
    /// Who judges. The harness adds coverage and availability.
    pub checkers: Vec<Box<dyn Checker>>,
}

/// What the user decides about a workload. What is not said is the workload's own business.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How many calls a second all clients together make in the main phase; if none is given, or it is not
    /// above zero, as many as there are free clients for.
    pub rate: Option<f64>,
    /// How long the main phase lasts, from its first call.
    pub time_limit: Duration,
    /// How many calls the main phase makes at most.
    pub ops: Option<u64>,
    /// How many keys are in use at a time.
    pub keys: Option<u32>,
    /// How often each of them.
    pub key_distribution: Option<KeyDistribution>,
    /// After so many calls a key is used no more.
    pub calls_per_key: Option<u32>,
    /// How many parts a transaction has, at least and at most.
    pub txn_length: Option<(u32, u32)>,
    /// For how long locks are got; until they are let go if that is no time at all.
    pub lease: Option<Duration>,
}

impl Default for Settings {
    /// Half a minute, as fast as can be.
    fn default() -> Settings {
        Settings {
            rate: None,
            time_limit: Duration::from_secs(30),
            ops: None,
            keys: None,
            key_distribution: None,
            calls_per_key: None,
            txn_length: None,
            lease: None,
        }
    }
}

impl Settings {
    /// What is said about keys, and what `usual` says where nothing is.
    pub(crate) fn key_use(&self, usual: KeyUse) -> KeyUse {
        KeyUse {
            count: self.keys.or(usual.count),
            distribution: self.key_distribution.unwrap_or(usual.distribution),
            calls: self.calls_per_key.unwrap_or(usual.calls),
            unknowns: usual.unknowns,
        }
    }
}
