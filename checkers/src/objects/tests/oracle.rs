//! The dumbest judge there is: every order of every choice of the unknown operations, on the plainest objects. It
//! shares no code with the judges that it is held against.

use crate::synthetic::objects::Kind;
use history::{Call, History, Outcome, Refusal, Reply};

/// One operation as the oracle understands it.
#[derive(Debug, Clone)]
pub struct Deed {
    call: Call,
    /// What was answered, if anything was.
    reply: Option<Reply>,
    process: u32,
    from: usize,
    /// When it ended, if it certainly happened.
    to: Option<usize>,
}

/// The operations of a history that may have happened.
pub fn deeds(kind: Kind, history: &History) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for op in history.ops() {
        let (reply, to) = match op.outcome {
            Outcome::Ok(reply) => (Some(reply.clone()), op.completed),
            Outcome::Fail(Refusal::Mismatch { .. }) => panic!("no registers here"),
            Outcome::Fail(_) => continue,
            Outcome::Unknown(_) => (None, None),
        };
        let reply = reply.map(|reply| match reply {
            Reply::List(mut elements) if kind == Kind::Grown => {
                elements.sort_unstable();
                Reply::List(elements)
            }
            reply => reply,
        });
        deeds.push(Deed { call: op.call.clone(), reply, process: op.process.0, from: op.invoked, to });
    }
    deeds
}

/// Whether some order explains all that certainly happened, with any of what may have.
pub fn explains(kind: Kind, deeds: &[Deed]) -> bool {
    extends(kind, deeds, &|one, other| before(one, other), &mut vec![false; deeds.len()], &[])
}

/// Whether some order does that need only be that of each process.
pub fn explains_sequentially(kind: Kind, deeds: &[Deed]) -> bool {
    let own = |one: &Deed, other: &Deed| one.process == other.process && before(one, other);
    extends(kind, deeds, &own, &mut vec![false; deeds.len()], &[])
}

fn before(one: &Deed, other: &Deed) -> bool {
    one.to.is_some_and(|to| to < other.from)
}

fn extends(
    kind: Kind,
    deeds: &[Deed],
    before: &dyn Fn(&Deed, &Deed) -> bool,
    done: &mut [bool],
    state: &[i64],
) -> bool {
    let rest: Vec<usize> = (0..deeds.len()).filter(|i| !done[*i]).collect();
    if rest.iter().all(|i| deeds[*i].to.is_none()) {
        return true;
    }
    for i in &rest {
        if rest.iter().any(|j| before(&deeds[*j], &deeds[*i])) {
            continue;
        }
        let mut after = state.to_vec();
        let answer = apply(kind, &mut after, &deeds[*i]);
        let fits = match (&deeds[*i].reply, answer) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(Reply::Held(_)), Some(_)) => true,
            (Some(reply), Some(answer)) => *reply == answer,
        };
        done[*i] = true;
        if fits && extends(kind, deeds, before, done, &after) {
            return true;
        }
        done[*i] = false;
    }
    false
}

/// What the object would answer; nothing if it would refuse.
fn apply(kind: Kind, state: &mut Vec<i64>, deed: &Deed) -> Option<Reply> {
    let values = |state: &[i64]| state.iter().map(|v| history::Value(*v)).collect::<Vec<_>>();
    let take = |state: &mut Vec<i64>| {
        let at = match kind {
            Kind::Fifo => 0,
            Kind::Stack => state.len().wrapping_sub(1),
            _ => (0..state.len()).max_by_key(|i| state[*i]).unwrap_or(0),
        };
        (!state.is_empty()).then(|| history::Value(state.remove(at)))
    };
    Some(match &deed.call {
        Call::Enqueue { value, .. } | Call::Append { value, .. } => {
            state.push(value.0);
            Reply::Done
        }
        Call::Write { value, .. } => {
            *state = vec![value.0];
            Reply::Done
        }
        Call::Dequeue { .. } => Reply::Read(take(state)),
        Call::Drain { .. } => Reply::List(std::iter::from_fn(|| take(state)).collect()),
        Call::Add { value, .. } => {
            state.retain(|v| *v != value.0);
            state.push(value.0);
            state.sort_unstable();
            Reply::Done
        }
        Call::Remove { value, .. } => {
            state.retain(|v| *v != value.0);
            Reply::Done
        }
        Call::Contains { value, .. } => Reply::Is(state.contains(&value.0)),
        Call::Elements { .. } => Reply::List(values(state)),
        Call::Increment { by, .. } => {
            let sum = state.first().copied().unwrap_or(0) + by;
            *state = vec![sum];
            Reply::Done
        }
        Call::Count { .. } => Reply::Count(state.first().copied().unwrap_or(0)),
        Call::Acquire { lease_ms, .. } => {
            // The last token that was given, who holds the lock, and whether only for a time.
            let last = state.first().copied().unwrap_or(0);
            let token = match &deed.reply {
                Some(Reply::Held(Some(token))) => *token as i64,
                _ => last + 1,
            };
            if state.get(2) == Some(&0) || (deed.reply.is_some() && token <= last) {
                return None;
            }
            let kept = if deed.reply.is_some() { token } else { last };
            *state = vec![kept, i64::from(deed.process), i64::from(lease_ms.is_some())];
            Reply::Held(None)
        }
        Call::Release { .. } => {
            if state.get(1) != Some(&i64::from(deed.process)) {
                return None;
            }
            state.truncate(1);
            Reply::Done
        }
        call => panic!("{call} is not asked here"),
    })
}
