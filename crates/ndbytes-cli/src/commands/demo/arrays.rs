//! The arrays that the demo uses: real ones that come with the program, or the user's own.

use crate::input;
use crate::session::Session;
use crate::sources::Source;
use ndbytes::{Array, DecodeOptions, Dest, Error, Result, io};
use std::path::PathBuf;

/// An array with something to call it.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    /// What it shows, in a word or two.
    pub(super) what: String,
    pub(super) array: Array,
}

macro_rules! embedded {
    ($($name:literal, $what:literal);+ $(;)?) => {
        &[$(($name, $what, include_bytes!(concat!("../../../../../data/", $name, ".npy")).as_slice())),+]
    };
}

/// Name, what it shows, and the file itself; `data/SOURCES.md` says where each is from.
const EMBEDDED: &[(&str, &str, &[u8])] = embedded! {
    "ecg_u16", "heartbeat";
    "face_u8", "photograph";
    "digits_f64", "handwriting";
    "diamonds_f64", "diamond prices";
};

/// The files, or the embedded arrays where there are none.
///
/// # Errors
/// As [`input::load`].
pub(super) fn load(session: &Session, files: &[PathBuf]) -> Result<Vec<Sample>> {
    if files.is_empty() {
        return EMBEDDED.iter().map(|(name, what, bytes)| embedded(name, what, bytes)).collect();
    }
    let load = |path: &PathBuf| {
        let source = Source::new(path);
        let array = input::load(session, &source, None, &mut session.watch())?.array;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Sample { name, what: "your file".to_owned(), array })
    };
    files.iter().map(load).collect()
}

fn embedded(name: &str, what: &str, bytes: &[u8]) -> Result<Sample> {
    let decoded =
        io::read_array(bytes, DecodeOptions::default(), |_| Ok(Dest::Owned), &mut io::unwatched)?;
    let array = decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    Ok(Sample { name: name.to_owned(), what: what.to_owned(), array })
}
