//! How archives are written, by name.

use super::{Method, WriteOptions};
use crate::codec::Level;
use crate::error::{Error, Result};

impl WriteOptions {
    /// Aligned, by the name of how members are stored: `stored` (or `none`); `deflate` (or `auto`) at a level of 0 to 9, by default 6
    /// (or -1); or `zstd` at one of 1 to 19, by default 3, which few other readers know.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for another level, and one of what is stored; [`Unsupported`](crate::ErrorKind::Unsupported)
    /// for another name.
    pub fn named(codec: &str, level: Option<i32>) -> Result<Self> {
        match (codec, level) {
            ("stored" | "none", None) => Ok(Self::default()),
            ("stored" | "none", Some(level)) => Err(Error::argument(format!(
                "level={level}: members that are stored as they are have none"
            ))),
            ("auto" | "deflate", level) => {
                let level = match level {
                    None | Some(-1) => Level::default(),
                    Some(level) => Level::new(u32::try_from(level).unwrap_or(u32::MAX))?,
                };
                Ok(Self { method: Method::Deflated, level, ..Self::default() })
            }
            ("zstd", level) => {
                let zstd_level = level.unwrap_or_else(|| Self::default().zstd_level);
                if !(1..=19).contains(&zstd_level) {
                    return Err(Error::argument(format!(
                        "the zstd level is {zstd_level}; 1 to 19 are allowed"
                    )));
                }
                Ok(Self { method: Method::Zstd, zstd_level, ..Self::default() })
            }
            (other, _) => Err(Error::unsupported(format!(
                "codec {other:?} is not one of an .npz: 'stored', 'deflate' and 'zstd' are"
            ))),
        }
    }
}

impl Method {
    /// What [`WriteOptions::named`] calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Deflated => "deflate",
            Self::Zstd => "zstd",
        }
    }
}
