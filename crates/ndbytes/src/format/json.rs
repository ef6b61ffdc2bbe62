//! Metadata as bounded JSON: a flat object whose values are kept as text.
//!
//! `serde_json` does the parsing (it bounds nesting to 128 levels); no type of it leaves this file.

use crate::error::{Error, Result, quoted};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object in order, each value as its own text.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it is no JSON object or a key stands twice.
pub(super) fn members(text: &str) -> Result<Vec<(String, String)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(
            self,
            mut map: A,
        ) -> std::result::Result<Self::Value, A::Error> {
            let mut members: Self::Value = Vec::new();
            let mut keys = std::collections::HashSet::new();
            while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                if !keys.insert(key.clone()) {
                    return Err(serde::de::Error::custom(format!(
                        "the key {} stands twice",
                        quoted(&key)
                    )));
                }
                members.push((key, value.get().to_owned()));
            }
            Ok(members)
        }
    }

    let mut parser = serde_json::Deserializer::from_str(text);
    let members =
        parser.deserialize_map(Members).and_then(|members| parser.end().map(|()| members));
    members.map_err(|error| Error::malformed(format!("metadata: {error}")))
}

/// The text of a JSON string.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it is none.
pub(super) fn string(value: &str) -> Result<String> {
    serde_json::from_str(value).map_err(|error| Error::malformed(format!("metadata: {error}")))
}

/// A JSON string, quotes included.
///
/// # Errors
/// None for any text; serde's signature has one.
pub(super) fn quote(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|error| Error::malformed(format!("metadata: {error}")))
}
