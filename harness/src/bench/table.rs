//! What was measured, for people and for programs.

use super::machine::Machine;
use super::measure::Measured;
use super::rows::Row;
use serde_json::json;
use std::fmt::Write;

/// A row with what was measured.
pub struct Line<'l> {
    pub row: &'l Row,
    pub measured: &'l Measured,
}

/// Prints one line after the other.
pub struct Table {
    machine: Machine,
    json: bool,
    lines: usize,
    wrong: usize,
    missed: usize,
}

/// The shortest time of reading and judging from which on the whole is held against their sum: before that, starting a
/// process is most of it.
const COUNTS: f64 = 0.05;

impl Line<'_> {
    /// Verdicts that are not the known ones.
    pub fn wrong(&self) -> &[String] {
        &self.measured.wrong
    }

    /// How many times as long the peer took.
    fn ratio(&self) -> Option<f64> {
        let (peer, measured) = (self.row.peer?, self.measured);
        Some(peer.seconds / measured.judging.unwrap_or(measured.reading))
    }

    /// How many times as long the whole took as reading and judging.
    fn overhead(&self) -> Option<f64> {
        let (whole, measured) = (self.measured.whole.as_ref()?, self.measured);
        let parts = measured.reading + measured.judging?;
        (parts >= COUNTS).then(|| whole.seconds / parts)
    }

    /// What was promised and not kept.
    fn missed(&self) -> Vec<&'static str> {
        let (goal, measured) = (self.row.goal, self.measured);
        let mut missed = Vec::new();
        let over = |limit: Option<f64>, is: Option<f64>| limit.zip(is).is_some_and(|(limit, is)| is > limit);
        if measured.undecided > 0 {
            missed.push("undecided");
        }
        if over(goal.seconds, measured.judging) {
            missed.push("time");
        }
        if over(goal.mib.map(|mib| mib as f64), Some((measured.memory >> 20) as f64)) {
            missed.push("memory");
        }
        if over(Some(2.0), self.overhead()) {
            missed.push("whole");
        }
        if goal.rate.is_some_and(|rate| self.rate() < rate) {
            missed.push("reading");
        }
        missed
    }

    /// How many events one core reads in a second.
    fn rate(&self) -> f64 {
        self.measured.events as f64 / self.measured.reading_processor.max(1e-6)
    }

    fn goal(&self) -> String {
        let goal = self.row.goal;
        let parts = [
            goal.seconds.map(seconds),
            goal.mib.map(|mib| format!("{mib} MiB")),
            goal.rate.map(|rate| format!("{:.0} M/s", rate / 1e6)),
        ];
        let goal: Vec<String> = parts.into_iter().flatten().collect();
        let missed = self.missed();
        match (goal.is_empty(), missed.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!("{}: met", goal.join(", ")),
            (_, false) => format!("{}: MISSED ({})", goal.join(", "), missed.join(", ")),
        }
    }
}

impl Table {
    pub fn new(machine: Machine, json: bool) -> Table {
        Table { machine, json, lines: 0, wrong: 0, missed: 0 }
    }

    /// What comes before all lines.
    pub fn head(&self) -> String {
        if self.json {
            return format!("{}\n", json!({"machine": self.machine}));
        }
        let Machine { processor, cores, memory_gib, kernel, tribunal, load } = &self.machine;
        format!(
            "{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}, load {load}, tribunal {tribunal}\n\
             read: events a second of one core from disk; judge: from memory, on all cores; cpu: on all of them together; memory: \
             beside the history;\n\
             check: `tribunal check` from its start to end, and its memory; ratio: how many times as long the peer took\n\n\
             {}",
            columns(["work", "events", "read", "judge", "cpu", "memory", "verdict", "check", "goal", "peer"])
        )
    }

    /// One line, and what is wrong with it.
    pub fn line(&mut self, line: &Line<'_>) -> String {
        let Line { row, measured } = line;
        let (missed, wrong) = (line.missed(), line.wrong());
        self.lines += 1;
        self.missed += usize::from(!missed.is_empty());
        self.wrong += usize::from(!wrong.is_empty());
        if self.json {
            let (ratio, overhead) = (line.ratio(), line.overhead());
            let row = json!({
                "work": row.name, "measured": measured, "goal_seconds": row.goal.seconds, "goal_mib": row.goal.mib,
                "goal_rate": row.goal.rate, "peer": row.peer.map(|peer| peer.said), "ratio": ratio,
                "overhead": overhead, "missed": missed,
            });
            return format!("{row}\n");
        }
        let judged = measured.judging.is_some();
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let only = |text: String| if judged { text } else { String::new() };
        let whole = measured.whole.as_ref();
        let whole = whole.map(|whole| format!("{}, {}", seconds(whole.seconds), mib(whole.memory)));
        let peer = row.peer.map(|peer| format!("{} (×{:.0})", peer.said, line.ratio().unwrap_or(0.0)));
        let mut text = columns([
            row.name,
            &measured.events.to_string(),
            &format!("{:.2} M/s", line.rate() / 1e6),
            &measured.judging.map(seconds).unwrap_or_default(),
            &only(seconds(measured.processor)),
            &only(mib(measured.memory)),
            measured.verdict.as_deref().unwrap_or_default(),
            &whole.unwrap_or_default(),
            &line.goal(),
            &peer.unwrap_or_default(),
        ]);
        for wrong in wrong {
            let _ = writeln!(text, "  WRONG: {wrong}");
        }
        text
    }

    /// What comes after all lines.
    pub fn foot(&self) -> String {
        match self.json {
            true => String::new(),
            false => format!(
                "\n{} rows, {} with a wrong verdict, {} that missed a goal\n",
                self.lines, self.wrong, self.missed
            ),
        }
    }
}

fn columns(cells: [&str; 10]) -> String {
    let [work, events, read, judge, cpu, memory, verdict, check, goal, peer] = cells;
    let line = format!(
        "{work:<51} {events:>9} {read:>9} {judge:>9} {cpu:>9} {memory:>8}  {verdict:<9} {check:<18} {goal:<34} {peer}"
    );
    format!("{}\n", line.trim_end())
}

/// A time in the unit that suits it.
fn seconds(seconds: f64) -> String {
    match seconds {
        small if small < 0.001 => format!("{:.0} µs", small * 1e6),
        small if small < 0.1 => format!("{:.1} ms", small * 1e3),
        small if small < 1.0 => format!("{:.0} ms", small * 1e3),
        large => format!("{large:.2} s"),
    }
}
