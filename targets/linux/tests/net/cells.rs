//! Processes in machines of their own.

use crate::VICTIM;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tribunal_linux::net::{Cell, Lab, Namespace};

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a script to its end in a machine of its own.
fn run(script: &str) -> ExitStatus {
    let (network, command) = (Namespace::create().unwrap(), shell(script));
    thread::spawn(move || Cell::start(command, "n7", &network).unwrap().wait().unwrap()).join().unwrap()
}

/// Processes whose command line says this.
fn running(what: &str) -> usize {
    let says = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).split('\0').any(|word| word == what)
    };
    fs::read_dir("/proc").unwrap().flatten().filter(says).count()
}

fn soon(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "this should not take long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub fn a_machine_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let lab = Lab::build(1, 7).unwrap();
    let script = "cat /proc/sys/kernel/hostname; echo $$; ls -d /proc/[0-9]* | wc -l; grep -c eth0 /proc/net/dev; \
                  cat /proc/1/comm; grep CapEff /proc/self/status; id -u";
    let mut command = shell(script);
    command.stdout(fs::File::create(&out).unwrap());
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    thread::scope(|scope| {
        let network = &lab.machines()[0].network;
        scope.spawn(move || assert!(Cell::start(command, "n7", network).unwrap().wait().unwrap().success()));
    });
    let said = fs::read_to_string(&out).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!((said[0], said[1], said[3], said[4]), ("n7", "2", "1", "first"), "{said:?}");
    assert!(said[2].parse::<usize>().unwrap() <= 5, "it sees only its own processes: {said:?}");
    assert_eq!(said[6], crate::user().to_string());
    if crate::user() != 0 {
        assert!(said[5].ends_with("0000000000000000"), "an ordinary user's node has no rights: {said:?}");
    }
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), here);
}

pub fn ends() {
    assert_eq!(run("exit 7").code(), Some(7));
    assert_eq!(run("kill -SEGV $$").signal(), Some(11));
    assert_eq!(run("kill -KILL $$").signal(), Some(9));
    // Orphans end with it.
    assert_eq!(run("sleep 97531 & exit 0").code(), Some(0));
    soon("orphans", || running("97531") == 0);
    let network = Namespace::create().unwrap();
    let missing = || Cell::start(Command::new("/no/such/program"), "n7", &network).map(|_| ());
    let error = thread::scope(|scope| scope.spawn(missing).join()).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

pub fn kill() {
    let (tell, first) = mpsc::channel();
    let cell = thread::spawn(move || {
        let network = Namespace::create().unwrap();
        let script = "setsid sleep 97532 & sleep 97532 & sleep 97532";
        let mut cell = Cell::start(shell(script), "n7", &network).unwrap();
        tell.send(cell.id()).unwrap();
        cell.wait().unwrap()
    });
    soon("three sleepers", || running("97532") == 3);
    let first = first.recv().unwrap().to_string();
    assert!(Command::new("/bin/kill").args(["-KILL", &first]).status().unwrap().success());
    assert_eq!(cell.join().unwrap().signal(), Some(9));
    assert_eq!(running("97532"), 0, "all are gone before it can be reaped");
}

pub fn thread() {
    let start = || {
        let network = Namespace::create().unwrap();
        let cell = Cell::start(shell("sleep 97533; exit"), "n7", &network).unwrap();
        soon("a sleeper", || running("97533") == 1);
        cell
    };
    let mut cell = thread::spawn(start).join().unwrap();
    assert_eq!(cell.wait().unwrap().signal(), Some(9));
    assert_eq!(running("97533"), 0);
}

pub fn controller() {
    let place = tempfile::tempdir().unwrap();
    let mut controller = Command::new(std::env::current_exe().unwrap());
    let mut controller = controller.env(VICTIM, place.path()).spawn().unwrap();
    soon("it is up", || place.path().join("up").exists());
    assert_eq!(running("97534"), 3);
    controller.kill().unwrap();
    controller.wait().unwrap();
    soon("nobody is left", || running("97534") == 0);
}

/// What the test before starts and kills.
pub fn wait_to_be_killed(directory: &Path) {
    let mut lab = Lab::build(3, 7).unwrap();
    let pairs = lab.pairs();
    lab.cut(&pairs).unwrap();
    thread::scope(|scope| {
        for machine in lab.machines() {
            scope.spawn(|| {
                Cell::start(shell("exec setsid sleep 97534"), "n7", &machine.network).unwrap().wait()
            });
        }
        soon("three sleepers", || running("97534") == 3);
        fs::write(directory.join("up"), "").unwrap();
        thread::sleep(Duration::from_secs(60));
    });
}
