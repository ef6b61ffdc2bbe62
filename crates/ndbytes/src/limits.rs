//! Bounds on what an input may ask for.

/// The deepest nesting of structured dtypes that is read.
pub const MAX_DEPTH: usize = 16;
/// The most axes an array can have, as in NumPy.
pub const MAX_NDIM: usize = 64;

/// Bounds on what a reader may be made to allocate, checked before it allocates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header, and of the metadata in a checksum tail.
    pub header: usize,
    /// Fields of a structured dtype, nested ones counted.
    pub fields: usize,
    /// Bytes of one array.
    pub array: u64,
    /// Members of an archive.
    pub members: usize,
    /// Bytes touched ahead of the bytes seen.
    pub grow: usize,
}

impl Limits {
    /// For files of one's own: header 1 MiB, 4,096 fields, 65,535 members, arrays up to the memory there is.
    #[must_use]
    pub const fn local() -> Self {
        Self { header: 1 << 20, fields: 4096, members: 65_535, array: u64::MAX, grow: 1 << 20 }
    }

    /// For bytes from strangers: header 64 KiB, 256 fields, 1,024 members, arrays up to 1 GiB.
    #[must_use]
    pub const fn untrusted() -> Self {
        Self { header: 1 << 16, fields: 256, members: 1024, array: 1 << 30, grow: 1 << 20 }
    }

    /// For a connection: header 64 KiB, 256 fields; an array may be as large as its sender makes it, and takes
    /// memory as it arrives.
    #[must_use]
    pub const fn stream() -> Self {
        Self { array: u64::MAX, ..Self::untrusted() }
    }

    /// The same bounds with arrays up to `bytes` bytes.
    #[must_use]
    pub const fn with_array(mut self, bytes: u64) -> Self {
        self.array = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::local()
    }
}
