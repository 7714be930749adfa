//! Impaired links. What arrives is compared with what was counted, and with the clock only where it must be.

use crate::wires::{SOON, Wires};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tribunal_linux::net::{Counts, Pair, Policy};

const THERE: Pair = (0, 1);
const BACK: Pair = (1, 0);

fn impaired(policy: Policy) -> Wires {
    let mut wires = Wires::new(3);
    wires.lab.impair(&[THERE], policy).unwrap();
    wires
}

fn counts(wires: &mut Wires) -> Counts {
    wires.lab.counts(&[THERE]).unwrap()[0]
}

pub fn delays() {
    let (delay, jitter) = (Duration::from_millis(40), Duration::from_millis(20));
    let mut wires = impaired(Policy { delay, jitter, ..Policy::default() });
    let mut took = Vec::new();
    for number in 0..20 {
        let sent = Instant::now();
        wires.send(THERE, number);
        assert_eq!(wires.receive(1, 1, Duration::from_secs(5)), [number]);
        took.push(sent.elapsed());
    }
    took.sort();
    assert!(took[0] >= delay, "{took:?}");
    assert!(took[10] < Duration::from_millis(150), "half of them should not be very late: {took:?}");
    let delayed = counts(&mut wires).delayed;
    assert!((20..30).contains(&delayed), "{delayed}");

    // The other direction is not impaired, nor are others. A busy machine may make some of them wait, not all.
    for pair in [BACK, (0, 2), (2, 1)] {
        let exchange = || {
            let sent = Instant::now();
            wires.send(pair, 9);
            assert_eq!(wires.receive(pair.1, 1, SOON), [9]);
            sent.elapsed()
        };
        let took: Vec<Duration> = (0..10).map(|_| exchange()).collect();
        assert!(took.iter().min() < Some(&delay), "{pair:?}: {took:?}");
    }
    wires.lab.impair(&[THERE], Policy::default()).unwrap();
    wires.send(THERE, 8);
    assert_eq!(wires.receive(1, 1, SOON), [8]);
    assert_eq!(counts(&mut wires).delayed, delayed, "all is over");
}

pub fn loss_and_duplication() {
    let mut wires = impaired(Policy { loss: 0.3, duplicate: 0.2, ..Policy::default() });
    let arrived = wires.send_many(THERE, 2000);
    let distinct = arrived.iter().collect::<BTreeSet<_>>().len() as u64;
    let Counts { met, lost, duplicated, .. } = counts(&mut wires);
    // A card may ask for another now and then, and that frame can be lost or repeated as well.
    let asked = met - 2000;
    assert!(asked < 10, "{asked}");
    assert!((500..=700).contains(&lost), "{lost} of 2000 at 30 %");
    assert!((200..=360).contains(&duplicated), "{duplicated} of 1400 at 20 %");
    assert!((2000 - distinct).abs_diff(lost) <= asked, "{distinct} distinct, {lost} lost");
    assert!((arrived.len() as u64 - distinct).abs_diff(duplicated) <= asked, "{duplicated} repeated");
}

pub fn overtaking() {
    let mut wires = impaired(Policy { reorder: 0.2, ..Policy::default() });
    let arrived = wires.send_many(THERE, 1000);
    let late = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
    let reordered = counts(&mut wires).reordered;
    assert!((100..=250).contains(&reordered), "{reordered} of 1000 at 20 %");
    assert!(late.abs_diff(reordered) <= 5, "{late} seen, {reordered} counted");
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 1000, "nothing is lost or repeated");
}

pub fn corruption() {
    let mut wires = impaired(Policy { corrupt: 0.2, ..Policy::default() });
    let arrived = wires.send_many(THERE, 1000).len() as u64;
    let corrupted = counts(&mut wires).corrupted;
    assert!((120..=280).contains(&corrupted), "{corrupted} of 1000 at 20 %");
    assert!((1000 - arrived).abs_diff(corrupted) <= 5, "{arrived} arrived, {corrupted} corrupted");
}

pub fn rate() {
    let mut wires = impaired(Policy { bytes_per_second: 10_000, ..Policy::default() });
    let begin = Instant::now();
    // Each is 46 bytes long as a frame: 14 of Ethernet, 20 of IP, 8 of UDP and the number.
    (0..100).for_each(|number| wires.send(THERE, number));
    assert_eq!(wires.receive(1, 100, Duration::from_secs(5)), (0..100).collect::<Vec<u32>>());
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(440), "4600 bytes at 10,000 a second took {took:?}");
    assert!(counts(&mut wires).delayed >= 99);
}

pub fn hold() {
    let mut wires = impaired(Policy { hold: true, ..Policy::default() });
    assert_eq!(wires.send_many(THERE, 20), []);
    let held = counts(&mut wires).held;
    assert!((20..25).contains(&held), "{held}");
    wires.lab.impair(&[THERE], Policy::default()).unwrap();
    assert_eq!(wires.receive(1, 20, SOON), (0..20).collect::<Vec<u32>>());
}

pub fn cut_and_impaired() {
    let mut wires = impaired(Policy { delay: Duration::from_millis(5), ..Policy::default() });
    let (all, pairs) = (wires.lab.pairs(), [THERE, BACK]);
    let rest: Vec<Pair> = all.iter().copied().filter(|pair| !pairs.contains(pair)).collect();
    wires.lab.cut(&pairs).unwrap();
    assert_eq!(wires.reached(), rest);
    wires.lab.impair(&pairs, Policy { duplicate: 0.1, ..Policy::default() }).unwrap();
    assert_eq!(wires.reached(), rest, "a cut link that is impaired as well is still cut");
    wires.lab.impair(&pairs, Policy::default()).unwrap();
    assert_eq!(wires.reached(), rest, "and it stays so when it is left alone");
    wires.lab.impair(&[THERE], Policy { delay: Duration::from_millis(30), ..Policy::default() }).unwrap();
    wires.lab.mend(&pairs).unwrap();
    let sent = Instant::now();
    wires.send(THERE, 1);
    assert_eq!(wires.receive(1, 1, Duration::from_secs(5)), [1]);
    assert!(sent.elapsed() >= Duration::from_millis(30), "mending the cut does not end the delay");
}
