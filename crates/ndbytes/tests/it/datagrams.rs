//! Arrays as datagrams over links of every kind, without a socket: what is delivered is what was sent.

use crate::array;
use crate::frames::SPECS;
use crate::lossy::{Link, Rng, datagrams, pieces};
use ndbytes::datagram::{
    Arrival, FragmentOptions, MAX_DATAGRAM, Reassembler, ReassemblyOptions, Stats,
};
use ndbytes::{
    Array, ArrayRef, ChecksumState, ErrorKind, Message, Order, Piece, Spec, frame, to_bytes,
};
use std::time::Duration;

const CLEAN: Link = Link { loss: 0.0, repeat: 0.0, damage: 0.0, reorder: 0 };
const BAD: Link = Link { loss: 0.05, repeat: 0.10, damage: 0.05, reorder: 40 };
const MILLISECOND: Duration = Duration::from_millis(1);

fn for_loss(loss: f64) -> FragmentOptions {
    FragmentOptions { loss, ..Default::default() }
}

/// Gives all datagrams to a receiver at one time; what it gives, and how many errors.
fn give(to: &mut Reassembler, datagrams: &[Vec<u8>], now: Duration) -> (Vec<Arrival>, u64) {
    let (mut given, mut errors) = (Vec::new(), 0);
    for datagram in datagrams {
        match to.accept(datagram, now) {
            Ok(arrival) => given.extend(arrival),
            Err(_) => errors += 1,
        }
    }
    (given, errors)
}

fn check_same(arrival: &Arrival, arrays: &[ArrayRef<'_>]) {
    assert!(arrival.mask.is_none());
    assert_eq!(arrival.received.arrays.len(), arrays.len());
    for (decoded, sent) in arrival.received.arrays.iter().zip(arrays) {
        let found = decoded.array.as_ref().unwrap();
        assert_eq!(decoded.state, ChecksumState::Verified);
        assert_eq!((found.dtype(), found.shape()), (sent.dtype(), sent.shape()));
        assert!(found.data().is_empty() || found.data().as_ptr().align_offset(16) == 0);
        let items = |array: &ArrayRef<'_>| to_bytes(array, Order::C).unwrap();
        assert!(items(&found.view()) == items(sent), "a wrong byte");
    }
}

/// Sends arrays of random bytes through a bad link: (sent, delivered, what the receiver saw).
fn transfers(count: u64, loss: f64, link: Link, size: impl Fn(&mut Rng) -> usize) -> (u64, Stats) {
    let mut rng = Rng::new(7);
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let base = rng.bytes((16 << 20) + (1 << 20));
    let (mut now, mut delivered) = (Duration::ZERO, 0);
    for number in 0..count {
        let len = size(&mut rng);
        let start = rng.below(1 << 20);
        let sent = ArrayRef::from_slice(&base[start..start + len], &[len]).unwrap();
        let message = Message { count: 1, seq: number, sent_ns: 0, stream: None };
        let pieces = pieces(std::slice::from_ref(&sent), Some(message));
        let sent_datagrams = datagrams(pieces, 9, number, &for_loss(loss));
        assert!(sent_datagrams.iter().all(|datagram| datagram.len() <= MAX_DATAGRAM));
        let (came, _) = link.carry(sent_datagrams, &mut rng);
        let (given, _) = give(&mut reassembler, &came, now);
        for arrival in given {
            assert_eq!((arrival.stream, arrival.number), (9, number));
            assert_eq!(arrival.received.message, Some(message));
            check_same(&arrival, std::slice::from_ref(&sent));
            delivered += 1;
        }
        now += MILLISECOND;
        assert!(reassembler.expire(now).is_none());
    }
    // What is not there by now never comes.
    assert!(reassembler.expire(now + Duration::from_secs(2)).is_none());
    assert_eq!((reassembler.pending(), reassembler.held()), (0, 0));
    (delivered, reassembler.stats())
}

#[test]
fn a_thousand_transfers_over_a_bad_link() {
    let (delivered, stats) =
        transfers(1000, 0.10, BAD, |rng| (64 << 10) + rng.below((1 << 20) - (64 << 10)));
    assert!(delivered >= 999, "{delivered} of 1000 delivered");
    assert_eq!((stats.messages, stats.lost, stats.damaged), (delivered, 1000 - delivered, 0));
    assert!(stats.repaired > 10_000 && stats.corrupt > 10_000 && stats.duplicates > 10_000);
    assert!(stats.spare > 10_000 && stats.late > 0, "{stats:?}");
}

#[test]
fn large_transfers_over_a_bad_link() {
    let count = if std::env::var_os("NDBYTES_LONG").is_some() { 1000 } else { 3 };
    let (delivered, stats) = transfers(count, 0.10, BAD, |_| 16 << 20);
    assert!(delivered * 1000 >= count * 999, "{delivered} of {count} delivered");
    assert_eq!((stats.messages, stats.lost), (delivered, count - delivered));
}

#[test]
fn without_parity_lost_arrays_are_counted_and_none_is_given_in_part() {
    let (delivered, stats) =
        transfers(500, 0.0, Link { loss: 0.002, ..BAD }, |rng| 1 + rng.below(40 << 10));
    assert!((1..400).contains(&delivered), "{delivered}");
    assert_eq!((stats.messages, stats.repaired, stats.partial), (delivered, 0, 0));
    // Of one message more nothing at all may have come, behind the last of which something came.
    assert!((499..=500).contains(&(stats.lost + delivered)), "{stats:?}");
}

#[test]
fn a_clean_link_repairs_nothing() {
    for loss in [0.0, 0.2] {
        let (delivered, stats) = transfers(50, loss, CLEAN, |rng| rng.below(1 << 20));
        assert_eq!((delivered, stats.messages, stats.lost, stats.repaired), (50, 50, 0, 0));
        assert_eq!((stats.late, stats.duplicates, stats.corrupt, stats.refused), (0, 0, 0, 0));
        assert_eq!(stats.spare > 0, loss > 0.0 || stats.spare > 0);
    }
}

#[test]
fn arrays_of_every_kind_and_groups_pass() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let views: Vec<_> = arrays.iter().map(Array::view).collect();
    let mut rng = Rng::new(3);
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    for (number, len) in (1..=views.len()).enumerate() {
        let (number, count) = (number as u64, len as u64);
        let message = Message { count, seq: number, sent_ns: 5, stream: None };
        let sent = datagrams(pieces(&views[..len], Some(message)), 1, number, &for_loss(0.3));
        let (came, _) = Link { loss: 0.1, ..BAD }.carry(sent, &mut rng);
        let (given, _) = give(&mut reassembler, &came, Duration::ZERO);
        assert_eq!(given.len(), 1, "{len}");
        check_same(&given[0], &views[..len]);
    }
    // One alone, that says nothing of a message; coded, and not.
    for (number, view) in (1000..).zip(&views) {
        let sent = datagrams(pieces(std::slice::from_ref(view), None), 1, number, &for_loss(0.1));
        let (given, errors) = give(&mut reassembler, &sent, Duration::ZERO);
        assert_eq!((given.len(), errors), (1, 0));
        assert_eq!(given[0].received.message, None);
        check_same(&given[0], std::slice::from_ref(view));
    }
}

/// A message of `len` bytes that is one frame; the bytes of the array follow from it.
fn frame_of(len: usize) -> (Vec<u8>, Vec<u8>) {
    let empty = to_frame(&[]).len();
    let data: Vec<u8> = Rng::new(len as u64).bytes(len.saturating_sub(empty));
    (to_frame(&data), data)
}

fn to_frame(data: &[u8]) -> Vec<u8> {
    let array = ArrayRef::from_slice(data, &[data.len()]).unwrap();
    pieces(&[array], None).iter().flat_map(|piece| piece.to_vec()).collect()
}

fn of_bytes(bytes: &[u8], options: &FragmentOptions) -> Vec<Vec<u8>> {
    // In pieces of odd sizes.
    datagrams(bytes.chunks(1009).map(Piece::Run).collect(), 5, 5, options)
}

#[test]
fn every_size_around_the_borders_of_shards_and_groups_comes_back() {
    let small = 168..2500;
    let shard = 64;
    let borders = [383, 384, 385, 768, 3072, 3073].into_iter();
    let borders = borders.flat_map(|shards| (-1..=1).map(move |more| shards * shard + more));
    let borders: Vec<usize> = borders.map(|len| usize::try_from(len).unwrap()).collect();
    let options = |datagram, loss| FragmentOptions { loss, datagram };
    for (lens, datagram) in [
        (small.collect::<Vec<_>>(), 96),
        (borders, 96),
        ((1..8).flat_map(|n| [n * 1408 - 1, n * 1408, n * 1408 + 1]).collect(), MAX_DATAGRAM),
    ] {
        for len in lens {
            let (bytes, data) = frame_of(len);
            for loss in [0.0, 0.01] {
                let sent = of_bytes(&bytes, &options(datagram, loss));
                let mut reassembler = Reassembler::new(ReassemblyOptions::default());
                let (given, errors) = give(&mut reassembler, &sent, Duration::ZERO);
                assert_eq!((given.len(), errors), (1, 0), "{len}");
                let array = given[0].received.arrays[0].array.as_ref().unwrap();
                assert!(array.data()[..] == data[..]);
                assert_eq!(reassembler.stats().repaired, 0);
            }
        }
    }
}

#[test]
fn any_losses_up_to_the_parity_of_a_group_are_made_good_and_one_more_is_not() {
    let mut rng = Rng::new(11);
    for len in [168, 3000, 64 * 384, 64 * 385, 64 * 3073] {
        let (bytes, data) = frame_of(len);
        let sent = of_bytes(&bytes, &FragmentOptions { loss: 0.1, datagram: 96 });
        let parity = usize::from(u16::from_le_bytes([sent[0][6], sent[0][7]]));
        let is = |datagram: &[u8], flags: u8| datagram[5] == flags;
        let shards = sent.iter().filter(|datagram| is(datagram, 0)).count();
        let groups = shards.min(3072).div_ceil(384);
        for _ in 0..5 {
            // All from one group of the first window.
            let group = rng.below(groups);
            let member = |datagram: &Vec<u8>| {
                let number = u32::from_le_bytes(datagram[12..16].try_into().unwrap()) as usize;
                let window = if is(datagram, 1) { groups * parity } else { 3072 };
                !is(datagram, 2) && number < window && number % groups == group
            };
            let members: Vec<usize> = (0..sent.len()).filter(|&at| member(&sent[at])).collect();
            let mut lost = Vec::new();
            while lost.len() < parity {
                let one = members[rng.below(members.len())];
                if !lost.contains(&one) {
                    lost.push(one);
                }
            }
            let without = |lost: &[usize]| -> Vec<Vec<u8>> {
                let left = (0..sent.len()).filter(|at| !lost.contains(at));
                // Not those that were sent again on purpose either.
                left.map(|at| sent[at].clone()).filter(|datagram| !is(datagram, 2)).collect()
            };
            let mut reassembler = Reassembler::new(ReassemblyOptions::default());
            let (given, _) = give(&mut reassembler, &without(&lost), Duration::ZERO);
            let array = given[0].received.arrays[0].array.as_ref().unwrap();
            assert!(array.data()[..] == data[..]);
            lost.extend(members.iter().find(|at| !lost.contains(at)));
            let mut reassembler = Reassembler::new(ReassemblyOptions::default());
            let (given, _) = give(&mut reassembler, &without(&lost), Duration::ZERO);
            assert!(given.is_empty());
        }
    }
}

#[test]
fn messages_come_in_any_order_and_of_several_senders() {
    let (mut rng, mut all) = (Rng::new(5), Vec::new());
    let arrays: Vec<Vec<u8>> = (0..60).map(|at| rng.bytes(at * 100)).collect();
    for (at, data) in arrays.iter().enumerate() {
        let array = ArrayRef::from_slice(data, &[data.len()]).unwrap();
        let (stream, number) = (u32::try_from(at % 3).unwrap(), (at / 3) as u64);
        all.extend(datagrams(pieces(&[array], None), stream, number, &for_loss(0.01)));
    }
    let link = Link { loss: 0.0, repeat: 0.5, damage: 0.0, reorder: 100 };
    let (came, _) = link.carry(all, &mut rng);
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let (given, errors) = give(&mut reassembler, &came, Duration::ZERO);
    assert_eq!((given.len(), errors), (60, 0));
    for arrival in &given {
        let at = usize::try_from(arrival.number).unwrap() * 3 + arrival.stream as usize;
        let array = arrival.received.arrays[0].array.as_ref().unwrap();
        assert!(array.data()[..] == arrays[at][..]);
    }
    let stats = reassembler.stats();
    assert_eq!((stats.messages, stats.lost, stats.corrupt), (60, 0, 0));
}

#[test]
fn gaps_in_the_numbers_and_what_is_not_whole_are_lost_when_their_time_is_up() {
    let (bytes, _) = frame_of(5000);
    let of = |stream, number| datagrams(vec![Piece::Run(&bytes)], stream, number, &for_loss(0.0));
    let timeout = Duration::from_secs(3);
    let mut reassembler = Reassembler::new(ReassemblyOptions { timeout, ..Default::default() });
    let at = Duration::from_secs;
    assert_eq!(give(&mut reassembler, &of(1, 10), at(1)).0.len(), 1);
    assert_eq!(give(&mut reassembler, &of(1, 15), at(2)).0.len(), 1);
    assert_eq!(give(&mut reassembler, &of(1, 16)[1..], at(3)).0.len(), 0);
    assert_eq!(give(&mut reassembler, &of(1, 12), at(4)).0.len(), 1);
    // What came before the first one is given as well, if it comes in time.
    assert_eq!(give(&mut reassembler, &of(1, 8), at(4)).0.len(), 1);
    assert_eq!((reassembler.stats().lost, reassembler.pending()), (0, 1));
    assert_eq!(reassembler.deadline(), Some(at(4)));
    assert!(reassembler.expire(at(4)).is_none());
    assert_eq!(reassembler.stats().lost, 0);
    assert!(reassembler.expire(at(5)).is_none());
    assert_eq!(reassembler.stats().lost, 3, "11, 13 and 14");
    assert!(reassembler.expire(at(6)).is_none());
    assert_eq!((reassembler.stats().lost, reassembler.pending()), (4, 0));
    assert_eq!(reassembler.deadline(), None);
    // Too late.
    for number in [7, 9, 11, 14, 16] {
        assert!(give(&mut reassembler, &of(1, number), at(7)).0.is_empty(), "{number}");
    }
    let late = of(1, 7).iter().filter(|datagram| datagram[5] == 0).count() as u64;
    assert_eq!(reassembler.stats().late, late * 5);
    // A sender that starts again begins anew.
    assert_eq!(give(&mut reassembler, &of(2, 0), at(8)).0.len(), 1);
    assert_eq!(give(&mut reassembler, &of(2, 1), at(8)).0.len(), 1);
    assert!(reassembler.expire(at(1000)).is_none());
    assert_eq!((reassembler.stats().lost, reassembler.stats().messages), (4, 6));
}

#[test]
fn a_message_lives_as_long_as_something_of_it_comes() {
    let (bytes, _) = frame_of(50_000);
    let sent = datagrams(vec![Piece::Run(&bytes)], 1, 1, &for_loss(0.0));
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let mut given = 0;
    for (datagram, at) in sent.iter().zip(0..) {
        let now = Duration::from_millis(900 * at);
        assert!(reassembler.expire(now).is_none());
        given += usize::from(reassembler.accept(datagram, now).unwrap().is_some());
    }
    assert_eq!((given, reassembler.stats().lost), (1, 0));
}

#[test]
fn a_whole_message_whose_frame_is_damaged_is_an_error_and_lost() {
    let (mut bytes, _) = frame_of(5000);
    bytes[1000] ^= 1;
    let sent = of_bytes(&bytes, &for_loss(0.0));
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let last = sent.iter().find_map(|one| reassembler.accept(one, Duration::ZERO).err()).unwrap();
    assert!(matches!(last.kind(), ErrorKind::Checksum { block: Some(0), .. }), "{last}");
    assert!(last.message().starts_with("message 5: block 0 of 0 to 0"), "{last}");
    let stats = reassembler.stats();
    assert_eq!((stats.messages, stats.lost, stats.damaged), (0, 1, 1));
    assert_eq!(reassembler.held(), 0);
    // Bytes behind the frame, and a message that says that it has more.
    let (bytes, _) = frame_of(300);
    for (bytes, why) in [
        ([&bytes[..], b"more"].concat(), "message 5: 4 bytes behind the 1 arrays of a message"),
        (bytes[..bytes.len() - 1].to_vec(), "message 5: "),
    ] {
        let mut reassembler = Reassembler::new(ReassemblyOptions::default());
        let sent = of_bytes(&bytes, &for_loss(0.0));
        let errors: Vec<_> =
            sent.iter().filter_map(|one| reassembler.accept(one, Duration::ZERO).err()).collect();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].message().starts_with(why), "{}", errors[0]);
    }
}

#[test]
fn coded_frames_pass() {
    let spec: Spec = "<i4[300,300]".parse().unwrap();
    assert_eq!(spec.dtype.itemsize(), 4);
    let sent = array("<i4[300,300]");
    let options = frame::EncodeOptions { codec: ndbytes::Codec::Auto, ..Default::default() };
    let view = sent.view();
    let mut encoder = frame::Encoder::new(&view, &options).unwrap();
    let mut fragmenter =
        ndbytes::datagram::Fragmenter::of(&mut encoder, 1, 1, &for_loss(0.05)).unwrap();
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let (mut space, mut given) = ([0; MAX_DATAGRAM], Vec::new());
    while let Some(len) = fragmenter.next(&mut space).unwrap() {
        given.extend(reassembler.accept(&space[..len], Duration::ZERO).unwrap());
    }
    check_same(&given[0], &[sent.view()]);
}
