//! The program. Everything is in the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// The judges put a great many small things down side by side, and pick them up again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tribunal::main()
}
