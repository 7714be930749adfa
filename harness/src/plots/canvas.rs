//! What all pictures have in common: a frame, axes, and what was broken behind what was seen.

use super::episodes::Episode;
use history::FaultKind;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// How large a picture is.
const SIZE: (u32, u32) = (1000, 420);

/// How much longer the axis is than the run: where the legend stands.
const ROOM: f64 = 1.13;

/// A drawing in the making.
pub type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A frame with axes on it.
pub type Frame<'a, Y> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

/// Draws a picture on a white sheet.
///
/// # Errors
/// If something cannot be drawn.
pub fn picture(draw: impl FnOnce(&Sheet) -> Result<(), String>) -> Result<String, String> {
    let mut text = String::new();
    {
        let sheet = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        sheet.fill(&WHITE).map_err(why)?;
        draw(&sheet)?;
        sheet.present().map_err(why)?;
    }
    Ok(text)
}

/// A frame with time in seconds from left to right and something from bottom to top; behind it what was broken.
///
/// # Errors
/// If it cannot be drawn.
pub fn frame<'a, Y>(
    sheet: &Sheet<'a>,
    (title, unit): (&str, &str),
    end: f64,
    y: Y,
    (low, high): (f64, f64),
    episodes: &[Episode],
) -> Result<Frame<'a, Y::CoordDescType>, String>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::Value: Debug,
{
    let mut frame = ChartBuilder::on(sheet)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(65)
        .build_cartesian_2d(0.0..end * ROOM, y)
        .map_err(why)?;
    for Episode { kind, from, to } in episodes {
        let shade = Rectangle::new([(*from, low), (*to, high)], colour(*kind).mix(0.13).filled());
        frame.draw_series([shade]).map_err(why)?;
    }
    frame
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("seconds")
        .y_desc(unit)
        .draw()
        .map_err(why)?;
    let kinds: BTreeSet<FaultKind> = episodes.iter().map(|episode| episode.kind).collect();
    for kind in kinds {
        let patch =
            move |(x, y)| Rectangle::new([(x, y - 5), (x + 15, y + 5)], colour(kind).mix(0.3).filled());
        // A series of nothing that has an entry in the legend.
        frame
            .draw_series(std::iter::empty::<Circle<(f64, f64), i32>>())
            .map_err(why)?
            .label(kind.name())
            .legend(patch);
    }
    Ok(frame)
}

/// Adds the legend: the last thing that is drawn.
///
/// # Errors
/// If it cannot be drawn.
pub fn legend<Y: Ranged<ValueType = f64>>(frame: &mut Frame<'_, Y>) -> Result<(), String> {
    let mut labels = frame.configure_series_labels();
    let labels = labels.position(SeriesLabelPosition::UpperRight);
    labels.background_style(WHITE.mix(0.85)).border_style(BLACK.mix(0.2)).draw().map_err(why)
}

/// The colours of things that are told apart: nodes, say.
pub fn nth(number: usize) -> RGBColor {
    const COLOURS: [RGBColor; 7] = [
        RGBColor(31, 119, 180),
        RGBColor(214, 95, 14),
        RGBColor(44, 140, 60),
        RGBColor(148, 60, 180),
        RGBColor(140, 86, 75),
        RGBColor(20, 150, 160),
        RGBColor(110, 110, 110),
    ];
    COLOURS[number % COLOURS.len()]
}

fn colour(kind: FaultKind) -> RGBColor {
    const COLOURS: [RGBColor; 9] = [
        RGBColor(200, 30, 30),
        RGBColor(60, 60, 60),
        RGBColor(120, 0, 120),
        RGBColor(30, 90, 200),
        RGBColor(210, 140, 0),
        RGBColor(0, 140, 110),
        RGBColor(120, 80, 40),
        RGBColor(90, 120, 0),
        RGBColor(220, 60, 140),
    ];
    let place = FaultKind::ALL.iter().position(|known| *known == kind).unwrap_or(0);
    COLOURS[place % COLOURS.len()]
}

/// What the library complains of.
pub fn why(error: impl std::fmt::Display) -> String {
    error.to_string()
}
