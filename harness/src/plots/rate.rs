//! How many calls ended in each second, and how.

use super::canvas::{frame, legend, picture, why};
use super::episodes::Episode;
use super::latency::{ENDS, end};
use history::{Event, History};
use plotters::prelude::*;

/// How many bars a picture has, at most; each is a whole number of tenths of a second.
const BARS: f64 = 200.0;

/// Draws them; nothing if no call ended.
pub fn draw(history: &History, episodes: &[Episode]) -> Option<Result<String, String>> {
    let ended = history.entries().iter().filter_map(|entry| match &entry.event {
        Event::Complete { outcome, .. } => Some((entry.time.0 as f64 / 1e9, end(outcome))),
        _ => None,
    });
    let ended: Vec<(f64, usize)> = ended.collect();
    let last = ended.iter().map(|(at, _)| *at).reduce(f64::max)?;
    let width = ((last / BARS * 10.0).ceil() / 10.0).max(0.1);
    let mut counts = vec![[0.0; 3]; (last / width) as usize + 1];
    for (at, how) in ended {
        counts[(at / width) as usize][how] += 1.0 / width;
    }
    let most = counts.iter().flatten().copied().fold(1.0, f64::max) * 1.1;
    Some(picture(|sheet| {
        let title = "How many calls of clients ended in a second";
        let mut frame = frame(sheet, (title, "a second"), last, 0.0..most, (0.0, most), episodes)?;
        for (number, (name, colour)) in ENDS.into_iter().enumerate() {
            if counts.iter().all(|count| count[number] == 0.0) {
                continue;
            }
            let points =
                counts.iter().enumerate().map(|(bar, count)| ((bar as f64 + 0.5) * width, count[number]));
            let line = LineSeries::new(points.filter(|(at, _)| *at <= last), colour.stroke_width(2));
            let stroke = move |(x, y)| PathElement::new([(x, y), (x + 15, y)], colour.stroke_width(2));
            frame.draw_series(line).map_err(why)?.label(name).legend(stroke);
        }
        legend(&mut frame)
    }))
}
