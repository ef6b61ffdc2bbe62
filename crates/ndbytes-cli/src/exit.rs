//! Exit codes: one table, in the help and in ARCHITECTURE.md.

use ndbytes::{Error, ErrorKind};
use std::process::ExitCode;

/// How the process ends. Of several the highest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const DIFFERENCE: Self = Self(1);
    pub(crate) const INTERRUPTED: Self = Self(130);

    /// The code of an error's kind.
    pub(crate) fn of(error: &Error) -> Self {
        Self(match error.kind() {
            ErrorKind::Argument => 2,
            ErrorKind::Io => of_system(error),
            ErrorKind::Mismatch
            | ErrorKind::Malformed
            | ErrorKind::Truncated
            | ErrorKind::Unsupported => 5,
            ErrorKind::Checksum { .. } => 6,
            ErrorKind::Limit { .. } | ErrorKind::Memory => 7,
            ErrorKind::Timeout | ErrorKind::Peer => 9,
            ErrorKind::Interrupted => 130,
            _ => 8,
        })
    }
}

fn of_system(error: &Error) -> u8 {
    match error.io_error().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => 3,
        Some(std::io::ErrorKind::PermissionDenied) => 4,
        _ => 8,
    }
}

/// Whether whoever read our output has gone: no error, just the end. A peer that has gone is one.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    *error.kind() == ErrorKind::Io
        && error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// One word for the kind, for machines.
pub(crate) fn kind_name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Argument => "argument",
        ErrorKind::Mismatch => "mismatch",
        ErrorKind::Malformed => "malformed",
        ErrorKind::Truncated => "truncated",
        ErrorKind::Checksum { .. } => "checksum",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Limit { .. } => "limit",
        ErrorKind::Memory => "memory",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Peer => "peer",
        ErrorKind::Interrupted => "interrupted",
        _ => "io",
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        for (error, code) in [
            (Error::argument(""), 2),
            (std::io::Error::from(std::io::ErrorKind::NotFound).into(), 3),
            (std::io::Error::from(std::io::ErrorKind::PermissionDenied).into(), 4),
            (Error::mismatch(""), 5),
            (Error::malformed(""), 5),
            (Error::truncated(""), 5),
            (Error::unsupported(""), 5),
            (Error::new(ErrorKind::Checksum { block: None, range: 0..1 }, ""), 6),
            (Error::limit("array", 2, 1), 7),
            (Error::memory(1), 7),
            (std::io::Error::from(std::io::ErrorKind::StorageFull).into(), 8),
            (std::io::Error::from(std::io::ErrorKind::TimedOut).into(), 9),
            (std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(), 9),
            (Error::new(ErrorKind::Interrupted, ""), 130),
        ] {
            assert_eq!(Exit::of(&error), Exit(code), "{error:?}");
        }
    }
}
