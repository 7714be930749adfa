//! Any bytes, read as compact.
#![no_main]

use history::formats::{Format, Options, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = scan(Format::Compact, bytes, &Options::default(), |_, _| Ok(()));
});
