//! Huffman codes, and how deflate writes them down (RFC 1951, sections 3.2.2 and 3.2.7).

/// How the bits of a symbol stand in a stream, and how many they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) bits: u16,
    pub(super) len: u8,
}

pub(super) const NO_SYMBOLS: [Symbol; 256] = [Symbol { bits: 0, len: 0 }; 256];

/// The lengths of the codes of symbols that are as frequent as this, which make the fewest bits, or nearly, with none
/// longer than `limit`. What is not there has none; but a code is never of one symbol alone, which readers differ over.
pub(super) fn lengths(counts: &[u32], limit: usize) -> Vec<u8> {
    let mut lengths = vec![0; counts.len()];
    let mut leaves: Vec<_> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(at, count)| (*count, at))
        .collect();
    leaves.sort_unstable();
    if leaves.len() < 2 {
        let alone = leaves.first().map_or(0, |(_, symbol)| *symbol);
        lengths
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| *at == alone || *at == usize::from(alone == 0))
            .for_each(|(_, len)| *len = 1);
        return lengths;
    }
    let of_length = limited(&depths(&leaves), limit);
    // The most frequent ones have the shortest codes.
    let shortest_first =
        (0_u8..).zip(&of_length).flat_map(|(len, count)| std::iter::repeat_n(len, *count));
    for ((_, symbol), len) in leaves.iter().rev().zip(shortest_first) {
        if let Some(place) = lengths.get_mut(*symbol) {
            *place = len;
        }
    }
    lengths
}

/// How deep each leaf is in the tree that joins the two rarest nodes again and again. The leaves are sorted.
fn depths(leaves: &[(u32, usize)]) -> Vec<usize> {
    let count = leaves.len();
    let mut parents = vec![0; 2 * count - 1];
    // Inner nodes come in the order of their weights, so that both kinds are queues.
    let mut weights: Vec<u32> = Vec::with_capacity(count);
    let (mut leaf, mut inner) = (0, 0);
    for made in 0..count - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let (one, other) = (leaves.get(leaf), weights.get(inner));
            let is_leaf = one.is_some_and(|(weight, _)| other.is_none_or(|other| weight <= other));
            let (node, weight) = match is_leaf {
                true => (leaf, one.map_or(0, |(weight, _)| *weight)),
                false => (count + inner, other.copied().unwrap_or_default()),
            };
            leaf += usize::from(is_leaf);
            inner += usize::from(!is_leaf);
            sum += weight;
            if let Some(parent) = parents.get_mut(node) {
                *parent = count + made;
            }
        }
        weights.push(sum);
    }
    let mut depths = vec![0; parents.len()];
    for node in (0..parents.len() - 1).rev() {
        let parent =
            parents.get(node).and_then(|parent| depths.get(*parent)).copied().unwrap_or_default();
        if let Some(depth) = depths.get_mut(node) {
            *depth = parent + 1;
        }
    }
    depths.truncate(count);
    depths
}

/// How many codes of each length there are, if those that are too long are shortened and others pay for it.
fn limited(depths: &[usize], limit: usize) -> Vec<usize> {
    let mut of_length = vec![0_usize; limit + 1];
    for depth in depths {
        if let Some(count) = of_length.get_mut(*depth.min(&limit)) {
            *count += 1;
        }
    }
    let room = 1 << limit;
    let mut taken: usize =
        of_length.iter().enumerate().skip(1).map(|(len, count)| count << (limit - len)).sum();
    while taken > room {
        // Two of the longest codes, one of which is given up, now begin with what was a shorter one.
        let Some(shorter) =
            (1..limit).rev().find(|len| of_length.get(*len).is_some_and(|count| *count > 0))
        else {
            break;
        };
        for (len, more, fewer) in [(limit, 0, 1), (shorter, 0, 1), (shorter + 1, 2, 0)] {
            if let Some(count) = of_length.get_mut(len) {
                *count = *count + more - fewer;
            }
        }
        taken -= 1;
    }
    of_length
}

/// The symbols that have codes of these lengths, each code one more than that of the symbol before.
pub(super) fn symbols(lengths: &[u8]) -> Vec<Symbol> {
    let mut symbols = vec![Symbol::default(); lengths.len()];
    let mut code = 0_u16;
    for len in 1..=15 {
        code <<= 1;
        for (symbol, _) in symbols.iter_mut().zip(lengths).filter(|(_, found)| **found == len) {
            // Codes stand with their first bit lowest.
            *symbol = Symbol { bits: code.reverse_bits() >> (16 - len), len };
            code = code.wrapping_add(1);
        }
    }
    symbols
}

/// Two codes as a block begins with them: numbers of so many bits, the lowest first.
pub(super) struct Preamble(Vec<(u16, u8)>);

/// The order in which the lengths of the code of lengths stand.
pub(super) const ORDER: [u8; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Preamble {
    /// The code of literals, of which there are at least 257, and that of distances, by the lengths of their codes.
    pub(super) fn new(literals: &[u8], distances: &[u8]) -> Self {
        let all: Vec<_> = literals.iter().chain(distances).copied().collect();
        let steps: Vec<_> = all.chunk_by(|a, b| a == b).flat_map(repeated).collect();
        let mut counts = [0; ORDER.len()];
        for (symbol, _, _) in &steps {
            if let Some(count) = counts.get_mut(usize::from(*symbol)) {
                *count += 1;
            }
        }
        let lengths = lengths(&counts, 7);
        let code = symbols(&lengths);
        let mut in_order: Vec<_> =
            ORDER.iter().filter_map(|symbol| lengths.get(usize::from(*symbol))).copied().collect();
        while in_order.len() > 4 && in_order.last() == Some(&0) {
            in_order.pop();
        }
        let number = |count: usize, least: usize| {
            u16::try_from(count.saturating_sub(least)).unwrap_or_default()
        };
        let mut fields = vec![
            (number(literals.len(), 257), 5),
            (number(distances.len(), 1), 5),
            (number(in_order.len(), 4), 4),
        ];
        fields.extend(in_order.into_iter().map(|len| (u16::from(len), 3)));
        for (symbol, more, width) in steps {
            let Symbol { bits, len } = code.get(usize::from(symbol)).copied().unwrap_or_default();
            fields.extend([(bits, len), (more, width)]);
        }
        Self(fields)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (u16, u8)> {
        self.0.iter().copied()
    }

    /// How many bits they are.
    pub(super) fn len(&self) -> usize {
        self.fields().map(|(_, width)| usize::from(width)).sum()
    }
}

/// A length that stands so often in a row, as symbols of the code of lengths, each with a number and its width in bits.
fn repeated(row: &[u8]) -> Vec<(u8, u16, u8)> {
    let value = row.first().copied().unwrap_or_default();
    let (mut left, mut steps) = (row.len(), Vec::new());
    if value > 0 {
        steps.push((value, 0, 0));
        left -= 1;
    }
    while left > 0 {
        let (symbol, least, most, width) = match (value, left) {
            (0, 11..) => (18, 11, 138, 7),
            (0, 3..) => (17, 3, 10, 3),
            (1.., 3..) => (16, 3, 6, 2),
            _ => (value, 1, 1, 0),
        };
        let step = left.min(most);
        steps.push((symbol, u16::try_from(step - least).unwrap_or_default(), width));
        left -= step;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How much of the room of all codes these take, in parts of `1 << 15`.
    fn taken(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|len| **len > 0).map(|len| 1 << (15 - len)).sum()
    }

    fn bits(counts: &[u32], lengths: &[u8]) -> u32 {
        counts.iter().zip(lengths).map(|(count, len)| count * u32::from(*len)).sum()
    }

    #[test]
    fn the_fewest_bits_of_a_small_code_are_found() {
        // Every code of four symbols: three shapes of a tree.
        let shapes = [[1, 2, 3, 3], [2, 2, 2, 2]];
        for counts in (0..4_u32.pow(4)).map(|n| [1, 4, 16, 64].map(|place| 1 + 5 * (n / place % 4)))
        {
            let mut sorted = counts;
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let fewest = shapes.iter().map(|shape| bits(&sorted, shape)).min();
            assert_eq!(Some(bits(&counts, &lengths(&counts, 15))), fewest, "{counts:?}");
        }
    }

    #[test]
    fn a_code_is_never_of_one_symbol() {
        assert_eq!(lengths(&[0, 0, 7], 15), [1, 0, 1]);
        assert_eq!(lengths(&[7, 0, 0], 15), [1, 1, 0]);
        assert_eq!(lengths(&[0, 0], 15), [1, 1]);
    }

    #[test]
    fn no_code_is_longer_than_allowed() {
        let mut counts = vec![1, 1];
        while counts.len() < 40 {
            counts.push(counts.iter().rev().take(2).sum());
        }
        for limit in 6..15 {
            let lengths = lengths(&counts, limit);
            assert_eq!(lengths.iter().max().copied().map(usize::from), Some(limit));
            assert_eq!(taken(&lengths), 1 << 15);
        }
    }

    #[test]
    fn codes_are_those_of_the_example_in_rfc_1951() {
        let codes = symbols(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let codes = codes.iter().map(|symbol| symbol.bits.reverse_bits() >> (16 - symbol.len));
        assert_eq!(codes.collect::<Vec<_>>(), [2, 3, 4, 5, 6, 0, 14, 15]);
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_the_frequent_ones_short(
            counts in proptest::collection::vec((0_u32..14, 0_u32..20).prop_map(|(size, n)| n << size), 2..290),
            limit in 9_usize..=15,
        ) {
            let lengths = lengths(&counts, limit);
            prop_assert_eq!(taken(&lengths), 1 << 15);
            let used = counts.iter().filter(|count| **count > 0).count();
            for (count, len) in counts.iter().zip(&lengths) {
                prop_assert!(usize::from(*len) <= limit && (*len > 0 || *count == 0 || used < 2));
                let rarer = counts.iter().zip(&lengths).filter(|(other, _)| *other < count && **other > 0);
                for (_, other) in rarer {
                    prop_assert!(other >= len);
                }
            }
        }

        #[test]
        fn lengths_are_written_so_that_they_come_back(row in proptest::collection::vec((0_u8..15, 1_usize..300), 1..20)) {
            for (value, len) in row {
                let row = vec![value; len];
                let mut back = Vec::new();
                for (symbol, more, width) in repeated(&row) {
                    prop_assert!(more < 1 << width);
                    let (value, times) = match symbol {
                        16 => (*back.last().unwrap(), 3),
                        17 => (0, 3),
                        18 => (0, 11),
                        _ => (symbol, 1),
                    };
                    back.extend(std::iter::repeat_n(value, times + usize::from(more)));
                }
                prop_assert_eq!(back, row);
            }
        }
    }
}
