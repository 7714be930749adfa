//! Partitions inside a machine whose network is not ours to build.

use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use tribunal_linux::net::{Gate, Lab, Namespace};

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
