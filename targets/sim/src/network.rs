//! The network between the nodes.

use crate::World;
use history::{Chance, Link, MessageKind, NodeId, Time, Trouble};
use std::time::Duration;

/// Every directed link, with its faults.
pub struct Network<M> {
    nodes: usize,
    links: Vec<Condition<M>>,
    world: World,
    chance: Chance,
    /// How many messages were handed to it.
    pub sent: u64,
    // How many were of a kind that was to be troubled, since the last repair.
    told_apart: u64,
}

struct Condition<M> {
    cut: bool,
    trouble: Trouble,
    // When the link is free again, if its rate is limited.
    busy_until: Time,
    held: Vec<M>,
}

/// When copies of a message arrive: none, one or two of them.
pub type Arrivals = [Option<Time>; 2];

impl<M> Network<M> {
    /// A healthy network among `nodes` nodes.
    pub fn new(nodes: usize, world: World, chance: Chance) -> Network<M> {
        let healthy = || Condition {
            cut: false,
            trouble: Trouble::default(),
            busy_until: Time::ZERO,
            held: Vec::new(),
        };
        Network {
            nodes,
            links: (0..nodes * nodes).map(|_| healthy()).collect(),
            world,
            chance,
            sent: 0,
            told_apart: 0,
        }
    }

    /// A message leaves at `now`. Returns when it arrives; `kind` is called for it if that matters, and `hold` if the
    /// link holds it back.
    pub fn send(
        &mut self,
        now: Time,
        link: Link,
        kind: impl FnOnce() -> MessageKind,
        hold: impl FnOnce() -> M,
    ) -> Arrivals {
        self.sent += 1;
        let at = self.index(link);
        let mut trouble = self.links[at].trouble;
        if let Some(only) = trouble.only {
            if only == kind() {
                self.told_apart += 1;
            } else {
                trouble = Trouble::default();
            }
        }
        let Trouble { hold: held, loss, duplicate, corrupt, bytes_per_second, .. } = trouble;
        if self.links[at].cut || self.chance.permille(self.world.loss) || self.chance.permille(loss) {
            return [None, None];
        }
        // A checksum notices: whoever receives it throws it away.
        if self.chance.permille(corrupt) {
            return [None, None];
        }
        if held {
            self.links[at].held.push(hold());
            return [None, None];
        }
        let leaves = if bytes_per_second > 0 { self.queue(at, now, bytes_per_second) } else { now };
        let twice = self.chance.permille(self.world.duplicate) || self.chance.permille(duplicate);
        let first = self.travel(trouble, leaves);
        [Some(first), twice.then(|| self.travel(trouble, leaves))]
    }

    /// A request or an answer of a client leaves at `now`. Clients are near and their path is never impaired:
    /// a slow client only hides anomalies behind wider intervals.
    pub fn send_client(&mut self, now: Time) -> Time {
        now + self.chance.span(Duration::from_micros(20), Duration::from_micros(200))
    }

    /// Cuts links.
    pub fn cut(&mut self, links: &[Link]) {
        for link in links {
            let at = self.index(*link);
            self.links[at].cut = true;
        }
    }

    /// Joins every link that was cut.
    pub fn join(&mut self) {
        self.links.iter_mut().for_each(|link| link.cut = false);
    }

    /// Impairs links, instead of what was wrong with them before.
    pub fn impair(&mut self, links: &[Link], trouble: Trouble) {
        for link in links {
            let at = self.index(*link);
            self.links[at].trouble = trouble;
        }
    }

    /// How many messages were of a kind that is to be troubled; nothing if no link is troubled for one kind only.
    pub fn told_apart(&self) -> Option<u64> {
        self.links.iter().any(|link| link.trouble.only.is_some()).then_some(self.told_apart)
    }

    /// Frees every link from its trouble and lets go what was held back.
    pub fn clear(&mut self) -> Vec<M> {
        self.told_apart = 0;
        let clear = |link: &mut Condition<M>| {
            link.trouble = Trouble::default();
            std::mem::take(&mut link.held)
        };
        self.links.iter_mut().flat_map(clear).collect()
    }

    fn travel(&mut self, trouble: Trouble, leaves: Time) -> Time {
        let mut delay = self.world.delay_min + self.chance.exponential(self.world.delay_mean);
        if trouble != Trouble::default() {
            delay += Duration::from_millis(u64::from(trouble.delay_ms));
            if trouble.jitter_ms > 0 {
                delay +=
                    self.chance.span(Duration::ZERO, Duration::from_millis(u64::from(trouble.jitter_ms)));
            }
            if self.chance.permille(trouble.reorder) {
                delay += self.chance.span(Duration::from_millis(1), Duration::from_millis(100));
            }
        }
        leaves + delay
    }

    // The simulator passes messages, not bytes: each counts as a frame of 200.
    fn queue(&mut self, at: usize, now: Time, bytes_per_second: u32) -> Time {
        let link = &mut self.links[at];
        let takes = Duration::from_secs_f64(200.0 / f64::from(bytes_per_second));
        link.busy_until = link.busy_until.max(now) + takes;
        link.busy_until
    }

    fn index(&self, link: Link) -> usize {
        let place = |node: NodeId| usize::from(node.0 - 1);
        place(link.from) * self.nodes + place(link.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link { from: NodeId(1), to: NodeId(2) };
    const BACK: Link = Link { from: NodeId(2), to: NodeId(1) };

    fn network() -> Network<u32> {
        let mut chance = Chance::new(3);
        let world = World { loss: 0, duplicate: 0, ..World::draw(&mut chance) };
        Network::new(2, world, chance)
    }

    fn append() -> MessageKind {
        "append".parse().unwrap()
    }

    fn copies(network: &mut Network<u32>, link: Link) -> usize {
        (0..1000).map(|n| network.send(Time(n), link, append, || 7).iter().flatten().count()).sum()
    }

    #[test]
    fn a_cut_has_one_direction_and_ends() {
        let mut network = network();
        network.cut(&[LINK]);
        assert_eq!((copies(&mut network, LINK), copies(&mut network, BACK)), (0, 1000));
        network.join();
        assert_eq!(copies(&mut network, LINK), 1000);
    }

    #[test]
    fn loss_and_duplication_have_the_asked_rate() {
        let mut network = network();
        network.impair(&[LINK], Trouble { loss: 300, ..Trouble::default() });
        assert!((620..780).contains(&copies(&mut network, LINK)));
        network.impair(&[LINK], Trouble { duplicate: 300, ..Trouble::default() });
        assert!((1220..1380).contains(&copies(&mut network, LINK)));
    }

    #[test]
    fn what_is_held_comes_when_let_go() {
        let mut network = network();
        network.impair(&[LINK], Trouble { hold: true, ..Trouble::default() });
        assert_eq!(copies(&mut network, LINK), 0);
        assert_eq!(network.clear(), vec![7; 1000]);
        assert_eq!(copies(&mut network, LINK), 1000);
    }

    #[test]
    fn delay_adds_and_a_limited_rate_queues() {
        let mut network = network();
        network.impair(&[LINK], Trouble { delay_ms: 500, ..Trouble::default() });
        assert!(network.send(Time(0), LINK, append, || 7)[0].unwrap() >= Time::from_millis(500));
        network.impair(&[LINK], Trouble { bytes_per_second: 2000, ..Trouble::default() });
        let last = (0..10).filter_map(|_| network.send(Time(0), LINK, append, || 7)[0]).max().unwrap();
        assert!(last >= Time::from_millis(999), "ten frames of 200 bytes at 2000 B/s take a second");
    }

    #[test]
    fn what_is_corrupted_is_thrown_away() {
        let mut network = network();
        network.impair(&[LINK], Trouble { corrupt: 1000, ..Trouble::default() });
        assert_eq!((copies(&mut network, LINK), copies(&mut network, BACK)), (0, 1000));
        network.impair(&[LINK], Trouble { corrupt: 300, ..Trouble::default() });
        assert!((600..800).contains(&copies(&mut network, LINK)));
    }

    #[test]
    fn one_kind_of_message_is_troubled_and_no_other() {
        let mut network = network();
        let only =
            |kind: &str| Trouble { loss: 1000, only: Some(kind.parse().unwrap()), ..Trouble::default() };
        network.impair(&[LINK], only("vote"));
        assert_eq!((copies(&mut network, LINK), network.told_apart()), (1000, Some(0)));
        network.impair(&[LINK], only("append"));
        assert_eq!((copies(&mut network, LINK), network.told_apart()), (0, Some(1000)));
        network.clear();
        assert_eq!((copies(&mut network, LINK), network.told_apart()), (1000, None));
    }
}
