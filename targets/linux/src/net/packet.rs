//! Reading and writing whole frames on a link, and waiting for them.
#![expect(unsafe_code, reason = "packet sockets and ppoll have no safe interface in the standard library")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{from_ref, null};
use std::time::Duration;

/// A packet socket: sees every frame that comes in on one link, before the bridge does, and can send others out.
#[derive(Debug)]
pub struct Tap(OwnedFd);

/// How many bytes of frames may wait to be read or sent.
const ROOM: i32 = 16 << 20;

impl Tap {
    /// Taps the link with this number in the calling thread's network.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn open(link: u32) -> io::Result<Tap> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // Until it is bound it is deaf: no frame of another link can be in it.
        // SAFETY: plain system call; the result is checked before it is owned.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let tap = Tap(unsafe { OwnedFd::from_raw_fd(fd) });
        tap.option(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        for (forced, usual) in
            [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            let room = tap.option(libc::SOL_SOCKET, forced, ROOM);
            room.or_else(|_| tap.option(libc::SOL_SOCKET, usual, ROOM))?;
        }
        tap.bind(link)?;
        Ok(tap)
    }

    /// The next frame, if one has come: how long it is.
    ///
    /// # Errors
    /// If the link is gone or down.
    pub fn read(&self, frame: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: the pointer and the length are those of `frame`.
        let got = unsafe { libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
        match usize::try_from(got) {
            Ok(length) => Ok(Some(length)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Sends a frame out of the link.
    ///
    /// # Errors
    /// If the link is down or too much waits already.
    pub fn write(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length are those of `frame`.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn option(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        let length = libc::socklen_t::try_from(size_of::<i32>()).expect("four");
        // SAFETY: the pointer and the length are those of `value`.
        let done =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), level, name, from_ref(&value).cast(), length) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn bind(&self, link: u32) -> io::Result<()> {
        // SAFETY: a structure of numbers, for which zeros are good values.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = link.cast_signed();
        let length = libc::socklen_t::try_from(size_of_val(&address)).expect("an address is small");
        // SAFETY: the pointer and the length are those of `address`.
        if unsafe { libc::bind(self.0.as_raw_fd(), from_ref(&address).cast(), length) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl std::os::fd::AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }
}

/// Lets packets arrive here as if they had come from elsewhere: by way of the loopback, so that no route and no link
/// has a say in it.
#[derive(Debug)]
pub struct Injector {
    four: OwnedFd,
    /// Where there is no IPv6 there is nothing to inject either.
    six: Option<OwnedFd>,
}

impl Injector {
    /// For the calling thread's network.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn open() -> io::Result<Injector> {
        Ok(Injector { four: raw(libc::AF_INET)?, six: raw(libc::AF_INET6).ok() })
    }

    /// Lets a packet, which is for us, arrive.
    ///
    /// # Errors
    /// If it is no packet, or cannot arrive.
    pub fn inject(&self, packet: &[u8]) -> io::Result<()> {
        let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
        match (packet.first().map(|first| first >> 4), &self.six) {
            (Some(4), _) => {
                let to = packet.get(16..).and_then(<[u8]>::first_chunk).ok_or_else(nonsense)?;
                // SAFETY: a structure of numbers, for which zeros are good values.
                let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                address.sin_family = libc::AF_INET as u16;
                address.sin_addr.s_addr = u32::from_ne_bytes(*to);
                send_to(&self.four, packet, &address)
            }
            (Some(6), Some(six)) => {
                let to = packet.get(24..).and_then(<[u8]>::first_chunk).ok_or_else(nonsense)?;
                // SAFETY: a structure of numbers, for which zeros are good values.
                let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                address.sin6_family = libc::AF_INET6 as u16;
                address.sin6_addr.s6_addr = *to;
                send_to(six, packet, &address)
            }
            _ => Err(nonsense()),
        }
    }
}

/// A socket to which whole packets are given, headers and all.
fn raw(family: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: plain system call; the result is checked before it is owned.
    let fd = unsafe { libc::socket(family, kind, libc::IPPROTO_RAW) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send_to<A>(socket: &OwnedFd, bytes: &[u8], address: &A) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<A>()).expect("an address is small");
    let (begin, to) = (bytes.as_ptr().cast(), from_ref(address).cast());
    // SAFETY: the pointers and the lengths are those of `bytes` and `address`.
    let sent = unsafe { libc::sendto(socket.as_raw_fd(), begin, bytes.len(), 0, to, length) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until one of these can be read, or this time is over; which of them can.
///
/// # Errors
/// If the kernel has no memory for it.
pub fn wait(all: &[BorrowedFd<'_>], limit: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<libc::pollfd> =
        all.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let count = libc::nfds_t::try_from(polled.len()).expect("descriptors are few");
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(null(), from_ref);
    // SAFETY: the pointer and the count are those of `polled`; `limit` is null or points to a time that lives.
    if unsafe { libc::ppoll(polled.as_mut_ptr(), count, limit, null()) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(polled.iter().map(|one| one.revents != 0).collect())
}
