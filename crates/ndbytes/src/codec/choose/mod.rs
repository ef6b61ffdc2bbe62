//! Which filter and codec an array gets: asked for by name, and chosen by trial on samples.
//!
//! What is chosen depends on the items alone, never on a clock or the number of threads: the same array gives the same bytes.

mod entropy;
mod trial;

use super::block::{Elements, Filter, Method};
use super::engine::{Effort, Engine};
use crate::error::{Error, Result, quoted};
use std::fmt;
use std::str::FromStr;

/// How the data of a frame are compressed.
///
/// ```
/// use ndbytes::{Codec, Engine};
/// assert_eq!("zstd".parse::<Codec>()?, Codec::Engine(Engine::Zstd, None));
/// assert_eq!(Codec::named("zstd", Some(9))?, Codec::Engine(Engine::Zstd, Some(9)));
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Codec {
    /// Not at all: the data lie in one piece, and can be mapped.
    #[default]
    None,
    /// What is small at good speed.
    Auto,
    /// What is fast both ways.
    Fast,
    /// What is smallest, however long it takes.
    Small,
    /// This one, at this level or its usual one.
    Engine(Engine, Option<i32>),
}

impl Codec {
    /// The codec of this name: `none`, `auto`, `fast`, `small`, or that of an [`Engine`].
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for another name, a level that it does not have, or one for a codec without levels;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where this build does not have it.
    pub fn named(name: &str, level: Option<i32>) -> Result<Self> {
        let codec = match name {
            "none" => Self::None,
            "auto" => Self::Auto,
            "fast" => Self::Fast,
            "small" => Self::Small,
            _ => {
                let engine = Engine::ALL.into_iter().find(|engine| engine.to_string() == name);
                Self::Engine(engine.ok_or_else(|| unknown(name))?, level)
            }
        };
        let Self::Engine(engine, _) = codec else {
            return match level {
                None => Ok(codec),
                Some(_) => Err(Error::argument(format!("codec {name} has no levels"))),
            };
        };
        if !engine.is_built() {
            return Err(Error::unsupported(format!("this build of ndbytes has no codec {engine}")));
        }
        match (level, engine.levels()) {
            (Some(_), None) => Err(Error::argument(format!("codec {name} has no levels"))),
            (Some(level), Some((least, most, _))) if !(least..=most).contains(&level) => {
                Err(Error::argument(format!(
                    "codec {name} has levels {least} to {most}, found {level}"
                )))
            }
            _ => Ok(codec),
        }
    }
}

fn unknown(name: &str) -> Error {
    let found = quoted(name);
    Error::argument(format!(
        "there is no codec {found}; there are none, auto, fast, small, lz4, zstd, deflate and pco"
    ))
}

impl FromStr for Codec {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::named(name, None)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Auto => f.write_str("auto"),
            Self::Fast => f.write_str("fast"),
            Self::Small => f.write_str("small"),
            Self::Engine(engine, _) => engine.fmt(f),
        }
    }
}

/// How the blocks of an array are coded: a method that suits a block and makes it shorter is its own; else it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) methods: Vec<Method>,
    /// Whether the bytes are nearly all the same: larger blocks cost little then, and gain.
    pub(crate) is_dense: bool,
    /// Whether each block gets the method that makes it shortest, rather than the first that makes it shorter.
    pub(crate) is_thorough: bool,
}

impl Plan {
    /// Whether it takes long: milliseconds for what others do in some tens of microseconds.
    pub(crate) fn is_slow(&self) -> bool {
        let is_slow = |method: &Method| match (method.engine, method.effort) {
            (Engine::Pco, _) => true,
            (Engine::Zstd | Engine::Deflate, Effort::Level(level)) => level > 5,
            _ => false,
        };
        self.methods.iter().any(is_slow)
    }

    /// What the header says of it.
    pub(crate) fn first(&self) -> Method {
        self.methods.first().copied().unwrap_or(Method::STORED)
    }

    /// The plan for an array with these samples, with this filter or the best.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(crate) fn choose(
        codec: Codec,
        filter: Option<Filter>,
        elements: Elements,
        samples: &[Sample],
    ) -> Result<Self> {
        let tries = match codec {
            Codec::None | Codec::Engine(Engine::Stored, _) => return Ok(Self::default()),
            Codec::Auto => {
                vec![(first_built(&[Engine::Zstd, Engine::Deflate, Engine::Lz4]), Effort::Quick)]
            }
            Codec::Fast => {
                vec![(first_built(&[Engine::Lz4, Engine::Zstd, Engine::Deflate]), Effort::Quick)]
            }
            // Long matches alone are the smallest for some.
            Codec::Small => [
                (Engine::Zstd, Effort::Quick),
                (Engine::Zstd, SMALL_ZSTD),
                (Engine::Pco, SMALL_PCO),
                (Engine::Deflate, Effort::Level(9)),
            ]
            .into_iter()
            .filter(|(engine, _)| engine.is_built())
            .collect(),
            Codec::Engine(engine, level) => {
                let usual = engine.levels().map(|(_, _, usual)| usual);
                let effort = level.or(usual).map_or(Effort::Quick, Effort::Level);
                vec![(engine, effort)]
            }
        };
        trial::choose(codec, filter, &tries, elements, samples)
    }
}

const SMALL_ZSTD: Effort = Effort::Level(15);
const SMALL_PCO: Effort = Effort::Level(8);

fn first_built(engines: &[Engine]) -> Engine {
    engines.iter().copied().find(|engine| engine.is_built()).unwrap_or(Engine::Stored)
}

/// A part of an array to try methods on.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) items: Vec<u8>,
    /// The lengths of the box, with the elements of an item as its last axis where they are several.
    pub(crate) shape: Vec<usize>,
    /// Whether its last axis is the array's.
    pub(crate) is_whole_row: bool,
}

impl Method {
    /// The same without looking for decimal numbers: for blocks that have others.
    fn without_decimal(self) -> Self {
        Self { filter: Filter { decimal: false, ..self.filter }, digits: None, noise: 0, ..self }
    }
}
