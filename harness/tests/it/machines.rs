//! Machines behind sshd: the same command, judged the same way.

use crate::machine::{Ended, alone, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Says that a test is skipped, and why; in CI nothing may be.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
    println!("skipped: {test}: {why}");
}

/// The run was valid, and each of these faults was installed.
pub fn judged(ended: &Ended, store: &Path, kinds: &[&str]) {
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    for kind in kinds {
        assert!(!installed(store, kind).is_empty(), "{kind} was never installed\n{}", ended.said());
    }
}

/// Power was cut in both ways, and each says what became of what was not synced.
pub fn both_power_cuts(store: &Path) {
    let cuts = installed(store, "crash");
    let so = |way: &str| {
        let way = format!(r#""unsynced":"{way}""#);
        cuts.iter()
            .filter(move |line| line.contains(&way))
            .map(|line| line.contains("torn: "))
            .collect::<Vec<_>>()
    };
    let (lost, torn) = (so("lost"), so("torn"));
    assert!(!lost.is_empty() && !lost.contains(&true), "{cuts:?}");
    assert!(!torn.is_empty() && !torn.contains(&false), "{cuts:?}");
}

/// The lines of the history that say that such faults were installed.
pub fn installed(store: &Path, kind: &str) -> Vec<String> {
    let history = fs::read_to_string(store.join("latest/history.jsonl")).expect("it was recorded");
    let of_kind = format!(r#""fault":{{"{kind}""#);
    let installed = |line: &&str| line.contains(&of_kind) && line.contains(r#""result":{"installed""#);
    history.lines().filter(installed).map(str::to_owned).collect()
}

/// Somebody joins, somebody leaves, and somebody takes another's place, one after the other. An administrator may take
/// five seconds for each.
const COMINGS_AND_GOINGS: &str = r#"[
    ["1s", {"members": "grow"}],
    ["6s", {"members": {"shrink": "one"}}],
    ["11s", {"members": {"replace": "one"}}]
]"#;

/// Runs three nodes there that join, leave and are replaced; all of it was installed, and the run was valid.
pub fn come_and_go(there: &[&str], store: &Path) {
    let plan = store.join("comings-and-goings.json");
    fs::write(&plan, COMINGS_AND_GOINGS).expect("the store is ours");
    let plan = plan.to_str().expect("temporary paths are text");
    let args = ["test", "raft", "--nodes", "3", "--time-limit", "17s", "--seed", "5", "--plan", plan];
    let ended = run(&[&args[..], there].concat(), store);
    judged(&ended, store, &["members"]);
    let made = installed(store, "members");
    let changes = [r#""join":[4],"leave":[]"#, r#""join":[],"leave":["#, r#""join":[5],"leave":["#];
    assert_eq!(made.len(), changes.len(), "{made:?}\n{}", ended.said());
    assert!(made.iter().zip(changes).all(|(line, change)| line.contains(change)), "{made:?}");
}

/// Five machines, until the end of the test.
pub struct Machines(pub PathBuf);

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = script("down", &self.0);
    }
}

impl Machines {
    /// Makes them below this directory.
    pub fn up(directory: &Path) -> Result<Machines, String> {
        let directory = directory.join("machines");
        // What is half made the script removes itself; what exists already is another's.
        script("up", &directory).map(|()| Machines(directory))
    }

    /// The arguments by which they are reached.
    pub fn args(&self) -> Vec<String> {
        let file = |name: &str| self.0.join(name).to_str().expect("temporary paths are text").to_owned();
        let [hosts, key, known] = ["hosts", "key", "known_hosts"].map(file);
        let args = ["--hosts", &hosts, "--key", &key, "--known-hosts", &known, "--ssh-user", "root"];
        args.map(str::to_owned).to_vec()
    }
}

fn script(verb: &str, directory: &Path) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/ssh-machines");
    let output = Command::new(script).arg(verb).arg(directory).output().map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn five_machines_behind_sshd_are_broken_and_judged() {
    let _alone = alone();
    let store = TempDir::new().expect("there is a temporary directory");
    let machines = match Machines::up(store.path()) {
        Ok(machines) => machines,
        Err(why) => return skip("five_machines_behind_sshd_are_broken_and_judged", &why),
    };
    let there = machines.args();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let args =
        ["test", "raft", "--on", "ssh", "--time-limit", "20s", "--nemesis-interval", "1200ms", "--seed", "3"];
    let kinds = "partition,kill,kill:terminate,crash:lost,crash:torn,pause,packets,clock,disk";
    let kinds = ["--nemesis", kinds];
    let ended = run(&[&args[..], &kinds, &there].concat(), &store.path().join("runs"));
    let faults = ["cut", "kill", "terminate", "crash", "pause", "impair", "skew", "sicken"];
    judged(&ended, &store.path().join("runs"), &faults);
    both_power_cuts(&store.path().join("runs"));
    let doctor = run(&[&["doctor", "--on", "ssh"][..], &there].concat(), store.path());
    assert!(doctor.code == Some(0) && doctor.out.contains("m5         packets    can"), "{}", doctor.said());
    assert!(doctor.out.contains("members    cannot  needs spare hosts"), "{}", doctor.said());
    let cleaned = run(&[&["clean"][..], &there].concat(), store.path());
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.said());
}

#[test]
fn hosts_that_stand_by_join_and_members_leave() {
    let _alone = alone();
    let store = TempDir::new().expect("there is a temporary directory");
    let machines = match Machines::up(store.path()) {
        Ok(machines) => machines,
        Err(why) => return skip("hosts_that_stand_by_join_and_members_leave", &why),
    };
    let there = [vec!["--on".to_owned(), "ssh".to_owned()], machines.args()].concat();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let doctor = run(&[&["doctor", "--nodes", "3"][..], &there].concat(), store.path());
    assert!(doctor.code == Some(0) && doctor.out.contains("m5         members    can"), "{}", doctor.said());
    come_and_go(&there, store.path());

    let none = run(&[&["test", "raft", "--nemesis", "members"][..], &there].concat(), store.path());
    assert!(none.code == Some(254) && none.err.contains("needs spare hosts"), "{}", none.said());
    let many = run(&[&["test", "raft", "--nodes", "6"][..], &there].concat(), store.path());
    assert!(many.code == Some(254) && many.err.contains("6 need as many hosts, not 5"), "{}", many.said());
}

/// One node forgets what it learned, one finds its log cut off, one finds a bit of it flipped.
const DAMAGES: &str = r#"[
    ["2s", {"damage": {"of": {"these": [2]}, "damage": {"rollback": {"after_ms": 300}}}}],
    ["4s", {"damage": {"of": {"these": [3]}, "damage": {"truncate": {"permille": 20}}}}],
    ["6s", {"damage": {"of": {"these": [4]}, "damage": {"flip_bit": {"file": "wal"}}}}],
    ["8s", {"repair": "damage"}]
]"#;

#[test]
fn data_on_other_machines_is_damaged_and_put_back() {
    let _alone = alone();
    let store = TempDir::new().expect("there is a temporary directory");
    let machines = match Machines::up(store.path()) {
        Ok(machines) => machines,
        Err(why) => return skip("data_on_other_machines_is_damaged_and_put_back", &why),
    };
    let plan = store.path().join("damages.json");
    fs::write(&plan, DAMAGES).expect("the store is ours");
    let there = machines.args();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let args = ["test", "raft", "--on", "ssh", "--time-limit", "10s", "--seed", "6", "--plan"];
    let plan = [plan.to_str().expect("temporary paths are text")];
    let ended = run(&[&args[..], &plan, &there].concat(), store.path());
    // Nobody promises to survive that, but with one node damaged at a time it usually does.
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.said());
    let made = installed(store.path(), "damage");
    let [forgot, cut, flipped] = made.as_slice() else { panic!("{made:?}\n{}", ended.said()) };
    assert!(forgot.contains("300 ms before it was killed") && forgot.contains("serves"), "{forgot}");
    assert!(cut.contains("wal is") && cut.contains("are gone") && cut.contains("serves"), "{cut}");
    assert!(flipped.contains("of wal is flipped"), "{flipped}");
    // Hardly ever the bit is in the last of all entries, which looks like a torn end and is cut.
    let repaired = installed(store.path(), "repair");
    let back = repaired.iter().any(|line| line.contains("n4 has its data back") && line.contains("serves"));
    assert!(back || flipped.contains("serves"), "{flipped}\n{repaired:?}");
}
