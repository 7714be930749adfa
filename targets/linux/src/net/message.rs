//! The kernel's notation for requests and answers: headers, fixed parts, attributes. No system calls here.

/// Length, kind, flags, number and sender.
pub const HEADER: usize = 16;
/// Says that an attribute holds attributes.
const NESTED: u16 = 0x8000;

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
    /// What it asks for, in words for people.
    pub asked: String,
}

impl Message {
    /// A request of this kind, with the fixed part that the kind prescribes.
    pub fn new(kind: u16, flags: u16, fixed: &[u8], asked: impl Into<String>) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Message { bytes, asked: asked.into() }
    }

    /// Adds an attribute.
    pub fn put(&mut self, attribute: u16, value: &[u8]) -> &mut Message {
        self.align();
        self.bytes.extend_from_slice(&length(4 + value.len()).to_ne_bytes());
        self.bytes.extend_from_slice(&attribute.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds a text, which ends with a zero.
    pub fn text(&mut self, attribute: u16, text: &str) -> &mut Message {
        self.put(attribute, &[text.as_bytes(), &[0]].concat())
    }

    /// Adds a number as routing wants it.
    pub fn native(&mut self, attribute: u16, number: u32) -> &mut Message {
        self.put(attribute, &number.to_ne_bytes())
    }

    /// Adds a number as the packet filter wants it.
    pub fn big_endian(&mut self, attribute: u16, number: u32) -> &mut Message {
        self.put(attribute, &number.to_be_bytes())
    }

    /// Adds an attribute that holds whatever `inside` adds.
    pub fn nest(&mut self, attribute: u16, inside: impl FnOnce(&mut Message)) -> &mut Message {
        self.align();
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&(attribute | NESTED).to_ne_bytes());
        inside(self);
        let length = length(self.bytes.len() - begin);
        self.bytes[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Adds bytes that are no attribute: the fixed part inside a nest.
    pub fn fixed(&mut self, bytes: &[u8]) -> &mut Message {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// What was added so far, to be put into another request.
    pub fn body(&mut self) -> &[u8] {
        self.align();
        &self.bytes[HEADER..]
    }

    /// Whether the kernel answers it with a word of its own.
    pub fn is_acknowledged(&self) -> bool {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & libc::NLM_F_ACK as u16 != 0
    }

    /// The whole request, with this number.
    pub fn finish(mut self, number: u32) -> Vec<u8> {
        self.align();
        let length = u32::try_from(self.bytes.len()).expect("a request is far below 4 GiB");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&number.to_ne_bytes());
        self.bytes
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Attributes say their length in two bytes; whoever makes long lists cuts them into requests that fit.
fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("no list of ours reaches 64 KiB")
}

/// One message of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its kind.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The number of the request that it answers.
    pub number: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages in what was received. It ends where the bytes make no sense.
pub fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<HEADER>()?;
        let two = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let four =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let length = four(0) as usize;
        let body = bytes.get(HEADER..length)?;
        let answer = Answer { kind: two(4), flags: two(6), number: four(8), body };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    })
}

/// The attributes in these bytes, and what they hold. It ends where the bytes make no sense.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [a, b, c, d] = *bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & 0x3fff, value))
    })
}

/// What the first such attribute holds.
pub fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(attribute, _)| *attribute == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut message = Message::new(7, libc::NLM_F_ACK as u16, &[1, 2, 3, 4], "a test");
        message.text(1, "eth0").nest(2, |message| {
            message.native(3, 9).nest(4, |message| {
                message.big_endian(5, 1);
            });
        });
        assert!(message.is_acknowledged());
        let bytes = message.finish(77);
        assert_eq!(bytes.len() % 4, 0);
        let all: Vec<Answer<'_>> = answers(&bytes).collect();
        assert_eq!((all.len(), all[0].kind, all[0].number), (1, 7, 77));
        let (fixed, rest) = all[0].body.split_at(4);
        assert_eq!(fixed, [1, 2, 3, 4]);
        assert_eq!(attribute(rest, 1), Some(&b"eth0\0"[..]));
        let nest = attribute(rest, 2).unwrap();
        assert_eq!(attribute(nest, 3), Some(&9u32.to_ne_bytes()[..]));
        assert_eq!(attribute(attribute(nest, 4).unwrap(), 5), Some(&[0, 0, 0, 1][..]));
        assert_eq!(attribute(rest, 9), None);
    }

    #[test]
    fn nonsense_ends_the_answer_and_harms_nobody() {
        let good = Message::new(1, 0, &[], "a test").finish(1);
        for cut in 0..good.len() {
            assert_eq!(answers(&good[..cut]).count(), 0);
        }
        assert_eq!(
            answers(&[good.clone(), vec![0; 64]].concat()).count(),
            1,
            "a length of zero is no message"
        );
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[255; 64]).count(), 0);
        assert_eq!(
            attributes(&[5, 0, 1, 0, 9]).collect::<Vec<_>>(),
            [(1, &[9][..])],
            "the last needs no padding"
        );
    }
}
