//! Python's slice syntax: `0:3, ..., -1, ::2`.

use ndbytes::{Error, Result, Slice};
use std::str::FromStr;

/// What is taken of an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slices(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// One index; the axis goes.
    Index(i128),
    Range {
        start: Option<i128>,
        stop: Option<i128>,
        step: i128,
    },
    /// All axes that no other part names.
    Ellipsis,
}

const ALL: Part = Part::Range { start: None, stop: None, step: 1 };

impl FromStr for Slices {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let inner = text.trim();
        let inner =
            inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner);
        // As in Python, a comma may stand behind the last part.
        let inner = inner.strip_suffix(',').unwrap_or(inner);
        let parts = inner.split(',').map(part).collect::<Option<Vec<Part>>>();
        let parts = parts.ok_or_else(|| {
            Error::argument(format!(
                "--slice {text:?}: expected indices and start:stop:step as in Python, separated by commas"
            ))
        })?;
        if parts.iter().filter(|part| **part == Part::Ellipsis).count() > 1 {
            return Err(Error::argument(format!("--slice {text:?}: '...' may stand once")));
        }
        if parts.iter().any(|part| matches!(part, Part::Range { step: 0, .. })) {
            return Err(Error::argument(format!("--slice {text:?}: a step of 0 leads nowhere")));
        }
        Ok(Self(parts))
    }
}

fn part(text: &str) -> Option<Part> {
    let text = text.trim();
    if text == "..." {
        return Some(Part::Ellipsis);
    }
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits => digits.parse::<i64>().ok().map(|number| Some(i128::from(number))),
    };
    let mut bounds = text.split(':');
    let first = number(bounds.next()?)?;
    let Some(stop) = bounds.next() else { return first.map(Part::Index) };
    let step = number(bounds.next().unwrap_or(""))?.unwrap_or(1);
    let stop = number(stop)?;
    bounds.next().is_none().then_some(Part::Range { start: first, stop, step })
}

impl Slices {
    /// The first so many along the first axis.
    pub(super) fn rows(rows: usize) -> Self {
        let stop = i128::try_from(rows).ok();
        Self(vec![Part::Range { start: Some(0), stop, step: 1 }])
    }

    /// One slice for each axis, and the axes that go.
    ///
    /// # Errors
    /// Argument for more parts than axes, and for an index outside its axis.
    pub(super) fn resolve(&self, shape: &[usize]) -> Result<(Vec<Slice>, Vec<usize>)> {
        let named = self.0.iter().filter(|part| **part != Part::Ellipsis).count();
        let Some(unnamed) = shape.len().checked_sub(named) else {
            let axes = if shape.len() == 1 { "1 axis" } else { &format!("{} axes", shape.len()) };
            let message = format!("{named} slices for an array of {axes}, shape {shape:?}");
            return Err(Error::argument(message));
        };
        let at = self.0.iter().position(|part| *part == Part::Ellipsis).unwrap_or(self.0.len());
        let (before, after) = self.0.split_at(at);
        let all = std::iter::repeat_n(&ALL, unnamed);
        let parts = before.iter().chain(all).chain(after.iter().skip(1));
        let mut slices = Vec::with_capacity(shape.len());
        let mut dropped = Vec::new();
        for (axis, (part, &len)) in parts.zip(shape).enumerate() {
            if matches!(part, Part::Index(_)) {
                dropped.push(axis);
            }
            slices.push(part.on(axis, len)?);
        }
        Ok((slices, dropped))
    }
}

impl Part {
    fn on(self, axis: usize, len: usize) -> Result<Slice> {
        let size = len as i128;
        match self {
            Self::Index(index) => {
                let from_start = if index < 0 { index + size } else { index };
                match usize::try_from(from_start) {
                    Ok(start) if start < len => Ok(Slice { start, len: 1, step: 1 }),
                    _ if len == 0 => Err(Error::argument(format!(
                        "axis {axis} has no items, so no index {index}"
                    ))),
                    _ => Err(Error::argument(format!(
                        "axis {axis} has no index {index}: its length is {len}, so -{len} to {} are allowed",
                        len - 1
                    ))),
                }
            }
            Self::Ellipsis => ALL.on(axis, len),
            Self::Range { start, stop, step } => {
                // Python's rule: bounds are moved into the axis, for a negative step into -1 to len - 1.
                let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
                let bound =
                    |bound: i128| (if bound < 0 { bound + size } else { bound }).clamp(low, high);
                let start = start.map_or(if step > 0 { low } else { high }, bound);
                let stop = stop.map_or(if step > 0 { high } else { low }, bound);
                let reach = if step > 0 { stop - start } else { start - stop };
                let count = if reach > 0 { (reach - 1) / step.abs() + 1 } else { 0 };
                let fits = || Error::overflow("a slice");
                Ok(Slice {
                    start: if count == 0 {
                        0
                    } else {
                        usize::try_from(start).map_err(|_| fits())?
                    },
                    len: usize::try_from(count).map_err(|_| fits())?,
                    // A step that is never taken must not overflow a stride.
                    step: if count > 1 { isize::try_from(step).map_err(|_| fits())? } else { 1 },
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, shape: &[usize]) -> Result<Vec<(usize, usize, isize)>> {
        let (slices, _) = text.parse::<Slices>()?.resolve(shape)?;
        Ok(slices.iter().map(|slice| (slice.start, slice.len, slice.step)).collect())
    }

    #[test]
    fn python_takes_the_same() {
        assert_eq!(resolved("0:3, :", &[10, 4]).unwrap(), [(0, 3, 1), (0, 4, 1)]);
        assert_eq!(resolved("[::-1]", &[5]).unwrap(), [(4, 5, -1)]);
        assert_eq!(resolved("-100:100:3", &[5]).unwrap(), [(0, 2, 3)]);
        assert_eq!(resolved("4:0:-2", &[5]).unwrap(), [(4, 2, -2)]);
        assert_eq!(resolved("3:1", &[5]).unwrap(), [(0, 0, 1)]);
        assert_eq!(resolved("..., -1", &[2, 3, 4]).unwrap(), [(0, 2, 1), (0, 3, 1), (3, 1, 1)]);
        assert_eq!(resolved("1,", &[2, 3]).unwrap(), [(1, 1, 1), (0, 3, 1)]);
        assert_eq!(resolved("::9223372036854775807", &[5]).unwrap(), [(0, 1, 1)]);
        assert_eq!("1,...,2".parse::<Slices>().unwrap().resolve(&[3, 3, 3]).unwrap().1, [0, 2]);
    }

    #[test]
    fn errors_name_the_axis_and_what_is_allowed() {
        let error =
            |text: &str, shape: &[usize]| resolved(text, shape).unwrap_err().message().to_owned();
        assert_eq!(
            error(":, 4", &[2, 4]),
            "axis 1 has no index 4: its length is 4, so -4 to 3 are allowed"
        );
        assert_eq!(error("0", &[0]), "axis 0 has no items, so no index 0");
        assert_eq!(error("0,0", &[3]), "2 slices for an array of 1 axis, shape [3]");
        for bad in ["", "a", "1:2:3:4", "1..2", "...,...", "::0", "1 2", "99999999999999999999"] {
            assert!(resolved(bad, &[3, 3]).is_err(), "{bad}");
        }
    }
}
