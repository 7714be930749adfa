//! What each node's own clock showed, beside ours.

use super::canvas::{frame, legend, nth, picture, why};
use super::episodes::Episode;
use crate::clocks::Row;
use history::NodeId;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// A node that said nothing for longer than this was not seen meanwhile: its line is broken.
const SILENCE: f64 = 1.0;

/// One node's readings without a gap: seconds, and seconds ahead.
type Stretch = Vec<(f64, f64)>;

/// Draws them; nothing if nobody was asked.
pub fn draw(rows: &[Row], episodes: &[Episode]) -> Option<Result<String, String>> {
    let last = rows.iter().map(|row| row.time.0 as f64 / 1e9).reduce(f64::max)?;
    let nodes = stretches(rows);
    let aheads = || nodes.values().flatten().flatten().map(|(_, ahead)| *ahead);
    let (least, most) = (aheads().fold(0.0, f64::min), aheads().fold(0.0, f64::max));
    let air = ((most - least) * 0.1).max(0.01);
    let (low, high) = (least - air, most + air);
    Some(picture(|sheet| {
        let title = "How far each node's own clock was ahead, as it said itself";
        let mut frame = frame(sheet, (title, "seconds"), last, low..high, (low, high), episodes)?;
        for (number, (node, stretches)) in nodes.iter().enumerate() {
            let colour = nth(number);
            let stroke = move |(x, y)| PathElement::new([(x, y), (x + 15, y)], colour.stroke_width(2));
            for (at, stretch) in stretches.iter().enumerate() {
                let line = LineSeries::new(stretch.iter().copied(), colour.stroke_width(2)).point_size(2);
                let drawn = frame.draw_series(line).map_err(why)?;
                if at == 0 {
                    drawn.label(node.to_string()).legend(stroke);
                }
            }
        }
        legend(&mut frame)
    }))
}

fn stretches(rows: &[Row]) -> BTreeMap<NodeId, Vec<Stretch>> {
    let mut nodes: BTreeMap<NodeId, Vec<Stretch>> = BTreeMap::new();
    for row in rows {
        let (at, ahead) = (row.time.0 as f64 / 1e9, row.ahead_ns as f64 / 1e9);
        let stretches = nodes.entry(row.node).or_default();
        match stretches.last_mut() {
            Some(stretch) if stretch.last().is_some_and(|(last, _)| at - last <= SILENCE) => {
                stretch.push((at, ahead));
            }
            _ => stretches.push(vec![(at, ahead)]),
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::Time;

    #[test]
    fn a_line_is_broken_where_nothing_was_heard() {
        let row = |seconds: u64| Row {
            time: Time(seconds * 500_000_000),
            node: NodeId(1),
            ahead_ns: 1,
            within_ns: 1,
        };
        let nodes = stretches(&[0, 1, 2, 6, 7].map(row));
        assert_eq!(nodes[&NodeId(1)].iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    }
}
