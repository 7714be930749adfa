//! Every model that `tribunal check --model` knows, through the command line: what it lets pass, and what it does not.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Model and further arguments; a history that is fine, and one that is not, in the compact notation.
const HISTORIES: &[(&str, &str, &str)] = &[
    ("register", "A:w1; B:r1", "A:w1; B:rnil"),
    ("list-append", "A:[ax1]; B:[rx1]", "A:[ax1]; B:[rx]"),
    ("list-append --expect serializable", "A:[ax1]; B:[rx]", "A:[ax1]!; B:[rx1]"),
    ("rw-register", "A:[wx1]; B:[rx=1]", "A:[wx1]; B:[rx=nil]"),
    ("list", "A:appx1; B:rx{1}", "A:appx1; B:rx{}"),
    ("text", "A:wx1; A:appx2; B:rx{1,2}", "A:wx1; A:appx2; B:rx{2}"),
    ("lock", "A:acqx; A:relx; B:acqx; B:relx", "A:acqx; B:acqx"),
    ("leases", "A:acqx for 100; A:relx; B:acqx for 100", "A:acqx for 100; B:acqx for 100"),
    ("guarded", "A:guardx1@3; B:guardx2@4; A:rx2", "A:guardx1@3; B:guardx2@2"),
    ("fifo-queue", "A:enqx1; A:enqx2; B:deqx1; B:deqx2", "A:enqx1; A:enqx2; B:deqx2; B:deqx1"),
    ("stack", "A:enqx1; A:enqx2; B:deqx2; B:deqx1", "A:enqx1; A:enqx2; B:deqx1; B:deqx2"),
    ("priority-queue", "A:enqx2; A:enqx1; B:deqx2; B:deqx1", "A:enqx2; A:enqx1; B:deqx1; B:deqx2"),
    ("exact-set", "A:addx1; B:hasx1 yes; A:remx1; B:rx{}", "A:addx1; B:hasx1 no"),
    ("exact-counter", "A:incx; B:countx1", "A:incx; B:countx2"),
    ("sequential", "A:wx1; B:rxnil; B:rx1", "A:wx1; A:rxnil"),
    ("sessions", "A:wx1; B:rxnil; A:rx1", "A:wx1; A:rxnil"),
    ("staleness", "A:wx1; B:rx1", "A:wx1; A:wx2; B:rx1"),
    ("staleness --expect 2-atomic", "A:wx1; A:wx2; B:rx1", "A:wx1; A:wx2; A:wx3; B:rx1"),
    ("set", "A:addx1; B:rx{1}", "A:addx1; B:rx{}"),
    ("set-full", "A:addx1; B:rx{1}", "A:addx1; B:rx{1}; B:rx{}"),
    ("counter", "A:incx; B:countx1", "A:incx; B:countx5"),
    ("queue", "A:enqx1; B:deqx1", "A:enqx1; B:deqx2"),
    ("unique-ids", "A:idx7; B:idx8", "A:idx7; B:idx7"),
    ("bank", "A:balances{x:5,y:5}; A:balances{x:4,y:6}", "A:balances{x:5,y:5}; A:balances{x:5,y:6}"),
    ("log", "A:[sx=1@0]; B:[poll{x@0:1}]", "A:[sx=1@0]; B:[poll{x@0:2}]"),
    ("watch", "A:wx8; B:watchx@0{1:8}", "A:wx8; B:watchx@0{1:8,1:8}"),
    ("election", "A:leader n1@1; B:leader n2@2", "A:leader n1@1; B:leader n2@1"),
    (
        "long-fork",
        "A:[wx1]; B:[wy1]; C:[rx=1 ry=nil]; D:[rx=1 ry=1]",
        "A:[wx1]; B:[wy1]; C:[rx=1 ry=nil]; D:[rx=nil ry=1]",
    ),
    ("conditional-insert", "A:cas x(nil,1); B:cas x(nil,2)!", "A:cas x(nil,1); B:cas x(nil,2)"),
    ("insert-order", "A:addx1; B:addx2; C:rx{1}", "A:addx1; B:addx2; C:rx{2}"),
    ("insert-order --expect session", "A:addx1; B:addx2; C:rx{2}", "A:addx1; A:addx2; C:rx{2}"),
    ("monotonic", "A:addx1; A:addx2; B:watchx@0{10:1,20:2}", "A:addx1; A:addx2; B:watchx@0{10:2,20:1}"),
    ("torn-commit", "A:[wx1 wy1]; B:[rx=1 ry=1]", "A:[wx1 wy1][0,?]; B:[rx=1 ry=nil][2,3]"),
];

fn check(directory: &TempDir, args: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_tribunal");
    let output =
        Command::new(program).arg("check").args(args.split(' ')).current_dir(directory.path()).output();
    let output = output.expect("the program was built");
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn every_model_lets_pass_what_is_fine_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for (model, fine, wrong) in HISTORIES {
        reached.insert(model.split(' ').next().unwrap());
        for (history, code) in [(fine, 0), (wrong, 1)] {
            fs::write(directory.path().join("h.txt"), history).unwrap();
            let (ended, told) = check(&directory, &format!("h.txt --format compact --model {model}"));
            assert_eq!(ended, Some(code), "{model}: {history}: {told}");
        }
    }
    // These judge something else, or never accuse anybody; see below.
    reached.extend(["atomicity", "log-pattern", "stats", "errors"]);
    let known: BTreeSet<&str> = checkers::catalog::MODELS.iter().map(|entry| entry.name).collect();
    assert_eq!(reached, known);
    let list = Command::new(env!("CARGO_BIN_EXE_tribunal")).args(["list", "models"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(known.iter().all(|name| list.contains(&format!("  {name} "))), "{list}");
}

#[test]
fn who_only_counts_says_so_if_there_is_nothing_to_count() {
    let directory = TempDir::new().unwrap();
    for (model, history, code, what) in [
        ("stats", "A:w1; A:w2!; A:r1", 0, "3 calls"),
        ("stats", "A:w1; A:r1!", 2, "no call succeeded of: read"),
        ("errors", "A:w1", 0, "1 calls, no error"),
        ("errors", "(empty)", 2, "nobody called"),
    ] {
        fs::write(directory.path().join("h.txt"), history).unwrap();
        let (ended, told) = check(&directory, &format!("h.txt --format compact --model {model}"));
        assert!(ended == Some(code) && told.contains(what), "{model}: {history}: {told}");
    }
}

#[test]
fn commits_are_judged_by_what_nodes_wrote_down() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("h.txt", "A:[wx7][0,1]");
    let voted = "{\"node\":1,\"txn\":7,\"step\":{\"began\":[2,3]}}\n{\"node\":2,\"txn\":7,\"step\":\"voted_yes\"}\n\
                 {\"node\":3,\"txn\":7,\"step\":\"voted_yes\",\"time\":5000}\n{\"node\":1,\"txn\":7,\"step\":{\"heard_yes\":2}}\n\
                 {\"node\":1,\"txn\":7,\"step\":{\"heard_yes\":3}}\n{\"node\":1,\"txn\":7,\"step\":\"committed\"}\n\n\
                 {\"node\":2,\"txn\":7,\"step\":\"committed\"}\n";
    for (records, code, what) in [
        (
            format!("{voted}{{\"node\":3,\"txn\":7,\"step\":\"committed\"}}"),
            0,
            "1 committed, each everywhere",
        ),
        (format!("{voted}{{\"node\":3,\"txn\":7,\"step\":\"aborted\"}}"), 1, "AC1"),
        (String::new(), 2, "no transaction was seen to commit"),
        (format!("{voted}{{\"node\":3}}"), 254, "records.jsonl: line 9 is garbled: missing field `txn`"),
    ] {
        write("records.jsonl", &records);
        let (ended, told) =
            check(&directory, "h.txt --format compact --model atomicity --records records.jsonl");
        assert!(ended == Some(code) && told.contains(what), "{records}: {told}");
    }
    let (ended, told) = check(&directory, "h.txt --format compact --model atomicity --records gone");
    assert!(ended == Some(254) && told.contains("gone"), "{told}");
}

#[test]
fn logs_are_judged_alone_or_as_those_of_a_run() {
    let directory = TempDir::new().unwrap();
    for (node, log) in [("n1", "started\nlistening"), ("n2", "started\nthread 'x' panicked at y\n")] {
        fs::create_dir_all(directory.path().join("nodes").join(node)).unwrap();
        fs::write(directory.path().join("nodes").join(node).join("node.log"), log).unwrap();
    }
    fs::write(directory.path().join("empty.log"), "").unwrap();
    fs::create_dir_all(directory.path().join("run/nodes/n3")).unwrap();
    for (args, code, what) in [
        ("nodes/n1/node.log", 0, "none of 2 lines of 1 logs matches"),
        (".", 1, "Line 2 of the log of n2"),
        ("nodes/n1/node.log --pattern (?i)LISTEN\\w+", 1, "Line 2 of the log of n1"),
        (". --pattern (", 254, "is no pattern"),
        ("empty.log", 2, "the logs are empty"),
        ("run", 2, "the log of n3 is missing"),
        ("nodes", 254, "read the logs of nodes"),
        (". --memory-budget 20", 254, "do not fit in --memory-budget"),
    ] {
        let (ended, told) = check(&directory, &format!("{args} --model log-pattern"));
        assert!(ended == Some(code) && told.contains(what), "{args}: {ended:?} {told}");
    }
}
