//! Several judges of one history that is read event by event.

use crate::checker::caught;
use crate::{Budget, Case, Checker, Report};
use history::{Call, Entry, Event, Got, History, Outcome, Reply};

/// Judges who hear one history together. Those who cannot hear event by event share one copy of it.
pub struct Panel<'c> {
    seats: Vec<Seat<'c>>,
    whole: Option<Whole>,
    /// How many bytes the history may take.
    limit: usize,
}

struct Seat<'c> {
    checker: &'c dyn Checker,
    /// What it hears, if it can.
    case: Option<Box<dyn Case + 'c>>,
    /// Why it cannot judge any more, if it panicked.
    failed: Option<Report>,
}

struct Whole {
    history: History,
    bytes: usize,
    /// Why it is not whole.
    cut: Option<String>,
}

impl<'c> Panel<'c> {
    /// Opens a case with each. The history may take half of `bytes`, if it has to be kept as a whole.
    pub fn new(checkers: &[&'c dyn Checker], bytes: usize) -> Panel<'c> {
        let seat = |checker: &&'c dyn Checker| Seat { checker: *checker, case: checker.open(), failed: None };
        let seats: Vec<Seat<'c>> = checkers.iter().map(seat).collect();
        let together = seats.iter().any(|seat| seat.case.is_none());
        let whole = together.then(|| Whole { history: History::new(), bytes: 0, cut: None });
        Panel { seats, whole, limit: bytes / 2 }
    }

    /// Says about how many events will come.
    pub fn expect(&mut self, events: usize) {
        if let Some(whole) = &mut self.whole {
            whole.history.reserve(events.min(self.limit / size_of::<Entry>()));
        }
    }

    /// Lets all of them hear the event at `index`.
    pub fn hear(&mut self, index: usize, entry: Entry) {
        for seat in self.seats.iter_mut().filter(|seat| seat.failed.is_none()) {
            if let Some(case) = &mut seat.case {
                seat.failed = caught(seat.checker, || case.hear(index, &entry)).err();
            }
        }
        if let Some(whole) = &mut self.whole {
            whole.hear(entry, self.limit);
        }
    }

    /// Lets each of them judge, in their order; and hands the history over, if it was kept as a whole.
    pub fn close(self, budget: &Budget) -> (Vec<Report>, Option<History>) {
        let whole = self.whole;
        // What the history takes, nobody else can have.
        let kept = whole.as_ref().map_or(0, |whole| whole.bytes);
        let budget = Budget { bytes: budget.bytes.saturating_sub(kept), ..*budget };
        let reports = self.seats.into_iter().map(|seat| seat.judge(whole.as_ref(), &budget)).collect();
        (reports, whole.filter(|whole| whole.cut.is_none()).map(|whole| whole.history))
    }
}

impl Seat<'_> {
    fn judge(self, whole: Option<&Whole>, budget: &Budget) -> Report {
        let checker = self.checker;
        let judged = match (self.failed, self.case, whole) {
            (Some(report), ..) => return report,
            (None, Some(case), _) => caught(checker, || case.close(budget)),
            (None, None, Some(Whole { cut: Some(why), .. })) => {
                Ok(Report::unknown(checker.name(), why.clone()))
            }
            (None, None, Some(whole)) => caught(checker, || checker.check(&whole.history, budget)),
            (None, None, None) => unreachable!("whoever has no case needs the whole history"),
        };
        judged.unwrap_or_else(|report| report)
    }
}

impl Whole {
    fn hear(&mut self, entry: Entry, limit: usize) {
        if self.cut.is_some() {
            return;
        }
        self.bytes += weight(&entry.event);
        if self.bytes > limit {
            let (events, limit) = (self.history.len(), limit >> 20);
            self.cut = Some(format!(
                "{events} events fill the {limit} MiB that the history may take, and there are more"
            ));
            (self.history, self.bytes) = (History::new(), 0);
        } else if let Err(malformed) = self.history.push(entry.time, entry.event) {
            self.cut = Some(malformed.to_string());
        }
    }
}

/// About how many bytes an event takes in a history.
pub fn weight(event: &Event) -> usize {
    let inside = match event {
        Event::Invoke { call: Call::Txn { mops }, .. } => size_of_val(&mops[..]),
        Event::Complete { outcome: Outcome::Ok(Reply::List(values)), .. } => size_of_val(&values[..]),
        Event::Complete { outcome: Outcome::Ok(Reply::Txn(gots)), .. } => {
            let lists =
                gots.iter().map(|got| if let Got::List(values) = got { size_of_val(&values[..]) } else { 0 });
            size_of_val(&gots[..]) + lists.sum::<usize>()
        }
        _ => 0,
    };
    // The entry itself, and half of a span.
    size_of::<Entry>() + 4 + inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deaths, Invariants, Linearizable, Set, Verdict};
    use history::{NodeId, Time, Violation, text};

    fn judged(told: &str, checkers: &[&dyn Checker], bytes: usize) -> Vec<Report> {
        let mut panel = Panel::new(checkers, bytes);
        let history = text::parse(told).unwrap();
        history.entries().iter().enumerate().for_each(|(index, entry)| panel.hear(index, entry.clone()));
        panel.close(&Budget { bytes, ..Budget::default() }).0
    }

    #[test]
    fn each_judge_says_what_it_would_say_alone() {
        let told = "A:w1[0,1]; B:rnil[2,3]";
        let checkers: [&dyn Checker; 2] = [&Linearizable::default(), &Set];
        let history = text::parse(told).unwrap();
        let alone: Vec<_> =
            checkers.iter().map(|checker| checker.check(&history, &Budget::default())).collect();
        let together = judged(told, &checkers, 1 << 20);
        assert_eq!(
            together.iter().map(|r| r.verdict).collect::<Vec<_>>(),
            [Verdict::Invalid, Verdict::Unknown],
            "nobody used a set"
        );
        assert_eq!(together, alone);
    }

    #[test]
    fn who_needs_few_events_says_the_same_of_them() {
        let mut history = History::new();
        let violation = Violation { property: "p".to_owned(), source: "s".to_owned(), story: "t".to_owned() };
        history.push(Time(1), text::parse("A:w1").unwrap().entries()[0].event.clone()).unwrap();
        history.push(Time(2), Event::Died { node: NodeId(1), how: "exit status 101".to_owned() }).unwrap();
        history.push(Time(3), Event::Violated(Box::new(violation))).unwrap();
        let checkers: [&dyn Checker; 2] = [&Invariants, &Deaths];
        let mut panel = Panel::new(&checkers, 1 << 20);
        history.entries().iter().enumerate().for_each(|(index, entry)| panel.hear(index, entry.clone()));
        assert!(panel.whole.is_none());
        let alone = checkers.map(|checker| checker.check(&history, &Budget::default()));
        assert_eq!(alone.clone().map(|report| report.anomalies[0].events[0]), [2, 1]);
        assert_eq!(panel.close(&Budget::default()).0, alone);
    }

    #[test]
    fn what_does_not_fit_is_unknown() {
        let reports = judged("A:addx1; B:rx{}", &[&Set], 300);
        assert_eq!(reports[0].verdict, Verdict::Unknown);
        assert!(reports[0].summary.contains("may take"), "{}", reports[0].summary);
    }

    /// Says how much memory it may take.
    struct Asking;

    impl Checker for Asking {
        fn name(&self) -> &'static str {
            "asking"
        }

        fn check(&self, _: &History, budget: &Budget) -> Report {
            Report::valid("asking", budget.bytes.to_string())
        }
    }

    #[test]
    fn what_the_history_takes_is_not_there_for_judging() {
        let told = "A:w1[0,1]; B:r1[2,3]";
        let history = text::parse(told).unwrap();
        let taken: usize = history.entries().iter().map(|entry| weight(&entry.event)).sum();
        assert!(taken > 4 * size_of::<Entry>());
        let reports = judged(told, &[&Asking], 4 * taken);
        assert_eq!(reports[0].summary, (3 * taken).to_string());
    }

    struct Clumsy;
    struct Fall;

    impl Checker for Clumsy {
        fn name(&self) -> &'static str {
            "clumsy"
        }

        fn check(&self, _: &History, _: &Budget) -> Report {
            panic!("over its own feet")
        }

        fn open(&self) -> Option<Box<dyn Case + '_>> {
            Some(Box::new(Fall))
        }
    }

    impl Case for Fall {
        fn hear(&mut self, _: usize, _: &Entry) {
            panic!("over its own feet")
        }

        fn close(self: Box<Self>, _: &Budget) -> Report {
            Report::valid("clumsy", "nothing")
        }
    }

    #[test]
    fn a_judge_who_falls_takes_nobody_down() {
        let reports = judged("A:w1; B:r1", &[&Clumsy, &Linearizable::default()], 1 << 20);
        assert_eq!(reports[0].verdict, Verdict::Unknown);
        assert!(reports[0].summary.contains("over its own feet"), "{}", reports[0].summary);
        assert_eq!(reports[1].verdict, Verdict::Valid);
    }
}
