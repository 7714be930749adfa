//! A lock together with the register of the same name that it guards: two objects that know nothing of each other, so
//! each is judged by itself.

use checkers::models::{guarded, guarded::Guarded, lock, lock::Lock};
use checkers::{Item, Meaning, Model, Object, Quick};
use history::{Call, Op, Value};

/// A lock and a register that it guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fenced {
    lock: Lock,
    register: Guarded,
}

/// What one operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// With the lock.
    Lock(lock::Action),
    /// With the register.
    Register(guarded::Action),
}

impl Model for Fenced {
    type State = (lock::Held, <Guarded as Model>::State);
    type Action = Action;

    fn initial(&self) -> Self::State {
        (self.lock.initial(), self.register.initial())
    }

    fn step(&self, (held, holds): &Self::State, action: &Action) -> Option<Self::State> {
        Some(match action {
            Action::Lock(action) => (self.lock.step(held, action)?, *holds),
            Action::Register(action) => (*held, self.register.step(holds, action)?),
        })
    }

    fn observes(&self, action: &Action) -> bool {
        match action {
            Action::Lock(action) => self.lock.observes(action),
            Action::Register(action) => self.register.observes(action),
        }
    }

    fn bounded(&self) -> bool {
        true
    }
}

impl Object for Fenced {
    fn meaning(&self, op: &Op<'_>) -> Meaning<Action> {
        fn of<A>(meaning: Meaning<A>, wrap: fn(A) -> Action) -> Meaning<Action> {
            match meaning {
                Meaning::Action(action) => Meaning::Action(wrap(action)),
                Meaning::Nothing => Meaning::Nothing,
                Meaning::Absurd(flaw) => Meaning::Absurd(flaw),
                Meaning::Misfit => Meaning::Misfit,
            }
        }
        match self.part(op.call) {
            Some(LOCK) => of(self.lock.meaning(op), Action::Lock),
            _ => of(self.register.meaning(op), Action::Register),
        }
    }

    fn part(&self, call: &Call) -> Option<Value> {
        let of_lock = matches!(call, Call::Acquire { .. } | Call::Release { .. });
        Some(if of_lock { LOCK } else { REGISTER })
    }

    fn in_parts(&self) -> bool {
        true
    }

    /// All items are of one part.
    fn quick(&self, items: &[Item<Action>]) -> Quick {
        let (mut locks, mut writes) = (Vec::new(), Vec::new());
        for Item { action, invoked, returned } in items {
            let (invoked, returned) = (*invoked, *returned);
            match *action {
                Action::Lock(action) => locks.push(Item { action, invoked, returned }),
                Action::Register(action) => writes.push(Item { action, invoked, returned }),
            }
        }
        if writes.is_empty() { self.lock.quick(&locks) } else { self.register.quick(&writes) }
    }

    fn beginning(&self) -> String {
        "nobody, and nil".to_owned()
    }
}

/// The two parts.
const LOCK: Value = Value(0);
const REGISTER: Value = Value(1);

#[cfg(test)]
mod tests {
    use super::*;
    use checkers::{Budget, Checker, Linearizable, Verdict};
    use history::{Event, History, Key, NodeId, Outcome, ProcessId, Reply, Time};

    const KEY: Key = Key(4);

    /// Calls one after the other, each with its client and answer.
    fn judged(calls: &[(u32, Call, Reply)]) -> Verdict {
        let mut history = History::new();
        for (process, call, reply) in calls {
            let process = ProcessId(*process);
            let invoke = Event::Invoke { process, node: NodeId(1), call: call.clone() };
            let complete = Event::Complete { process, outcome: Outcome::Ok(reply.clone()) };
            for event in [invoke, complete] {
                history.push(Time(history.len() as u64), event).unwrap();
            }
        }
        Linearizable::new(Fenced::default()).check(&history, &Budget::default()).verdict
    }

    #[test]
    fn both_are_judged() {
        let acquire =
            |process, token| (process, Call::Acquire { key: KEY, lease_ms: None }, Reply::Held(Some(token)));
        let release = |process| (process, Call::Release { key: KEY }, Reply::Done);
        let write = |process: u32, token| {
            (process, Call::Guarded { key: KEY, value: Value(process.into()), token }, Reply::Done)
        };
        let read = |value| (9, Call::Read { key: KEY }, Reply::Read(Some(Value(value))));
        let fine = [acquire(1, 1), write(1, 1), release(1), acquire(2, 2), write(2, 2), read(2)];
        assert_eq!(judged(&fine), Verdict::Valid);
        for wrong in [
            [acquire(1, 1), acquire(2, 2), release(1), release(2), write(1, 1), read(1)],
            [acquire(1, 2), release(1), acquire(2, 1), release(2), write(1, 1), read(1)],
            [acquire(1, 1), release(1), acquire(2, 2), write(2, 2), write(1, 1), read(1)],
            [acquire(1, 1), write(1, 1), release(1), acquire(2, 2), write(2, 2), read(1)],
        ] {
            assert_eq!(judged(&wrong), Verdict::Invalid, "{wrong:?}");
        }
    }
}
