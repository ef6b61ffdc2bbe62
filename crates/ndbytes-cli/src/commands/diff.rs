//! `ndbytes diff`: whether two arrays hold the same values, and where they do not.

use crate::args::DiffArgs;
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::report::{Report, counted, grouped};
use crate::session::Session;
use crate::sources::Source;
use crate::values::values_at;
use ndbytes::raw::Raw;
use ndbytes::values::{Difference, Tolerance, compare};
use ndbytes::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashSet;

pub(crate) fn run(session: &Session, args: &DiffArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let tolerance =
        Tolerance { rtol: positive("--rtol", args.rtol)?, atol: positive("--atol", args.atol)? };
    let (left, right) = (Source::new(&args.left), Source::new(&args.right));
    if left == Source::Stdin && right == Source::Stdin {
        return Err(Error::argument("'-' stands twice; it can be read once"));
    }
    let ends = if raw.is_none() {
        (input::contents(session, &left)?, input::contents(session, &right)?)
    } else {
        (None, None)
    };
    let pairs = match ends {
        (None, None) => vec![Pair::Both(left, right)],
        (Some(ours), Some(theirs)) => pairs(&left, &right, &ours.arrays, &theirs.arrays),
        (Some(_), None) => return Err(one_of_many(&left)),
        (None, Some(_)) => return Err(one_of_many(&right)),
    };
    let mut exit = Exit::OK;
    for pair in pairs {
        let report = match &pair {
            Pair::Both(left, right) => both(session, left, right, raw.as_ref(), &tolerance),
            Pair::One(source, other) => Ok(missing(source, other)),
        };
        exit = exit.max(match report.and_then(|report| session.report(&report)) {
            Ok(exit) => exit,
            Err(error) => session.fail(&error),
        });
        if session.is_over() {
            break;
        }
    }
    Ok(exit)
}

/// What is compared.
enum Pair {
    Both(Source, Source),
    /// An array that only one of the archives has, and the other archive.
    One(Source, Source),
}

/// The arrays of two archives by their names, in the order of the first one; then what only the second has.
fn pairs(left: &Source, right: &Source, ours: &[String], theirs: &[String]) -> Vec<Pair> {
    let known = |names: &[String]| names.iter().cloned().collect::<HashSet<_>>();
    let (in_ours, in_theirs) = (known(ours), known(theirs));
    let both = ours.iter().map(|name| match in_theirs.contains(name) {
        true => Pair::Both(left.member(name), right.member(name)),
        false => Pair::One(left.member(name), right.clone()),
    });
    let rest = theirs.iter().filter(|name| !in_ours.contains(*name));
    both.chain(rest.map(|name| Pair::One(right.member(name), left.clone()))).collect()
}

fn one_of_many(archive: &Source) -> Error {
    let message =
        "an .npz holds many arrays, and is compared with another one; FILE.npz:NAME is one of them";
    Error::argument(message).in_file(archive.name())
}

fn missing(source: &Source, other: &Source) -> Report {
    let text = format!("{} has no counterpart in {}", source.name(), other.name());
    let json = json!({ "left": source.typed(), "right": null, "equal": false });
    Report { exit: Exit::DIFFERENCE, ..Report::new(text, json) }
}

fn both(
    session: &Session,
    left: &Source,
    right: &Source,
    raw: Option<&Raw>,
    tolerance: &Tolerance,
) -> Result<Report> {
    let (a, b) = (load(session, left, raw)?, load(session, right, raw)?);
    let (a, b) = (a.array.view(), b.array.view());
    let found = compare(&a, &b, tolerance, &mut |_| session.check())
        .map_err(|error| error.context(format!("{} and {}", left.name(), right.name())))?;
    let first = found.first.clone().map(|index| {
        let (left, right) = values_at((&a, &b), &index);
        First { index, left, right }
    });
    Ok(report(left, right, &found, first.as_ref()))
}

fn positive(option: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(Error::argument(format!("{option} must be a number from 0, found {value}")))
}

fn load(session: &Session, source: &Source, raw: Option<&Raw>) -> Result<Loaded> {
    input::load(session, source, raw, &mut session.watch())
}

/// The first differing item, with its values as NumPy prints them.
struct First {
    index: Vec<usize>,
    left: String,
    right: String,
}

fn report(left: &Source, right: &Source, found: &Difference, first: Option<&First>) -> Report {
    let equal = found.differing == 0;
    let verb = if equal { "are equal" } else { "differ" };
    let mut lines = vec![format!("{} and {} {verb}", left.name(), right.name())];
    let mut line = |what: &str, value: String| lines.push(format!("  {what:<9} {value}"));
    if equal {
        line("items", grouped(found.items));
    } else {
        line(
            "differing",
            format!("{} of {}", grouped(found.differing), counted(found.items, "item")),
        );
    }
    if let Some(first) = first {
        line("first", format!("at {:?}: {} and {}", first.index, first.left, first.right));
    }
    if let Some(largest) = &found.largest {
        line("largest", format!("at {:?}: apart by {:e}", largest.index, largest.error));
    }
    let exit = if equal { Exit::OK } else { Exit::DIFFERENCE };
    Report { exit, ..Report::new(lines.join("\n"), json(left, right, found, first)) }
}

fn json(left: &Source, right: &Source, found: &Difference, first: Option<&First>) -> Value {
    let first = first
        .map(|first| json!({ "index": first.index, "left": first.left, "right": first.right }));
    let largest = found.largest.as_ref().map(|largest| {
        // JSON has no infinity.
        let error = if largest.error.is_finite() { json!(largest.error) } else { json!("inf") };
        json!({ "index": largest.index, "error": error })
    });
    json!({
        "left": left.typed(), "right": right.typed(), "equal": found.differing == 0, "items": found.items,
        "differing": found.differing, "first": first, "largest": largest,
    })
}
