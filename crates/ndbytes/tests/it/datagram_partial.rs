//! Arrays that are given in part, with a mask of what came.

use crate::array;
use crate::lossy::{Rng, datagrams, pieces};
use ndbytes::datagram::{Arrival, FragmentOptions, Reassembler, ReassemblyOptions};
use ndbytes::{
    Array, ArrayRef, ChecksumState, Codec, Encode as _, Message, Order, frame, to_bytes,
};
use std::time::Duration;

const LATER: Duration = Duration::from_secs(10);

fn partial() -> Reassembler {
    Reassembler::new(ReassemblyOptions { partial: true, ..Default::default() })
}

/// What is given in part of the datagrams that `keep` keeps.
fn part(sent: &[Vec<u8>], keep: impl Fn(usize, &[u8]) -> bool) -> Option<Arrival> {
    let mut reassembler = partial();
    for (_, datagram) in sent.iter().enumerate().filter(|(at, datagram)| keep(*at, datagram)) {
        assert!(reassembler.accept(datagram, Duration::ZERO).unwrap().is_none());
    }
    let given = reassembler.expire(LATER);
    let stats = reassembler.stats();
    let count = u64::from(given.is_some());
    assert_eq!((stats.partial, stats.lost, stats.messages), (count, 1 - count, 0));
    assert!(reassembler.expire(LATER).is_none());
    given
}

/// Holds what is given against the array, and gives how many items are there.
fn check(given: &Arrival, sent: &Array) -> usize {
    let decoded = &given.received.arrays[0];
    let (found, mask) = (decoded.array.as_ref().unwrap(), given.mask.as_ref().unwrap());
    assert_eq!(decoded.state, ChecksumState::Unchecked);
    assert_eq!((found.dtype(), found.shape()), (sent.dtype(), sent.shape()));
    assert_eq!((mask.dtype().to_string(), mask.shape()), ("|b1".to_owned(), sent.shape()));
    let bytes = |array: &Array| to_bytes(&array.view(), Order::C).unwrap();
    let (found, mask, sent_bytes) = (bytes(found), bytes(mask), bytes(sent));
    let size = sent.dtype().itemsize().max(1);
    for (at, whole) in mask.iter().enumerate().filter(|_| sent.dtype().itemsize() > 0) {
        let item = at * size..(at + 1) * size;
        match whole {
            1 => assert!(found[item.clone()] == sent_bytes[item], "a wrong byte marked as right"),
            _ => assert!(found[item].iter().all(|&byte| byte == 0)),
        }
    }
    mask.iter().filter(|&&whole| whole == 1).count()
}

#[test]
fn the_mask_is_of_the_items_that_came_whole() {
    let mut rng = Rng::new(1);
    for spec in ["<f8[3000]", "|u1[70000]", "<c16[40,50]", "{a:<u2,b:|V11}[999]", "|V3000[20]"] {
        for order in [Order::C, Order::F] {
            let sent = array(spec);
            let view = if order == Order::F { sent.view().transposed() } else { sent.view() };
            let options = FragmentOptions { datagram: 96, ..Default::default() };
            let sent_datagrams =
                datagrams(pieces(std::slice::from_ref(&view), None), 1, 1, &options);
            let sent = own(&view);
            for loss in [0.001, 0.05, 0.5, 0.95] {
                let lost: Vec<bool> = sent_datagrams.iter().map(|_| rng.chance(loss)).collect();
                let keep = |at: usize, datagram: &[u8]| {
                    let number = u32::from_le_bytes(datagram[12..16].try_into().unwrap());
                    // Of the last shard, which is the tail's, and of one more nothing comes.
                    !lost[at] && number != 7
                };
                let Some(given) = part(&sent_datagrams, keep) else { continue };
                let there = check(&given, &sent);
                assert!(there < sent.nbytes());
                // By hand: which bytes came.
                let header = usize::try_from(given.received.arrays[0].header.len).unwrap();
                let mut came = vec![false; header + sent.nbytes() + 64];
                for (at, datagram) in sent_datagrams.iter().enumerate() {
                    let number = u32::from_le_bytes(datagram[12..16].try_into().unwrap()) as usize;
                    if keep(at, datagram) {
                        came.iter_mut().skip(number * 64).take(64).for_each(|one| *one = true);
                    }
                }
                let size = sent.dtype().itemsize();
                let items = came[header..header + sent.nbytes()].chunks(size);
                assert_eq!(there, items.filter(|item| item.iter().all(|&one| one)).count());
            }
        }
    }
}

fn own(view: &ArrayRef<'_>) -> Array {
    let order = if view.is_fortran() { Order::F } else { Order::C };
    let layout = ndbytes::Layout::contiguous(view.shape(), view.itemsize(), order).unwrap();
    Array::new(view.dtype().clone(), layout, to_bytes(view, order).unwrap().into()).unwrap()
}

#[test]
fn blocks_are_held_against_the_tail_where_it_came() {
    let sent = array("<u4[1000000]");
    let bytes: Vec<u8> =
        pieces(&[sent.view()], None).iter().flat_map(|piece| piece.to_vec()).collect();
    let mut damaged = bytes.clone();
    damaged[(3 << 19) + 12] ^= 0x40; // In block 1.
    let sent_datagrams =
        datagrams(vec![ndbytes::Piece::Run(&damaged)], 1, 1, &FragmentOptions::default());
    // One lost in block 3: 0 and 2 are given, and 1 is not.
    let lost = (7 << 19) / 1408;
    let is_lost = |datagram: &[u8]| datagram[12..16] == u32::to_le_bytes(lost);
    let given = part(&sent_datagrams, |_, datagram| !is_lost(datagram)).unwrap();
    let there = check(&given, &sent);
    let item = |at: usize| given.mask.as_ref().unwrap().data()[at] == 1;
    assert!(item(0) && item(262_143) && !item(262_144) && !item(524_287) && item(524_288));
    assert!((1_000_000 - 262_144 - 353..=1_000_000 - 262_144 - 352).contains(&there), "{there}");
    // Without the tail nobody knows: what every datagram vouches for is given.
    let last = bytes.len().div_ceil(1408) - 1;
    let keep = |datagram: &[u8]| {
        let number = u32::from_le_bytes(datagram[12..16].try_into().unwrap()) as usize;
        number != last
    };
    assert!(part(&sent_datagrams, |_, datagram| keep(datagram)).is_some());
}

#[test]
fn the_header_is_sent_again_so_that_its_loss_is_none() {
    let sent = array("<f4[100000]");
    for loss in [0.0, 0.05] {
        let options = FragmentOptions { loss, ..Default::default() };
        let sent_datagrams = datagrams(pieces(&[sent.view()], None), 1, 1, &options);
        let first = |datagram: &[u8]| datagram[5] != 1 && datagram[12..16] == [0; 4];
        let copies = sent_datagrams.iter().filter(|datagram| first(datagram)).count();
        assert_eq!(copies, if loss > 0.0 { 3 } else { 2 });
        // Only the last of them comes, and half of the others, of which no group has enough.
        let last = sent_datagrams.iter().rposition(|datagram| first(datagram)).unwrap();
        let keep = |at: usize, datagram: &[u8]| {
            at == last || !first(datagram) && datagram[12].is_multiple_of(2)
        };
        let given = part(&sent_datagrams, keep).unwrap();
        assert!(check(&given, &sent) > 40_000);
        // None of them: nothing is known.
        assert!(part(&sent_datagrams, |at, one| at != last && keep(at, one)).is_none());
    }
}

#[test]
fn only_one_frame_in_one_piece_is_given_in_part() {
    let sent = array("<f4[10000]");
    let options = FragmentOptions::default();
    let keep = |at: usize, _: &[u8]| at != 20;
    let message = |count| Some(Message { count, seq: 0, sent_ns: 0, stream: None });
    let one = datagrams(pieces(&[sent.view()], message(1)), 1, 1, &options);
    let given = part(&one, keep).unwrap();
    assert_eq!(given.received.message, message(1));
    assert_eq!((given.stream, given.number), (1, 1));
    check(&given, &sent);
    let two = datagrams(pieces(&[sent.view(), sent.view()], message(2)), 1, 1, &options);
    assert!(part(&two, keep).is_none());
    let alone = datagrams(pieces(&[sent.view(), sent.view()], None), 1, 1, &options);
    assert!(part(&alone, keep).is_none());
    let coded = frame::EncodeOptions { codec: Codec::Fast, ..Default::default() };
    let view = sent.view();
    let mut encoder = frame::Encoder::new(&view, &coded).unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = encoder.next().unwrap() {
        pieces.push(piece);
    }
    let coded = datagrams(pieces, 1, 1, &FragmentOptions { datagram: 96, ..Default::default() });
    assert!(part(&coded, |at, _| at != coded.len() / 2).is_none());
}

#[test]
fn items_of_no_bytes_are_there() {
    let sent = array("|V0[5,4]");
    let options = FragmentOptions { datagram: 96, ..Default::default() };
    let all = datagrams(pieces(&[sent.view()], None), 1, 1, &options);
    let given = part(&all, |at, _| at != all.len() - 1).unwrap();
    assert_eq!(check(&given, &sent), 20);
}
