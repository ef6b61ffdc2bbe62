//! Names that came over a wire, made into names of files. They are names, never paths.

/// Bytes of the longest name that is kept: with a suffix and a temporary file's additions it fits any file system.
const LONGEST: usize = 150;

/// What takes the place of a character that a file's name may not have.
const INSTEAD: char = '_';

/// The name without what could lead out of a folder, hide the file, or fool whoever reads a listing; `None` if
/// nothing is left.
pub(crate) fn file_stem(name: &str) -> Option<String> {
    let kept = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => INSTEAD,
        c if c.is_control() || is_invisible(c) => INSTEAD,
        c => c,
    };
    let mut stem = String::new();
    for c in name.trim().chars().map(kept) {
        if stem.len() + c.len_utf8() > LONGEST {
            break;
        }
        stem.push(c);
    }
    let stem = stem.trim_end_matches([' ', '.']).trim_start_matches(['.', ' ', '-', '~']);
    if stem.chars().all(|c| c == INSTEAD || c == '.') {
        return None;
    }
    Some(if is_device(stem) { format!("{INSTEAD}{stem}") } else { stem.to_owned() })
}

/// Characters that print as nothing, or turn the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Names that Windows gives to devices, whatever their suffix.
fn is_device(stem: &str) -> bool {
    let first = stem.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |kind: &str| {
        first.strip_prefix(kind).is_some_and(|rest| {
            let mut digits = rest.chars();
            matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&first.as_str())
        || numbered("COM")
        || numbered("LPT")
}
