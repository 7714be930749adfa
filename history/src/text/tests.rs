use super::*;
use crate::{Call, Chance, Doubt, Got, Key, Mop, Outcome, ProcessId, Refusal, Reply, Value};

fn shown(text: &str) -> String {
    written(&parse(text).unwrap())
}

fn written(history: &History) -> String {
    history.ops().map(|op| show(&op)).collect::<Vec<_>>().join("; ")
}

#[test]
fn showing_undoes_reading() {
    let full =
        "p0:w k0 1[0,1]; p1:r k3 nil[2,3]; p2:cas k0 (1,-2)[4,?]; p3:cas k0 (nil,9)[5,6]!7; p4:w k1 3[7,8]!";
    assert_eq!(shown(full), full);
}

#[test]
fn short_forms_are_read() {
    for (short, full) in [
        ("A:w1[0,?]; B:cas(0,2)[1,5] # tail", "p0:w k0 1[0,?]; p1:cas k0 (0,2)[1,2]"),
        ("C:ry0[2,3]", "p2:r k1 0[0,1]"),
        ("(empty)", ""),
        ("A:w1; B:r1", "p0:w k0 1[0,1]; p1:r k0 1[2,3]"),
        ("A:enq1[0,1]; B:deq∅[2,3]; B:deq?[4,?]", "p0:enq k0 1[0,1]; p1:deq k0 ∅[2,3]; p1:deq k0 ?[4,?]"),
        ("A:acq[0,1]; A:rel[2,3]; B:acq@7[4,5]", "p0:acq k0[0,1]; p0:rel k0[2,3]; p1:acq k0@7[4,5]"),
        ("A:acqx for 500@7; B:acq k3 for 20[2,3]!", "p0:acq k0 for 500@7[0,1]; p1:acq k3 for 20[2,3]!"),
        ("A:inc[0,1]; B:r1[2,3]; C:add5[4,?]", "p0:inc k0 1[0,1]; p1:count k0 1[2,3]; p2:inc k0 5[4,?]"),
        ("A:add5[0,3]; C:r5[2,5]", "p0:inc k0 5[0,2]; p2:count k0 5[1,3]"),
        ("A:add1[0,1]; B:r{}[2,3]; B:r{2,1}[4,5]", "p0:add k0 1[0,1]; p1:r k0 {}[2,3]; p1:r k0 {2,1}[4,5]"),
        ("A:addx1[0,1]; B:ry1[2,3]", "p0:add k0 1[0,1]; p1:r k1 1[2,3]"),
        ("p0:[ax1 rx1,2 ry][0,4]", "p0:[ak0=1 rk0[1,2] rk1[]][0,1]"),
        ("T1: ax1 rx [0,?]; T2: rx1 [1,2]!", "p101:[ak0=1 rk0?][0,?]; p102:[rk0?][1,2]!"),
        ("T1@A: ax1 [0,1]; T2@A: rx1 [2,3]", "p0:[ak0=1][0,1]; p0:[rk0[1]][2,3]"),
        ("T2: rx9 [0,1]", "p102:[rk0[9]][0,1]"),
        ("T1: wx1 wy1; T2: rx1 ry0", "p101:[wk0=1 wk1=1][0,1]; p102:[rk0=1 rk1=0][2,3]"),
        ("A:[wx1 ry2 az3 rz3]; B:[rxnil]", "p0:[wk0=1 rk1=2 ak2=3 rk2[3]][0,1]; p1:[rk0=nil][2,3]"),
        ("A:[sx1@4 sy2 poll{x@4:1}]", "p0:[sk0=1@4 sk1=2 poll{k0@4:1}][0,1]"),
        ("A:movexy5; B:balances{x:-5,y:5}", "p0:move k0 k1 5[0,1]; p1:balances{k0:-5,k1:5}[2,3]"),
        ("A:idx7; B:leader nil; B:leader n3@2", "p0:id k0 7[0,1]; p1:leader nil[2,3]; p1:leader n3@2[4,5]"),
        ("A:watchx@7{8:1,9:2}; B:assign[x,k9]", "p0:watch k0@7{8:1,9:2}[0,1]; p1:assign [k0,k9][2,3]"),
    ] {
        assert_eq!(shown(short), full, "{short}");
        assert_eq!(shown(full), full);
    }
}

#[test]
fn the_documented_examples_are_read() {
    let page = include_str!("../../../docs/FORMATS.md");
    let examples = page.split("```text compact\n").nth(1).unwrap().split("```").next().unwrap();
    let history = parse(examples).unwrap();
    assert_eq!(parse(&written(&history)).unwrap().ops().len(), history.ops().len());
}

#[test]
fn what_is_wrong_is_said() {
    for (text, why) in [
        ("A:w1[0,1", "end with ']'"),
        ("A:q1[0,1]", "there is no such call"),
        ("A:w1[3,2]", "before it is invoked"),
        ("A:w1[0,1]; B:w2[1,2]", "index is taken"),
        ("A:w1[0,2]; A:w2[1,3]", "while its call"),
        ("1:w1[0,2]", "begins with a process"),
        ("A:w1[0,2] w2", "something after it"),
        ("A:w1[-1,2]", "not negative"),
        ("A:[qx1][0,1]", "the parts of a transaction"),
        ("A:[ax1[0,1]", "ends with ']'"),
        ("A:hasx1[0,1]", "yes, no or ?"),
        ("A:w99999999999999999999", "too large"),
        ("p4294967296:w1", "no such process"),
        ("T4294967295: wx1", "no such process"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// Any call with an answer that fits it. Each kind of object has keys of its own.
fn any_call(chance: &mut Chance) -> (Call, Reply) {
    let kind = chance.below(22);
    let key = Key(kind + 32 * chance.below(3));
    let value = Value(chance.below(9) as i64 - 4);
    let token = chance.below(9);
    let held = (token > 2).then_some(value);
    let few = |chance: &mut Chance| (0..chance.below(4)).map(|n| Value(n as i64 * 7 - 7)).collect::<Vec<_>>();
    match kind {
        0 => (Call::Write { key, value }, Reply::Done),
        1 => (Call::Cas { key, expected: held, new: value }, Reply::Done),
        2 => (Call::Add { key, value }, Reply::Done),
        3 => (Call::Remove { key, value }, Reply::Done),
        4 => (Call::Contains { key, value }, Reply::Is(token > 4)),
        5 => (Call::Elements { key }, Reply::List(few(chance))),
        6 => (Call::Append { key, value }, Reply::Done),
        7 => (Call::Increment { key, by: value.0 }, Reply::Done),
        8 => (Call::Count { key }, Reply::Count(value.0)),
        9 => (Call::Enqueue { key, value }, Reply::Done),
        10 => (Call::Dequeue { key }, Reply::Read(held)),
        11 => (Call::Drain { key }, Reply::List(few(chance))),
        12 => {
            let lease_ms = (chance.below(2) == 0).then(|| chance.below(900));
            (Call::Acquire { key, lease_ms }, Reply::Held(held.map(|_| token)))
        }
        13 => (Call::Release { key }, Reply::Done),
        14 => (Call::Guarded { key, value, token }, Reply::Done),
        15 => (Call::NextId { key }, Reply::Read(Some(value))),
        16 => (Call::Transfer { from: key, to: Key(token), amount: value.0 }, Reply::Done),
        17 => (Call::Balances, Reply::Balances(few(chance).into_iter().map(|v| (key, v.0)).collect())),
        18 => (Call::Leader, Reply::Leader(held.map(|_| (NodeId(3), token)))),
        19 => {
            let changes = few(chance).into_iter().map(|value| (token, value)).collect();
            (Call::Watch { key, after: token }, Reply::Changes(changes))
        }
        20 => (Call::Assign { keys: vec![key; token as usize], shared: token > 4 }, Reply::Done),
        _ => {
            let parts = (0..chance.below(5)).map(|_| any_mop(chance));
            let (mops, gots) = parts.unzip();
            (Call::Txn { mops }, Reply::Txn(gots))
        }
    }
}

fn any_mop(chance: &mut Chance) -> (Mop, Got) {
    let (key, value) = (Key(chance.below(4)), Value(chance.below(9) as i64 - 4));
    let values = vec![value; chance.below(3) as usize];
    match chance.below(6) {
        0 => (Mop::Read { key }, Got::Value(values.first().copied())),
        1 => (Mop::Read { key }, Got::List(values)),
        2 => (Mop::Write { key, value }, Got::Done),
        3 => (Mop::Append { key, value }, Got::Done),
        4 => (Mop::Send { key, value }, Got::Offset(values.first().map(|_| 5))),
        _ => (Mop::Poll, Got::Messages(values.into_iter().map(|value| (key, 3, value)).collect())),
    }
}

fn any_history(seed: u64) -> History {
    let mut chance = Chance::new(seed);
    let mut history = History::new();
    let mut open: Vec<(u32, Call, Reply)> = Vec::new();
    for at in 0..40 {
        let event = if !open.is_empty() && chance.below(2) == 0 {
            let (process, call, reply) = open.swap_remove(chance.below(open.len() as u64) as usize);
            let refusal = match call {
                Call::Txn { .. } => Refusal::Aborted,
                Call::Acquire { .. } | Call::Release { .. } => Refusal::NotHeld,
                Call::Cas { .. } => Refusal::Mismatch { found: Some(Value(3)) },
                _ => Refusal::Unreachable,
            };
            let outcome = match chance.below(4) {
                0 => continue,
                1 => Outcome::Fail(refusal),
                _ => Outcome::Ok(reply),
            };
            Event::Complete { process: ProcessId(process), outcome }
        } else {
            let (call, reply) = any_call(&mut chance);
            open.push((at, call.clone(), reply));
            Event::Invoke { process: ProcessId(at), node: NodeId(1), call }
        };
        history.push(Time(history.len() as u64), event).unwrap();
    }
    history
}

#[test]
fn reading_undoes_showing_for_every_call() {
    for seed in 0..2_000 {
        let history = any_history(seed);
        let text = written(&history);
        let again = parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}: {text}"));
        assert_eq!(again.ops().len(), history.ops().len());
        for (op, read) in history.ops().zip(again.ops()) {
            assert_eq!((op.process, op.call, op.invoked), (read.process, read.call, read.invoked), "{text}");
            let unfinished = &Outcome::Unknown(Doubt::Unfinished);
            assert!(op.outcome == read.outcome || op.outcome == unfinished, "seed {seed}: {text}");
        }
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    let whole: Vec<char> = "p0:[ak0=1 rk0[1,2] poll{k0@4:1}][0,?]!7;A:r{}∅?;T1@Bnil-".chars().collect();
    for seed in 0..20_000 {
        let mut chance = Chance::new(seed);
        let mut text: Vec<char> = written(&any_history(seed % 50)).chars().take(60).collect();
        for _ in 0..=chance.below(6) {
            let at = chance.below(text.len() as u64) as usize;
            text[at] = whole[chance.below(whole.len() as u64) as usize];
        }
        let _ = parse(&text.into_iter().collect::<String>());
    }
}
