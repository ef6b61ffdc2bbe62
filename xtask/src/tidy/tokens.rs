//! Just enough of Rust's lexical grammar to tell code from comments and strings.

/// A name, a number, `::`, or one character of punctuation. Comments, strings, characters and lifetimes leave none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) line: usize,
}

pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let len = skipped(rest);
        let (len, is_token) = match len {
            0 if rest.starts_with("::") => (2, true),
            0 if is_word(first) => (word(rest), true),
            0 => (first.len_utf8(), !first.is_whitespace()),
            len => (len, false),
        };
        let (this, next) = rest.split_at(len);
        if is_token {
            out.push(Token { text: this, line });
        }
        line += this.matches('\n').count();
        rest = next;
    }
    out
}

/// The tokens outside modules under `#[cfg(test)]`.
pub(super) fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match test_module(&tokens[at..]) {
            Some(len) => at += len,
            None => {
                out.push(tokens[at]);
                at += 1;
            }
        }
    }
    out
}

/// How many tokens the bracket that `tokens` starts with spans, both brackets included.
pub(super) fn bracketed(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// How many tokens `#[cfg(test)] mod name { … }` spans, if `tokens` starts with it.
fn test_module(tokens: &[Token<'_>]) -> Option<usize> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    const CFG_ALL_TEST: [&str; 7] = ["#", "[", "cfg", "(", "all", "(", "test"];
    let start = tokens.get(..7)?.iter().map(|token| token.text);
    if !start.clone().eq(CFG_TEST) && !start.eq(CFG_ALL_TEST) {
        return None;
    }
    let mut at = 0;
    while tokens.get(at)?.text == "#" {
        at += 1 + bracketed(&tokens[at + 1..]);
    }
    if tokens.get(at)?.text == "pub" {
        at += 1;
        if tokens.get(at)?.text == "(" {
            at += bracketed(&tokens[at..]);
        }
    }
    let is_module = tokens.get(at)?.text == "mod" && tokens.get(at + 2)?.text == "{";
    is_module.then(|| at + 2 + bracketed(&tokens[at + 2..]))
}

/// The bytes of the comment, string, character or lifetime that `text` starts with; 0 if it starts with none.
fn skipped(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    // The prefixes of strings: b"", c"", r"", br#""#, … A raw name, r#type, has no quote.
    let prefix =
        ["br", "cr", "r", "b", "c"].iter().find_map(|p| text.strip_prefix(p).map(|t| (*p, t)));
    let (prefix, body) = prefix.unwrap_or(("", text));
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if body[hashes..].starts_with('"') {
            let start = prefix.len() + hashes + 1;
            let end = format!("\"{}", &body[..hashes]);
            return text[start..].find(&end).map_or(text.len(), |at| start + at + end.len());
        }
    } else if body.starts_with('"') {
        return prefix.len() + quoted(body, '"');
    }
    if text.starts_with('\'') { quote(text) } else { 0 }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// A character, `'x'` or `'\''`, or else a lifetime, `'a`.
fn quote(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1 + word(&text[1..]),
    }
}

/// Up to the `end` that closes the literal, which `text` starts with, and that no backslash guards.
fn quoted(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == end => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn word(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{tokens, without_tests};

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_strings_and_characters_leave_nothing() {
        assert_eq!(texts("a /* b /* c */ d */ e // f\ng /// h"), ["a", "e", "g"]);
        assert_eq!(texts(r#"a("b \" c", b"d", c"e") f"#), ["a", "(", ",", ",", ")", "f"]);
        assert_eq!(texts("a r\"b\\\" c r##\"d \"# e\"## f"), ["a", "c", "f"]);
        assert_eq!(
            texts("'\"' a '\\'' b '\\u{2F}' c 'é' d b'\"' e"),
            ["a", "b", "c", "d", "b", "e"]
        );
        assert_eq!(
            texts("fn f<'a>(x: &'a str)"),
            ["fn", "f", "<", ">", "(", "x", ":", "&", "str", ")"]
        );
    }

    #[test]
    fn words_keep_their_ends() {
        assert_eq!(texts("crate::a::{b}"), ["crate", "::", "a", "::", "{", "b", "}"]);
        assert_eq!(texts("number\"\" r#type"), ["number", "r", "#", "type"]);
        assert_eq!(texts("1.0..2"), ["1", ".", "0", ".", ".", "2"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let found = tokens("/* \n\n */ a \"\n\" b\n// c\nd");
        let lines: Vec<_> = found.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(lines, [("a", 3), ("b", 4), ("d", 6)]);
    }

    #[test]
    fn unfinished_text_ends() {
        for text in ["\"a", "/* a", "'", "r#\"a", "b'", "/*/", "'\\", "é"] {
            let _ = tokens(text);
        }
    }

    #[test]
    fn test_modules_are_left_out() {
        let left =
            |text| without_tests(tokens(text)).iter().map(|t| t.text).collect::<Vec<_>>().join(" ");
        assert_eq!(left("a #[cfg(test)] #[rustfmt::skip] pub(crate) mod tests { { x } } b"), "a b");
        assert_eq!(left("#[cfg(all(test, unix))] mod tests { x } b"), "b");
        assert_eq!(left("#[cfg(not(test))] mod m { x }"), "# [ cfg ( not ( test ) ) ] mod m { x }");
        assert_eq!(left("#[cfg(test)] mod tests; b"), "# [ cfg ( test ) ] mod tests ; b");
        assert_eq!(left("#[cfg(test)]"), "# [ cfg ( test ) ]");
    }
}
