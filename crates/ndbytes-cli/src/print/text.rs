//! Text and bytes as Python's `repr` writes them.

use std::fmt::Write as _;
use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory as _};

/// `S`: `b'…'` without the NUL bytes at the end.
pub(super) fn bytes(item: &[u8]) -> String {
    let item = without_padding(item, |byte| *byte == 0);
    let quote = quote(|wanted| item.contains(&wanted));
    let mut text = format!("b{quote}");
    for &byte in item {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            _ if char::from(byte) == quote => escape(&mut text, format_args!("\\{quote}")),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => escape(&mut text, format_args!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

/// `U`: the code points of a little-endian item without the NULs at the end.
pub(super) fn points(item: &[u8]) -> Vec<u32> {
    let points: Vec<u32> =
        item.as_chunks::<4>().0.iter().map(|point| u32::from_le_bytes(*point)).collect();
    without_padding(&points, |point| *point == 0).to_vec()
}

/// `'…'`; what is no character (surrogates, beyond U+10FFFF) is escaped.
pub(super) fn quoted(points: &[u32]) -> String {
    let quote = quote(|wanted| points.contains(&u32::from(wanted)));
    let mut text = String::from(quote);
    for &point in points {
        match char::from_u32(point) {
            Some('\t') => text.push_str("\\t"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\\') => text.push_str("\\\\"),
            Some(c) if c == quote => escape(&mut text, format_args!("\\{quote}")),
            Some(c) if is_printable(c) => text.push(c),
            _ if point < 0x100 => escape(&mut text, format_args!("\\x{point:02x}")),
            _ if point < 0x1_0000 => escape(&mut text, format_args!("\\u{point:04x}")),
            _ => escape(&mut text, format_args!("\\U{point:08x}")),
        }
    }
    text.push(quote);
    text
}

/// The text itself; what is no character becomes U+FFFD.
pub(super) fn plain(points: &[u32]) -> String {
    let character = |point: &u32| char::from_u32(*point).unwrap_or(char::REPLACEMENT_CHARACTER);
    points.iter().map(character).collect()
}

/// `V`: every byte in hexadecimal.
pub(super) fn void(item: &[u8]) -> String {
    let mut text = String::from("b'");
    for byte in item {
        escape(&mut text, format_args!("\\x{byte:02X}"));
    }
    text + "'"
}

/// Bytes whose meaning this machine may not know: `0x…`, as they are stored.
pub(super) fn opaque(item: &[u8]) -> String {
    let mut text = String::from("0x");
    for byte in item {
        escape(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn escape(text: &mut String, what: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(what);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

/// `"` where that saves a backslash.
fn quote(has: impl Fn(u8) -> bool) -> char {
    if has(b'\'') && !has(b'"') { '"' } else { '\'' }
}

fn without_padding<T>(item: &[T], is_nul: impl Fn(&T) -> bool) -> &[T] {
    let end = item.iter().rposition(|part| !is_nul(part)).map_or(0, |last| last + 1);
    item.get(..end).unwrap_or_default()
}

/// Python's `str.isprintable` for one character, by its general category.
fn is_printable(c: char) -> bool {
    c == ' ' || !matches!(c.general_category_group(), Group::Other | Group::Separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_spells_them_so() {
        assert_eq!(bytes(b"it's\0\0"), "b\"it's\"");
        assert_eq!(bytes(b"'\"\x7f\t\0a\\"), r#"b'\'"\x7f\t\x00a\\'"#);
        let text = |text: &str| quoted(&text.chars().map(u32::from).collect::<Vec<_>>());
        assert_eq!(text("it's é\u{ad}\u{2028}\u{10ffff}"), "\"it's é\\xad\\u2028\\U0010ffff\"");
        assert_eq!(quoted(&[0xd800, 0x11_0000, 65]), "'\\ud800\\U00110000A'");
        assert_eq!(plain(&[0xd800, 65]), "\u{fffd}A");
        assert_eq!(void(&[0, 0xab]), "b'\\x00\\xAB'");
    }
}
