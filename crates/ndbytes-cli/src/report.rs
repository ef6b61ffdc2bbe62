//! What a command found, for people and for programs.

use crate::exit::Exit;
use ndbytes::Error;
use serde_json::Value;

/// What a command found about one file.
#[derive(Debug)]
pub(crate) struct Report {
    /// Lines for a person, without the last newline; nothing where there is nothing to say.
    pub(crate) text: String,
    /// The same for a program: one object.
    pub(crate) json: Value,
    /// A line for standard error beside it.
    pub(crate) note: Option<String>,
    /// What a person reads on standard error instead of the text.
    pub(crate) error: Option<Error>,
    pub(crate) exit: Exit,
}

impl Report {
    /// A report that all is well.
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, note: None, error: None, exit: Exit::OK }
    }

    /// The same where what was found is a failure.
    pub(crate) fn failed(self, error: Error) -> Self {
        Self { exit: Exit::of(&error), error: Some(error), ..self }
    }
}

/// Text from outside as one line that commands no terminal: control characters are spelled, as `\\n`.
pub(crate) fn printable(text: &str) -> String {
    let spelled = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(spelled).collect()
}

/// A number with its thousands apart: `2,359,296`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 byte`, `2,000 bytes`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A part of a whole: `12.5 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_text_is_tame() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
        assert_eq!(printable("a\x1b[2J\nb\u{9b}é"), "a\\u{1b}[2J\\nb\\u{9b}é");
        assert_eq!((percent(1, 8), percent(3, 0)), ("12.5 %".into(), "300.0 %".into()));
        assert_eq!((counted(1, "byte"), counted(2, "byte")), ("1 byte".into(), "2 bytes".into()));
    }
}
