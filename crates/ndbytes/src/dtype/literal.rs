//! The tokens of NumPy's header: strings, numbers and brackets as Python writes them.
//!
//! This is the closed grammar that `np.save` writes, not a parser of Python. Every step is bounded and every
//! error names the byte. [`Mode::NumPy`] adds what `np.load` also accepts from older or other writers.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::error::{Error, Result};
use crate::limits::Limits;

/// Which spellings are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What `np.save` writes.
    Strict,
    /// What `np.load` reads: also `3L`, `u'…'`, duplicate keys, aliases of dtypes.
    NumPy,
}

/// A cursor over header text. Offsets in errors count bytes of that text.
#[derive(Debug)]
pub(crate) struct Parser<'t> {
    text: &'t str,
    pos: usize,
    pub(super) mode: Mode,
    pub(super) fields_left: usize,
    pub(super) max_fields: usize,
}

/// Words put behind an error about a spelling that only the lenient mode takes.
pub(super) const LENIENT_HINT: &str = "ndbytes.numpy.load accepts it, as np.load does";

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str, mode: Mode, limits: &Limits) -> Self {
        Self { text, pos: 0, mode, fields_left: limits.fields, max_fields: limits.fields }
    }

    pub(crate) fn is_lenient(&self) -> bool {
        self.mode == Mode::NumPy
    }

    /// Bytes of the text read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.pos as u64
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::malformed(message).at(self.offset())
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    /// The next character after white space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<char> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.pos += self.rest().bytes().take_while(is_space).count();
        self.rest().chars().next()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.pos += bytes;
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// Consumes `wanted` if it is next.
    pub(crate) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.pos += wanted.len_utf8();
        }
        found
    }

    /// Consumes `wanted`, which must be next; `what` says in which thing.
    pub(crate) fn expect(&mut self, wanted: char, what: &str) -> Result<()> {
        if self.eat(wanted) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(c) => self.error(format!("{what}: expected {wanted:?}, found {c:?}")),
            None => self.error(format!("{what}: expected {wanted:?}, found the end")),
        })
    }

    /// Consumes `word` if it is next and no longer name begins with it.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        self.peek();
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let whole = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if whole {
            self.pos += word.len();
        }
        whole
    }

    /// The end of the text, white space aside.
    pub(crate) fn end(&mut self, what: &str) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(c) => Err(self.error(format!("{what}: expected the end, found {c:?}"))),
        }
    }

    /// A sequence's comma: true if another element may follow, false at `close`, which is consumed.
    pub(crate) fn more(&mut self, close: char, what: &str) -> Result<bool> {
        if self.eat(close) {
            return Ok(false);
        }
        self.expect(',', what)?;
        Ok(!self.eat(close))
    }

    /// A string in either quotes, with the escapes that Python's `repr` writes.
    pub(crate) fn string(&mut self, what: &str) -> Result<String> {
        let start = self.pos;
        if self.peek() == Some('u') && self.rest().get(1..2).is_some_and(|q| q == "'" || q == "\"")
        {
            if !self.is_lenient() {
                return Err(self.python2("the prefix u''"));
            }
            self.pos += 1;
        }
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            self.pos = start;
            self.peek();
            return Err(self.error(format!("{what}: expected a string in quotes")));
        };
        self.bump();
        let mut value = String::with_capacity(16);
        loop {
            let is_plain = |c: &u8| !matches!(c, b'\'' | b'"' | b'\\' | b'\n' | b'\r' | b'\0');
            let plain = self.rest().bytes().take_while(is_plain).count();
            value.push_str(self.rest().get(..plain).unwrap_or_default());
            self.pos += plain;
            match self.bump() {
                None | Some('\n' | '\r' | '\0') => {
                    return Err(self.error(format!("{what}: the string has no end")));
                }
                Some(c) if c == quote => return Ok(value),
                Some('\\') => value.push(self.escape(what)?),
                Some(c) => value.push(c),
            }
        }
    }

    fn escape(&mut self, what: &str) -> Result<char> {
        let digits = match self.bump() {
            Some(c @ ('\\' | '\'' | '"')) => return Ok(c),
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => {
                return Err(
                    self.error(format!("{what}: an escape that Python's repr does not write"))
                );
            }
        };
        let code =
            self.rest().get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let Some(c) = code.and_then(char::from_u32) else {
            return Err(
                self.error(format!("{what}: an escape of {digits} digits that is no character"))
            );
        };
        self.pos += digits;
        Ok(c)
    }

    /// A decimal integer from 0 to 2⁶³ − 1.
    pub(crate) fn integer(&mut self, what: &str) -> Result<u64> {
        self.peek();
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).unwrap_or_default();
        if number.is_empty() {
            let found: String =
                rest.chars().take(12).take_while(|&c| c != ',' && c != ')').collect();
            return Err(self.error(format!("{what}: expected an integer from 0, found {found:?}")));
        }
        if number.len() > 1 && number.starts_with('0') {
            return Err(self.error(format!("{what}: an integer with leading zeros")));
        }
        let value = number.parse().ok().filter(|&n: &u64| i64::try_from(n).is_ok());
        let Some(value) = value else {
            return Err(self.error(format!(
                "{what}: an integer of {digits} digits; at most 9223372036854775807 is allowed"
            )));
        };
        if after.starts_with('L') {
            if !self.is_lenient() {
                return Err(self.python2("an integer with L"));
            }
            self.pos += 1;
        }
        self.pos += digits;
        Ok(value)
    }

    /// The shape of a subarray: a tuple of integers, or in the lenient mode one bare integer.
    pub(super) fn subarray(&mut self, what: &str) -> Result<Vec<usize>> {
        if self.is_lenient() && self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Ok(vec![self.dim(what)?]);
        }
        self.shape(what)
    }

    /// A tuple of integers.
    pub(crate) fn shape(&mut self, what: &str) -> Result<Vec<usize>> {
        self.expect('(', what)?;
        let mut shape = Vec::new();
        let mut more = !self.eat(')');
        while more {
            if shape.len() == crate::limits::MAX_NDIM {
                return Err(
                    self.error(format!("{what}: more than {} axes", crate::limits::MAX_NDIM))
                );
            }
            shape.push(self.dim(what)?);
            let comma = self.peek() == Some(',');
            more = self.more(')', what)?;
            if shape.len() == 1 && !more && !comma {
                return Err(self.error(format!("{what}: one axis is written (n,), with a comma")));
            }
        }
        Ok(shape)
    }

    fn dim(&mut self, what: &str) -> Result<usize> {
        let dim = self.integer(what)?;
        usize::try_from(dim).map_err(|_| Error::overflow(what).at(self.offset()))
    }

    fn python2(&self, what: &str) -> Error {
        let message = format!("{what} is Python 2's spelling; {LENIENT_HINT}");
        Error::unsupported(message).at(self.offset())
    }
}

/// A string as Python's `repr` prints it.
pub(crate) fn python_repr(text: &str) -> String {
    use std::fmt::Write as _;
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        let written = match c {
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\\' => write!(out, "\\\\"),
            c if c == quote => write!(out, "\\{c}"),
            c if is_printable(c) => write!(out, "{c}"),
            c if c < '\u{100}' => write!(out, "\\x{:02x}", u32::from(c)),
            c if c < '\u{10000}' => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "\\U{:08x}", u32::from(c)),
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable` for one character, by its general category.
fn is_printable(c: char) -> bool {
    use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory as _};
    c == ' ' || !matches!(c.general_category_group(), Group::Other | Group::Separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(text: &str, mode: Mode) -> Parser<'_> {
        Parser::new(text, mode, &Limits::local())
    }

    #[test]
    fn strings_print_as_python_and_read_back() {
        for (text, printed) in [
            ("a", "'a'"),
            ("a'b", "\"a'b\""),
            ("a'b\"", "'a\\'b\"'"),
            ("\t\x01\\", "'\\t\\x01\\\\'"),
            ("\u{ad}\u{2028}é日", "'\\xad\\u2028é日'"),
            ("\u{e0001}", "'\\U000e0001'"),
        ] {
            assert_eq!(python_repr(text), printed);
            assert_eq!(parser(printed, Mode::Strict).string("s").unwrap(), text);
        }
    }

    #[test]
    fn integers_and_shapes_are_exact_and_say_where() {
        assert_eq!(parser(" (3, 4,) ", Mode::Strict).shape("shape").unwrap(), [3, 4]);
        assert_eq!(parser("()", Mode::Strict).shape("shape").unwrap(), [0; 0]);
        assert_eq!(parser("(3L,)", Mode::NumPy).shape("shape").unwrap(), [3]);
        assert_eq!(parser("3", Mode::NumPy).subarray("shape").unwrap(), [3]);
        assert!(parser("3", Mode::NumPy).shape("shape").is_err());
        for (bad, offset, message) in [
            ("(-1,)", 1, "shape: expected an integer from 0, found \"-1\""),
            ("(True,)", 1, "shape: expected an integer from 0, found \"True\""),
            ("(3)", 3, "shape: one axis is written (n,), with a comma"),
            ("(03,)", 1, "shape: an integer with leading zeros"),
            (
                "(3L,)",
                1,
                "an integer with L is Python 2's spelling; ndbytes.numpy.load accepts it, as np.load does",
            ),
            (
                "(9223372036854775808,)",
                1,
                "shape: an integer of 19 digits; at most 9223372036854775807 is allowed",
            ),
            ("(1, 2", 5, "shape: expected ',', found the end"),
        ] {
            let error = parser(bad, Mode::Strict).shape("shape").unwrap_err();
            assert_eq!((error.offset(), error.message()), (Some(offset), message), "{bad}");
        }
    }
}
