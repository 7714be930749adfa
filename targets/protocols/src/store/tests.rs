use super::*;
use history::{Doubt, ProcessId};

/// A store, and clients who number their calls.
#[derive(Default)]
struct Bench {
    store: Store,
    number: u64,
}

impl Bench {
    fn by(&mut self, process: u32, call: Call) -> Outcome {
        self.number += 1;
        self.store.apply(Ticket { process: ProcessId(process), number: self.number }, &call)
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
    let (acquire, release) = (Call::Acquire { key: KEY }, Call::Release { key: KEY });
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
    assert_eq!(store.apply(ticket(5), &call), two);
    assert_eq!(store.apply(ticket(5), &call), two);
    assert_eq!(store.read(&Call::Count { key: KEY }), two);
    assert_eq!(store.apply(ticket(6), &call), Outcome::Ok(Reply::Count(4)));
    assert!(matches!(store.apply(ticket(5), &call), Outcome::Unknown(Doubt::Other(_))), "long ago");
    assert_eq!(store.carry_out(ticket(6), &call), Outcome::Ok(Reply::Count(6)), "unless nobody looks");
}

#[test]
fn a_refusal_is_remembered_like_any_other_answer() {
    let mut store = Store::default();
    let ticket = |number| Ticket { process: ProcessId(3), number };
    let cas = Call::Cas { key: KEY, expected: Some(Value(1)), new: Value(2) };
    let refused = Outcome::Fail(Refusal::Mismatch { found: None });
    assert_eq!(store.apply(ticket(1), &cas), refused);
    let other = Ticket { process: ProcessId(4), number: 2 };
    assert_eq!(store.apply(other, &Call::Write { key: KEY, value: Value(1) }), done());
    assert_eq!(store.apply(ticket(1), &cas), refused, "now it would succeed");
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
