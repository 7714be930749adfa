//! Talking with the kernel over a netlink socket.
#![expect(unsafe_code, reason = "the sockets of netlink have no safe interface in the standard library")]

use super::message::{Answer, Message, answers, attribute};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::from_ref;
use std::time::Duration;

/// The kernel answers at once; a silence this long means that an answer was lost.
const SILENCE: Duration = Duration::from_secs(5);
/// An answer with so much in it is read in one piece.
const ROOM: usize = 256 << 10;
/// The flag of an answer that carries the kernel's reason as text.
const WITH_TEXT: u16 = 0x200;
/// The attribute with that text.
const TEXT: u16 = 1;

/// The kernel refused something.
#[derive(Debug, thiserror::Error)]
#[error("cannot {asked}: {source}{}", if .text.is_empty() { String::new() } else { format!(" ({text})") })]
pub struct Refused {
    /// What was asked: "create the link br0".
    pub asked: String,
    /// The kernel's number for its reason.
    pub source: io::Error,
    /// The kernel's reason in its own words, if it said any.
    pub text: String,
}

impl Refused {
    /// Asked for `asked`, and got `source`.
    pub fn new(asked: impl Into<String>, source: io::Error) -> Refused {
        Refused { asked: asked.into(), source, text: String::new() }
    }
}

/// A netlink socket. It belongs for ever to the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    last: u32,
}

impl Socket {
    /// Opens a socket for this family of requests (`NETLINK_ROUTE`, `NETLINK_NETFILTER`).
    ///
    /// # Errors
    /// If the kernel knows no such family or there can be no more files.
    pub fn open(family: i32) -> io::Result<Socket> {
        // SAFETY: plain system call; the result is checked before it is owned.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, family) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let socket = Socket { fd: unsafe { OwnedFd::from_raw_fd(fd) }, last: 0 };
        socket.option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1i32)?;
        socket.option(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, &1i32)?;
        let silence = libc::timeval { tv_sec: SILENCE.as_secs().cast_signed(), tv_usec: 0 };
        socket.option(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &silence)?;
        Ok(socket)
    }

    /// Sends requests as one piece, which the packet filter takes as one change, and waits until each that wants
    /// to be acknowledged is.
    ///
    /// # Errors
    /// With the kernel's first refusal.
    pub fn ask(&mut self, messages: Vec<Message>) -> Result<(), Refused> {
        let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
        for message in messages {
            self.last += 1;
            if message.is_acknowledged() {
                waiting.push((self.last, message.asked.clone()));
            }
            bytes.extend(message.finish(self.last));
        }
        let first = waiting.first().map_or_else(String::new, |(_, asked)| asked.clone());
        self.send(&bytes).map_err(|error| Refused::new(&first, error))?;
        while let Some((_, asked)) = waiting.first() {
            let received = self.receive().map_err(|error| Refused::new(asked, error))?;
            for answer in answers(&received).filter(|answer| answer.kind == libc::NLMSG_ERROR as u16) {
                let Some(place) = waiting.iter().position(|(number, _)| *number == answer.number) else {
                    continue;
                };
                let (_, asked) = waiting.remove(place);
                verdict(&answer, asked)?;
            }
        }
        Ok(())
    }

    /// Asks for a list; what each of its messages says after the header.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn list(&mut self, message: Message) -> Result<Vec<Vec<u8>>, Refused> {
        self.last += 1;
        let (asked, number) = (message.asked.clone(), self.last);
        let refused = |error| Refused::new(&asked, error);
        self.send(&message.finish(number)).map_err(refused)?;
        let mut items = Vec::new();
        loop {
            let received = self.receive().map_err(refused)?;
            for answer in answers(&received).filter(|answer| answer.number == number) {
                match i32::from(answer.kind) {
                    libc::NLMSG_DONE => return Ok(items),
                    libc::NLMSG_ERROR => {
                        verdict(&answer, asked.clone())?;
                        return Ok(items);
                    }
                    _ => items.push(answer.body.to_vec()),
                }
            }
        }
    }

    /// Sends a request that nobody answers.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn tell(&self, message: Message) -> io::Result<()> {
        self.send(&message.finish(0))
    }

    /// What has come by itself, if anything has: how long it is.
    ///
    /// # Errors
    /// If some of it was lost because there was too much.
    pub fn glance(&self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        let (place, room) = (bytes.as_mut_ptr().cast(), bytes.len());
        // SAFETY: the pointer and the length are those of `bytes`.
        let got = unsafe { libc::recv(self.fd.as_raw_fd(), place, room, libc::MSG_DONTWAIT) };
        match usize::try_from(got) {
            Ok(length) => Ok(Some(length)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Makes room for so many bytes that wait to be read.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn enlarge(&self, bytes: i32) -> io::Result<()> {
        let forced = self.option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes);
        forced.or_else(|_| self.option(libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
    }

    fn option<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        let length = libc::socklen_t::try_from(size_of::<T>()).expect("an option is small");
        // SAFETY: the pointer and the length are those of `value`, which outlives the call.
        let done =
            unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, name, from_ref(value).cast(), length) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length are those of `bytes`.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; ROOM];
        loop {
            // SAFETY: the kernel writes at most `ROOM` bytes into a buffer of that size.
            let got = unsafe { libc::recv(self.fd.as_raw_fd(), bytes.as_mut_ptr().cast(), ROOM, 0) };
            match usize::try_from(got) {
                Ok(length) => {
                    bytes.truncate(length);
                    return Ok(bytes);
                }
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What an acknowledgement says: zero, or the negative number of an error, perhaps with the reason as text.
fn verdict(answer: &Answer<'_>, asked: String) -> Result<(), Refused> {
    let number = answer.body.first_chunk().map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes));
    if number == 0 {
        return Ok(());
    }
    // The number is followed by the header of the request, and only then by attributes.
    let attributes = answer.body.get(4 + super::message::HEADER..).unwrap_or_default();
    let text = attribute(attributes, TEXT).filter(|_| answer.flags & WITH_TEXT != 0).unwrap_or_default();
    let text = String::from_utf8_lossy(text).trim_end_matches('\0').to_owned();
    Err(Refused { asked, source: io::Error::from_raw_os_error(-number), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_asked_and_why() {
        let mut socket = Socket::open(libc::NETLINK_ROUTE).unwrap();
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let message = Message::new(libc::RTM_DELLINK, flags, &[0; 16], "remove nothing at all");
        let refused = socket.ask(vec![message]).unwrap_err();
        assert!(refused.to_string().starts_with("cannot remove nothing at all: "), "{refused}");
        assert!(refused.source.raw_os_error().is_some());
        let text = Refused { text: "Device is busy".to_owned(), ..refused };
        assert!(text.to_string().ends_with("(Device is busy)"));
    }

    #[test]
    fn a_list_has_an_end() {
        let mut socket = Socket::open(libc::NETLINK_ROUTE).unwrap();
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        let links = socket.list(Message::new(libc::RTM_GETLINK, flags, &[0; 16], "list the links"));
        assert!(!links.unwrap().is_empty(), "there is always the loopback");
    }
}
