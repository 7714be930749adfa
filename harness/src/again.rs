//! The command that makes a run again.

use crate::args::{EngineArgs, SshArgs, Target, TestArgs};
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// What must be typed after `tribunal` to get these arguments: every option that is not as it would be anyway. Only a
/// password is left out: it is not written down anywhere.
pub fn again(args: &TestArgs) -> Vec<String> {
    // Every option is named here, so that none is forgotten.
    let TestArgs {
        system,
        on,
        workload,
        expect,
        keys,
        key_dist,
        ops_per_key,
        txn_length,
        lease,
        retry,
        nemesis,
        nemesis_file,
        swarm,
        allow_missing,
        plan,
        engine: EngineArgs { docker_command, static_binary, containers },
        ssh,
        nodes,
        concurrency,
        rate,
        time_limit,
        nemesis_interval,
        timeout,
        seed,
        flaw,
        no_heal,
        fail_fast,
        store,
        time_budget,
    } = args;
    let mut words = Words(vec!["test".to_owned(), system.clone()]);
    words.unless("--on", on.name(), Target::Auto.name());
    words.if_some("--seed", *seed);
    words.if_some("--workload", workload.as_deref());
    words.if_some("--expect", expect.as_deref());
    words.if_some("--keys", *keys);
    words.if_some("--key-dist", *key_dist);
    words.if_some("--ops-per-key", *ops_per_key);
    words.if_some("--txn-length", *txn_length);
    words.span("--lease", *lease, 500);
    words.flag("--retry", *retry);
    words.if_some("--nodes", *nodes);
    words.unless("--concurrency", concurrency.as_str(), "2n");
    words.unless("--rate", *rate, 200.0);
    words.span("--time-limit", Some(*time_limit), 30_000);
    words.span("--nemesis-interval", *nemesis_interval, 5_000);
    words.span("--timeout", Some(*timeout), 1_000);
    words.path("--plan", plan.as_ref());
    words.path("--nemesis-file", nemesis_file.as_ref());
    words.if_some("--nemesis", nemesis.as_deref());
    words.flag("--swarm", *swarm);
    words.flag("--allow-missing", *allow_missing);
    words.if_some("--flaw", flaw.as_deref());
    words.flag("--no-heal", *no_heal);
    words.0.extend(fail_fast.map(|yes| format!("--fail-fast={yes}")));
    words.unless("--docker-command", docker_command.as_str(), "docker");
    words.path("--static-binary", static_binary.as_ref());
    words.unless("--containers", containers.join(","), String::new());
    words.hosts(ssh);
    words.unless("--store", store.display().to_string(), "store".to_owned());
    words.span("--time-budget", Some(*time_budget), 60_000);
    words.0
}

/// Words as a shell takes them.
pub fn line(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    let quoted = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A command line without its password.
pub fn without_password(words: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut secret) = (Vec::new(), false);
    for word in words {
        let hidden = std::mem::replace(&mut secret, word == "--password");
        kept.push(match word.starts_with("--password=") {
            true => "--password=…".to_owned(),
            false if hidden => "…".to_owned(),
            false => word,
        });
    }
    kept
}

/// A command line that grows.
struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, name: &str, shown: bool) {
        self.0.extend(shown.then(|| name.to_owned()));
    }

    fn if_some(&mut self, name: &str, value: Option<impl Display>) {
        self.0.extend(value.into_iter().flat_map(|value| [name.to_owned(), value.to_string()]));
    }

    fn unless<T: Display + PartialEq>(&mut self, name: &str, value: T, usual: T) {
        self.if_some(name, Some(value).filter(|value| *value != usual));
    }

    fn span(&mut self, name: &str, value: Option<Duration>, usual_ms: u128) {
        let other = value.map(|span| span.as_millis()).filter(|ms| *ms != usual_ms);
        self.if_some(name, other.map(|ms| format!("{ms}ms")));
    }

    fn path(&mut self, name: &str, path: Option<&PathBuf>) {
        self.if_some(name, path.map(|path| path.display()));
    }

    fn hosts(&mut self, args: &SshArgs) {
        let SshArgs {
            hosts,
            ssh_user,
            ssh_port,
            key,
            password: _,
            known_hosts,
            accept_new_hosts,
            sudo,
            remote_dir,
        } = args;
        self.path("--hosts", hosts.as_ref());
        self.if_some("--ssh-user", ssh_user.as_deref());
        self.unless("--ssh-port", *ssh_port, 22);
        self.path("--key", key.as_ref());
        self.path("--known-hosts", known_hosts.as_ref());
        self.flag("--accept-new-hosts", *accept_new_hosts);
        self.flag("--sudo", *sudo);
        self.unless("--remote-dir", remote_dir.as_str(), "/var/tmp/tribunal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::{CommandFactory, Parser};

    fn parsed(words: &[&str]) -> TestArgs {
        match Args::try_parse_from([&["tribunal"], words].concat()).unwrap().command {
            Command::Test(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    /// Between them they give every option another value than the usual one.
    const LINES: [&[&str]; 5] = [
        &["test", "raft"],
        &[
            "test",
            "raft",
            "--on",
            "sim",
            "--seed",
            "7",
            "--workload",
            "append",
            "--expect",
            "serializable",
            "--keys",
            "4",
            "--key-dist",
            "zipf",
            "--ops-per-key",
            "50",
            "--txn-length",
            "2-3",
            "--lease",
            "2s",
            "--retry",
            "--nodes",
            "3",
            "--concurrency",
            "3n",
            "--rate",
            "0.5",
            "--time-limit",
            "90s",
            "--nemesis-interval",
            "1500ms",
            "--timeout",
            "2s",
            "--nemesis",
            "partition:ring,kill@new-leader",
            "--flaw",
            "stale-local-reads",
            "--no-heal",
            "--fail-fast=false",
            "--allow-missing",
            "--store",
            "a place/b",
            "--time-budget",
            "5m",
        ],
        &["test", "raft", "--nemesis-file", "it's mine.toml", "--swarm", "--fail-fast"],
        &[
            "test",
            "raft",
            "--on",
            "docker",
            "--docker-command",
            "podman",
            "--static-binary",
            "/opt/tribunal",
            "--containers",
            "a,b,c",
            "--plan",
            "plan.json",
        ],
        &[
            "test",
            "raft",
            "--on",
            "ssh",
            "--hosts",
            "hosts",
            "--ssh-user",
            "me",
            "--ssh-port",
            "2222",
            "--key",
            "id",
            "--known-hosts",
            "known",
            "--accept-new-hosts",
            "--sudo",
            "--remote-dir",
            "/srv/x",
        ],
    ];

    #[test]
    fn every_option_is_repeated_and_means_the_same() {
        let mut repeated = Vec::new();
        for words in LINES {
            let (args, secret) = (parsed(words), [words, &["--password", "open sesame"]].concat());
            let mut again_words = again(&args);
            assert!(!again(&parsed(&secret)).iter().any(|word| word.contains("sesame")));
            let again_parsed = parsed(&again_words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(again_parsed, args, "{again_words:?}");
            repeated.append(&mut again_words);
        }
        let command = Args::command();
        let test = command.find_subcommand("test").unwrap();
        let options = test.get_arguments().filter_map(|option| option.get_long());
        for option in options.filter(|option| !matches!(*option, "help" | "password")) {
            let there = |word: &String| {
                word.strip_prefix("--").map(|word| word.split('=').next()) == Some(Some(option))
            };
            assert!(repeated.iter().any(there), "--{option} is in no line, or not repeated");
        }
    }

    #[test]
    fn a_shell_reads_the_same_words() {
        let words = again(&parsed(&["test", "raft", "--plan", "it's a plan; $HOME"]));
        let script = format!("printf '%s\\n' {}", line(&words));
        let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap().lines().collect::<Vec<_>>(), words);
        assert_eq!(
            line(&["test".to_owned(), "partition:ring,kill@new-leader".to_owned()]),
            "test partition:ring,kill@new-leader"
        );
    }

    #[test]
    fn a_password_is_not_written_down() {
        let words = ["tribunal", "--password", "open", "--key", "k", "--password=sesame", "end"];
        let kept = without_password(words.into_iter().map(str::to_owned));
        assert_eq!(kept, ["tribunal", "--password", "…", "--key", "k", "--password=…", "end"]);
    }
}
