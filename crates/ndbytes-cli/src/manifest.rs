//! Lines of digests and paths, as b3sum and coreutils write them.

use crate::formats::{FormatArg, named_as};
use ndbytes::{Digest, Error, Result};
use std::collections::HashMap;
use std::path::Path;

const WANTED: &str = "expected a digest of 64 hexadecimal digits, two spaces and a path";

/// The line of an array; a path with a backslash or a line break is escaped, which a backslash in front says.
pub(crate) fn line(digest: &Digest, label: &str) -> String {
    let escaped = label.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let sign = if escaped == label { "" } else { "\\" };
    format!("{sign}{digest}  {escaped}")
}

/// A line of a manifest.
#[derive(Debug)]
pub(crate) struct Line {
    /// From 1 on.
    pub(crate) number: usize,
    pub(crate) digest: Digest,
    /// The path, and the name in an archive.
    pub(crate) label: String,
}

impl Line {
    /// Whether it names this path, a leading `./` aside.
    pub(crate) fn is_of(&self, label: &str) -> bool {
        plain(&self.label) == plain(label)
    }

    fn parse(number: usize, text: &str) -> Result<Self> {
        let wrong =
            |why: &str| Error::malformed(format!("line {number}: {why}, found {:?}", cut(text)));
        let (escaped, rest) = match text.strip_prefix('\\') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let parts = rest.split_once("  ").filter(|(_, path)| !path.is_empty());
        let (digest, path) = parts.ok_or_else(|| wrong(WANTED))?;
        let digest = digest.parse().map_err(|_| wrong(WANTED))?;
        let label = if escaped { unescaped(path) } else { Some(path.to_owned()) };
        let label = label.ok_or_else(|| wrong("an escaped path has \\\\, \\n and \\r only"))?;
        Ok(Self { number, digest, label })
    }
}

/// The lines of a manifest, and where to find them.
#[derive(Debug)]
pub(crate) struct Manifest {
    lines: Vec<Line>,
    by_path: HashMap<String, usize>,
    by_stem: HashMap<String, Vec<usize>>,
}

impl Manifest {
    /// Reads a manifest; its last line may lack a line break.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Malformed`] with the line's number, also for a path that stands twice with two digests, and
    /// for a manifest without lines.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let (mut lines, mut by_path, mut by_stem) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        pieces.pop_if(|last| last.is_empty());
        for (number, piece) in (1..).zip(pieces) {
            let text = std::str::from_utf8(piece)
                .map_err(|_| Error::malformed(format!("line {number}: not UTF-8")))?;
            let line = Line::parse(number, text.strip_suffix('\r').unwrap_or(text))?;
            let path = plain(&line.label).to_owned();
            let known = by_path.get(&path).and_then(|&at| lines.get(at));
            if let Some(Line { number: first, .. }) =
                known.filter(|known: &&Line| known.digest != line.digest)
            {
                let path = &line.label;
                return Err(Error::malformed(format!(
                    "line {number}: {path:?} stands in line {first} with another digest"
                )));
            }
            if known.is_none() {
                by_path.insert(path, lines.len());
                let fitting: &mut Vec<usize> =
                    by_stem.entry(stem(&line.label).to_owned()).or_default();
                fitting.push(lines.len());
            }
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(Error::malformed(format!("no line in it; {WANTED} in each")));
        }
        Ok(Self { lines, by_path, by_stem })
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line of this path, or the only one whose path is the same but for the format's suffix.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] if there is none, or several fit.
    pub(crate) fn find(&self, label: &str) -> Result<&Line> {
        if let Some(line) = self.by_path.get(plain(label)).and_then(|&at| self.lines.get(at)) {
            return Ok(line);
        }
        let fitting = self.by_stem.get(stem(label)).map_or(&[][..], Vec::as_slice);
        let mut lines = fitting.iter().filter_map(|&at| self.lines.get(at));
        match (lines.next(), lines.next()) {
            (Some(line), None) => Ok(line),
            (None, _) => Err(Error::argument(
                "no line of the manifest has this path, or this path with another suffix",
            )),
            (Some(one), Some(two)) => Err(Error::argument(format!(
                "lines {} and {} of the manifest both have this path with another suffix, and none has it as it is",
                one.number, two.number
            ))),
        }
    }
}

/// A path without what does not matter.
fn plain(label: &str) -> &str {
    let mut label = label;
    while let Some(rest) = label.strip_prefix("./") {
        label = rest;
    }
    label
}

/// A path without the suffixes of its format, if its name says one.
fn stem(label: &str) -> &str {
    let label = plain(label);
    let path = Path::new(label);
    let suffix = named_as(path)
        .filter(|(_, format)| *format != FormatArg::Npz)
        .zip(path.file_name())
        .map(|((stem, _), name)| name.len() - stem.len());
    label.get(..label.len().saturating_sub(suffix.unwrap_or(0))).unwrap_or(label)
}

fn unescaped(path: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), path.chars());
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => match rest.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

/// As much of a line as an error shows.
fn cut(text: &str) -> String {
    const MOST: usize = 80;
    let front: String = text.chars().take(MOST).collect();
    if front.len() < text.len() { format!("{front}…") } else { front }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        [byte; Digest::LEN].into()
    }

    fn parse(lines: &[(u8, &str)]) -> Manifest {
        let lines: Vec<String> =
            lines.iter().map(|(sum, label)| line(&digest(*sum), label)).collect();
        Manifest::parse(lines.join("\n").as_bytes()).unwrap()
    }

    #[test]
    fn lines_read_back_whatever_the_path() {
        for label in
            ["a.npy", "x y  z", "-", "a\nb", "a\\nb", "\\", "r\r", "é日", "x.npz:a\\b", " a "]
        {
            let found = parse(&[(1, label)]);
            assert_eq!(
                (&*found.lines()[0].label, found.lines()[0].digest),
                (label, digest(1)),
                "{label:?}"
            );
        }
        let sum = "01".repeat(32);
        assert_eq!(line(&digest(1), "a\\b\n"), format!("\\{sum}  a\\\\b\\n"));
        assert_eq!(line(&digest(1), "a b"), format!("{sum}  a b"));
        assert_eq!(
            Manifest::parse(format!("{sum}  a\r\n").as_bytes()).unwrap().lines()[0].label,
            "a"
        );
    }

    #[test]
    fn a_file_has_the_line_of_its_path_or_of_its_path_without_suffix() {
        let found = parse(&[
            (1, "./d/a.npy"),
            (2, "a.npy"),
            (3, "b.npy"),
            (4, "b.npy.gz"),
            (5, "c"),
            (6, "x.npz:a"),
        ]);
        let line = |label| found.find(label).map(|line| line.number);
        for (label, number) in [
            ("d/a.npy", 1),
            ("d/a.ndb", 1),
            ("./a.raw", 2),
            ("a.npy.zz", 2),
            ("b.npy", 3),
            ("./b.npy.gz", 4),
            ("c", 5),
            ("c.npy", 5),
            ("x.npz:a", 6),
            ("././a", 2),
        ] {
            assert_eq!(line(label).unwrap(), number, "{label}");
        }
        let error = line("b.ndb").unwrap_err();
        assert!(error.message().starts_with("lines 3 and 4 of the manifest"), "{error}");
        for label in ["e.npy", "d/c", "x.npz", "x.npz:b", "a.txt"] {
            let error = line(label).unwrap_err();
            assert!(error.message().starts_with("no line of the manifest"), "{label}: {error}");
        }
    }

    #[test]
    fn what_is_malformed_is_named_with_its_line() {
        let sum = "01".repeat(32);
        for (second, said) in [
            ("x", "line 2: expected a digest"),
            ("", "line 2: expected a digest"),
            (&*format!("{sum} a"), "line 2: expected a digest"),
            (&*format!("{sum}  "), "line 2: expected a digest"),
            (&*format!("{}  a", &sum[1..]), "line 2: expected a digest"),
            (&*format!("\\{sum}  a\\b"), "line 2: an escaped path"),
            (&*format!("\\{sum}  a\\"), "line 2: an escaped path"),
            (
                &*format!("{}  ./a", "02".repeat(32)),
                "line 2: \"./a\" stands in line 1 with another digest",
            ),
        ] {
            let text = format!("{sum}  a\n{second}\n{sum}  c\n");
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(error.message().starts_with(said), "{second:?}: {error}");
        }
        assert!(Manifest::parse(b"").unwrap_err().message().starts_with("no line in it"));
        assert!(Manifest::parse(b"\xff\n").unwrap_err().message().starts_with("line 1: not UTF-8"));
        assert_eq!(parse(&[(1, "a"), (1, "a")]).lines().len(), 2);
    }
}
