//! Reading the reference node's frames.

use protocols::{rpc, wire};
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The next thing the node says.
///
/// # Errors
/// If it hangs up, or says what we do not understand.
pub async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = stream.read_u32().await? as usize;
    if length > rpc::LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    wire::decode(&payload).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
}
