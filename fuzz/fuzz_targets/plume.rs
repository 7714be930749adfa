//! Any bytes, read as plume.
#![no_main]

use history::formats::{Format, Options, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = scan(Format::Plume, bytes, &Options::default(), |_, _| Ok(()));
});
