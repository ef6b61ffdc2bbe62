//! Where members may be extracted to.

use crate::error::{Error, Result, quoted};
use std::collections::HashMap;
use std::path::PathBuf;

/// Names that Windows keeps for devices, whatever ending they have.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// The same, with a digit behind: 1 to 9, or one of these in superscript.
const NUMBERED: [&str; 2] = ["COM", "LPT"];
const SUPERSCRIPT: [char; 3] = ['¹', '²', '³'];
/// Characters that no name on Windows may have; a colon begins a drive, or a stream of a file.
const FORBIDDEN: [char; 7] = ['\\', ':', '*', '?', '"', '<', '>'];
/// The most bytes of a component that file systems take.
const LONGEST: usize = 255;

/// The path below a folder to which a member of this name may be extracted, on any system: it is relative, has no `..`, and names no
/// device. Names of members are opaque keys otherwise, which nobody needs to follow.
///
/// ```
/// use ndbytes::io::npz::safe_path;
/// assert_eq!(safe_path("params/dense.npy")?, std::path::Path::new("params").join("dense.npy"));
/// assert!(safe_path("../dense.npy").is_err());
/// # Ok::<(), ndbytes::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument), with what is wrong with the name.
pub fn safe_path(name: &str) -> Result<PathBuf> {
    let wrong = |what: &str| {
        let message = format!(
            "member {} cannot be extracted: {what}; read it by its name instead",
            quoted(name)
        );
        Err(Error::argument(message))
    };
    if name.starts_with('/') {
        return wrong("its name is an absolute path");
    }
    if let Some(character) =
        name.chars().find(|&c| c.is_control() || c == '|' || FORBIDDEN.contains(&c))
    {
        return wrong(&format!("its name has the character {}", quoted(&character.to_string())));
    }
    let mut path = PathBuf::new();
    for component in name.split('/') {
        match component {
            "" => return wrong("its name has an empty part"),
            "." | ".." => return wrong("its name leads to another folder"),
            _ if component.len() > LONGEST => {
                return wrong("a part of its name has over 255 bytes");
            }
            _ if component.ends_with(['.', ' ']) => {
                return wrong(
                    "a part of its name ends with a dot or a space, which Windows leaves out",
                );
            }
            _ if is_device(component) => return wrong("its name is one of a device on Windows"),
            _ => path.push(component),
        }
    }
    Ok(path)
}

/// The paths of all members of an archive, none of which stands in another's way: on file systems that do not tell upper from lower
/// case two names may be one, and a member cannot be a file and the folder of others.
///
/// Names that differ only in how Unicode composes them are for whoever extracts to find: no existing file is to be overwritten.
///
/// # Errors
/// As [`safe_path`], and [`Argument`](crate::ErrorKind::Argument) for two that clash.
pub fn safe_paths<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Vec<PathBuf>> {
    let names: Vec<&str> = names.into_iter().collect();
    let paths = names.iter().map(|name| safe_path(name)).collect::<Result<Vec<_>>>()?;
    let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let mut taken = HashMap::new();
    let clash = |one: &str, other: &str| {
        let (one, other) = (quoted(one), quoted(other));
        let message = format!(
            "members {one} and {other} would be extracted to one place; read them by their names instead"
        );
        Err(Error::argument(message))
    };
    for (folded, name) in folded.iter().zip(&names) {
        if let Some(other) = taken.insert(folded.as_str(), *name) {
            return clash(other, name);
        }
    }
    for (folded, name) in folded.iter().zip(&names) {
        let folders = folded.match_indices('/').filter_map(|(end, _)| folded.get(..end));
        if let Some(other) = folders.filter_map(|folder| taken.get(folder)).next() {
            return clash(other, name);
        }
    }
    Ok(paths)
}

/// The name as file systems compare it that do not tell upper from lower case.
fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// Whether Windows takes it for a device: by what stands before its first dot.
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = NUMBERED.iter().filter_map(|device| stem.strip_prefix(device)).any(|rest| {
        let mut rest = rest.chars();
        let digit = rest.next().is_some_and(|c| c.is_ascii_digit() || SUPERSCRIPT.contains(&c));
        digit && rest.next().is_none()
    });
    numbered || DEVICES.contains(&&*stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_a_folder_or_an_error() {
        for name in
            ["a.npy", "a/b/c.npy", "é☃.npy", "...npy", "a b.npy", "console.npy", "com.npy", "com10"]
        {
            let path = safe_path(name).unwrap();
            assert!(path.is_relative());
            assert_eq!(path.components().count(), name.split('/').count(), "{name}");
            let all = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            assert!(all, "{name}");
        }
        let long = "n".repeat(256);
        for (name, what) in [
            ("", "an empty part"),
            ("/a", "an absolute path"),
            ("//server/share/a", "an absolute path"),
            ("a//b", "an empty part"),
            ("a/", "an empty part"),
            ("../a", "leads to another folder"),
            ("a/../b", "leads to another folder"),
            ("a/..", "leads to another folder"),
            ("./a", "leads to another folder"),
            ("..", "leads to another folder"),
            ("c:a", "has the character \":\""),
            ("C:/a", "has the character \":\""),
            ("a\\b", "has the character"),
            ("\\\\server\\a", "has the character"),
            ("a\0", "has the character"),
            ("a\n", "has the character"),
            ("a?.npy", "has the character"),
            ("a|b", "has the character"),
            ("con", "a device"),
            ("NUL.npy", "a device"),
            ("x/Aux.tar.gz", "a device"),
            ("com1", "a device"),
            ("LPT³.npy", "a device"),
            ("con .npy", "a device"),
            ("a.", "ends with a dot"),
            ("a /b", "ends with a dot"),
            (&*long, "over 255 bytes"),
        ] {
            let error = safe_path(name).unwrap_err();
            assert!(error.message().contains(what), "{name:?}: {error}");
        }
    }

    #[test]
    fn paths_that_clash_are_refused() {
        assert_eq!(safe_paths(["a/b", "a/c", "d"]).unwrap().len(), 3);
        for names in
            [["a", "A"], ["straße", "STRASSE"], ["a/b", "A"], ["a", "a/b"], ["É.npy", "é.npy"]]
        {
            let error = safe_paths(names).unwrap_err();
            assert!(error.message().contains("to one place"), "{names:?}: {error}");
        }
        assert!(safe_paths(["a", ".."]).is_err());
    }
}
