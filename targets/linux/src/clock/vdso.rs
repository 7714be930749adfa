//! The library that the kernel maps into a process.

use super::error::ClockError;
use super::memory;
use std::fs;
use std::ops::Range;

/// The library that the kernel maps into a process, as it lies there.
pub struct Vdso {
    /// Where it begins.
    pub base: u64,
    /// Its bytes.
    image: Vec<u8>,
}

/// What the section headers call a table of dynamic symbols.
const DYNSYM: u64 = 11;
/// The size of one symbol.
const SYMBOL: usize = 24;

impl Vdso {
    /// Finds it in a process.
    ///
    /// # Errors
    /// If the process is gone, or has none.
    pub fn of(pid: i32) -> Result<Vdso, ClockError> {
        let unfamiliar = |why: &str| ClockError::Unfamiliar { pid, why: why.to_owned() };
        let read = || {
            let maps = fs::read_to_string(format!("/proc/{pid}/maps"));
            let maps = maps.map_err(|error| ClockError::Gone { pid, why: error.to_string() })?;
            if maps.is_empty() {
                return Err(ClockError::Gone { pid, why: "it has no memory any more".to_owned() });
            }
            Ok(maps)
        };
        let listed = |maps: &str| maps.lines().find(|line| line.ends_with("[vdso]")).map(str::to_owned);
        // The kernel hands the list out page by page, and of a process that is killed meanwhile only the first
        // pages. Whoever has lost its memory by then has none when it is asked again.
        let line = match listed(&read()?) {
            Some(line) => Some(line),
            None => listed(&read()?),
        };
        let line = line.as_deref();
        let range = line.and_then(range).ok_or_else(|| unfamiliar("it has none"))?;
        let mut image = vec![0; usize::try_from(range.1.saturating_sub(range.0)).unwrap_or(0)];
        memory::read(pid, range.0, &mut image).map_err(ClockError::system(pid, "read its vDSO"))?;
        if !image.starts_with(b"\x7fELF\x02\x01") {
            return Err(unfamiliar("it is not a 64-bit one"));
        }
        Ok(Vdso { base: range.0, image })
    }

    /// Where it lies.
    pub fn code(&self) -> Range<u64> {
        self.base..self.base + self.image.len() as u64
    }

    /// Where the function with this name begins, and its first bytes; none if there is no such function or it is
    /// shorter.
    pub fn function<const N: usize>(&self, name: &str) -> Option<(u64, [u8; N])> {
        let (offset, size) = self.symbol(name)?;
        let code = self.image.get(offset..)?.first_chunk::<N>()?;
        (size >= N).then(|| (self.base + offset as u64, *code))
    }

    /// Where it has these bytes.
    pub fn find(&self, bytes: &[u8]) -> Option<u64> {
        let offset = self.image.windows(bytes.len()).position(|window| window == bytes)?;
        Some(self.base + offset as u64)
    }

    /// Offset and size of a symbol. The kernel's image of this library always has its section headers.
    fn symbol(&self, name: &str) -> Option<(usize, usize)> {
        let (headers, size, count) = (self.number(40, 8)?, self.number(58, 2)?, self.number(60, 2)?);
        for index in 0..count {
            let header = headers + index * size;
            if self.number(header + 4, 4)? as u64 != DYNSYM {
                continue;
            }
            let (table, length) = (self.number(header + 24, 8)?, self.number(header + 32, 8)?);
            let names = self.number(headers + self.number(header + 40, 4)? * size + 24, 8)?;
            for symbol in (table..table.checked_add(length)?).step_by(SYMBOL) {
                let called = self.image.get(names.checked_add(self.number(symbol, 4)?)?..)?;
                if called.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0)) {
                    return Some((self.number(symbol + 8, 8)?, self.number(symbol + 16, 8)?));
                }
            }
        }
        None
    }

    /// A little-endian number of so many bytes.
    fn number(&self, offset: usize, bytes: usize) -> Option<usize> {
        let bytes = self.image.get(offset..offset.checked_add(bytes)?)?;
        let number = bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // Half of the address space is more than any image has, and leaves room for sums.
        usize::try_from(number).ok().filter(|number| *number < usize::MAX / 1024)
    }
}

fn range(line: &str) -> Option<(u64, u64)> {
    let (from, to) = line.split_once(' ')?.0.split_once('-')?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vdso {
        Vdso::of(i32::try_from(std::process::id()).unwrap()).unwrap()
    }

    #[test]
    fn the_functions_that_tell_the_time_are_found() {
        let vdso = own();
        for name in ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"] {
            let (address, code) = vdso.function::<12>(name).unwrap();
            assert!(address > vdso.base && code != [0; 12], "{name}");
        }
        assert_eq!(vdso.function::<12>("__vdso_clock_gettim"), None);
        assert_eq!(vdso.function::<100_000>("__vdso_time"), None, "it is shorter");
        assert!(vdso.find(&[0x0f, 0x05]).is_some(), "it falls back on a system call");
    }

    #[test]
    fn a_damaged_image_has_no_functions_and_no_panic() {
        let good = own();
        for at in 0..64 {
            for byte in [0, 0x7f, 0xff] {
                let mut image = good.image.clone();
                image[at] = byte;
                let _found_or_not = Vdso { base: 0, image }.function::<12>("__vdso_time");
            }
        }
        for length in (0..good.image.len()).step_by(97) {
            let image = good.image[..length].to_vec();
            let _found_or_not = Vdso { base: 0, image }.function::<12>("__vdso_time");
        }
    }
}
