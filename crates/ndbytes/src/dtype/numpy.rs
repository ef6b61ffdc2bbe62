//! NumPy's spelling of a dtype: `descr`, as in the header of a `.npy` file.
//!
//! Source: NumPy's `numpy/lib/format.py` (`dtype_to_descr`, `descr_to_dtype`) and its array interface's typestr.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::literal::{LENIENT_HINT, python_repr};
use super::{DType, Field, Mode, Parser, Record, alias, typestr};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::limits::{Limits, MAX_DEPTH};
use std::fmt::Write as _;

impl DType {
    /// Reads a `descr` exactly as `np.save` writes one: a typestr in quotes, or a list of fields.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) with the byte, for anything else;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for objects, and for spellings that only `np.load` takes;
    /// [`Limit`](crate::ErrorKind::Limit) for more than 16 levels, too many fields or items over 2³¹ − 1 bytes.
    pub fn from_descr(text: &str, limits: &Limits) -> Result<Self> {
        Self::parse_descr(text, Mode::Strict, limits)
    }

    /// Reads what `np.load` takes from older and other writers too: aliases such as `'int32'` or `'i4,f8'`, `u'…'`, `3L`.
    ///
    /// # Errors
    /// As [`DType::from_descr`].
    pub fn from_descr_lenient(text: &str, limits: &Limits) -> Result<Self> {
        Self::parse_descr(text, Mode::NumPy, limits)
    }

    fn parse_descr(text: &str, mode: Mode, limits: &Limits) -> Result<Self> {
        let mut parser = Parser::new(text, mode, limits);
        let dtype = parser.descr()?;
        parser.end("descr")?;
        Ok(dtype)
    }

    /// Prints the `descr` as `np.save` writes it; extension floats as `'<V2'` or `'<V1'`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for records whose fields overlap or stand out of order, or that have
    /// a nameless field which would read back as a gap.
    pub fn descr(&self) -> Result<String> {
        match self {
            Self::Record(record) => record_descr(record),
            Self::Sub(sub) => Ok(format!("({}, {})", sub.0.descr()?, tuple(&sub.1))),
            // Letters, digits and brackets: nothing to escape.
            _ => Ok(format!("'{}'", self.typestr())),
        }
    }
}

/// A tuple as Python prints it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let mut text = String::from("(");
            for (axis, len) in shape.iter().enumerate() {
                let comma = if axis == 0 { "" } else { ", " };
                // A string takes everything.
                let _ = write!(text, "{comma}{len}");
            }
            text.push(')');
            text
        }
    }
}

fn record_descr(record: &Record) -> Result<String> {
    let mut parts = Vec::new();
    for (field, size) in record.parts()? {
        let Some(field) = field else {
            parts.push(format!("('', '|V{size}')"));
            continue;
        };
        if is_gap(&field.name, field.title.as_deref(), &field.dtype.storage()) {
            return Err(Error::argument(format!(
                "a field without a name and of dtype {} would read back as a gap; give it a name",
                field.dtype
            )));
        }
        let name = match &field.title {
            Some(title) => format!("({}, {})", python_repr(title), python_repr(&field.name)),
            None => python_repr(&field.name),
        };
        parts.push(match &field.dtype {
            DType::Sub(sub) => format!("({name}, {}, {})", sub.0.descr()?, tuple(&sub.1)),
            dtype => format!("({name}, {})", dtype.descr()?),
        });
    }
    Ok(format!("[{}]", parts.join(", ")))
}

/// Whether a field of a `descr` stands for bytes between fields, as NumPy writes them.
fn is_gap(name: &str, title: Option<&str>, dtype: &DType) -> bool {
    name.is_empty() && title.is_none() && matches!(dtype, DType::Void(_) | DType::Sub(_))
}

impl Parser<'_> {
    /// `descr := typestr | fields`; a subarray cannot stand for a whole array.
    pub(crate) fn descr(&mut self) -> Result<DType> {
        let start = self.offset();
        match self.descr_at(0)? {
            DType::Sub(_) => {
                let message =
                    "descr: a subarray outside a record; write its shape as axes of the array";
                Err(Error::unsupported(message).at(start))
            }
            dtype => Ok(dtype),
        }
    }

    /// `typestr | '[' fields ']' | '(' descr ',' shape ')'`
    fn descr_at(&mut self, depth: usize) -> Result<DType> {
        if depth > MAX_DEPTH {
            let error = Error::limit("dtype depth", depth as u64, MAX_DEPTH as u64);
            return Err(error.at(self.offset()));
        }
        match self.peek() {
            Some('[') => self.record(depth),
            Some('(') => {
                self.expect('(', "descr")?;
                let base = self.descr_at(depth + 1)?;
                self.expect(',', "descr")?;
                let shape = self.subarray("subarray shape")?;
                self.more(')', "descr")?;
                DType::subarray(base, &shape).map_err(|e| in_descr(e, self.offset()))
            }
            _ => {
                let start = self.offset();
                let text = self.string("descr")?;
                let dtype = named(&text, self.mode).map_err(|e| in_descr(e, start))?;
                if let DType::Record(record) = &dtype {
                    self.count_fields(record.fields().len(), start)?;
                }
                Ok(dtype)
            }
        }
    }

    fn record(&mut self, depth: usize) -> Result<DType> {
        let start = self.offset();
        let mut fields = Vec::new();
        let mut end = 0usize;
        self.expect('[', "descr")?;
        let mut more = !self.eat(']');
        while more {
            let field = self.field(depth, end)?;
            let size = field.dtype.itemsize();
            end = end.checked_add(size).ok_or_else(|| Error::overflow("the itemsize").at(start))?;
            if is_gap(&field.name, field.title.as_deref(), &field.dtype) {
                self.fields_left = self.fields_left.saturating_add(1);
            } else {
                fields.push(field);
            }
            more = self.more(']', "descr")?;
        }
        let record = Record::new(fields, end).map_err(|e| in_descr(e, start))?;
        Ok(DType::record(record))
    }

    /// Takes note of `n` fields more, read from `start` on.
    pub(super) fn count_fields(&mut self, n: usize, start: u64) -> Result<()> {
        let Some(left) = self.fields_left.checked_sub(n) else {
            let max = self.max_fields;
            let asked = max.saturating_sub(self.fields_left).saturating_add(n);
            return Err(Error::limit("dtype fields", asked as u64, max as u64).at(start));
        };
        self.fields_left = left;
        Ok(())
    }

    /// `'(' name ',' descr [',' shape] ')'` with `name := string | '(' title ',' name ')'`
    fn field(&mut self, depth: usize, offset: usize) -> Result<Field> {
        self.count_fields(1, self.offset())?;
        self.expect('(', "field")?;
        let (title, name) = if self.eat('(') {
            let title = self.string("field title")?;
            self.expect(',', "field title")?;
            let name = self.string("field name")?;
            self.expect(')', "field title")?;
            (Some(title), name)
        } else {
            (None, self.string("field name")?)
        };
        self.expect(',', "field")?;
        let mut dtype = self.descr_at(depth + 1)?;
        if self.more(')', "field")? {
            let shape = self.subarray("field shape")?;
            dtype = DType::subarray(dtype, &shape).map_err(|e| in_descr(e, self.offset()))?;
            if self.more(')', "field")? {
                return Err(self.error("field: more than a name, a dtype and a shape"));
            }
        }
        Ok(Field { name, title, dtype, offset })
    }
}

/// What a constructor refuses as an argument is malformed where it was read.
fn in_descr(error: Error, at: u64) -> Error {
    match error.kind() {
        ErrorKind::Argument => Error::malformed(format!("descr: {}", error.message())).at(at),
        _ => error.at(at),
    }
}

/// The dtype of a typestr, or in the lenient mode of an alias.
fn named(text: &str, mode: Mode) -> Result<DType> {
    if let Some(dtype) = typestr::parse(text)? {
        return Ok(dtype);
    }
    match alias::parse(text)? {
        Some(dtype) if mode == Mode::NumPy => Ok(dtype),
        Some(_) => {
            Err(Error::unsupported(format!("descr: {} is an alias; {LENIENT_HINT}", quoted(text))))
        }
        None if is_object(text) => Err(Error::unsupported(format!(
            "descr: {text:?} is an object dtype, which means pickle; convert the array to numbers or fixed-size strings"
        ))),
        None => Err(Error::malformed(format!("descr: {} is no dtype of NumPy", quoted(text)))),
    }
}

fn is_object(text: &str) -> bool {
    let bare = text.trim_start_matches(['<', '>', '|', '=']);
    matches!(bare, "O" | "O4" | "O8" | "object" | "T" | "T16")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<DType> {
        DType::from_descr(text, &Limits::local())
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "'|b1'",
            "'<f2'",
            "'>c32'",
            "'<M8'",
            "'>m8[25s]'",
            "'|S0'",
            "'>U3'",
            "'|V7'",
            "[]",
            "[('a', '<i4'), ('', '|V4'), ('b', '<f8', (2, 3))]",
            "[(('T', 'n'), '|u1'), ('x', [('y', '>f4')], (2,)), ('z', ('<i4', (2,)), (3,))]",
            "[('', '<i4')]",
            "[(('T', ''), '|V4')]",
        ] {
            assert_eq!(strict(text).unwrap().descr().unwrap(), text);
        }
        // NumPy writes these, and reads a gap.
        for spec in ["{'':|V4}", "{'':<i4[2]}", "{a:{'':bfloat16}}"] {
            let error = spec.parse::<DType>().unwrap().descr().unwrap_err();
            assert!(
                error.message().ends_with("would read back as a gap; give it a name"),
                "{spec}"
            );
        }
    }

    #[test]
    fn hostile_and_foreign_spellings_are_named() {
        for (text, offset, message) in [
            (
                "'|O'",
                0,
                "descr: \"|O\" is an object dtype, which means pickle; convert the array to numbers or fixed-size strings",
            ),
            (
                "'int32'",
                0,
                "descr: \"int32\" is an alias; ndbytes.numpy.load accepts it, as np.load does",
            ),
            ("'<f3'", 0, "descr: \"<f3\" is no dtype of NumPy"),
            ("'<f8' + 1", 6, "descr: expected the end, found '+'"),
            ("__import__('os')", 0, "descr: expected a string in quotes"),
            ("[('a', '<i4'), ('a', '<i4')]", 0, "descr: the field name \"a\" stands twice"),
            (
                "('<i4', (2,))",
                0,
                "descr: a subarray outside a record; write its shape as axes of the array",
            ),
            ("'|V2147483648'", 0, "itemsize is 2147483648, at most 2147483647 are allowed"),
        ] {
            let error = strict(text).unwrap_err();
            assert_eq!((error.offset(), error.message()), (Some(offset), message), "{text}");
        }
    }

    #[test]
    fn depth_and_fields_are_bounded() {
        let nested = |n: usize| format!("{}'|u1'{}", "[('a', ".repeat(n), ")]".repeat(n));
        assert!(strict(&nested(16)).is_ok());
        assert_eq!(
            strict(&nested(17)).unwrap_err().message(),
            "dtype depth is 17, at most 16 are allowed"
        );
        assert!(strict(&nested(3000)).is_err());
        let limits = Limits { fields: 3, ..Limits::local() };
        let lenient = |text: &str| DType::from_descr_lenient(text, &limits);
        assert!(lenient("[('a', 'i4,f8')]").is_ok());
        for text in ["'i4,i4,i4,i4'", "[('a', 'i4,f8'), ('b', 'i4,')]"] {
            assert_eq!(
                lenient(text).unwrap_err().message(),
                "dtype fields is 4, at most 3 are allowed"
            );
        }
        let wide = |n: usize| {
            let fields: Vec<String> = (0..n).map(|i| format!("('f{i}', '|u1')")).collect();
            format!("[{}]", fields.join(", "))
        };
        assert!(strict(&wide(4096)).is_ok());
        assert_eq!(
            strict(&wide(4097)).unwrap_err().message(),
            "dtype fields is 4097, at most 4096 are allowed"
        );
    }
}
