//! The named histories of `testscripts/objects.txt`.

use super::oracle::{deeds, explains, explains_sequentially};
use super::{says, says_sequentially};
use crate::synthetic::objects::Kind;
use crate::{Budget, Checker, Linearizable, Verdict};
use history::{Value, text};

#[test]
fn every_named_history_is_judged_as_the_table_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("../../../testscripts/objects.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(" | ").collect();
        let [id, model, told, expected, sequential, _why] = fields[..] else {
            panic!("not six fields: {line}")
        };
        let kind = match model {
            "queue" => Kind::Fifo,
            "stack" => Kind::Stack,
            "priority" => Kind::Largest,
            "mutex" => Kind::Lock,
            "lease" => Kind::Leased,
            "counter" => Kind::Counter,
            "sum" => Kind::Sum,
            "set" => Kind::Grown,
            "list" => Kind::List,
            "text" => Kind::Text,
            model => panic!("what is a {model}?"),
        };
        let history = text::parse(told).expect(line);
        let deeds = deeds(kind, &history);
        for (what, said, expected) in [
            ("linearizable", says(kind, &history).fine, expected),
            ("linearizable, the oracle", explains(kind, &deeds), expected),
            ("sequential", says_sequentially(kind, &history), sequential),
            ("sequential, the oracle", explains_sequentially(kind, &deeds), sequential),
        ] {
            if said != (expected == "yes") {
                wrong.push(format!("{id} {told}: {what} {said}, not {expected}"));
            }
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 22, "only {count} histories");
}

/// L59 and L60 of the catalogue: every key is judged by itself.
#[test]
fn two_registers_are_judged_each_by_itself() {
    let verdict = |told| {
        let model = crate::models::register::Register { initial: Some(Value(0)) };
        Linearizable::new(model).check(&text::parse(told).unwrap(), &Budget::default()).verdict
    };
    assert_eq!(verdict("A:wx1[0,1]; A:ry0[2,5]; B:wy1[3,4]; B:rx1[6,7]"), Verdict::Valid);
    assert_eq!(verdict("A:wx1[0,3]; B:wy1[1,2]; A:ry0[4,5]; B:rx0[6,7]"), Verdict::Invalid);
}
