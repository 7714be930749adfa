//! Pictures of a run: what the clients and the clocks saw, and what was broken meanwhile.

mod canvas;
mod clocks;
mod episodes;
mod latency;
mod rate;

use crate::clocks as readings;
use cluster::HarnessError;
use episodes::Episode;
use history::History;
use std::path::Path;

/// Draws what there is to be drawn into the run's directory; the names of the files.
///
/// # Errors
/// If one cannot be written.
pub fn draw(history: &History, run: &Path) -> Result<Vec<&'static str>, HarnessError> {
    let episodes = Episode::all(history);
    let mut drawn = Vec::new();
    let mut keep = |name: &'static str, picture: Option<Result<String, String>>| {
        let Some(picture) = picture else { return Ok(()) };
        let failed = |why: String| HarnessError::new(format!("draw {name}"), why);
        std::fs::write(run.join(name), picture.map_err(failed)?).map_err(|why| failed(why.to_string()))?;
        drawn.push(name);
        Ok(())
    };
    keep("latency.svg", latency::draw(history, &episodes))?;
    keep("rate.svg", rate::draw(history, &episodes))?;
    keep("clocks.svg", clocks::draw(&readings::read(run), &episodes))?;
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::Clocks;
    use cluster::ClockReading;
    use history::{Entry, Event, NodeId, Time, jsonl};

    /// One call and one wrong clock.
    const HISTORY: &str = r#"{"tribunal_history":1}
{"time":1000,"event":{"phase":"main"}}
{"time":1000000,"event":{"invoke":{"process":0,"node":1,"call":{"read":{"key":3}}}}}
{"time":3000000,"event":{"complete":{"process":0,"outcome":{"ok":{"read":null}}}}}
{"time":4000000,"event":{"inject":{"skew":{"nodes":[1],"jump_ms":500,"rate_ppm":1000000}}}}
{"time":4100000,"event":{"injected":{"fault":{"skew":{"nodes":[1],"jump_ms":500,"rate_ppm":1000000}},"result":{"installed":"seen"}}}}
{"time":9000000,"event":{"inject":{"repair":{"kind":"clock"}}}}
{"time":9100000,"event":{"injected":{"fault":{"repair":{"kind":"clock"}},"result":{"installed":"seen"}}}}
"#;

    #[test]
    fn what_there_is_is_drawn() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(draw(&History::default(), run.path()).unwrap(), Vec::<&str>::new());
        let history = jsonl::read(HISTORY.as_bytes()).unwrap().history;
        assert_eq!(draw(&history, run.path()).unwrap(), ["latency.svg", "rate.svg"]);
        let reading =
            |time, ahead_ns| ClockReading { time: Time(time), node: NodeId(1), ahead_ns, within_ns: 1 };
        let readings = [reading(1_000_000, 0), reading(5_000_000, 500_000_000)];
        readings.iter().for_each(|reading| Clocks::of(run.path()).note(&[*reading]).unwrap());
        assert_eq!(draw(&history, run.path()).unwrap(), ["latency.svg", "rate.svg", "clocks.svg"]);
        for (file, words) in
            [("latency.svg", "a call of a client"), ("rate.svg", "a second"), ("clocks.svg", "n1")]
        {
            let picture = std::fs::read_to_string(run.path().join(file)).unwrap();
            assert!(
                picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"),
                "{file}: {picture}"
            );
            assert!(picture.contains(words) && picture.contains("clock"), "{file}: {picture}");
        }
        let error = draw(&history, Path::new("/no/such/run")).unwrap_err().to_string();
        assert!(error.contains("draw latency.svg"), "{error}");
    }

    #[test]
    fn a_history_of_nothing_but_phases_has_no_pictures() {
        let only = r#"{"tribunal_history":1}
{"time":1000,"event":{"phase":"main"}}
"#;
        let history = jsonl::read(only.as_bytes()).unwrap().history;
        assert!(matches!(history.entries(), [Entry { event: Event::Phase(_), .. }]));
        let run = tempfile::tempdir().unwrap();
        assert_eq!(draw(&history, run.path()).unwrap(), Vec::<&str>::new());
    }
}
