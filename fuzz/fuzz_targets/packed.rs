//! Any bytes, unpacked, told apart and read.
#![no_main]

use history::formats::{Format, Options, open, scan};
use std::io::Read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut plain = Vec::new();
    let unpacked = open(bytes).and_then(|source| source.take(1 << 20).read_to_end(&mut plain));
    if unpacked.is_ok()
        && let Some(format) = Format::detect(&plain)
    {
        let _ = scan(format, &plain[..], &Options::default(), |_, _| Ok(()));
    }
});
