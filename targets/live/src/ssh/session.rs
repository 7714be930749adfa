//! A connection to one host: made, checked against the known hosts, and logged in.

use super::{HostLine, SshOptions};
use cluster::HarnessError;
use ssh2::{CheckResult, HashType, KnownHostFileKind, KnownHostKeyFormat, MethodType, Session};
use std::io::Read;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A connection to one host. One thread uses it; who wants to do two things at once makes two.
pub struct Connection {
    /// The protocol on it.
    pub session: Session,
    /// Our own address on it.
    pub ours: IpAddr,
    /// The socket, to wait on.
    pub socket: TcpStream,
    place: String,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// Its exit code.
    pub code: i32,
}

/// Whoever writes a new host down reads what others wrote before.
static KNOWN_HOSTS: Mutex<()> = Mutex::new(());

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// If the host cannot be reached, is not the one that is known, or lets nobody in.
    pub fn open(line: &HostLine, options: &SshOptions) -> Result<Connection, HarnessError> {
        let port = line.port.unwrap_or(options.port);
        let place = format!("{} ({}:{port})", line.name, line.control);
        let doing = || format!("connect to {place}");
        let socket = dial(line, port, options).map_err(|why| {
            HarnessError::new(doing(), why).advise("is the host up, and is its sshd on this port?")
        })?;
        let ours = socket.local_addr().map_err(|why| HarnessError::new(doing(), why))?.ip();
        let mut session = Session::new().map_err(|why| HarnessError::new(doing(), why))?;
        session.set_timeout(u32::try_from(options.silence.as_millis()).unwrap_or(u32::MAX));
        let copy = socket.try_clone().map_err(|why| HarnessError::new(doing(), why))?;
        session.set_tcp_stream(copy);
        let known = KnownFile::of(options);
        if let Some(kinds) = known.kinds(&line.control, port) {
            // Without it the host may show another of its keys than the one that is known.
            session
                .method_pref(MethodType::HostKey, &kinds)
                .map_err(|why| HarnessError::new(doing(), why))?;
        }
        session.handshake().map_err(|why| HarnessError::new(doing(), why))?;
        known.check(&session, &line.control, port, options.accept_new_hosts)?;
        let user = line.user.as_deref().unwrap_or(&options.user);
        log_in(&session, user, options).map_err(|tried| {
            HarnessError::new(format!("log in to {place} as {user}"), tried)
                .advise("give a key, a password, or a user that the host lets in")
        })?;
        Ok(Connection { session, ours, socket, place })
    }

    /// Runs a command in the login shell and waits for its end.
    ///
    /// # Errors
    /// If the connection fails. A command that fails is no error.
    pub fn run(&self, command: &str) -> Result<Said, HarnessError> {
        let failed = |why: &dyn std::fmt::Display| {
            HarnessError::new(format!("run {command:?} on {}", self.place), why)
        };
        let mut channel = self.session.channel_session().map_err(|why| failed(&why))?;
        channel.exec(command).map_err(|why| failed(&why))?;
        let (mut out, mut err) = (String::new(), String::new());
        channel.read_to_string(&mut out).map_err(|why| failed(&why))?;
        channel.stderr().read_to_string(&mut err).map_err(|why| failed(&why))?;
        // In this order: libssh2 gets confused by a channel that is dropped while it is open.
        let ended = channel.send_eof().and_then(|()| channel.wait_eof()).and_then(|()| channel.close());
        ended.and_then(|()| channel.wait_close()).map_err(|why| failed(&why))?;
        let code = channel.exit_status().map_err(|why| failed(&why))?;
        Ok(Said { out, err, code })
    }

    /// Which host it is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }
}

fn dial(line: &HostLine, port: u16, options: &SshOptions) -> Result<TcpStream, String> {
    let addresses = (line.control.as_str(), port).to_socket_addrs().map_err(|why| why.to_string())?;
    let mut complaint = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, options.connecting) {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(|why| why.to_string())?;
                return Ok(socket);
            }
            Err(why) => complaint = why.to_string(),
        }
    }
    Err(complaint)
}

/// Tries every way in; what was tried and why it did not work.
fn log_in(session: &Session, user: &str, options: &SshOptions) -> Result<(), String> {
    let mut tried = Vec::new();
    let mut attempt = |way: String, result: Result<(), ssh2::Error>| match result {
        Ok(()) => session.authenticated(),
        Err(why) => {
            tried.push(format!("{way}: {}", why.message()));
            false
        }
    };
    let keys = options.key.clone().map_or_else(usual_keys, |key| vec![key]);
    for key in keys {
        let way = format!("the key {}", key.display());
        let passphrase = options.passphrase.as_deref();
        if attempt(way, session.userauth_pubkey_file(user, None, &key, passphrase)) {
            return Ok(());
        }
    }
    if options.agent
        && std::env::var_os("SSH_AUTH_SOCK").is_some()
        && attempt("the ssh-agent".to_owned(), session.userauth_agent(user))
    {
        return Ok(());
    }
    if let Some(password) = &options.password
        && attempt("the password".to_owned(), session.userauth_password(user, password))
    {
        return Ok(());
    }
    Err(if tried.is_empty() { "there is no key and no password to try".to_owned() } else { tried.join("; ") })
}

fn usual_keys() -> Vec<PathBuf> {
    let Some(home) = std::env::home_dir() else { return Vec::new() };
    let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home.join(".ssh").join(name));
    keys.into_iter().filter(|key| key.exists()).collect()
}

/// The file of the hosts' keys that are known.
struct KnownFile {
    path: PathBuf,
}

impl KnownFile {
    fn of(options: &SshOptions) -> KnownFile {
        let usual = || std::env::home_dir().unwrap_or_default().join(".ssh/known_hosts");
        KnownFile { path: options.known_hosts.clone().unwrap_or_else(usual) }
    }

    /// The kinds of keys by which this host is known, if its name stands there in plain.
    fn kinds(&self, host: &str, port: u16) -> Option<String> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let names = [host.to_owned(), format!("[{host}]:{port}")];
        let of_host = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let known = words.next()?.split(',').any(|name| names.iter().any(|ours| ours == name));
            let kind = words.next()?;
            known.then_some(if kind == "ssh-rsa" { "rsa-sha2-512,rsa-sha2-256" } else { kind })
        });
        let kinds: Vec<&str> = of_host.collect();
        (!kinds.is_empty()).then(|| kinds.join(","))
    }

    fn check(&self, session: &Session, host: &str, port: u16, accept: bool) -> Result<(), HarnessError> {
        let doing = format!("trust {host}:{port}");
        let failed = |why: ssh2::Error| HarnessError::new(&doing, why);
        let _alone = KNOWN_HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, kind) = session.host_key().ok_or_else(|| HarnessError::new(&doing, "it has no key"))?;
        let mut known = session.known_hosts().map_err(failed)?;
        if self.path.exists() {
            known.read_file(&self.path, KnownHostFileKind::OpenSSH).map_err(failed)?;
        }
        let path = self.path.display();
        let print = session.host_key_hash(HashType::Sha256).map(|hash| format!("{hash:02x?}"));
        let print = print.unwrap_or_default().replace([' ', ',', '[', ']'], "");
        match known.check_port(host, port, key) {
            CheckResult::Match => Ok(()),
            CheckResult::NotFound if accept => {
                let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
                let format: KnownHostKeyFormat = kind.into();
                known.add(&name, key, "added by tribunal", format).map_err(failed)?;
                make_parent(&self.path).map_err(|why| HarnessError::new(&doing, format!("{path}: {why}")))?;
                known.write_file(&self.path, KnownHostFileKind::OpenSSH).map_err(failed)
            }
            CheckResult::NotFound => Err(HarnessError::new(
                &doing,
                format!("its key is not in {path}; the SHA-256 of the one it shows is {print}"),
            )
            .advise(format!(
                "if it is the right one: ssh-keyscan -p {port} {host} >> {path}, or --accept-new-hosts"
            ))),
            CheckResult::Mismatch => Err(HarnessError::new(
                &doing,
                format!(
                    "ITS KEY IS NOT THE ONE IN {path}: somebody may be in between, or it was installed anew"
                ),
            )
            .advise(format!("if you know why: ssh-keygen -f {path} -R {host}, and try again"))),
            CheckResult::Failure => Err(HarnessError::new(&doing, format!("{path} cannot be searched"))),
        }
    }
}

fn make_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}
