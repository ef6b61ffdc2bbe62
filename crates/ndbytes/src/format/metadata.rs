//! What is said of an array beside dtype and shape: name, attributes, and the dtype that a header cannot spell.

use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result, quoted, shortened};
use crate::format::{Message, json};
use crate::limits::Limits;

/// What a checked `.npy` file says in its tail, and a frame in its header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// The array's name.
    pub name: Option<String>,
    /// Attributes: the text of a JSON object, kept as it is.
    pub attrs: Option<String>,
    /// The true dtype where the header cannot spell it: bfloat16 and the float8 family.
    pub dtype: Option<DType>,
    /// The message that its frame begins; nowhere else.
    pub message: Option<Message>,
}

impl Metadata {
    /// Metadata with a name and attributes (the text of a JSON object).
    #[must_use]
    pub fn new(name: Option<String>, attrs: Option<String>) -> Self {
        Self { name, attrs, ..Self::default() }
    }

    /// Compact JSON; nothing where there is nothing to say.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if `attrs` is not the text of a JSON object.
    pub(super) fn to_json(&self) -> Result<String> {
        let mut members = self.members()?;
        if let Some(dtype) = &self.dtype {
            members.push(format!("\"dtype\":{}", json::quote(&dtype.to_string())?));
        }
        Ok(if members.is_empty() { String::new() } else { format!("{{{}}}", members.join(",")) })
    }

    /// Name and attributes as members of a JSON object.
    pub(super) fn members(&self) -> Result<Vec<String>> {
        let mut members = Vec::new();
        if let Some(name) = &self.name {
            members.push(format!("\"name\":{}", json::quote(name)?));
        }
        if let Some(attrs) = &self.attrs {
            json::members(attrs, [])
                .map_err(|e| Error::argument(format!("attrs: {}", e.message())))?;
            members.push(format!("\"attrs\":{}", attrs.trim()));
        }
        Ok(members)
    }

    /// Reads what [`Metadata::to_json`] wrote; keys it does not know are passed over.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed); [`Limit`](crate::ErrorKind::Limit) for the dtype.
    pub(super) fn from_json(text: &str, limits: &Limits) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read = || {
            let [name, attrs, dtype] = json::members(text, ["name", "attrs", "dtype"])?;
            let dtype = dtype.map(|spelling| dtype_of(spelling, limits)).transpose()?;
            Ok(Self { dtype, ..Self::of(name, attrs)? })
        };
        read().map_err(|error: Error| error.context("metadata"))
    }

    /// Name and attributes from the texts of their values.
    pub(super) fn of(name: Option<&str>, attrs: Option<&str>) -> Result<Self> {
        if let Some(attrs) = attrs {
            json::members(attrs, [])?;
        }
        Ok(Self {
            name: name.map(json::string).transpose()?,
            attrs: attrs.map(str::to_owned),
            ..Self::default()
        })
    }

    /// Whether there is nothing in it that only a checksum tail can hold.
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none() && self.attrs.is_none()
    }
}

/// The dtype that a JSON string spells as [`DType`] prints it, and in no other way: aliases mean different things
/// on different machines.
pub(super) fn dtype_of(value: &str, limits: &Limits) -> Result<DType> {
    let spelling = json::string(value)?;
    let dtype = DType::from_spec(&spelling, limits).map_err(|error| match error.kind() {
        ErrorKind::Argument => Error::malformed(error.message()),
        _ => error,
    })?;
    if in_ascii(&dtype.to_string()) != in_ascii(&spelling) {
        let wanted = shortened(&dtype);
        return Err(Error::malformed(format!(
            "the dtype {} is written {wanted}",
            quoted(&spelling)
        )));
    }
    Ok(dtype)
}

/// The text with characters beyond ASCII as escapes. In names either may stand: which of them Python prints as they
/// are changes with each version of Unicode.
fn in_ascii(text: &str) -> String {
    let escaped = |c: char| match u32::from(c) {
        0..=0x7f => c.to_string(),
        n @ 0x80..=0xff => format!("\\x{n:02x}"),
        n @ 0x100..=0xffff => format!("\\u{n:04x}"),
        n => format!("\\U{n:08x}"),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_back_and_errors_say_why() {
        let attrs = r#"{"unit": "m\u00e9", "big": 123456789012345678901234567890}"#.to_owned();
        let mut metadata = Metadata::new(Some("a \"b\"".into()), Some(attrs));
        metadata.dtype = Some("bfloat16".parse().unwrap());
        assert_eq!(
            Metadata::from_json(&metadata.to_json().unwrap(), &Limits::local()).unwrap(),
            metadata
        );
        assert_eq!(Metadata::default().to_json().unwrap(), "");
        let bad = Metadata::new(None, Some("[1]".into()));
        assert_eq!(
            bad.to_json().unwrap_err().message(),
            "attrs: invalid type: sequence, expected a JSON object at line 1 column 0"
        );
        let deep = |n: usize| format!("{{\"attrs\":{{\"a\":{}{}}}}}", "[".repeat(n), "]".repeat(n));
        assert!(Metadata::from_json(&deep(62), &Limits::local()).is_ok());
        assert_eq!(
            Metadata::from_json(&deep(63), &Limits::local()).unwrap_err().message(),
            "metadata: brackets nest more than 64 deep"
        );
        for text in [
            "{",
            "{\"name\":1}",
            "{\"name\":\"a\",\"name\":\"b\"}",
            "{\"dtype\":\"f9\"}",
            "{} x",
            "{\"dtype\":\"{a:i4,b:bfloat16}\"}",
            "{\"dtype\":\" bfloat16\"}",
            "{\"attrs\":[]}",
        ] {
            assert_eq!(
                *Metadata::from_json(text, &Limits::local()).unwrap_err().kind(),
                ErrorKind::Malformed,
                "{text}"
            );
        }
    }
}
