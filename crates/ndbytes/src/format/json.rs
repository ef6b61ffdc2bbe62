//! Metadata as bounded JSON: an object of a few known keys, each value kept as its text.
//!
//! `serde_json` does the parsing; no type of it leaves this file. Values that nobody asked for are passed over
//! without being kept, so a long text costs no more than itself.

use crate::error::{Error, Result};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Levels of brackets that are accepted.
const MAX_DEPTH: usize = 64;

/// The texts of the values that an object has for `keys`; other keys are passed over.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it is no JSON object, one of the keys stands twice, or brackets
/// nest more than 64 deep.
pub(super) fn members<'t, const N: usize>(
    text: &'t str,
    keys: [&str; N],
) -> Result<[Option<&'t str>; N]> {
    check_depth(text)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let members = parser.deserialize_map(Members(keys));
    members.and_then(|members| parser.end().map(|()| members)).map_err(malformed)
}

struct Members<'k, const N: usize>([&'k str; N]);

impl<'t, const N: usize> Visitor<'t> for Members<'_, N> {
    type Value = [Option<&'t str>; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(key) = map.next_key::<String>()? {
            match self.0.iter().zip(&mut values).find(|(known, _)| **known == key) {
                Some((_, Some(_))) => {
                    return Err(A::Error::custom(format!("the key {key:?} stands twice")));
                }
                Some((_, value)) => *value = Some(map.next_value::<&RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

/// Counts brackets outside strings: deep text would cost whoever parses it later their stack.
fn check_depth(text: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::malformed(format!("brackets nest more than {MAX_DEPTH} deep")));
        }
    }
    Ok(())
}

/// The text of a JSON string.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it is none.
pub(super) fn string(value: &str) -> Result<String> {
    serde_json::from_str(value).map_err(malformed)
}

/// The integers from 0 to 2⁶³ − 1 of a JSON array.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it is none, or has more than `max` of them.
pub(super) fn lengths(value: &str, max: usize) -> Result<Vec<u64>> {
    let mut parser = serde_json::Deserializer::from_str(value);
    parser.deserialize_seq(Lengths { max, is_open: false }).map_err(malformed)
}

/// The same with `null` as the first one, which comes as 0.
pub(super) fn open_lengths(value: &str, max: usize) -> Result<Vec<u64>> {
    let mut parser = serde_json::Deserializer::from_str(value);
    parser.deserialize_seq(Lengths { max, is_open: true }).map_err(malformed)
}

struct Lengths {
    max: usize,
    is_open: bool,
}

impl<'t> Visitor<'t> for Lengths {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON array of integers from 0 to 2^63 - 1")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> std::result::Result<Self::Value, A::Error> {
        let mut lengths = Vec::new();
        if self.is_open {
            lengths.extend(seq.next_element::<()>()?.map(|()| 0));
        }
        while let Some(length) = seq.next_element::<u64>()? {
            if length > i64::MAX.unsigned_abs() {
                return Err(A::Error::custom(format!("{length} is more than 2^63 - 1")));
            }
            if lengths.len() == self.max {
                return Err(A::Error::custom(format!("more than {} axes", self.max)));
            }
            lengths.push(length);
        }
        Ok(lengths)
    }
}

/// A JSON string, quotes included.
///
/// # Errors
/// None for any text; serde's signature has one.
pub(super) fn quote(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::malformed(error.to_string())
}
