//! The one-line spelling of a dtype and a shape: `<u2[16,512,512]`, `{t:<u8,img:<u2[4]}[1000]`.
//!
//! ```text
//! spec   := type [ '[' [ dim { ',' dim } ] ']' ]        no brackets: any shape; []: 0-d
//! dim    := integer | '?' | '-1'                        the last two: any length
//! type   := '{' [ field { ',' field } ] '}' [ '/' itemsize ] | typestr | name
//! field  := [ title '=' ] name ':' type { '[' integers ']' } [ '@' offset ]
//! name   := letters, digits, '_' | a string in quotes | nothing (a gap, as ':|V4')
//! ```
//! A typestr is NumPy's (`<f8`, `>M8[25s]`); names are NumPy's and ml_dtypes' (`float32`, `bfloat16`, `>bfloat16`).
//! Without `<` or `>` the byte order is this machine's.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::literal::{Mode, python_repr};
use super::{DType, Endian, Field, Parser, Record, Scalar, alias, check_depth};
use crate::error::{Error, ErrorKind, Result, quoted, shortened};
use crate::limits::Limits;
use std::fmt;

/// A dtype and what is known of a shape.
///
/// ```
/// use ndbytes::{DType, Scalar, Spec};
/// let spec: Spec = "<f4[?,128]".parse()?;
/// assert!(spec.check(&DType::native(Scalar::Float32), &[10, 128]).is_ok());
/// let error = spec.check(&DType::native(Scalar::Float32), &[10, 64]).unwrap_err();
/// assert_eq!(error.to_string(), "expected <f4[?,128], found <f4[10,64]");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The type of the items.
    pub dtype: DType,
    /// The axes; `None` for any shape.
    pub shape: Option<Vec<Dim>>,
}

/// The length of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// This length.
    Exact(usize),
    /// Any length: `?` or `-1`.
    Any,
}

impl Spec {
    /// The spec of exactly this dtype and shape.
    #[must_use]
    pub fn exact(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, shape: Some(shape.iter().map(|&dim| Dim::Exact(dim)).collect()) }
    }

    /// Checks that an array has the dtype (byte order too) and the shape.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorKind::Mismatch) with both.
    pub fn check(&self, dtype: &DType, shape: &[usize]) -> Result<()> {
        let fits = |dims: &Vec<Dim>| {
            dims.len() == shape.len()
                && dims
                    .iter()
                    .zip(shape)
                    .all(|(dim, &len)| *dim == Dim::Any || *dim == Dim::Exact(len))
        };
        if self.dtype == *dtype && self.shape.as_ref().is_none_or(fits) {
            return Ok(());
        }
        let found = Self::exact(dtype.clone(), shape);
        Err(Error::mismatch(format!("expected {}, found {}", shortened(self), shortened(&found))))
    }
}

impl DType {
    /// Reads the one-line spelling, without a shape, under limits of one's own.
    ///
    /// # Errors
    /// As for [`Spec`].
    pub fn from_spec(text: &str, limits: &Limits) -> Result<Self> {
        parse_all(text, limits, |parser| parser.whole_type())
    }
}

impl std::str::FromStr for Spec {
    type Err = Error;

    /// # Errors
    /// [`Argument`](ErrorKind::Argument) that names the character; [`Limit`](ErrorKind::Limit) as for `descr`.
    fn from_str(text: &str) -> Result<Self> {
        parse_all(text, &Limits::local(), |parser| {
            let dtype = parser.whole_type()?;
            let shape = if parser.eat('[') { Some(parser.dims()?) } else { None };
            Ok(Self { dtype, shape })
        })
    }
}

impl std::str::FromStr for DType {
    type Err = Error;

    /// Reads the one-line spelling, without a shape.
    ///
    /// # Errors
    /// As for [`Spec`].
    fn from_str(text: &str) -> Result<Self> {
        Self::from_spec(text, &Limits::local())
    }
}

fn parse_all<T>(
    text: &str,
    limits: &Limits,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T>,
) -> Result<T> {
    let mut parser = Parser::new(text, Mode::Strict, limits);
    let value = parse(&mut parser).and_then(|value| parser.end("spec").map(|()| value));
    value.map_err(|error| match error.kind() {
        ErrorKind::Limit { .. } => error.context(format!("spec {}", quoted(text))),
        _ => {
            let at = error.offset().map(|n| format!(", at character {n}")).unwrap_or_default();
            Error::argument(format!("spec {}: {}{at}", quoted(text), error.message()))
        }
    })
}

impl<'t> Parser<'t> {
    fn dims(&mut self) -> Result<Vec<Dim>> {
        let mut dims = Vec::new();
        let mut more = !self.eat(']');
        while more {
            let any = self.eat('?') || (self.eat('-') && self.expect('1', "shape").is_ok());
            dims.push(if any { Dim::Any } else { Dim::Exact(self.length("shape")?) });
            more = self.more(']', "shape")?;
        }
        if dims.len() > crate::limits::MAX_NDIM {
            return Err(self.error(format!("shape: {} axes; at most 64 are allowed", dims.len())));
        }
        Ok(dims)
    }

    fn length(&mut self, what: &str) -> Result<usize> {
        let length = self.integer(what)?;
        usize::try_from(length).map_err(|_| Error::overflow(what))
    }

    /// The type of an array's items.
    fn whole_type(&mut self) -> Result<DType> {
        match self.spec_type(0)? {
            DType::Sub(_) => Err(Error::argument(
                "a subarray stands only inside a record; write its axes behind the dtype, as in <i4[3]",
            )),
            dtype => Ok(dtype),
        }
    }

    fn spec_type(&mut self, depth: usize) -> Result<DType> {
        check_depth(depth)?;
        if self.eat('{') {
            return self.spec_record(depth);
        }
        self.peek();
        let start = self.offset();
        let word = self.word("[]{},@/ \t\n");
        if word.is_empty() {
            return Err(self.error("expected a dtype such as <f4, float32 or {name:<f4}"));
        }
        let unit = if self.rest().starts_with('[') { self.unit(word) } else { "" };
        let dtype = named(&format!("{word}{unit}"))?;
        self.skip(unit.len());
        dtype.ok_or_else(|| Error::argument(format!("{} is no dtype", quoted(word))).at(start))
    }

    /// The bracketed unit behind a datetime64 or timedelta64; elsewhere brackets are a shape.
    fn unit(&self, word: &str) -> &'t str {
        let bare = word.trim_start_matches(['<', '>', '=']);
        if !matches!(bare, "M8" | "m8" | "datetime64" | "timedelta64") {
            return "";
        }
        let end = self.rest().find(']').map_or(0, |at| at + 1);
        let brackets = self.rest().get(..end).unwrap_or_default();
        if brackets.contains(|c: char| c.is_alphabetic()) { brackets } else { "" }
    }

    fn spec_record(&mut self, depth: usize) -> Result<DType> {
        let mut fields = Vec::new();
        let mut end = 0usize;
        let mut more = !self.eat('}');
        while more {
            // A name in quotes is a name, were it empty.
            let nameless = self.peek() == Some(':');
            let mut field = self.spec_field(depth, end)?;
            if self.eat('@') {
                field.offset = self.length("offset")?;
            }
            let field_end = field.offset.checked_add(field.dtype.itemsize());
            end = end.max(field_end.ok_or_else(|| Error::overflow("the itemsize"))?);
            if nameless && matches!(field.dtype, DType::Void(_)) {
                self.fields_left = self.fields_left.saturating_add(1); // A gap is no field.
            } else {
                fields.push(field);
            }
            more = self.more('}', "record")?;
        }
        let itemsize = if self.eat('/') { self.length("itemsize")? } else { end };
        Record::new(fields, itemsize).map(DType::record).map_err(|e| e.at(self.offset()))
    }

    fn spec_field(&mut self, depth: usize, offset: usize) -> Result<Field> {
        self.count_fields(1, self.offset())?;
        let mut name = self.name()?;
        let mut title = None;
        if self.eat('=') {
            title = Some(std::mem::replace(&mut name, self.name()?));
        }
        self.expect(':', "field")?;
        let mut dtype = self.spec_type(depth + 1)?;
        while self.eat('[') {
            let mut shape = Vec::new();
            let mut more = !self.eat(']');
            while more {
                shape.push(self.length("field shape")?);
                more = self.more(']', "field shape")?;
            }
            dtype = DType::subarray(dtype, &shape)?;
        }
        Ok(Field { name, title, dtype, offset })
    }

    fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some('\'' | '"') => self.string("field name"),
            _ => Ok(self.word(":=[]{},@/ \t\n").to_owned()),
        }
    }

    /// What stands before the first of the stop characters.
    fn word(&mut self, stops: &str) -> &'t str {
        let rest = self.rest();
        let word = rest.split(|c| stops.contains(c)).next().unwrap_or_default();
        self.skip(word.len());
        word
    }
}

/// A typestr, a name, or a name with its byte order before it.
fn named(text: &str) -> Result<Option<DType>> {
    let (endian, bare) = match text.split_at_checked(1) {
        Some(("<", bare)) => (Endian::Little, bare),
        Some((">", bare)) => (Endian::Big, bare),
        _ => (Endian::NATIVE, text),
    };
    match Scalar::from_name(bare) {
        Some(scalar) => Ok(Some(DType::scalar(scalar, endian))),
        None => alias::parse(text),
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dtype.fmt(f)?;
        let Some(shape) = &self.shape else { return Ok(()) };
        let dims: Vec<String> = shape
            .iter()
            .map(|dim| match dim {
                Dim::Exact(len) => len.to_string(),
                Dim::Any => "?".to_owned(),
            })
            .collect();
        write!(f, "[{}]", dims.join(","))
    }
}

impl fmt::Display for DType {
    /// The one-line spelling, which [`str::parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar, endian) if scalar.is_extension() => {
                let sign = if scalar.unit() > 1 && *endian == Endian::Big { ">" } else { "" };
                write!(f, "{sign}{}", scalar.name())
            }
            Self::Record(record) => fmt_record(record, f),
            Self::Sub(sub) => {
                let dims: Vec<String> = sub.1.iter().map(usize::to_string).collect();
                write!(f, "{}[{}]", sub.0, dims.join(","))
            }
            _ => f.write_str(&self.typestr()),
        }
    }
}

fn fmt_record(record: &Record, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(parts) = record.parts() else {
        let fields: Vec<String> = record
            .fields()
            .iter()
            .map(|field| format!("{}@{}", spell(field), field.offset))
            .collect();
        return write!(f, "{{{}}}/{}", fields.join(","), record.itemsize());
    };
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(field, size)| field.map_or_else(|| format!(":|V{size}"), spell))
        .collect();
    write!(f, "{{{}}}", parts.join(","))
}

fn spell(field: &Field) -> String {
    let bare = |name: &str| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain && !name.is_empty() { name.to_owned() } else { python_repr(name) }
    };
    match &field.title {
        Some(title) => format!("{}={}:{}", bare(title), bare(&field.name), field.dtype),
        None => format!("{}:{}", bare(&field.name), field.dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_print_and_read_back() {
        for text in [
            "<u2[16,512,512]",
            "{t:<u8,img:<u2[4]}[1000]",
            "<f8[]",
            ">M8[25s][3,?]",
            "<M8[ns]",
            "<m8",
            "|S5",
            "bfloat16[?]",
            ">bfloat16",
            "float8_e4m3fn[2]",
            "{a:|u1,:|V7,Long=b:<f8,'odd name':<i4[2][3],'':<i4}",
            "{b:<i4@4,a:<i4@0}/8[1]",
            "{r:{y:<i4@4,x:<i4@0}/16@8,q:|u1@0}/24",
            "{r:{x:<f4}@8,q:{x:<f4@0,y:<f4@0}/4@4,s:{x:<f4}[2]@0}/12",
            "{'':|V4,:|V3}",
            "{Title='':|V2,:|V3}",
            "{}",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        assert_eq!("f4[-1]".parse::<Spec>().unwrap(), "<f4[?]".parse().unwrap());
        assert_eq!("int16".parse::<DType>().unwrap(), DType::native(Scalar::Int16));
        assert_eq!("M8[5]".parse::<Spec>().unwrap().shape, Some(vec![Dim::Exact(5)]));
    }

    #[test]
    fn subarrays_of_subarrays_are_bounded() {
        let nested = |n: usize| format!("{{a:|u1{}}}", "[1]".repeat(n));
        assert_eq!(nested(16).parse::<DType>().unwrap().to_string(), nested(16));
        let message = "at most 16 are allowed";
        let records = format!("{{a:{}|u1{}[1][1]}}", "{b:".repeat(15), "}".repeat(15));
        assert!(records.parse::<DType>().unwrap_err().message().ends_with(message));
        assert!(nested(17).parse::<DType>().unwrap_err().message().ends_with(message));
        assert!(nested(300_000).parse::<DType>().unwrap_err().message().ends_with(message));
    }

    #[test]
    fn errors_quote_the_spec_and_the_character() {
        for (bad, message) in [
            ("", "spec \"\": expected a dtype such as <f4, float32 or {name:<f4}, at character 0"),
            ("f5[3]", "spec \"f5[3]\": \"f5\" is no dtype, at character 0"),
            ("<f4[3", "spec \"<f4[3\": shape: expected ',', found the end, at character 5"),
            (
                "<f4[x]",
                "spec \"<f4[x]\": shape: expected an integer from 0, found \"x]\", at character 4",
            ),
            ("{a:<f4", "spec \"{a:<f4\": record: expected ',', found the end, at character 6"),
            (
                "3i4",
                "spec \"3i4\": a subarray stands only inside a record; write its axes behind the dtype, as in <i4[3]",
            ),
            ("<f4 3", "spec \"<f4 3\": spec: expected the end, found '3', at character 4"),
        ] {
            assert_eq!(bad.parse::<Spec>().unwrap_err().message(), message);
        }
    }
}
