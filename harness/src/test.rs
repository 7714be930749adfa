//! `tribunal test`: from what was typed to a verdict.

use crate::again;
use crate::analyze::{self, Subject};
use crate::args::{Target, TestArgs, TxnLength};
use crate::breaking::{self, Breaking};
use crate::clocks::Clocks;
use crate::exit::Exit;
use crate::gallery;
use crate::listener::Listener;
use crate::plots;
use crate::progress::Progress;
use crate::report;
use crate::run::{Ending, Limits, Run, Summary};
use crate::signals;
use crate::store::{Host, Store, TestFile};
use crate::tally::Tally;
use crate::target::{self, Deployment};
use crate::warden;
use checkers::Verdict;
use cluster::{Cluster, HarnessError};
use history::{Chance, FaultKind, Time};
use live::warden::Warden;
use protocols::{Flaw, catalog};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use workloads::{Settings, Workload};

/// Runs a test as typed.
pub fn test(args: TestArgs) -> Exit {
    report::start_logging();
    let settled = target::settle(args.on);
    let test = match settled.and_then(|(on, why)| Test::new(TestArgs { on, ..args }, why)) {
        Ok(test) => test,
        Err(error) => return report::fail(&error, Exit::Usage),
    };
    test.go().unwrap_or_else(|error| report::fail(&error, Exit::Harness))
}

/// A test as meant: everything that was typed is known to make sense together.
struct Test {
    args: TestArgs,
    seed: u64,
    concurrency: u32,
    flaw: Option<Flaw>,
    nodes: u16,
    breaking: Breaking,
    workload: Workload,
    /// What the history is held against.
    level: String,
    cluster: Box<dyn Cluster>,
    /// Who cleans up if we are killed. After the cluster, so that in a panic it looks when that is gone.
    warden: Option<Warden>,
    store: Store,
    started: String,
    /// Why it ended early, if it did.
    objection: Option<String>,
    /// Why it does not run on namespaces, if nobody said where it should run.
    instead: Option<String>,
}

impl Test {
    fn new(args: TestArgs, instead: Option<String>) -> Result<Test, HarnessError> {
        let known: Vec<&str> = systems::names().collect();
        if !known.contains(&args.system.as_str()) {
            let why = format!("there is no such system; there is: {}", known.join(", "));
            return Err(HarnessError::new(format!("test {:?}", args.system), why));
        }
        let args = with_as_many_nodes_as_places(args)?;
        let started = jiff::Zoned::now();
        let seed =
            args.seed.unwrap_or_else(|| Chance::new(started.timestamp().as_nanosecond() as u64).bits() >> 32);
        let chance = Chance::new(seed);
        let nodes = breaking::nodes(&args, &chance);
        if !(1..=99).contains(&nodes) {
            return Err(typed("--nodes", nodes, "a cluster has 1 to 99 nodes"));
        }
        if !(args.rate >= 0.0 && args.rate.is_finite()) {
            return Err(typed("--rate", args.rate, "it is a number of calls a second, or 0 for no limit"));
        }
        if args.timeout.is_zero() {
            return Err(typed("--timeout", "0s", "no answer takes no time at all"));
        }
        let concurrency = concurrency(&args.concurrency, nodes)?;
        if args.retry && !catalog::lookup(&args.system).is_none_or(|entry| entry.remembers) {
            let why = format!("{} does not know a call again, and would carry it out twice", args.system);
            return Err(HarnessError::new("use --retry", why));
        }
        let flaw = args.flaw.as_deref().map(|name| flaw(name, &args.system)).transpose()?;
        let (workload, level) = workload(&args, chance.split("workload"))?;
        let started = started.strftime("%Y%m%dT%H%M%S%.3f").to_string();
        let store = Store::create(&args.store, &format!("{}-{}", args.system, workload.name), &started)?;
        let deployment = Deployment {
            target: args.on,
            system: args.system.clone(),
            nodes,
            spares: spares(&args, nodes)?,
            flaw,
            retry: args.retry,
            chance: chance.split("cluster"),
            lossy_disks: breaking::breaks_disks(&args),
            engine: target::engine(&args.engine),
            ssh: args.ssh.clone(),
            home: store.path.clone(),
        };
        let cluster = deployment.prepare()?;
        let abilities = cluster.abilities();
        let breaking = Breaking::new(&args, nodes, &abilities, &chance)?;
        if let Some(call) = workload.calls.iter().find(|call| !abilities.calls.contains(call)) {
            let why = format!("it does not serve {call}, which the workload {} asks", workload.name);
            return Err(HarnessError::new(format!("test {}", args.system), why));
        }
        Ok(Test {
            args,
            seed,
            concurrency,
            flaw,
            nodes,
            breaking,
            workload,
            level,
            cluster,
            warden: None,
            store,
            started,
            objection: None,
            instead,
        })
    }

    fn go(mut self) -> Result<Exit, HarnessError> {
        let file = self.file();
        let sink = self.store.open(&file, &self.breaking.plan)?;
        let stop = signals::stop_flag().map_err(|error| HarnessError::new("listen to signals", error))?;
        report::banner(&file, self.instead.as_deref(), &self.store.path);
        let limits = Limits {
            concurrency: self.concurrency,
            time: self.args.time_limit,
            patience: self.args.timeout,
            heal: Duration::from_secs(15),
            finale: Duration::from_secs(60),
            healing: !self.args.no_heal,
        };
        let lossy = breaking::breaks_disks(&self.args);
        let presses = self.breaking.kinds.contains(&FaultKind::Pressure);
        self.warden = warden::needed(&self.args, lossy, presses, &self.store.path)?;
        let summary = self.drive(limits, sink, &stop);
        let stopped = self.cluster.stop();
        if stopped.is_ok()
            && let Some(warden) = self.warden.take()
        {
            warden.dismiss();
        }
        if let Err(error) = &summary {
            report::warn(&error.to_string());
        }
        if let Err(error) = &stopped {
            report::warn(&format!("{error}; the verdict is not touched by this"));
        }
        let subject = Subject::of(&file);
        let (judgement, history) = analyze::analyze_and_keep(
            &self.store.history(),
            &subject,
            self.args.time_budget,
            analyze::MEMORY,
        )?;
        if let (Some(objection), true) = (&self.objection, judgement.verdict != Verdict::Invalid) {
            report::warn(&format!(
                "the judge of the whole history does not share the objection {objection}; please report this"
            ));
        }
        self.store.write_json("verdict.json", &judgement)?;
        let drawn = plots::draw(&history, &self.store.path).unwrap_or_else(|error| {
            report::warn(&error.to_string());
            Vec::new()
        });
        let shown = gallery::draw(&judgement.reports, &history, &self.store.path.join("anomalies"), "");
        let shown = shown.unwrap_or_else(|error| {
            report::warn(&error.to_string());
            Vec::new()
        });
        let mut drawn: Vec<String> = drawn.into_iter().map(str::to_owned).collect();
        drawn.extend(shown.first().map(|(_, _, file)| format!("anomalies/{file}")));
        drawn.extend((shown.len() > 1).then(|| format!("{} more in anomalies/", shown.len() - 1)));
        report::story(&judgement, &file, &self.store.path, &drawn);
        let failed = stopped.is_err()
            || !matches!(&summary, Ok(Summary { ending, .. }) if !matches!(ending, Ending::Failed(_)));
        Ok(match judgement.verdict {
            Verdict::Invalid => Exit::Invalid,
            _ if failed => Exit::Harness,
            verdict => verdict.into(),
        })
    }

    /// Deploys and runs; the cluster is stopped by the caller, whatever comes of it.
    fn drive(&mut self, limits: Limits, sink: fs::File, stop: &AtomicBool) -> Result<Summary, HarnessError> {
        let mut progress = Progress::new(self.args.time_limit);
        progress.tick(Time::ZERO, &Tally::default());
        self.cluster.start()?;
        let chance = Chance::new(self.seed).split("nemesis");
        let mut watcher = |now: Time, tally: &Tally| progress.tick(now, tally);
        let plan = std::mem::take(&mut self.breaking.plan);
        let listener = self.listener();
        let mut run = Run::new(
            self.cluster.as_mut(),
            &mut self.workload,
            plan,
            limits,
            sink,
            &mut watcher,
            stop,
            chance,
        )?;
        if let Some(listener) = &listener {
            run = run.until(Arc::clone(&listener.enough));
        }
        let summary = run.with_clocks(&mut Clocks::of(&self.store.path)).go();
        progress.clear();
        self.objection = listener.and_then(Listener::dismiss);
        if let Some(objection) = &self.objection {
            report::warn(&format!("ended early, because it cannot become valid any more: {objection}"));
        }
        match &summary.ending {
            Ending::Complete => {}
            Ending::Interrupted => report::warn("interrupted: judging what was recorded"),
            Ending::Violated => report::warn("a protocol invariant was violated: the run ends here"),
            Ending::Failed(error) => report::warn(&error.to_string()),
        }
        Ok(summary)
    }

    /// Who may end the run early. The simulator needs nobody: it is faster than a listener, and repeats itself exactly.
    fn listener(&self) -> Option<Listener> {
        let wanted = self.args.fail_fast.unwrap_or_else(|| std::env::var_os("CI").is_some());
        if !wanted || self.args.on == Target::Sim {
            return None;
        }
        let (workload, _) = workload(&self.args, Chance::new(0)).ok()?;
        let listener = Listener::start(&self.store.history(), workload.checkers);
        listener.map_err(|error| report::warn(&format!("nobody listens to the run: {error}"))).ok()
    }

    /// What was typed, with everything in it that was drawn.
    fn meant(&self) -> TestArgs {
        let TestArgs { nemesis_file, plan, swarm, .. } = &self.args;
        // What only a file or a plan can say is drawn from it again.
        let listed = nemesis_file.is_none() && plan.is_none();
        TestArgs {
            seed: Some(self.seed),
            nodes: Some(self.nodes),
            nemesis: listed.then(|| self.breaking.nemesis.clone()),
            nemesis_interval: Some(self.breaking.interval),
            swarm: *swarm && !listed,
            ..self.args.clone()
        }
    }

    fn file(&self) -> TestFile {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        TestFile {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            argv: again::without_password(std::env::args()),
            again: again::again(&self.meant()),
            started: self.started.clone(),
            system: self.args.system.clone(),
            target: self.args.on.name(),
            workload: self.workload.name.to_owned(),
            expect: Some(self.level.clone()),
            keys: self.args.keys,
            key_dist: self.args.key_dist.map(|distribution| distribution.name().to_owned()),
            ops_per_key: self.args.ops_per_key,
            txn_length: self.args.txn_length,
            lease_ms: self.args.lease.map(millis),
            retry: self.args.retry,
            nemesis: self.breaking.kinds.clone(),
            nemesis_list: self.breaking.nemesis.clone(),
            nemesis_file: self.args.nemesis_file.clone(),
            plan_file: self.args.plan.clone(),
            swarm: self.args.swarm,
            missing: self.breaking.missing.clone(),
            nodes: self.nodes,
            concurrency: self.concurrency,
            rate: self.args.rate,
            time_limit_ms: millis(self.args.time_limit),
            nemesis_interval_ms: millis(self.breaking.interval),
            timeout_ms: millis(self.args.timeout),
            seed: self.seed,
            flaw: self.flaw.map(|flaw| flaw.name().to_owned()),
            healing: !self.args.no_heal,
            host: Host::here(),
        }
    }
}

/// The workload as typed, to be held against what was said, or what the system claims.
fn workload(args: &TestArgs, chance: Chance) -> Result<(Workload, String), HarnessError> {
    let settings = Settings {
        rate: (args.rate > 0.0).then_some(args.rate),
        time_limit: args.time_limit,
        ops: None,
        keys: args.keys,
        key_distribution: args.key_dist,
        calls_per_key: args.ops_per_key,
        txn_length: args.txn_length.map(|TxnLength(least, most)| (least, most)),
        lease: args.lease,
    };
    let system = catalog::lookup(&args.system);
    let claims = system.map_or(&[][..], |system| system.claims);
    let usual = || workloads::first_served(system.map_or(&[][..], |system| system.serves));
    let name = args.workload.as_deref().unwrap_or_else(|| usual().map_or("register", |entry| entry.name));
    let made = workloads::lookup(name).and_then(|entry| {
        let claimed = entry.level_of(claims).ok_or_else(|| {
            format!("{} claims nothing that it can be held against; say --expect", args.system)
        });
        let level = args.expect.as_deref().map_or_else(|| claimed, Ok)?;
        Ok((entry.workload(&settings, Some(level), chance)?, level.to_owned()))
    });
    made.map_err(|why| HarnessError::new(format!("ask {name:?}"), why))
}

/// Where the places are given, so is how many nodes there are.
fn with_as_many_nodes_as_places(args: TestArgs) -> Result<TestArgs, HarnessError> {
    Ok(match args.on {
        Target::Ssh if args.nodes.is_none() => {
            TestArgs { nodes: Some(target::hosts(&args.ssh)?.len() as u16), ..args }
        }
        Target::Docker if !args.engine.containers.is_empty() => {
            TestArgs { nodes: Some(args.engine.containers.len() as u16), ..args }
        }
        _ if !args.engine.containers.is_empty() => {
            return Err(typed("--containers", args.engine.containers.join(","), "it goes with --on docker"));
        }
        _ => args,
    })
}

/// How many nodes stand by: none if members do not change, and where the places are given those that are left.
fn spares(args: &TestArgs, nodes: u16) -> Result<u16, HarnessError> {
    let left = if args.on == Target::Ssh { target::spare_hosts(&args.ssh, nodes)? } else { target::SPARES };
    let given = !args.engine.containers.is_empty();
    Ok(if breaking::changes_members(args) && !given { left } else { 0 })
}

fn typed(flag: &str, value: impl std::fmt::Display, why: &str) -> HarnessError {
    HarnessError::new(format!("use {flag} {value}"), why)
}

/// `10` or `2n`.
fn concurrency(text: &str, nodes: u16) -> Result<u32, HarnessError> {
    let (digits, times) = match text.strip_suffix('n') {
        Some("") => ("1", u32::from(nodes)),
        Some(digits) => (digits, u32::from(nodes)),
        None => (text, 1),
    };
    let count = digits.parse().ok().and_then(|count: u32| count.checked_mul(times));
    count.filter(|count| (1..=10_000).contains(count)).ok_or_else(|| {
        typed("--concurrency", text, "it is 1 to 10000 clients, or a multiple of the nodes such as 2n")
    })
}

fn flaw(name: &str, system: &str) -> Result<Flaw, HarnessError> {
    let flaw: Flaw = name.parse().map_err(|error| HarnessError::new(format!("use --flaw {name}"), error))?;
    if !flaw.protocols().contains(&system) {
        let why = format!("it is a bug of {}, not of {system}", flaw.protocols().join(", "));
        return Err(HarnessError::new(format!("use --flaw {name}"), why));
    }
    Ok(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_a_number_or_a_multiple() {
        assert_eq!(concurrency("10", 5).unwrap(), 10);
        assert_eq!(concurrency("2n", 5).unwrap(), 10);
        assert_eq!(concurrency("n", 5).unwrap(), 5);
        for text in ["0", "0n", "-1", "2m", "", "99999999999", "9999n"] {
            assert!(concurrency(text, 5).is_err(), "{text}");
        }
    }
}
