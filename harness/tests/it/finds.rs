//! What each workload is for: a flaw that its judge finds, and whether anybody else would.

use crate::flaws::{accusers, weather};
use crate::simulated::each_seed;
use crate::workloads::judged;
use history::Chance;
use protocols::Flaw;
use protocols::catalog::{self, lookup};
use std::time::Duration;
use tribunal::trial::Trial;
use workloads::{Settings, WORKLOADS};

/// A flaw, and the workload of which it is an example.
pub struct Find {
    pub workload: &'static str,
    pub flaw: Flaw,
    /// Who finds it as well, and why nothing could be found by this workload alone; nobody, if this one is alone.
    pub others: Option<(&'static [&'static str], &'static str)>,
}

/// It finds this, and no other workload that the protocol serves does, nor does whoever looks into the nodes.
const fn alone(workload: &'static str, flaw: Flaw) -> Find {
    Find { workload, flaw, others: None }
}

/// It finds this, and so do others.
const fn among(
    workload: &'static str,
    flaw: Flaw,
    others: &'static [&'static str],
    why: &'static str,
) -> Find {
    Find { workload, flaw, others: Some((others, why)) }
}

/// One for each workload, in their order.
pub const FINDS: &[Find] = &[
    alone("register", Flaw::CasComparesOld),
    among(
        "atomic",
        Flaw::StaleLocalReads,
        &["register"],
        "it asks less than `register`, and is judged alike",
    ),
    among(
        "consensus",
        Flaw::StaleLocalReads,
        &["register"],
        "it asks less than `register`, and is judged alike",
    ),
    alone("multi-register", Flaw::UnchangedEndsTransaction),
    alone("append", Flaw::OwnAppendsUnseen),
    alone("rw", Flaw::FirstWriteStays),
    among(
        "write-skew",
        Flaw::LocksOnlyWrites,
        &["rw"],
        "it asks some of what `rw` asks, and is judged alike",
    ),
    among(
        "long-fork",
        Flaw::LocksOnlyWrites,
        &["rw"],
        "a fork is one of the cycles that the judge of `rw` looks for",
    ),
    among(
        "causal",
        Flaw::StaleLocalReads,
        &["atomic"],
        "registers each of which is linearizable are so together, and `atomic` judges each",
    ),
    among(
        "sessions",
        Flaw::StaleLocalReads,
        &["atomic"],
        "a register that breaks its word to one client is not linearizable",
    ),
    alone("commit", Flaw::OwnVoteLate),
    alone("bank", Flaw::Overdraws),
    alone("set", Flaw::FirstPageOnly),
    alone("set-full", Flaw::GrowthHides),
    alone("set-remove", Flaw::RemoveByValue),
    alone("list", Flaw::ListByCall),
    alone("counter", Flaw::CounterStopsAtZero),
    alone("queue", Flaw::SpilledFirst),
    alone("unique-ids", Flaw::IdsWrap),
    alone("lock", Flaw::TokenGoesWithLock),
    alone("watch", Flaw::SnapshotForgetsChanges),
    alone("monotonic", Flaw::StampsOfSignedBytes),
    alone("election", Flaw::ClaimsBeforeElected),
];

/// Whoever finds a flaw finds it within so many seeds.
const SOON: u64 = 5;
/// So long nobody else may find it.
const LONG: Duration = Duration::from_secs(30);
/// In so many seeds nobody else may find it: `TRIBUNAL_SEEDS`, or one.
fn quiet() -> u64 {
    std::env::var("TRIBUNAL_SEEDS").map_or(1, |seeds| seeds.parse().expect("TRIBUNAL_SEEDS is a number"))
}

impl Find {
    fn protocol(&self) -> &'static catalog::Entry {
        lookup(self.flaw.protocols()[0]).expect("flaws are of protocols")
    }

    fn trial(&self, workload: &'static str, seed: u64) -> Trial {
        Trial { workload, ..weather(self.flaw, seed) }
    }

    /// What its judges are called.
    fn judges(&self) -> Vec<&'static str> {
        let entry = workloads::lookup(self.workload).expect("there is such a workload");
        let level = entry.level_of(self.protocol().claims);
        let workload = entry.workload(&Settings::default(), level, Chance::new(0));
        workload.expect("it can be had").checkers.iter().map(|checker| checker.name()).collect()
    }

    /// It is found soon by this workload; if that is to be the only one, by its judges alone.
    fn is_found_by(&self, workload: &'static str) -> Result<(), String> {
        let what = format!("{} by {workload}", self.flaw);
        let found = (1..=SOON).find_map(|seed| {
            let accusers = accusers(&self.trial(workload, seed));
            (!accusers.is_empty()).then_some((seed, accusers))
        });
        let (seed, accusers) = found.ok_or(format!("{what}: not found"))?;
        println!("{what}, seed {seed}: {accusers:?}");
        let judges = self.judges();
        match accusers.iter().find(|(name, _)| self.others.is_none() && !judges.contains(&name.as_str())) {
            Some(other) => Err(format!("{what}, seed {seed}: {other:?}, who is none of {judges:?}")),
            None => Ok(()),
        }
    }

    /// This workload does not see it.
    fn is_hidden_from(&self, workload: &'static str) -> Result<(), String> {
        for seed in 1..=quiet() {
            let accusers = accusers(&Trial { time: LONG, ..self.trial(workload, seed) });
            if !accusers.is_empty() {
                return Err(format!("{} by {workload}, seed {seed}: {accusers:?}", self.flaw));
            }
        }
        Ok(())
    }

    /// The other workloads that judge this protocol.
    fn rest(&self) -> impl Iterator<Item = &'static str> {
        judged(self.protocol()).map(|entry| entry.name).filter(|name| *name != self.workload)
    }
}

#[test]
fn every_workload_has_its_find() {
    let workloads: Vec<&str> = WORKLOADS.iter().map(|entry| entry.name).collect();
    let found: Vec<&str> = FINDS.iter().map(|find| find.workload).collect();
    assert_eq!(found, workloads);
}

#[test]
fn each_is_found_by_its_judge_and_by_those_who_are_said_to() {
    let named = |find: &'static Find| find.others.into_iter().flat_map(|(others, _)| others.iter().copied());
    let finders = |find: &'static Find| [find.workload].into_iter().chain(named(find));
    let pairs = FINDS.iter().flat_map(|find| finders(find).map(move |workload| (find, workload)));
    let pairs: Vec<(&Find, &str)> = pairs.collect();
    each_seed(0..pairs.len() as u64, |number| {
        let (find, workload) = pairs[number as usize];
        find.is_found_by(workload)
    });
}

#[test]
fn what_one_workload_finds_alone_no_other_does() {
    let alone = FINDS.iter().filter(|find| find.others.is_none());
    let pairs = alone.flat_map(|find| find.rest().map(move |workload| (find, workload)));
    let pairs: Vec<(&Find, &str)> = pairs.collect();
    each_seed(0..pairs.len() as u64, |number| {
        let (find, workload) = pairs[number as usize];
        find.is_hidden_from(workload)
    });
}
