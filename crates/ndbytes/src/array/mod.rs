//! Arrays: a dtype, a layout, and bytes that belong to someone else ([`ArrayRef`]) or are shared ([`Array`]).

mod blocks;
mod element;
mod layout;
mod lens;
#[cfg(feature = "ndarray")]
mod ndarray;

pub use blocks::Blocks;
pub use element::Element;
pub(crate) use element::cast;
pub use layout::{Layout, Order, Slice, nbytes};
pub(crate) use lens::block_lens;

use crate::buffer::Buffer;
use crate::dtype::DType;
use crate::error::{Error, Result};

/// An array in memory that someone else owns: any strides, any alignment.
///
/// ```
/// use ndbytes::{ArrayRef, Order};
/// let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let array = ArrayRef::from_slice(&values, &[2, 3])?;
/// assert_eq!(array.shape(), [2, 3]);
/// let bytes = ndbytes::to_bytes(&array.transposed(), Order::C)?;
/// assert_eq!(bytes[4..8], 4.0f32.to_le_bytes());
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ArrayRef<'a> {
    dtype: DType,
    layout: Layout,
    data: &'a [u8],
    shared: bool,
}

impl<'a> ArrayRef<'a> {
    /// Puts the three together after proving that every item lies inside `data`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) with both numbers if it does not, or for a subarray dtype, which
    /// only a record may hold; [`Limit`](crate::ErrorKind::Limit) if a size overflows.
    pub fn new(dtype: DType, layout: Layout, data: &'a [u8]) -> Result<Self> {
        if matches!(dtype, DType::Sub(_)) {
            return Err(Error::argument(
                "a subarray dtype stands only inside a record; make its axes axes of the array",
            ));
        }
        let span = layout.span(dtype.itemsize())?;
        if span.end > data.len() {
            return Err(Error::argument(format!(
                "shape {:?} of {dtype} with strides {:?} ends at byte {}, the data at byte {}",
                layout.shape(),
                layout.strides(),
                span.end,
                data.len()
            )));
        }
        Ok(Self { dtype, layout, data, shared: false })
    }

    /// The same array in memory that others may write to at any time: an encoder copies each block before it sums
    /// it, so that what it writes is some mix of old and new items, and verifies.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The same array for a way out that sums nothing, and may hand out memory that changes meanwhile.
    #[must_use]
    pub fn unshared(mut self) -> Self {
        self.shared = false;
        self
    }

    /// Whether others may write to its memory; see [`ArrayRef::shared`].
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The type of the items.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Where the items lie in [`ArrayRef::data`].
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// The memory the items lie in.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes of one item.
    #[must_use]
    pub fn itemsize(&self) -> usize {
        self.dtype.itemsize()
    }

    /// Bytes of all items.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.layout.len() * self.itemsize()
    }

    /// Whether [`Order::A`] means the first axis fastest: F- and not C-contiguous.
    #[must_use]
    pub fn is_fortran(&self) -> bool {
        self.layout.is_fortran(Order::A, self.itemsize())
    }

    /// The same items with the axes in reverse.
    #[must_use]
    pub fn transposed(&self) -> Self {
        Self {
            dtype: self.dtype.clone(),
            layout: self.layout.clone().transposed(),
            data: self.data,
            shared: self.shared,
        }
    }

    /// The part that the slices take; see [`Layout::sliced`].
    ///
    /// # Errors
    /// As there.
    pub fn sliced(&self, slices: &[Slice]) -> Result<Self> {
        let part = Self::new(self.dtype.clone(), self.layout.sliced(slices)?, self.data)?;
        Ok(Self { shared: self.shared, ..part })
    }

    /// The items of a C-contiguous array as they lie in memory; `None` for any other layout.
    #[must_use]
    pub fn contiguous_bytes(&self) -> Option<&'a [u8]> {
        if !self.layout.is_c_contiguous(self.itemsize()) {
            return None;
        }
        let start = if self.layout.is_empty() { 0 } else { self.layout.offset() };
        self.data.get(start..start.checked_add(self.nbytes())?)
    }
}

/// An array that owns, or shares, its bytes.
#[derive(Debug, Clone)]
pub struct Array {
    dtype: DType,
    layout: Layout,
    data: Buffer,
}

impl Array {
    /// Puts the three together; the same proof as [`ArrayRef::new`].
    ///
    /// # Errors
    /// As there.
    pub fn new(dtype: DType, layout: Layout, data: Buffer) -> Result<Self> {
        ArrayRef::new(dtype.clone(), layout.clone(), &data)?;
        Ok(Self { dtype, layout, data })
    }

    /// A borrowed view.
    #[must_use]
    pub fn view(&self) -> ArrayRef<'_> {
        ArrayRef {
            dtype: self.dtype.clone(),
            layout: self.layout.clone(),
            data: &self.data,
            shared: false,
        }
    }

    /// The type of the items.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Where the items lie in [`Array::data`].
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// The bytes the items lie in.
    #[must_use]
    pub fn data(&self) -> &Buffer {
        &self.data
    }

    /// Bytes of all items.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.layout.len() * self.dtype.itemsize()
    }
}
