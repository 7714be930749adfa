//! How to reach the hosts.

use cluster::Ports;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach the hosts of a cluster, and what to do there.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// Whom to log in as, where the host's line does not say.
    pub user: String,
    /// The port of every sshd whose line does not say another.
    pub port: u16,
    /// A private key. If there is none, the usual ones in `~/.ssh` are tried.
    pub key: Option<PathBuf>,
    /// The key's passphrase.
    pub passphrase: Option<String>,
    /// Whether to ask the user's ssh-agent, if there is one.
    pub agent: bool,
    /// The password to try when no key was accepted.
    pub password: Option<String>,
    /// The file of the hosts' keys that are known; `~/.ssh/known_hosts` if not said.
    pub known_hosts: Option<PathBuf>,
    /// Whether to believe, and to write down, the key of a host that was never seen. One that changed is refused
    /// all the same.
    pub accept_new_hosts: bool,
    /// Whether to become root by `sudo -n` on the hosts.
    pub sudo: bool,
    /// Our directory on each host: the program, and a directory for each run.
    pub remote_dir: String,
    /// The program to deploy, which has the commands `agent` and `--version`: this one, if not said.
    pub program: Option<PathBuf>,
    /// The ports on which every node listens.
    pub ports: Ports,
    /// How long a connection may take to come about.
    pub connecting: Duration,
    /// How long a host may be silent before its connection counts as lost, and how long anything that is done
    /// over one may take.
    pub silence: Duration,
    /// How long a lost connection is tried again.
    pub patience: Duration,
}

impl Default for SshOptions {
    fn default() -> SshOptions {
        SshOptions {
            user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
            port: 22,
            key: None,
            passphrase: None,
            agent: true,
            password: None,
            known_hosts: None,
            accept_new_hosts: false,
            sudo: false,
            remote_dir: "/var/tmp/tribunal".to_owned(),
            program: None,
            ports: Ports { peers: 7001, clients: 7002, control: 7003 },
            connecting: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            patience: Duration::from_secs(30),
        }
    }
}
