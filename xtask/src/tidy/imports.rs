//! The stairs of the core: each room stands on a floor, and a file may mention only rooms on its floor or below.

use std::collections::HashMap;

use super::File;
use super::paths::{modules, paths, tree};
use super::tokens::{Token, tokens, without_tests};

const SRC: &str = "crates/ndbytes/src/";

/// A new room goes here and in ARCHITECTURE.md.
const FLOORS: &[(&str, usize)] = &[
    ("error", 0),
    ("buffer", 0),
    ("limits", 0),
    ("threads", 0),
    ("json", 0),
    ("dtype", 1),
    ("array", 2),
    ("kernel", 3),
    ("codec", 4),
    ("digest", 4),
    ("values", 4),
    ("format", 5),
    ("io", 6),
    ("gzip", 7),
    ("zlib", 7),
];
/// From here up, the outside world may be touched.
const IO_FLOOR: usize = 6;
const OUTSIDE: &[&str] = &["io", "fs", "net", "time"];

/// The core's own names, as its `lib.rs` gives them out: name → room.
pub(super) struct Core<'t> {
    exports: HashMap<&'t str, &'t str>,
}

impl<'t> Core<'t> {
    pub(super) fn new(files: &'t [File]) -> Self {
        let mut exports = HashMap::new();
        let lib = files.iter().find(|file| file.path.strip_prefix(SRC) == Some("lib.rs"));
        let tokens = lib.map_or_else(Vec::new, |lib| tokens(&lib.text));
        for at in (1..tokens.len()).filter(|at| tokens[at - 1].text == "use") {
            let mut paths = Vec::new();
            tree(&tokens, at, &[], &mut paths);
            for path in paths {
                let room = path.segments.iter().find(|name| !matches!(**name, "crate" | "self"));
                if let Some(room) = room.filter(|room| floor(room).is_some()) {
                    exports.insert(path.name, *room);
                }
            }
        }
        Self { exports }
    }

    pub(super) fn imports(&self, file: &File, tokens: Vec<Token<'_>>, found: &mut Vec<String>) {
        let Some(inner) = file.path.strip_prefix(SRC) else { return };
        let modules = modules(inner);
        // The root stands above all floors; a file of tests may look anywhere.
        let (Some(room), false) = (modules.first(), inner.ends_with("/tests.rs")) else { return };
        let Some(here) = floor(room) else {
            let rooms: Vec<_> = FLOORS.iter().map(|(room, _)| *room).collect();
            found.push(format!(
                "{}:1: {room} is no room; the rooms are {}; give it a floor in xtask/src/tidy/imports.rs, \
                 or move it into a room",
                file.path,
                rooms.join(", ")
            ));
            return;
        };
        for path in paths(&without_tests(tokens), &modules) {
            let problem = match path.segments.as_slice() {
                // A span of time is a value; what tells the time stays outside.
                ["std", "time", "Duration"] => None,
                ["std", module, ..] => outside(room, here, module),
                ["crate", name, ..] => self.upward(room, here, name),
                _ => None,
            };
            if let Some(problem) = problem {
                found.push(format!("{}:{}: {problem}", file.path, path.line));
            }
        }
    }

    fn upward(&self, room: &str, here: usize, name: &str) -> Option<String> {
        if name == "self" {
            return None;
        }
        let target = self.exports.get(name).copied().unwrap_or(name);
        let Some(there) = floor(target) else {
            return Some(format!(
                "crate::{name} is neither a room nor a name that lib.rs takes from one; {room} may name rooms up to \
                 floor {here}; import it from its room"
            ));
        };
        (there > here).then(|| {
            format!(
                "{room} (floor {here}) imports crate::{name} of {target} (floor {there}); imports go down only; \
                 move what both need down, or this up"
            )
        })
    }
}

fn outside(room: &str, here: usize, module: &str) -> Option<String> {
    let touches = OUTSIDE.contains(&module) || module == "*";
    let wraps_io_errors = room == "error" && module == "io";
    (touches && here < IO_FLOOR && !wraps_io_errors).then(|| {
        format!(
            "std::{module} in {room} (floor {here}); io, fs, net and time stand on floor {IO_FLOOR} and above; \
             take the bytes or the value as an argument, and let io fetch it"
        )
    })
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[cfg(test)]
mod tests {
    use super::super::tests::tidy;

    const UP: &str = "imports go down only; move what both need down, or this up";
    const LIB: (&str, &str) = (
        "crates/ndbytes/src/lib.rs",
        "mod io; pub use error::{Error, Result}; pub use crate::io::file::{save as store, load}; use std::fs;",
    );

    /// The findings on one file of the core, without its path.
    fn core(inner: &str, text: &str) -> Vec<String> {
        let path = format!("crates/ndbytes/src/{inner}");
        let found = tidy(&[LIB, (&path, text)]);
        found.iter().map(|finding| finding.replacen(&format!("{path}:"), "", 1)).collect()
    }

    #[test]
    fn an_upward_import_is_found_wherever_it_stands() {
        let one = "3: kernel (floor 3) imports crate::format of format (floor 5); ".to_owned() + UP;
        for text in [
            "\n\nuse crate::format::npy;",
            "\nuse crate::{array::{self, Layout},\n format as f, error::Error};",
            "\n\nfn f(x: &crate::format::Piece<'_>) {}",
            "\n\nuse super::super::format::Piece;",
            "mod m {\n\n use super::super::super::format; }",
            "mod m {}\n\nuse super::{super::format::x, swap};",
            "\n\nuse ::std::fmt; use super::super::{format};",
            "\n\nimpl From<crate::format::Piece> for X {}",
        ] {
            assert_eq!(core("kernel/copy.rs", text), [one.as_str()], "{text}");
        }
    }

    #[test]
    fn imports_of_the_same_floor_and_down_are_clean() {
        for text in [
            "use crate::{kernel::{self, swap}, array, dtype::*, error::Error, buffer};",
            "use super::{swap, super::array::Layout}; use self::x::format; pub(crate) fn f() {}",
            "use crate::Error; fn f() -> crate::Result<()> { a::crate_io::io() }",
            "// crate::io::x\n/// [`crate::io`]\nlet s = \"crate::io\";",
            "mod m { mod n { use super::super::super::array; } use super::io; } use super::format;",
            "#[cfg(test)] mod tests { use crate::io::save; use std::fs; }",
        ] {
            assert_eq!(core("kernel/copy.rs", text), [""; 0], "{text}");
        }
        assert_eq!(core("kernel/tests.rs", "use crate::io::save;"), [""; 0]);
        assert_eq!(
            core("io/mod.rs", "use crate::format; use std::{fs, io}; use crate::load;"),
            [""; 0]
        );
    }

    #[test]
    fn names_of_lib_rs_stand_on_the_floor_of_their_room() {
        let text = "use crate::load;\nuse crate::{Error, store};\ncrate::save();\n";
        assert_eq!(
            core("format/mod.rs", text),
            [
                format!("1: format (floor 5) imports crate::load of io (floor 6); {UP}"),
                format!("2: format (floor 5) imports crate::store of io (floor 6); {UP}"),
                "3: crate::save is neither a room nor a name that lib.rs takes from one; format may name rooms \
                 up to floor 5; import it from its room"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn a_file_at_the_root_climbs_by_one_super() {
        assert_eq!(
            core("error.rs", "use super::dtype::DType;"),
            [format!("1: error (floor 0) imports crate::dtype of dtype (floor 1); {UP}")]
        );
    }

    #[test]
    fn the_outside_is_found_below_io() {
        let rule = "io, fs, net and time stand on floor 6 and above; take the bytes or the value as an argument, \
                    and let io fetch it";
        assert_eq!(
            core(
                "format/mod.rs",
                "use std::{fmt, io::Read};\nuse core::time;\nlet t = ::std::time::Instant::now();"
            ),
            [
                format!("1: std::io in format (floor 5); {rule}"),
                format!("3: std::time in format (floor 5); {rule}"),
            ]
        );
        assert_eq!(
            core("format/mod.rs", "use std::time::{Duration, Instant};"),
            [format!("1: std::time in format (floor 5); {rule}")]
        );
        assert_eq!(core("format/mod.rs", "use std::time::Duration;"), [""; 0]);
        assert_eq!(
            core("error.rs", "use std::io;\nuse std::fs;"),
            [format!("2: std::fs in error (floor 0); {rule}")]
        );
    }

    #[test]
    fn a_room_without_a_floor_is_found() {
        assert_eq!(
            core("cellar/mod.rs", ""),
            [
                "1: cellar is no room; the rooms are error, buffer, limits, threads, json, dtype, array, kernel, codec, digest, values, \
              format, io, gzip, zlib; give it a floor in xtask/src/tidy/imports.rs, or move it into a room"
            ]
        );
    }

    #[test]
    fn unfinished_trees_end() {
        for text in
            ["use crate::{", "use crate::", "use crate::{a::{b,", "use super::{!", "use std::"]
        {
            let _ = core("kernel/mod.rs", text);
        }
    }
}
