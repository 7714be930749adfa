//! What kind of message a protocol sends.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt::{self, Debug, Write};
use std::str::FromStr;

/// The kind of a message, in the words of its protocol: `append`, `request-vote`. Only who passes messages and not bytes
/// can tell: the simulator.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageKind([u8; MessageKind::LONGEST]);

impl MessageKind {
    /// How long its name may be, in bytes.
    pub const LONGEST: usize = 24;

    /// The kind of this message: the name of its variant. A longer name is cut.
    pub fn of(message: &impl Debug) -> MessageKind {
        let mut name = Name { letters: [0; Self::LONGEST], length: 0 };
        // It stops writing where the name ends, so an error is no failure.
        let _ended = write!(name, "{message:?}");
        MessageKind(name.letters)
    }
}

/// Takes the first word of what is written, in small letters with hyphens.
struct Name {
    letters: [u8; MessageKind::LONGEST],
    length: usize,
}

impl Name {
    fn push(&mut self, letter: u8) -> fmt::Result {
        *self.letters.get_mut(self.length).ok_or(fmt::Error)? = letter;
        self.length += 1;
        Ok(())
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.bytes() {
            if !letter.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if letter.is_ascii_uppercase() && self.length > 0 {
                self.push(b'-')?;
            }
            self.push(letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

impl FromStr for MessageKind {
    type Err = String;

    fn from_str(text: &str) -> Result<MessageKind, String> {
        let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        if text.is_empty() || text.len() > Self::LONGEST || !text.bytes().all(fits) {
            return Err(format!(
                "{text:?} is no kind of message: it is up to {} small letters, digits and hyphens, such as \"append\"",
                Self::LONGEST
            ));
        }
        let mut letters = [0; Self::LONGEST];
        letters[..text.len()].copy_from_slice(text.as_bytes());
        Ok(MessageKind(letters))
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take_while(|letter| **letter != 0)
            .try_for_each(|letter| f.write_char(char::from(*letter)))
    }
}

impl Debug for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for MessageKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MessageKind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only its name is looked at")]
    enum Message {
        RequestVote { term: u64 },
        Ack(u64),
        Stop,
        AMuchLongerNameThanAnybodyNeeds,
    }

    #[test]
    fn it_is_the_name_of_the_variant() {
        for (message, kind) in [
            (Message::RequestVote { term: 3 }, "request-vote"),
            (Message::Ack(1), "ack"),
            (Message::Stop, "stop"),
            (Message::AMuchLongerNameThanAnybodyNeeds, "a-much-longer-name-than-"),
        ] {
            assert_eq!(MessageKind::of(&message).to_string(), kind);
            assert_eq!(kind.parse(), Ok(MessageKind::of(&message)));
            let json = serde_json::to_string(&MessageKind::of(&message)).unwrap();
            assert_eq!(json, format!("{kind:?}"));
            assert_eq!(serde_json::from_str::<MessageKind>(&json).unwrap(), MessageKind::of(&message));
        }
    }

    #[test]
    fn what_cannot_be_a_kind_is_refused() {
        for text in ["", "Append", "append entries", "a-name-that-is-much-too-long"] {
            assert!(text.parse::<MessageKind>().unwrap_err().contains("small letters"), "{text}");
        }
    }
}
