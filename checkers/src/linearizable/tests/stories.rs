//! What a reader is told, word for word.

use crate::{Budget, Checker, Linearizable};
use history::{History, Time, text};

/// The story of the only anomaly, with a tenth of a second between events.
fn story(told: &str) -> String {
    let mut history = History::new();
    for (i, entry) in text::parse(told).unwrap().entries().iter().enumerate() {
        history.push(Time::from_millis(100 * i as u64), entry.event.clone()).unwrap();
    }
    let report = Linearizable::default().check(&history, &Budget::default());
    assert_eq!(report.anomalies.len(), 1, "{}", report.summary);
    format!("{}. {}", report.anomalies[0].name, report.anomalies[0].story)
}

#[test]
fn a_stale_read_is_told_by_the_time_in_which_the_value_must_have_been_there() {
    assert_eq!(
        story("A:wk5 17[0,1]; C:wk5 9[2,3]; B:rk5 17[4,5]"),
        "stale read. k5 must hold 17 from event 1 (0.100s), when p0:w k5 17[0,1] on n1 returned, until event 4 \
         (0.400s), when p1:r k5 17[4,5] on n1, which saw 17, was invoked. Yet p2:w k5 9[2,3] on n1 (0.200s to \
         0.300s) took effect entirely in between."
    );
}

#[test]
fn a_value_may_be_held_by_several_operations_together() {
    assert_eq!(
        story("A:w1[0,?]; C:w2[1,5]; B:r2[2,4]; D:r2[3,6]; E:rnil[7,8]"),
        "stale read. k0 must hold its initial nil until event 7 (0.700s), when p4:r k0 nil[7,8] on n1, which saw \
         nil, was invoked. Yet p3:r k0 2[3,6] on n1 was invoked after that began, at event 3 (0.300s), and p1:r \
         k0 2[2,4] on n1 returned before it ended, at event 4 (0.400s): both are about 2, so that was held in \
         between."
    );
}

#[test]
fn what_nobody_wrote_and_what_failed_are_told_apart() {
    assert_eq!(
        story("A:w2[0,1]!; B:r1[2,3]"),
        "phantom value. p1:r k0 1[2,3] on n1 (0.200s to 0.300s) saw 1. Nobody ever wrote 1 to k0, which held nil \
         in the beginning."
    );
    assert_eq!(
        story("A:w1[0,1]!; B:r1[2,3]"),
        "aborted read. p1:r k0 1[2,3] on n1 (0.200s to 0.300s) saw 1. Only p0:w k0 1[0,1]! on n1 (0.000s to \
         0.100s) was to write that, and it certainly failed: what failed must never be seen."
    );
}

#[test]
fn a_lost_update_names_both_updates_and_says_why_an_unknown_one_counts() {
    assert_eq!(
        story("A:cas(nil,1)[0,?]; B:cas(nil,2)[1,2]; C:r1[3,4]"),
        "lost update. k0 held nil for one stretch of time only. Yet both p0:cas k0 (nil,1)[0,?] on n1 (0.000s, \
         never completed) (which took effect: its value was seen) and p1:cas k0 (nil,2)[1,2] on n1 (0.100s to \
         0.200s) replaced it. Whichever came second should have found the other's value: one of the two updates \
         is lost."
    );
}

#[test]
fn a_search_is_told_by_the_operations_that_rule_out_every_order() {
    assert_eq!(
        story("A:w1[0,1]; B:w2[2,3]; C:w1[4,5]; D:w2[6,7]; E:r1[8,9]"),
        "not linearizable. Everything on k0 before event 9 (0.900s) can be explained. Then p4:r k0 1[8,9] on n1 \
         returned, and no order of the operations explains it any more. These 4 alone rule it out, even if every \
         other change were free to happen or not, given that k0 held nil in the beginning: p0:w k0 1[0,1] on n1 \
         (0.000s to 0.100s); p2:w k0 1[4,5] on n1 (0.400s to 0.500s); p3:w k0 2[6,7] on n1 (0.600s to 0.700s); \
         p4:r k0 1[8,9] on n1 (0.800s to 0.900s)."
    );
}
