//! What is to be broken, and when: a value that can be written by hand.

use crate::{Intent, check::check};
use history::{Moment, Time};
use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Steps in the order in which they are due. A plain value: printed, saved, replayed, shrunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(pub Vec<Step>);

/// Something to do at some time, or at the first such moment after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, counted from the beginning of the main phase.
    pub at: Time,
    /// What it then still waits for. A repair of its kind ends the waiting.
    pub when: Option<Moment>,
    /// What to do.
    pub intent: Intent,
}

impl Step {
    /// At that time, whatever happens.
    pub fn at(at: Time, intent: Intent) -> Step {
        Step { at, when: None, intent }
    }

    /// The first time after that that this happens.
    pub fn when(at: Time, moment: Moment, intent: Intent) -> Step {
        Step { at, when: Some(moment), intent }
    }

    fn of(parts: Vec<Value>) -> Result<Step, String> {
        let (at, when, intent) = match <[Value; 2]>::try_from(parts) {
            Ok([at, intent]) => (at, None, intent),
            Err(parts) => match <[Value; 3]>::try_from(parts) {
                Ok([at, when, intent]) => (at, Some(when), intent),
                Err(parts) => {
                    return Err(format!(
                        "a step is [time, what to do] or [time, moment, what to do], not a list of {}",
                        parts.len()
                    ));
                }
            },
        };
        Ok(Step {
            at: time(&at)?,
            when: when.map(moment).transpose()?,
            intent: Intent::deserialize(intent).map_err(|error| error.to_string())?,
        })
    }
}

/// Whole nanoseconds, or a span such as "2.5s".
fn time(value: &Value) -> Result<Time, String> {
    match value {
        Value::Number(number) => number.as_u64().map(Time).ok_or_else(|| {
            format!("{number} is not a time: it is whole nanoseconds since the main phase began, or such as \"2.5s\"")
        }),
        Value::String(text) => crate::duration(text).map(|span| Time::ZERO + span),
        other => Err(format!("{other} is not a time")),
    }
}

fn moment(value: Value) -> Result<Moment, String> {
    let wrong = value.to_string();
    Moment::deserialize(value)
        .map_err(|_| format!("{wrong} is not a moment; there is: \"new_leader\", \"started\""))
}

impl Plan {
    /// Reads a plan that somebody may have written, for a cluster of so many nodes.
    ///
    /// # Errors
    /// If it makes no sense: with the step, its line, and the reason.
    pub fn read(text: &str, nodes: u16) -> Result<Plan, String> {
        let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut steps: Vec<Step> = Vec::new();
        for (index, raw) in list.iter().enumerate() {
            let parts = Vec::<Value>::deserialize(*raw).map_err(|_| "a step is a list".to_owned());
            let step = parts.and_then(Step::of).and_then(|step| check(&step, nodes).map(|()| step));
            let step = step.and_then(|step| match steps.last() {
                Some(last) if last.at > step.at => {
                    Err(format!("it is due at {}, before the step above it, at {}", step.at, last.at))
                }
                _ => Ok(step),
            });
            steps.push(
                step.map_err(|why| format!("step {} (line {}): {why}", index + 1, line_of(text, raw.get())))?,
            );
        }
        Ok(Plan(steps))
    }
}

/// The line on which a part of a text begins, from 1.
fn line_of(text: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(2 + usize::from(self.when.is_some()))?;
        tuple.serialize_element(&self.at)?;
        if let Some(moment) = &self.when {
            tuple.serialize_element(moment)?;
        }
        tuple.serialize_element(&self.intent)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Step, D::Error> {
        Step::of(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Selector, Shape};
    use history::NodeId;
    use std::collections::BTreeMap;

    #[test]
    fn a_plan_can_be_written_by_hand() {
        let plan = Plan::read(
            r#"[
                ["1.5s", {"partition": {"grudge": {"1": [2, 3], "3": [1]}}}],
                [2500000000, "new_leader", {"kill": "subject"}],
                ["1m", {"repair": "kill"}]
            ]"#,
            3,
        );
        let grudge = BTreeMap::from([(NodeId(1), vec![NodeId(2), NodeId(3)]), (NodeId(3), vec![NodeId(1)])]);
        let plan = plan.unwrap();
        assert_eq!(plan.0[0], Step::at(Time::from_millis(1500), Intent::Partition(Shape::Grudge(grudge))));
        let kill = Intent::Kill(Selector::Subject);
        assert_eq!(plan.0[1], Step::when(Time::from_millis(2500), Moment::NewLeader, kill));
        assert_eq!(plan.0[2].at, Time::from_secs(60));
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
        assert_eq!(Plan::read(&json, 3), Ok(plan));
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said_with_its_place() {
        for (step, why) in [
            (r#"["soon", {"kill": "one"}]"#, "\"soon\" is not a span of time"),
            (r#"[-5, {"kill": "one"}]"#, "-5 is not a time"),
            (r#"[5, {"kil": "one"}]"#, "unknown variant `kil`, expected one of `partition`, `kill`"),
            (r#"[5, {"kill": "somebody"}]"#, "unknown variant `somebody`, expected one of `one`"),
            (r#"[5, {"kill": "one", "pause": "one"}]"#, "expected map with a single key"),
            (r#"[5]"#, "not a list of 1"),
            (r#"{"at": 5}"#, "a step is a list"),
            (r#"[5, "eclipse", {"kill": "one"}]"#, "\"eclipse\" is not a moment"),
            (r#"[5, {"kill": "subject"}]"#, "waits for no moment"),
            (r#"[5, {"kill": {"these": [4]}}]"#, "n4 is not in a cluster of 3 nodes"),
            (r#"[5, {"kill": {"these": []}}]"#, "names no nodes"),
            (r#"[5, {"partition": {"grudge": {"1": [7]}}}]"#, "n7 is not in a cluster of 3 nodes"),
            (r#"[5, {"partition": {"grudge": {}}}]"#, "cuts nothing"),
            (r#"[5, {"packets": {"of": "all", "trouble": {}}}]"#, "troubles nothing"),
            (r#"[5, {"packets": {"of": "all", "trouble": {"los": 3}}}]"#, "unknown field `los`"),
            (r#"[5, {"packets": {"of": "all", "trouble": {"loss": 1001}}}]"#, "out of a thousand"),
            (r#"[5, {"clock": {"of": "one", "jump_ms": 0, "rate_ppm": 1000000}}]"#, "changes nothing"),
            (r#"[5, {"clock": {"of": "one", "jump_ms": 1}}]"#, "missing field `rate_ppm`"),
            (r#"[5, {"clock": {"of": "one", "jump_ms": 1, "rate_ppm": 0}}]"#, "stands still"),
            (
                r#"[5, {"restart": {"of": "one", "times": 0, "down_ms": 1, "up_ms": 1}}]"#,
                "times is 1 to 10000, not 0",
            ),
            (
                r#"[5, {"strobe": {"of": "one", "jump_ms": 0, "every_ms": 5, "times": 5}}]"#,
                "jump_ms is not 0",
            ),
            (r#"[5, "started", {"repair": "kill"}]"#, "a repair waits for nothing"),
        ] {
            let text = format!("[\n  [1, {{\"repair\": \"kill\"}}],\n  {step}\n]");
            let error = Plan::read(&text, 3).unwrap_err();
            assert!(error.starts_with("step 2 (line 3): ") && error.contains(why), "{step}: {error}");
        }
        let order = "[[2, {\"kill\": \"one\"}], [1, {\"repair\": \"kill\"}]]";
        assert!(Plan::read(order, 3).unwrap_err().contains("before the step above it"));
        assert!(Plan::read("[[1, {\"kill\": \"one\"}", 3).unwrap_err().contains("line 1 column"));
        assert!(Plan::read("{}", 3).unwrap_err().contains("expected a sequence"));
    }
}
