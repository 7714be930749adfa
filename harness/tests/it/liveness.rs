//! Safety first, then liveness: whoever has a quorum that is whole again gets on, and soon.

use crate::simulated::each_seed;
use history::{FaultKind, History, Op, Phase, Time};
use nemesis::{Intent, Plan, Selector, Step, Wishes};
use std::time::Duration;
use tribunal::trial::Trial;

/// Who serves every key as long as most nodes are there. (Where a key is at one node only, it is gone with it.)
const QUORUMS: [&str; 8] =
    ["raft", "multipaxos", "paxos", "sharded", "abd", "zab", "zab-sync", "viewstamped"];

/// When everything is repaired, and when some nodes die for good.
const REPAIRED: Duration = Duration::from_secs(5);
const LEFT: Duration = Duration::from_secs(7);
/// So long the rest may need to find together, and then no success may be longer after the one before than a second.
const PROMISED: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_secs(1);
const END: Duration = Duration::from_secs(20);

/// Everything breaks that the protocol says it survives, and is repaired; then these die for good.
fn storm(protocol: &'static str, seed: u64, dead: Selector) -> Trial {
    let trial = Trial { time: END, ..Trial::of(protocol, seed) };
    // A quorum is one of five.
    let nemesis = trial.nemesis.iter().filter(|wish| wish.kind != FaultKind::Members).cloned().collect();
    let trial = Trial { nemesis, ..trial };
    let wishes = Wishes::new(trial.nemesis.clone(), trial.interval);
    let Plan(mut steps) = nemesis::plan(&wishes, REPAIRED, history::Chance::new(seed));
    let at = |after: Duration| Time::ZERO + after;
    steps.extend(wishes.kinds().into_iter().map(|kind| Step::at(at(REPAIRED), Intent::Repair(kind))));
    steps.push(Step::at(at(LEFT), Intent::Kill(dead)));
    Trial { plan: Some(Plan(steps)), ..trial }
}

/// The longest time without a change that succeeded, from when the rest should have found together.
fn longest_silence(history: &History) -> Duration {
    let begin = history.began(Phase::Main).expect("it began");
    let (from, to) = (begin + LEFT + PROMISED, begin + END);
    let time = |index: usize| history.entries()[index].time;
    let changed = |op: Op<'_>| op.completed.filter(|_| op.outcome.is_ok() && !op.call.is_read()).map(time);
    let mut times: Vec<Time> = history.ops().filter_map(changed).collect();
    times.retain(|time| (from..to).contains(time));
    times.extend([from, to]);
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

#[test]
fn a_quorum_that_is_left_gets_on_within_five_seconds() {
    let runs: Vec<(&str, u64)> =
        QUORUMS.iter().flat_map(|protocol| (1..=6).map(|seed| (*protocol, seed))).collect();
    each_seed(0..runs.len() as u64, |number| {
        let (protocol, seed) = runs[number as usize];
        let outcome = storm(protocol, seed, Selector::Minority).run().map_err(|error| error.to_string())?;
        match longest_silence(&outcome.history) {
            silence if silence <= BREATH => Ok(()),
            silence => Err(format!("{protocol}, seed {seed}: nothing changed for {silence:?}")),
        }
    });
}

#[test]
fn less_than_a_quorum_does_not() {
    each_seed(0..QUORUMS.len() as u64, |number| {
        let protocol = QUORUMS[number as usize];
        let outcome = storm(protocol, 1, Selector::Majority).run().map_err(|error| error.to_string())?;
        match longest_silence(&outcome.history) {
            silence if silence > BREATH => Ok(()),
            silence => Err(format!("{protocol}: the longest silence was {silence:?}")),
        }
    });
}
