//! `tribunal list`: what can be chosen from.

use crate::args::{ListArgs, Target, Topic};
use crate::exit::Exit;
use clap::ValueEnum;
use history::FaultKind;
use protocols::Flaw;
use std::fmt::Write;

/// Lists one topic, or all of them.
pub fn list(args: &ListArgs) -> Exit {
    let topics = match args.what {
        Some(topic) => vec![topic],
        None => Topic::value_variants().to_vec(),
    };
    let mut page = String::new();
    for (at, topic) in topics.iter().enumerate() {
        if topics.len() > 1 {
            let _ = writeln!(page, "{}{topic:?}:", if at > 0 { "\n" } else { "" });
        }
        let rows = rows(*topic);
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, about) in rows {
            let _ = writeln!(page, "  {name:width$}  {about}");
        }
    }
    crate::report::print(&page);
    Exit::Valid
}

fn rows(topic: Topic) -> Vec<(String, String)> {
    let own = |(name, about): (&str, &str)| (name.to_owned(), about.to_owned());
    match topic {
        Topic::Systems => systems::all().iter().map(|entry| own((entry.name, entry.about))).collect(),
        Topic::Workloads => {
            let about = |name| (name, workloads::about(name).unwrap_or_default());
            workloads::names().into_iter().map(about).map(own).collect()
        }
        Topic::Nemeses => FaultKind::ALL.into_iter().map(|kind| own((kind.name(), kind.about()))).collect(),
        Topic::Targets => {
            let about = |target: &Target| {
                let value = target.to_possible_value()?;
                Some((value.get_name().to_owned(), value.get_help()?.to_string()))
            };
            Target::value_variants().iter().filter_map(about).collect()
        }
        Topic::Flaws => {
            let about = |flaw: Flaw| {
                (flaw.name().to_owned(), format!("{}: {} ({})", flaw.protocol(), flaw.about(), flaw.cite()))
            };
            Flaw::ALL.into_iter().map(about).collect()
        }
    }
}
