//! Datagrams that lie, are damaged, or never make a message.

use crate::lossy::{Rng, datagrams};
use ndbytes::datagram::{FragmentOptions, Reassembler, ReassemblyOptions};
use ndbytes::{ArrayRef, Error, ErrorKind, Piece, crc32c, to_vec};
use std::time::Duration;

/// A datagram spelled by hand: `change` is made before the sum.
fn spelled(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut datagram = b"\x89NDD\0\0".to_vec();
    datagram.extend(2u16.to_le_bytes()); // Parity.
    datagram.extend(7u32.to_le_bytes()); // Stream.
    datagram.extend(0u32.to_le_bytes()); // Shard.
    datagram.extend([3, 0, 0, 0, 0, 0]); // Message.
    datagram.extend([200, 0, 0, 0, 0, 0]); // Bytes.
    datagram.extend([1; 64]);
    change(&mut datagram);
    let sum = crc32c(&datagram);
    datagram.extend(sum.to_le_bytes());
    datagram
}

fn refused(datagram: &[u8]) -> Error {
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let error = reassembler.accept(datagram, Duration::ZERO).unwrap_err();
    let stats = reassembler.stats();
    assert_eq!((stats.datagrams, stats.corrupt + stats.refused), (1, 1));
    assert_eq!((reassembler.pending(), reassembler.held()), (0, 0));
    error
}

#[test]
fn what_lies_is_named() {
    Reassembler::new(ReassemblyOptions::default())
        .accept(&spelled(|_| ()), Duration::ZERO)
        .unwrap();
    let set = |at: usize, bytes: &'static [u8]| {
        spelled(move |datagram| datagram[at..at + bytes.len()].copy_from_slice(bytes))
    };
    for (datagram, offset, message) in [
        (set(4, &[1]), 4, "datagram: version 1; 0 is read: update ndbytes"),
        (set(5, &[3]), 5, "datagram: flags 3; 0, 1 and 2 are read: update ndbytes"),
        (set(5, &[0x80]), 5, "datagram: flags 128; 0, 1 and 2 are read: update ndbytes"),
        (set(6, &[1, 4]), 6, "datagram: groups with 1025 shards of parity; at most 1024"),
        (set(12, &[4]), 12, "datagram: shard 4 of data; the message has 4 from 0 on"),
        (set(12, &[255; 4]), 12, "datagram: shard 4294967295 of data; the message has 4 from 0 on"),
        (
            spelled(|datagram| (datagram[5], datagram[12]) = (1, 2)),
            12,
            "datagram: shard 2 of parity; the message has 2 from 0 on",
        ),
        (
            spelled(|datagram| (datagram[5], datagram[6]) = (1, 0)),
            12,
            "datagram: shard 0 of parity; the message has 0 from 0 on",
        ),
        (set(22, &[0; 6]), 6, "datagram: a message of no bytes"),
        (
            set(22, &[0, 0, 0, 0, 64, 0]),
            6,
            "datagram: a message of 274877906944 bytes in shards of 64; too many",
        ),
        (
            spelled(|datagram| datagram.push(0)),
            6,
            "datagram: a shard of 65 bytes, which are no multiple of 64",
        ),
        (set(12, &[3]), 36, "datagram: bytes behind the end of the message that are not 0"),
    ] {
        let error = refused(&datagram);
        assert_eq!((error.message(), error.offset()), (message, Some(offset)));
    }
    let large = refused(&spelled(|datagram| {
        datagram[22..28].copy_from_slice(&[1, 0, 0, 16, 0, 0]);
    }));
    assert_eq!(
        *large.kind(),
        ErrorKind::Limit { name: "message", asked: (256 << 20) + 1, max: 256 << 20 }
    );
    let short = refused(&spelled(|datagram| datagram.truncate(91)));
    assert_eq!(short.message(), "a datagram of 95 bytes; it has 96 to 1440");
    let long = refused(&spelled(|datagram| datagram.resize(1437, 0)));
    assert_eq!(long.message(), "a datagram of 1441 bytes; it has 96 to 1440");
    let other = refused(&set(0, b"\x89NDB"));
    assert_eq!(other.message(), "not a datagram of ndbytes: its magic is missing");
    assert_eq!(refused(&[]).message(), "a datagram of 0 bytes; it has 96 to 1440");
}

#[test]
fn datagrams_of_one_message_must_agree() {
    let change = |at: usize, byte: u8| spelled(move |datagram| datagram[at] = byte);
    for other in [change(22, 201), change(6, 1), spelled(|datagram| datagram.extend([1; 64]))] {
        let mut reassembler = Reassembler::new(ReassemblyOptions::default());
        reassembler.accept(&spelled(|_| ()), Duration::ZERO).unwrap();
        let held = reassembler.held();
        let error = reassembler.accept(&other, Duration::ZERO).unwrap_err();
        assert!(error.message().starts_with("datagram: it says of message 3 that it has 20"));
        assert!(error.message().ends_with("one before said 200, 64 and 2"), "{error}");
        assert_eq!((reassembler.stats().corrupt, reassembler.held()), (1, held));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_datagram_is_refused() {
    let bytes = to_vec(&ArrayRef::from_slice(&[7u8; 3000], &[3000]).unwrap()).unwrap();
    let options = FragmentOptions { loss: 0.05, ..Default::default() };
    for datagram in datagrams(vec![Piece::Run(&bytes)], 1, 1, &options).iter().step_by(3) {
        for bit in 0..datagram.len() * 8 {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = refused(&flipped);
            let is_magic = bit < 32;
            assert_eq!(matches!(error.kind(), ErrorKind::Checksum { .. }), !is_magic, "{bit}");
        }
        for len in 0..datagram.len() {
            refused(&datagram[..len]);
        }
    }
}

#[test]
fn a_flood_of_messages_that_never_complete_stays_bounded() {
    let mut rng = Rng::new(1);
    let limit = 4 << 20;
    let options = ReassemblyOptions { pending: limit, messages: 16, ..Default::default() };
    let mut reassembler = Reassembler::new(options);
    let mut most = 0;
    for round in 0..100_000u32 {
        let datagram = spelled(|datagram| {
            let stream = u32::try_from(rng.below(4)).unwrap();
            datagram[8..12].copy_from_slice(&stream.to_le_bytes());
            let message = round / 512 + u32::try_from(rng.below(4)).unwrap();
            datagram[16..20].copy_from_slice(&message.to_le_bytes());
            datagram[22..28].copy_from_slice(&[0, 0, 0x40, 0, 0, 0]); // All of the limit.
            datagram[5] = u8::from(rng.below(3) == 0);
            let shards = if datagram[5] == 1 { 170 * 2 } else { 0x40_0000 / 64 };
            let shard = u32::try_from(rng.below(shards)).unwrap();
            datagram[12..16].copy_from_slice(&shard.to_le_bytes());
        });
        reassembler.accept(&datagram, Duration::from_micros(u64::from(round))).unwrap();
        assert!(reassembler.held() <= limit && reassembler.pending() <= 16);
        most = most.max(reassembler.held());
    }
    assert!(most > limit / 4, "{most}: the flood was none");
    let stats = reassembler.stats();
    assert!(stats.dropped > 100 && stats.lost >= stats.dropped && stats.messages == 0);
    assert!(reassembler.expire(Duration::from_secs(60)).is_none());
    assert_eq!((reassembler.held(), reassembler.pending()), (0, 0));
}

#[test]
fn a_message_under_way_outlives_a_flood_of_others() {
    let mut rng = Rng::new(2);
    let data = rng.bytes(1 << 20);
    let array = ArrayRef::from_slice(&data, &[data.len()]).unwrap();
    let sent = crate::lossy::pieces(&[array], None);
    let sent = datagrams(sent, 99, 0, &FragmentOptions { loss: 0.05, ..Default::default() });
    let options = ReassemblyOptions { pending: 4 << 20, messages: 16, ..Default::default() };
    let mut reassembler = Reassembler::new(options);
    let (mut whole, mut now) = (0, Duration::ZERO);
    for (at, datagram) in sent.iter().enumerate() {
        for more in 0..10u32 {
            now += Duration::from_micros(1);
            let message = u32::try_from(at).unwrap() * 10 + more;
            let flood = spelled(|datagram| {
                datagram[16..20].copy_from_slice(&message.to_le_bytes());
            });
            reassembler.accept(&flood, now).unwrap();
        }
        whole += usize::from(reassembler.accept(datagram, now).unwrap().is_some());
    }
    assert_eq!(whole, 1);
}

/// How much of this process lies in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// One shard in each part of a huge message: what it touches is what it is counted for.
#[cfg(target_os = "linux")]
#[test]
fn scattered_shards_touch_little_memory() {
    let mut reassembler = Reassembler::new(ReassemblyOptions::default());
    let before = resident();
    for shard in 0..128u32 {
        let datagram = spelled(|datagram| {
            datagram[22..28].copy_from_slice(&[0, 0, 0, 16, 0, 0]); // 256 MiB.
            datagram[12..16].copy_from_slice(&(shard << 15).to_le_bytes());
        });
        reassembler.accept(&datagram, Duration::ZERO).unwrap();
    }
    // Other tests of the process take some meanwhile.
    let grown = resident().saturating_sub(before);
    assert!(reassembler.held() < 2 << 20, "{}", reassembler.held());
    assert!(grown < 128 << 20, "{grown} bytes for 128 shards: 256 MiB if they were huge pages");
}
