//! An image with one file in it.

use super::engine::Engine;
use super::run::{LABEL, Run};
use cluster::HarnessError;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

/// Where the program is in a container.
const PROGRAM: &str = "tribunal";
/// What is put on tapes is put there in blocks of this size.
const BLOCK: usize = 512;

/// The program to put into an image: the one that was named, or else this one, if it needs no other file.
///
/// # Errors
/// If it needs others: how to build one that does not.
pub fn program(named: Option<&Path>) -> Result<PathBuf, HarnessError> {
    let path = named.map_or_else(std::env::current_exe, |named| Ok(named.to_owned()));
    let path = path.map_err(|why| HarnessError::new("find this program's own file", why))?;
    let doing = || format!("put {} into an image", path.display());
    match File::open(&path).and_then(is_static) {
        Ok(true) => Ok(path),
        Ok(false) => {
            let why = "there are no shared libraries in an empty image, and it needs some";
            Err(HarnessError::new(doing(), why).advise(
                "build a static one, and name it with --static-binary FILE or TRIBUNAL_STATIC=FILE:\n  \
                 RUSTFLAGS='-C target-feature=+crt-static' cargo build --profile dist \
                 --target x86_64-unknown-linux-gnu",
            ))
        }
        Err(why) => Err(HarnessError::new(doing(), why)),
    }
}

/// Gives the engine an image with this program, under the run's name.
///
/// # Errors
/// If the program cannot be read, or the engine does not want it.
pub fn import(engine: &Engine, program: &Path, run: Run) -> Result<(), HarnessError> {
    let tape = File::open(program).and_then(tape);
    let tape = tape.map_err(|why| HarnessError::new(format!("read {}", program.display()), why))?;
    let label = format!("LABEL {LABEL}={run}");
    let entry = format!("ENTRYPOINT [\"/{PROGRAM}\"]");
    let args = ["import", "--change", &label, "--change", &entry, "-", &run.to_string()];
    let imported = engine.feed(&args, tape);
    imported.map(|_| ()).map_err(|why| HarnessError::new("make an image for the nodes", why))
}

/// Whether a program asks for no interpreter, which would load shared libraries for it (ELF, `PT_INTERP`).
fn is_static(mut file: impl Read) -> io::Result<bool> {
    const INTERPRETER: u32 = 3;
    let mut begin = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut begin)?;
    let foreign = || io::Error::other("it is no 64-bit program for Linux");
    let number = |at: usize, bytes: usize| -> io::Result<usize> {
        let bytes = begin.get(at..at + bytes).ok_or_else(foreign)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    if begin.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(foreign());
    }
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut kinds = (0..count).map(|index| number(table.saturating_add(index * size), 4));
    kinds.try_fold(true, |is, kind| Ok(is && kind? != INTERPRETER as usize))
}

/// The program as the only file on a tape (POSIX.1-1988, ustar).
fn tape(file: File) -> io::Result<impl Read + Send + 'static> {
    let size = file.metadata()?.len();
    let padding = usize::try_from(size.next_multiple_of(BLOCK as u64) - size).expect("less than a block");
    // A tape ends with two empty blocks.
    let end = vec![0; padding + 2 * BLOCK];
    Ok(Cursor::new(header(size)).chain(file.take(size)).chain(Cursor::new(end)))
}

fn header(size: u64) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, PROGRAM);
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_program_that_needs_libraries_is_not_taken() {
        let why = program(None).unwrap_err().to_string();
        assert!(why.contains("shared libraries") && why.contains("crt-static"), "{why}");
        let why = program(Some(Path::new("/etc/passwd"))).unwrap_err().to_string();
        assert!(why.contains("no 64-bit program"), "{why}");
        assert!(program(Some(Path::new("/no/such/file"))).is_err());
    }

    #[test]
    fn a_program_without_an_interpreter_is_taken() {
        let mut elf = [0; 64 + 2 * 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[0x20], elf[0x36], elf[0x38]) = (64, 56, 2);
        (elf[64], elf[64 + 56]) = (1, 2);
        assert!(is_static(&elf[..]).unwrap());
        elf[64 + 56] = 3;
        assert!(!is_static(&elf[..]).unwrap());
        assert!(is_static(&elf[..100]).is_err());
    }

    #[test]
    fn tar_reads_our_tapes() {
        let place = tempfile::tempdir().unwrap();
        let (original, packed) = (place.path().join("original"), place.path().join("tape"));
        std::fs::write(&original, [7; 1300]).unwrap();
        io::copy(&mut tape(File::open(&original).unwrap()).unwrap(), &mut File::create(&packed).unwrap())
            .unwrap();
        let unpacked = Command::new("tar").arg("-xf").arg(&packed).arg("-C").arg(place.path()).status();
        assert!(unpacked.unwrap().success());
        let program = place.path().join(PROGRAM);
        assert_eq!(std::fs::read(&program).unwrap(), [7; 1300]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(program.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }
}
