//! A core and its effects, performed strictly in order. No waiting here.

use crate::disk::{Job, Jobs};
use crate::outbox::{Asker, Outbox};
use history::{Call, NodeId, Outcome, Ticket, Time};
use protocols::{Effect, Input, Protocol, RequestId, wire};
use std::collections::VecDeque;

/// A core, with what it asked for and is not yet done.
///
/// Nothing after a persist is done before it is durable. While the disk syncs, all effects queue up behind it;
/// when it is done, every persist among them goes to disk in one write and one sync (group commit).
pub struct Driver<P: Protocol> {
    core: P,
    me: NodeId,
    outbox: Outbox,
    disk: Jobs,
    /// Asked for while the disk was busy.
    queue: VecDeque<Effect<P::Message, P::Record>>,
    /// To be done as soon as the records at the disk are durable; `None` if the disk is idle.
    awaiting: Option<Vec<Next<P::Message>>>,
}

/// An effect that is no persist.
enum Next<M> {
    Send { to: NodeId, message: M },
    Reply { id: RequestId, outcome: Outcome },
}

impl<P: Protocol> Driver<P> {
    /// Drives `core`.
    pub fn new(core: P, me: NodeId, outbox: Outbox, disk: Jobs) -> Driver<P> {
        Driver { core, me, outbox, disk, queue: VecDeque::new(), awaiting: None }
    }

    /// The core.
    pub fn core(&self) -> &P {
        &self.core
    }

    /// Whether everything that the core asked for is done.
    pub fn is_idle(&self) -> bool {
        self.awaiting.is_none() && self.queue.is_empty()
    }

    /// A client asks.
    pub fn request(&mut self, now: Time, asker: Asker, ticket: Ticket, call: Call) {
        let id = self.outbox.remember(asker);
        self.handle(now, Input::Request { id, ticket, call });
    }

    /// Something happens. Its effects wait for [`Driver::perform`], so that many inputs share one sync.
    pub fn handle(&mut self, now: Time, input: Input<P::Message>) {
        let mut effects = Vec::new();
        self.core.handle(now, input, &mut effects);
        self.queue.extend(effects);
    }

    /// The disk has done what it was given.
    pub fn durable(&mut self, now: Time) {
        for next in self.awaiting.take().unwrap_or_default() {
            self.carry_out(now, next);
        }
    }

    /// Does what can be done now.
    pub fn perform(&mut self, now: Time) {
        while self.awaiting.is_none() {
            match self.queue.pop_front() {
                Some(first @ (Effect::Persist(_) | Effect::Rewrite(_))) => self.persist(first),
                Some(Effect::Send { to, message }) => self.carry_out(now, Next::Send { to, message }),
                Some(Effect::Reply { id, outcome }) => self.carry_out(now, Next::Reply { id, outcome }),
                None => return,
            }
        }
    }

    /// Gives these records, and all others that wait, to the disk.
    fn persist(&mut self, first: Effect<P::Message, P::Record>) {
        let (mut records, mut anew) = (Vec::new(), false);
        let mut awaiting = Vec::new();
        for effect in [first].into_iter().chain(self.queue.drain(..)) {
            match effect {
                Effect::Persist(record) => records.push(wire::encode(&record)),
                // Nobody will ever read what waited before it.
                Effect::Rewrite(all) => (records, anew) = (all.iter().map(wire::encode).collect(), true),
                Effect::Send { to, message } => awaiting.push(Next::Send { to, message }),
                Effect::Reply { id, outcome } => awaiting.push(Next::Reply { id, outcome }),
            }
        }
        self.awaiting = Some(awaiting);
        // If the disk's thread is gone, its last result says why; until then nothing after this is done.
        let _gone = self.disk.send(if anew { Job::Rewrite(records) } else { Job::Append(records) });
    }

    fn carry_out(&mut self, now: Time, next: Next<P::Message>) {
        match next {
            // How a core learns that its own records are durable.
            Next::Send { to, message } if to == self.me => {
                self.handle(now, Input::Message { from: to, message });
            }
            Next::Send { to, message } => self.outbox.send(to, message),
            Next::Reply { id, outcome } => self.outbox.reply(id, outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::echo::Echo;
    use history::{Chance, Key, ProcessId, Reply, Value};
    use protocols::Options;
    use protocols::rpc::Response;
    use std::collections::BTreeMap;
    use std::sync::mpsc::{Receiver, channel};
    use tokio::sync::mpsc as events;

    struct Bench {
        driver: Driver<Echo>,
        disk: Receiver<Job>,
        peer: events::Receiver<Vec<u8>>,
        client: events::UnboundedReceiver<Vec<u8>>,
        to_client: events::UnboundedSender<Vec<u8>>,
    }

    impl Bench {
        fn new() -> Bench {
            let nodes = NodeId::all(2);
            let core = Echo::boot(nodes[0], &nodes, vec![], Options::default(), Time::ZERO, Chance::new(0));
            let (to_peer, peer) = events::channel(8);
            let (to_client, client) = events::unbounded_channel();
            let (jobs, disk) = channel();
            let outbox = Outbox::new(nodes[0], BTreeMap::from([(nodes[1], to_peer)]));
            Bench { driver: Driver::new(core, nodes[0], outbox, jobs), disk, peer, client, to_client }
        }

        fn ask(&mut self, id: u64, call: Call) {
            let asker = Asker { connection: self.to_client.clone(), id };
            let ticket = Ticket { process: ProcessId(0), number: id };
            self.driver.request(Time::ZERO, asker, ticket, call);
            self.driver.perform(Time::ZERO);
        }

        /// How many records the disk was given, and whether in place of all before.
        fn written(&self) -> (usize, bool) {
            match self.disk.try_recv().unwrap() {
                Job::Append(records) => (records.len(), false),
                Job::Rewrite(records) => (records.len(), true),
            }
        }

        fn durable(&mut self) {
            self.driver.durable(Time::ZERO);
            self.driver.perform(Time::ZERO);
        }

        fn answers(&mut self) -> Vec<(u64, Outcome)> {
            std::iter::from_fn(|| self.client.try_recv().ok())
                .map(|frame| wire::decode::<Response>(&frame[4..]).unwrap())
                .map(|response| (response.id, response.outcome))
                .collect()
        }
    }

    fn write(value: i64) -> Call {
        Call::Write { key: Key(0), value: Value(value) }
    }

    #[test]
    fn nothing_after_a_persist_happens_before_it_is_durable() {
        let mut bench = Bench::new();
        bench.ask(1, write(1));
        assert_eq!(bench.written(), (1, false));
        assert_eq!(bench.answers(), vec![]);
        assert!(bench.peer.try_recv().is_err());
        bench.durable();
        assert_eq!(bench.answers(), vec![(1, Outcome::Ok(Reply::Done))]);
        assert!(bench.peer.try_recv().is_ok());
        assert!(bench.driver.is_idle());
    }

    #[test]
    fn what_waits_for_the_disk_shares_the_next_sync_and_keeps_its_order() {
        let mut bench = Bench::new();
        for value in 1..=4 {
            bench.ask(value, write(value as i64));
        }
        // A read needs no disk, but it comes after writes that do.
        bench.ask(5, Call::Read { key: Key(0) });
        assert_eq!(bench.written(), (1, false));
        assert!(bench.disk.try_recv().is_err(), "one sync at a time");
        bench.durable();
        assert_eq!(bench.answers(), vec![(1, Outcome::Ok(Reply::Done))]);
        assert_eq!(bench.written(), (3, false), "all that waited in one sync");
        bench.durable();
        let answers: Vec<u64> = bench.answers().into_iter().map(|(id, _)| id).collect();
        assert_eq!(answers, vec![2, 3, 4, 5]);
        assert!(bench.driver.is_idle());
    }

    #[test]
    fn a_rewriting_takes_the_place_of_what_waited_before_it() {
        let mut bench = Bench::new();
        bench.ask(1, write(1));
        assert_eq!(bench.written(), (1, false));
        bench.ask(2, write(2));
        bench.driver.queue.push_back(Effect::Rewrite(vec![write(2), write(2), write(2)]));
        bench.ask(3, write(3));
        bench.durable();
        assert_eq!(bench.written(), (4, true));
        assert_eq!(bench.answers().len(), 1, "the rest waits for it");
        bench.durable();
        assert_eq!(bench.answers().len(), 2);
    }

    #[test]
    fn a_core_hears_from_itself_only_after_its_records_are_durable() {
        let mut bench = Bench::new();
        bench.ask(1, write(7));
        assert_eq!(bench.driver.core().heard_from_itself, 0);
        bench.durable();
        assert_eq!(bench.driver.core().heard_from_itself, 1);
    }

    #[test]
    fn a_full_queue_to_a_peer_loses_messages_and_nothing_else() {
        let mut bench = Bench::new();
        for value in 1..=20 {
            bench.ask(value, write(value as i64));
            bench.durable();
        }
        assert_eq!(bench.answers().len(), 20);
        assert_eq!(std::iter::from_fn(|| bench.peer.try_recv().ok()).count(), 8);
    }
}
