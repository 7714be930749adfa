//! A plan being followed.

use crate::rotten::Rotten;
use crate::{Intent, Plan, Step, View, resolve};
use history::{Chance, Fault, Moment, NodeId, Time};
use std::collections::VecDeque;
use std::time::Duration;

/// A plan being followed: asked again and again what is to be done now. Pure: equal sights give equal acts.
#[derive(Debug)]
pub struct Course {
    /// What is not due yet; times are on the recorder's clock.
    steps: VecDeque<Step>,
    /// What is due and waits for its moment, with whom the moment is about that was so already.
    waiting: Vec<(Step, Vec<NodeId>)>,
    /// What is left of series that have begun, ascending.
    series: Vec<(Time, Fault)>,
    rotten: Rotten,
    chance: Chance,
}

/// What can be seen of a cluster.
#[derive(Debug, Clone)]
pub struct Sight {
    /// When.
    pub now: Time,
    /// Its members.
    pub nodes: Vec<NodeId>,
    /// Those that could join it, the best first.
    pub spares: Vec<NodeId>,
    /// Those that lead.
    pub primaries: Vec<NodeId>,
    /// Those that serve.
    pub serving: Vec<NodeId>,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write down that a moment has come, and whom it is about.
    Notice(Moment, NodeId),
    /// Make this fault.
    Make(Fault),
    /// Write down that this fault is not made, and why.
    Skip(Fault, String),
}

impl Sight {
    fn of(&self, moment: Moment) -> &[NodeId] {
        match moment {
            Moment::NewLeader => &self.primaries,
            Moment::Started => &self.serving,
        }
    }
}

impl Course {
    /// Follows a plan from `begin` on.
    pub fn new(plan: Plan, begin: Time, chance: Chance) -> Course {
        let due = |step: Step| Step { at: begin + Duration::from_nanos(step.at.0), ..step };
        let steps = plan.0.into_iter().map(due).collect();
        Course { steps, waiting: Vec::new(), series: Vec::new(), rotten: Rotten::default(), chance }
    }

    /// When something is due next, as far as that is known.
    pub fn next(&self) -> Time {
        let step = self.steps.front().map(|step| step.at);
        let series = self.series.first().map(|(at, _)| *at);
        step.into_iter().chain(series).min().unwrap_or(Time::NEVER)
    }

    /// Whether something waits for a moment, so that it should be asked often.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What is to be done now.
    pub fn acts(&mut self, sight: &Sight) -> Vec<Act> {
        let mut acts = Vec::new();
        self.notice(sight, &mut acts);
        while self.next() <= sight.now {
            if self.series.first().is_some_and(|(at, _)| self.steps.front().is_none_or(|step| *at <= step.at))
            {
                acts.push(Act::Make(self.series.remove(0).1));
            } else if let Some(step) = self.steps.pop_front() {
                self.begin(step, sight, &mut acts);
            }
        }
        acts
    }

    /// What is to be said of whatever still waits, now that nothing will be broken any more.
    pub fn end(&mut self) -> Vec<Act> {
        self.steps.clear();
        self.series.clear();
        self.waiting.drain(..).map(|(step, _)| in_vain(&step)).collect()
    }

    fn begin(&mut self, step: Step, sight: &Sight, acts: &mut Vec<Act>) {
        match (&step.intent, step.when) {
            (Intent::Repair(kind), _) => {
                let kind = *kind;
                self.series.retain(|(_, fault)| fault.kind() != kind);
                let (over, waiting) =
                    self.waiting.drain(..).partition(|(step, _)| step.intent.kind() == kind);
                self.waiting = waiting;
                acts.extend(over.iter().map(|(step, _): &(Step, _)| in_vain(step)));
                acts.push(Act::Make(Fault::Repair { kind }));
            }
            (_, Some(moment)) => {
                let already = sight.of(moment).to_vec();
                self.waiting.push((step, already));
            }
            (_, None) => self.strike(&step.intent, None, sight, acts),
        }
    }

    /// Begins what has waited for what is new to see. A node that goes and comes again is new.
    fn notice(&mut self, sight: &Sight, acts: &mut Vec<Act>) {
        let mut still = Vec::new();
        for (step, before) in std::mem::take(&mut self.waiting) {
            let Some(moment) = step.when else { continue };
            let seen = sight.of(moment);
            match seen.iter().find(|node| !before.contains(node)) {
                Some(subject) => {
                    acts.push(Act::Notice(moment, *subject));
                    self.strike(&step.intent, Some(*subject), sight, acts);
                }
                None => still.push((step, seen.to_vec())),
            }
        }
        self.waiting = still;
    }

    fn strike(&mut self, intent: &Intent, subject: Option<NodeId>, sight: &Sight, acts: &mut Vec<Act>) {
        let view = View { nodes: &sight.nodes, spares: &sight.spares, primaries: &sight.primaries, subject };
        match resolve(intent, &view, &mut self.chance) {
            Ok(series) => {
                let mut series = series.into_iter();
                let first = series.next().map(|(_, fault)| self.rotten.spare(fault, &sight.nodes));
                acts.extend(first.map(|first| match first {
                    Ok(fault) => Act::Make(fault),
                    Err(why) => Act::Skip(intent.nobody(), why),
                }));
                self.series.extend(series.map(|(after, fault)| (sight.now + after, fault)));
                self.series.sort_by_key(|(at, _)| *at);
            }
            Err(why) => acts.push(Act::Skip(intent.nobody(), why)),
        }
    }
}

fn in_vain(step: &Step) -> Act {
    let moment = step.when.map_or("", Moment::name);
    Act::Skip(step.intent.nobody(), format!("it waited for {moment} in vain"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Selector;
    use history::FaultKind;

    const BEGIN: Time = Time::from_secs(100);

    fn course(steps: Vec<Step>) -> Course {
        Course::new(Plan(steps), BEGIN, Chance::new(1))
    }

    fn nodes(nodes: &[u16]) -> Vec<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    /// What is to be done so many milliseconds after the beginning, when these lead and those serve.
    fn acts(course: &mut Course, millis: u64, primaries: &[u16], serving: &[u16]) -> Vec<Act> {
        let now = BEGIN + Duration::from_millis(millis);
        let (primaries, serving) = (nodes(primaries), nodes(serving));
        course.acts(&Sight { now, nodes: NodeId::all(3), spares: Vec::new(), primaries, serving })
    }

    fn kill(node: u16) -> Act {
        Act::Make(Fault::Kill { nodes: nodes(&[node]) })
    }

    const REPAIR: Act = Act::Make(Fault::Repair { kind: FaultKind::Kill });

    #[test]
    fn steps_are_taken_when_they_are_due_and_not_before() {
        let at = |millis| Step::at(Time::from_millis(millis), Intent::Kill(Selector::Primaries));
        let mut course = course(vec![at(10), at(20), at(20), at(30)]);
        assert_eq!(course.next(), BEGIN + Duration::from_millis(10));
        assert_eq!(acts(&mut course, 9, &[1], &[1, 2, 3]), []);
        assert_eq!(acts(&mut course, 10, &[1], &[1, 2, 3]), [kill(1)]);
        assert_eq!(acts(&mut course, 25, &[2], &[2, 3]), [kill(2), kill(2)]);
        let nobody = Act::Skip(Fault::Kill { nodes: vec![] }, "nobody leads".to_owned());
        assert_eq!(acts(&mut course, 31, &[], &[3]), [nobody]);
        assert_eq!(course.next(), Time::NEVER);
    }

    #[test]
    fn a_moment_is_awaited_and_says_whom_it_is_about() {
        let step = Step::when(Time::from_millis(10), Moment::NewLeader, Intent::Kill(Selector::Subject));
        let mut course = course(vec![step]);
        assert_eq!(acts(&mut course, 5, &[1], &[1, 2, 3]), []);
        assert!(!course.is_waiting(), "its time has not come");
        assert_eq!(acts(&mut course, 10, &[1], &[1, 2, 3]), [], "who led already is no new leader");
        assert!(course.is_waiting());
        assert_eq!(acts(&mut course, 11, &[], &[1, 2, 3]), []);
        let seen = acts(&mut course, 12, &[1], &[1, 2, 3]);
        assert_eq!(seen, [Act::Notice(Moment::NewLeader, NodeId(1)), kill(1)], "it leads again");
        assert!(!course.is_waiting());
        assert_eq!(acts(&mut course, 13, &[2], &[2, 3]), []);
    }

    #[test]
    fn a_second_leader_beside_the_first_is_new() {
        let mut course =
            course(vec![Step::when(Time::ZERO, Moment::NewLeader, Intent::Kill(Selector::Subject))]);
        assert_eq!(acts(&mut course, 0, &[3], &[1, 2, 3]), []);
        let seen = acts(&mut course, 1, &[2, 3], &[1, 2, 3]);
        assert_eq!(seen, [Act::Notice(Moment::NewLeader, NodeId(2)), kill(2)]);
    }

    #[test]
    fn who_has_just_started_can_be_met() {
        let mut course =
            course(vec![Step::when(Time::ZERO, Moment::Started, Intent::Kill(Selector::Subject))]);
        assert_eq!(acts(&mut course, 0, &[1], &[1, 3]), []);
        let seen = acts(&mut course, 4, &[1], &[1, 2, 3]);
        assert_eq!(seen, [Act::Notice(Moment::Started, NodeId(2)), kill(2)]);
    }

    #[test]
    fn a_repair_ends_waiting_and_series_of_its_kind() {
        let restart = Intent::Restart { of: Selector::One, times: 5, down_ms: 10, up_ms: 10 };
        let mut course = course(vec![
            Step::at(Time::ZERO, restart),
            Step::when(Time::ZERO, Moment::NewLeader, Intent::Kill(Selector::Subject)),
            Step::when(Time::ZERO, Moment::NewLeader, Intent::Pause(Selector::Subject)),
            Step::at(Time::from_millis(35), Intent::Repair(FaultKind::Kill)),
        ]);
        let so_far = acts(&mut course, 0, &[1], &[1, 2, 3]);
        let [Act::Make(Fault::Kill { nodes: victims })] = so_far.as_slice() else { panic!("{so_far:?}") };
        let start = Act::Make(Fault::Start { nodes: victims.clone() });
        let again = Act::Make(Fault::Kill { nodes: victims.clone() });
        assert_eq!(acts(&mut course, 10, &[1], &[1, 2, 3]), std::slice::from_ref(&start));
        assert_eq!(acts(&mut course, 30, &[1], &[1, 2, 3]), [again, start]);
        let vain = |fault| Act::Skip(fault, "it waited for new-leader in vain".to_owned());
        let repaired = [vain(Fault::Kill { nodes: vec![] }), REPAIR];
        assert_eq!(acts(&mut course, 99, &[1], &[1, 2, 3]), repaired);
        assert_eq!(course.next(), Time::NEVER);
        assert!(course.is_waiting(), "the pause still waits");
        assert_eq!(course.end(), [vain(Fault::Pause { nodes: vec![] })]);
        assert!(!course.is_waiting());
    }
}
