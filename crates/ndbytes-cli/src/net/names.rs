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
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Component, Path};

    #[test]
    fn names_stay_names() {
        for (name, stem) in [
            ("ecg", Some("ecg")),
            ("déjà vu 2.1", Some("déjà vu 2.1")),
            (" padded ", Some("padded")),
            ("../../evil", Some("_.._evil")),
            ("/etc/passwd", Some("_etc_passwd")),
            ("C:\\windows", Some("C__windows")),
            (".hidden", Some("hidden")),
            ("-rf", Some("rf")),
            ("a\0b\r\nc\u{7f}\u{9b}", Some("a_b__c__")),
            ("name. . .", Some("name")),
            ("con", Some("_con")),
            ("COM1.txt", Some("_COM1.txt")),
            ("lpt³", Some("_lpt³")),
            ("com10", Some("com10")),
            ("console", Some("console")),
            ("\u{202e}gpj", Some("_gpj")),
            ("zero\u{200b}width", Some("zero_width")),
            ("a?b*c|d<e>f\"g", Some("a_b_c_d_e_f_g")),
            ("", None),
            (".", None),
            ("..", None),
            ("/", None),
            ("\u{feff}", None),
        ] {
            assert_eq!(file_stem(name).as_deref(), stem, "{name:?}");
        }
        let long = file_stem(&"é".repeat(300)).unwrap();
        assert_eq!(long, "é".repeat(LONGEST / 2));
    }

    /// Ways out of a folder, put together in every way.
    #[test]
    fn no_name_leads_out_of_a_folder() {
        let parts = [
            "..", ".", "/", "\\", "//", "a", "%2e%2e", "%2f", "\0", "C:", "~", "\u{ff0e}", "..;",
            ":$DATA", "\u{2215}", "CON", " ", "\n",
        ];
        let mut tried = 0;
        for a in parts {
            for b in parts {
                for c in parts {
                    let Some(stem) = file_stem(&format!("{a}{b}{c}")) else { continue };
                    tried += 1;
                    let name = format!("{stem}.npy");
                    let mut components = Path::new(&name).components();
                    let only = components.next().map(|one| matches!(one, Component::Normal(_)));
                    assert_eq!((only, components.next()), (Some(true), None), "{name:?}");
                    assert!(!name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.'));
                    assert!(!name.chars().any(char::is_control), "{name:?}");
                    assert_eq!(file_stem(&stem).as_deref(), Some(&*stem), "it is settled");
                }
            }
        }
        assert!(tried > 2000);
    }
}
