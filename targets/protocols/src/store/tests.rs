use super::*;
use history::{Doubt, ProcessId, Time};

/// A store, and clients who number their calls.
#[derive(Default)]
struct Bench {
    store: Store,
    number: u64,
}

impl Bench {
    fn by(&mut self, process: u32, call: Call) -> Outcome {
        self.number += 1;
        self.store.apply(Ticket { process: ProcessId(process), number: self.number }, &call, None)
    }

    fn ask(&mut self, call: Call) -> Outcome {
        self.by(0, call)
    }
}

const KEY: Key = Key(1);

fn done() -> Outcome {
    Outcome::Ok(Reply::Done)
}

#[test]
fn a_compare_and_set_says_what_it_found_and_changes_nothing() {
    let mut bench = Bench::default();
    let cas = |expected, new| Call::Cas { key: KEY, expected, new: Value(new) };
    assert_eq!(bench.ask(cas(None, 5)), done());
    let found = Some(Value(5));
    assert_eq!(bench.ask(cas(None, 6)), Outcome::Fail(Refusal::Mismatch { found }));
    assert_eq!(
        bench.ask(Call::Watch { key: KEY, after: 0 }),
        Outcome::Ok(Reply::Changes(vec![(1, Value(5))]))
    );
    assert_eq!(bench.ask(cas(found, 6)), done());
    assert_eq!(bench.ask(Call::Read { key: KEY }), Outcome::Ok(Reply::Read(Some(Value(6)))));
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let mut bench = Bench::default();
    let (list, value) = (Key(2), Value(7));
    let mops = vec![
        Mop::Read { key: list },
        Mop::Append { key: list, value },
        Mop::Read { key: list },
        Mop::Write { key: KEY, value },
        Mop::Read { key: KEY },
    ];
    let gots = vec![Got::Value(None), Got::Done, Got::List(vec![value]), Got::Done, Got::Value(Some(value))];
    assert_eq!(bench.ask(Call::Txn { mops }), Outcome::Ok(Reply::Txn(gots)));
    let mops = vec![Mop::Append { key: list, value: Value(8) }, Mop::Poll];
    assert_eq!(bench.ask(Call::Txn { mops }), Outcome::Fail(Refusal::Unserved));
    assert_eq!(bench.ask(Call::Elements { key: list }), Outcome::Ok(Reply::List(vec![value])));
}

#[test]
fn a_lock_knows_who_holds_it_and_its_tokens_fence() {
    let mut bench = Bench::default();
    let (acquire, release) = (Call::Acquire { key: KEY, lease_ms: None }, Call::Release { key: KEY });
    let write = |token| Call::Guarded { key: KEY, value: Value(token), token: token as u64 };
    let refused = Outcome::Fail(Refusal::NotHeld);
    assert_eq!(bench.by(1, acquire.clone()), Outcome::Ok(Reply::Held(Some(1))));
    assert_eq!(bench.by(2, acquire.clone()), refused);
    assert_eq!(bench.by(1, acquire.clone()), refused);
    assert_eq!(bench.by(2, release.clone()), refused);
    assert_eq!(bench.by(1, release.clone()), done());
    assert_eq!(bench.by(2, acquire), Outcome::Ok(Reply::Held(Some(2))));
    assert_eq!(bench.by(2, write(2)), done());
    assert_eq!(bench.by(1, write(1)), refused);
    assert_eq!(bench.ask(Call::Read { key: KEY }), Outcome::Ok(Reply::Read(Some(Value(2)))));
}

#[test]
fn a_lock_that_was_given_for_a_time_may_be_given_again_after_it() {
    let (acquire, release) = (Call::Acquire { key: KEY, lease_ms: Some(100) }, Call::Release { key: KEY });
    let held = |token| Outcome::Ok(Reply::Held(Some(token)));
    let refused = Outcome::Fail(Refusal::NotHeld);
    let mut bench = Bench::default();
    for (reign, millis, process, expected) in [
        (1, 5_000, 1, held(1)),
        (1, 5_099, 2, refused.clone()),
        (1, 5_099, 1, refused.clone()),
        (1, 5_100, 2, held(2)),
        // What a new leader's clock shows says nothing yet.
        (2, 90_000, 3, refused.clone()),
        (2, 90_099, 3, refused.clone()),
        (2, 90_100, 3, held(3)),
        (2, 90_200, 3, held(4)),
    ] {
        bench.store.hear(Some(Reading { reign, time: Time::from_millis(millis) }));
        assert_eq!(bench.by(process, acquire.clone()), expected, "{millis} of {reign}");
    }
    assert_eq!(bench.by(2, release.clone()), refused, "it is another's by now");
    bench.store.hear(Some(Reading { reign: 2, time: Time::from_millis(99_000) }));
    assert_eq!(bench.by(3, release), done(), "nobody else has asked for it");
    assert_eq!(bench.by(1, Call::Acquire { key: KEY, lease_ms: Some(u64::MAX) }), held(5));
    assert_eq!(bench.by(2, Call::Acquire { key: KEY, lease_ms: None }), refused);
}

#[test]
fn a_bank_moves_what_is_there() {
    let mut bench = Bench::default();
    let transfer = |from, to, amount| Call::Transfer { from: Key(from), to: Key(to), amount };
    assert_eq!(bench.ask(transfer(0, 1, 4)), done());
    assert_eq!(bench.ask(transfer(2, 2, 3)), done());
    for (from, to, amount) in [(0, 1, 7), (0, 1, -1), (0, 8, 1), (9, 0, 1)] {
        assert!(bench.ask(transfer(from, to, amount)).is_fail(), "{amount} from {from} to {to}");
    }
    let Outcome::Ok(Reply::Balances(all)) = bench.ask(Call::Balances) else { panic!("they can be seen") };
    let balances: Vec<i64> = all.iter().map(|(_, balance)| *balance).collect();
    assert_eq!(balances, [6, 14, 10, 10, 10, 10, 10, 10]);
}

#[test]
fn a_call_that_is_sent_twice_is_carried_out_once() {
    let mut store = Store::default();
    let ticket = |number| Ticket { process: ProcessId(3), number };
    let call = Call::Increment { key: KEY, by: 2 };
    let two = Outcome::Ok(Reply::Count(2));
    assert_eq!(store.apply(ticket(5), &call, None), two);
    assert_eq!(store.apply(ticket(5), &call, None), two);
    assert_eq!(store.read(&Call::Count { key: KEY }), two);
    assert_eq!(store.apply(ticket(6), &call, None), Outcome::Ok(Reply::Count(4)));
    assert!(matches!(store.apply(ticket(5), &call, None), Outcome::Unknown(Doubt::Other(_))), "long ago");
    assert_eq!(store.carry_out(ticket(6), &call), Outcome::Ok(Reply::Count(6)), "unless nobody looks");
}

#[test]
fn a_refusal_is_remembered_like_any_other_answer() {
    let mut store = Store::default();
    let ticket = |number| Ticket { process: ProcessId(3), number };
    let cas = Call::Cas { key: KEY, expected: Some(Value(1)), new: Value(2) };
    let refused = Outcome::Fail(Refusal::Mismatch { found: None });
    assert_eq!(store.apply(ticket(1), &cas, None), refused);
    let other = Ticket { process: ProcessId(4), number: 2 };
    assert_eq!(store.apply(other, &Call::Write { key: KEY, value: Value(1) }, None), done());
    assert_eq!(store.apply(ticket(1), &cas, None), refused, "now it would succeed");
}

#[test]
fn a_counter_does_not_wrap() {
    let mut bench = Bench::default();
    assert!(bench.ask(Call::Increment { key: KEY, by: i64::MAX }).is_ok());
    assert!(bench.ask(Call::Increment { key: KEY, by: 1 }).is_fail());
    assert_eq!(bench.ask(Call::Count { key: KEY }), Outcome::Ok(Reply::Count(i64::MAX)));
}

#[test]
fn who_watches_is_told_of_all_or_refused() {
    let mut bench = Bench::default();
    let watch = |after| Call::Watch { key: KEY, after };
    let last = register::REMEMBERED as u64;
    for turn in 1..=last {
        assert!(bench.ask(Call::Write { key: KEY, value: Value(turn as i64) }).is_ok());
    }
    assert!(bench.ask(watch(0)).is_ok());
    assert!(bench.ask(Call::Write { key: KEY, value: Value(7) }).is_ok());
    assert!(bench.ask(watch(0)).is_fail(), "the first write is forgotten");
    assert_eq!(bench.ask(watch(last)), Outcome::Ok(Reply::Changes(vec![(last + 1, Value(7))])));
}

/// What the last of these calls is answered, rightly and with this mistake.
fn both(flaw: Flaw, calls: &[Call]) -> [Outcome; 2] {
    [None, Some(flaw)].map(|flaw| {
        let mut bench = Bench { store: Store::default().with(flaw), number: 0 };
        let outcomes: Vec<Outcome> = calls.iter().map(|call| bench.ask(call.clone())).collect();
        outcomes.last().expect("something is asked").clone()
    })
}

#[test]
fn a_store_makes_the_mistake_that_it_is_told_to_make() {
    let ok = Outcome::Ok;
    let [write, append] = [1, 2].map(|kind| {
        move |value| match kind {
            1 => Mop::Write { key: KEY, value: Value(value) },
            _ => Mop::Append { key: KEY, value: Value(value) },
        }
    });
    let (read, txn) = (Call::Read { key: KEY }, |mops: &[Mop]| Call::Txn { mops: mops.to_vec() });
    let value = |value| ok(Reply::Read(Some(Value(value))));
    let put = |value| Call::Write { key: KEY, value: Value(value) };
    let cas = Call::Cas { key: KEY, expected: Some(Value(1)), new: Value(3) };
    let found = Some(Value(2));
    assert_eq!(
        both(Flaw::CasComparesOld, &[put(1), put(2), cas]),
        [Outcome::Fail(Refusal::Mismatch { found }), done()]
    );
    let same = [put(1), txn(&[write(1), write(2)]), read.clone()];
    assert_eq!(both(Flaw::UnchangedEndsTransaction, &same), [value(2), value(1)]);
    assert_eq!(both(Flaw::FirstWriteStays, &[txn(&[write(1), write(2)]), read]), [value(2), value(1)]);
    let own = [Got::List(vec![Value(5)]), Got::Value(None)];
    let own = own.map(|got| ok(Reply::Txn(vec![Got::Done, got])));
    assert_eq!(both(Flaw::OwnAppendsUnseen, &[txn(&[append(5), Mop::Read { key: KEY }])]), own);
    let counts = [-3, -1].map(|by| Call::Increment { key: KEY, by });
    assert_eq!(both(Flaw::CounterStopsAtZero, &counts), [-4, 0].map(|sum| ok(Reply::Count(sum))));
    let transfer = Call::Transfer { from: Key(0), to: Key(1), amount: 11 };
    let refusal = Refusal::Other("there is not enough in the account".to_owned());
    assert_eq!(both(Flaw::Overdraws, &[transfer]), [Outcome::Fail(refusal), done()]);
    assert_eq!(both(Flaw::IdsWrap, &vec![Call::NextId { key: KEY }; 257]), [value(257), value(1)]);
    let (acquire, release) = (Call::Acquire { key: KEY, lease_ms: None }, Call::Release { key: KEY });
    let tokens = [2, 1].map(|token| ok(Reply::Held(Some(token))));
    assert_eq!(both(Flaw::TokenGoesWithLock, &[acquire.clone(), release, acquire]), tokens);
    let queue = (0..6).map(|value| Call::Enqueue { key: KEY, value: Value(value) });
    let queue: Vec<Call> = queue.chain([Call::Dequeue { key: KEY }]).collect();
    assert_eq!(both(Flaw::SpilledFirst, &queue), [value(0), value(4)]);
}

#[test]
fn a_store_shows_what_it_should_not_if_it_is_told_to() {
    let list = |values: Vec<i64>| Outcome::Ok(Reply::List(values.into_iter().map(Value).collect()));
    let look = Call::Elements { key: KEY };
    let appended = [2, 1].map(|value| Call::Append { key: KEY, value: Value(value) });
    let appended: Vec<Call> = appended.into_iter().chain([look.clone()]).collect();
    assert_eq!(both(Flaw::ListByCall, &appended), [list(vec![2, 1]), list(vec![1, 2])]);
    let added = |count| -> Vec<Call> {
        let adds = (0..count).map(|value| Call::Add { key: KEY, value: Value(value) });
        adds.chain([look.clone()]).collect()
    };
    let all = |range: std::ops::Range<i64>| list(range.collect());
    assert_eq!(both(Flaw::FirstPageOnly, &added(300)), [all(0..300), all(0..256)]);
    for (count, first) in [(15, 0), (16, 1), (19, 1), (20, 0), (32, 1)] {
        assert_eq!(both(Flaw::GrowthHides, &added(count)), [all(0..count), all(first..count)], "{count}");
    }
    let rows = (0..130).map(|value| Call::Add { key: KEY, value: Value(value) });
    let rows: Vec<Call> = rows.chain([Call::Watch { key: KEY, after: 0 }]).collect();
    let [right, wrong] = both(Flaw::StampsOfSignedBytes, &rows).map(|outcome| match outcome {
        Outcome::Ok(Reply::Changes(rows)) => rows,
        other => panic!("{other:?}"),
    });
    assert_eq!(right[..2], [(1, Value(0)), (2, Value(1))]);
    assert_eq!(wrong[..3], [(1, Value(128)), (2, Value(129)), (129, Value(0))], "128 comes before 1");
}
