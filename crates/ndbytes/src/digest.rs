//! A name for an array that is the same whatever it is stored in: the BLAKE3 of its canonical form.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::array::{ArrayRef, Order, nbytes};
use crate::dtype::{DType, Endian};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::kernel::{GapPlan, Items, SHORT_RUNS, Stores, SwapPlan};
use crate::threads::Threads;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// What a digest's bytes begin with; the number is the version of the canonical form.
const PREFIX: &str = "ndbytes digest 0";
/// Bytes made at a time, where they are not hashed where they lie: a part of a level-2 cache.
const STEP: usize = 1 << 17;
/// The same, at most, where much must be made at once for memory to be read once.
const LONGEST_STEP: usize = 1 << 24;
/// Bytes of a subtree of the hash, which one thread makes: a power of two.
const SUBTREE: usize = 1 << 21;
/// From this many bytes on a second thread gains more than its start costs.
const PARALLEL: usize = 2 * SUBTREE;

/// The name of an array: equal for equal arrays, in any container, order, byte order or codec.
///
/// ```
/// use ndbytes::{ArrayRef, Digest, digest};
/// let values = [1.0f32, 2.0, 3.0, 4.0];
/// let array = ArrayRef::from_slice(&values, &[2, 2])?;
/// let name = digest(&array)?;
/// assert_eq!(name.to_string().parse::<Digest>()?, name);
/// assert_ne!(digest(&array.transposed())?, name);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; Self::LEN]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 32;

    /// The bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Digest {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    /// 64 hexadecimal digits in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Reads 64 hexadecimal digits, of either case.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let found = quoted(text);
            Error::argument(format!(
                "a digest has {} hexadecimal digits, found {found}",
                2 * Self::LEN
            ))
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; Self::LEN];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit =
                |digit: &u8| char::from(*digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
            let (high, low) = digit(high).zip(digit(low)).ok_or_else(wrong)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// The digest of an array, whose layout and byte order do not show in it.
///
/// # Errors
/// [`Memory`](ErrorKind::Memory).
pub fn digest(array: &ArrayRef<'_>) -> Result<Digest> {
    digest_with(array, Threads::ONE, &mut |_| Ok(()))
}

/// The same, by so many threads where the items lie in memory as they are hashed; `told` gets the bytes that were taken in so
/// far, and can end it.
///
/// # Errors
/// As [`digest`], and whatever `told` returns.
pub fn digest_with(
    array: &ArrayRef<'_>,
    threads: Threads,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Digest> {
    let Form { named, endian, .. } = Form::of(array.dtype())?;
    let items = Items::new(array, Order::C, endian)?.with_gaps_zeroed(&named);
    let lead = lead(&named, array.shape());
    if let Some(run) = items.run() {
        return of_run(lead.as_bytes(), run, threads, told);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(lead.as_bytes());
    let (mut space, mut done) = (Vec::new(), 0);
    for part in items.parts(items.grain(SHORT_RUNS).min(LONGEST_STEP)) {
        let size = items.size_of(&part);
        space
            .try_reserve_exact(size.saturating_sub(space.len()))
            .map_err(|_| Error::memory(size as u64))?;
        space.resize(size, 0);
        items.write(&part, &mut space, Stores::Cached, &mut ())?;
        hasher.update(&space);
        done += size as u64;
        told(done)?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// The digest of items that lie in memory as they are hashed, behind `lead`.
fn of_run(
    lead: &[u8],
    run: &[u8],
    threads: Threads,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Digest> {
    let mut done = 0;
    let first = SUBTREE.saturating_sub(lead.len()).min(run.len());
    if threads == Threads::ONE || run.len() < PARALLEL || first == 0 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(lead);
        for part in run.chunks(STEP) {
            hasher.update(part);
            done += part.len() as u64;
            told(done)?;
        }
        return Ok(Digest(*hasher.finalize().as_bytes()));
    }
    // Whole subtrees of the hash, which can be made apart.
    let (first, rest) = run.split_at_checked(first).unwrap_or((run, &[]));
    let mut parts = vec![(0, lead, first)];
    parts.extend((1..).zip(rest.chunks(SUBTREE)).map(|(number, part)| (number, &[][..], part)));
    let mut found = vec![[0; Digest::LEN]; parts.len()];
    let work = |(number, lead, part): (usize, &[u8], &[u8])| {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset((number * SUBTREE) as u64).update(lead).update(part);
        Ok((number, part.len(), hasher.finalize_non_root()))
    };
    threads.run(parts, &work, &mut |(number, len, value)| {
        found.iter_mut().skip(number).take(1).for_each(|place| *place = value);
        done += len as u64;
        told(done)
    })?;
    let (left, right) = halves(&found);
    let root = merge_subtrees_root(&joined(left), &joined(right), Mode::Hash);
    Ok(Digest(*root.as_bytes()))
}

/// The value above subtrees of one size, but for the last.
fn joined(values: &[[u8; Digest::LEN]]) -> [u8; Digest::LEN] {
    match values {
        [] => [0; Digest::LEN],
        [one] => *one,
        _ => {
            let (left, right) = halves(values);
            merge_subtrees_non_root(&joined(left), &joined(right), Mode::Hash)
        }
    }
}

/// BLAKE3's way to cut two or more in two: as many of a power of two on the left as leave something.
fn halves<T>(values: &[T]) -> (&[T], &[T]) {
    let left = values.len().next_power_of_two() / 2;
    values.split_at_checked(left).unwrap_or((values, &[]))
}

/// Makes a digest of items as they come.
///
/// ```
/// use ndbytes::{ArrayRef, Digester, digest};
/// let values = [258u16, 3];
/// // The items in C order, in the dtype's own byte order, cut anywhere.
/// let mut digester = Digester::new(&">u2".parse()?, &[2])?;
/// digester.update(&[1, 2, 0])?;
/// digester.update(&[3])?;
/// assert_eq!(digester.finish()?, digest(&ArrayRef::from_slice(&values, &[2])?)?);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Digester {
    hasher: blake3::Hasher,
    swap: SwapPlan,
    gaps: GapPlan,
    /// Items that are still to be made canonical, and how many bytes of them at a time.
    held: Vec<u8>,
    step: usize,
    /// Bytes to come.
    left: u64,
}

impl Digester {
    /// For an array of this dtype and shape.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) for an array that is too large to be one.
    pub fn new(dtype: &DType, shape: &[usize]) -> Result<Self> {
        let left = nbytes(shape, dtype.itemsize())? as u64;
        let Form { named, swap, .. } = Form::of(dtype)?;
        let itemsize = dtype.itemsize().max(1);
        let step = itemsize.max(STEP / itemsize * itemsize);
        let mut hasher = blake3::Hasher::new();
        hasher.update(lead(&named, shape).as_bytes());
        Ok(Self { hasher, swap, gaps: GapPlan::new(&named), held: Vec::new(), step, left })
    }

    /// Takes in the next bytes of the items in C order, in the dtype's own byte order.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for more bytes than the array has; [`Memory`](ErrorKind::Memory).
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<()> {
        let more = || Error::argument("more bytes than the array has");
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(more)?;
        if self.swap.is_empty() && self.gaps.is_empty() {
            self.hasher.update(bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = self.step.saturating_sub(self.held.len());
            let (now, after) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.held.try_reserve(now.len()).map_err(|_| Error::memory(now.len() as u64))?;
            self.held.extend_from_slice(now);
            if self.held.len() == self.step {
                self.flush();
            }
            bytes = after;
        }
        Ok(())
    }

    /// The digest of all items.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) before all of them have come.
    pub fn finish(mut self) -> Result<Digest> {
        if self.left > 0 {
            return Err(Error::argument(format!("{} bytes of the array have not come", self.left)));
        }
        self.flush();
        Ok(Digest(*self.hasher.finalize().as_bytes()))
    }

    /// Takes in whole items that were held back.
    fn flush(&mut self) {
        self.swap.apply(&mut self.held);
        self.gaps.apply(&mut self.held);
        self.hasher.update(&self.held);
        self.held.clear();
    }
}

/// In which dtype the items of an array are hashed, and what makes them so.
struct Form {
    named: DType,
    endian: Option<Endian>,
    swap: SwapPlan,
}

impl Form {
    /// Little-endian; but fields that share bytes stay as they are, for no order can be right for both.
    fn of(dtype: &DType) -> Result<Self> {
        let named = dtype.with_endian(Endian::Little);
        match SwapPlan::new(dtype, &named) {
            Ok(swap) => Ok(Self { named, endian: Some(Endian::Little), swap }),
            Err(error) if *error.kind() == ErrorKind::Unsupported => {
                Ok(Self { named: dtype.clone(), endian: None, swap: SwapPlan::default() })
            }
            Err(error) => Err(error),
        }
    }
}

/// What stands before the items: three lines of ASCII.
fn lead(dtype: &DType, shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{PREFIX}\n{}\n[{}]\n", in_ascii(&dtype.to_string()), lengths.join(","))
}

/// A spelling whose characters beyond ASCII, which stand in names in quotes only, are all escaped: else it would change
/// with Unicode's tables.
fn in_ascii(spelling: &str) -> String {
    let mut text = String::with_capacity(spelling.len());
    for c in spelling.chars() {
        let written = match c {
            c if c.is_ascii() => write!(text, "{c}"),
            c if c < '\u{100}' => write!(text, "\\x{:02x}", u32::from(c)),
            c if c < '\u{10000}' => write!(text, "\\u{:04x}", u32::from(c)),
            c => write!(text, "\\U{:08x}", u32::from(c)),
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Array, Layout};
    use crate::kernel::{Copying, copy_to};
    use proptest::prelude::*;

    fn array(spec: &str, shape: &[usize], order: Order, bytes: &[u8]) -> Array {
        let dtype: DType = spec.parse().unwrap();
        let layout = Layout::contiguous(shape, dtype.itemsize(), order).unwrap();
        Array::new(dtype, layout, bytes.to_vec().into()).unwrap()
    }

    fn of(spec: &str, shape: &[usize], bytes: &[u8]) -> Digest {
        digest(&array(spec, shape, Order::C, bytes).view()).unwrap()
    }

    fn bytes_of(array: &Array, order: Order, endian: Option<Endian>) -> Vec<u8> {
        let mut bytes = vec![0; array.nbytes()];
        let how = Copying::default();
        copy_to(&array.view(), order, endian, &mut bytes, how, &mut |_| Ok(())).unwrap();
        bytes
    }

    /// The BLAKE3 of the form that FORMAT.md writes out.
    fn plain(lead: &str, items: &[u8]) -> Digest {
        Digest(*blake3::hash(&[lead.as_bytes(), items].concat()).as_bytes())
    }

    #[test]
    fn the_canonical_form_is_that_of_the_specification() {
        for (spec, shape, bytes, lead, items) in [
            (">u2", &[2, 1][..], &[1, 2, 3, 4][..], "<u2\n[2,1]", &[2, 1, 4, 3][..]),
            ("|u1", &[], &[7], "|u1\n[]", &[7]),
            ("<f8", &[0, 3], &[], "<f8\n[0,3]", &[]),
            ("{a:|u1,:|V1,b:>u2}", &[1], &[1, 9, 2, 3], "{a:|u1,:|V1,b:<u2}\n[1]", &[1, 0, 3, 2]),
            ("{'é日\u{1f600}':|u1}", &[1], &[1], "{'\\xe9\\u65e5\\U0001f600':|u1}\n[1]", &[1]),
            (">bfloat16", &[1], &[1, 2], "bfloat16\n[1]", &[2, 1]),
            // Fields that share bytes: as they are.
            ("{a:>u2@0,b:|u1@1}/3", &[1], &[1, 2, 9], "{a:>u2@0,b:|u1@1}/3\n[1]", &[1, 2, 0]),
        ] {
            let wanted = plain(&format!("ndbytes digest 0\n{lead}\n"), items);
            assert_eq!(of(spec, shape, bytes), wanted, "{spec}");
        }
    }

    #[test]
    fn everything_that_makes_an_array_counts() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0x80];
        let all = [
            of("<f8", &[1], &bytes),
            of("<f8", &[1], &[0; 8]), // 0.0, which equals -0.0
            of("<i8", &[1], &bytes),
            of("<f8", &[], &bytes),
            of("<f8", &[1, 1], &bytes),
            of("{a:<f8}", &[1], &bytes),
            of("{b:<f8}", &[1], &bytes),
            of("{t=b:<f8}", &[1], &bytes),
            of("|V8", &[1], &bytes),
            of("|V2", &[1], &[1, 2]),
            of("bfloat16", &[1], &[1, 2]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn digests_are_spelled_in_64_digits() {
        let name = of("|u1", &[], &[1]);
        let text = name.to_string();
        assert_eq!((text.len(), text.parse::<Digest>().unwrap()), (64, name));
        assert_eq!(text.to_uppercase().parse::<Digest>().unwrap(), name);
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g")] {
            let error = wrong.parse::<Digest>().unwrap_err();
            assert!(error.message().starts_with("a digest has 64 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn a_digester_wants_just_the_bytes_of_its_array() {
        let mut digester = Digester::new(&">u2".parse().unwrap(), &[2]).unwrap();
        digester.update(&[1, 2, 3]).unwrap();
        assert_eq!(
            digester.update(&[1, 2]).unwrap_err().message(),
            "more bytes than the array has"
        );
        let error = digester.finish().unwrap_err();
        assert_eq!(error.message(), "1 bytes of the array have not come");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]
        #[test]
        fn order_byte_order_strides_and_cuts_do_not_count(
            spec in prop::sample::select(vec![">u2", "<c16", "|S5", ">U2", "{a:|u1,:|V3,b:>f4[2],:|V1}", "<f16"]),
            shape in prop::collection::vec(0usize..7, 0..4),
            cut in 1usize..40,
            seed: u8,
        ) {
            let dtype: DType = spec.parse().unwrap();
            let count: usize = shape.iter().product();
            let bytes: Vec<u8> = (0..count * dtype.itemsize())
                .map(|i| u8::try_from(i % 251).unwrap().wrapping_mul(seed)).collect();
            let first = array(spec, &shape, Order::C, &bytes);
            let wanted = digest(&first.view()).unwrap();
            let other = dtype.with_endian(Endian::Little).to_string();
            let little = bytes_of(&first, Order::C, Some(Endian::Little));
            prop_assert_eq!(of(&other, &shape, &little), wanted);
            let fortran = bytes_of(&first, Order::F, None);
            prop_assert_eq!(digest(&array(spec, &shape, Order::F, &fortran).view()).unwrap(), wanted);
            let mut digester = Digester::new(&dtype, &shape).unwrap();
            bytes.chunks(cut).for_each(|part| digester.update(part).unwrap());
            prop_assert_eq!(digester.finish().unwrap(), wanted);
        }
    }

    #[test]
    fn threads_do_not_count() {
        let most = if cfg!(miri) { 1 } else { 7 * SUBTREE + 5 };
        let bytes: Vec<u8> = (0..most).map(|i| u8::try_from(i % 249).unwrap()).collect();
        let lead = lead(&"|u1".parse().unwrap(), &[1]).len();
        for subtrees in 2..8 {
            for len in [subtrees * SUBTREE - lead, subtrees * SUBTREE, subtrees * SUBTREE - 999] {
                let Some(bytes) = bytes.get(..len) else { continue };
                let array = ArrayRef::from_slice(bytes, &[len]).unwrap();
                let mut seen = 0;
                let found = digest_with(&array, Threads::new(3), &mut |n| {
                    seen = n;
                    Ok(())
                });
                assert_eq!((found.unwrap(), seen), (digest(&array).unwrap(), len as u64));
            }
        }
    }

    #[test]
    fn many_pieces_are_the_whole() {
        let count = if cfg!(miri) { 1000 } else { 300_000 };
        let bytes: Vec<u8> = (0..count * 6).map(|i| u8::try_from(i % 253).unwrap()).collect();
        for spec in [">u2", "<u2", "{a:|u1,:|V1}"] {
            let first = array(spec, &[count, 3], Order::C, &bytes);
            let fortran = bytes_of(&first, Order::F, None);
            let other = array(spec, &[count, 3], Order::F, &fortran);
            assert_eq!(digest(&first.view()).unwrap(), digest(&other.view()).unwrap(), "{spec}");
            let mut digester = Digester::new(first.dtype(), first.shape()).unwrap();
            digester.update(&bytes).unwrap();
            assert_eq!(digester.finish().unwrap(), digest(&first.view()).unwrap(), "{spec}");
        }
    }
}
