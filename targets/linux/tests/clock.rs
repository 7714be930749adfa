//! Bending the clocks of real processes: of `examples/clocks.rs`, which `cargo test` builds, and of programs that we
//! did not build.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tribunal_linux::clock::{ClockError, Jump, Restored, Shift, Skew, Turn, can};

const SECOND: i64 = 1_000_000_000;
/// The coarse clocks move in steps of at most this.
const TICK: i64 = SECOND / 99;
/// How exactly a child's clock is compared with ours, when its answer comes late on a busy machine.
const CLOSE: i64 = SECOND / 2;

fn example() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let example = here.parent().and_then(Path::parent).unwrap().join("examples/clocks");
    assert!(example.exists(), "{} is missing: run `cargo test -p tribunal-linux`", example.display());
    example
}

/// A program that answers each line of input with what its clocks show. Dropping it kills it.
struct Teller {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Teller {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// What the program's clocks show, and how far that is from ours: between `least` and `most`, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    least: i64,
    most: i64,
}

impl Ahead {
    /// Whether it is so far ahead, as far as can be told.
    fn is(self, ahead: i64) -> bool {
        self.is_within(ahead, ahead)
    }

    fn is_within(self, least: i64, most: i64) -> bool {
        self.least <= most && least <= self.most && self.most - self.least < CLOSE
    }
}

/// A clock of ours that no skew of any kind touches, and that we compare with.
fn wall() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn uptime() -> i64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, hundredths) = text.split_once(' ').unwrap().0.split_once('.').unwrap();
    seconds.parse::<i64>().unwrap() * SECOND + hundredths.parse::<i64>().unwrap() * SECOND / 100
}

impl Teller {
    fn start(program: &str, args: &[&str]) -> Teller {
        let mut command = Command::new(program);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Teller { child, input, output }
    }

    fn new() -> Teller {
        let mut teller = Teller::start(example().to_str().unwrap(), &["tell"]);
        teller.ask();
        teller
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self) -> Vec<i64> {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        self.line().split_whitespace().map(|word| word.parse::<f64>().unwrap() as i64).collect()
    }

    /// What it shows, word by word.
    fn exactly(&mut self) -> [i64; 9] {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        let words: Vec<i64> = self.line().split_whitespace().map(|word| word.parse().unwrap()).collect();
        words.try_into().unwrap()
    }

    /// How far each of its wall clocks is ahead of ours.
    fn wall(&mut self) -> [Ahead; 3] {
        let before = wall();
        let shown = self.exactly();
        let after = wall();
        [0, 2, 7].map(|i| Ahead { least: shown[i] - after - 1000, most: shown[i] - before + 1000 })
    }

    /// How far its monotonic clocks have moved since `earlier`, and how far the true one has.
    fn moved(&mut self, earlier: (Instant, [i64; 9])) -> (Duration, [i64; 4]) {
        let shown = self.exactly();
        (earlier.0.elapsed(), [3, 4, 5, 6].map(|i| shown[i] - earlier.1[i]))
    }
}

fn by(jump: i64) -> Turn {
    Turn { jump: Jump::By(jump), ..Turn::STEADY }
}

fn rate(rate_ppm: u32) -> Turn {
    Turn { rate_ppm, ..Turn::STEADY }
}

/// Whether this machine can do it at all; says so if not.
fn able() -> bool {
    let able = can();
    if let Err(why) = &able {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {why}");
        println!("skipped: {why}");
    }
    able.is_ok()
}

/// Fails unless the machine's own clocks have moved on together since.
struct Host(i64, Instant, i64);

impl Host {
    fn look() -> Host {
        Host(wall(), Instant::now(), uptime())
    }

    fn must_be_untouched(&self) {
        let (wall, monotonic) = (wall() - self.0, self.1.elapsed().as_nanos() as i64);
        let up = uptime() - self.2;
        assert!((wall - monotonic).abs() < SECOND / 20, "our wall clock moved {wall}, not {monotonic}");
        assert!((up - monotonic).abs() < SECOND / 2, "we are up for {up} longer, not {monotonic}");
    }
}

#[test]
fn a_wall_clock_jumps_and_the_machines_own_does_not() {
    if !able() {
        return;
    }
    let (host, mut teller) = (Host::look(), Teller::new());
    let mut skew = Skew::attach(teller.pid()).unwrap();
    println!("stopped for {:?}", skew.stopped_for());
    assert!(teller.wall().iter().all(|ahead| ahead.is(0)), "{:?}", teller.wall());
    for (jump, expected) in [(5, 5), (-10, -5), (5, 0), (-3_000_000_000, -3_000_000_000)] {
        let before = (Instant::now(), teller.exactly());
        skew.turn(by(jump * SECOND), Turn::STEADY).unwrap();
        // TAI is ahead of the time of day by whole seconds on some machines; gettimeofday cuts to microseconds.
        let [realtime, _, day] = teller.wall();
        assert!(realtime.is(expected * SECOND), "{realtime:?}");
        assert!(day.is(expected * SECOND), "{day:?}");
        let shown = teller.exactly();
        assert!(
            (shown[0] - shown[1]).abs() < CLOSE && (shown[0] - shown[8]).abs() < SECOND + CLOSE,
            "{shown:?}"
        );
        let (truly, monotonic) = teller.moved(before);
        assert!(monotonic.iter().all(|moved| (0..=truly.as_nanos() as i64 + TICK).contains(moved)));
        let stands = skew.reading().unwrap();
        assert_eq!(stands.wall, Shift { ahead_ns: expected * SECOND, rate_ppm: 1_000_000 });
        assert_eq!(stands.monotonic, Shift { ahead_ns: 0, rate_ppm: 1_000_000 });
        if expected.abs() > 1000 {
            skew.turn(Turn::TRUE, Turn::STEADY).unwrap();
        }
    }
    skew.turn(by(5 * SECOND), Turn::STEADY).unwrap();
    assert_eq!(skew.restore().unwrap(), Restored::Wholly);
    assert!(teller.wall()[0].is(0) && teller.wall()[2].is(0));
    assert!(matches!(skew.turn(Turn::TRUE, Turn::TRUE), Err(ClockError::Gone { .. })), "it is restored");
    host.must_be_untouched();
}

#[test]
fn clocks_run_fast_and_slow_without_a_jump() {
    if !able() {
        return;
    }
    let (host, mut teller) = (Host::look(), Teller::new());
    let skew = Skew::attach(teller.pid()).unwrap();
    for (ppm, factor) in [(1_200_000, 1.2), (500_000, 0.5), (0, 0.0), (1_000_000, 1.0)] {
        let ahead = skew.reading().unwrap().wall.ahead_ns;
        skew.turn(rate(ppm), rate(ppm)).unwrap();
        let now = teller.wall()[0];
        assert!(now.is_within(ahead - CLOSE, ahead + CLOSE), "{now:?} was {ahead}");
        let asked = Instant::now();
        let before = (Instant::now(), teller.exactly());
        let asking = asked.elapsed().as_nanos() as f64;
        sleep(Duration::from_millis(400));
        let (truly, moved) = teller.moved(before);
        let (most, least) = (truly.as_nanos() as f64, 4e8);
        for (clock, moved) in [1, 4, 6, 7].into_iter().zip(moved) {
            // A coarse clock may be a tick late at both ends.
            let tick = if clock == 6 { TICK as f64 } else { 1e4 };
            let fits = factor * least - tick <= moved as f64 && moved as f64 <= factor * most + tick;
            assert!(fits, "clock {clock} at {factor}: {moved} of {least} to {most} (asking took {asking})");
        }
    }
    let stands = skew.reading().unwrap();
    assert_eq!((stands.wall.rate_ppm, stands.monotonic.rate_ppm), (1_000_000, 1_000_000));
    assert!(stands.monotonic.ahead_ns < 0, "it lost more than it gained: {stands:?}");
    host.must_be_untouched();
}

#[test]
fn a_monotonic_clock_that_is_ahead_stays_ahead() {
    if !able() {
        return;
    }
    let mut teller = Teller::new();
    let before = (Instant::now(), teller.exactly());
    let mut skew = Skew::attach(teller.pid()).unwrap();
    assert!(matches!(skew.turn(Turn::STEADY, by(-1)), Err(ClockError::Nonsense(_))));
    skew.turn(Turn::STEADY, by(5 * SECOND)).unwrap();
    let (truly, moved) = teller.moved(before);
    assert!(
        moved
            .iter()
            .all(|moved| (5 * SECOND - TICK..=5 * SECOND + truly.as_nanos() as i64 + TICK).contains(moved))
    );
    assert_eq!(skew.restore().unwrap(), Restored::Ahead(5 * SECOND));
    drop(skew);
    let (_, later) = teller.moved(before);
    assert!(later.iter().zip(moved).all(|(later, moved)| *later >= moved), "{later:?} after {moved:?}");
    assert!(teller.wall()[0].is(0));
}

/// Its threads come and go, ask all the time, and are interrupted by signals whose handlers ask as well.
#[test]
fn a_hundred_changes_under_load_harm_nobody() {
    if !able() {
        return;
    }
    let mut hammer = Teller::start(example().to_str().unwrap(), &["hammer"]);
    let (mut changes, mut stopped) = (0, Duration::ZERO);
    for round in 0..15 {
        let mut skew = Skew::attach(hammer.pid()).unwrap();
        stopped = stopped.max(skew.stopped_for());
        for change in 0..10 {
            let wild = rate([2_000_000, 1_000_000, 1, 0, 50_000_000][(round + change) % 5]);
            skew.turn(by(if change % 2 == 0 { SECOND } else { -SECOND }), wild).unwrap();
            changes += 1;
        }
        // Sometimes left ahead, with the stub in place, for the next round to take over.
        let left = skew.restore().unwrap();
        assert!(left == Restored::Wholly || matches!(left, Restored::Ahead(1..)), "{left:?}");
    }
    drop(hammer.input.take());
    let fine = hammer.line();
    assert!(fine.starts_with("fine "), "{fine:?}");
    println!("{changes} changes, stopped for at most {stopped:?}: {fine}");
    assert!(hammer.child.wait().unwrap().success());
}

#[test]
fn restoring_under_load_harms_nobody() {
    if !able() {
        return;
    }
    let mut hammer = Teller::start(example().to_str().unwrap(), &["hammer"]);
    for _ in 0..50 {
        let mut skew = Skew::attach(hammer.pid()).unwrap();
        skew.turn(by(SECOND), rate(999_999)).unwrap();
        assert_eq!(skew.restore().unwrap(), Restored::Wholly);
    }
    drop(hammer.input.take());
    assert!(hammer.line().starts_with("fine "));
    assert!(hammer.child.wait().unwrap().success());
}

#[test]
fn whoever_comes_second_takes_over() {
    if !able() {
        return;
    }
    let mut teller = Teller::new();
    let first = Skew::attach(teller.pid()).unwrap();
    first.turn(by(7 * SECOND), Turn::STEADY).unwrap();
    // As if the controller had been killed.
    std::mem::forget(first);
    let mut second = Skew::attach(teller.pid()).unwrap();
    assert_eq!(second.reading().unwrap().wall.ahead_ns, 7 * SECOND);
    second.turn(by(SECOND), Turn::STEADY).unwrap();
    assert!(teller.wall()[0].is(8 * SECOND));
    assert_eq!(second.restore().unwrap(), Restored::Wholly);
    assert!(teller.wall()[0].is(0));
}

#[test]
fn who_is_dropped_is_restored() {
    if !able() {
        return;
    }
    let mut teller = Teller::new();
    let skew = Skew::attach(teller.pid()).unwrap();
    skew.turn(by(7 * SECOND), Turn::STEADY).unwrap();
    drop(skew);
    assert!(teller.wall()[0].is(0));
    assert_eq!(Skew::attach(teller.pid()).unwrap().reading().unwrap().wall.ahead_ns, 0);
}

fn state(pid: i32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

fn soon(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "this should not take long");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_stopped_process_stays_stopped_and_wakes_with_another_clock() {
    if !able() {
        return;
    }
    let mut teller = Teller::new();
    let pid = teller.pid();
    signal(pid, "STOP");
    soon(|| state(pid) == 'T');
    let mut skew = Skew::attach(pid).unwrap();
    soon(|| state(pid) == 'T');
    skew.turn(by(5 * SECOND), Turn::STEADY).unwrap();
    sleep(Duration::from_millis(50));
    assert_eq!(state(pid), 'T');
    signal(pid, "CONT");
    assert!(teller.wall()[0].is(5 * SECOND));
    signal(pid, "STOP");
    soon(|| state(pid) == 'T');
    assert_eq!(skew.restore().unwrap(), Restored::Wholly);
    soon(|| state(pid) == 'T');
    signal(pid, "CONT");
    assert!(teller.wall()[0].is(0));
}

#[test]
fn who_dies_meanwhile_is_gone_and_its_end_is_still_told() {
    if !able() {
        return;
    }
    for delay in 0..200 {
        let mut hammer = Teller::start(example().to_str().unwrap(), &["hammer"]);
        let pid = hammer.pid();
        let killer = std::thread::spawn(move || {
            sleep(Duration::from_micros(100 * (delay % 20)));
            signal(pid, "KILL");
        });
        let mut gone = None;
        while gone.is_none() {
            let bent = Skew::attach(pid).and_then(|mut skew| {
                skew.turn(by(SECOND), Turn::STEADY)?;
                skew.restore()
            });
            gone = bent.err();
        }
        assert!(matches!(gone, Some(ClockError::Gone { .. })), "{gone:?}");
        killer.join().unwrap();
        let end = hammer.child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end), Some(9));
    }
    assert!(matches!(Skew::attach(i32::MAX), Err(ClockError::Gone { .. })));
}

#[test]
fn who_may_not_be_traced_is_refused_with_advice() {
    if !able() {
        return;
    }
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(Skew::attach(own).unwrap_err().to_string().contains("cannot trace itself"));
    // A kernel thread has no vDSO, and root may trace none either.
    let error = Skew::attach(2).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("2 may not be traced") || error.contains("process 2 is gone"), "{error}");
}

/// Skips what is not installed.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {program}");
        println!("skipped: {program} is not installed");
    }
    there
}

/// Answers with the time of day, in seconds, on which the program's own functions agree.
fn a_foreign_program_is_bent(program: &str, script: &[&str]) {
    if !able() || !installed(program) {
        return;
    }
    let mut teller = Teller::start(program, script);
    let shown = |teller: &mut Teller| teller.ask().iter().map(|s| s - wall() / SECOND).collect::<Vec<_>>();
    let near = |shown: &[i64], to: i64| shown.iter().all(|ahead| (ahead - to).abs() <= 2);
    let truly = shown(&mut teller);
    assert!(near(&truly, 0), "{truly:?}");
    let mut skew = Skew::attach(teller.pid()).unwrap();
    for (jump, expected) in [(500, 500), (-800, -300)] {
        skew.turn(by(jump * SECOND), Turn::STEADY).unwrap();
        let shown = shown(&mut teller);
        assert!(near(&shown, expected), "{program} at {expected}: {shown:?}");
    }
    assert_eq!(skew.restore().unwrap(), Restored::Wholly);
    let shown = shown(&mut teller);
    assert!(near(&shown, 0), "{program} restored: {shown:?}");
}

#[test]
fn python_is_bent() {
    let script = "import sys, time, datetime
for line in sys.stdin: print(time.time(), datetime.datetime.now().timestamp(), flush=True)";
    a_foreign_program_is_bent("python3", &["-c", script]);
}

#[test]
fn perl_is_bent() {
    let script = "use Time::HiRes; $| = 1; while (<STDIN>) { print time, ' ', Time::HiRes::time, \"\\n\" }";
    a_foreign_program_is_bent("perl", &["-e", script]);
}

/// The child is forked by a process that is bent already, and sees what becomes of its parent's clock later.
#[test]
fn a_child_forked_later_is_bent_with_its_parent() {
    if !able() || !installed("perl") {
        return;
    }
    let script = "$| = 1; <STDIN>; print \"0\\n\"; <STDIN>; \
                  if (fork == 0) { while (1) { print time, \"\\n\"; last if not defined <STDIN> } } else { wait }";
    let mut teller = Teller::start("perl", &["-e", script]);
    teller.ask();
    let mut skew = Skew::attach(teller.pid()).unwrap();
    skew.turn(by(500 * SECOND), Turn::STEADY).unwrap();
    let ahead = |teller: &mut Teller| teller.ask()[0] - wall() / SECOND;
    assert!((499..=501).contains(&ahead(&mut teller)));
    skew.turn(by(500 * SECOND), Turn::STEADY).unwrap();
    assert!((999..=1001).contains(&ahead(&mut teller)));
    skew.restore().unwrap();
    assert!((-1..=1).contains(&ahead(&mut teller)));
    drop(teller.input.take());
    teller.child.wait().unwrap();
}
