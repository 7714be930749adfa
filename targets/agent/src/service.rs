//! The agent's life: orders in, words out, and the lease.

use crate::AgentArgs;
use crate::errand::Errands;
use crate::words::{Hello, Order, VERSION, Word};
use nix::unistd::getppid;
use std::fs::File;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often the agent looks at its node and its lease.
const GLANCE: Duration = Duration::from_millis(50);

/// Serves until the controller hangs up or its lease runs out; nothing is broken and nothing runs afterwards.
///
/// # Errors
/// If another agent is at work on this machine, or something could not be repaired.
pub fn serve(args: &AgentArgs) -> Result<(), String> {
    let home = args.home.clone().ok_or("--home is missing")?;
    // Held until the end of the process, by whatever it ends.
    let _held = args.lock.as_deref().map(hold).transpose()?;
    let mut errands = Errands::new(home, &args.spare)?;
    let (orders, words) = (hear(), speak());
    let hello = Hello {
        version: VERSION,
        pid: std::process::id(),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        root: nix::unistd::geteuid().is_root(),
    };
    let spoken = words.send(Word::Hello(hello)).is_ok();
    let lease = Lease { guard: args.under, silence: Duration::from_secs(args.lease) };
    let why = if spoken { live(&mut errands, &orders, &words, &lease) } else { "" };
    let repaired = errands.repair();
    if !why.is_empty() {
        // Nobody may listen any more; the log of the machine's sshd may.
        let _unheard = writeln!(std::io::stderr(), "tribunal agent: {why}: healed, killed and ended");
    }
    repaired
}

/// What an agent needs to go on.
struct Lease {
    /// Who removes what it leaves if it is killed.
    guard: Option<i32>,
    /// How long the controller may be silent.
    silence: Duration,
}

/// Why it ended; empty if it was told to.
fn live(
    errands: &mut Errands,
    orders: &Receiver<Result<Order, String>>,
    words: &Sender<Word>,
    lease: &Lease,
) -> &'static str {
    let mut heard = Instant::now();
    loop {
        match orders.recv_timeout(GLANCE) {
            Ok(order) => {
                heard = Instant::now();
                // What cannot be understood has no number; nobody waits for the answer to it.
                let (id, answer) = match order {
                    Ok(Order { id, request }) => (id, errands.run(request)),
                    Err(why) => (0, Err(why)),
                };
                if words.send(Word::Answer { id, answer }).is_err() {
                    return "the controller does not listen";
                }
            }
            Err(RecvTimeoutError::Disconnected) => return "",
            Err(RecvTimeoutError::Timeout) if heard.elapsed() > lease.silence => {
                return "the controller is silent";
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if lease.guard.is_some_and(|guard| getppid().as_raw() != guard) {
            return "its guard is gone";
        }
        for end in errands.ends() {
            if words.send(Word::Ended(end)).is_err() {
                return "the controller does not listen";
            }
        }
    }
}

/// Reads orders in a thread of its own, which ends with the standard input.
fn hear() -> Receiver<Result<Order, String>> {
    let (tell, orders) = mpsc::channel();
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            let order = serde_json::from_str(&line).map_err(|why| format!("{line:?} is no order: {why}"));
            if tell.send(order).is_err() {
                break;
            }
        }
    });
    orders
}

/// Writes words in a thread of its own: a controller that does not read must not keep the lease from running out.
fn speak() -> Sender<Word> {
    let (words, said) = mpsc::channel::<Word>();
    thread::spawn(move || {
        for word in said {
            let line = serde_json::to_string(&word).unwrap_or_default();
            if writeln!(stdout(), "{line}").and_then(|()| stdout().flush()).is_err() {
                break;
            }
        }
    });
    words
}

/// Holds a file as long as what comes back is there.
///
/// # Errors
/// If somebody else holds it.
pub fn hold(path: &std::path::Path) -> Result<File, String> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.map_err(|why| format!("cannot open {}: {why}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(format!(
            "another agent holds {}: another run uses this machine, or one that was killed is being repaired \
             (it takes at most 10 s)",
            path.display()
        )),
    }
}
