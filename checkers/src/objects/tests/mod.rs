//! The algorithms against the oracle, against the search, and against a table of named histories.

mod exhaustive;
mod oracle;
mod random;
mod table;
mod wide;

use crate::linearizable::{answers, prepare::Prepared};
use crate::models::counter::Counter;
use crate::models::list::List;
use crate::models::lock::Lock;
use crate::models::queue::Queue;
use crate::models::set::Set;
use crate::models::text::Text;
use crate::synthetic::objects::Kind;
use crate::{Budget, Checker, Linearizable, Object, Quick, Sequential, Verdict};
use history::{History, text};

/// How the algorithms judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Says {
    /// The whole checker.
    fine: bool,
    /// The quick algorithms alone, if they knew.
    quick: Option<bool>,
}

/// Lets every algorithm judge that can; they must all agree.
fn says(kind: Kind, history: &History) -> Says {
    match kind {
        Kind::Fifo => judged(Queue::FIFO, history),
        Kind::Stack => judged(Queue::STACK, history),
        Kind::Largest => judged(Queue::PRIORITY, history),
        Kind::Elements | Kind::Grown => judged(Set, history),
        Kind::List => judged(List, history),
        Kind::Text => judged(Text, history),
        Kind::Counter | Kind::Sum => judged(Counter::default(), history),
        Kind::Lock | Kind::Leased => judged(Lock, history),
    }
}

/// Whether the order of each process alone leaves one that explains everything.
fn says_sequentially(kind: Kind, history: &History) -> bool {
    fn fine<O: Object + Clone>(object: O, history: &History) -> bool {
        let report = Sequential::new(object).check(history, &Budget::default());
        assert_ne!(report.verdict, Verdict::Unknown, "{}", report.summary);
        report.verdict == Verdict::Valid
    }
    match kind {
        Kind::Fifo => fine(Queue::FIFO, history),
        Kind::Stack => fine(Queue::STACK, history),
        Kind::Largest => fine(Queue::PRIORITY, history),
        Kind::Elements | Kind::Grown => fine(Set, history),
        Kind::List => fine(List, history),
        Kind::Text => fine(Text, history),
        Kind::Counter | Kind::Sum => fine(Counter::default(), history),
        Kind::Lock | Kind::Leased => fine(Lock, history),
    }
}

fn judged<O: Object>(object: O, history: &History) -> Says {
    let prepared = Prepared::of(&object, history).unwrap();
    let mut quick = Some(prepared.absurd.is_empty());
    for place in 0..prepared.objects.len() {
        let items = prepared.items(place);
        let said = match object.quick(&items) {
            Quick::Fine(_) => Some(true),
            Quick::Wrong(..) => Some(false),
            Quick::Unsure => None,
        };
        let searched = answers(&object, items);
        assert!(
            said.is_none_or(|said| said == searched),
            "quick {said:?}, search {searched}: {}",
            shown(history)
        );
        quick = match (quick, said) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
    let report = Linearizable::new(object).check(history, &Budget::default());
    // Nothing can be wrong where nothing is known to have happened.
    let vacuous = report.summary.starts_with("vacuous");
    assert!(vacuous || report.verdict != Verdict::Unknown, "{}", report.summary);
    for anomaly in &report.anomalies {
        assert!(!anomaly.events.is_empty() && anomaly.events.is_sorted(), "{anomaly:?}");
    }
    Says { fine: vacuous || report.verdict == Verdict::Valid, quick }
}

fn shown(history: &History) -> String {
    history.ops().map(|op| text::show(&op)).collect::<Vec<_>>().join("; ")
}

/// Whether the quick algorithms alone find nothing wrong.
fn at_once(kind: Kind, history: &History) -> bool {
    fn fine<O: Object>(object: &O, history: &History) -> bool {
        let prepared = Prepared::of(object, history).unwrap();
        let mut places = 0..prepared.objects.len();
        places.all(|place| matches!(object.quick(&prepared.items(place)), Quick::Fine(_)))
    }
    match kind {
        Kind::Fifo => fine(&Queue::FIFO, history),
        Kind::Stack => fine(&Queue::STACK, history),
        Kind::Largest => fine(&Queue::PRIORITY, history),
        Kind::Elements | Kind::Grown => fine(&Set, history),
        Kind::List => fine(&List, history),
        Kind::Text => fine(&Text, history),
        Kind::Counter | Kind::Sum => fine(&Counter::default(), history),
        Kind::Lock | Kind::Leased => fine(&Lock, history),
    }
}
