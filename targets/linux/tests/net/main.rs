//! Real networks of real machines. Run as root they are tried twice: as root, and as an ordinary user.
//!
//! A user namespace can only be entered before there is a second thread, so this runs its tests itself, one after
//! the other. Where there can be no namespaces every test is skipped by name, loudly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod cells;
mod cuts;
mod gates;
mod impairments;
mod wires;

use std::fs;
use std::os::unix::process::CommandExt;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, ExitCode};
use tribunal_linux::net;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("a_cut_is_exact_in_every_direction_and_in_both_protocols", cuts::a_cut_is_exact),
    ("a_cut_counts_what_it_swallows_for_each_link", cuts::a_cut_counts),
    ("the_hub_reaches_everyone_whatever_is_cut", cuts::the_hub_reaches_everyone),
    ("a_table_lists_as_ours_and_goes_with_its_owner", cuts::a_table_goes),
    ("nothing_is_made_outside_and_nothing_is_left", cuts::nothing_is_left),
    ("a_gate_keeps_out_whom_it_should_in_both_protocols", gates::a_gate_keeps_out),
    ("a_gate_lists_as_ours_and_goes_with_its_owner", gates::a_gate_goes),
    ("a_gate_delays_what_comes_in_and_nothing_else", gates::a_gate_delays),
    ("a_gate_loses_repeats_reorders_and_corrupts_as_counted", gates::a_gate_throws_dice),
    ("a_gate_holds_until_it_is_left_alone_or_cut_or_gone", gates::a_gate_holds_and_cuts),
    ("a_stream_survives_a_bad_gate", gates::a_gate_spares_streams),
    ("delays_are_at_least_what_was_asked_for", impairments::delays),
    ("loss_and_duplication_are_counted_exactly", impairments::loss_and_duplication),
    ("overtaking_changes_the_order_and_nothing_else", impairments::overtaking),
    ("corruption_is_caught_by_checksums", impairments::corruption),
    ("a_rate_limit_makes_bulk_slow", impairments::rate),
    ("what_is_held_arrives_when_the_link_is_left_alone", impairments::hold),
    ("cuts_and_impairments_do_not_heal_one_another", impairments::cut_and_impaired),
    ("a_cell_is_a_machine_of_its_own", cells::a_machine_of_its_own),
    ("a_cell_ends_as_its_program_does", cells::ends),
    ("who_kills_the_first_kills_all", cells::kill),
    ("a_cell_does_not_outlive_its_thread", cells::thread),
    ("nothing_outlives_a_killed_controller", cells::controller),
];

/// Set for the copy that runs as an ordinary user.
const ORDINARY: &str = "TRIBUNAL_TEST_ORDINARY";
/// Set for the copy that waits to be killed: its directory.
const VICTIM: &str = "TRIBUNAL_TEST_VICTIM";

fn main() -> ExitCode {
    let able = net::become_root_of_own_namespace().and_then(|()| net::can());
    if let Some(directory) = std::env::var_os(VICTIM) {
        cells::wait_to_be_killed(Path::new(&directory));
        return ExitCode::FAILURE;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let tests = TESTS.iter().filter(|(name, _)| wanted.iter().all(|wanted| name.contains(wanted)));
    let (user, mut failed) = (format!("user {}", user()), Vec::new());
    for (name, test) in tests {
        match &able {
            // In CI nothing may be skipped.
            Err(why) if std::env::var_os("CI").is_some() => {
                println!("{name}: {why}");
                failed.push(name);
            }
            Err(why) => println!("skipped: {name}: {why}"),
            Ok(()) if catch_unwind(test).is_ok() => println!("test {name} ({user}) ... ok"),
            Ok(()) => failed.push(name),
        }
    }
    for name in &failed {
        println!("test {name} ({user}) ... FAILED");
    }
    let others = user == "user 0" && std::env::var_os(ORDINARY).is_none() && !run_as_ordinary_user(&wanted);
    if failed.is_empty() && !others { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn user() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    uid.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Runs a copy of this program, which that user can read, as a user who is nobody; whether all went well.
fn run_as_ordinary_user(wanted: &[String]) -> bool {
    const NOBODY: u32 = 65534;
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("net");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::os::unix::fs::chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(copy);
    command.args(wanted).env(ORDINARY, "1").uid(NOBODY).gid(NOBODY).current_dir("/");
    command.status().unwrap().success()
}
