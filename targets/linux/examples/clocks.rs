//! A program that asks for the time, for the tests of `clock`.
//!
//! `clocks tell` answers each line of its input with what its clocks show, in nanoseconds.
//! `clocks hammer` asks as often as it can, in threads that come and go and are interrupted by signals, until its
//! input ends; it fails if a monotonic clock ever shows less than it did to anyone before.

#![expect(unsafe_code, reason = "clock_gettime(2), gettimeofday(2), time(2), sigaction(2), tgkill(2)")]

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("tell") => tell(),
        Some("hammer") => hammer(),
        other => eprintln!("tell or hammer, not {other:?}"),
    }
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills `time`.
    assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
    assert!((0..1_000_000_000).contains(&time.tv_nsec));
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn tell() {
    for line in std::io::stdin().lock().lines() {
        line.expect("stdin is a pipe");
        let mut day = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: the kernel fills `day`; no timezone is asked for.
        assert_eq!(unsafe { libc::gettimeofday(&raw mut day, std::ptr::null_mut()) }, 0);
        // SAFETY: the result is not stored anywhere.
        let seconds = unsafe { libc::time(std::ptr::null_mut()) };
        let mut words = [0, 5, 11, 1, 4, 6, 7].map(read).to_vec();
        words.extend([day.tv_sec * 1_000_000_000 + day.tv_usec * 1000, seconds * 1_000_000_000]);
        let words: Vec<String> = words.iter().map(i64::to_string).collect();
        println!("{}", words.join(" "));
        std::io::stdout().flush().expect("stdout is a pipe");
    }
}

static OVER: AtomicBool = AtomicBool::new(false);
static READS: AtomicU64 = AtomicU64::new(0);
static SIGNALS: AtomicU64 = AtomicU64::new(0);
/// The most that each clock ever showed.
static SHOWN: [AtomicI64; 8] = [const { AtomicI64::new(0) }; 8];

fn check(clock: libc::clockid_t) {
    let shown = &SHOWN[usize::try_from(clock).expect("a small number")];
    let before = shown.load(Ordering::SeqCst);
    let now = read(clock);
    if now < before {
        eprintln!("clock {clock} went back by {} ns", before - now);
        std::process::abort();
    }
    shown.fetch_max(now, Ordering::SeqCst);
}

extern "C" fn interrupted(_signal: libc::c_int) {
    check(libc::CLOCK_MONOTONIC);
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn ask() {
    while !OVER.load(Ordering::Relaxed) {
        for clock in [1, 1, 1, 4, 6, 7] {
            check(clock);
        }
        read(libc::CLOCK_REALTIME);
        READS.fetch_add(7, Ordering::Relaxed);
    }
}

fn hammer() {
    // SAFETY: the handler does nothing but read a clock and count, which a handler may; the action is zero but
    // for it, which is a valid one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupted as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut());
    }
    let begun = Instant::now();
    let mut threads: Vec<_> = (0..4).map(|_| thread::spawn(ask)).collect();
    threads.push(thread::spawn(|| {
        while !OVER.load(Ordering::Relaxed) {
            thread::spawn(|| (0..50).for_each(|_| check(libc::CLOCK_MONOTONIC))).join().expect("no panic");
            // SAFETY: a signal to ourselves, for which there is a handler.
            unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
        }
    }));
    std::io::stdin().lock().lines().for_each(drop);
    OVER.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let (reads, signals) = (READS.load(Ordering::Relaxed), SIGNALS.load(Ordering::Relaxed));
    println!("fine {reads} {signals} {}", begun.elapsed().as_nanos());
}
