//! # OpenSSL for libssh2, without OpenSSL
//!
//! `ssh2` wants `openssl-sys`, which wants OpenSSL's headers on the machine that builds, or perl and make in order
//! to build it. This crate takes its place (see `[patch.crates-io]` in the workspace's manifest): it links AWS-LC,
//! a library with OpenSSL's interface that libssh2 knows by name and that a C compiler alone can build. It links
//! zlib in the same way, so that the program needs no library but libc where it runs.

use {aws_lc_sys as _, libz_sys as _};

/// What `libssh2-sys` calls before anything else. AWS-LC needs no preparation.
pub fn init() {}
