//! Partitions inside a machine whose network is not ours to build.

use crate::wires::{SOON, Wires};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tribunal_linux::net::{Counts, Gate, Lab, Namespace, Policy};

/// How many of so many datagrams from one machine to this address of another arrive.
fn arriving(lab: &Lab, from: usize, to: (usize, IpAddr), sent: usize) -> usize {
    let inside = |place: usize, address: IpAddr| {
        let network: &Namespace = &lab.machines()[place].network;
        network.inside(|| UdpSocket::bind((address, 0)).unwrap()).unwrap()
    };
    let sender = if to.1.is_ipv4() { "0.0.0.0" } else { "::" };
    let (sender, receiver) = (inside(from, sender.parse().unwrap()), inside(to.0, to.1));
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..sent {
        sender.send_to(b"here I am", receiver.local_addr().unwrap()).unwrap();
    }
    (0..sent).take_while(|_| receiver.recv_from(&mut [0; 16]).is_ok()).count()
}

pub fn a_gate_keeps_out() {
    let lab = Lab::build(3, 7).unwrap();
    let mut gate = Gate::open(&lab.machines()[0].network, "tribunal-gate").unwrap();
    let addresses = |place: usize| lab.machines()[place].addresses().collect::<Vec<IpAddr>>();
    gate.listen_to(&addresses(1)).unwrap();
    gate.cut(&addresses(1)).unwrap();
    gate.cut(&addresses(1)).unwrap();
    for address in addresses(0) {
        let before = gate.dropped().unwrap();
        assert_eq!(arriving(&lab, 1, (0, address), 20), 0, "{address}");
        let dropped = gate.dropped().unwrap() - before;
        assert!((20..30).contains(&dropped), "{dropped} of 20 to {address}");
        assert_eq!(arriving(&lab, 2, (0, address), 20), 20, "nobody else is kept out");
    }
    for address in addresses(1) {
        assert_eq!(arriving(&lab, 0, (1, address), 20), 20, "the other way is open");
    }
    let during = gate.dropped().unwrap();
    gate.heal(&addresses(1)).unwrap();
    gate.heal(&addresses(2)).unwrap();
    assert!(gate.counts().unwrap().is_empty());
    let heard = gate.heard().unwrap();
    assert_eq!(heard.keys().copied().collect::<Vec<_>>(), addresses(1));
    assert!(heard.values().all(|count| *count == 0), "who is dropped is not heard: {heard:?}");
    for address in addresses(0) {
        assert_eq!(arriving(&lab, 1, (0, address), 20), 20);
    }
    let heard = gate.heard().unwrap();
    assert!(heard.values().all(|count| (20..30).contains(count)), "{heard:?}");
    assert_eq!(gate.dropped().unwrap(), during, "what was dropped stays on record");
}

pub fn a_gate_goes() {
    let network = Namespace::create().unwrap();
    let gate = Gate::open(&network, "tribunal-gate").unwrap();
    let again = Gate::open(&network, "tribunal-gate").unwrap_err().to_string();
    assert!(again.contains("tribunal-gate"), "{again}");
    let list = || {
        let listed = network.inside(|| Command::new("nft").args(["list", "ruleset"]).output()).unwrap();
        // Where there is no such program, or another program may not look, there is nothing to compare with.
        listed.ok().filter(|_| super::user() == 0).map(|output| String::from_utf8(output.stdout).unwrap())
    };
    if let Some(text) = list() {
        for words in ["table inet tribunal-gate", "type ipv4_addr", "ip saddr @cut4", "ip6 saddr @cut6"] {
            assert!(text.contains(words), "{text}");
        }
    }
    drop(gate);
    assert!(list().is_none_or(|text| text.is_empty()));
    Gate::open(&network, "tribunal-gate").unwrap();
}

/// A gate at the second of two machines, and what it does to what comes from the first.
struct Bench {
    wires: Wires,
    gate: Gate,
    first: Vec<IpAddr>,
}

impl Bench {
    fn new() -> Bench {
        let wires = Wires::new(2);
        let mut gate = Gate::open(&wires.lab.machines()[1].network, "tribunal-gate").unwrap();
        let first: Vec<IpAddr> = wires.lab.machines()[0].addresses().collect();
        gate.listen_to(&first).unwrap();
        Bench { wires, gate, first }
    }

    fn impair(&mut self, policy: Policy) {
        self.gate.impair(&self.first, policy, 7).unwrap();
    }

    /// What became of what came over IPv4.
    fn counts(&self) -> Counts {
        self.gate.carried().get(&self.first[0]).copied().unwrap_or_default()
    }
}

/// How long a byte takes to come back, over TCP: there it is delayed.
fn round_trip(lab: &Lab, to: IpAddr) -> Duration {
    let inside = |place: usize| -> &Namespace { &lab.machines()[place].network };
    let listener = inside(1).inside(|| TcpListener::bind((to, 0)).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut stream = inside(0).inside(|| TcpStream::connect(address).unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let sent = Instant::now();
    stream.write_all(&[1]).unwrap();
    peer.read_exact(&mut [0]).unwrap();
    peer.write_all(&[2]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    sent.elapsed()
}

pub fn a_gate_delays() {
    let mut bench = Bench::new();
    let delay = Duration::from_millis(30);
    bench.impair(Policy { delay, ..Policy::default() });
    for address in bench.wires.lab.machines()[1].addresses().collect::<Vec<_>>() {
        let mut took: Vec<Duration> = (0..5).map(|_| round_trip(&bench.wires.lab, address)).collect();
        took.sort();
        assert!(took[0] >= delay && took[2] < 3 * delay, "{address}: {took:?}");
    }
    let heard = bench.gate.heard().unwrap();
    let Counts { met, passed, delayed, .. } = bench.counts();
    assert!(met >= 10 && delayed == met && passed <= met, "{:?}", bench.counts());
    assert_eq!(heard[&bench.first[0]], passed, "what was let go is heard");
    bench.impair(Policy::default());
    assert!(round_trip(&bench.wires.lab, bench.wires.lab.machines()[1].four.into()) < delay);
    let after = bench.counts();
    assert!(after.met - met <= 5, "what was done stays on record, and no more is: {after:?}");
}

pub fn a_gate_throws_dice() {
    let mut bench = Bench::new();
    bench.impair(Policy { loss: 0.3, duplicate: 0.2, ..Policy::default() });
    let arrived = bench.wires.send_many((0, 1), 2000);
    let distinct = arrived.iter().collect::<BTreeSet<_>>().len() as u64;
    let Counts { met, lost, duplicated, .. } = bench.counts();
    assert_eq!(met, 2000, "only packets come here, and no frames");
    assert!((500..=700).contains(&lost) && distinct == 2000 - lost, "{distinct} distinct, {lost} lost");
    assert!((200..=360).contains(&duplicated), "{duplicated} of 1400 at 20 %");
    assert_eq!(arrived.len() as u64 - distinct, duplicated);

    bench.impair(Policy { reorder: 0.2, ..Policy::default() });
    let arrived = bench.wires.send_many((0, 1), 1000);
    let late = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
    let reordered = bench.counts().reordered;
    assert!((100..=250).contains(&reordered) && late.abs_diff(reordered) <= 1, "{reordered}, {late} seen");
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 1000, "nothing is lost or repeated");

    bench.impair(Policy { corrupt: 0.2, ..Policy::default() });
    let arrived = bench.wires.send_many((0, 1), 1000).len() as u64;
    let corrupted = bench.counts().corrupted;
    assert!((120..=280).contains(&corrupted), "{corrupted} of 1000 at 20 %");
    assert!((1000 - arrived).abs_diff(corrupted) <= 3, "{arrived} arrived, {corrupted} corrupted");

    bench.impair(Policy { duplicate: 1.0, ..Policy::default() });
    let six = bench.wires.lab.machines()[1].six.unwrap();
    assert_eq!(arriving(&bench.wires.lab, 0, (1, six.into()), 10), 10);
    let six = bench.gate.carried()[&bench.first[1]];
    let heard = bench.gate.heard().unwrap()[&bench.first[1]];
    assert!(six.duplicated >= 5 && heard >= 10, "{heard} were heard, {six:?}");
}

pub fn a_gate_holds_and_cuts() {
    let mut bench = Bench::new();
    bench.impair(Policy { hold: true, ..Policy::default() });
    assert_eq!(bench.wires.send_many((0, 1), 20), []);
    bench.impair(Policy::default());
    assert_eq!(bench.wires.receive(1, 20, SOON), (0..20).collect::<Vec<u32>>());
    bench.impair(Policy { hold: true, ..Policy::default() });
    assert_eq!(bench.wires.send_many((0, 1), 20), []);
    bench.gate.cut(&bench.first).unwrap();
    bench.impair(Policy::default());
    assert_eq!(bench.wires.send_many((0, 1), 5), [], "what was on its way is lost with the cut");
    bench.gate.heal(&bench.first).unwrap();
    assert_eq!(bench.wires.send_many((0, 1), 5), [0, 1, 2, 3, 4]);

    // The kernel forgets what waits, and lets in what comes, when the gate goes.
    bench.impair(Policy { hold: true, ..Policy::default() });
    bench.wires.send((0, 1), 6);
    let Bench { wires, gate, .. } = bench;
    drop(gate);
    let arrived = wires.send_many((0, 1), 5);
    assert!(arrived.ends_with(&[0, 1, 2, 3, 4]), "{arrived:?}");
}

pub fn a_gate_spares_streams() {
    let mut bench = Bench::new();
    let delay = Duration::from_millis(2);
    bench.impair(Policy { delay, loss: 0.01, duplicate: 0.02, reorder: 0.01, ..Policy::default() });
    let inside = |place: usize| -> &Namespace { &bench.wires.lab.machines()[place].network };
    let four = bench.wires.lab.machines()[1].four;
    let listener = inside(1).inside(|| TcpListener::bind(SocketAddr::from((four, 0))).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut stream = inside(0).inside(|| TcpStream::connect(address).unwrap()).unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).flat_map(|number| number.to_le_bytes()).collect();
    let copy = sent.clone();
    let sender = thread::spawn(move || stream.write_all(&copy));
    let mut arrived = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut arrived).unwrap();
    sender.join().unwrap().unwrap();
    assert!(arrived == sent, "what TCP says arrives as it was sent");
    let Counts { lost, duplicated, .. } = bench.counts();
    assert!(lost > 5 && duplicated > 10, "{:?}", bench.counts());
}
