//! Limits on real processes. Where control groups may not be made, each test says so.

use super::hierarchy::{Controller, Hierarchy};
use super::*;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CPU: Limit = Limit::Cpu { permille: 50 };

/// A name that no other process uses.
fn name(what: &str) -> String {
    format!("tribunal-test-{}-{what}", std::process::id())
}

fn skipped(test: &str, limit: Limit) -> bool {
    let Err(why) = can(&name(&format!("{test}-probe")), limit) else { return false };
    assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
    println!("skipped: {test}: {why}");
    true
}

fn shell(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).stdout(Stdio::null()).stdin(Stdio::piped()).spawn().unwrap()
}

fn soon(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "this should not take long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How much processor time a process has had, in hundredths of a second.
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn ended(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_gets_little_of_a_processor_is_throttled_until_it_is_free_again() {
    if skipped("cpu", CPU) {
        return;
    }
    let busy = shell("while :; do :; done");
    let squeeze = Squeeze::ours(&name("cpu"), &[busy.id()], CPU).unwrap();
    soon(|| squeeze.reading().unwrap().throttled >= 3);
    let (before, begin) = (ticks(&busy), Instant::now());
    std::thread::sleep(Duration::from_millis(1000));
    let share = (ticks(&busy) - before) as f64 / begin.elapsed().as_secs_f64() / 100.0;
    assert!(share < 0.15, "5 % was granted, {share} taken");
    squeeze.release().unwrap();
    let before = ticks(&busy);
    // However crowded the machine is, it gets more than before.
    soon(|| ticks(&busy) - before > 20);
    ended(busy);
    assert_eq!(find(&name("cpu")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn who_wants_more_memory_than_there_is_meets_the_limit_and_is_killed() {
    let limit = Limit::Memory { spare: 4 << 20 };
    if skipped("memory", limit) {
        return;
    }
    // It begins when it is told to: by then it is in the group.
    let mut greedy = shell("read go; head -c 64000000 /dev/zero | exec tail -c 64000000");
    let squeeze = Squeeze::ours(&name("memory"), &[greedy.id()], limit).unwrap();
    assert_eq!(squeeze.reading().unwrap().failures, 0);
    drop(greedy.stdin.take());
    soon(|| squeeze.reading().unwrap().failures > 0);
    let end = greedy.wait().unwrap();
    let reading = squeeze.reading().unwrap();
    assert!(reading.usage <= reading.most && reading.most < 64 << 20, "{reading:?}");
    assert!(end.code() == Some(137) || end.signal() == Some(9), "{end}");
    squeeze.release().unwrap();
}

#[test]
fn who_is_frozen_stands_still_in_either_version() {
    if skipped("freeze", Limit::Freeze) {
        return;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut hierarchies = vec![Hierarchy::with(Controller::Freezer).unwrap()];
    // Beside one of version 1 there is often an almost empty one of version 2, which can at least freeze.
    let only: Vec<&str> = mounts.lines().filter(|line| line.contains(" - cgroup2 ")).collect();
    hierarchies.extend(super::hierarchy::choose(&only.join("\n"), Controller::Freezer, |_| false));
    for hierarchy in hierarchies {
        let busy = shell("while :; do :; done");
        let squeeze = Squeeze::ours_in(&hierarchy, &name("freeze"), &[busy.id()], Limit::Freeze).unwrap();
        assert!(squeeze.reading().unwrap().frozen);
        let before = ticks(&busy);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(ticks(&busy), before);
        squeeze.release().unwrap();
        soon(|| ticks(&busy) > before);
        ended(busy);
    }
}

#[test]
fn a_group_that_is_somebody_elses_gets_back_what_it_had() {
    if skipped("theirs", CPU) {
        return;
    }
    let busy = shell("while :; do :; done");
    let theirs = Squeeze::ours(&name("theirs"), &[busy.id()], Limit::Cpu { permille: 900 }).unwrap();
    let (group, mut noted) = (find(&name("theirs")).remove(0), None);
    let has = |group: &std::path::Path| {
        let files = ["cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|file| group.join(file));
        files.map(|file| fs::read_to_string(file).unwrap_or_default())
    };
    let had = has(&group);
    let refused =
        Squeeze::theirs(busy.id(), CPU, |_| Err(CgroupError::new("note it", std::io::Error::other("full"))));
    assert!(refused.unwrap_err().to_string().contains("cannot note it") && has(&group) == had);
    let squeeze = Squeeze::theirs(busy.id(), CPU, |before| {
        assert_eq!(has(&group), had, "it is noted before");
        noted = Some(before.clone());
        Ok(())
    });
    let squeeze = squeeze.unwrap();
    soon(|| squeeze.reading().unwrap().throttled > 0);
    assert_ne!(has(&group), had);
    // By whoever knows only what was noted.
    noted.unwrap().restore().unwrap();
    assert_eq!(has(&group), had);
    squeeze.release().unwrap();
    assert_eq!(has(&group), had);
    let before = ticks(&busy);
    soon(|| ticks(&busy) - before > 20);
    theirs.release().unwrap();
    let alone = Squeeze::theirs(busy.id(), CPU, |_| Ok(())).unwrap_err().to_string();
    assert!(alone.contains("no control group of its own"), "{alone}");
    ended(busy);
}

#[test]
fn what_a_dead_process_left_is_found_and_dissolved_even_if_it_is_frozen() {
    if skipped("left", Limit::Freeze) {
        return;
    }
    let busy = shell("while :; do :; done");
    let squeeze = Squeeze::ours(&name("left"), &[busy.id()], Limit::Freeze).unwrap();
    std::mem::forget(squeeze);
    let left = find(&name("left"));
    assert_eq!(left.len(), 1, "{left:?}");
    let before = ticks(&busy);
    thaw(busy.id()).unwrap();
    soon(|| ticks(&busy) > before);
    fs::write(
        left[0].join(if left[0].join("freezer.state").exists() { "freezer.state" } else { "cgroup.freeze" }),
        if left[0].join("freezer.state").exists() { "FROZEN" } else { "1" },
    )
    .unwrap();
    dissolve(&left[0]).unwrap();
    assert_eq!(find(&name("left")), Vec::<std::path::PathBuf>::new());
    let before = ticks(&busy);
    soon(|| ticks(&busy) > before);
    ended(busy);
}
