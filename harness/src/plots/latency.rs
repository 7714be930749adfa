//! How long each call took, and how it ended.

use super::canvas::{frame, legend, picture, why};
use super::episodes::Episode;
use history::{Event, History, Outcome};
use plotters::prelude::*;
use std::collections::BTreeMap;

/// More points than this nobody can tell apart: of more calls, every second or third is drawn, and so on.
const MOST: usize = 6_000;

/// How calls end, with the colours of their points.
pub const ENDS: [(&str, RGBColor); 3] =
    [("ok", RGBColor(31, 119, 180)), ("fail", RGBColor(214, 140, 14)), ("unknown", RGBColor(200, 30, 30))];

/// Which of [`ENDS`] this is.
pub fn end(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Ok(_) => 0,
        Outcome::Fail(_) => 1,
        Outcome::Unknown(_) => 2,
    }
}

/// Draws them; nothing if there were no calls.
pub fn draw(history: &History, episodes: &[Episode]) -> Option<Result<String, String>> {
    let calls = calls(history);
    let last = calls.iter().map(|(at, ..)| *at).reduce(f64::max)?;
    Some(picture(|sheet| {
        let step = calls.len().div_ceil(MOST);
        let of = |step| if step == 1 { String::new() } else { format!(", one of {step} drawn") };
        let title = format!("How long a call of a client took{}", of(step));
        let least = calls.iter().map(|(_, took, _)| *took).fold(f64::MAX, f64::min).max(0.001);
        let most = calls.iter().map(|(_, took, _)| *took).fold(least * 10.0, f64::max);
        let (low, high) = (least * 0.7, most * 1.5);
        let y = (low..high).log_scale();
        let mut frame = frame(sheet, (&title, "milliseconds"), last, y, (low, high), episodes)?;
        for (number, (name, colour)) in ENDS.into_iter().enumerate() {
            let those = calls.iter().step_by(step).filter(|(.., end)| *end == number);
            let points = those.map(|(at, took, _)| Circle::new((*at, *took), 2, colour.mix(0.6).filled()));
            let points: Vec<_> = points.collect();
            let dot = move |(x, y)| Circle::new((x + 7, y), 3, colour.filled());
            if !points.is_empty() {
                frame.draw_series(points).map_err(why)?.label(name).legend(dot);
            }
        }
        legend(&mut frame)
    }))
}

/// When each completed call ended, how many milliseconds it took, and how it ended.
fn calls(history: &History) -> Vec<(f64, f64, usize)> {
    let (mut open, mut calls) = (BTreeMap::new(), Vec::new());
    for entry in history.entries() {
        match &entry.event {
            Event::Invoke { process, .. } => drop(open.insert(*process, entry.time)),
            Event::Complete { process, outcome } => {
                if let Some(begin) = open.remove(process) {
                    let took = entry.time.0.saturating_sub(begin.0) as f64 / 1e6;
                    calls.push((entry.time.0 as f64 / 1e9, took, end(outcome)));
                }
            }
            _ => {}
        }
    }
    calls
}
