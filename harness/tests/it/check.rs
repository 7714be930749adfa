//! `tribunal check` on the histories of others.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const STALE: &str = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n\
                     {:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :read, :value nil}\n";
const FINE: &str = "A:w1[0,1]; B:r1[2,3]";

fn check(directory: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_tribunal");
    let output: Output = Command::new(program)
        .arg("check")
        .args(args)
        .current_dir(directory)
        .output()
        .expect("the program was built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn several_files_end_with_the_worst_code_and_a_line_each() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    fs::write(at.join("stale.edn"), STALE).unwrap();
    fs::write(at.join("fine.txt"), FINE).unwrap();
    fs::write(at.join("set.txt"), "A:add1[0,1]").unwrap();
    fs::write(at.join("broken.edn"), STALE.replacen(":ok", ":okay", 1)).unwrap();
    for (args, code) in [
        (&["fine.txt"][..], 0),
        (&["fine.txt", "set.txt"], 2),
        (&["fine.txt", "broken.edn", "set.txt"], 254),
        (&["fine.txt", "stale.edn", "broken.edn", "missing.edn"], 1),
        (&["stale.edn", "--nil-is-unknown"], 0),
        (&["stale.edn", "--initial", "5"], 1),
        (&["fine.txt", "--model", "set"], 2),
        (&["fine.txt", "--model", "frob"], 254),
        (&["fine.txt", "--expect", "frob"], 254),
        (&["fine.txt", "--format", "edn"], 254),
        (&["fine.txt", "--format", "frob"], 254),
        (&["fine.txt", "--memory-budget", "much"], 254),
    ] {
        let (ended, out, err) = check(at, args);
        assert_eq!(ended, Some(code), "{args:?}: {out}{err}");
    }
    let (_, out, err) = check(at, &["fine.txt", "stale.edn", "broken.edn"]);
    assert!(out.contains("fine.txt: VALID — register (compact, guessed from its calls), 4 events"), "{out}");
    assert!(out.contains("stale.edn: INVALID — register (edn") && out.contains("stale read"), "{out}");
    assert!(err.contains("broken.edn: line 2 is garbled: there is no type \"okay\""), "{err}");
}

#[test]
fn programs_get_json_and_people_the_whole_story() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("stale.edn"), STALE.replace(":value 1", ":value \"one\"")).unwrap();
    let (code, out, _) =
        check(directory.path(), &["stale.edn", "gone.edn", "--json", "--explain", "stories/all"]);
    assert_eq!(code, Some(1), "{out}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let [stale, gone] = &lines[..] else { panic!("{out}") };
    assert_eq!(
        (&stale["verdict"], &stale["format"], &stale["guessed"]),
        (&"invalid".into(), &"edn".into(), &true.into())
    );
    assert_eq!(stale["names"]["0"], "one");
    assert_eq!(stale["reports"][0]["anomalies"][0]["name"], "stale read");
    assert_eq!(
        stale["exhibits"].as_array().unwrap().len(),
        stale["reports"][0]["anomalies"][0]["events"].as_array().unwrap().len()
    );
    assert!(gone["error"].as_str().unwrap().contains("No such file"), "{gone}");
    let story = fs::read_to_string(directory.path().join("stories/all/stale.edn.txt")).unwrap();
    assert!(story.starts_with("invalid") && story.contains("stale read"), "{story}");
    assert!(story.contains("Drawn in stale.edn-1-stale-read.svg"), "{story}");
    let picture =
        fs::read_to_string(directory.path().join("stories/all/stale.edn-1-stale-read.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("stale read on k0"), "{picture}");
}

#[test]
fn a_model_of_real_time_is_not_asked_of_a_file_without_it() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("plume.txt"), "w(0,1,1,1)\nr(0,1,2,2)\n").unwrap();
    let (code, _, err) = check(directory.path(), &["plume.txt", "--model", "register"]);
    assert_eq!(code, Some(254));
    assert!(err.contains("speaks of real time"), "{err}");
}

#[test]
fn bad_files_are_refused_with_a_reason_and_nothing_falls_over() {
    let directory = TempDir::new().unwrap();
    let line =
        |kind: &str, value: &str| format!("{{:process 1, :type :{kind}, :f :write, :value {value}}}\n");
    let start = line("invoke", "1");
    let gzip = |bytes: &[u8]| {
        // Stored, not packed: header, one block, no trailer.
        let length = (bytes.len() as u16).to_le_bytes();
        let mut packed =
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, length[0], length[1], !length[0], !length[1]];
        packed.extend_from_slice(bytes);
        packed
    };
    let long = format!(
        "{start}{{:process 2, :type :info, :f :write, :value 2, :error \"{}\"}}",
        "x".repeat(10 << 20)
    );
    for (name, bytes, what) in [
        ("empty.edn", Vec::new(), "the file is empty"),
        ("blank.edn", b"  \n\n ".to_vec(), "in no known format"),
        (
            "garbage.bin",
            (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect(),
            "in no known format",
        ),
        ("m1.edn", format!("{start}{start}").into_bytes(), "line 2: event 1 cannot have happened"),
        ("m2.edn", line("ok", "1").into_bytes(), "line 1: event 0 cannot have happened"),
        (
            "m3.edn",
            format!("{start}{}{}", line("info", "1"), line("ok", "1")).into_bytes(),
            "line 3: event 2",
        ),
        ("m4.edn", format!("{start}{}", line("ok", "2")).into_bytes(), "line 2 is garbled: it completes"),
        (
            "m7.edn",
            format!("{}{}", line("invoke", "[1 1]"), line("ok", "[\"1\" 1]")).into_bytes(),
            "is a string, but key 1",
        ),
        ("deep.edn", format!("{start}{{:a {}", "[".repeat(1 << 20)).into_bytes(), "nested more than"),
        ("long.edn", long.into_bytes(), "line 2: event 1 cannot have happened: p2 completes"),
        (
            "utf8.edn",
            [start.as_bytes(), b"{:process 2, :type :invoke, :f :write, :value \"\xff\xfe\"}"].concat(),
            "not UTF-8",
        ),
        ("torn.edn.gz", gzip(start.as_bytes()), "unexpected end of file"),
        ("frob.edn", b"{:process 1, :type :invoke, :f :frob}".to_vec(), "no function \"frob\""),
    ] {
        fs::write(directory.path().join(name), bytes).unwrap();
        let (code, out, err) = check(directory.path(), &[name]);
        assert_eq!(code, Some(254), "{name}: {out}{err}");
        assert!(err.contains(name) && err.contains(what), "{name}: {err}");
        assert!(!err.contains("panicked"), "{name}: {err}");
    }
}
