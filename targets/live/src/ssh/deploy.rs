//! Bringing the program to a host, once.

use super::session::Connection;
use cluster::HarnessError;
use ssh2::{OpenFlags, OpenType};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

/// How to build a program that runs on any Linux.
const STATIC: &str = "build a static one: RUSTFLAGS='-C target-feature=+crt-static' cargo build --profile dist \
                      --target x86_64-unknown-linux-gnu, and start that one here";

/// The program, read once for all hosts.
pub struct Cargo {
    path: PathBuf,
    bytes: Vec<u8>,
    name: String,
}

impl Cargo {
    /// Reads a program.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn load(program: Option<&Path>) -> Result<Cargo, HarnessError> {
        let doing = "read the program to deploy";
        let own = || std::env::current_exe().map_err(|why| HarnessError::new(doing, why));
        let path = program.map_or_else(own, |program| Ok(program.to_owned()))?;
        let read = fs::read(&path);
        let bytes = read.map_err(|why| HarnessError::new(doing, format!("{}: {why}", path.display())))?;
        let name = format!("tribunal-{:032x}", xxh3_128(&bytes));
        Ok(Cargo { path, bytes, name })
    }

    /// Where it comes from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is on a host.
    pub fn place(&self, directory: &str) -> String {
        format!("{directory}/{}", self.name)
    }

    /// Sees to it that it is on the host below `directory`, and that it runs there; where it is.
    ///
    /// Its name says its content, and it gets its name only when it is complete. So the same program is sent to
    /// a host once, however many runs there are.
    ///
    /// # Errors
    /// If the directory is not ours, there is no room, or the program does not run there.
    pub fn deliver(&self, host: &Connection, directory: &str) -> Result<String, HarnessError> {
        let place = self.place(directory);
        let failed = |why: String| HarnessError::new(format!("deploy to {}", host.place()), why);
        // One command for all questions: each starts the login shell, which may take its time.
        let (there, own) = (quoted(&place), quoted(directory));
        let look = format!(
            "umask 077; mkdir -p {own} && test -O {own} && uname -sm && {{ wc -c < {there} || echo absent; }} 2>/dev/null"
        );
        let said = host.run(&look)?;
        if said.code != 0 {
            let why = format!("{directory} cannot be made, or is somebody else's: {}", said.err.trim());
            return Err(failed(why).advise("choose another directory on the hosts: --remote-dir"));
        }
        let mut lines = said.out.lines();
        let (machine, size) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if size.trim() != self.bytes.len().to_string() {
            self.send(host, &place).map_err(|why| failed(why.to_string()))?;
        }
        let tried = host.run(&format!("{there} --version"))?;
        if tried.code != 0 {
            let ours = format!("Linux {}", std::env::consts::ARCH);
            let foreign = machine != ours;
            let why = format!("{place} does not run there ({machine}): {}", tried.err.trim());
            let advice = format!("it is {machine} and this program is for {ours}: build one for it");
            return Err(failed(why).advise(if foreign { advice } else { STATIC.to_owned() }));
        }
        Ok(place)
    }

    fn send(&self, host: &Connection, place: &str) -> std::io::Result<()> {
        let files = host.session.sftp()?;
        let draft = format!("{place}.{}", std::process::id());
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let mut file = files.open_mode(Path::new(&draft), flags, 0o700, OpenType::File)?;
        for piece in self.bytes.chunks(1 << 20) {
            file.write_all(piece)?;
        }
        file.close()?;
        // A plain one: not every sftp server can replace, and what is there is incomplete.
        let _absent = files.unlink(Path::new(place));
        Ok(files.rename(Path::new(&draft), Path::new(place), None)?)
    }
}

/// A word as every shell understands it.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_quoted() {
        for word in ["plain", "two words", "it's", "$HOME `ls` \\ \" *"] {
            let script = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_said_so() {
        let error = Cargo::load(Some(Path::new("/nowhere/tribunal"))).err().unwrap().to_string();
        assert!(error.contains("/nowhere/tribunal"), "{error}");
    }
}
