//! The messages on their way over one connection, in one direction. No waiting here: time is an argument.
//!
//! Order is kept unless a message is chosen to be overtaken, whatever its delay. A cut link loses what comes
//! and what is on its way, as a cable does when it is pulled. Of a stream that we cannot cut into messages
//! nothing can be lost without garbling it; there a cut keeps the bytes back, and they arrive after the repair,
//! as TCP would send them again after a partition.

use crate::link::{Condition, Link, State};
use bytes::Bytes;
use cluster::Framing;
use history::Trouble;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many messages may be on their way; then the sender has to wait.
const ROOM: usize = 1 << 16;
/// How many pieces of a stream may be.
const ROOM_FOR_PIECES: usize = 64;
/// How long a message waits to be overtaken.
const OVERTAKING: Duration = Duration::from_millis(50);

/// The messages on their way, in the order in which they will arrive.
#[derive(Debug, Default)]
pub struct Lane {
    queue: VecDeque<(Instant, Bytes)>,
    /// Waits to be overtaken by the next one, and until when.
    aside: Option<(Instant, Bytes)>,
    /// When the rate limit lets the next byte through.
    free: Option<Instant>,
}

impl Lane {
    /// Whether another message may come.
    pub fn has_room(&self, link: &Link) -> bool {
        // What is kept back of a stream waits where it is, in the sender's socket.
        let limit = if link.framing() == Framing::Opaque { ROOM_FOR_PIECES } else { ROOM };
        self.queue.len() < limit
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.aside.is_none()
    }

    /// A message comes.
    pub fn admit(&mut self, now: Instant, message: Bytes, link: &Link) {
        let Condition { cut, trouble } = link.condition();
        let whole = link.framing() == Framing::LengthPrefixed;
        let mut state = link.state();
        if cut {
            if whole {
                state.counts.dropped += 1;
                return;
            }
            state.counts.held += 1;
        }
        if trouble == Trouble::default() {
            self.enqueue(now, message);
            return;
        }
        state.counts.met += 1;
        if whole && state.chance.permille(trouble.loss) {
            state.counts.lost += 1;
            return;
        }
        // A checksum would notice: whoever receives it would throw it away.
        if whole && state.chance.permille(trouble.corrupt) {
            state.counts.corrupted += 1;
            return;
        }
        let due = self.due(now, message.len(), &trouble, &mut state);
        let twice = whole && state.chance.permille(trouble.duplicate);
        if whole && self.aside.is_none() && state.chance.permille(trouble.reorder) {
            self.aside = Some((due + OVERTAKING, message));
            return;
        }
        if twice {
            state.counts.duplicated += 1;
            self.enqueue(due, message.clone());
        }
        self.enqueue(due, message);
        if let Some((_, overtaken)) = self.aside.take() {
            state.counts.reordered += 1;
            self.enqueue(due, overtaken);
        }
    }

    /// The next message that arrives by now, if there is one.
    pub fn release(&mut self, now: Instant, link: &Link) -> Option<Bytes> {
        let Condition { cut, trouble } = link.condition();
        let mut state = link.state();
        if cut && link.framing() == Framing::LengthPrefixed {
            state.counts.dropped += (self.queue.len() + usize::from(self.aside.is_some())) as u64;
            self.queue.clear();
            self.aside = None;
        }
        if cut || trouble.hold {
            return None;
        }
        let in_time = |due: Instant| due <= now || trouble == Trouble::default();
        if let Some((due, message)) = self.aside.take_if(|(due, _)| in_time(*due)) {
            self.enqueue(due, message);
        }
        self.queue.front().filter(|(due, _)| in_time(*due))?;
        let (_, message) = self.queue.pop_front()?;
        state.counts.passed += 1;
        state.counts.bytes += message.len() as u64;
        Some(message)
    }

    /// When to ask [`Lane::release`] again, if nothing else happens until then.
    pub fn alarm(&self, condition: Condition) -> Option<Instant> {
        if condition.cut || condition.trouble.hold {
            return None;
        }
        let waiting = self.queue.front().into_iter().chain(&self.aside);
        waiting.map(|(due, _)| *due).min()
    }

    fn enqueue(&mut self, due: Instant, message: Bytes) {
        let last = self.queue.back().map_or(due, |(last, _)| *last);
        self.queue.push_back((due.max(last), message));
    }

    fn due(&mut self, now: Instant, length: usize, trouble: &Trouble, state: &mut State) -> Instant {
        let jitter = state.chance.below(u64::from(trouble.jitter_ms) * 1000 + 1);
        let extra = Duration::from_millis(u64::from(trouble.delay_ms)) + Duration::from_micros(jitter);
        let mut due = now + extra;
        if trouble.bytes_per_second > 0 {
            let sending = Duration::from_secs_f64(length as f64 / f64::from(trouble.bytes_per_second));
            due = due.max(self.free.unwrap_or(due)) + sending;
            self.free = Some(due);
        }
        if trouble.hold {
            state.counts.held += 1;
        } else if due > now {
            state.counts.delayed += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Counts;
    use history::Chance;

    struct Bench {
        lane: Lane,
        link: Link,
        begin: Instant,
    }

    impl Bench {
        fn new(framing: Framing, trouble: Trouble) -> Bench {
            let link = Link::new(framing, Chance::new(1));
            link.change(|condition| condition.trouble = trouble);
            Bench { lane: Lane::default(), link, begin: Instant::now() }
        }

        fn admit(&mut self, millis: u64, messages: std::ops::Range<u8>) {
            for message in messages {
                let now = self.begin + Duration::from_millis(millis);
                self.lane.admit(now, Bytes::from(vec![message]), &self.link);
            }
        }

        fn arrived(&mut self, millis: u64) -> Vec<u8> {
            let now = self.begin + Duration::from_millis(millis);
            std::iter::from_fn(|| self.lane.release(now, &self.link)).map(|bytes| bytes[0]).collect()
        }

        fn counts(&self) -> Counts {
            self.link.counts()
        }
    }

    fn framed(trouble: Trouble) -> Bench {
        Bench::new(Framing::LengthPrefixed, trouble)
    }

    #[test]
    fn a_link_in_good_order_passes_everything_at_once() {
        let mut bench = framed(Trouble::default());
        bench.admit(0, 0..5);
        assert_eq!(bench.arrived(0), [0, 1, 2, 3, 4]);
        assert_eq!(bench.counts(), Counts { passed: 5, bytes: 5, ..Counts::default() });
    }

    #[test]
    fn delay_and_jitter_keep_the_order_and_are_over_after_the_repair() {
        let mut bench = framed(Trouble { delay_ms: 100, jitter_ms: 50, ..Trouble::default() });
        bench.admit(0, 0..50);
        assert!(bench.arrived(99).is_empty());
        let alarm = bench.lane.alarm(bench.link.condition()).unwrap();
        assert!(alarm > bench.begin + Duration::from_millis(99));
        assert_eq!(bench.arrived(150), (0..50).collect::<Vec<u8>>());
        assert_eq!(bench.counts().delayed, 50);
        bench.admit(200, 50..52);
        bench.link.change(|condition| condition.trouble = Trouble::default());
        bench.admit(201, 52..54);
        assert_eq!(bench.arrived(201), [50, 51, 52, 53]);
    }

    #[test]
    fn what_is_lost_is_counted_and_the_rest_arrives() {
        let mut bench = framed(Trouble { loss: 300, ..Trouble::default() });
        bench.admit(0, 0..200);
        let (arrived, counts) = (bench.arrived(0), bench.counts());
        assert_eq!((arrived.len() as u64 + counts.lost, counts.met), (200, 200));
        assert!((30..90).contains(&counts.lost), "{} of 200 lost at 30 %", counts.lost);
        assert!(arrived.is_sorted());
    }

    #[test]
    fn duplicates_arrive_twice() {
        let mut bench = framed(Trouble { duplicate: 1000, ..Trouble::default() });
        bench.admit(0, 0..3);
        assert_eq!(bench.arrived(0), [0, 0, 1, 1, 2, 2]);
        assert_eq!(bench.counts().duplicated, 3);
    }

    #[test]
    fn a_message_is_overtaken_by_the_next_or_else_waits_in_vain() {
        let mut bench = framed(Trouble { reorder: 1000, ..Trouble::default() });
        bench.admit(0, 0..5);
        assert_eq!(bench.arrived(0), [1, 0, 3, 2]);
        assert_eq!(bench.counts().reordered, 2);
        assert_eq!(bench.arrived(60), [4], "nothing came that could overtake it");
        assert_eq!(bench.counts().reordered, 2);
        assert!(bench.lane.is_empty());
    }

    #[test]
    fn a_rate_limit_spreads_messages_over_time() {
        let mut bench = framed(Trouble { bytes_per_second: 100, ..Trouble::default() });
        bench.admit(0, 0..10);
        assert_eq!(bench.arrived(55), [0, 1, 2, 3, 4]);
        assert_eq!(bench.arrived(100), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_is_held_arrives_after_the_repair() {
        let mut bench = framed(Trouble { hold: true, ..Trouble::default() });
        bench.admit(0, 0..3);
        assert!(bench.arrived(60_000).is_empty());
        assert_eq!(bench.lane.alarm(bench.link.condition()), None);
        bench.link.change(|condition| condition.trouble = Trouble::default());
        bench.admit(60_000, 3..4);
        assert_eq!(bench.arrived(60_000), [0, 1, 2, 3]);
        assert_eq!(bench.counts().held, 3);
    }

    #[test]
    fn a_cut_loses_what_comes_and_what_is_on_its_way() {
        let mut bench = framed(Trouble { delay_ms: 10, ..Trouble::default() });
        bench.admit(0, 0..2);
        bench.link.change(|condition| condition.cut = true);
        bench.admit(1, 2..5);
        assert!(bench.arrived(100).is_empty());
        bench.link.change(|condition| condition.cut = false);
        bench.admit(100, 5..6);
        assert_eq!(bench.arrived(110), [5]);
        assert_eq!(bench.counts().dropped, 5);
    }

    #[test]
    fn of_an_opaque_stream_nothing_is_ever_lost() {
        let trouble = Trouble { loss: 1000, duplicate: 1000, reorder: 1000, ..Trouble::default() };
        let mut bench = Bench::new(Framing::Opaque, trouble);
        bench.admit(0, 0..3);
        bench.link.change(|condition| condition.cut = true);
        bench.admit(0, 3..5);
        assert!(bench.arrived(0).is_empty());
        assert!(bench.lane.has_room(&bench.link));
        bench.admit(0, 5..66);
        assert!(!bench.lane.has_room(&bench.link), "the rest waits at the sender's");
        bench.link.change(|condition| condition.cut = false);
        assert_eq!(bench.arrived(0), (0..66).collect::<Vec<u8>>());
        assert_eq!((bench.counts().dropped, bench.counts().held), (0, 63));
    }
}
