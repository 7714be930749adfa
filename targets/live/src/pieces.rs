//! Cutting a stream into the messages, or just the pieces, that a link carries.

use bytes::{Buf, Bytes, BytesMut};
use cluster::Framing;
use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// The longest message that we believe in. A longer one is a stream that we misunderstand.
const LONGEST: usize = 64 << 20;
/// How much is read at once.
const READ: usize = 64 << 10;

/// The reading end of a connection.
#[derive(Debug)]
pub struct Pieces {
    stream: OwnedReadHalf,
    framing: Framing,
    buffer: BytesMut,
}

impl Pieces {
    /// Reads from `stream`.
    pub fn new(stream: OwnedReadHalf, framing: Framing) -> Pieces {
        Pieces { stream, framing, buffer: BytesMut::new() }
    }

    /// The next message with its frame, or the next piece; `None` at the end. If the future is dropped, nothing
    /// is lost.
    ///
    /// # Errors
    /// If the connection breaks, or its frames make no sense.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(piece) = self.ready()? {
                return Ok(Some(piece));
            }
            self.buffer.reserve(READ);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next one, if it has been read already.
    ///
    /// # Errors
    /// If the frames make no sense.
    pub fn ready(&mut self) -> io::Result<Option<Bytes>> {
        let length = match self.framing {
            Framing::Opaque => self.buffer.len(),
            Framing::LengthPrefixed => match self.buffer.first_chunk::<4>() {
                Some(prefix) => 4 + u32::from_be_bytes(*prefix) as usize,
                None => return Ok(None),
            },
        };
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
        }
        let whole = length > 0 && self.buffer.remaining() >= length;
        Ok(whole.then(|| self.buffer.split_to(length).freeze()))
    }
}
