//! What is to be broken, and when: from what was typed to a plan.

use crate::args::{Target, TestArgs};
use cluster::{Abilities, HarnessError};
use history::{Chance, FaultKind};
use nemesis::{Plan, Wish, Wishes};
use protocols::catalog;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is broken if nothing is said, as far as the target can.
const USUAL: [FaultKind; 4] = [FaultKind::Partition, FaultKind::Kill, FaultKind::Pause, FaultKind::Packets];

/// About how long a fault lasts if nothing is said.
const INTERVAL: Duration = Duration::from_secs(5);

/// How many nodes if nothing is said.
const NODES: u16 = 5;

/// What is to be broken, and when.
#[derive(Debug)]
pub struct Breaking {
    /// What it is, as `--nemesis` would take it; a plan and what only a file can say are not in it.
    pub nemesis: String,
    /// Its kinds.
    pub kinds: Vec<FaultKind>,
    /// When.
    pub plan: Plan,
    /// About how long a fault lasts.
    pub interval: Duration,
    /// What was asked for and this target cannot make, and why.
    pub missing: BTreeMap<FaultKind, String>,
}

/// How many nodes: as typed, or as the swarm or the custom has it.
pub fn nodes(args: &TestArgs, chance: &Chance) -> u16 {
    args.nodes.unwrap_or_else(|| if args.swarm { nemesis::swarm_size(chance) } else { NODES })
}

/// Whether disks are to be broken, and can be.
pub fn breaks_disks(args: &TestArgs) -> bool {
    // Whether hosts have such disks, they say themselves.
    let ours = args.engine.containers.is_empty();
    ours && wants(args, &["crash", "disk"]) && (args.on == Target::Ssh || linux::disk::can().is_ok())
}

/// Whether members are to change.
pub fn changes_members(args: &TestArgs) -> bool {
    wants(args, &["members"])
}

/// Whether one of these kinds of fault may come.
fn wants(args: &TestArgs, kinds: &[&str]) -> bool {
    let named = args.nemesis.as_deref().unwrap_or_default();
    let files = [&args.plan, &args.nemesis_file];
    let files = files.into_iter().flatten().filter_map(|path| fs::read_to_string(path).ok());
    let written: String = files.collect();
    let wanted = kinds.iter().any(|kind| named.contains(kind) || written.contains(kind));
    let everything = named == "all" || (args.swarm && args.nemesis.is_none() && args.nemesis_file.is_none());
    wanted || everything
}

impl Breaking {
    /// What was typed, for a cluster of so many nodes that can be broken like this.
    ///
    /// # Errors
    /// If it makes no sense, or the target cannot make it.
    pub fn new(
        args: &TestArgs,
        nodes: u16,
        abilities: &Abilities,
        chance: &Chance,
    ) -> Result<Breaking, HarnessError> {
        let cannot = |kind: FaultKind| match abilities.faults.get(&kind) {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(why.clone()),
            None => Some("this target does not know it".to_owned()),
        };
        let planned = args.plan.as_deref().map(|path| read_plan(path, nodes)).transpose()?;
        let mut wishes = match &planned {
            Some(_) => Wishes::new(Vec::new(), interval(args, chance)),
            None => wishes(args, abilities, chance)?,
        };
        wishes
            .list
            .iter()
            .try_for_each(|wish| wish.check_nodes(nodes))
            .map_err(|error| HarnessError::new("break what is asked for", error))?;
        let mut kinds = match &planned {
            Some(plan) => plan.0.iter().map(|step| step.intent.kind()).collect(),
            None => wishes.kinds(),
        };
        kinds.sort_unstable();
        kinds.dedup();
        let missing: BTreeMap<FaultKind, String> =
            kinds.iter().filter_map(|kind| Some((*kind, cannot(*kind)?))).collect();
        if let Some((kind, why)) = missing.first_key_value()
            && !args.allow_missing
        {
            return Err(HarnessError::new(format!("inject {kind}"), why).advise(
                "`tribunal doctor` says what can be broken here; --allow-missing goes on without it.",
            ));
        }
        kinds.retain(|kind| !missing.contains_key(kind));
        wishes.list.retain(|wish| kinds.contains(&wish.kind));
        let plan = match planned {
            Some(plan) => {
                Plan(plan.0.into_iter().filter(|step| kinds.contains(&step.intent.kind())).collect())
            }
            None => nemesis::plan(&wishes, args.time_limit, chance.split("plan")),
        };
        let said: Vec<String> = wishes.list.iter().map(Wish::to_string).collect();
        let nemesis = if said.is_empty() { "none".to_owned() } else { said.join(",") };
        Ok(Breaking { nemesis, kinds, plan, interval: wishes.interval, missing })
    }
}

/// What a cluster can make of what a system says that it survives; what not every sound system does has to be named. Of a
/// system that says nothing of the kind, everything is expected.
///
/// # Panics
/// If what a protocol says of itself makes no sense: a test looks at all of them.
pub fn survived(system: &str, abilities: &Abilities) -> Vec<Wish> {
    let said = catalog::lookup(system).map(|entry| entry.survives);
    let list = said.map_or_else(|| "all".to_owned(), |said| said.join(","));
    if list.is_empty() {
        return Vec::new();
    }
    let can = |wish: &Wish| abilities.faults.get(&wish.kind).is_some_and(Result::is_ok);
    let can = |wish: &Wish| wish.kind.is_survivable() && can(wish);
    let wishes = Wish::list(&list, abilities).expect("a protocol survives what can be wished for");
    wishes.into_iter().filter(can).collect()
}

fn interval(args: &TestArgs, chance: &Chance) -> Duration {
    let usual = || if args.swarm { nemesis::swarm_interval(INTERVAL, chance) } else { INTERVAL };
    args.nemesis_interval.unwrap_or_else(usual)
}

fn wishes(args: &TestArgs, abilities: &Abilities, chance: &Chance) -> Result<Wishes, HarnessError> {
    let interval = interval(args, chance);
    let listed = |list: &str| {
        let read = Wish::list(list, abilities).map(|list| Wishes::new(list, interval));
        read.map_err(|error| HarnessError::new("use --nemesis", error))
    };
    let survived = || survived(&args.system, abilities);
    let usual = || survived().into_iter().filter(|wish| USUAL.contains(&wish.kind)).collect();
    let wishes = match (&args.nemesis_file, &args.nemesis) {
        (Some(path), _) => Wishes::read(&read(path, "break things as")?, interval)
            .map_err(|error| HarnessError::new(format!("break things as {} says", path.display()), error))?,
        (None, Some(list)) if list.trim() == "all" => Wishes::new(survived(), interval),
        (None, Some(list)) => listed(list)?,
        (None, None) if args.swarm => Wishes::new(survived(), interval),
        (None, None) => Wishes::new(usual(), interval),
    };
    Ok(if args.swarm { nemesis::swarm(wishes, chance) } else { wishes })
}

fn read(path: &Path, doing: &str) -> Result<String, HarnessError> {
    fs::read_to_string(path)
        .map_err(|error| HarnessError::new(format!("{doing} {} says", path.display()), error))
}

fn read_plan(path: &Path, nodes: u16) -> Result<Plan, HarnessError> {
    let text = read(path, "do as")?;
    Plan::read(&text, nodes).map_err(|error| {
        HarnessError::new(format!("follow the plan {}", path.display()), error)
            .advise("docs/NEMESIS.md says how plans are written.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn asked(args: &[&str]) -> Result<Breaking, HarnessError> {
        let words = ["tribunal", "test", "raft"].iter().chain(args);
        let Command::Test(args) = Args::try_parse_from(words).unwrap().command else { unreachable!() };
        let mut faults: BTreeMap<_, _> = FaultKind::ALL.into_iter().map(|kind| (kind, Ok(()))).collect();
        faults.insert(FaultKind::Crash, Err("no power switch".to_owned()));
        Breaking::new(&args, 5, &Abilities { calls: Vec::new(), faults }, &Chance::new(1))
    }

    #[test]
    fn what_cannot_be_broken_is_refused_unless_it_may_be_missing() {
        let refused = asked(&["--nemesis", "kill,crash"]).unwrap_err().to_string();
        assert!(refused.contains("no power switch") && refused.contains("--allow-missing"), "{refused}");
        let asked_for = asked(&["--nemesis", "kill,crash", "--allow-missing"]).unwrap();
        assert_eq!(asked_for.kinds, [FaultKind::Kill]);
        assert_eq!(asked_for.missing.get(&FaultKind::Crash).map(String::as_str), Some("no power switch"));
        assert!(asked_for.plan.0.iter().all(|step| step.intent.kind() == FaultKind::Kill));
        assert!(!asked_for.plan.0.is_empty());
        let all = asked(&["--nemesis", "all"]).unwrap();
        let can: Vec<FaultKind> = FaultKind::survivable().filter(|kind| *kind != FaultKind::Crash).collect();
        assert!(all.kinds == can && all.missing.is_empty(), "all that it can, and that can be survived");
    }

    #[test]
    fn nodes_that_there_are_not_are_refused() {
        let refused = asked(&["--nemesis", "pause:n6"]).unwrap_err().to_string();
        assert!(refused.contains("n6 is not in a cluster of 5 nodes"), "{refused}");
    }

    #[test]
    fn a_swarm_is_as_good_as_typing_what_it_drew() {
        let swarm = asked(&["--swarm"]).unwrap();
        let interval = format!("{}ms", swarm.interval.as_millis());
        let typed = asked(&["--nemesis", &swarm.nemesis, "--nemesis-interval", &interval]).unwrap();
        assert_eq!(typed.plan, swarm.plan);
        assert!(!swarm.kinds.contains(&FaultKind::Crash), "nothing that it cannot");
        let fixed = asked(&["--swarm", "--nemesis", "kill,pause", "--nemesis-interval", "3s"]).unwrap();
        assert_eq!(fixed.interval, Duration::from_secs(3));
        let among = [FaultKind::Kill, FaultKind::Pause];
        assert!(fixed.kinds.iter().all(|kind| among.contains(kind)), "{:?}", fixed.kinds);
    }
}
