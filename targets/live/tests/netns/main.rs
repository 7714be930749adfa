//! Real clusters of toys, each node a machine of its own. Run as root they are tried twice: as root, and as an
//! ordinary user.
//!
//! A user namespace can only be entered before there is a second thread, so this runs its tests itself, one after
//! the other. Where there can be no namespaces every test is skipped by name, loudly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../toy/mod.rs"]
mod toy;
mod trials;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, ExitCode};
use tempfile::TempDir;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("every_node_is_a_machine_of_its_own_and_nothing_is_left", trials::machines_of_their_own),
    ("a_cluster_that_is_dropped_in_the_middle_leaves_nothing_behind", trials::dropped),
    ("nothing_survives_a_controller_that_is_killed", trials::killed_controller),
    ("a_cut_swallows_frames_and_a_mended_link_carries_them", trials::cut_and_mend),
    ("an_impairment_is_believed_when_frames_met_it", trials::impaired),
    ("who_is_killed_refuses_until_it_is_started_again", trials::killed),
    ("who_is_paused_stands_still_with_everyone_it_started", trials::paused),
    ("a_death_that_nobody_ordered_is_told", trials::death),
    ("a_cluster_that_cannot_start_says_why_and_leaves_nothing_behind", trials::cannot_start),
];

/// Set for the copy that runs as an ordinary user.
const ORDINARY: &str = "TRIBUNAL_TEST_ORDINARY";
/// Set for the copy that waits to be killed: its directory.
const VICTIM: &str = "TRIBUNAL_TEST_VICTIM";

fn main() -> ExitCode {
    let able = linux::net::become_root_of_own_namespace().and_then(|()| tribunal_live::netns_ability());
    if let Some(directory) = std::env::var_os(VICTIM) {
        trials::wait_to_be_killed(Path::new(&directory));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let tests = TESTS.iter().filter(|(name, _)| wanted.iter().all(|wanted| name.contains(wanted)));
    let (user, mut failed) = (nix::unistd::geteuid(), Vec::new());
    for (name, test) in tests {
        match &able {
            // In CI nothing may be skipped.
            Err(why) if std::env::var_os("CI").is_some() => {
                println!("{name}: {why}");
                failed.push(name);
            }
            Err(why) => println!("skipped: {name}: {why}"),
            Ok(()) if catch_unwind(test).is_ok() => println!("test {name} (user {user}) ... ok"),
            Ok(()) => failed.push(name),
        }
    }
    for name in &failed {
        println!("test {name} (user {user}) ... FAILED");
    }
    let others = user.is_root() && std::env::var_os(ORDINARY).is_none() && !run_as_ordinary_user(&wanted);
    if failed.is_empty() && !others { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a copy of this program and of the toy, which that user can read, as a user who is nobody; whether all
/// went well.
fn run_as_ordinary_user(wanted: &[String]) -> bool {
    const NOBODY: u32 = 65534;
    let place = TempDir::new().unwrap();
    let copy = |from: &Path, directory: &str| {
        let directory = place.path().join(directory);
        fs::create_dir(&directory).unwrap();
        let to = directory.join(from.file_name().unwrap_or(OsStr::new("program")));
        fs::copy(from, &to).unwrap();
        to
    };
    copy(&toy::toy(), "examples");
    let program = copy(&std::env::current_exe().unwrap(), "deps");
    std::os::unix::fs::chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(program);
    command.args(wanted).env(ORDINARY, "1").uid(NOBODY).gid(NOBODY).current_dir("/");
    command.status().unwrap().success()
}
