use super::*;
use crate::{Chance, Event, History, text};
use std::io;

fn read_as(format: Format, told: &[u8], options: &Options) -> Result<(History, Scanned), ReadError> {
    let mut history = History::new();
    let scanned = scan(format, told, options, |line, entry| {
        history.push(entry.time, entry.event).map_err(|source| ReadError::Malformed { line, source })
    })?;
    Ok((history, scanned))
}

fn shown(history: &History) -> String {
    history.ops().map(|op| text::show(&op)).collect::<Vec<_>>().join("; ")
}

/// Detects and reads.
fn told(file: &str) -> String {
    let format = Format::detect(file.as_bytes()).expect("its format can be told");
    shown(
        &read_as(format, file.as_bytes(), &Options::default())
            .unwrap_or_else(|error| panic!("{file}: {error}"))
            .0,
    )
}

#[test]
fn knossos_registers() {
    let file = "; a comment\n[{:process 4, :type :invoke, :f :write, :value 2}\n\
                {:type :info, :f :start, :process :nemesis, :time 5}\n\
                {:process 6, :type :invoke, :f :read, :value nil, :time 9} #_{:left :out}\n\
                {:process 4, :type :ok, :f :write, :value 2}\n\
                {:process 6, :type :ok, :f :read, :value 2 :node \"n1\"}\n\
                #jepsen.history.Op{:process 4, :type :invoke, :f :cas, :value [2 3]}\n\
                {:process 4, :type :info, :f :cas, :value :timed-out}]";
    assert_eq!(told(file), "p4:w k0 2[0,2]; p6:r k0 2[1,3]; p4:cas k0 (2,3)[4,?]");
}

#[test]
fn objects_named_by_their_values() {
    let file = "{:process 0, :type :invoke, :f :write, :value [7 2]}\n\
                {:process 1, :type :invoke, :f :read, :value [7 nil]}\n\
                {:process 0, :type :ok, :f :write, :value [7 2]}\n\
                {:process 1, :type :ok, :f :read, :value [7 2]}\n\
                {:process 0, :type :invoke, :f :cas, :value [8 [nil 2]]}\n\
                {:process 0, :type :fail, :f :cas, :value [8 [nil 2]], :error :precondition}";
    assert_eq!(told(file), "p0:w k7 2[0,2]; p1:r k7 2[1,3]; p0:cas k8 (nil,2)[4,5]!");
}

#[test]
fn transactions_over_lists_and_registers() {
    let lists = "{:process 1, :type :invoke, :value [[:r 3 nil] [:append 2 4]]}\n\
                 {:process 1, :type :ok, :value [[:r 3 nil] [:append 2 4]]}\n\
                 {:process 1, :type :invoke, :f :txn, :value [[:r 2 nil]]}\n\
                 {:process 1, :type :ok, :f :txn, :value [[:r 2 [4 5]]]}";
    assert_eq!(told(lists), "p1:[rk3[] ak2=4][0,1]; p1:[rk2[4,5]][2,3]");
    let registers = r#"[{"type":"invoke","f":"txn","value":[["w","x",2]],"process":0,"index":1},
        {"type":"ok","f":"txn","value":[["w","x",2]],"process":0,"index":2},
        {"type":"invoke","f":"txn","value":[["r","x",null]],"process":0,"index":3},
        {"type":"fail","f":"txn","value":[["r","x",null]],"process":0,"index":4}]"#;
    assert_eq!(told(registers), "p0:[wk0=2][0,1]; p0:[rk0?][2,3]!");
}

#[test]
fn numbers_are_what_they_are_whatever_stands_between_them() {
    let heard = |list: &str| {
        let call = "{:type :invoke, :process 0, :f :txn, :value [[:r 1 nil] [:append 1 0]]}";
        let ok = format!("{{:type :ok, :process 0, :f :txn, :value [[:r 1 {list}] [:append 1 0]]}}");
        let read = read_as(Format::Edn, format!("{call}\n{ok}").as_bytes(), &Options::default());
        read.map(|(history, _)| shown(&history)).map_err(|error| error.to_string())
    };
    let plain = heard("[1 20 -3 4 9223372036854775807 -9223372036854775808 5]").unwrap();
    assert!(plain.contains("[1,20,-3,4,9223372036854775807,-9223372036854775808,5]"), "{plain}");
    for list in [
        "[1,20,-3,4,9223372036854775807,-9223372036854775808,5]",
        "[ 1  20 -3 4N +9223372036854775807 ; and so on\n -9223372036854775808 5 ]",
        "(1\n20\t-3 #_6 4 #_ 7 9223372036854775807N -9223372036854775808 5)",
        "[01 0020 -3 00000000000000000000004 9223372036854775807 -9223372036854775808 5 #_8]",
    ] {
        assert_eq!(heard(list).as_ref(), Ok(&plain), "{list}");
    }
    for garbled in
        ["[1 9223372036854775808]", "[1 2.5 3]", "[1 2 3:x]", "[1 2 0x3]", "[1 - 2]", "[1 2\u{1} 3]"]
    {
        assert!(heard(garbled).is_err(), "{garbled}: {:?}", heard(garbled));
    }
}

#[test]
fn sets_counters_banks_queues_and_locks() {
    for (ops, expected) in [
        ("add 1 1; read nil [1 0]", "p0:add k0 1[0,1]; p0:r k0 {1,0}[2,3]"),
        ("add [3 1] [3 1]; read [3 nil] [3 #{1}]", "p0:add k3 1[0,1]; p0:r k3 {1}[2,3]"),
        ("add [3 1] [3 1]; read [3 nil] [1]", "p0:add k3 1[0,1]; p0:r k3 {1}[2,3]"),
        ("add 5 5; read nil 5", "p0:inc k0 5[0,1]; p0:count k0 5[2,3]"),
        (
            "read nil {0 95, 1 105}; transfer {:from 0 :to 1 :amount 5} nil",
            "p0:balances{k0:95,k1:105}[0,1]; p0:move k0 k1 5[2,3]",
        ),
        (
            "enqueue 1 1; dequeue nil 1; drain nil [2 3]; dequeue nil nil",
            "p0:enq k0 1[0,1]; p0:deq k0 1[2,3]; p0:drain k0 [2,3][4,5]; p0:deq k0 ∅[6,7]",
        ),
        (
            "acquire nil nil; release nil nil; acquire [2 nil] [2 7]",
            "p0:acq k0[0,1]; p0:rel k0[2,3]; p0:acq k2@7[4,5]",
        ),
        (
            "send [[:send 0 5]] [[:send 0 [9 5]]]; poll [[:poll]] [[:poll {0 [[9 5]]}]]",
            "p0:[sk0=5@9][0,1]; p0:[poll{k0@9:5}][2,3]",
        ),
    ] {
        let record = |op: &str| {
            let (f, values) = op.trim().split_once(' ').unwrap();
            let middle = values.match_indices(' ').map(|(at, _)| at).find(|at| {
                let depth = |text: &str| {
                    text.matches(['[', '{']).count() as i64 - text.matches([']', '}']).count() as i64
                };
                depth(&values[..*at]) == 0
            });
            let (asked, got) = values.split_at(middle.unwrap());
            format!(
                "{{:process 0 :type :invoke :f :{f} :value {asked}}}{{:process 0 :type :ok :f :{f} :value {got}}}\n"
            )
        };
        assert_eq!(told(&ops.split(';').map(record).collect::<String>()), expected);
    }
}

#[test]
fn texts_that_are_appended_to_are_taken_apart() {
    let line = |kind: &str, f: &str, value: &str| {
        format!("{{:process 0, :type :{kind}, :f :{f}, :key \"7\", :value {value}}}\n")
    };
    let both = |f: &str, value: &str| line("invoke", f, value) + &line("ok", f, value);
    let start = both("append", "\"x 0 y\"") + &both("put", "\"x 1 y\"");
    let file = start.clone() + &line("invoke", "get", "nil") + &line("ok", "get", "\"x 1 yx 0 y\"");
    assert_eq!(told(&file), "p0:app k0 0[0,1]; p0:w k0 1[2,3]; p0:r k0 {1,0}[4,5]");
    let torn = start.clone() + &line("invoke", "get", "nil") + &line("ok", "get", "\"x 1 yx 0\"");
    assert_eq!(told(&torn), "p0:app k0 0[0,1]; p0:w k0 1[2,3]; p0:r k0 {1,2}[4,5]");
    let alike = start + &both("append", "\"x 0 y!\"");
    let error = read_as(Format::Edn, alike.as_bytes(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("line 5") && error.contains("begin alike"), "{error}");
}

#[test]
fn logs_of_jepsen() {
    let file = "INFO  jepsen.core - Running test\nINFO  jepsen.util - 0\t:invoke\t:cas\t[3 0]\n\
                INFO  jepsen.util - :nemesis\t:info\t:start\tnil\nINFO  jepsen.util - 0\t:fail\t:cas\t[3 0]\nINFO \n";
    let (history, scanned) = read_as(Format::Log, file.as_bytes(), &Options::default()).unwrap();
    assert_eq!((shown(&history).as_str(), scanned.skipped), ("p0:cas k0 (3,0)[0,1]!", 1));
    assert_eq!(Format::detect(file.lines().nth(1).unwrap().as_bytes()), Some(Format::Log));
}

#[test]
fn sessions_without_time() {
    let plume = "w(0,0,0,0)\nr(0,0,1,1)\nr(1,0,1,1)\nw(1,5,2,-1)\nw(1,6,2,2)\n";
    // A session's transaction is over when its next one begins, or the file ends.
    assert_eq!(told(plume), "p0:[wk1=5][0,1]!; p1:[wk0=0][2,3]; p2:[rk0=0 rk1=nil][4,5]; p0:[wk1=6][6,7]");
    let again =
        read_as(Format::Plume, b"r(1,0,1,1)\nw(1,0,2,2)\n", &Options::default()).unwrap_err().to_string();
    assert!(again.contains("line 2") && again.contains("after 0 was read as its initial value"), "{again}");
    let awdit = "r 0 0\n-----\nw 1 1\n=====\nr 1 1\nw 0 0";
    assert_eq!(told(awdit), "p0:[rk0=0][0,1]; p0:[wk1=1][2,3]; p1:[rk1=1 wk0=0][4,5]");
    let bytes = dbcop_sample();
    assert_eq!(Format::detect(&bytes), Some(Format::Dbcop));
    let (history, scanned) = read_as(Format::Dbcop, &bytes, &Options::default()).unwrap();
    assert_eq!(shown(&history), "p0:[rk3=nil wk4=9][0,1]; p1:[wk3=8][2,3]!");
    assert_eq!(scanned.torn, None);
    for cut in 48..bytes.len() {
        assert!(
            read_as(Format::Dbcop, &bytes[..cut], &Options::default()).unwrap().1.torn.is_some(),
            "{cut}"
        );
    }
}

fn dbcop_sample() -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend_from_slice(&number.to_le_bytes());
    let string = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    let event = |bytes: &mut Vec<u8>, write: u8, key: u64, value: u64, success: u8| {
        bytes.push(write);
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
        bytes.push(success);
    };
    [0, 2, 5, 1, 3].into_iter().for_each(|n| number(&mut bytes, n));
    ["Dgraph", "2022", "2023"].into_iter().for_each(|text| string(&mut bytes, text));
    [2, 1, 3].into_iter().for_each(|n| number(&mut bytes, n));
    event(&mut bytes, 0, 3, 0, 1);
    event(&mut bytes, 1, 4, 9, 1);
    event(&mut bytes, 0, 4, 0, 0);
    bytes.push(1);
    [1, 1].into_iter().for_each(|n| number(&mut bytes, n));
    event(&mut bytes, 1, 3, 8, 1);
    bytes.push(0);
    bytes
}

#[test]
fn what_users_claim_of_registers() {
    let file = "{:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value nil}\
                {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 3}";
    let claimed = Options { initial: Some(3), nil_is_unknown: true };
    let (history, _) = read_as(Format::Edn, file.as_bytes(), &claimed).unwrap();
    assert_eq!(shown(&history), "p4294967295:w k0 3[0,1]; p0:r k0 ?[2,3]!; p0:r k0 3[4,5]");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let w = |process: u32, kind: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :write, :value {value}}}\n")
    };
    let r = |kind: &str, key: &str| format!("{{:process 9, :type :{kind}, :f :write, :value [{key} 1]}}\n");
    let keyed_read = |answer: &str| {
        let read =
            |kind: &str, value: &str| format!("{{:process 1 :type :{kind} :f :read :value {value}}}\n");
        read("invoke", "[3 nil]") + &read("ok", answer) + &w(2, "invoke", "1")
    };
    for (file, line, why) in [
        (w(1, "invoke", "1") + &w(1, "invoke", "2"), 2, "while its call of line 1 is open"),
        (w(1, "ok", "1"), 1, "never made"),
        (w(1, "invoke", "1") + &w(1, "info", "1") + &w(1, "ok", "1"), 3, "never made, or that is over"),
        (
            w(1, "invoke", "1") + &w(1, "info", "1") + &w(1, "invoke", "1"),
            3,
            "its outcome of line 2 is unknown",
        ),
        (w(1, "invoke", "1") + &w(1, "ok", "2"), 2, "completes write k0 1 as write k0 2"),
        (r("invoke", "1") + &r("ok", "\"1\""), 2, "key \"1\" is a string, but key 1 before it is an integer"),
        (keyed_read("[4 1]"), 2, "another object"),
        (keyed_read("1"), 2, "does not name the object"),
        (w(1, "invoke", "1") + "{:type :invoke}", 2, "no :process"),
        (w(1, "invoke", "1") + "{:process 2}", 2, "no :type"),
        (w(1, "invoke", "1") + "{:process 2, :type}", 2, "a key without a value"),
        (w(1, "invoke", "1") + "garbage", 2, "a record is a map"),
        (w(1, "invoke", "1") + &w(2, "invoked", "2"), 2, "there is no type"),
        (w(1, "invoke", "1") + "{:process 2 :type :invoke :f :frob}", 2, "no function \"frob\""),
        (format!("[{}] []", w(1, "invoke", "1")), 2, "follows the end"),
        (w(1, "invoke", "1") + &"[".repeat(200_000), 2, "a record is a map"),
        (w(1, "invoke", "1") + "{:a " + &"[".repeat(200_000), 2, "nested more than"),
        (
            w(1, "invoke", "1") + "{:index 4 :process :n :type :info}{:index 4 :process :n :type :info}",
            2,
            "does not ascend",
        ),
        (w(u32::MAX, "invoke", "1"), 1, "no such process"),
        (w(1, "invoke", "9") + &w(2, "invoke", "\"\\ud800\""), 2, "is a string, but value 9"),
    ] {
        let error = read_as(Format::Edn, file.as_bytes(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}")) && error.contains(why), "{file:.200}: {error}");
    }
}

#[test]
fn torn_files_are_read_as_far_as_they_go() {
    let whole = "[{:process 1, :type :invoke, :f :write, :value \"a\\\"b\"}\n{:process 1, :type :ok, :f :write, :value \"a\\\"b\"}]";
    for cut in 1..=whole.len() {
        let (history, scanned) = read_as(Format::Edn, &whole.as_bytes()[..cut], &Options::default())
            .unwrap_or_else(|error| match error {
                ReadError::Alien { .. } => {
                    (History::new(), Scanned { torn: Some(Torn { line: 1, bytes: 0 }), ..Scanned::default() })
                }
                other => panic!("{cut}: {other}"),
            });
        assert_eq!(scanned.torn.is_none(), cut == whole.len(), "{cut}");
        assert!(history.len() <= 2);
    }
}

#[test]
fn packed_files_are_unpacked() {
    use std::io::Write;
    let plain = "A:w1[0,1]";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(plain.as_bytes()).unwrap();
    let gzip = packer.finish().unwrap();
    let zstd =
        ruzstd::encoding::compress_to_vec(plain.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [gzip.clone(), zstd.clone(), plain.as_bytes().to_vec()] {
        let mut unpacked = String::new();
        open(&packed[..]).unwrap().read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
    }
    for packed in [gzip, zstd] {
        for cut in 4..packed.len() {
            let read = open(&packed[..cut]).and_then(|mut source| source.read_to_string(&mut String::new()));
            assert!(read.is_err(), "torn at {cut}");
        }
    }
}

/// A source that gives little at a time.
struct Dribble<'b> {
    bytes: &'b [u8],
    chance: Chance,
}

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (1 + self.chance.below(7) as usize).min(self.bytes.len()).min(into.len());
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

fn samples() -> Vec<(Format, Vec<u8>)> {
    let edn = "[{:process 4, :type :invoke, :f :read, :value [1 nil]} {:process 4, :type :ok, :f :read, :value [1 2]}\n\
               #op{:process 4, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 2 3]], :error #{\\a \"\\\"x\"}}\n\
               {:process 4, :type :ok, :f :txn, :value [[:r 1 [5 6]] [:append 2 3]]}]";
    let json = r#"{"process":4,"type":"invoke","f":"txn","value":[["r","x",null],["w","y",-3]]}
        {"process":4,"type":"ok","f":"txn","value":[["r","x",17],["w","y",-3]],"time":1.5e3}"#;
    let jsonl = "{\"tribunal_history\":1}\n{\"time\":2000,\"event\":{\"invoke\":{\"process\":0,\"node\":1,\"call\":{\"read\":{\"key\":3}}}}}\n";
    vec![
        (Format::Edn, edn.into()),
        (Format::Json, json.into()),
        (Format::Jsonl, jsonl.into()),
        (
            Format::Log,
            "INFO  jepsen.util - 0\t:invoke\t:cas\t[3 0]\nINFO  jepsen.util - 0\t:ok\t:cas\t[3 0]\n".into(),
        ),
        (Format::Plume, "w(0,0,0,0)\nr(0,0,1,1)\nr(1,0,1,-1)\n".into()),
        (Format::Awdit, "r 0 0\n-----\nw 1 1\n=====\nr 1 1\nw 0 0".into()),
        (Format::Dbcop, dbcop_sample()),
        (Format::Compact, "A:wx1[0,1]; B:[ax1 rx1,2][2,3]; T1: rx[4,?]".into()),
    ]
}

fn outcome(format: Format, source: impl BufRead) -> String {
    let mut lines = String::new();
    let end = scan(format, source, &Options::default(), |line, entry| {
        lines += &format!("{line} {entry:?}\n");
        Ok(())
    });
    lines + &end.map_or_else(|error| error.to_string(), |scanned| format!("{:?}", scanned.torn))
}

#[test]
fn no_bytes_make_a_reader_panic_and_chunks_mean_nothing() {
    for (format, sample) in samples() {
        assert_eq!(Format::detect(&sample), Some(format), "{format}");
        for seed in 0..600 {
            let mut chance = Chance::new(seed);
            let mut bytes = sample.clone();
            for _ in 0..chance.below(4) {
                let at = chance.below(bytes.len() as u64) as usize;
                match chance.below(4) {
                    0 => bytes[at] = chance.bits() as u8,
                    1 => bytes.insert(at, b"[]{}()\"\\#:;,-\n0"[chance.below(15) as usize]),
                    2 => drop(bytes.drain(at..(at + 1 + chance.below(9) as usize).min(bytes.len()))),
                    _ => bytes.truncate(at + 1),
                }
                bytes.extend(if bytes.is_empty() { Some(b' ') } else { None });
            }
            let at_once = outcome(format, &bytes[..]);
            let dribble = Dribble { bytes: &bytes, chance: Chance::new(seed) };
            let dribbled = outcome(format, io::BufReader::with_capacity(3, dribble));
            assert_eq!(at_once, dribbled, "{format} {seed}: {}", String::from_utf8_lossy(&bytes));
            let _ = Format::detect(&bytes);
        }
    }
}

#[test]
fn random_bytes_are_refused_by_every_reader() {
    for seed in 0..200 {
        let mut chance = Chance::new(seed);
        let bytes: Vec<u8> = (0..chance.below(300)).map(|_| chance.bits() as u8).collect();
        for format in Format::ALL {
            let _ = outcome(format, &bytes[..]);
        }
    }
}

#[test]
fn what_is_written_as_edn_is_read_back() {
    for told in [
        "p0:w k1 5[0,1]; p1:r k1 5[2,3]; p2:cas k2 (nil,6)[4,?]; p3:cas k2 (1,6)[5,6]!",
        "p0:[rk0[1,2] ak1=3][0,1]; p1:[rk2? ak0=7][2,?]; p2:[ak0=1][3,4]!",
        "p0:[wk0=1 rk1=nil][0,1]; p1:[rk0?][2,?]",
        "p0:add k0 1[0,1]; p1:r k0 {1,2}[2,3]; p1:rem k0 1[4,5]; p1:has k0 1 no[6,7]",
        "p0:inc k3 -5[0,1]; p1:count k3 -5[2,3]",
        "p0:enq k3 -5[0,1]; p1:deq k3 ∅[2,3]; p1:drain k3 [4,5][4,5]",
        "p0:acq k3@8[0,1]; p1:acq k3[2,3]; p1:rel k3[4,5]; p1:id k9 3[6,7]",
        "p0:acq k3 for 500@8[0,1]; p1:acq k3 for 20[2,3]!; p0:acq k3 for 500[4,?]",
        "p0:balances{k0:95,k1:105}[0,1]; p0:move k0 k1 5[2,3]",
        "p0:subscribe [k0,k1][0,1]; p0:[sk0=5@9 sk1=6 poll{k0@9:5,k0@10:7,k1@3:9}][2,3]; p1:[sk0=6 poll?][4,?]",
    ] {
        let history = text::parse(told).unwrap();
        let mut edn = Edn::new(Vec::new());
        history.entries().iter().for_each(|entry| edn.add(entry).unwrap());
        let bytes = edn.finish().unwrap();
        let (again, _) = read_as(Format::detect(&bytes).unwrap(), &bytes, &Options::default())
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
        assert_eq!(shown(&again), told, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn when_a_transaction_took_effect_is_read_and_written() {
    let file = "{:process 0, :type :invoke, :f :txn, :value [[:w 1 2]]}\n\
                {:process 1, :type :invoke, :f :txn, :value [[:r 1 nil]], :commit-ts 3}\n\
                {:process 0, :type :ok, :f :txn, :value [[:w 1 2]], :start-ts 5, :commit-ts 9}\n\
                {:process 1, :type :ok, :f :txn, :value [[:r 1 2]], :start-ts nil, :commit-ts 10}\n\
                {:process 0, :type :invoke, :f :txn, :value [[:r 1 nil]]}\n\
                {:process 0, :type :fail, :f :txn, :value [[:r 1 nil]], :commit-ts 11}";
    let (history, _) = read_as(Format::Edn, file.as_bytes(), &Options::default()).unwrap();
    let stamps = |history: &History| -> Vec<(usize, String)> {
        let events = history.entries().iter().map(|entry| &entry.event).enumerate();
        let stamps = events.filter(|(_, event)| matches!(event, Event::Stamped { .. }));
        stamps.map(|(at, event)| (at, event.to_string())).collect()
    };
    let told = [(2, "p0 ← stamped 5 to 9".to_owned()), (4, "p1 ← stamped 10".to_owned())];
    assert_eq!(stamps(&history), told);
    let mut edn = Edn::new(Vec::new());
    history.entries().iter().for_each(|entry| edn.add(entry).unwrap());
    let (again, _) = read_as(Format::Edn, &edn.finish().unwrap()[..], &Options::default()).unwrap();
    assert_eq!((stamps(&again), shown(&again)), (told.to_vec(), shown(&history)));
    for other in ["-1", "1.5", ":soon"] {
        let file = file.replace(":commit-ts 9", &format!(":commit-ts {other}"));
        let (history, _) = read_as(Format::Edn, file.as_bytes(), &Options::default()).unwrap();
        assert_eq!(stamps(&history), [(3, "p1 ← stamped 10".to_owned())], "{other}");
    }
}
