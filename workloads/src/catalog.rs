//! Every workload, by name. To add one, add its line to [`WORKLOADS`].

use crate::{Generator, Settings, Workload};
use checkers::Checker;
use history::{CallKind, Chance};

/// A workload that can be named.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it asks, in a few words.
    pub about: &'static str,
    /// The calls it makes.
    pub calls: &'static [CallKind],
    pub(crate) options: Options,
    pub(crate) levels: fn() -> Vec<&'static str>,
    pub(crate) make: fn(&Settings, Chance) -> Generators,
    pub(crate) judges: fn(&str) -> Vec<Box<dyn Checker>>,
}

/// The calls of the main phase, and those of the finale.
pub(crate) type Generators = (Box<dyn Generator>, Box<dyn Generator>);

/// What can be said about a workload beside how long and how fast it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options {
    /// Nothing.
    None,
    /// Which keys it uses.
    Keys,
    /// Which keys it uses, and how long its transactions are.
    KeysAndLengths,
    /// Which keys it uses, and for how long locks are got.
    KeysAndLease,
}

/// What is asked of a workload that promises one thing.
pub(crate) const ONE_PROMISE: &str = "all";

/// Every workload, in the order in which people list them.
pub const WORKLOADS: &[Entry] = &[
    crate::register::ENTRY,
    crate::atomic::ENTRY,
    crate::consensus::ENTRY,
    crate::multi_register::ENTRY,
    crate::append::ENTRY,
    crate::rw::ENTRY,
    crate::write_skew::ENTRY,
    crate::long_fork::ENTRY,
    crate::causal::ENTRY,
    crate::sessions::ENTRY,
    crate::commit::ENTRY,
    crate::bank::ENTRY,
    crate::set::ENTRY,
    crate::set_full::ENTRY,
    crate::set_remove::ENTRY,
    crate::list::ENTRY,
    crate::counter::ENTRY,
    crate::queue::ENTRY,
    crate::unique_ids::ENTRY,
    crate::lock::ENTRY,
    crate::watch::ENTRY,
    crate::monotonic::ENTRY,
    crate::election::ENTRY,
];

/// The workload of this name.
///
/// # Errors
/// If there is none; says which there are.
pub fn lookup(name: &str) -> Result<&'static Entry, String> {
    WORKLOADS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = WORKLOADS.iter().map(|entry| entry.name).collect();
        format!("there is no such workload; there is: {}", known.join(", "))
    })
}

/// What a system is asked that serves these calls, if nobody says otherwise: transactions over several nodes, if it says
/// what became of them, for that is what it is about; else the first of all that it serves.
pub fn first_served(calls: &[CallKind]) -> Option<&'static Entry> {
    let served = |entry: &&Entry| entry.calls.iter().all(|call| calls.contains(call));
    [&crate::commit::ENTRY].into_iter().chain(WORKLOADS).find(served)
}

impl Entry {
    /// What its history can be held against, the strongest first.
    pub fn levels(&self) -> Vec<&'static str> {
        (self.levels)()
    }

    /// The strongest of its levels that a system claims which claims these; nothing if it claims none. What promises
    /// one thing alone, promises it whatever the system claims.
    pub fn level_of(&self, claims: &[&str]) -> Option<&'static str> {
        self.levels().into_iter().find(|level| *level == ONE_PROMISE || claims.contains(level))
    }

    /// The workload, to be judged by `expect`, or else by the strongest there is.
    ///
    /// # Errors
    /// If nothing of the kind can be expected, or a setting has no meaning for it: says what can be done.
    pub fn workload(
        &self,
        settings: &Settings,
        expect: Option<&str>,
        chance: Chance,
    ) -> Result<Workload, String> {
        let levels = self.levels();
        let level = expect.unwrap_or(levels[0]);
        if !levels.contains(&level) {
            return Err(format!(
                "{level:?} cannot be expected of the workload {}, but {}",
                self.name,
                levels.join(", ")
            ));
        }
        self.refuse(settings)?;
        let (main, finale) = (self.make)(settings, chance);
        Ok(Workload {
            name: self.name,
            calls: self.calls.to_vec(),
            main,
            finale,
            checkers: (self.judges)(level),
        })
    }

    fn refuse(&self, settings: &Settings) -> Result<(), String> {
        let about_keys = settings.keys.is_some()
            || settings.key_distribution.is_some()
            || settings.calls_per_key.is_some();
        let why = match self.options {
            Options::None if about_keys => "its keys cannot be chosen",
            Options::None | Options::Keys | Options::KeysAndLease if settings.txn_length.is_some() => {
                "the length of its transactions cannot be chosen"
            }
            Options::None | Options::Keys | Options::KeysAndLengths if settings.lease.is_some() => {
                "it has no locks"
            }
            _ => return Ok(()),
        };
        Err(format!("this means nothing to the workload {}: {why}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyDistribution;
    use std::time::Duration;

    #[test]
    fn every_workload_can_be_had_at_each_of_its_levels() {
        for entry in WORKLOADS {
            assert_eq!(lookup(entry.name).unwrap().name, entry.name);
            for level in entry.levels() {
                let workload = entry.workload(&Settings::default(), Some(level), Chance::new(1)).unwrap();
                assert!(!workload.checkers.is_empty() && !workload.calls.is_empty(), "{}", entry.name);
            }
            let none = entry.workload(&Settings::default(), Some("frob"), Chance::new(1)).err().unwrap();
            assert!(none.contains(entry.levels()[0]), "{none}");
        }
        assert!(lookup("frob").err().unwrap().contains("register, "));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let keys = Settings { key_distribution: Some(KeyDistribution::Zipf), ..Settings::default() };
        let lengths = Settings { txn_length: Some((1, 2)), ..Settings::default() };
        let lease = Settings { lease: Some(Duration::from_secs(2)), ..Settings::default() };
        for (name, settings, fits) in [
            ("register", keys, true),
            ("register", lengths, false),
            ("append", lengths, true),
            ("bank", keys, false),
            ("bank", lengths, false),
            ("lock", keys, true),
            ("lock", lease, true),
            ("lock", lengths, false),
            ("register", lease, false),
            ("append", lease, false),
            ("bank", lease, false),
        ] {
            let made = lookup(name).unwrap().workload(&settings, None, Chance::new(1));
            assert_eq!(made.is_ok(), fits, "{name}: {settings:?}");
        }
    }

    #[test]
    fn the_strongest_claim_is_judged() {
        let level = |name, claims: &[&str]| lookup(name).unwrap().level_of(claims);
        let raft = ["linearizable", "strict-serializable"];
        assert_eq!(level("register", &raft), Some("linearizable"));
        assert_eq!(level("register", &["sessions", "sequential"]), Some("sequential"));
        assert_eq!(level("append", &raft), Some("strict-serializable"));
        assert_eq!(level("append", &["linearizable"]), None);
        assert_eq!(level("bank", &[]), Some("all"));
    }
}
