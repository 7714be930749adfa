//! `tribunal bench protocols`: what each protocol costs and what it is worth under faults, side by side.
//!
//! Each runs in the simulator, five nodes of it, asked by the first workload that it serves: once in peace, as fast as ten
//! clients can, and once under every fault that it says it survives. Rates and latencies are of virtual time, so that they
//! say something about the protocol (its rounds, its syncs, its elections) and nothing about this machine; the same seed
//! gives the same numbers anywhere. How many virtual seconds pass in a second is of this machine.

use super::{Ended, progress, usage};
use crate::args::BenchArgs;
use crate::exit::Exit;
use crate::report;
use crate::trial::{Outcome, Trial};
use checkers::Verdict;
use cluster::HarnessError;
use history::{History, Phase, Time};
use protocols::catalog::{Entry, PROTOCOLS};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long the peace lasts, in virtual seconds.
const PEACE: u64 = 10;
/// How long the storm lasts, in virtual seconds.
const STORM: u64 = 120;
/// Where the chance of every run comes from.
const SEED: u64 = 1;

/// What was measured of one protocol.
#[derive(Debug, Serialize)]
struct Measured {
    protocol: &'static str,
    workload: &'static str,
    peace: Peace,
    storm: Storm,
}

/// Nothing broken, ten clients as fast as they can.
#[derive(Debug, Serialize)]
struct Peace {
    /// Calls that succeeded, in a virtual second.
    ok_per_second: f64,
    /// How long they took, in virtual microseconds: half of them, and 99 of a hundred.
    latency_us: [u64; 2],
    /// How many messages nodes sent for each of them.
    messages_per_ok: f64,
}

/// Everything broken that it says it survives.
#[derive(Debug, Serialize)]
struct Storm {
    /// What was broken, as `--nemesis` takes it.
    nemesis: String,
    /// How many of a hundred calls succeeded.
    ok_percent: f64,
    /// The longest time in which no call succeeded, in virtual milliseconds.
    silence_ms: u64,
    /// How many virtual seconds passed in a second of one core.
    virtual_per_second: f64,
    /// What the judges said.
    verdict: Verdict,
}

/// Measures the protocols and prints the table.
pub fn bench(args: &BenchArgs) -> Ended {
    let wanted =
        |entry: &&Entry| args.filter.as_ref().is_none_or(|filter| entry.name.contains(filter.as_str()));
    let entries: Vec<&Entry> = PROTOCOLS.iter().filter(wanted).collect();
    if entries.is_empty() {
        return Err(usage(format!("no protocol has {:?} in its name", args.filter.as_deref().unwrap_or(""))));
    }
    if !args.json {
        report::print(HEAD);
    }
    let mut exit = Exit::Valid;
    for (number, entry) in entries.iter().enumerate() {
        progress(&format!("{} of {}: {}", number + 1, entries.len(), entry.name));
        let measured = measure(entry.name).map_err(|error| (error, Exit::Harness))?;
        progress("");
        exit = exit.worse(measured.storm.verdict.into());
        let line = if args.json { serde_json::json!(measured).to_string() } else { measured.line() };
        report::print(&format!("{line}\n"));
    }
    Ok(exit)
}

const HEAD: &str = "\
five simulated nodes; peace: 10 clients, nothing broken; storm: 50 calls a second, everything broken that the protocol says
it survives; times are virtual, but for virtual s/s: how many of them pass in a second of one core

| Protocol | Workload | OK/s | p50, p99 | Messages/OK | In the storm: OK | Longest silence | Virtual s/s | Verdict |
|---|---|---|---|---|---|---|---|---|
";

impl Measured {
    fn line(&self) -> String {
        let Measured { protocol, workload, peace, storm } = self;
        let [half, most] = peace.latency_us.map(|us| us as f64 / 1e3);
        format!(
            "| {protocol} | {workload} | {:.0} | {half:.2} ms, {most:.2} ms | {:.1} | {:.1} % | {:.1} s | {:.0} | {} |",
            peace.ok_per_second,
            peace.messages_per_ok,
            storm.ok_percent,
            storm.silence_ms as f64 / 1e3,
            storm.virtual_per_second,
            storm.verdict,
        )
    }
}

fn measure(protocol: &'static str) -> Result<Measured, HarnessError> {
    let usual = Trial::of(protocol, SEED);
    let calm = Trial { rate: 0.0, time: Duration::from_secs(PEACE), nemesis: Vec::new(), ..usual.clone() };
    let peace = peace(&calm.run()?);
    let interval = Duration::from_secs(5);
    let stormy = Trial { rate: 50.0, time: Duration::from_secs(STORM), interval, ..usual };
    let begun = Instant::now();
    let outcome = stormy.run()?;
    let took = begun.elapsed();
    let said: Vec<String> = stormy.nemesis.iter().map(ToString::to_string).collect();
    let (ok_percent, silence) = availability(&outcome.history);
    let storm = Storm {
        nemesis: said.join(","),
        ok_percent,
        silence_ms: silence.as_millis() as u64,
        virtual_per_second: STORM as f64 / took.as_secs_f64(),
        verdict: stormy.judge(&outcome)?.verdict,
    };
    Ok(Measured { protocol, workload: calm.workload, peace, storm })
}

fn peace(outcome: &Outcome) -> Peace {
    let history = &outcome.history;
    let entries = history.entries();
    let took = |op: &history::Op<'_>| {
        let done = op.completed.filter(|_| op.outcome.is_ok())?;
        Some((entries[done].time.0 - entries[op.invoked].time.0) / 1000)
    };
    let mut latencies: Vec<u64> = history.ops().filter_map(|op| took(&op)).collect();
    latencies.sort_unstable();
    let at =
        |part: usize| latencies.get(latencies.len().saturating_sub(1) * part / 100).copied().unwrap_or(0);
    let ok = latencies.len().max(1) as f64;
    Peace {
        ok_per_second: latencies.len() as f64 / PEACE as f64,
        latency_us: [at(50), at(99)],
        messages_per_ok: outcome.messages as f64 / ok,
    }
}

/// How many of a hundred calls of the main phase succeeded, and the longest time in it in which none did.
fn availability(history: &History) -> (f64, Duration) {
    let entries = history.entries();
    let end = history.began(Phase::Final).or_else(|| Some(entries.last()?.time)).unwrap_or(Time::ZERO);
    let (mut calls, mut ok, mut times) = (0u64, 0u64, vec![Time::ZERO, end]);
    for op in history.ops().filter(|op| entries[op.invoked].time < end) {
        calls += 1;
        if let Some(done) = op.completed.filter(|_| op.outcome.is_ok()) {
            ok += 1;
            times.push(entries[done].time.min(end));
        }
    }
    times.sort_unstable();
    let silence = times.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or(0);
    (100.0 * ok as f64 / calls.max(1) as f64, Duration::from_nanos(silence))
}
