//! Any bytes, read as dbcop.
#![no_main]

use history::formats::{Format, Options, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = scan(Format::Dbcop, bytes, &Options::default(), |_, _| Ok(()));
});
