//! Spans of time as people type them.

use std::time::Duration;

/// Reads `30s`, `500ms`, `2m`, `1m 30s` or a plain number of seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is not a span of time such as 30s, 500ms or 2m"))?;
    Duration::try_from(span).map_err(|_| "a span of time is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_type_it_in_many_ways() {
        for (text, millis) in
            [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1m 30s", 90_000), ("5", 5_000)]
        {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["soon", "-3s", "-3", "", "NaN"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
