//! The records of a zip archive, as `.npz` is one: what NumPy writes, and what is read of what others write.
//!
//! Sources: PKWARE's APPNOTE.TXT 6.3.10 for the records; Python's `zipfile` for how NumPy's archives look, byte for
//! byte; this project's `spec/FORMAT.md` for the alignment and for what is refused.

mod check;
mod directory;
mod extra;
mod index;
mod local;
mod name;
mod write;

pub(crate) use check::Check;
pub(crate) use directory::{CENTRAL, Directory, LONGEST_TAIL};
pub(crate) use index::Block;
pub use index::Blocks;
pub(crate) use local::LOCAL;
pub(crate) use write::{DESCRIPTOR, end};

use crate::error::{Error, Result, quoted};

/// How the bytes of a member are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// As they are (method 0).
    #[default]
    Stored,
    /// In a deflate stream (method 8).
    Deflated,
    /// In a Zstandard frame (method 93), which `np.load` reads from Python 3.14 on.
    Zstd,
}

impl Method {
    fn code(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
            Self::Zstd => 93,
        }
    }
}

/// What the directory of an archive says of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: String,
    /// Bytes of the name as it stands in the archive.
    pub(crate) name_len: usize,
    flags: u16,
    method: u16,
    pub(crate) crc: u32,
    pub(crate) size: u64,
    pub(crate) packed: u64,
    pub(crate) start: u64,
    pub(crate) blocks: Option<Blocks>,
    /// Whether its attributes say that it is a symbolic link of Unix.
    link: bool,
}

/// Bits of an entry's flags.
mod flag {
    pub(super) const ENCRYPTED: u16 = 1 << 0;
    /// How hard deflate tried: says nothing to a reader.
    pub(super) const EFFORT: u16 = 3 << 1;
    /// CRC and sizes stand behind the data.
    pub(super) const DESCRIPTOR: u16 = 1 << 3;
    pub(super) const STRONGLY_ENCRYPTED: u16 = 1 << 6;
    pub(super) const UTF8: u16 = 1 << 11;
    pub(super) const MASKED: u16 = 1 << 13;
}

/// The number that a 16-bit or 32-bit field holds where a zip64 record holds the value.
const IN_ZIP64: u32 = u32::MAX;

impl Entry {
    /// The member's name: an opaque key, and no path that may be followed. NumPy's end with `.npy`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the member, as the directory says; reading it never gives more.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes it takes in the archive.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        self.packed
    }

    /// The CRC-32 of its bytes.
    #[must_use]
    pub fn crc32(&self) -> u32 {
        self.crc
    }

    /// The byte of the archive at which its local header begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.start
    }

    /// The blocks of a deflated member, each of which can be inflated without the others, where the directory tells of them.
    #[must_use]
    pub fn blocks(&self) -> Option<&Blocks> {
        self.blocks.as_ref()
    }

    /// The number that zip gives to how its bytes are stored.
    #[must_use]
    pub fn method_number(&self) -> u16 {
        self.method
    }

    /// How its bytes are stored, if they can be read here.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for an encrypted one, a symbolic link, other methods and unknown flags.
    pub fn method(&self) -> Result<Method> {
        const KNOWN: u16 = flag::EFFORT | flag::DESCRIPTOR | flag::UTF8;
        const ENCRYPTED: u16 = flag::ENCRYPTED | flag::STRONGLY_ENCRYPTED | flag::MASKED;
        let refused = |what: String| {
            Err(Error::unsupported(format!("{}: {what}", self.label())).at(self.start))
        };
        if self.flags & ENCRYPTED != 0 {
            return refused("it is encrypted; decrypt the archive with its own tool first".into());
        }
        if self.link {
            return refused("it is a symbolic link, which is not followed".into());
        }
        if self.flags & !KNOWN != 0 {
            return refused(format!(
                "unknown flags {:#06x}; known are {KNOWN:#06x}",
                self.flags & !KNOWN
            ));
        }
        match self.method {
            0 => Ok(Method::Stored),
            8 => Ok(Method::Deflated),
            93 if cfg!(feature = "zstd") => Ok(Method::Zstd),
            other => refused(format!(
                "compression method {other} ({}); {} are read: store it anew as one of them",
                method_name(other),
                READ
            )),
        }
    }

    /// What errors call it.
    pub(crate) fn label(&self) -> String {
        format!("member {}", quoted(&self.name))
    }

    /// Whether CRC and sizes stand behind the data too.
    pub(crate) fn has_descriptor(&self) -> bool {
        self.flags & flag::DESCRIPTOR != 0
    }
}

/// The methods that are read.
const READ: &str = if cfg!(feature = "zstd") {
    "0 (stored), 8 (deflated) and 93 (zstd)"
} else {
    "0 (stored) and 8 (deflated)"
};

/// The names of APPNOTE 4.4.5, as far as anyone uses them.
fn method_name(method: u16) -> &'static str {
    match method {
        1 => "shrunk",
        2..=5 => "reduced",
        6 => "imploded",
        9 => "deflate64",
        12 => "bzip2",
        14 => "lzma",
        20 | 93 => "zstd",
        94 => "mp3",
        95 => "xz",
        96 => "jpeg",
        97 => "wavpack",
        98 => "ppmd",
        99 => "AES encryption",
        _ => "unknown",
    }
}
