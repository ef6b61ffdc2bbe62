//! The values of a block of items, each in the widest type of its class.
//!
//! Every integer fits an `i128` and every float an `f64` exactly, so three classes replace a kernel for each pair
//! of dtypes.

use super::minifloat::Minifloat;
use crate::array::{ArrayRef, Layout};
use crate::dtype::{DType, Endian, Scalar};
use crate::error::{Error, Result};
use crate::kernel::{SwapPlan, gather};

/// Items that are worked on at a time: their lanes stay within a level-2 cache.
pub const BLOCK_ITEMS: usize = 1 << 14;

/// Values of one block.
#[derive(Debug)]
pub enum Lanes {
    /// Integers; booleans as 0 and 1, times as their counts.
    Int(Vec<i128>),
    /// Floats.
    Real(Vec<f64>),
    /// Complex numbers: real, imaginary.
    Complex(Vec<[f64; 2]>),
}

/// Reads blocks of one dtype into lanes.
#[derive(Debug)]
pub struct Reader {
    dtype: DType,
    plan: SwapPlan,
    bytes: Vec<u8>,
    lanes: Lanes,
}

/// The number that an item of this dtype is; times are integers.
///
/// # Errors
/// Unsupported for what holds no number, and for long doubles, whose bits differ between platforms.
pub fn number(dtype: &DType) -> Result<Scalar> {
    match dtype {
        DType::Scalar(scalar @ (Scalar::LongDouble | Scalar::CLongDouble), _) => {
            let name = scalar.name();
            Err(Error::unsupported(format!(
                "the values of {name} differ between platforms, so it is carried and never interpreted"
            )))
        }
        DType::Scalar(scalar, _) => Ok(*scalar),
        DType::Time(..) => Ok(Scalar::Int64),
        _ => Err(Error::unsupported(format!("items of {dtype} are no numbers"))),
    }
}

impl Reader {
    /// A reader of items of this dtype.
    ///
    /// # Errors
    /// As [`number`].
    pub fn new(dtype: &DType) -> Result<Self> {
        let plan = SwapPlan::new(dtype, &dtype.with_endian(Endian::Little))?;
        Ok(Self { dtype: dtype.clone(), plan, bytes: Vec::new(), lanes: Lanes::of(dtype)? })
    }

    /// The items of `block` over `data`, in C order.
    ///
    /// # Errors
    /// As [`gather`].
    pub fn read(&mut self, data: &[u8], block: &Layout) -> Result<&Lanes> {
        let itemsize = self.dtype.itemsize();
        self.bytes.resize(block.len() * itemsize, 0);
        gather(data, block, itemsize, &mut self.bytes)?;
        self.plan.apply(&mut self.bytes);
        self.lanes.read(&self.dtype, &self.bytes);
        Ok(&self.lanes)
    }
}

/// Calls `each` with the lanes of each block, in C order, and the number of items before it.
///
/// # Errors
/// As [`number`] and [`gather`], and what `each` returns.
pub fn each_block(
    array: &ArrayRef<'_>,
    mut each: impl FnMut(usize, &Lanes) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader::new(array.dtype())?;
    let itemsize = array.itemsize();
    let mut before = 0;
    for block in array.layout().blocks(itemsize, BLOCK_ITEMS * itemsize) {
        each(before, reader.read(array.data(), &block)?)?;
        before += block.len();
    }
    Ok(())
}

impl Lanes {
    /// No values yet, of the class that items of this dtype have.
    ///
    /// # Errors
    /// As [`number`].
    pub fn of(dtype: &DType) -> Result<Self> {
        Ok(match number(dtype)?.kind() {
            'b' | 'i' | 'u' => Self::Int(Vec::new()),
            'c' => Self::Complex(Vec::new()),
            _ => Self::Real(Vec::new()),
        })
    }

    /// Replaces the values by those of items of this dtype, their bytes little-endian.
    pub fn read(&mut self, dtype: &DType, bytes: &[u8]) {
        let Ok(scalar) = number(dtype) else { return };
        match self {
            Self::Int(lanes) => ints(scalar, bytes, lanes),
            Self::Real(lanes) => reals(scalar, bytes, lanes),
            Self::Complex(lanes) => complexes(scalar, bytes, lanes),
        }
    }
}

fn ints(scalar: Scalar, bytes: &[u8], lanes: &mut Vec<i128>) {
    match scalar {
        Scalar::Bool => load::<1, _>(bytes, lanes, |item| i128::from(item[0] != 0)),
        Scalar::Int8 => load(bytes, lanes, |item| i8::from_le_bytes(item).into()),
        Scalar::Int16 => load(bytes, lanes, |item| i16::from_le_bytes(item).into()),
        Scalar::Int32 => load(bytes, lanes, |item| i32::from_le_bytes(item).into()),
        Scalar::Int64 => load(bytes, lanes, |item| i64::from_le_bytes(item).into()),
        Scalar::UInt8 => load(bytes, lanes, |item| u8::from_le_bytes(item).into()),
        Scalar::UInt16 => load(bytes, lanes, |item| u16::from_le_bytes(item).into()),
        Scalar::UInt32 => load(bytes, lanes, |item| u32::from_le_bytes(item).into()),
        _ => load(bytes, lanes, |item| u64::from_le_bytes(item).into()),
    }
}

fn reals(scalar: Scalar, bytes: &[u8], lanes: &mut Vec<f64>) {
    match (Minifloat::of(scalar), scalar) {
        (Some(float), _) if scalar.itemsize() == 1 => {
            load::<1, _>(bytes, lanes, |item| float.decode(item[0].into()));
        }
        (Some(float), _) => load(bytes, lanes, |item| float.decode(u16::from_le_bytes(item))),
        (None, Scalar::Float32) => load(bytes, lanes, |item| f32::from_le_bytes(item).into()),
        (None, _) => load(bytes, lanes, f64::from_le_bytes),
    }
}

fn complexes(scalar: Scalar, bytes: &[u8], lanes: &mut Vec<[f64; 2]>) {
    if scalar == Scalar::Complex64 {
        let part =
            |bits: u64| f64::from(f32::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or(0)));
        load(bytes, lanes, |item| {
            let bits = u64::from_le_bytes(item);
            [part(bits), part(bits >> 32)]
        });
    } else {
        let part =
            |bits: u128| f64::from_bits(u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0));
        load(bytes, lanes, |item| {
            let bits = u128::from_le_bytes(item);
            [part(bits), part(bits >> 64)]
        });
    }
}

fn load<const N: usize, V>(bytes: &[u8], lanes: &mut Vec<V>, value: impl Fn([u8; N]) -> V) {
    lanes.clear();
    lanes.extend(bytes.as_chunks::<N>().0.iter().map(|item| value(*item)));
}
