//! `tribunal list`: what can be chosen from.

use crate::args::{ListArgs, Target, Topic};
use crate::exit::Exit;
use clap::ValueEnum;
use history::{FaultKind, Moment};
use nemesis::How;
use protocols::Flaw;
use protocols::catalog::PROTOCOLS;
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
    match topic {
        Topic::Systems => PROTOCOLS.iter().map(system).collect(),
        Topic::Workloads => workloads::WORKLOADS.iter().map(workload).collect(),
        Topic::Nemeses => {
            let moment = |moment: Moment| (format!("…@{moment}"), format!("as soon as {}", moment.about()));
            FaultKind::ALL.into_iter().flat_map(kind_rows).chain(Moment::ALL.map(moment)).collect()
        }
        Topic::Targets => {
            let about = |target: &Target| {
                let value = target.to_possible_value()?;
                Some((value.get_name().to_owned(), value.get_help()?.to_string()))
            };
            Target::value_variants().iter().filter_map(about).collect()
        }
        Topic::Models => checkers::catalog::MODELS.iter().map(model).collect(),
        Topic::Flaws => {
            let about = |flaw: &Flaw| {
                let protocols = flaw.protocols().join(", ");
                (flaw.name().to_owned(), format!("{protocols}: {} ({})", flaw.about(), flaw.cite()))
            };
            Flaw::ALL.iter().map(about).collect()
        }
    }
}

/// A kind of fault, and the ways in which it can be made.
fn kind_rows(kind: FaultKind) -> impl Iterator<Item = (String, String)> {
    let ways = How::of(kind).map(move |(_, name, about)| (format!("{kind}:{name}"), about.to_owned()));
    [(kind.name().to_owned(), kind.about().to_owned())].into_iter().chain(ways)
}

fn system(entry: &protocols::catalog::Entry) -> (String, String) {
    let claims = if entry.claims.is_empty() { "nothing".to_owned() } else { entry.claims.join(" and ") };
    (entry.name.to_owned(), format!("{}; claims to be {claims}", entry.about))
}

fn workload(entry: &workloads::Entry) -> (String, String) {
    (entry.name.to_owned(), format!("{}{}", entry.about, expected(&entry.levels())))
}

fn model(entry: &checkers::catalog::Entry) -> (String, String) {
    (entry.name.to_owned(), format!("{}{}", entry.about, expected(&entry.levels(true))))
}

/// What can be expected, if there is a choice.
fn expected(levels: &[&str]) -> String {
    if levels.len() < 2 { String::new() } else { format!("; --expect {}", levels.join(", ")) }
}
