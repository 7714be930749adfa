//! How the program ends.

use checkers::Verdict;
use std::process::ExitCode;

/// How the program ends: Jepsen's own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: what happened was allowed, and enough happened to say so.
    Valid,
    /// 1: what happened was not allowed.
    Invalid,
    /// 2: nobody can tell.
    Unknown,
    /// 254: the command line, or something that it names, makes no sense. Nothing was deployed.
    Usage,
    /// 255: the harness itself failed.
    Harness,
}

impl Exit {
    /// How the program ends that did two things: what was proved not to be allowed counts most, then what could not
    /// be done, then what nobody can tell.
    #[must_use]
    pub fn worse(self, other: Exit) -> Exit {
        let rank = |exit| match exit {
            Exit::Valid => 0,
            Exit::Unknown => 1,
            Exit::Usage => 2,
            Exit::Harness => 3,
            Exit::Invalid => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Exit {
        match verdict {
            Verdict::Valid => Exit::Valid,
            Verdict::Invalid => Exit::Invalid,
            Verdict::Unknown => Exit::Unknown,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Valid => 0,
            Exit::Invalid => 1,
            Exit::Unknown => 2,
            Exit::Usage => 254,
            Exit::Harness => 255,
        })
    }
}
