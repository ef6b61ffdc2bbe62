//! Round trips: each view of an array, in each byte order, by each way, compared bit for bit.

use super::arrays::Sample;
use super::ways::WAYS;
use crate::exit::Exit;
use crate::session::Session;
use ndbytes::{Array, ArrayRef, Endian, Error, Order, Result, Slice, Spec, to_bytes};
use std::path::Path;
use std::time::{Duration, Instant};

/// An array in a certain order in memory, seen in a certain way.
struct View {
    name: &'static str,
    order: Order,
    take: for<'a> fn(&ArrayRef<'a>) -> Result<ArrayRef<'a>>,
}

const VIEWS: &[View] = &[
    View { name: "C order", order: Order::C, take: |array| Ok(array.clone()) },
    View { name: "Fortran order", order: Order::F, take: |array| Ok(array.clone()) },
    View { name: "transposed", order: Order::C, take: |array| Ok(array.transposed()) },
    View { name: "backwards", order: Order::C, take: backwards },
];

/// What came of some trips.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Leg {
    pub(super) trips: u64,
    pub(super) exact: u64,
    /// Bytes of the arrays.
    pub(super) bytes: u64,
    /// Bytes that they were on the way.
    pub(super) stored: u64,
    pub(super) time: Duration,
}

impl Leg {
    fn add(&mut self, other: &Self) {
        self.trips += other.trips;
        self.exact += other.exact;
        self.bytes += other.bytes;
        self.stored += other.stored;
        self.time += other.time;
    }

    /// Millions of bytes a second, there and back counted once.
    pub(super) fn rate(&self) -> u64 {
        let micros = u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.bytes / micros
    }
}

/// What came of all trips.
#[derive(Debug)]
pub(super) struct Tally {
    /// By each way.
    pub(super) legs: [Leg; WAYS.len()],
    pub(super) failures: Vec<Error>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { legs: [Leg::default(); WAYS.len()], failures: Vec::new() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (leg, other) in self.legs.iter_mut().zip(&other.legs) {
            leg.add(other);
        }
    }

    pub(super) fn total(&self) -> Leg {
        let mut total = Leg::default();
        self.legs.iter().for_each(|leg| total.add(leg));
        total
    }

    /// A difference is a failure even where no error said so.
    pub(super) fn exit(&self) -> Exit {
        let total = self.total();
        if total.exact == total.trips { Exit::OK } else { Exit::DIFFERENCE }
    }
}

/// All trips of one array.
///
/// # Errors
/// [`ndbytes::ErrorKind::Interrupted`]; what fails on a trip stands in the tally.
pub(super) fn run(session: &Session, sample: &Sample, folder: &Path) -> Result<Tally> {
    let mut tally = Tally::new();
    for view in VIEWS {
        for endian in endians(&sample.array) {
            let base = sample.array.view().to_endian(endian)?;
            let base = base.view().to_order(view.order)?;
            let sent = (view.take)(&base.view())?;
            for (way, leg) in WAYS.iter().zip(&mut tally.legs) {
                session.check()?;
                let started = Instant::now();
                let back = (way.carry)(&sent, &folder.join("trip"));
                leg.time += started.elapsed();
                leg.trips += 1;
                leg.bytes += sent.nbytes() as u64;
                leg.stored += back.as_ref().map_or(0, |back| back.stored);
                match back.and_then(|back| compare(&sample.array, view, &sent, &back.array)) {
                    Ok(()) => leg.exact += 1,
                    Err(error) => {
                        let trip = format!("{}, {}, {}", sample.name, view.name, way.name);
                        tally.failures.push(error.context(trip));
                    }
                }
            }
        }
    }
    Ok(tally)
}

/// Both byte orders, or one where there is no difference.
fn endians(array: &Array) -> Vec<Endian> {
    let [little, big] = [Endian::Little, Endian::Big];
    let dtype = array.dtype();
    if dtype.with_endian(little) == dtype.with_endian(big) {
        vec![little]
    } else {
        vec![little, big]
    }
}

/// Holds what came back against what was sent, and its bits against the original's.
fn compare(original: &Array, view: &View, sent: &ArrayRef<'_>, back: &Array) -> Result<()> {
    Spec::exact(sent.dtype().clone(), sent.shape()).check(back.dtype(), back.shape())?;
    if sent.is_fortran() != back.view().is_fortran() {
        return Err(Error::mismatch("the order of the items in memory is another one"));
    }
    let expected = to_bytes(&(view.take)(&original.view())?, Order::C)?;
    let plan = ndbytes::SwapPlan::new(back.dtype(), original.dtype())?;
    let mut found = to_bytes(&back.view(), Order::C)?;
    plan.apply(&mut found);
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(&found).position(|(a, b)| a != b).unwrap_or_default();
    Err(Error::mismatch(format!("the bytes differ from byte {at} on")))
}

fn backwards<'a>(array: &ArrayRef<'a>) -> Result<ArrayRef<'a>> {
    let axis = |&len: &usize| Slice { start: len.saturating_sub(1), len, step: -1 };
    array.sliced(&array.shape().iter().map(axis).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndbytes::raw::Raw;

    /// The control: a trip that changed something must not pass as exact.
    #[test]
    fn whatever_differs_is_seen() {
        let values = [1u16, 2, 3, 4, 5, 6];
        let original = ArrayRef::from_slice(&values, &[2, 3]).unwrap().to_order(Order::C).unwrap();
        let array = |order: Order, spec: &str, bytes: Vec<u8>| {
            let mut raw = Raw::new(spec.parse().unwrap());
            raw.order = order;
            raw.array(bytes.into()).unwrap()
        };
        let bytes = to_bytes(&original.view(), Order::C).unwrap();
        let mut flipped = bytes.clone();
        flipped[7] ^= 1;
        let compared = |back: Array| compare(&original, &VIEWS[0], &original.view(), &back);
        let error = |back: Array| compared(back).unwrap_err().message().to_owned();
        assert!(compared(array(Order::C, "<u2[2,3]", bytes.clone())).is_ok());
        assert_eq!(error(array(Order::C, "<u2[2,3]", flipped)), "the bytes differ from byte 7 on");
        assert_eq!(
            error(array(Order::F, "<u2[2,3]", bytes.clone())),
            "the order of the items in memory is another one"
        );
        assert_eq!(
            error(array(Order::C, ">u2[2,3]", bytes.clone())),
            "expected <u2[2,3], found >u2[2,3]"
        );
        assert_eq!(error(array(Order::C, "<u2[3,2]", bytes)), "expected <u2[2,3], found <u2[3,2]");
        let mut tally = Tally::new();
        assert_eq!(tally.exit(), Exit::OK);
        tally.legs[1] = Leg { trips: 2, exact: 1, ..Leg::default() };
        assert_eq!(tally.exit(), Exit::DIFFERENCE);
    }
}
