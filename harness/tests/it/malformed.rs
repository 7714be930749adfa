//! Files that make no sense, in every format: a message with file, place and reason, no panic, bounded memory.

use history::formats::Format;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A few entries of each format, and how a further one begins.
const FORMATS: [(Format, &[u8], &[u8]); 8] = [
    (
        Format::Jsonl,
        b"{\"tribunal_history\":1}\n{\"time\":1,\"event\":{\"invoke\":{\"process\":0,\"node\":1,\"call\":{\"read\":{\"key\":3}}}}}\n",
        b"{\"time\":2,\"event\":",
    ),
    (Format::Compact, b"A:w1[0,1]\nB:r1[2,3]\n", b"C:r{"),
    (
        Format::Edn,
        b"{:process 1, :type :invoke, :f :write, :value 1}\n{:process 1, :type :ok, :f :write, :value 1}\n",
        b"{:process 2, :type :invoke, :f :txn, :value [",
    ),
    (
        Format::Json,
        b"{\"process\":1,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\n{\"process\":1,\"type\":\"ok\",\"f\":\"write\",\"value\":1}\n",
        b"{\"process\":2,\"type\":\"invoke\",\"f\":\"txn\",\"value\":[",
    ),
    (
        Format::Log,
        b"INFO  jepsen.util - 17\t:invoke\t:write\t3\nINFO  jepsen.util - 17\t:ok\t:write\t3\n",
        b"INFO  jepsen.util - 17\t:invoke\t:cas\t[",
    ),
    (Format::Dbcop, &[0; 64], &[]),
    (Format::Plume, b"w(0,1,1,1)\nr(0,1,2,2)\n", b"r("),
    (Format::Awdit, b"w 0 1\n-----\nr 0 1\n=====\n", b"r "),
];

/// How much memory a file that makes no sense may take, in KiB, the program itself included.
const MOST: u64 = 400 << 10;

/// Judges a file; the exit code, what was said, and the largest memory that was seen.
fn check(directory: &TempDir, name: &str, format: &str) -> (Option<i32>, String, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tribunal"))
        .args(["check", name, "--format", format, "--memory-budget", "256MiB"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut peak = 0;
    while child.try_wait().expect("it is ours").is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("it is ours");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), told, peak)
}

/// Writes a file and has it judged. It is refused with its name and a reason, or what could be read of it was judged.
fn refused(directory: &TempDir, name: &str, format: &str, bytes: &[u8]) -> (Option<i32>, String) {
    fs::write(directory.path().join(name), bytes).expect("a temporary directory can be written");
    let (code, told, peak) = check(directory, name, format);
    let shown: String = told.chars().take(500).collect();
    assert!(matches!(code, Some(0 | 2 | 254)), "{format}, {name}: {code:?}: {shown}");
    assert!(!told.contains("panicked") && told.contains(name), "{format}, {name}: {shown}");
    assert!(told.len() < 4_000, "{format}, {name}: {} bytes of words: {shown}", told.len());
    assert!(peak < MOST, "{format}, {name}: {peak} KiB");
    (code, told)
}

/// A number that is always the same, and looks like chance.
fn noise(at: u32) -> u8 {
    (at.wrapping_mul(2_654_435_761).rotate_left(13) ^ at) as u8
}

#[test]
fn damaged_files_of_every_format_are_refused_with_a_place_and_a_reason() {
    let directory = TempDir::new().unwrap();
    for (format, fine, begun) in FORMATS {
        let name = format.name();
        let whole = [fine, begun].concat();
        let (code, told) = refused(&directory, "garbage", name, &(0..4096).map(noise).collect::<Vec<u8>>());
        assert!(code == Some(254) && told.contains("garbage: "), "{name}: {told}");
        let (code, told) =
            refused(&directory, "utf8", name, &[&whole[..], b"\"\xff\xfe\x80 \xf0", b"\n"].concat());
        // A record that never ends is torn, whatever is in it.
        let excused = format == Format::Dbcop || told.contains("torn off");
        assert!(code == Some(254) || excused, "{name}: {told}");
        for cut in 1..whole.len() {
            // Every place in a short file; each run takes some milliseconds.
            if cut % 5 == 0 || cut + 5 > whole.len() {
                refused(&directory, "cut", name, &whole[..cut]);
            }
        }
    }
}

#[test]
fn endless_lines_and_deep_nests_take_no_more_memory_than_they_may() {
    let directory = TempDir::new().unwrap();
    for (format, fine, begun) in FORMATS {
        let name = format.name();
        let start = [fine, begun].concat();
        for (kind, fill) in [("long", b'7'), ("deep", b'['), ("blank", b' '), ("map", b'{')] {
            let bytes = [&start[..], &vec![fill; 10 << 20]].concat();
            let (code, told) = refused(&directory, kind, name, &bytes);
            // The last line of our own histories may be torn; so may the last record of others.
            let place = told.contains("line ") || told.contains("torn") || told.contains("at most 4 MiB");
            assert!(place || code == Some(2) || format == Format::Dbcop, "{name}, {kind}: {told}");
        }
        // Packed, and much larger than what may be held.
        for fill in *b"7[ " {
            let (code, told) = refused(&directory, "bomb.gz", name, &bomb(&start, fill, 400 << 20));
            assert!(matches!(code, Some(2 | 254)), "{name}: {told}");
        }
    }
}

/// What unpacks to `start` and then `count` times `fill`: gzip with a fixed code, in which a repetition of 258 bytes takes 13
/// bits (RFC 1951, §3.2.6). Its checksum is wrong, which nobody should come to see.
fn bomb(start: &[u8], fill: u8, count: usize) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut word, mut bits) = (0u64, 0);
    let mut put = |code: u32, length: u32| {
        // Codes come with their first bit first.
        for at in (0..length).rev() {
            word |= u64::from(code >> at & 1) << bits;
            bits += 1;
            if bits == 8 {
                packed.push(word as u8);
                (word, bits) = (0, 0);
            }
        }
    };
    put(0b1, 1);
    put(0b10, 2);
    for byte in start.iter().chain([&fill]) {
        match byte {
            0..=143 => put(0x30 + u32::from(*byte), 8),
            _ => put(0x190 + u32::from(*byte) - 144, 9),
        }
    }
    for _ in 0..count / 258 {
        put(0b1100_0101, 8);
        put(0, 5);
    }
    put(0, 7);
    put(0, 8);
    packed.extend([0; 8]);
    packed
}
