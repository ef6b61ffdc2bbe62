//! How the demo looks: plain text of 80 columns.

use super::arrays::Sample;
use super::trips::{Leg, Tally};
use super::ways::{WAYS, Way};
use crate::names::shape;
use crate::report::{counted, grouped, percent};
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
    let (array, total) = (&sample.array, tally.total());
    cells([
        &sample.name,
        &sample.what,
        &array.dtype().to_string(),
        &shape(array.shape()),
        &grouped(array.nbytes() as u64),
        &exact(&total),
        &grouped(total.rate()),
    ])
}

pub(super) fn row_json(sample: &Sample, tally: &Tally) -> Value {
    let (array, total) = (&sample.array, tally.total());
    let way = |(way, leg): (&Way, &Leg)| {
        json!({
            "way": way.name, "trips": leg.trips, "exact": leg.exact, "bytes": leg.bytes, "stored": leg.stored,
            "seconds": leg.time.as_secs_f64(), "mb_per_s": leg.rate(),
        })
    };
    json!({
        "array": sample.name, "spec": Spec::exact(array.dtype().clone(), array.shape()).to_string(),
        "bytes": array.nbytes(), "trips": total.trips, "exact": total.exact,
        "seconds": total.time.as_secs_f64(), "mb_per_s": total.rate(),
        "ways": WAYS.iter().zip(&tally.legs).map(way).collect::<Vec<_>>(),
    })
}

/// The ways, each with what all arrays together were on it.
pub(super) fn ways(tally: &Tally) -> String {
    let line = "-".repeat(WIDTH);
    let sent = tally.legs.first().map_or(0, |leg| leg.bytes);
    let head = way_cells(["way", "bytes on the way", "of the data", "time", "MB/s", "exact"]);
    let rows = WAYS.iter().zip(&tally.legs).map(|(way, leg)| {
        way_cells([
            way.name,
            &grouped(leg.stored),
            &percent(leg.stored, leg.bytes),
            &format!("{:.3} s", leg.time.as_secs_f64()),
            &grouped(leg.rate()),
            &exact(leg),
        ])
    });
    let rows: Vec<String> = rows.collect();
    let all = format!("What each way took for the same {} bytes of data:", grouped(sent));
    format!("{line}\n{all}\n\n{head}\n{line}\n{}", rows.join("\n"))
}

fn exact(leg: &Leg) -> String {
    format!("{}/{}", leg.exact, leg.trips)
}

pub(super) fn total(tally: &Tally) -> String {
    let tally = tally.total();
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

fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes.div_ceil(1_000_000)))
}

/// One line of the table of ways: 80 columns.
fn way_cells([name, stored, part, time, rate, exact]: [&str; 6]) -> String {
    format!("{name:<14} {stored:>18} {part:>13} {time:>11} {rate:>9} {exact:>10}")
}

/// One line of the table of arrays: 80 columns.
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
        assert_eq!(way_cells(["a"; 6]).chars().count(), WIDTH);
    }
}
