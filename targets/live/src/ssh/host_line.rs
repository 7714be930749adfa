//! The hosts of a cluster, as a file lists them.
//!
//! One host per line: its name, its address, and what is special about it. `#` begins a comment.
//!
//! ```text
//! # name  address       special
//! m1      10.55.0.1     data=10.56.0.1
//! m2      db2.example   user=admin port=2222
//! ```

use cluster::HarnessError;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLine {
    /// What people call it.
    pub name: String,
    /// Where its sshd is: an address or a name. No fault ever touches the way there.
    pub control: String,
    /// Where its peers and clients reach its node; what is cut is cut here. The address in `control`, if not said.
    pub data: Option<IpAddr>,
    /// Whom to log in as, if not as everywhere else.
    pub user: Option<String>,
    /// The port of its sshd, if not the same as everywhere else.
    pub port: Option<u16>,
}

impl HostLine {
    /// Reads a file of hosts.
    ///
    /// # Errors
    /// If it cannot be read, or a line makes no sense: which and why.
    pub fn read(file: &Path) -> Result<Vec<HostLine>, HarnessError> {
        let doing = format!("read the hosts in {}", file.display());
        let text = std::fs::read_to_string(file).map_err(|why| HarnessError::new(&doing, why))?;
        HostLine::parse(&text).map_err(|(line, why)| {
            HarnessError::new(doing, format!("line {line}: {why}"))
                .advise("a line is: NAME ADDRESS [data=IP] [user=USER] [port=PORT]")
        })
    }

    /// Reads lines of hosts.
    ///
    /// # Errors
    /// The number of the first line that makes no sense, and why.
    pub fn parse(text: &str) -> Result<Vec<HostLine>, (usize, String)> {
        let mut hosts: Vec<HostLine> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            let host = host(line).map_err(|why| (index + 1, why))?;
            let twin = hosts.iter().find(|other| {
                other.name == host.name
                    || (&other.control, other.port) == (&host.control, host.port)
                    || (host.data.is_some() && other.data == host.data)
            });
            if let Some(twin) = twin {
                return Err((index + 1, format!("{} and {} have something in common", twin.name, host.name)));
            }
            hosts.push(host);
        }
        if hosts.is_empty() { Err((text.lines().count(), "there is no host".to_owned())) } else { Ok(hosts) }
    }

    /// The address of its node.
    ///
    /// # Errors
    /// If its name is not known.
    pub fn data(&self) -> Result<IpAddr, HarnessError> {
        if let Some(address) = self.data {
            return Ok(address);
        }
        let found = (self.control.as_str(), 0).to_socket_addrs();
        let found = found.map(|mut addresses| addresses.next().map(|address| address.ip()));
        let doing = || format!("find the address of {}", self.name);
        found.map_err(|why| HarnessError::new(doing(), format!("{}: {why}", self.control)))?.ok_or_else(
            || {
                HarnessError::new(doing(), format!("{} has none", self.control))
                    .advise("say data=IP in its line")
            },
        )
    }
}

fn host(line: &str) -> Result<HostLine, String> {
    let mut words = line.split_whitespace();
    let (name, control) = (words.next().unwrap_or_default(), words.next());
    let control = control.ok_or_else(|| format!("{name} has no address"))?;
    if control.contains('=') {
        return Err(format!("{name} has no address: {control:?} stands where it should be"));
    }
    let mut host =
        HostLine { name: name.to_owned(), control: control.to_owned(), data: None, user: None, port: None };
    for word in words {
        match word.split_once('=') {
            Some(("data", ip)) => {
                host.data = Some(ip.parse().map_err(|_| format!("{ip:?} is not an IP address"))?);
            }
            Some(("user", user)) if !user.is_empty() => host.user = Some(user.to_owned()),
            Some(("port", port)) => {
                let number = port.parse().ok().filter(|port| *port > 0);
                host.port = Some(number.ok_or_else(|| format!("{port:?} is not a port"))?);
            }
            _ => return Err(format!("{word:?} is none of data=IP, user=USER, port=PORT")),
        }
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_as_much_as_it_must() {
        let text =
            "# five machines\n\nm1 10.55.0.1 data=10.56.0.1 # the first\nm2 fd00::2 user=admin port=2222\n";
        let hosts = HostLine::parse(text).unwrap();
        assert_eq!(hosts.len(), 2);
        assert_eq!(hosts[0].data().unwrap().to_string(), "10.56.0.1");
        assert_eq!(hosts[1].data().unwrap().to_string(), "fd00::2");
        assert_eq!((hosts[1].user.as_deref(), hosts[1].port), (Some("admin"), Some(2222)));
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for (text, line, why) in [
            ("", 0, "no host"),
            ("# nobody\n", 1, "no host"),
            ("m1 10.0.0.1\nm2", 2, "m2 has no address"),
            ("m1 data=10.0.0.1", 1, "no address"),
            ("m1 10.0.0.1 data=ten", 1, "\"ten\" is not an IP"),
            ("m1 10.0.0.1 port=0", 1, "\"0\" is not a port"),
            ("m1 10.0.0.1 user=", 1, "none of"),
            ("m1 10.0.0.1 colour=red", 1, "none of"),
            ("m1 10.0.0.1\nm1 10.0.0.2", 2, "in common"),
            ("m1 10.0.0.1\nm2 10.0.0.1", 2, "in common"),
            ("m1 10.0.0.1 data=10.1.0.1\nm2 10.0.0.2 data=10.1.0.1", 2, "in common"),
        ] {
            let (at, said) = HostLine::parse(text).unwrap_err();
            assert!(at == line && said.contains(why), "{text:?}: line {at}: {said}");
        }
    }

    #[test]
    fn an_error_names_the_file_and_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hosts");
        std::fs::write(&file, "m1 10.0.0.1\nm2").unwrap();
        let error = HostLine::read(&file).unwrap_err().to_string();
        assert!(
            error.contains("hosts: line 2: m2 has no address") && error.contains("NAME ADDRESS"),
            "{error}"
        );
        assert!(HostLine::read(directory.path()).is_err());
    }
}
