//! Bytes and the items of an array, to any file.

use crate::array::Source;
use crate::errors::IntoPy as _;
use crate::file::Place;
use crate::options;
use crate::work::wait;
use ndbytes::io::{self, SaveOptions};
use ndbytes::{ArrayRef, Encode, Order, Piece, Result, raw};
use pyo3::prelude::*;

/// Writes `head` and behind it the items of an array, if there is one. A file at a path is replaced whole or not at all.
#[pyfunction]
pub(crate) fn write(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    head: &[u8],
    a: Option<&Bound<'_, PyAny>>,
    order: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let mut place = Place::new(file, "write")?;
    let order = options::order(order)?;
    let source = a.map(Source::untyped).transpose()?;
    let array = source.as_ref().map(Source::view).transpose().py()?.map(ArrayRef::unshared);
    let mut encoder = Headed::new(head, array.as_ref(), order).py()?;
    wait(py, |watch| match &mut place {
        Place::Path(path) => io::save(path, &mut encoder, SaveOptions::default(), watch),
        Place::File(file) => io::pieces(&mut encoder, file, watch),
    })
}

/// Bytes, and the bare items of an array behind them.
pub(super) struct Headed<'a> {
    head: Option<Piece<'a>>,
    items: Option<raw::Encoder<'a>>,
    total: u64,
}

impl<'a> Headed<'a> {
    pub(super) fn new(head: &'a [u8], array: Option<&ArrayRef<'a>>, order: Order) -> Result<Self> {
        let items = array.map(|array| raw::Encoder::new(array, order, None)).transpose()?;
        let total = head.len() as u64 + items.as_ref().map_or(0, Encode::most);
        let head = (!head.is_empty()).then_some(Piece::Run(head));
        Ok(Self { head, items, total })
    }
}

impl<'a> Encode<'a> for Headed<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        match (self.head.take(), &mut self.items) {
            (Some(head), _) => Ok(Some(head)),
            (None, Some(items)) => items.next(),
            (None, None) => Ok(None),
        }
    }

    fn total(&self) -> Option<u64> {
        Some(self.total)
    }
}
