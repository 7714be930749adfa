//! What a person sees while a run is under way: one line, drawn again and again, on a terminal only.

use crate::tally::Tally;
use history::{Phase, Time};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

/// Draws the line, at most five times a second.
pub struct Progress {
    drawn: Option<Instant>,
    limit: Duration,
    last: (Time, u64, u64, u64),
    shown: bool,
}

const EVERY: Duration = Duration::from_millis(200);

impl Progress {
    /// For a run whose main phase lasts `limit`; silent unless standard error is a terminal.
    pub fn new(limit: Duration) -> Progress {
        Progress { drawn: None, limit, last: (Time::ZERO, 0, 0, 0), shown: stderr().is_terminal() }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Time, tally: &Tally) {
        if !self.shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        let line = self.line(now, tally);
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
        let line: String = line.chars().take(width).collect();
        let _ = write!(stderr(), "\r\x1b[K{line}");
        let _ = stderr().flush();
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown && self.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    fn line(&mut self, now: Time, tally: &Tally) -> String {
        let (then, ok, fail, unknown) = self.last;
        let span = now.since(then).as_secs_f64().max(1e-3);
        let rate = |count: u64, before: u64| (count - before) as f64 / span;
        let rates = [rate(tally.ok, ok), rate(tally.fail, fail), rate(tally.unknown, unknown)];
        self.last = (now, tally.ok, tally.fail, tally.unknown);
        let phase = match tally.phase {
            None => "deploying".to_owned(),
            Some(Phase::Main) => format!("{:.0}s of {:.0}s", now.as_secs_f64(), self.limit.as_secs_f64()),
            Some(phase) => phase.to_string(),
        };
        let broken: Vec<&str> = tally.broken.values().map(String::as_str).collect();
        let broken = if broken.is_empty() { "all is well".to_owned() } else { broken.join("; ") };
        let [ok, fail, unknown] = rates;
        format!("{phase} · {} ok ({ok:.0}/s, fail {fail:.0}/s, unknown {unknown:.0}/s) · {broken}", tally.ok)
    }
}

/// Draws how far a long file was read.
pub struct Counter {
    name: String,
    begun: Instant,
    drawn: Option<Instant>,
    shown: bool,
}

impl Counter {
    /// For a file; silent unless standard error is a terminal.
    pub fn new(file: &Path) -> Counter {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Counter { name, begun: Instant::now(), drawn: None, shown: stderr().is_terminal() }
    }

    /// So many events were heard.
    pub fn tick(&mut self, events: usize) {
        let recent = self.drawn.unwrap_or(self.begun).elapsed() < EVERY;
        if !self.shown || recent {
            return;
        }
        self.drawn = Some(Instant::now());
        let rate = events as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
        let _ =
            write!(stderr(), "\r\x1b[K{}: {events} events heard ({rate:.0}/s), judging follows", self.name);
        let _ = stderr().flush();
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown && self.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
