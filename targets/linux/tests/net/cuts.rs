//! Partitions.

use crate::wires::Wires;
use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tribunal_linux::net::{Filter, Lab, NAME, Namespace, Pair, Policy};

fn without(all: &[Pair], cut: &[Pair]) -> Vec<Pair> {
    all.iter().copied().filter(|pair| !cut.contains(pair)).collect()
}

pub fn a_cut_is_exact() {
    let mut wires = Wires::new(5);
    let all = wires.lab.pairs();
    assert_eq!(all.len(), 20);
    let both = [(0, 1), (1, 0)];
    let halves: Vec<Pair> = all.iter().copied().filter(|(from, to)| (*from < 2) != (*to < 2)).collect();
    for cut in [&both[..], &[(3, 2)], &halves, &all] {
        wires.lab.cut(cut).unwrap();
        assert_eq!(wires.reached(), without(&all, cut));
        wires.lab.mend(cut).unwrap();
        assert_eq!(wires.reached(), all);
    }
    // One cut upon another, mended one after the other, and what was never cut.
    wires.lab.cut(&both).unwrap();
    wires.lab.cut(&[(0, 1), (4, 0)]).unwrap();
    wires.lab.mend(&[(0, 1), (1, 0), (2, 3)]).unwrap();
    assert_eq!(wires.reached(), without(&all, &[(4, 0)]));
    wires.lab.mend(&all).unwrap();
    assert_eq!(wires.reached(), all);
}

pub fn a_cut_counts() {
    let mut wires = Wires::new(3);
    let pairs = [(0, 1), (1, 0), (2, 0)];
    let before = wires.lab.counts(&pairs).unwrap();
    wires.lab.cut(&pairs).unwrap();
    assert_eq!(wires.send_many((0, 1), 50), []);
    wires.lab.probe(&[(2, 0)]);
    let during = wires.lab.counts(&pairs).unwrap();
    // Cards may ask for one another now and then.
    assert!((50..60).contains(&during[0].dropped), "{during:?}");
    assert!(during[1].dropped < 10, "{during:?}");
    assert!((1..10).contains(&during[2].dropped), "{during:?}");
    assert_eq!(during[0].passed, before[0].passed, "nothing passes a cut link");
    wires.lab.mend(&pairs).unwrap();
    assert_eq!(wires.send_many((0, 1), 50).len(), 50);
    let after = wires.lab.counts(&pairs).unwrap();
    assert_eq!(after[0].dropped, during[0].dropped, "what was swallowed stays on record");
    assert!((50..60).contains(&(after[0].passed - before[0].passed)), "{after:?}");
}

pub fn the_hub_reaches_everyone() {
    let mut lab = Lab::build(2, 7).unwrap();
    let pairs = lab.pairs();
    lab.cut(&pairs).unwrap();
    lab.impair(&pairs, Policy { loss: 1.0, ..Policy::default() }).unwrap();
    for machine in lab.machines() {
        for address in machine.addresses() {
            let listener = machine.network.inside(|| TcpListener::bind((address, 7002)).unwrap()).unwrap();
            let limit = Duration::from_secs(5);
            let connect = || TcpStream::connect_timeout(&listener.local_addr().unwrap(), limit);
            let stream = lab.hub().inside(connect).unwrap();
            assert!(stream.is_ok(), "{address}: {stream:?}");
        }
    }
}

pub fn a_table_goes() {
    let network = Namespace::create().unwrap();
    let make = || {
        let filter = Filter::install("ours").unwrap();
        assert_eq!(Filter::all().unwrap(), ["ours"]);
        let again = Filter::install("ours").unwrap_err().to_string();
        assert!(again.contains("in the table ours"), "{again}");
        drop(filter);
        Filter::all().unwrap()
    };
    assert_eq!(network.inside(make).unwrap(), Vec::<String>::new());
}

/// What can be seen from here of what we make: links, and networks that we hold. Whatever else is seen on this
/// machine may be others'.
fn seen() -> (Vec<String>, BTreeSet<String>) {
    let links = fs::read_to_string("/proc/self/net/dev").unwrap();
    let links = links.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    let made = |name: &String| [NAME, "n1", "n2", "n3"].contains(&name.as_str());
    let held = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let held = held.filter_map(|fd| fs::read_link(fd.path()).ok());
    let held = held.map(|fd| fd.display().to_string()).filter(|fd| fd.starts_with("net:"));
    (links.filter(made).collect(), held.collect())
}

pub fn nothing_is_left() {
    let (before, tables) = (seen(), Filter::all());
    let mut lab = Lab::build(3, 7).unwrap();
    let pairs = lab.pairs();
    lab.cut(&pairs).unwrap();
    lab.impair(&pairs, Policy { hold: true, ..Policy::default() }).unwrap();
    let during = seen();
    assert_eq!(during.0, before.0, "no link appears where we stand");
    assert_eq!(during.1.len(), before.1.len() + 4, "a hub and three machines");
    let listed = lab.hub().inside(|| Filter::all().unwrap()).unwrap();
    assert_eq!(listed, [NAME]);
    drop(lab);
    assert_eq!(seen(), before);
    // An ordinary user may not even look at the host's.
    if let Ok(tables) = tables {
        assert_eq!(Filter::all().unwrap(), tables);
    }
}
