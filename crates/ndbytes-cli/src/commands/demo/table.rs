//! How the demo looks: plain text of 80 columns.

use super::arrays::Sample;
use super::trips::{Tally, Way};
use crate::names::shape;
use crate::report::{counted, grouped};
use ndbytes::Spec;
use serde_json::{Value, json};

const WIDTH: usize = 80;

pub(super) fn intro(samples: &[Sample], ways: &[Way]) -> String {
    let arrays = counted(samples.len() as u64, "array");
    let mut text = wrapped(
        "",
        &format!(
            "{arrays}, each in C order, Fortran order, transposed and backwards, in both byte orders, \
             {} ways there and back:",
            ways.len()
        ),
    );
    text.push('\n');
    for way in ways {
        text.push_str(&format!("\n  {:<13} {}", way.name, way.what));
    }
    let head = cells(["array", "what", "dtype", "shape", "bytes", "exact", "MB/s"]);
    format!("{text}\n\n{head}\n{}", "-".repeat(WIDTH))
}

pub(super) fn row(sample: &Sample, tally: &Tally) -> String {
    let array = &sample.array;
    cells([
        &sample.name,
        &sample.what,
        &array.dtype().to_string(),
        &shape(array.shape()),
        &grouped(array.nbytes() as u64),
        &format!("{}/{}", tally.exact, tally.trips),
        &grouped(rate(tally)),
    ])
}

pub(super) fn row_json(sample: &Sample, tally: &Tally) -> Value {
    let array = &sample.array;
    json!({
        "array": sample.name, "spec": Spec::exact(array.dtype().clone(), array.shape()).to_string(),
        "bytes": array.nbytes(), "trips": tally.trips, "exact": tally.exact,
        "seconds": tally.time.as_secs_f64(), "mb_per_s": rate(tally),
    })
}

pub(super) fn total(tally: &Tally) -> String {
    let verdict = if tally.exact == tally.trips {
        format!("All {} round trips are exact", grouped(tally.trips))
    } else {
        format!("{} of {} round trips ARE NOT EXACT", tally.trips - tally.exact, tally.trips)
    };
    let seconds = tally.time.as_secs_f64();
    let text = format!(
        "{verdict}: dtype, shape, order and every bit. {} there and back in {seconds:.2} s.",
        megabytes(tally.bytes)
    );
    format!("{}\n{}\n\nNow damage:", "-".repeat(WIDTH), wrapped("", &text))
}

pub(super) fn damage(what: &str, said: &str, numpy: &str) -> String {
    let heading = wrapped("  ", what);
    format!("\n{heading}\n{}\n{}", wrapped("    ndbytes  ", said), wrapped("    NumPy    ", numpy))
}

pub(super) fn outro() -> String {
    wrapped(
        "\n",
        "Your own files: 'ndbytes demo FILE', 'ndbytes checksum FILE' to protect them, 'ndbytes verify FILE' to \
         check them.",
    )
}

/// Millions of bytes a second, there and back counted once.
fn rate(tally: &Tally) -> u64 {
    let micros = u64::try_from(tally.time.as_micros()).unwrap_or(u64::MAX).max(1);
    tally.bytes / micros
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes.div_ceil(1_000_000)))
}

/// One line of the table: 80 columns.
fn cells([name, what, dtype, shape, bytes, exact, rate]: [&str; 7]) -> String {
    format!(
        "{:<13} {:<14} {:<5} {:<14} {bytes:>11} {exact:>7} {rate:>10}",
        fitted(name, 13),
        fitted(what, 14),
        fitted(dtype, 5),
        fitted(shape, 14),
    )
}

/// At most so many characters, the last one `…` if some are missing.
fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Words in lines of at most 80 columns; the first line starts with `lead`, the others align with it.
fn wrapped(lead: &str, text: &str) -> String {
    let indent = " ".repeat(lead.trim_start_matches('\n').chars().count());
    let (mut lines, mut line) = (Vec::new(), lead.to_owned());
    let mut empty = true;
    for word in text.split(' ') {
        if !empty
            && line.trim_start_matches('\n').chars().count() + 1 + word.chars().count() > WIDTH
        {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_no_word_is_lost() {
        let text = "word ".repeat(60);
        let lines = wrapped("    NumPy    ", text.trim());
        assert!(lines.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(lines.matches("word").count(), 60);
        assert!(lines.lines().skip(1).all(|line| line.starts_with("             word")));
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(cells(["a"; 7]).chars().count(), WIDTH);
    }
}
