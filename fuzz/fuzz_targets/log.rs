//! Any bytes, read as log.
#![no_main]

use history::formats::{Format, Options, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = scan(Format::Log, bytes, &Options::default(), |_, _| Ok(()));
});
