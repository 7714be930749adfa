//! Longer histories than the oracle can judge: right ones are fine, and the quick algorithms agree with the search.

use super::random::garbled;
use super::says;
use crate::synthetic::objects::{Kind, Shape, simulate};
use history::Chance;

#[test]
fn quick_algorithms_and_search_agree_on_histories_of_sixty_operations() {
    let mut wrong = 0;
    for (kind, drains) in [
        (Kind::Fifo, false),
        (Kind::Fifo, true),
        (Kind::Stack, true),
        (Kind::Largest, true),
        (Kind::Elements, false),
        (Kind::Grown, false),
        (Kind::List, false),
        (Kind::Counter, false),
        (Kind::Lock, false),
        (Kind::Leased, false),
    ] {
        let shape = Shape { kind, ops: 60, clients: 3, unknown: 0, looks: 500, elements: 8, drains };
        for seed in 0..60 {
            let history = simulate(shape, seed);
            assert!(says(kind, &history).fine);
            let mut chance = Chance::new(seed).split("wide");
            wrong += usize::from(!says(kind, &garbled(&history, &mut chance)).fine);
        }
    }
    assert!(wrong > 100, "only {wrong} were wrong");
}

#[test]
fn right_histories_of_ten_thousand_operations_are_fine_at_once() {
    for kind in [Kind::Fifo, Kind::Stack, Kind::Largest, Kind::Grown, Kind::List, Kind::Counter, Kind::Lock] {
        let looks = if matches!(kind, Kind::Grown | Kind::List) { 10 } else { 500 };
        let shape =
            Shape { kind, ops: 10_000, clients: 20, unknown: 0, looks, elements: 5_000, drains: false };
        let history = simulate(shape, 5);
        assert!(super::at_once(kind, &history), "{kind:?}");
    }
}
