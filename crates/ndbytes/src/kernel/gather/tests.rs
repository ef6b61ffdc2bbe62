//! Both ways on every set of instructions, against loops over items.

use super::shape::Walk;
use super::*;
use crate::array::Order;
use proptest::prelude::*;

/// Where the items lie, in C order, with no cleverness: the oracle.
fn positions(layout: &Layout) -> Vec<usize> {
    let mut positions = vec![layout.offset().cast_signed()];
    for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
        let steps = 0..len.cast_signed();
        positions =
            positions.iter().flat_map(|p| steps.clone().map(move |i| p + i * stride)).collect();
    }
    positions.into_iter().map(isize::cast_unsigned).collect()
}

/// Item by item.
fn naive(data: &[u8], layout: &Layout, itemsize: usize) -> Vec<u8> {
    let mut items = Vec::new();
    positions(layout).iter().for_each(|&p| items.extend_from_slice(&data[p..][..itemsize]));
    items
}

/// Items along an axis of any length: fewer where every step takes long.
const LONG: usize = if cfg!(miri) { 9 } else { 40 };
/// Bytes of a line of cache.
const LINE: usize = 64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 2000 }))]
    #[test]
    fn gathers_what_the_naive_loop_gathers(
        axes in prop::collection::vec((0usize..LONG, -60isize..60), 0..4),
        itemsize in prop::sample::select(vec![0usize, 1, 2, 3, 4, 6, 8, 12, 16, 32]),
        contiguous in 0usize..4,
    ) {
        let (shape, mut strides): (Vec<usize>, Vec<isize>) = axes.into_iter().unzip();
        let ordered = Layout::contiguous(&shape, itemsize, if contiguous % 2 == 0 { Order::C } else { Order::F }).unwrap();
        if contiguous < 3 {
            for (axis, stride) in ordered.strides().iter().enumerate() {
                // Some axes keep the contiguous stride, some run backwards, some are free.
                strides[axis] = match axis % (contiguous + 1) { 0 => *stride, 1 => -stride, _ => strides[axis] };
            }
        }
        let low: isize = strides.iter().zip(&shape).map(|(&s, &n)| s.min(0) * n.saturating_sub(1).cast_signed()).sum();
        let layout = Layout::new(shape, strides, low.unsigned_abs()).unwrap();
        let span = layout.span(itemsize).unwrap();
        let data = bytes(span.end);
        let mut out = vec![0xAA; layout.len() * itemsize];
        gather(&data, &layout, itemsize, &mut out).unwrap();
        prop_assert_eq!(out, naive(&data, &layout, itemsize));
    }

    /// Slices of arrays whose axes were put in any order: what views are.
    #[test]
    fn any_view_both_ways(view in view(), shift in 0usize..70) {
        let (layout, itemsize) = view;
        check(&layout, itemsize, shift);
    }

    /// Any strides at all: those that share bytes too.
    #[test]
    fn any_layout_both_ways(
        axes in prop::collection::vec((1usize..if cfg!(miri) { 5 } else { 9 }, -40isize..40), 0..5),
        itemsize in prop::sample::select(SIZES.to_vec()),
        shift in 0usize..70,
    ) {
        let (shape, strides): (Vec<usize>, Vec<isize>) = axes.into_iter().unzip();
        check(&anchored(shape, strides), itemsize, shift);
    }
}

const SIZES: [usize; 16] = [1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 20, 24, 32, 40, 64, 100];

/// An array with few enough items, its axes in any order, and of each a part at a step.
fn view() -> impl Strategy<Value = (Layout, usize)> {
    let axis = (prop_oneof![1usize..6, 1usize..70], -3isize..4, any::<u32>());
    let axes = prop::collection::vec(axis, 1..5);
    (axes, prop::sample::select(SIZES.to_vec())).prop_map(|(mut axes, itemsize)| {
        while axes.iter().map(|axis| axis.0).product::<usize>()
            > if cfg!(miri) { 300 } else { 9000 }
        {
            axes.pop();
        }
        let shape: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
        // Three of four axes are whole, most of them forwards.
        let steps = axes.iter().map(|axis| {
            if axis.2 % 4 == 0 {
                axis.1
            } else if axis.2 % 4 == 1 {
                -1
            } else {
                1
            }
        });
        let full: Vec<usize> = shape
            .iter()
            .zip(steps.clone())
            .map(|(n, step)| n * step.unsigned_abs().max(1))
            .collect();
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.sort_by_key(|&axis| axes[axis].2 / 4);
        let mut strides = vec![0; shape.len()];
        let mut stride = itemsize;
        for (&axis, step) in
            order.iter().zip(order.iter().map(|&axis| steps.clone().nth(axis).unwrap()))
        {
            strides[axis] = step * stride.cast_signed();
            stride *= full[axis];
        }
        (anchored(shape, strides), itemsize)
    })
}

/// With the offset that puts the lowest item at the start.
fn anchored(shape: Vec<usize>, strides: Vec<isize>) -> Layout {
    let reach = |(&n, &s): (&usize, &isize)| s.min(0) * (n.cast_signed() - 1).max(0);
    let low: isize = shape.iter().zip(&strides).map(reach).sum();
    Layout::new(shape, strides, low.unsigned_abs()).unwrap()
}

/// Bytes of no pattern that a shift by a few would repeat, in runs of 251, so that they are soon made where steps take long.
fn bytes(len: usize) -> Vec<u8> {
    static SEVENS: [u8; 512] = {
        let (mut sevens, mut i) = ([0u8; 512], 1);
        while i < sevens.len() {
            sevens[i] = sevens[i - 1].wrapping_add(7);
            i += 1;
        }
        sevens
    };
    let mut bytes = Vec::with_capacity(len);
    for start in (0..len).step_by(251) {
        let run = &SEVENS[start / 251 * 32 % 256..];
        bytes.extend_from_slice(&run[..251.min(len - start)]);
    }
    bytes
}

/// Gathers and scatters on every set of instructions; the contiguous side begins at any alignment.
fn check(layout: &Layout, itemsize: usize, shift: usize) {
    let places = positions(layout);
    let size = places.len() * itemsize;
    // The memory ends where the items do, so that a tool that watches memory sees a byte too many.
    let data = bytes(layout.span(itemsize).unwrap().end);
    let gathered = naive(&data, layout, itemsize);
    let source = bytes(shift + size);
    let mut scattered = vec![0x5A; data.len()];
    for (&place, item) in places.iter().zip(source[shift..].chunks_exact(itemsize)) {
        scattered[place..][..itemsize].copy_from_slice(item);
    }
    for isa in Isa::all() {
        for stores in [Stores::Cached, Stores::Streaming] {
            // Only the largest set streams.
            if cfg!(miri) && stores == Stores::Streaming && isa != Isa::detect() {
                continue;
            }
            let mut out = vec![0xA5; LINE + shift + size + 40];
            // Miri gives any address: there the shift is from a line of cache on, so that all of its places are reached.
            let start = shift + if cfg!(miri) { out.as_ptr().align_offset(LINE) } else { 0 };
            let space = &mut out[start..start + size];
            gather_by(isa, stores, &data, layout, itemsize, space).unwrap();
            let (front, rest) = out.split_at(start);
            let (found, back) = rest.split_at(size);
            assert!(found == gathered, "gather {itemsize} {isa:?} {layout:?}");
            assert!(
                [front, back] == [front, back].map(|part| vec![0xA5; part.len()]),
                "written outside"
            );
        }
        let mut found = vec![0x5A; data.len()];
        scatter_by(isa, &source[shift..], &mut found, layout, itemsize).unwrap();
        assert!(found == scattered, "scatter {itemsize} {isa:?} {layout:?}");
    }
}

/// A plane of which the first axis is the near one, with so many items between two of either axis.
fn plane(height: usize, width: usize, itemsize: usize, gap: usize, back: bool) -> Layout {
    let step = (itemsize * (1 + gap)).cast_signed();
    let pitch = (height * itemsize * (1 + gap) + gap).cast_signed();
    anchored(vec![height, width], vec![if back { -step } else { step }, pitch])
}

#[test]
fn planes_of_every_size_around_a_tile() {
    for itemsize in [1, 2, 4, 8, 16] {
        let vector = 32 / itemsize;
        // A tile of the smaller vectors, and more than one of the larger.
        let few = vec![vector / 2, vector + 1];
        let sides = if cfg!(miri) { few } else { (1..2 * vector + 2).collect() };
        for &height in &sides {
            for &width in &sides {
                check(&plane(height, width, itemsize, 0, width % 3 == 0), itemsize, height % 5);
            }
        }
    }
}

#[test]
fn planes_of_more_than_a_block() {
    // Blocks have as many bytes for every size of items: under Miri the largest, and those that are packed where they have gaps.
    let few = vec![(16, 131, 2), (16, 2, 131), (2, 145, 8), (2, 8, 145), (1, 17, 16)];
    let all = [1, 2, 4, 8, 16].into_iter().flat_map(|itemsize| {
        [(2100, 9), (9, 1100), (700, 300)]
            .map(|(height, width)| (itemsize, height / itemsize + 3, width / itemsize + 5))
    });
    for (itemsize, height, width) in if cfg!(miri) { few } else { all.collect() } {
        for gap in if cfg!(miri) && itemsize < 16 { 1..2 } else { 0..2 } {
            check(&plane(height, width, itemsize, gap, gap == 1), itemsize, 0);
        }
    }
}

#[test]
fn long_axes_go_in_parts_and_end_with_a_rest() {
    // The first axis is the only long one, and lies farthest: the other two are loops inside of its parts.
    for (long, middle, last) in
        [(700usize, 3usize, 2usize), (4400, 2, 1), (150, 3, 5), (2049, 2, 2)]
    {
        let long = if cfg!(miri) { long / 20 } else { long };
        for itemsize in [1usize, 2, 4, 8, 16, 12] {
            for (step, repeated) in [(1isize, false), (-2, false), (3, true)] {
                let item = itemsize.cast_signed();
                let strides = vec![
                    90 * item * step,
                    if repeated { 0 } else { -item },
                    if last > 4 { 2 * item } else { -9 * item },
                ];
                check(&anchored(vec![long, middle, last], strides), itemsize, 3);
            }
        }
    }
}

#[test]
fn a_repeated_axis_around_a_long_one_is_copied_whole() {
    // Miri takes long to make memory, and the near steps reach less far.
    let (sizes, kinds) = if cfg!(miri) { (&SIZES[..1], 1) } else { (&SIZES[..], 2) };
    for &itemsize in sizes {
        let (item, long) = (itemsize.cast_signed(), if cfg!(miri) { 37 } else { 100 });
        for steps in &[[0, 3456, 64, 576, 1152], [0, 10_000, 100, 1700, 7]][..kinds] {
            let strides = steps.map(|step| step * item).to_vec();
            check(&anchored(vec![2, long, 9, 2, 3], strides), itemsize, 1);
        }
    }
}

#[test]
fn short_rows_of_one_item_are_filled() {
    for itemsize in [1usize, 2, 4, 8, 16, 3, 12] {
        let long = [250, 511, 512, 513, 528].map(|size| size / itemsize);
        let long = if cfg!(miri) { &long[4..] } else { &long };
        for repeats in (1..130 / itemsize).chain(long.iter().copied()) {
            if cfg!(miri) && (9..130).contains(&repeats) && repeats != 33 {
                continue;
            }
            let strides = vec![3 * itemsize.cast_signed(), -itemsize.cast_signed(), 0];
            check(&anchored(vec![5, 3, repeats], strides), itemsize, repeats % 4);
        }
    }
}

#[test]
fn rows_that_are_pages_apart() {
    // Under Miri, where shifts are from a line of cache on: whole lines, what precedes them, and no lines at all.
    let few = vec![(8, 4, 0), (8, 4, 8), (16, 2, 3)];
    let all = [1, 2, 4, 8, 16].into_iter().flat_map(|itemsize| {
        let edges = [(1, 0), (40 / itemsize + 1, itemsize), (600 / itemsize, 3), (70, 48)];
        let edges = edges.into_iter().chain([(72, 48), (4, 8), (300, 64)]);
        edges.map(move |(height, shift)| (itemsize, height, shift))
    });
    for (itemsize, height, shift) in if cfg!(miri) { few } else { all.collect() } {
        // The few have a row more in memory, without which they would be groups of so many items.
        let pitch = (height + usize::from(cfg!(miri))) * itemsize;
        let step = if shift == 3 { -itemsize.cast_signed() } else { itemsize.cast_signed() };
        let strides = vec![step, pitch.cast_signed()];
        check(&anchored(vec![height, 4096 / itemsize], strides), itemsize, shift);
    }
}

#[test]
fn items_of_every_size_in_rows_and_planes() {
    for itemsize in SIZES {
        // Rows that are long enough for a call, both ways.
        let (step, len) = (itemsize.cast_signed(), 64usize.div_ceil(itemsize) + 1);
        let pitch = 2 * step * len.cast_signed() + 1;
        for step in [2 * step, -2 * step] {
            check(&anchored(vec![2, len], vec![-pitch, step]), itemsize, 1);
        }
        for gap in [0, 1] {
            check(&plane(3, 5, itemsize, gap, false), itemsize, 1);
        }
    }
}

#[test]
fn images_with_channels_last_and_first() {
    for (channels, itemsize) in
        (1..6).flat_map(|channels| [(channels, 1), (channels, 4), (channels, 16)])
    {
        // Under Miri the tests of rows have the groups of larger items.
        if cfg!(miri) && itemsize > 1 && channels != 3 {
            continue;
        }
        let (high, wide) = (if cfg!(miri) { 2 } else { 5 }, 37);
        let row = wide * channels * itemsize + 8;
        let last = vec![high, wide, channels];
        let strides = [row, channels * itemsize, itemsize].map(usize::cast_signed);
        check(
            &anchored(vec![channels, high, wide], vec![strides[2], strides[0], strides[1]]),
            itemsize,
            1,
        );
        let plane = (high * wide * itemsize + 4).cast_signed();
        let row = (wide * itemsize).cast_signed();
        check(&anchored(last.clone(), vec![row, itemsize.cast_signed(), plane]), itemsize, 1);
        check(&anchored(last, vec![row, itemsize.cast_signed(), 0]), itemsize, 1);
    }
}

#[test]
fn an_axis_without_steps_repeats_what_is_inside() {
    for strides in
        [[0, 8, 40], [8, 0, 80], [8, 80, 0], [0, 0, 8], [0, 8, 0], [-8, 0, 80], [0, 40, 8]]
    {
        for itemsize in [4, 8, 12, 32] {
            let shape = if cfg!(miri) { vec![2, 3, 4] } else { vec![7, 10, 11] };
            check(&anchored(shape, strides.to_vec()), itemsize, 2);
        }
    }
    for itemsize in SIZES {
        let step = itemsize.cast_signed();
        check(&anchored(vec![2, 2], vec![-2 * step, 0]), itemsize, 0);
        check(&anchored(vec![2, 9, 2], vec![-2 * step, 4 * step, 0]), itemsize, 0);
    }
}

#[test]
fn what_is_repeated_often_is_copied_twice_as_long_each_time() {
    for itemsize in [1usize, 4, 8, 24] {
        let step = itemsize.cast_signed();
        for times in if cfg!(miri) { 2..9 } else { 2..40 }.chain([255, 1000, 2111]) {
            if !(cfg!(miri) && times > 9) {
                let strides = vec![18 * step, 0, 3 * step];
                check(&anchored(vec![2, times, 3], strides), itemsize, times % 5);
            }
        }
    }
}

#[test]
fn axes_longer_than_any_product_of_theirs_have_a_shape() {
    let long = 1usize << 33;
    for (strides, itemsize) in [
        ([0, -1], 1),
        ([9_000_000_000, 2], 1),
        ([0, -8], 8),
        ([8, -16], 8),
        ([1, 0], 1),
        ([3, 5], 16),
    ] {
        let layout = anchored(vec![2, long], strides.to_vec());
        for plan in [Plan::gather(&layout, itemsize), Plan::scatter(&layout, itemsize)] {
            let Walk { mut shape, outer, .. } = Walk::of(&plan);
            let axes =
                [*shape.first(), shape.last()].into_iter().chain(outer.iter().map(|o| o.axis));
            assert!(axes.map(|axis| axis.len).any(|len| len == long), "{shape:?} {outer:?}");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let layout = Layout::contiguous(&[4], 2, Order::C).unwrap();
    assert_eq!(
        gather(&[0; 7], &layout, 2, &mut [0; 8]).unwrap_err().message(),
        "items end at byte 8 of 7, and fill 8 bytes of 8"
    );
    assert!(gather(&[0; 8], &layout, 2, &mut [0; 7]).is_err());
    assert_eq!(
        scatter(&[0; 7], &mut [0; 8], &layout, 2).unwrap_err().message(),
        "items end at byte 8 of 8, and fill 8 bytes of 7"
    );
    assert!(scatter(&[0; 8], &mut [0; 7], &layout, 2).is_err());
}
