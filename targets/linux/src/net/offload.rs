//! What cards and the kernel do to frames in order to be faster, switched off.
#![expect(unsafe_code, reason = "the ioctl of ethtool takes a pointer to a structure with a pointer in it")]

use super::netlink::Refused;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::from_mut;

/// `linux/sockios.h`
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// `linux/ethtool.h`: checksums by the card, and frames of 64 KiB that are cut up later or were put together.
const SETTINGS: [(u32, &str); 4] = [
    (0x17, "sending without checksums"),
    (0x1f, "cutting up by the card"),
    (0x24, "cutting up late"),
    (0x2c, "putting together"),
];

#[repr(C)]
struct Setting {
    command: u32,
    value: u32,
}

/// Switches off everything because of which the frames on this link are not what would be on a wire. With it,
/// one lost frame would be forty, and its checksum would have yet to be made. In the calling thread's network.
///
/// # Errors
/// If the kernel refuses.
pub fn switch_off(link: &str) -> Result<(), Refused> {
    let refused = |what: &str, error| Refused::new(format!("switch off {what} on the link {link}"), error);
    // Any socket will do; an unbound one disturbs nobody.
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(|error| refused("offloading", error))?;
    SETTINGS
        .iter()
        .try_for_each(|(command, what)| set(&socket, link, *command).map_err(|error| refused(what, error)))
}

fn set(socket: &UdpSocket, link: &str, command: u32) -> io::Result<()> {
    let mut setting = Setting { command, value: 0 };
    let mut name = [0; libc::IFNAMSIZ];
    if link.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    link.bytes().zip(&mut name).for_each(|(byte, place)| *place = byte.cast_signed());
    let data = libc::__c_anonymous_ifr_ifru { ifru_data: from_mut(&mut setting).cast() };
    let mut request = libc::ifreq { ifr_name: name, ifr_ifru: data };
    // SAFETY: `request` and the setting that it points to live until the call returns, and the kernel touches no
    // more of the setting than its two fields for these commands.
    if unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, from_mut(&mut request)) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
