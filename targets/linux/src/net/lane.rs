//! The frames on their way over one impaired link. No waiting and no clock here: time is an argument.

use super::policy::{Counts, Policy};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many frames may be on their way; more are lost, as in a switch that is full.
const ROOM: usize = 10_000;
/// How long a frame waits to be overtaken.
const OVERTAKING: Duration = Duration::from_millis(50);

/// What travels over a link.
pub trait Load: Sized {
    /// How long it is, in bytes.
    fn length(&self) -> usize;

    /// How many bytes at its beginning are never corrupted, or it would not arrive anywhere.
    fn spared(&self) -> usize;

    /// Flips bits of one byte.
    fn flip(&mut self, byte: usize, bits: u8);

    /// A second one, that arrives by itself.
    fn twin(&self) -> Self;
}

/// A frame, of which the Ethernet header is spared.
impl Load for Vec<u8> {
    fn length(&self) -> usize {
        self.len()
    }

    fn spared(&self) -> usize {
        14
    }

    fn flip(&mut self, byte: usize, bits: u8) {
        self[byte] ^= bits;
    }

    fn twin(&self) -> Vec<u8> {
        self.clone()
    }
}

/// The frames on their way over one impaired link, in the order in which they will arrive. One that is lost is dropped.
#[derive(Debug)]
pub struct Lane<L> {
    policy: Policy,
    cut: bool,
    queue: VecDeque<(Instant, L)>,
    /// Waits to be overtaken, and until when.
    aside: Option<(Instant, L)>,
    /// When the rate limit lets the next byte through.
    free: Option<Instant>,
    dice: Dice,
    /// What it did so far.
    pub counts: Counts,
}

impl<L: Load> Lane<L> {
    /// An empty lane; its dice begin at `seed`.
    pub fn new(policy: Policy, cut: bool, seed: u64) -> Lane<L> {
        let (queue, dice) = (VecDeque::new(), Dice::new(seed));
        Lane { policy, cut, queue, aside: None, free: None, dice, counts: Counts::default() }
    }

    /// Does something else from now on. What is on its way keeps its time, but for what was held, which comes.
    pub fn change(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Cuts it, or mends it. What is on its way over a cable that is cut is lost.
    pub fn cut(&mut self, cut: bool) {
        self.cut = cut;
        if cut {
            self.queue.clear();
            self.aside = None;
        }
    }

    /// A frame comes. On a cut link the kernel counts it.
    pub fn admit(&mut self, now: Instant, mut frame: L) {
        if self.cut {
            return;
        }
        self.counts.met += 1;
        if self.dice.fall(self.policy.loss) || self.queue.len() >= ROOM {
            self.counts.lost += 1;
            return;
        }
        let (due, spared) = (self.due(now, frame.length()), frame.spared());
        if self.dice.fall(self.policy.corrupt) && frame.length() > spared {
            self.counts.corrupted += 1;
            let bit = self.dice.below((frame.length() - spared) as u64 * 8) as usize;
            frame.flip(spared + bit / 8, 1 << (bit % 8));
        }
        let twice = self.dice.fall(self.policy.duplicate);
        if self.aside.is_none() && self.dice.fall(self.policy.reorder) {
            self.aside = Some((due + OVERTAKING, frame));
            return;
        }
        if twice {
            self.counts.duplicated += 1;
            self.enqueue(due, frame.twin());
        }
        self.enqueue(due, frame);
        if let Some((_, overtaken)) = self.aside.take() {
            self.counts.reordered += 1;
            self.enqueue(due, overtaken);
        }
    }

    /// The next frame that arrives by now, if there is one.
    pub fn release(&mut self, now: Instant) -> Option<L> {
        if self.policy.hold {
            return None;
        }
        if let Some((due, frame)) = self.aside.take_if(|(due, _)| *due <= now) {
            self.enqueue(due, frame);
        }
        self.queue.front().filter(|(due, _)| *due <= now)?;
        self.counts.passed += 1;
        self.queue.pop_front().map(|(_, frame)| frame)
    }

    /// Everything that is on its way, at once.
    pub fn flush(&mut self) -> Vec<L> {
        let waiting = self.queue.drain(..).chain(self.aside.take());
        let frames: Vec<L> = waiting.map(|(_, frame)| frame).collect();
        self.counts.passed += frames.len() as u64;
        frames
    }

    /// When to ask [`Lane::release`] again, if nothing else happens until then.
    pub fn alarm(&self) -> Option<Instant> {
        let waiting = self.queue.front().into_iter().chain(&self.aside);
        waiting.map(|(due, _)| *due).min().filter(|_| !self.policy.hold)
    }

    fn enqueue(&mut self, due: Instant, frame: L) {
        let last = self.queue.back().map_or(due, |(last, _)| *last);
        self.queue.push_back((due.max(last), frame));
    }

    fn due(&mut self, now: Instant, length: usize) -> Instant {
        let jitter = u64::try_from(self.policy.jitter.as_nanos()).unwrap_or(u64::MAX - 1);
        let mut due = now + self.policy.delay + Duration::from_nanos(self.dice.below(jitter + 1));
        if self.policy.bytes_per_second > 0 {
            let sending = Duration::from_secs_f64(length as f64 / self.policy.bytes_per_second as f64);
            due = due.max(self.free.unwrap_or(due)) + sending;
            self.free = Some(due);
        }
        if self.policy.hold {
            self.counts.held += 1;
        } else if due > now {
            self.counts.delayed += 1;
        }
        due
    }
}

/// Dice: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014). Frames come when they come, so nothing that depends
/// on them can be repeated exactly; but a seed should at least decide as much as it can.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    fn fall(&mut self, share: f64) -> bool {
        share > 0.0 && ((self.bits() >> 11) as f64 / (1u64 << 53) as f64) < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        lane: Lane<Vec<u8>>,
        begin: Instant,
    }

    impl Bench {
        fn new(policy: Policy) -> Bench {
            Bench { lane: Lane::new(policy, false, 7), begin: Instant::now() }
        }

        /// Frames of 100 bytes with their number at the end.
        fn admit(&mut self, millis: u64, frames: std::ops::Range<u8>) {
            for number in frames {
                let mut frame = [0; 100];
                frame[99] = number;
                self.lane.admit(self.begin + Duration::from_millis(millis), frame.to_vec());
            }
        }

        fn arrived(&mut self, millis: u64) -> Vec<u8> {
            let now = self.begin + Duration::from_millis(millis);
            std::iter::from_fn(|| self.lane.release(now)).map(|frame| frame[99]).collect()
        }
    }

    #[test]
    fn delay_and_jitter_keep_the_order() {
        let (delay, jitter) = (Duration::from_millis(100), Duration::from_millis(50));
        let mut bench = Bench::new(Policy { delay, jitter, ..Policy::default() });
        bench.admit(0, 0..50);
        assert_eq!(bench.arrived(99), []);
        assert!(bench.lane.alarm().unwrap() >= bench.begin + Duration::from_millis(100));
        assert!(!bench.arrived(125).is_empty(), "some come sooner than others");
        assert!(bench.arrived(150).is_sorted());
        assert_eq!((bench.lane.counts.delayed, bench.lane.counts.passed), (50, 50));
        assert_eq!(bench.lane.alarm(), None);
    }

    #[test]
    fn loss_duplication_and_corruption_follow_their_shares() {
        let policy = Policy { loss: 0.3, duplicate: 0.2, corrupt: 0.1, ..Policy::default() };
        let mut bench = Bench::new(policy);
        let mut arrived = 0;
        for _ in 0..100 {
            bench.admit(0, 0..100);
            arrived += bench.arrived(0).len() as u64;
        }
        let Counts { met, lost, duplicated, corrupted, passed, .. } = bench.lane.counts;
        assert_eq!((met, passed, arrived), (10_000, 10_000 - lost + duplicated, passed));
        assert!((2800..3200).contains(&lost), "{lost}");
        assert!((1200..1600).contains(&duplicated), "{duplicated}");
        assert!((550..850).contains(&corrupted), "{corrupted}");
    }

    #[test]
    fn one_bit_is_flipped_and_never_in_the_header() {
        let mut bench = Bench::new(Policy { corrupt: 1.0, ..Policy::default() });
        for _ in 0..500 {
            bench.lane.admit(bench.begin, vec![0; 20]);
            let frame = bench.lane.release(bench.begin).unwrap();
            assert_eq!(frame[..14], [0; 14]);
            assert_eq!(frame[14..].iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        }
        bench.lane.admit(bench.begin, vec![0; 14]);
        assert_eq!(bench.lane.counts.corrupted, 500, "there is nothing to corrupt in a bare header");
    }

    #[test]
    fn a_frame_is_overtaken_by_the_next_or_else_waits_in_vain() {
        let mut bench = Bench::new(Policy { reorder: 1.0, ..Policy::default() });
        bench.admit(0, 0..5);
        assert_eq!(bench.arrived(0), [1, 0, 3, 2]);
        assert_eq!(bench.arrived(60), [4], "nothing came that could overtake it");
        assert_eq!(bench.lane.counts.reordered, 2);
    }

    #[test]
    fn a_rate_limit_spreads_frames_over_time() {
        let mut bench = Bench::new(Policy { bytes_per_second: 10_000, ..Policy::default() });
        bench.admit(0, 0..10);
        assert_eq!(bench.arrived(55), [0, 1, 2, 3, 4]);
        assert_eq!(bench.arrived(100), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_is_held_comes_when_the_policy_changes_or_ends() {
        let mut bench = Bench::new(Policy { hold: true, ..Policy::default() });
        bench.admit(0, 0..3);
        assert_eq!(bench.arrived(60_000), []);
        assert_eq!(bench.lane.alarm(), None);
        assert_eq!(bench.lane.counts.held, 3);
        bench.lane.change(Policy::default());
        assert_eq!(bench.arrived(60_000), [0, 1, 2]);
        bench.lane.change(Policy { hold: true, ..Policy::default() });
        bench.admit(0, 3..5);
        assert_eq!(bench.lane.flush().len(), 2);
    }

    #[test]
    fn a_cut_loses_what_is_on_its_way() {
        let mut bench = Bench::new(Policy { hold: true, reorder: 0.5, ..Policy::default() });
        bench.admit(0, 0..9);
        bench.lane.cut(true);
        bench.admit(0, 9..12);
        bench.lane.cut(false);
        bench.lane.change(Policy::default());
        bench.admit(0, 12..13);
        assert_eq!(bench.arrived(0), [12]);
    }

    #[test]
    fn a_full_lane_loses_what_comes() {
        let mut bench = Bench::new(Policy { hold: true, ..Policy::default() });
        for _ in 0..101 {
            bench.admit(0, 0..100);
        }
        assert_eq!((bench.lane.counts.met, bench.lane.counts.lost), (10_100, 100));
    }
}
