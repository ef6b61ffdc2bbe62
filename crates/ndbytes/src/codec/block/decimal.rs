//! Decimal numbers among floats, and the few elements that are none.

use crate::error::{Error, Result};
use crate::kernel::filter::{Digits, from_decimal, to_decimal};

/// How many decimal digits floats have, in how many bytes their integers fit, and which elements are exceptions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal<'e> {
    pub(super) digits: Digits,
    pub(crate) width: usize,
    /// Of each exception where it stands, in four bytes, and the bytes of the element.
    exceptions: &'e [u8],
}

/// Bytes before the exceptions: digits, width, and how many there are.
const HEAD: usize = 4;
/// Bytes of where an element stands.
const PLACE: usize = 4;
/// Of so many elements one may be an exception.
const RARE: usize = 32;

impl<'e> Decimal<'e> {
    /// Writes it to the front of `to`, and gives what is left of that; `None` if there is no room.
    pub(super) fn encode<'t>(&self, to: &'t mut [u8], float: usize) -> Option<&'t mut [u8]> {
        let (head, rest) = to.split_first_chunk_mut::<HEAD>()?;
        let count = u16::try_from(self.exceptions.len() / (PLACE + float)).ok()?;
        let [low, high] = count.to_le_bytes();
        *head = [self.digits.get(), u8::try_from(self.width).ok()?, low, high];
        let (exceptions, rest) = rest.split_at_mut_checked(self.exceptions.len())?;
        exceptions.copy_from_slice(self.exceptions);
        Some(rest)
    }

    /// Reads it from the front of what is stored of a block of `len` floats of `float` bytes, and gives what is behind it.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn parse(stored: &'e [u8], len: usize, float: usize) -> Result<(Self, &'e [u8])> {
        let wrong = || {
            Error::malformed(
                "its decimal filter does not say digits, width and exceptions as it must",
            )
        };
        let ([digits, width, low, high], rest) =
            stored.split_first_chunk::<HEAD>().ok_or_else(wrong)?;
        let (digits, width) = (Digits::new(*digits).ok_or_else(wrong)?, usize::from(*width));
        let count = usize::from(u16::from_le_bytes([*low, *high]));
        let (exceptions, rest) =
            rest.split_at_checked(count * (PLACE + float)).ok_or_else(wrong)?;
        let found = Self { digits, width, exceptions };
        let places = found.each(float).map(|(place, _)| place);
        if !matches!(width, 1 | 2 | 4 | 8)
            || width > float
            || !places.clone().is_sorted_by(|a, b| a < b)
            || places.last().is_some_and(|last| last >= len)
        {
            return Err(wrong());
        }
        Ok((found, rest))
    }

    /// Where each exception stands, and its bytes.
    fn each(&self, float: usize) -> impl Iterator<Item = (usize, &'e [u8])> + Clone + use<'e> {
        self.exceptions.chunks_exact(PLACE + float).filter_map(|exception| {
            let (place, element) = exception.split_first_chunk::<PLACE>()?;
            Some((u32::from_le_bytes(*place) as usize, element))
        })
    }

    /// Makes floats of `float` bytes from the integers.
    pub(super) fn undo(&self, from: &[u8], to: &mut [u8], float: usize) {
        from_decimal(from, to, self.width, float, self.digits);
        for (place, element) in self.each(float) {
            if let Some(to) = to.get_mut(place * float..(place + 1) * float) {
                to.copy_from_slice(element);
            }
        }
    }
}

/// Looks for decimal numbers.
#[derive(Debug, Default)]
pub(super) struct Finder {
    exceptions: Vec<u8>,
    /// The elements without exceptions.
    plain: Vec<u8>,
}

impl Finder {
    /// Makes the integers that floats are with so many digits, at the front of `to`, and gives their width; `None` if too many are no
    /// such numbers.
    pub(super) fn find(
        &mut self,
        from: &[u8],
        to: &mut [u8],
        float: usize,
        digits: Digits,
    ) -> Option<usize> {
        self.exceptions.clear();
        if let Some(width) = to_decimal(from, to, float, digits) {
            return Some(width);
        }
        self.take_exceptions(from, float).then(|| to_decimal(&self.plain, to, float, digits))?
    }

    /// What was found last.
    pub(super) fn found(&self, digits: Digits, width: usize) -> Decimal<'_> {
        Decimal { digits, width, exceptions: &self.exceptions }
    }

    /// Copies the elements, those that no integer stands for as the one before; false where there are none of these, or many.
    fn take_exceptions(&mut self, from: &[u8], float: usize) -> bool {
        let most = (from.len() / float / RARE).min(usize::from(u16::MAX)) * (PLACE + float);
        let (mut last, mut place) = ([0; 8], 0u32);
        let last = &mut last[..float];
        self.plain.clear();
        self.plain.extend_from_slice(from);
        for element in self.plain.chunks_exact_mut(float) {
            if is_exception(element) {
                self.exceptions.extend(place.to_le_bytes());
                self.exceptions.extend_from_slice(element);
                if self.exceptions.len() > most {
                    return false;
                }
                element.copy_from_slice(last);
            }
            last.copy_from_slice(element);
            place = place.saturating_add(1);
        }
        !self.exceptions.is_empty()
    }
}

/// Whether a float is minus zero, an infinity, or not a number.
fn is_exception(element: &[u8]) -> bool {
    let x = match *element {
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0.0,
    };
    !x.is_finite() || (x == 0.0 && x.is_sign_negative())
}
