//! `tribunal test`: from what was typed to a verdict.

use crate::analyze::{self, Subject};
use crate::args::{Target, TestArgs};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::report;
use crate::run::{Ending, Limits, Run, Summary};
use crate::signals;
use crate::store::{Host, Store, TestFile};
use crate::tally::Tally;
use crate::target::{self, Deployment};
use checkers::Verdict;
use cluster::{Abilities, Cluster, HarnessError};
use history::{Chance, FaultKind, Time};
use nemesis::Plan;
use protocols::Flaw;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
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
    kinds: Vec<FaultKind>,
    plan: Plan,
    missing: BTreeMap<FaultKind, String>,
    workload: Workload,
    cluster: Box<dyn Cluster>,
    store: Store,
    started: String,
    /// Why it does not run on namespaces, if nobody said where it should run.
    instead: Option<String>,
}

/// What is broken if nothing is said, as far as the target can.
const USUAL: [FaultKind; 4] = [FaultKind::Partition, FaultKind::Kill, FaultKind::Pause, FaultKind::Packets];

impl Test {
    fn new(args: TestArgs, instead: Option<String>) -> Result<Test, HarnessError> {
        let known: Vec<&str> = systems::names().collect();
        if !known.contains(&args.system.as_str()) {
            let why = format!("there is no such system; there is: {}", known.join(", "));
            return Err(HarnessError::new(format!("test {:?}", args.system), why));
        }
        let args = match args.on {
            Target::Ssh => TestArgs { nodes: target::hosts(&args.ssh)?.len() as u16, ..args },
            _ => args,
        };
        if !(1..=99).contains(&args.nodes) {
            return Err(typed("--nodes", args.nodes, "a cluster has 1 to 99 nodes"));
        }
        if !(args.rate >= 0.0 && args.rate.is_finite()) {
            return Err(typed("--rate", args.rate, "it is a number of calls a second, or 0 for no limit"));
        }
        if args.timeout.is_zero() {
            return Err(typed("--timeout", "0s", "no answer takes no time at all"));
        }
        let concurrency = concurrency(&args.concurrency, args.nodes)?;
        let flaw = args.flaw.as_deref().map(|name| flaw(name, &args.system)).transpose()?;
        let started = jiff::Zoned::now();
        let seed =
            args.seed.unwrap_or_else(|| Chance::new(started.timestamp().as_nanosecond() as u64).bits() >> 32);
        let chance = Chance::new(seed);
        let settings =
            Settings { rate: (args.rate > 0.0).then_some(args.rate), time_limit: args.time_limit, ops: None };
        let workload =
            workloads::lookup(&args.workload, &settings, chance.split("workload")).ok_or_else(|| {
                let known = workloads::names().join(", ");
                HarnessError::new(
                    format!("ask {:?}", args.workload),
                    format!("there is no such workload; there is: {known}"),
                )
            })?;
        let started = started.strftime("%Y%m%dT%H%M%S%.3f").to_string();
        let store = Store::create(&args.store, &format!("{}-{}", args.system, args.workload), &started)?;
        let deployment = Deployment {
            target: args.on,
            system: args.system.clone(),
            nodes: args.nodes,
            flaw,
            chance: chance.split("cluster"),
            lossy_disks: breaks_disks(&args),
            engine: target::engine(&args.engine),
            ssh: args.ssh.clone(),
            home: store.path.clone(),
        };
        let cluster = deployment.prepare()?;
        let abilities = cluster.abilities();
        let (kinds, plan, missing) = faults(&args, &abilities, &chance)?;
        if let Some(call) = workload.calls.iter().find(|call| !abilities.calls.contains(call)) {
            let why = format!("it does not serve {call}, which the workload {} asks", workload.name);
            return Err(HarnessError::new(format!("test {}", args.system), why));
        }
        Ok(Test {
            args,
            seed,
            concurrency,
            flaw,
            kinds,
            plan,
            missing,
            workload,
            cluster,
            store,
            started,
            instead,
        })
    }

    fn go(mut self) -> Result<Exit, HarnessError> {
        let file = self.file();
        let sink = self.store.open(&file, &self.plan)?;
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
        let summary = self.drive(limits, sink, &stop);
        let stopped = self.cluster.stop();
        if let Err(error) = &summary {
            report::warn(&error.to_string());
        }
        if let Err(error) = &stopped {
            report::warn(&format!("{error}; the verdict is not touched by this"));
        }
        let subject = Subject::of(&file);
        let judgement = analyze::analyze(&self.store.history(), &subject, self.args.time_budget)?;
        self.store.write_json("verdict.json", &judgement)?;
        report::story(&judgement, &file, &self.store.path);
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
        let plan = std::mem::take(&mut self.plan);
        let run = Run::new(
            self.cluster.as_mut(),
            &mut self.workload,
            plan,
            limits,
            sink,
            &mut watcher,
            stop,
            chance,
        )?;
        let summary = run.go();
        progress.clear();
        match &summary.ending {
            Ending::Complete => {}
            Ending::Interrupted => report::warn("interrupted: judging what was recorded"),
            Ending::Violated => report::warn("a protocol invariant was violated: the run ends here"),
            Ending::Failed(error) => report::warn(&error.to_string()),
        }
        Ok(summary)
    }

    fn file(&self) -> TestFile {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        TestFile {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            argv: std::env::args().collect(),
            started: self.started.clone(),
            system: self.args.system.clone(),
            target: self.args.on.name(),
            workload: self.args.workload.clone(),
            nemesis: self.kinds.clone(),
            missing: self.missing.clone(),
            nodes: self.args.nodes,
            concurrency: self.concurrency,
            rate: self.args.rate,
            time_limit_ms: millis(self.args.time_limit),
            nemesis_interval_ms: millis(self.args.nemesis_interval),
            timeout_ms: millis(self.args.timeout),
            seed: self.seed,
            flaw: self.flaw.map(|flaw| flaw.name().to_owned()),
            healing: !self.args.no_heal,
            host: Host::here(),
        }
    }
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
    if flaw.protocol() != system {
        let why = format!("it is a bug of {}, not of {system}", flaw.protocol());
        return Err(HarnessError::new(format!("use --flaw {name}"), why));
    }
    Ok(flaw)
}

/// Whether disks are to be broken, and can be.
fn breaks_disks(args: &TestArgs) -> bool {
    let named = args.nemesis.as_deref().unwrap_or_default();
    let planned = args.plan.as_deref().and_then(|plan| fs::read_to_string(plan).ok()).unwrap_or_default();
    let wanted = ["crash", "disk"].iter().any(|kind| named.contains(kind) || planned.contains(kind));
    (wanted || named == "all") && linux::disk::can().is_ok()
}

/// What is to be broken, when, and what the target cannot break although it was asked for.
type Faults = (Vec<FaultKind>, Plan, BTreeMap<FaultKind, String>);

fn faults(args: &TestArgs, abilities: &Abilities, chance: &Chance) -> Result<Faults, HarnessError> {
    let cannot = |kind: FaultKind| match abilities.faults.get(&kind) {
        Some(Ok(())) => None,
        Some(Err(why)) => Some(why.clone()),
        None => Some("this target does not know it".to_owned()),
    };
    let planned = args.plan.as_deref().map(read_plan).transpose()?;
    let mut kinds: Vec<FaultKind> = match (&planned, &args.nemesis) {
        (Some(plan), _) => plan.0.iter().map(|(_, intent)| intent.kind()).collect(),
        (None, Some(list)) => {
            nemesis::kinds(list, abilities).map_err(|error| HarnessError::new("use --nemesis", error))?
        }
        (None, None) => USUAL.into_iter().filter(|kind| cannot(*kind).is_none()).collect(),
    };
    kinds.sort_unstable();
    kinds.dedup();
    let missing: BTreeMap<FaultKind, String> =
        kinds.iter().filter_map(|kind| Some((*kind, cannot(*kind)?))).collect();
    if let Some((kind, why)) = missing.first_key_value()
        && !args.allow_missing
    {
        return Err(HarnessError::new(format!("inject {kind}"), why)
            .advise("`tribunal doctor` says what can be broken here; --allow-missing goes on without it."));
    }
    kinds.retain(|kind| !missing.contains_key(kind));
    let plan = match planned {
        Some(plan) => Plan(plan.0.into_iter().filter(|(_, intent)| kinds.contains(&intent.kind())).collect()),
        None => nemesis::plan(&kinds, args.nemesis_interval, args.time_limit, chance.split("plan")),
    };
    Ok((kinds, plan, missing))
}

fn read_plan(path: &Path) -> Result<Plan, HarnessError> {
    let doing = || format!("follow the plan {}", path.display());
    let bytes = fs::read(path).map_err(|error| HarnessError::new(doing(), error))?;
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| HarnessError::new(doing(), error))?;
    if !plan.0.is_sorted_by_key(|(at, _)| *at) {
        return Err(HarnessError::new(doing(), "its times are not ascending"));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    #[test]
    fn concurrency_is_a_number_or_a_multiple() {
        assert_eq!(concurrency("10", 5).unwrap(), 10);
        assert_eq!(concurrency("2n", 5).unwrap(), 10);
        assert_eq!(concurrency("n", 5).unwrap(), 5);
        for text in ["0", "0n", "-1", "2m", "", "99999999999", "9999n"] {
            assert!(concurrency(text, 5).is_err(), "{text}");
        }
    }

    fn asked(args: &[&str]) -> Result<Faults, HarnessError> {
        let words = ["tribunal", "test", "raft"].iter().chain(args);
        let Command::Test(args) = Args::try_parse_from(words).unwrap().command else { unreachable!() };
        let mut faults: BTreeMap<_, _> = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
        faults.insert(FaultKind::Crash, Err("no power switch".to_owned()));
        super::faults(&args, &Abilities { calls: Vec::new(), faults }, &Chance::new(1))
    }

    #[test]
    fn what_cannot_be_broken_is_refused_unless_it_may_be_missing() {
        let refused = asked(&["--nemesis", "kill,crash"]).unwrap_err().to_string();
        assert!(refused.contains("no power switch") && refused.contains("--allow-missing"), "{refused}");
        let (kinds, plan, missing) = asked(&["--nemesis", "kill,crash", "--allow-missing"]).unwrap();
        assert_eq!(kinds, [FaultKind::Kill]);
        assert_eq!(missing.get(&FaultKind::Crash).map(String::as_str), Some("no power switch"));
        assert!(plan.0.iter().all(|(_, intent)| intent.kind() == FaultKind::Kill) && !plan.0.is_empty());
        let (kinds, _, missing) = asked(&["--nemesis", "all"]).unwrap();
        assert!(kinds.len() == FaultKind::ALL.len() - 1 && missing.is_empty(), "all is all that it can");
    }
}
