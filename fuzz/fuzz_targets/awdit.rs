//! Any bytes, read as awdit.
#![no_main]

use history::formats::{Format, Options, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = scan(Format::Awdit, bytes, &Options::default(), |_, _| Ok(()));
});
