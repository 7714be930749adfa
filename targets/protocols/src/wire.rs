//! How messages and records become bytes: postcard. Framing and checksums are the driver's.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a message or record.
///
/// # Panics
/// Never, for the types of this crate: they have no maps with unknown length and no foreign serialisers.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our own types are always encodable")
}

/// The message or record of these bytes.
///
/// # Errors
/// If they are not one, or have something after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}
