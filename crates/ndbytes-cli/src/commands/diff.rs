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

pub(crate) fn run(session: &Session, args: &DiffArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let tolerance =
        Tolerance { rtol: positive("--rtol", args.rtol)?, atol: positive("--atol", args.atol)? };
    let (left, right) = (Source::new(&args.left), Source::new(&args.right));
    if left == Source::Stdin && right == Source::Stdin {
        return Err(Error::argument("'-' stands twice; it can be read once"));
    }
    let (a, b) = (load(session, &left, raw.as_ref())?, load(session, &right, raw.as_ref())?);
    let (a, b) = (a.array.view(), b.array.view());
    let found = compare(&a, &b, &tolerance, &mut |_| session.check())
        .map_err(|error| error.context(format!("{} and {}", left.name(), right.name())))?;
    let first = found.first.clone().map(|index| {
        let (left, right) = values_at((&a, &b), &index);
        First { index, left, right }
    });
    session.report(&report(&left, &right, &found, first.as_ref()))
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
