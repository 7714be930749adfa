//! `tribunal bench`.

use crate::machine::{processes_with, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn bench(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(["bench", "checkers", "--quick"]).args(args);
    let output: Output = command.output().expect("the program was built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_row_is_measured_and_told_to_people_and_programs() {
    let (code, out, err) = bench(&["--filter", "862", "--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let [machine, row] = &lines[..] else { panic!("{out}") };
    assert!(machine["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{machine}");
    let measured = &row["measured"];
    assert_eq!((&measured["events"], &measured["verdict"]), (&Value::from(1730), &Value::from("invalid")));
    assert!(measured["whole"]["memory"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{row}");

    let (code, out, err) = bench(&["--filter", "862"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("register: 862") && out.contains("1 rows, 0 with a wrong verdict"), "{out}");
    let (code, _, err) = bench(&["--filter", "frob"]);
    assert_eq!(code, Some(254), "{err}");
}

#[test]
fn a_bench_that_is_asked_to_end_leaves_nothing() {
    let place = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
    command.args(["bench", "checkers", "--filter", "register: 88k"]).env("TMPDIR", place.path());
    let mut bench =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program was built");
    let measuring = || processes_with(place.path(), " --measure ").len();
    wait_until("something is measured", 120, || measuring() > 0);
    kill(Pid::from_raw(bench.id() as i32), Signal::SIGTERM).expect("it is our child");
    assert_eq!(bench.wait().expect("it is our child").code(), Some(143));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "something is left");
    wait_until("nothing is measured any more", 20, || measuring() == 0);
}

#[test]
fn a_protocol_is_measured_and_the_numbers_are_the_same_twice() {
    let bench = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribunal"));
        command.args(["bench", "protocols", "--filter", "raft", "--json"]);
        let output: Output = command.output().expect("the program was built");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let mut row: Value = serde_json::from_slice(&output.stdout).expect("one object");
        // This one is of the machine.
        assert!(row["storm"]["virtual_per_second"].take().as_f64().is_some_and(|rate| rate > 1.0), "{row}");
        row
    };
    let row = bench();
    assert!(row["peace"]["ok_per_second"].as_f64().is_some_and(|rate| rate > 100.0), "{row}");
    assert!(row["storm"]["ok_percent"].as_f64().is_some_and(|part| (10.0..100.0).contains(&part)), "{row}");
    assert_eq!(row["storm"]["verdict"], "valid");
    assert_eq!(row, bench());
}
