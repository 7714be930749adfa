//! A workload without a cluster: run in virtual time against a service in memory.
//!
//! This is the shortest runner there can be. It makes histories for tests and benchmarks of generators and of
//! checkers: every one of them is linearizable, since each call takes effect at one instant between its
//! invocation and its completion, or, if its outcome is unknown, at one instant after its invocation or never.

use crate::{Context, Step, Workload};
use history::{
    Call, Chance, Doubt, Event, History, Malformed, NodeId, Outcome, Phase, ProcessId, Refusal, Ticket, Time,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How the service answers. Rates are out of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// How long an answer takes: half of this to one and a half of it, drawn each time.
    pub latency: Duration,
    /// How many calls fail without effect.
    pub fail: u16,
    /// How many calls end unknown.
    pub unknown: u16,
    /// After how long a client gives up and calls the outcome unknown.
    pub patience: Duration,
}

impl Manners {
    /// Every call is ok after about a millisecond.
    pub const PERFECT: Manners =
        Manners { latency: Duration::from_millis(1), fail: 0, unknown: 0, patience: Duration::from_secs(1) };
    /// Every call is ok after about a fifth of a second.
    pub const SLOW: Manners = Manners { latency: Duration::from_millis(200), ..Manners::PERFECT };
    /// A tenth of the calls fails, and as many end unknown.
    pub const TROUBLED: Manners = Manners { fail: 100, unknown: 100, ..Manners::PERFECT };
}

/// What serves a call at once, at a certain time: it says what came of it.
pub type Service<'s> = dyn FnMut(Time, Ticket, &Call) -> Outcome + 's;

/// Runs a workload from its first call to the end of its finale, with so many workers, each with its usual one
/// of `nodes`. Equal arguments give equal histories.
///
/// # Errors
/// If a generator does what none may do: lets a process call that is not free, or waits for ever.
pub fn simulate(
    workload: &mut Workload,
    manners: Manners,
    workers: u32,
    nodes: &[NodeId],
    service: &mut Service<'_>,
    chance: Chance,
) -> Result<History, Malformed> {
    let mut run = Run {
        workload,
        manners,
        nodes,
        chance,
        now: Time::ZERO,
        history: History::new(),
        workers,
        free: (0..workers).map(ProcessId).collect(),
        agenda: BTreeMap::new(),
        planned: 0,
        answers: BTreeMap::new(),
        service,
    };
    for phase in [Phase::Main, Phase::Heal, Phase::Final, Phase::Done] {
        run.record(Event::Phase(phase))?;
        if matches!(phase, Phase::Main | Phase::Final) {
            run.ask(phase)?;
            run.drain()?;
        }
    }
    Ok(run.history)
}

struct Run<'r> {
    workload: &'r mut Workload,
    manners: Manners,
    nodes: &'r [NodeId],
    chance: Chance,
    now: Time,
    history: History,
    workers: u32,
    free: Vec<ProcessId>,
    /// What is to happen, by time and then by the order in which it was planned.
    agenda: BTreeMap<(Time, u64), Moment>,
    planned: u64,
    /// The outcomes of calls that took effect and whose clients have not heard yet.
    answers: BTreeMap<ProcessId, Outcome>,
    service: &'r mut Service<'r>,
}

enum Moment {
    Effect { process: ProcessId, number: u64, call: Call, heard: bool },
    Completion { process: ProcessId, otherwise: Outcome },
}

impl Run<'_> {
    fn ask(&mut self, phase: Phase) -> Result<(), Malformed> {
        loop {
            if self.free.is_empty() {
                self.advance(Time::NEVER)?;
                continue;
            }
            let context = Context { now: self.now, free: &self.free, workers: self.workers };
            let main = phase == Phase::Main;
            let generator = if main { &mut self.workload.main } else { &mut self.workload.finale };
            match generator.next(&context) {
                Step::Call { process, call, node } => self.invoke(process, call, node)?,
                Step::Wait(until) => self.advance(until)?,
                Step::Done => return Ok(()),
            }
        }
    }

    /// Lets every client learn its outcome. Effects that come later still may.
    fn drain(&mut self) -> Result<(), Malformed> {
        while self.free.len() < self.workers as usize {
            self.advance(Time::NEVER)?;
        }
        Ok(())
    }

    fn invoke(&mut self, process: ProcessId, call: Call, node: Option<NodeId>) -> Result<(), Malformed> {
        let Some(place) = self.free.iter().position(|free| *free == process) else {
            return Err(self.misstep(format!("{process} is asked to call, but is not free")));
        };
        self.free.remove(place);
        let usual = self.nodes[(process.0 % self.workers) as usize % self.nodes.len()];
        self.record(Event::Invoke { process, node: node.unwrap_or(usual), call: call.clone() })?;
        let number = self.history.len() as u64;
        let Manners { latency, fail, unknown, patience } = self.manners;
        let fate = self.chance.below(1000) as u16;
        if fate < unknown {
            if self.chance.coin(0.5) {
                let late = self.chance.span(Duration::ZERO, patience * 3);
                self.plan(late, Moment::Effect { process, number, call, heard: false });
            }
            let otherwise = Outcome::Unknown(Doubt::Timeout);
            self.plan(patience, Moment::Completion { process, otherwise });
        } else {
            let total = self.chance.span(latency / 2, latency * 3 / 2);
            if fate >= unknown + fail {
                let until_effect = self.chance.span(Duration::ZERO, total);
                self.plan(until_effect, Moment::Effect { process, number, call, heard: true });
            }
            let otherwise = Outcome::Fail(Refusal::Unreachable);
            self.plan(total, Moment::Completion { process, otherwise });
        }
        Ok(())
    }

    fn plan(&mut self, delay: Duration, moment: Moment) {
        self.agenda.insert((self.now + delay, self.planned), moment);
        self.planned += 1;
    }

    /// Lets time pass until the next moment, or until `until`, whichever is first.
    fn advance(&mut self, until: Time) -> Result<(), Malformed> {
        match self.agenda.first_key_value() {
            Some(((at, _), _)) if *at <= until => {}
            _ if until == Time::NEVER => return Err(self.misstep("a generator waits for nothing".to_owned())),
            _ if until <= self.now => {
                return Err(self.misstep(format!("a generator waits for the past, {until}")));
            }
            _ => {
                self.now = until;
                return Ok(());
            }
        }
        let Some(((at, _), moment)) = self.agenda.pop_first() else { return Ok(()) };
        self.now = self.now.max(at);
        match moment {
            Moment::Effect { process, number, call, heard } => {
                // A client does one thing at a time, so the number of its invocation is a number of its own.
                let outcome = (self.service)(self.now, Ticket { process, number }, &call);
                if heard {
                    self.answers.insert(process, outcome);
                }
                Ok(())
            }
            Moment::Completion { process, otherwise } => {
                let outcome = self.answers.remove(&process).unwrap_or(otherwise);
                let next = if outcome.is_unknown() { ProcessId(process.0 + self.workers) } else { process };
                self.free.push(next);
                self.record(Event::Complete { process, outcome })
            }
        }
    }

    fn record(&mut self, event: Event) -> Result<(), Malformed> {
        // No two events are at one instant.
        self.now = Time(self.now.0 + 1);
        self.workload.main.observe(&event);
        self.workload.finale.observe(&event);
        self.history.push(self.now, event)
    }

    fn misstep(&self, why: String) -> Malformed {
        Malformed { index: self.history.len(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::combinators::until_ok;
    use crate::{Generator, KeyUse, Settings, lookup};
    use checkers::{Budget, Verdict, judge};
    use history::{Key, Op, Reply, Value};
    use std::collections::BTreeSet;

    const WORKERS: u32 = 10;

    fn settings(rate: Option<f64>, seconds: u64) -> Settings {
        Settings { rate, time_limit: Duration::from_secs(seconds), ..Settings::default() }
    }

    fn register(settings: &Settings, chance: Chance) -> Workload {
        lookup("register").and_then(|entry| entry.workload(settings, None, chance)).unwrap()
    }

    /// Registers in memory.
    fn registers() -> impl FnMut(Time, Ticket, &Call) -> Outcome {
        let mut registers: BTreeMap<Key, Value> = BTreeMap::new();
        move |_, _, call| {
            let found = call.key().and_then(|key| registers.get(&key).copied());
            match call {
                Call::Read { .. } => return Outcome::Ok(Reply::Read(found)),
                Call::Cas { expected, .. } if found != *expected => {
                    return Outcome::Fail(Refusal::Mismatch { found });
                }
                Call::Write { key, value } | Call::Cas { key, new: value, .. } => {
                    registers.insert(*key, *value);
                }
                _ => return Outcome::Fail(Refusal::Unserved),
            }
            Outcome::Ok(Reply::Done)
        }
    }

    fn run(settings: Settings, manners: Manners, seed: u64) -> History {
        let chance = Chance::new(seed);
        let mut workload = register(&settings, chance.split("workload"));
        let answers = chance.split("answers");
        simulate(&mut workload, manners, WORKERS, &NodeId::all(5), &mut registers(), answers).unwrap()
    }

    fn ops_of(history: &History, phase: Phase) -> Vec<Op<'_>> {
        let finale = history.began(Phase::Final).unwrap();
        let is_final = |op: &Op<'_>| history.entries()[op.invoked].time > finale;
        history.ops().filter(|op| is_final(op) == (phase == Phase::Final)).collect()
    }

    #[test]
    fn equal_seeds_give_equal_histories() {
        let digest = |seed| run(settings(None, 2), Manners::TROUBLED, seed).digest();
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
    }

    #[test]
    fn no_value_is_written_twice() {
        let history = run(settings(None, 30), Manners::TROUBLED, 3);
        let mut written = BTreeSet::new();
        for op in history.ops() {
            if let Call::Write { value, .. } | Call::Cas { new: value, .. } = op.call {
                assert!(written.insert(*value), "{value} is written again");
            }
        }
        assert!(written.len() > 1000, "{}", written.len());
    }

    #[test]
    fn keys_rotate_and_soon_when_outcomes_are_unknown() {
        let counts = |manners| {
            let history = run(settings(None, 5), manners, 4);
            let main = ops_of(&history, Phase::Main);
            let keys: BTreeSet<_> = main.iter().filter_map(|op| op.call.key()).collect();
            for key in &keys {
                let of_key: Vec<_> = main.iter().filter(|op| op.call.key() == Some(*key)).collect();
                let unknown = of_key.iter().filter(|op| op.outcome.is_unknown()).count();
                assert!(of_key.len() <= KeyUse::USUAL.calls as usize, "{key}: {} calls", of_key.len());
                // Calls that are open when the last allowed one turns unknown may join it.
                let most = KeyUse::USUAL.unknowns + WORKERS;
                assert!(unknown <= most as usize, "{key}: {unknown} unknown");
            }
            main.len() / keys.len()
        };
        let (calm, troubled) =
            (counts(Manners::PERFECT), counts(Manners { unknown: 500, ..Manners::PERFECT }));
        assert!((90..=128).contains(&calm), "{calm} calls a key");
        assert!((10..=50).contains(&troubled), "{troubled} calls a key when half of them end unknown");
    }

    #[test]
    fn compare_and_sets_succeed_and_are_refused() {
        let history = run(settings(Some(2000.0), 10), Manners::PERFECT, 5);
        let cas: Vec<_> = history.ops().filter(|op| matches!(op.call, Call::Cas { .. })).collect();
        let ok = cas.iter().filter(|op| op.outcome.is_ok()).count();
        assert!(ok * 10 > cas.len() * 3 && ok * 10 < cas.len() * 9, "{ok} of {}", cas.len());
    }

    #[test]
    fn the_finale_reads_every_key_until_it_is_ok() {
        for manners in
            [Manners::PERFECT, Manners::SLOW, Manners { fail: 400, unknown: 300, ..Manners::PERFECT }]
        {
            let history = run(settings(None, 3), manners, 6);
            let keys: BTreeSet<_> =
                ops_of(&history, Phase::Main).iter().filter_map(|op| op.call.key()).collect();
            let reads = ops_of(&history, Phase::Final);
            assert!(reads.iter().all(|op| op.call.is_read()));
            let read: BTreeSet<_> =
                reads.iter().filter(|op| op.outcome.is_ok()).filter_map(|op| op.call.key()).collect();
            assert_eq!(read, keys);
            let nodes: BTreeSet<_> = reads.iter().map(|op| op.node).collect();
            assert!(nodes.len() >= keys.len().min(5), "the reads go to all nodes: {nodes:?}");
        }
    }

    #[test]
    fn the_finale_gives_a_dead_cluster_up() {
        let mut workload = register(&settings(Some(100.0), 5), Chance::new(7));
        let dead = Manners { unknown: 1000, ..Manners::PERFECT };
        let history =
            simulate(&mut workload, dead, WORKERS, &NodeId::all(5), &mut registers(), Chance::new(8))
                .unwrap();
        let lasted = history.began(Phase::Done).unwrap().since(history.began(Phase::Final).unwrap());
        assert!(lasted <= Duration::from_secs(32), "{lasted:?}");
        let mut tries: BTreeMap<Key, u32> = BTreeMap::new();
        for op in ops_of(&history, Phase::Final) {
            *tries.entry(op.call.key().unwrap()).or_default() += 1;
        }
        assert!(tries.values().all(|tries| (2..=20).contains(tries)), "{tries:?}");
    }

    #[test]
    fn the_rate_is_kept() {
        for rate in [10.0, 200.0, 2000.0] {
            let history = run(settings(Some(rate), 20), Manners::PERFECT, 9);
            let made = ops_of(&history, Phase::Main).len() as f64 / 20.0;
            assert!((rate * 0.85..rate * 1.15).contains(&made), "{made} calls a second instead of {rate}");
        }
    }

    #[test]
    fn lost_time_is_not_made_up_for_in_a_burst() {
        let stuck = Manners { latency: Duration::from_secs(4), ..Manners::PERFECT };
        let history = run(settings(Some(100.0), 20), stuck, 10);
        let made = ops_of(&history, Phase::Main).len();
        assert!(made < 100, "ten workers that wait four seconds each: {made} calls");
    }

    #[test]
    fn without_a_rate_every_worker_is_busy() {
        let history = run(settings(None, 1), Manners::PERFECT, 11);
        let made = ops_of(&history, Phase::Main).len();
        assert!((9_000..11_000).contains(&made), "ten workers, a millisecond a call: {made} calls");
    }

    #[test]
    fn limits_of_time_and_number_are_kept() {
        let mut few = settings(None, 60);
        few.ops = Some(77);
        assert_eq!(ops_of(&run(few, Manners::PERFECT, 12), Phase::Main).len(), 77);
        let history = run(settings(Some(3.0), 7), Manners::PERFECT, 12);
        let lasted = history.began(Phase::Heal).unwrap();
        assert!(lasted >= Time::from_secs(7) && lasted < Time::from_millis(7010), "{lasted}");
    }

    fn verdict(history: &History) -> Verdict {
        let workload = register(&Settings::default(), Chance::new(0));
        let judges: Vec<_> = workload.checkers.iter().map(AsRef::as_ref).collect();
        Verdict::combine(judge(&judges, history, &Budget::default()).into_iter().map(|report| report.verdict))
    }

    #[test]
    fn what_registers_in_memory_answer_is_linearizable() {
        for (seed, manners) in
            [(20, Manners::PERFECT), (21, Manners::TROUBLED), (22, Manners::SLOW), (23, Manners::TROUBLED)]
        {
            assert_eq!(verdict(&run(settings(None, 5), manners, seed)), Verdict::Valid, "seed {seed}");
        }
    }

    /// The history again, but one read of the finale finds what its key held before.
    fn with_a_stale_read(history: &History) -> History {
        let mut reads = ops_of(history, Phase::Final).into_iter();
        let stale = reads.find_map(|op| {
            let key = op.call.key().unwrap();
            let mut before =
                history.ops().filter(|write| write.call.key() == Some(key) && write.outcome.is_ok());
            let overwritten = before.find_map(|write| match write.call {
                Call::Write { value, .. } => Some(*value),
                _ => None,
            });
            Some((op.completed?, overwritten.filter(|_| op.outcome.is_ok())?))
        });
        let (index, value) = stale.unwrap();
        let mut forged = History::new();
        for (at, entry) in history.entries().iter().enumerate() {
            let mut event = entry.event.clone();
            if let (true, Event::Complete { outcome, .. }) = (at == index, &mut event) {
                *outcome = Outcome::Ok(Reply::Read(Some(value)));
            }
            forged.push(entry.time, event).unwrap();
        }
        forged
    }

    #[test]
    fn one_stale_read_among_thousands_is_found() {
        for manners in [Manners::PERFECT, Manners::TROUBLED] {
            let history = run(settings(None, 5), manners, 24);
            assert_eq!(verdict(&with_a_stale_read(&history)), Verdict::Invalid);
        }
    }

    /// Does one thing wrong.
    struct Naughty(Step);

    impl Generator for Naughty {
        fn next(&mut self, _: &Context<'_>) -> Step {
            self.0.clone()
        }
    }

    #[test]
    fn what_no_generator_may_do_is_an_error() {
        let call = Call::Read { key: Key(0) };
        for (step, why) in [
            (Step::Call { process: ProcessId(0), call, node: None }, "p0 is asked to call, but is not free"),
            (Step::Wait(Time::NEVER), "waits for nothing"),
            (Step::Wait(Time::ZERO), "waits for the past"),
        ] {
            let mut workload = register(&Settings::default(), Chance::new(0));
            workload.main = Box::new(Naughty(step));
            workload.finale = Box::new(until_ok([]));
            let run = simulate(
                &mut workload,
                Manners::PERFECT,
                2,
                &NodeId::all(3),
                &mut registers(),
                Chance::new(0),
            );
            let error = run.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
