//! `docs/PROTOCOLS.md` says what the code says.

use crate::finds::{FINDS, Find};
use protocols::Flaw;
use protocols::catalog::{Entry, PROTOCOLS};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use workloads::WORKLOADS;

const HEAD: &str = "# Protocols

What the reference node can run, what each protocol promises, which workloads hold it to that, and which mistakes it can be
told to make. This page is written by a test from the code: `UPDATE_GOLDENFILES=1 cargo test -p tribunal --test it protocols`.

A workload judges a protocol by the strongest of its own levels that the protocol claims; `--expect LEVEL` says otherwise.
";

fn page() -> String {
    PROTOCOLS.iter().fold(HEAD.to_owned(), |page, protocol| page + &section(protocol)) + &examples()
}

const EXAMPLES: &str = "
## What each workload is for

A flaw that each workload finds. Another test says that it does, and that nobody else does where the table says so: none of
the other workloads that judge the protocol, nor whoever looks into its nodes.

| Workload | A flaw that it finds | Of | Who finds it as well |
|---|---|---|---|
";

fn examples() -> String {
    let line = |find: &Find| {
        let others = match find.others {
            None => "nobody".to_owned(),
            Some((others, why)) => {
                let others: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
                format!("{}, for {why}", others.join(", "))
            }
        };
        format!("| `{}` | `{}` | `{}` | {others} |\n", find.workload, find.flaw, find.flaw.protocols()[0])
    };
    EXAMPLES.to_owned() + &FINDS.iter().map(line).collect::<String>()
}

fn section(protocol: &Entry) -> String {
    let Entry { name, about, claims, survives, .. } = protocol;
    let claims = if claims.is_empty() { "nothing".to_owned() } else { claims.join(" and ") };
    let survives = match survives.join(", ") {
        none if none.is_empty() => "as long as nothing fails".to_owned(),
        faults => format!("under {faults}"),
    };
    let mut page = format!("\n## {name}\n\n{about}.\n\nClaims to be {claims}, {survives}.\n\n");
    page.push_str("| Workload | Asks | Held against |\n|---|---|---|\n");
    let served =
        WORKLOADS.iter().filter(|entry| entry.calls.iter().all(|call| protocol.serves.contains(call)));
    for entry in served {
        // What promises one thing has no levels to choose from.
        let level = match entry.level_of(protocol.claims) {
            Some("all") => "what it is".to_owned(),
            Some(level) => format!("`{level}`"),
            None => "nothing that is claimed: say `--expect`".to_owned(),
        };
        let _ = writeln!(page, "| `{}` | {} | {level} |", entry.name, entry.about);
    }
    if !Flaw::ALL.iter().any(|flaw| flaw.protocols().contains(name)) {
        return page;
    }
    page.push_str("\n| Flaw | What goes wrong | Who made this mistake, or says not to |\n|---|---|---|\n");
    for flaw in Flaw::ALL.iter().filter(|flaw| flaw.protocols().contains(name)) {
        let _ = writeln!(page, "| `{flaw}` | {} | {} |", flaw.about(), flaw.cite());
    }
    page
}

#[test]
fn the_page_of_protocols_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOLS.md");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some_and(|set| set == "1") {
        fs::write(&path, page()).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/PROTOCOLS.md is not what the code says: see its beginning for the command"
    );
}
