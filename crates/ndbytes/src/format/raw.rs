//! Bytes without a header: the caller declares dtype, shape, order, offset and gap.

use super::{Body, Encode, Piece, close};
use crate::array::{Array, ArrayRef, Layout, Order};
use crate::buffer::Buffer;
use crate::dtype::{Dim, Endian, Spec};
use crate::error::{Error, Result};
use crate::kernel::Copying;

/// What headerless bytes are declared to be.
///
/// ```
/// use ndbytes::{Buffer, raw::Raw};
/// let raw = Raw::new("<u2[?,2]".parse()?);
/// let array = raw.array(Buffer::from(vec![1, 0, 2, 0, 3, 0, 4, 0]))?;
/// assert_eq!(array.as_slice::<u16>()?, [1, 2, 3, 4]);
/// let error = raw.array(Buffer::from(vec![0; 10])).unwrap_err();
/// assert_eq!(error.to_string(), "<u2[?,2] needs a multiple of 4 bytes, found 10");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Raw {
    /// Dtype and shape; one axis may be of any length, and no shape means one axis to the end.
    pub spec: Spec,
    /// [`Order::F`] for the first axis fastest; the others mean C.
    pub order: Order,
    /// Bytes before the first item.
    pub offset: u64,
    /// Bytes between the end of an item and the next one. After the last item they may be missing.
    pub gap: u64,
}

impl Raw {
    /// Items one behind the other from the first byte on, in C order.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        Self { spec, order: Order::C, offset: 0, gap: 0 }
    }

    /// The shape of the array that `len` bytes hold.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) with both numbers if they do not fit;
    /// [`Argument`](crate::ErrorKind::Argument) for more than one axis of any length;
    /// [`Limit`](crate::ErrorKind::Limit) if a size overflows.
    pub fn shape(&self, len: u64) -> Result<Vec<usize>> {
        let any = [Dim::Any];
        let dims = self.spec.shape.as_deref().unwrap_or(&any);
        let row = self.size(dims)?;
        let free = match dims.iter().filter(|dim| **dim == Dim::Any).count() {
            0 => self.exact(row, len).map(|()| 1)?,
            1 => self.open_axis(row, len)?,
            _ => {
                let message = format!("{}: only one axis may be of any length", self.spec);
                return Err(Error::argument(message));
            }
        };
        let free = usize::try_from(free).map_err(|_| overflow())?;
        Ok(dims.iter().map(|dim| if let Dim::Exact(len) = dim { *len } else { free }).collect())
    }

    /// Bytes of items of this shape with all their gaps; an axis of any length counts as 1.
    fn size(&self, dims: &[Dim]) -> Result<u64> {
        let step = (self.spec.dtype.itemsize() as u64).checked_add(self.gap);
        let exact = dims.iter().filter_map(|dim| match dim {
            Dim::Exact(len) => Some(*len as u64),
            Dim::Any => None,
        });
        exact.fold(step, |size, len| size?.checked_mul(len)).ok_or_else(overflow)
    }

    /// The shape, and the bytes of a whole file with the last gap, where every axis is known.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for an axis of any length;
    /// [`Limit`](crate::ErrorKind::Limit) if a size overflows.
    pub fn whole(&self) -> Result<(Vec<usize>, u64)> {
        let dims = self.spec.shape.as_deref().unwrap_or(&[Dim::Any]);
        let len = self.size(dims)?.checked_add(self.offset).ok_or_else(overflow)?;
        if dims.contains(&Dim::Any) {
            let message = format!("{}: a new file needs the length of every axis", self.spec);
            return Err(Error::argument(message));
        }
        Ok((self.shape(len)?, len))
    }

    /// That `len` bytes are `offset` and `size` bytes, the last gap of which may be missing.
    fn exact(&self, size: u64, len: u64) -> Result<()> {
        let needed = size.checked_add(self.offset).ok_or_else(overflow)?;
        let least = needed - if size == 0 { 0 } else { self.gap };
        if len == needed || len == least {
            return Ok(());
        }
        Err(self.misfit(&least.to_string(), len))
    }

    /// How many rows of `row` bytes stand behind the offset; the last gap may be missing.
    fn open_axis(&self, row: u64, len: u64) -> Result<u64> {
        let rest = len.checked_sub(self.offset).ok_or_else(|| self.misfit("more", len))?;
        match (rest.checked_div(row), rest.checked_rem(row)) {
            (Some(rows), Some(0)) => Ok(rows),
            (Some(rows), Some(left)) if row - left == self.gap => Ok(rows + 1),
            (None, _) if rest == 0 => Ok(0),
            (None, _) => Err(self.misfit("0", len)),
            _ => Err(self.misfit(&format!("a multiple of {row}"), len)),
        }
    }

    fn misfit(&self, needed: &str, found: u64) -> Error {
        let mut context = String::new();
        for (name, value) in [("offset", self.offset), ("gap", self.gap)] {
            if value > 0 {
                context.push_str(&format!(" with {name} {value}"));
            }
        }
        Error::malformed(format!("{}{context} needs {needed} bytes, found {found}", self.spec))
    }

    /// The array that these bytes are, without a copy.
    ///
    /// # Errors
    /// As [`Raw::shape`].
    pub fn array(&self, data: Buffer) -> Result<Array> {
        let shape = self.shape(data.len() as u64)?;
        let offset = usize::try_from(self.offset).map_err(|_| overflow())?;
        Array::new(self.spec.dtype.clone(), self.layout(&shape, offset)?, data)
    }

    /// Where items of this shape lie, the first of them at `offset`.
    ///
    /// # Errors
    /// As [`Layout::contiguous`].
    pub fn layout(&self, shape: &[usize], offset: usize) -> Result<Layout> {
        let gap = usize::try_from(self.gap).map_err(|_| overflow())?;
        let step = self.spec.dtype.itemsize().checked_add(gap).ok_or_else(overflow)?;
        let packed = Layout::contiguous(shape, step, self.order)?;
        Layout::new(shape.to_vec(), packed.strides().to_vec(), offset)
    }
}

fn overflow() -> Error {
    Error::overflow("the declared size")
}

/// What so many bytes without a header may be, for an error to show: `10 bytes may be '|u1[10]', '<u2[5]'`.
#[must_use]
pub fn guess(len: u64) -> String {
    let side = len.isqrt();
    let square = (side > 1 && side * side == len).then(|| format!("'|u1[{side},{side}]'"));
    let flat = [("|u1", 1), ("<u2", 2), ("<f4", 4), ("<f8", 8)]
        .into_iter()
        .filter(|(_, size)| len.is_multiple_of(*size))
        .map(|(dtype, size)| format!("'{dtype}[{}]'", len / size));
    let shapes: Vec<String> = flat.chain(square).collect();
    format!("{len} bytes may be {}", shapes.join(", "))
}

/// Turns an array into its bare items.
#[derive(Debug)]
pub struct Encoder<'a>(Body<'a>);

impl<'a> Encoder<'a> {
    /// The items in `order`; with `endian`, in that byte order, otherwise as stored.
    ///
    /// # Errors
    /// None so far; the signature leaves room.
    pub fn new(array: &ArrayRef<'a>, order: Order, endian: Option<Endian>) -> Result<Self> {
        Body::new(array, order, endian).map(Self)
    }
}

impl<'a> Encode<'a> for Encoder<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        self.0.next(None)
    }

    fn set_step(&mut self, most: usize) {
        self.0.set_step(most);
    }

    fn total(&self) -> Option<u64> {
        Some(self.0.total())
    }

    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        let found = out.len();
        let rest = self.0.write_into(&[], out, how, None, each)?;
        close(rest, &[], self.0.total(), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(spec: &str, offset: u64, gap: u64) -> Raw {
        Raw { offset, gap, ..Raw::new(spec.parse().unwrap()) }
    }

    #[test]
    fn lengths_fit_exactly_or_say_both_numbers() {
        for (spec, offset, gap, len, shape) in [
            ("<f8", 0, 0, 24, vec![3]),
            ("<f8[3]", 0, 0, 24, vec![3]),
            ("<f8[?]", 4, 0, 28, vec![3]),
            ("<f8[3]", 0, 2, 28, vec![3]),
            ("<f8[3]", 0, 2, 30, vec![3]),
            ("<f8[?]", 0, 2, 28, vec![3]),
            ("<f8[?]", 0, 2, 30, vec![3]),
            ("<f8[]", 1, 9, 9, vec![]),
            ("<f8[0]", 0, 3, 0, vec![0]),
            ("<f8[?,0]", 0, 0, 0, vec![0, 0]),
            ("|u1[2,?,3]", 0, 0, 12, vec![2, 2, 3]),
        ] {
            assert_eq!(raw(spec, offset, gap).shape(len).unwrap(), shape, "{spec} {len}");
        }
        for (spec, offset, gap, len, message) in [
            ("<f8", 0, 0, 10, "<f8 needs a multiple of 8 bytes, found 10"),
            ("<f8[3]", 0, 0, 25, "<f8[3] needs 24 bytes, found 25"),
            ("<f8[3]", 2, 1, 25, "<f8[3] with offset 2 with gap 1 needs 28 bytes, found 25"),
            ("<f8[?]", 9, 0, 8, "<f8[?] with offset 9 needs more bytes, found 8"),
            ("<f8[?,?]", 0, 0, 8, "<f8[?,?]: only one axis may be of any length"),
            ("<f8[?,0]", 0, 0, 8, "<f8[?,0] needs 0 bytes, found 8"),
        ] {
            assert_eq!(raw(spec, offset, gap).shape(len).unwrap_err().message(), message);
        }
        assert!(matches!(
            raw("<f8[4294967296,4294967296]", 0, 0).shape(8).unwrap_err().kind(),
            crate::ErrorKind::Limit { .. }
        ));
    }

    #[test]
    fn gaps_and_fortran_order_read_in_place() {
        let raw = Raw { order: Order::F, ..raw("|u1[2,2]", 1, 1) };
        let array = raw.array(vec![9, 1, 9, 2, 9, 3, 9, 4].into()).unwrap();
        assert_eq!(array.into_vec::<u8>().unwrap(), [1, 3, 2, 4]);
    }
}
