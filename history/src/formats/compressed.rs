//! Histories that were packed.

use std::io::{self, BufRead, BufReader, Read};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Unpacks a file if it begins like one of gzip or zstd, else hands it on as it is.
///
/// # Errors
/// If it cannot be read, or begins like a packed file and is none.
pub fn open<'s>(source: impl Read + Send + 's) -> io::Result<Box<dyn BufRead + Send + 's>> {
    let mut source = BufReader::with_capacity(CHUNK, source);
    let head = source.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = flate2::bufread::MultiGzDecoder::new(source);
        return Ok(Box::new(BufReader::with_capacity(CHUNK, unpacked)));
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let unpacked = ruzstd::decoding::StreamingDecoder::new(source).map_err(io::Error::other)?;
        return Ok(Box::new(BufReader::with_capacity(CHUNK, unpacked)));
    }
    Ok(Box::new(source))
}
