//! Round trips: each view of an array, in each byte order, by each way, compared bit for bit.

use super::arrays::Sample;
use crate::exit::Exit;
use crate::session::Session;
use ndbytes::io::SaveOptions;
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::raw::{self, Raw};
use ndbytes::{
    Array, ArrayRef, DecodeOptions, Dest, Endian, Error, Limits, Order, Result, Slice, Spec, io,
    to_bytes,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// A way that bytes can take: there and back.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The array as it comes back; the path is free for a file.
    carry: fn(&ArrayRef<'_>, &Path) -> Result<Array>,
}

/// Every way there is.
pub(super) const WAYS: &[Way] = &[
    Way { name: "memory", what: "to bytes with checksums, and back", carry: by_memory },
    Way { name: ".npy file", what: "exactly as np.save writes it", carry: by_npy },
    Way {
        name: "checked file",
        what: "a .npy with checksums, which NumPy reads too",
        carry: by_checked,
    },
    Way { name: "raw file", what: "bare items; dtype and shape are declared", carry: by_raw },
];

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

/// What came of the trips.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) trips: u64,
    pub(super) exact: u64,
    pub(super) bytes: u64,
    pub(super) time: Duration,
    pub(super) failures: Vec<Error>,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.trips += other.trips;
        self.exact += other.exact;
        self.bytes += other.bytes;
        self.time += other.time;
    }

    /// A difference is a failure even where no error said so.
    pub(super) fn exit(&self) -> Exit {
        if self.exact == self.trips { Exit::OK } else { Exit::DIFFERENCE }
    }
}

/// All trips of one array.
///
/// # Errors
/// [`ndbytes::ErrorKind::Interrupted`]; what fails on a trip stands in the tally.
pub(super) fn run(session: &Session, sample: &Sample, folder: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for view in VIEWS {
        for endian in endians(&sample.array) {
            let base = sample.array.view().to_endian(endian)?;
            let base = base.view().to_order(view.order)?;
            let sent = (view.take)(&base.view())?;
            for way in WAYS {
                session.check()?;
                let started = Instant::now();
                let back = (way.carry)(&sent, &folder.join("trip"));
                tally.time += started.elapsed();
                tally.trips += 1;
                tally.bytes += sent.nbytes() as u64;
                match back.and_then(|back| compare(&sample.array, view, &sent, &back)) {
                    Ok(()) => tally.exact += 1,
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

fn by_memory(array: &ArrayRef<'_>, _: &Path) -> Result<Array> {
    ndbytes::from_slice(&ndbytes::to_vec(array)?, &Limits::local())
}

fn by_npy(array: &ArrayRef<'_>, path: &Path) -> Result<Array> {
    by_file(array, path, &EncodeOptions::bare())
}

fn by_checked(array: &ArrayRef<'_>, path: &Path) -> Result<Array> {
    by_file(array, path, &EncodeOptions::checked())
}

fn by_file(array: &ArrayRef<'_>, path: &Path, options: &EncodeOptions) -> Result<Array> {
    let mut encoder = Encoder::new(array, options)?;
    io::save(path, &mut encoder, SaveOptions::default(), &mut io::unwatched)?;
    let decoded = io::load(path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)?;
    decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))
}

fn by_raw(array: &ArrayRef<'_>, path: &Path) -> Result<Array> {
    let mut encoder = raw::Encoder::new(array, Order::A, None)?;
    io::save(path, &mut encoder, SaveOptions::default(), &mut io::unwatched)?;
    let mut declared = Raw::new(Spec::exact(array.dtype().clone(), array.shape()));
    declared.order = if array.is_fortran() { Order::F } else { Order::C };
    let file = io::open(path, io::PATIENCE)?;
    let len = file.len();
    declared.array(io::read_to_end(file, len, &Limits::local(), &mut io::unwatched)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Tally { trips: 2, exact: 1, ..Tally::default() }.exit(), Exit::DIFFERENCE);
    }
}
