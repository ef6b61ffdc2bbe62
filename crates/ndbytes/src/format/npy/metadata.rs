//! What a checksum tail says beside its sums: name, attributes, and the dtype that a header cannot spell.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::json;

/// The metadata of a checked `.npy` file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// The array's name.
    pub name: Option<String>,
    /// Attributes: the text of a JSON object, kept as it is.
    pub attrs: Option<String>,
    /// The true dtype where the header cannot spell it: bfloat16 and the float8 family.
    pub dtype: Option<DType>,
}

impl Metadata {
    /// Metadata with a name and attributes (the text of a JSON object).
    #[must_use]
    pub fn new(name: Option<String>, attrs: Option<String>) -> Self {
        Self { name, attrs, dtype: None }
    }

    /// Compact JSON; nothing where there is nothing to say.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if `attrs` is not the text of a JSON object.
    pub(super) fn to_json(&self) -> Result<String> {
        let mut members = Vec::new();
        if let Some(name) = &self.name {
            members.push(format!("\"name\":{}", json::quote(name)?));
        }
        if let Some(attrs) = &self.attrs {
            json::members(attrs).map_err(|e| Error::argument(format!("attrs: {}", e.message())))?;
            members.push(format!("\"attrs\":{}", attrs.trim()));
        }
        if let Some(dtype) = &self.dtype {
            members.push(format!("\"dtype\":{}", json::quote(&dtype.to_string())?));
        }
        Ok(if members.is_empty() { String::new() } else { format!("{{{}}}", members.join(",")) })
    }

    /// Reads what [`Metadata::to_json`] wrote; keys it does not know are passed over.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn from_json(text: &str) -> Result<Self> {
        let mut metadata = Self::default();
        if text.is_empty() {
            return Ok(metadata);
        }
        for (key, value) in json::members(text)? {
            match key.as_str() {
                "name" => metadata.name = Some(json::string(&value)?),
                "attrs" => {
                    json::members(&value)?;
                    metadata.attrs = Some(value);
                }
                "dtype" => {
                    let spelling = json::string(&value)?;
                    let dtype = spelling.parse().map_err(|e: Error| {
                        Error::malformed(format!("metadata: {}", e.message()))
                    })?;
                    metadata.dtype = Some(dtype);
                }
                _ => {}
            }
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_back_and_errors_say_why() {
        let attrs = r#"{"unit": "m\u00e9", "big": 123456789012345678901234567890}"#.to_owned();
        let mut metadata = Metadata::new(Some("a \"b\"".into()), Some(attrs));
        metadata.dtype = Some("bfloat16".parse().unwrap());
        assert_eq!(Metadata::from_json(&metadata.to_json().unwrap()).unwrap(), metadata);
        assert_eq!(Metadata::default().to_json().unwrap(), "");
        let bad = Metadata::new(None, Some("[1]".into()));
        assert_eq!(
            bad.to_json().unwrap_err().message(),
            "attrs: metadata: invalid type: sequence, expected a JSON object at line 1 column 0"
        );
        for text in [
            "{",
            "{\"name\":1}",
            "{\"name\":\"a\",\"name\":\"b\"}",
            "{\"dtype\":\"f9\"}",
            "{} x",
            "{\"attrs\":[]}",
        ] {
            assert_eq!(
                *Metadata::from_json(text).unwrap_err().kind(),
                crate::ErrorKind::Malformed,
                "{text}"
            );
        }
    }
}
