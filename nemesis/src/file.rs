//! `nemesis.toml`: wishes in a file.

use crate::check::troubles;
use crate::wish::ways;
use crate::{How, Numbers, Range, Selector, Span, Wish, Wishes};
use history::{FaultKind, Moment, NodeId, Trouble};
use serde::de::{Deserialize, Deserializer, Error as _};
use std::collections::BTreeMap;
use std::time::Duration;
use toml::Value;

/// The file as written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    interval: Option<Written<Duration>>,
    between: Option<Written<Span>>,
    lasting: Option<Written<Span>>,
    start: Option<Written<Duration>>,
    stop: Option<Written<Duration>>,
    fault: Vec<Written<Wish>>,
}

/// One `[[fault]]` as written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultForm {
    kind: Written<FaultKind>,
    how: Option<String>,
    of: Option<Written<Selector>>,
    when: Option<Written<Moment>>,
    weight: Option<u32>,
    lasting: Option<Written<Span>>,
    trouble: Option<Trouble>,
    jump_ms: Option<Written<Range>>,
    rate_ppm: Option<Written<Range>>,
    every_ms: Option<Written<Range>>,
    times: Option<Written<Range>>,
    down_ms: Option<Written<Range>>,
    up_ms: Option<Written<Range>>,
    delay_ms: Option<Written<Range>>,
    grudge: Option<BTreeMap<String, Vec<Written<NodeId>>>>,
}

/// Something that is written in a way of its own in this file.
struct Written<T>(T);

impl Wishes {
    /// Reads the text of a `nemesis.toml`; where it does not say how fast, `interval` does.
    ///
    /// # Errors
    /// If it makes no sense: with the line and the reason.
    pub fn read(text: &str, interval: Duration) -> Result<Wishes, String> {
        let form: Form = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let start = form.start.map_or(Duration::ZERO, |Written(start)| start);
        let stop = form.stop.map(|Written(stop)| stop);
        if stop.is_some_and(|stop| stop <= start) {
            return Err("stop is not after start: nothing would ever begin".to_owned());
        }
        if form.fault.is_empty() {
            return Err("it has no [[fault]]: nothing would ever be broken".to_owned());
        }
        Ok(Wishes {
            list: form.fault.into_iter().map(|Written(wish)| wish).collect(),
            interval: form.interval.map_or(interval, |Written(interval)| interval),
            between: form.between.map(|Written(span)| span),
            lasting: form.lasting.map(|Written(span)| span),
            start,
            stop,
        })
    }
}

impl FaultForm {
    fn wish(self) -> Result<Wish, String> {
        let Written(kind) = self.kind;
        let how = self.how.map(|name| way(kind, &name)).transpose()?;
        let range = |written: Option<Written<Range>>| written.map(|Written(range)| range);
        let numbers = Numbers {
            trouble: self.trouble,
            jump_ms: range(self.jump_ms),
            rate_ppm: range(self.rate_ppm),
            every_ms: range(self.every_ms),
            times: range(self.times),
            down_ms: range(self.down_ms),
            up_ms: range(self.up_ms),
            delay_ms: range(self.delay_ms),
            grudge: self.grudge.map(grudge).transpose()?,
        };
        numbers.check(kind, how)?;
        let wish = Wish {
            kind,
            how: how.or(numbers.grudge.as_ref().map(|_| How::Grudge)),
            of: self.of.map(|Written(of)| of),
            when: self.when.map(|Written(when)| when),
            weight: self.weight.unwrap_or(1),
            lasting: self.lasting.map(|Written(span)| span),
            numbers,
        };
        wish.check().map(|()| wish)
    }
}

fn way(kind: FaultKind, name: &str) -> Result<How, String> {
    let how = How::of(kind).find(|(_, other, _)| *other == name);
    how.map(|(how, _, _)| how).ok_or_else(|| match ways(kind) {
        Some(ways) => format!("{name:?} is no way to make {kind}; there is: {ways}"),
        None => format!("there is but one way to make {kind}; leave out how"),
    })
}

fn grudge(written: BTreeMap<String, Vec<Written<NodeId>>>) -> Result<BTreeMap<NodeId, Vec<NodeId>>, String> {
    let row = |(hearer, unheard): (String, Vec<Written<NodeId>>)| {
        Ok((hearer.parse()?, unheard.into_iter().map(|Written(node)| node).collect()))
    };
    written.into_iter().map(row).collect()
}

impl Numbers {
    /// # Errors
    /// If something is fixed that this kind and way does not have, or that is impossible.
    fn check(&self, kind: FaultKind, how: Option<How>) -> Result<(), String> {
        let (clock, strobe) = (kind == FaultKind::Clock, how == Some(How::Strobe));
        let restart = matches!(how, Some(How::Restart | How::Loop));
        let steady = matches!(how, Some(How::Jump | How::Strobe));
        let limit = i64::from(u32::MAX);
        for (name, range, fits, low, high) in [
            ("jump_ms", self.jump_ms, clock && how != Some(How::Drift), -limit, limit),
            ("rate_ppm", self.rate_ppm, clock && !steady, 1, limit),
            ("every_ms", self.every_ms, strobe, 1, 60_000),
            ("times", self.times, restart || strobe, 1, 10_000),
            ("down_ms", self.down_ms, restart, 0, 60_000),
            ("up_ms", self.up_ms, restart, 0, 60_000),
            ("delay_ms", self.delay_ms, how == Some(How::Slow), 1, 600_000),
        ] {
            let Some(range) = range else { continue };
            let what = how.map_or(kind.to_string(), |how| format!("{kind} with how = \"{how}\""));
            if !fits {
                return Err(format!("{name} says nothing about {what}"));
            }
            if range.low < low || range.high > high {
                return Err(format!("{name} is {low} to {high}"));
            }
        }
        if let Some(trouble) = &self.trouble {
            if kind != FaultKind::Packets || how.is_some() {
                return Err("trouble says everything about packets without how, and nothing else".to_owned());
            }
            troubles(trouble)?;
        }
        if self.grudge.is_some()
            && (kind != FaultKind::Partition || how.is_some_and(|how| how != How::Grudge))
        {
            return Err("a grudge is a partition, and says everything about it".to_owned());
        }
        if self.grudge.as_ref().is_some_and(|grudge| grudge.values().all(Vec::is_empty)) {
            return Err("such a grudge cuts nothing".to_owned());
        }
        Ok(())
    }
}

/// A value that is read from text, or from what a file may write instead.
trait Legible: Sized {
    fn read(value: &Value) -> Result<Self, String>;
}

impl<'de, T: Legible> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(&Value::deserialize(deserializer)?).map(Written).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Written<Wish> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = <FaultForm as Deserialize>::deserialize(deserializer)?;
        form.wish().map(Written).map_err(D::Error::custom)
    }
}

fn text<'v>(value: &'v Value, what: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{value} is not {what}"))
}

/// One value, or a list of the lowest and the highest.
fn low_and_high<T: Copy + PartialOrd>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<(T, T), String> {
    let (low, high) = match value.as_array().map(Vec::as_slice) {
        None => (read(value)?, read(value)?),
        Some([low, high]) => (read(low)?, read(high)?),
        Some(_) => return Err("it is one value, or a list of the lowest and the highest".to_owned()),
    };
    if low <= high { Ok((low, high)) } else { Err("its highest value is below its lowest".to_owned()) }
}

impl Legible for Duration {
    fn read(value: &Value) -> Result<Duration, String> {
        crate::duration(text(value, "a span of time such as \"30s\"")?)
    }
}

impl Legible for Span {
    fn read(value: &Value) -> Result<Span, String> {
        low_and_high(value, Duration::read).map(|(low, high)| Span { low, high })
    }
}

impl Legible for Range {
    fn read(value: &Value) -> Result<Range, String> {
        let number =
            |value: &Value| value.as_integer().ok_or_else(|| format!("{value} is not a whole number"));
        low_and_high(value, number).map(|(low, high)| Range { low, high })
    }
}

impl Legible for Selector {
    fn read(value: &Value) -> Result<Selector, String> {
        text(value, "a name of nodes such as \"primaries\" or \"n1+n3\"")?.parse()
    }
}

impl Legible for NodeId {
    fn read(value: &Value) -> Result<NodeId, String> {
        text(value, "a node such as \"n1\"")?.parse()
    }
}

impl Legible for Moment {
    fn read(value: &Value) -> Result<Moment, String> {
        crate::wish::moment(text(value, "a moment such as \"new-leader\"")?)
    }
}

impl Legible for FaultKind {
    fn read(value: &Value) -> Result<FaultKind, String> {
        let name = text(value, "a kind of fault such as \"kill\"")?;
        FaultKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("{name:?} is not a kind of fault; there is: {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn read(text: &str) -> Result<Wishes, String> {
        Wishes::read(text, SECOND * 5)
    }

    #[test]
    fn a_file_says_what_flags_say_and_more() {
        let wishes = read(
            r#"
            between = ["2s", "6s"]
            lasting = "1500ms"
            start = "2s"
            stop = "1m"

            [[fault]]
            kind = "partition"
            how = "mute"
            of = "n1+n3"
            weight = 3

            [[fault]]
            kind = "partition"
            grudge = { n1 = ["n2", "n3"], n2 = ["n1"] }

            [[fault]]
            kind = "kill"
            how = "loop"
            of = "primaries"
            when = "new-leader"
            times = [3, 8]
            down_ms = 50
            lasting = ["4s", "5s"]

            [[fault]]
            kind = "packets"
            trouble = { delay_ms = 50, loss = 200 }
            "#,
        );
        let wishes = wishes.unwrap();
        let span = |low, high| Some(Span { low, high });
        assert_eq!((wishes.interval, wishes.between), (SECOND * 5, span(SECOND * 2, SECOND * 6)));
        assert_eq!(wishes.lasting, span(SECOND * 3 / 2, SECOND * 3 / 2));
        assert_eq!((wishes.start, wishes.stop), (SECOND * 2, Some(SECOND * 60)));
        let written: Vec<String> = wishes.list.iter().map(Wish::to_string).collect();
        let flags = ["partition:mute:n1+n3", "partition:grudge", "kill:loop:primaries@new-leader", "packets"];
        assert_eq!(written, flags);
        assert_eq!(wishes.list[0].weight, 3);
        let grudge = wishes.list[1].numbers.grudge.as_ref().unwrap();
        assert_eq!(grudge[&NodeId(1)], [NodeId(2), NodeId(3)]);
        assert_eq!(wishes.list[2].lasting, span(SECOND * 4, SECOND * 5));
        assert_eq!(wishes.list[2].numbers.times, Some(Range { low: 3, high: 8 }));
        let trouble = Trouble { delay_ms: 50, loss: 200, ..Trouble::default() };
        assert_eq!(wishes.list[3].numbers.trouble, Some(trouble));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (lines, line, why) in [
            ("kind = \"kil\"", 2, "\"kil\" is not a kind of fault; there is: partition, kill"),
            ("kind = \"kill\"\nhows = \"loop\"", 3, "unknown field `hows`, expected one of `kind`, `how`"),
            (
                "kind = \"kill\"\nhow = \"ring\"",
                1,
                "\"ring\" is no way to make kill; there is: restart, loop, terminate",
            ),
            ("kind = \"pause\"\nhow = \"long\"", 1, "there is but one way to make pause"),
            ("kind = \"kill\"\nof = \"leaders\"", 3, "\"leaders\" names no nodes"),
            ("kind = \"kill\"\nof = 1", 3, "1 is not a name of nodes"),
            ("kind = \"kill\"\nwhen = \"noon\"", 3, "\"noon\" is no moment to wait for"),
            ("kind = \"kill\"\nweight = -1", 3, "expected u32"),
            ("kind = \"kill\"\nweight = 0", 1, "never comes"),
            ("kind = \"kill\"\nlasting = \"soon\"", 3, "\"soon\" is not a span of time"),
            ("kind = \"kill\"\nlasting = [\"5s\", \"1s\"]", 3, "its highest value is below its lowest"),
            ("kind = \"kill\"\nlasting = [\"5s\"]", 3, "a list of the lowest and the highest"),
            ("kind = \"kill\"\ntimes = 3", 1, "times says nothing about kill"),
            ("kind = \"kill\"\nhow = \"loop\"\ntimes = 0", 1, "times is 1 to 10000"),
            ("kind = \"kill\"\nhow = \"loop\"\ntimes = \"3\"", 4, "is not a whole number"),
            ("kind = \"clock\"\nrate_ppm = 0", 1, "rate_ppm is 1 to"),
            ("kind = \"packets\"\ntrouble = { los = 3 }", 3, "unknown field `los`"),
            (
                "kind = \"packets\"\ntrouble = { loss = 2000 }",
                1,
                "loss is out of a thousand, and 2000 is more",
            ),
            ("kind = \"packets\"\ntrouble = {}", 1, "it troubles nothing"),
            ("kind = \"kill\"\ntrouble = { loss = 3 }", 1, "trouble says everything about packets"),
            ("kind = \"partition\"\ngrudge = { n1 = [2] }", 3, "2 is not a node such as \"n1\""),
            ("kind = \"partition\"\ngrudge = { one = [\"n2\"] }", 1, "\"one\" is not a node"),
            ("kind = \"partition\"\ngrudge = {}", 1, "cuts nothing"),
            ("how = \"ring\"", 1, "missing field `kind`"),
            ("kind = ", 2, "TOML parse error"),
        ] {
            let error = read(&format!("[[fault]]\n{lines}\n")).unwrap_err();
            assert!(error.contains(why), "{lines}\n{error}");
            assert!(error.contains(&format!("at line {line},")), "{lines}\n{error}");
        }
        for (text, why) in [
            ("", "missing field `fault`"),
            ("fault = []", "it has no [[fault]]"),
            ("interval = 5\n[[fault]]\nkind = \"kill\"", "5 is not a span of time such as \"30s\""),
            ("pace = \"5s\"\n[[fault]]\nkind = \"kill\"", "unknown field `pace`"),
            ("start = \"9s\"\nstop = \"3s\"\n[[fault]]\nkind = \"kill\"", "stop is not after start"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}\n{error}");
        }
    }

    /// The first block of docs/NEMESIS.md in this language.
    fn example(language: &str) -> &'static str {
        let page = include_str!("../../docs/NEMESIS.md");
        let block = page.split_once(&format!("```{language}\n")).expect("there is an example").1;
        block.split("```").next().expect("split yields at least one part")
    }

    #[test]
    fn the_examples_of_the_manual_are_read() {
        let wishes = read(example("toml")).unwrap();
        assert_eq!(wishes.list.len(), 6);
        let plan = crate::plan(&wishes, SECOND * 60, history::Chance::new(1));
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(crate::Plan::read(&json, 5), Ok(plan), "what is drawn could have been written by hand");
        assert_eq!(crate::Plan::read(example("json"), 5).unwrap().0.len(), 5);
    }
}
