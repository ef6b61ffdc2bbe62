//! Datagrams: any, in any order, and those of arrays over a bad link. What arrives is what was sent, and nothing takes more than it may.

use crate::arrays::array;
use crate::input::{Input, Rng};
use ndbytes::datagram::{
    Arrival, FragmentOptions, Fragmenter, Reassembler, ReassemblyOptions, Stats,
};
use ndbytes::{Array, Encode as _, Message, Order, Piece, crc32c, frame, to_bytes};
use std::time::Duration;

/// One byte of choices, two of limits, one of memory; then datagrams, or arrays to send.
pub fn datagram(data: &[u8]) {
    let _ = arrivals(data);
}

/// The same; what the receiver saw.
#[must_use]
pub fn arrivals(data: &[u8]) -> Stats {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut options = ReassemblyOptions::default();
    options.partial = choices & 1 == 1;
    let limits = input.limits();
    let size = input.byte();
    if choices >> 1 & 1 == 0 {
        options.limits = limits;
        options.pending = 1 << (10 + size % 12);
        options.messages = usize::from(size >> 4);
        options.streams = usize::from(choices >> 4);
        any_datagrams(input, &options)
    } else {
        sent(input, options)
    }
}

/// What a receiver makes of datagrams: the same whenever it sees the same.
fn any_datagrams(mut input: Input<'_>, options: &ReassemblyOptions) -> Stats {
    let mut datagrams = Vec::new();
    while !input.is_empty() && datagrams.len() < 200 {
        datagrams.push(one(&mut input));
    }
    let receive = || {
        let mut reassembler = Reassembler::new(options.clone());
        let mut said = Vec::new();
        let mut now = Duration::ZERO;
        let mut arrays = 0;
        for (datagram, later) in &datagrams {
            now += Duration::from_millis(*later);
            while let Some(arrival) = reassembler.expire(now) {
                assert!(options.partial && arrival.mask.is_some());
                said.push(told(&arrival));
            }
            match reassembler.accept(datagram, now) {
                Ok(None) => {}
                Ok(Some(arrival)) => {
                    assert!(arrival.mask.is_none());
                    arrays += 1;
                    said.push(told(&arrival));
                }
                Err(error) => said.push(error.to_string()),
            }
            assert!(reassembler.held() <= options.pending || reassembler.pending() == 0);
            assert!(reassembler.pending() <= options.messages.max(1));
        }
        let later = now + options.timeout;
        while let Some(arrival) = reassembler.expire(later) {
            said.push(told(&arrival));
        }
        assert_eq!((reassembler.pending(), reassembler.held()), (0, 0));
        assert_eq!(reassembler.deadline(), None);
        let stats = reassembler.stats();
        assert_eq!((stats.datagrams, stats.messages), (datagrams.len() as u64, arrays));
        assert!(stats.lost >= stats.dropped.saturating_add(stats.damaged));
        (said, stats)
    };
    let (one, two) = (receive(), receive());
    assert_eq!(one, two);
    one.1
}

/// A datagram, and how many milliseconds later it comes: spelled by its fields, or as it is.
fn one(input: &mut Input<'_>) -> (Vec<u8>, u64) {
    let how = input.byte();
    let later = if how & 1 == 1 { u64::from(input.u16()) } else { 0 };
    let mut datagram = match how >> 1 & 1 {
        0 => {
            let mut datagram = b"\x89NDD\0".to_vec();
            datagram.push(input.byte() % 4);
            datagram.extend(input.u16().to_le_bytes());
            datagram.extend([input.byte() % 8, 0, 0, 0]);
            datagram.extend(input.u16().to_le_bytes());
            datagram.extend([0, 0, input.byte(), 0, 0, 0, 0, 0]);
            datagram.extend(input.u16().to_le_bytes());
            datagram.extend([input.byte(), 0, 0, 0]);
            let shard = usize::from(input.byte()) % 23 * 64;
            let start = usize::from(input.byte());
            let front = input.take(start);
            datagram.extend(front);
            datagram.resize(28 + shard.max(64), 0);
            datagram
        }
        _ => {
            let len = input.below(1500);
            input.take(len).to_vec()
        }
    };
    let sum = if how >> 2 & 1 == 0 { crc32c(&datagram) } else { 0 };
    datagram.extend(sum.to_le_bytes());
    (datagram, later)
}

/// Sends arrays over a bad link: what arrives is what was sent.
fn sent(mut input: Input<'_>, mut options: ReassemblyOptions) -> Stats {
    let loss = [0.0, 0.01, 0.1, 0.4][usize::from(input.byte() % 4)];
    let fragment =
        FragmentOptions { loss, datagram: if input.byte().is_multiple_of(4) { 1440 } else { 96 } };
    let (drops, mut rng) = (usize::from(input.byte()), Rng::new(u64::from(input.u16())));
    options.timeout = Duration::from_secs(1);
    let mut reassembler = Reassembler::new(options.clone());
    let (mut arrays, mut all) = (Vec::new(), Vec::new());
    for number in 0..1 + input.below(4) {
        let Some(array) = array(&mut input).filter(|array| array.nbytes() < 1 << 16) else { break };
        let message = Message { count: 1, seq: number as u64, sent_ns: 0, stream: None };
        let options = &mut frame::EncodeOptions::default();
        options.metadata.message = Some(message).filter(|_| number % 2 == 0);
        let Ok(mut encoder) = frame::Encoder::new(&array.view(), options) else { break };
        let mut bytes = Vec::new();
        while let Some(piece) = encoder.next().expect("memory") {
            bytes.extend_from_slice(&piece);
        }
        let pieces = bytes.chunks(1 + rng.below(4096)).map(Piece::Run).collect();
        let mut fragmenter =
            Fragmenter::new(pieces, 7, number as u64, &fragment).expect("it can be sent");
        let mut space = [0; 1440];
        while let Some(len) = fragmenter.next(&mut space).expect("room") {
            all.push(space[..len].to_vec());
        }
        arrays.push(array);
    }
    let mut came = Vec::new();
    for (at, datagram) in all.into_iter().enumerate() {
        for _ in 0..1 + usize::from(rng.below(8) == 0) {
            if rng.below(256) < drops {
                continue;
            }
            let mut copy = datagram.clone();
            if rng.below(16) == 0 {
                let bit = rng.below(copy.len() * 8);
                copy[bit / 8] ^= 1 << (bit % 8);
            }
            came.push((at + rng.below(20), copy));
        }
    }
    came.sort_by_key(|(at, _)| *at);
    let mut given = vec![false; arrays.len()];
    let mut arrived = |arrival: Arrival| {
        let at = usize::try_from(arrival.number).expect("a small number");
        assert!(!std::mem::replace(&mut given[at], true), "it was given twice");
        is_same(&arrival, &arrays[at]);
    };
    for (_, datagram) in &came {
        // Not one that was damaged.
        if let Ok(Some(arrival)) = reassembler.accept(datagram, Duration::ZERO) {
            arrived(arrival);
        }
    }
    while let Some(arrival) = reassembler.expire(Duration::from_secs(2)) {
        assert!(options.partial);
        arrived(arrival);
    }
    assert_eq!(reassembler.stats().damaged, 0);
    reassembler.stats()
}

/// Whether all items are those of the array; of one in part those that it says.
fn is_same(arrival: &Arrival, sent: &Array) {
    let found = arrival.received.arrays[0].array.as_ref().expect("an owned array");
    assert_eq!((found.dtype(), found.shape()), (sent.dtype(), sent.shape()));
    let items = |array: &Array| to_bytes(&array.view(), Order::C).expect("memory");
    let (found, sent, size) = (items(found), items(sent), sent.dtype().itemsize());
    let Some(mask) = &arrival.mask else {
        assert_eq!(found, sent);
        return;
    };
    for (at, whole) in items(mask).iter().enumerate().filter(|_| size > 0) {
        let item = at * size..(at + 1) * size;
        match whole {
            1 => assert_eq!(found[item.clone()], sent[item]),
            _ => assert!(found[item].iter().all(|&byte| byte == 0)),
        }
    }
}

fn told(arrival: &Arrival) -> String {
    let arrays: Vec<_> = arrival.received.arrays.iter().map(|decoded| &decoded.header).collect();
    format!("{} {} {arrays:?} {:?}", arrival.stream, arrival.number, arrival.mask)
}
