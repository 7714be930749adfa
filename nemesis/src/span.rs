//! Spans of time as people write them.

use history::Chance;
use std::time::Duration;

/// Reads `30s`, `500ms`, `2m`, `1m 30s` or a plain number of seconds.
///
/// # Errors
/// If it is none, or negative.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    // Fractions of a span are read too: 2.5s.
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a span of time such as 30s, 500ms or 2m"))?;
    Duration::try_from(span).map_err(|_| "a span of time is not negative".to_owned())
}

/// From the shortest to the longest span that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub low: Duration,
    /// The longest; not shorter than the shortest.
    pub high: Duration,
}

impl Span {
    /// Any of them.
    pub fn draw(self, chance: &mut Chance) -> Duration {
        chance.span(self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_it_in_many_ways() {
        for (text, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1m 30s", 90_000),
            ("5", 5_000),
            ("0.25", 250),
            ("2.5s", 2_500),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["soon", "-3s", "-3", "", "NaN"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
