//! Pictures of what was not allowed: one SVG file for each anomaly.

use checkers::Report;
use cluster::HarnessError;
use history::History;
use std::fs;
use std::path::Path;

/// How many are drawn of one judgement; the others are told.
const MOST: usize = 24;

/// Draws what these reports accuse, into files of `directory` whose names begin with `name`. The names of the files, each
/// with the number of its report and of the anomaly in it.
///
/// # Errors
/// If a file cannot be written.
pub fn draw(
    reports: &[Report],
    history: &History,
    directory: &Path,
    name: &str,
) -> Result<Vec<(usize, usize, String)>, HarnessError> {
    let anomalies = reports.iter().enumerate().flat_map(|(at, report)| {
        report.anomalies.iter().enumerate().map(move |(number, anomaly)| (at, number, anomaly))
    });
    // An anomaly without a place in the history, such as a line of a log, has nothing to be drawn.
    let shown = anomalies.filter(|(_, _, anomaly)| !anomaly.events.is_empty());
    let mut drawn = Vec::new();
    for (place, (report, number, anomaly)) in shown.take(MOST).enumerate() {
        let kind: String =
            anomaly.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let file = format!("{name}{}-{kind}.svg", place + 1);
        let path = directory.join(&file);
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, anomaly.svg(history)))
            .map_err(|error| HarnessError::new(format!("draw {}", path.display()), error))?;
        drawn.push((report, number, file));
    }
    Ok(drawn)
}
