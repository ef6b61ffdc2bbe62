//! How many bits bytes take if each place in an element is coded by itself, in whole numbers: the same everywhere.

/// The bits, in 256ths, that the bytes of elements of this width take, those of each place by their own frequencies.
pub(super) fn bits(bytes: &[u8], width: usize) -> u64 {
    let mut total = 0;
    for place in 0..width {
        // Equal bytes are often neighbours: counted in turns, they do not wait for each other.
        let mut counts = [[0u32; 256]; 4];
        let mut places = bytes.iter().skip(place).step_by(width);
        while let Some(&byte) = places.next() {
            counts[0][usize::from(byte)] += 1;
            for counts in &mut counts[1..] {
                if let Some(&byte) = places.next() {
                    counts[usize::from(byte)] += 1;
                }
            }
        }
        let n = (bytes.len() / width) as u64;
        let count = |byte: usize| counts.iter().map(|counts| u64::from(counts[byte])).sum();
        let kept: u64 = (0..256).map(count).map(|count: u64| count * log2(count)).sum();
        total += n * log2(n) - kept;
    }
    total
}

/// The logarithm in 256ths: exact at powers of two, and within five of these between them.
fn log2(n: u64) -> u64 {
    let Some(whole) = n.checked_ilog2() else { return 0 };
    // The part behind the leading bit, of 256.
    let part = if whole < 8 { n << (8 - whole) } else { n >> (whole - 8) } & 0xFF;
    u64::from(whole) * 256 + part + ((part * (256 - part) * 88) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_close() {
        for n in (1..5000u64).chain([1 << 40, (1 << 40) + (1 << 39)]) {
            let exact = (n as f64).log2() * 256.0;
            assert!((log2(n) as f64 - exact).abs() < 4.5, "{n}: {} {exact}", log2(n));
        }
        assert_eq!(log2(0), 0);
    }

    #[test]
    fn places_count_apart() {
        assert_eq!(bits(&[7; 64], 1), 0);
        // The low byte is one of two, the high byte always the same.
        let elements: Vec<u8> = (0..64).flat_map(|i| [i % 2, 9]).collect();
        assert_eq!(bits(&elements, 2), 64 * 256);
        assert_eq!(bits(&elements, 1), 128 * 256 * 3 / 2);
        assert_eq!(bits(&[], 8), 0);
    }
}
