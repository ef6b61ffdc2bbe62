//! How much parity a loss takes.

use super::geometry::MAX_PARITY;
use crate::error::{Error, Result};

/// What a group may fail with, if datagrams are lost independently of each other: 16 MiB are 32 groups.
/// (A little more, so that 0.01 thrice is still one in a million when it was rounded.)
const FAILURE: f64 = 1.000_000_001e-6;

/// The least number of shards of parity for a group of `data` shards with which it fails once in a million groups at most, if datagrams
/// are lost independently of each other at the rate `loss`.
///
/// ```
/// use ndbytes::datagram::parity_for;
/// assert_eq!(parity_for(100, 0.0)?, 0);
/// assert_eq!(parity_for(100, 0.1)?, 32);
/// assert_eq!(parity_for(384, 0.1)?, 80);
/// assert!(parity_for(100, 0.5).is_err());
/// # Ok::<(), ndbytes::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) for a loss that is not from 0 to below 0.5, and for groups of no shards or of more than 384.
pub fn parity_for(data: usize, loss: f64) -> Result<usize> {
    check_loss(loss)?;
    if data == 0 || data > super::geometry::GROUP {
        return Err(Error::argument(format!("a group of {data} shards; it has 1 to 384")));
    }
    let enough = (0..=MAX_PARITY).find(|&parity| failure(data, parity, loss) <= FAILURE);
    enough.ok_or_else(|| Error::argument(format!("no parity is enough for a loss of {loss}")))
}

/// # Errors
/// [`Argument`](crate::ErrorKind::Argument).
pub(super) fn check_loss(loss: f64) -> Result<()> {
    if (0.0..0.5).contains(&loss) {
        return Ok(());
    }
    let message = format!("a loss of {loss}; from 0 to below 0.5 can be made up for (0.05 is 5 %)");
    Err(Error::argument(message))
}

/// How likely it is that of `data + parity` shards more than `parity` are lost: the tail of the binomial distribution.
fn failure(data: usize, parity: usize, loss: f64) -> f64 {
    let total = data + parity;
    // That none is lost, and from there step by step how likely one more is. Only products, sums and quotients: the same on any machine.
    let mut exactly = (0..total).fold(1.0, |chance, _| chance * (1.0 - loss));
    let mut tail = 0.0;
    for lost in 0..total {
        let (left, next) = (count(total - lost), count(lost + 1));
        exactly *= left / next * (loss / (1.0 - loss));
        if lost >= parity {
            tail += exactly;
        }
    }
    tail
}

/// A small number as a float, exactly.
fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tail by another way: the chance of each number of losses, shard by shard.
    fn failure_by_table(data: usize, parity: usize, loss: f64) -> f64 {
        let mut chances = vec![1.0];
        for _ in 0..data + parity {
            let mut next = vec![0.0; chances.len() + 1];
            for (lost, chance) in chances.iter().enumerate() {
                next[lost] += chance * (1.0 - loss);
                next[lost + 1] += chance * loss;
            }
            chances = next;
        }
        chances[parity + 1..].iter().sum()
    }

    #[test]
    fn the_table() {
        // Of groups of 1, 10, 100 and 384 shards; made with exact fractions, in Python.
        for (loss, expected) in [
            (0.0, [0, 0, 0, 0]),
            (0.002, [2, 3, 5, 8]),
            (0.01, [2, 4, 9, 16]),
            (0.05, [4, 7, 20, 46]),
            (0.1, [5, 10, 32, 80]),
            (0.2, [8, 16, 57, 153]),
            (0.3, [11, 23, 87, 244]),
            (0.49, [19, 41, 172, 507]),
        ] {
            let found = [1, 10, 100, 384].map(|data| parity_for(data, loss).unwrap());
            assert_eq!(found, expected, "{loss}");
        }
    }

    #[test]
    fn it_is_enough_and_one_less_is_not() {
        for loss in [1e-9, 0.001, 0.05, 0.0975, 0.1, 0.3, 0.4999] {
            for data in [1, 2, 3, 12, 100, 383, 384] {
                let parity = parity_for(data, loss).unwrap();
                assert!(failure_by_table(data, parity, loss) <= FAILURE * 1.000_001);
                if parity > 0 {
                    assert!(failure_by_table(data, parity - 1, loss) > FAILURE * 0.999_999);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for loss in [0.5, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(parity_for(1, loss).unwrap_err().message().starts_with("a loss of "));
        }
        assert_eq!(
            parity_for(0, 0.1).unwrap_err().message(),
            "a group of 0 shards; it has 1 to 384"
        );
        assert!(parity_for(385, 0.1).is_err());
    }
}
