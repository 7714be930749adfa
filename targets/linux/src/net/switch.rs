//! Which frame goes over which impaired link. No waiting and no clock here.

use super::lane::Lane;
use super::links::Mac;
use super::policy::{Counts, Policy};
use std::collections::BTreeMap;
use std::time::Instant;

/// From one port to another: one direction between two machines, by their places in a list.
pub type Pair = (usize, usize);

/// A switch that carries the frames of impaired links, and of no others: those the kernel's bridge carries.
#[derive(Debug)]
pub struct Switch {
    macs: Vec<Mac>,
    lanes: BTreeMap<Pair, Lane<Vec<u8>>>,
}

/// A frame that is to leave now, and through which port.
pub type Leaving = (usize, Vec<u8>);

impl Switch {
    /// A switch between machines with these addresses, with no link impaired.
    pub fn new(macs: Vec<Mac>) -> Switch {
        Switch { macs, lanes: BTreeMap::new() }
    }

    /// Impairs a link, or impairs it differently.
    pub fn impair(&mut self, pair: Pair, policy: Policy, cut: bool, seed: u64) {
        self.lanes.entry(pair).or_insert_with(|| Lane::new(policy, cut, seed)).change(policy);
    }

    /// Leaves a link alone. What it did, and what is still on its way.
    pub fn release(&mut self, pair: Pair) -> (Counts, Vec<Leaving>) {
        let Some(mut lane) = self.lanes.remove(&pair) else { return (Counts::default(), Vec::new()) };
        let frames = lane.flush().into_iter().map(|frame| (pair.1, frame)).collect();
        (lane.counts, frames)
    }

    /// Cuts a link, or mends it, if it is an impaired one.
    pub fn cut(&mut self, pair: Pair, cut: bool) {
        if let Some(lane) = self.lanes.get_mut(&pair) {
            lane.cut(cut);
        }
    }

    /// What a link did since it was impaired.
    pub fn counts(&self, pair: Pair) -> Counts {
        self.lanes.get(&pair).map_or_else(Counts::default, |lane| lane.counts)
    }

    /// A frame comes in through a port.
    pub fn admit(&mut self, now: Instant, from: usize, frame: &[u8]) {
        let Some(to) = frame.first_chunk::<6>() else { return };
        let everyone = to[0] & 1 == 1;
        for ((_, port), lane) in self.lanes.range_mut((from, 0)..=(from, usize::MAX)) {
            if everyone || self.macs.get(*port) == Some(to) {
                lane.admit(now, frame.to_vec());
            }
        }
    }

    /// Every frame that leaves by now.
    pub fn due(&mut self, now: Instant) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        for ((_, port), lane) in &mut self.lanes {
            leaving.extend(std::iter::from_fn(|| lane.release(now)).map(|frame| (*port, frame)));
        }
        leaving
    }

    /// When to ask [`Switch::due`] again, if nothing else happens until then.
    pub fn alarm(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::alarm).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACS: [Mac; 3] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]];

    fn switch(pairs: &[Pair]) -> Switch {
        let mut switch = Switch::new(MACS.to_vec());
        pairs.iter().for_each(|pair| switch.impair(*pair, Policy::default(), false, 1));
        switch
    }

    fn sent(switch: &mut Switch, from: usize, to: Mac) -> Vec<usize> {
        let now = Instant::now();
        switch.admit(now, from, &[to.as_slice(), &[0; 20]].concat());
        switch.due(now).into_iter().map(|(port, _)| port).collect()
    }

    #[test]
    fn only_impaired_links_are_carried_in_their_own_direction() {
        let mut switch = switch(&[(0, 1), (0, 2), (2, 1)]);
        assert_eq!(sent(&mut switch, 0, MACS[1]), [1]);
        assert_eq!(sent(&mut switch, 0, MACS[2]), [2]);
        assert_eq!(sent(&mut switch, 0, [0xff; 6]), [1, 2], "a broadcast goes everywhere");
        assert_eq!(sent(&mut switch, 2, [0x33, 0x33, 0, 0, 0, 1]), [1], "and so does a multicast");
        assert_eq!(sent(&mut switch, 1, MACS[0]), []);
        assert_eq!(sent(&mut switch, 0, [2, 9, 9, 9, 9, 9]), [], "nobody knows whose that is");
        switch.admit(Instant::now(), 0, &[2, 0]);
        assert_eq!(switch.counts((0, 1)).passed, 2);
    }

    #[test]
    fn a_link_that_is_left_alone_gives_back_what_it_holds() {
        let mut switch = switch(&[]);
        switch.impair((0, 1), Policy { hold: true, ..Policy::default() }, false, 1);
        assert_eq!(sent(&mut switch, 0, MACS[1]), []);
        let (counts, frames) = switch.release((0, 1));
        assert_eq!((counts.met, counts.held, frames.len()), (1, 1, 1));
        assert!(switch.release((0, 1)).1.is_empty());
    }

    #[test]
    fn a_cut_is_a_cut_whatever_else_is_wrong() {
        let mut switch = switch(&[(0, 1)]);
        switch.cut((0, 1), true);
        assert_eq!(sent(&mut switch, 0, MACS[1]), []);
        switch.cut((0, 1), false);
        assert_eq!(sent(&mut switch, 0, MACS[1]), [1]);
        switch.impair((1, 0), Policy::default(), true, 1);
        assert_eq!(sent(&mut switch, 1, MACS[0]), []);
    }
}
