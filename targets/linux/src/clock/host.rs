//! The machine's own clocks. They are read, never set.
#![expect(unsafe_code, reason = "clock_gettime(2)")]

/// What a clock shows, in nanoseconds; zero for a clock that this kernel lacks.
pub fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec of ours, which the kernel fills. On failure it stays zero.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
