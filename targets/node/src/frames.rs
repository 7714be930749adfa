//! Reading frames from a socket.

use protocols::{rpc, wire};
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The next thing said, or `None` if the other side hung up.
///
/// # Errors
/// If the connection breaks, or what comes is not what we speak.
pub async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let length = match stream.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > rpc::LONGEST {
        return Err(garbled(format!("a frame of {length} bytes is announced")));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    wire::decode(&payload).map(Some).map_err(garbled)
}

fn garbled(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_number(mut bytes: &[u8]) -> Result<Option<u32>, String> {
        read(&mut bytes).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_frame_is_read_and_anything_else_is_refused() {
        assert_eq!(read_number(&rpc::frame(&7u32).unwrap()).await, Ok(Some(7)));
        assert_eq!(read_number(&[]).await, Ok(None));
        assert!(read_number(&[0, 0, 0, 9, 1]).await.unwrap_err().contains("early eof"));
        assert!(read_number(&[0, 0, 0, 2, 1, 1]).await.unwrap_err().contains("too many"));
        assert!(read_number(&[9, 0, 0, 0]).await.unwrap_err().contains("announced"));
    }
}
