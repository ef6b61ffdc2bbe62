//! Arrays that travel as one message: any number of them, every cut, and what lies.

use crate::array;
use crate::frames::SPECS;
use crate::streams::{tcp, within};
use ndbytes::frame::EncodeOptions;
use ndbytes::io::stream::{Received, Receiver, Sender, StreamOptions};
use ndbytes::io::unwatched;
use ndbytes::{
    Array, ArrayRef, Dest, Error, ErrorKind, Limits, Message, MessageDecoder, Metadata, Order,
    Progress, Result, to_bytes,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn named(name: &str) -> EncodeOptions {
    EncodeOptions {
        metadata: Metadata::new(Some(name.to_owned()), None),
        ..EncodeOptions::default()
    }
}

/// The frames of a group, by name.
fn group(arrays: &[Array]) -> Vec<(ArrayRef<'_>, EncodeOptions)> {
    arrays.iter().enumerate().map(|(at, array)| (array.view(), named(&format!("a{at}")))).collect()
}

fn sent(groups: &[&[Array]]) -> Vec<u8> {
    let mut sender = Sender::new(Vec::new());
    for (seq, arrays) in (0..).zip(groups) {
        assert_eq!(sender.send_message(&group(arrays), &mut unwatched).unwrap(), seq);
    }
    sender.into_inner()
}

fn next(receiver: &mut Receiver<&[u8]>) -> Result<Option<Received>> {
    receiver.recv_message(&mut unwatched)
}

fn check(received: Received, arrays: &[Array], seq: u64) {
    let Message { count, seq: found, sent_ns, .. } = received.message.unwrap();
    assert_eq!((count, found), (arrays.len() as u64, seq));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.abs_diff(Duration::from_nanos(sent_ns)) < Duration::from_secs(600));
    assert_eq!(received.arrays.len(), arrays.len());
    for (at, (decoded, array)) in received.arrays.into_iter().zip(arrays).enumerate() {
        assert_eq!(decoded.header.metadata.name, Some(format!("a{at}")));
        let found = decoded.array.unwrap();
        assert_eq!((found.dtype(), found.shape()), (array.dtype(), array.shape()));
        let items = |array: &Array| to_bytes(&array.view(), Order::C).unwrap();
        assert!(items(&found) == items(array));
    }
}

#[test]
fn groups_of_any_size_arrive_in_order() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let (client, server) = tcp();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sender = Sender::over(client).unwrap();
            for len in 1..=arrays.len() {
                sender.send_message(&group(&arrays[..len]), &mut unwatched).unwrap();
            }
        });
        let mut receiver = Receiver::over(server).unwrap();
        for len in 1..=arrays.len() {
            let received = receiver.recv_message(&mut unwatched).unwrap().unwrap();
            check(received, &arrays[..len], len as u64 - 1);
        }
        assert!(receiver.recv_message(&mut unwatched).unwrap().is_none());
    });
}

#[test]
fn single_arrays_are_messages_and_arrays_of_messages_are_single() {
    let arrays = [array("<f4[3]"), array("<i8[]"), array("<u2[0]")];
    let mut sender = Sender::new(Vec::new());
    sender.send(&arrays[0].view()).unwrap();
    sender.send_message(&group(&arrays), &mut unwatched).unwrap();
    sender.send(&arrays[1].view()).unwrap();
    let bytes = sender.into_inner();
    let mut receiver = Receiver::new(&bytes[..]);
    let alone = next(&mut receiver).unwrap().unwrap();
    assert_eq!((alone.message, alone.arrays.len()), (None, 1));
    check(next(&mut receiver).unwrap().unwrap(), &arrays, 0);
    assert_eq!(next(&mut receiver).unwrap().unwrap().message, None);
    assert!(next(&mut receiver).unwrap().is_none());
    // Who knows nothing of messages sees five arrays.
    let all: Result<Vec<_>> = Receiver::new(&bytes[..]).collect();
    assert_eq!(all.unwrap().len(), 5);
}

#[test]
fn every_cut_is_seen_and_nothing_follows_it() {
    let (one, two) =
        ([array("<u1[5]"), array("<i2[]")], [array("<u1[0]"), array("<f8[2]"), array("<u1[1]")]);
    let bytes = sent(&[&one, &two]);
    let first = sent(&[&one]).len();
    for len in 0..bytes.len() {
        let mut receiver = Receiver::new(&bytes[..len]);
        if len >= first {
            check(next(&mut receiver).unwrap().unwrap(), &one, 0);
        }
        if len == 0 || len == first {
            assert!(next(&mut receiver).unwrap().is_none());
            continue;
        }
        assert_eq!(*next(&mut receiver).unwrap_err().kind(), ErrorKind::Truncated, "{len}");
        assert_eq!(*next(&mut receiver).unwrap_err().kind(), ErrorKind::Argument, "{len}");
    }
}

#[test]
fn a_count_that_lies_is_an_error() {
    let claimed = |count: u64, arrays: u64| {
        let mut sender = Sender::new(Vec::new());
        for at in 0..arrays {
            let mut metadata = Metadata::default();
            metadata.message =
                (at == 0).then_some(Message { count, seq: 0, sent_ns: 0, stream: None });
            sender.send_named(&array("<u1[2]").view(), metadata, &mut unwatched).unwrap();
        }
        sender.into_inner()
    };
    let error = |bytes: &[u8]| -> Error { next(&mut Receiver::new(bytes)).unwrap_err() };
    let short = error(&claimed(3, 2));
    assert_eq!(*short.kind(), ErrorKind::Truncated);
    assert_eq!(short.message(), "the stream ended after 2 of the 3 arrays of a message");
    let many = error(&claimed(u64::MAX >> 1, 1));
    assert_eq!(*many.kind(), ErrorKind::Limit { name: "members", asked: u64::MAX >> 1, max: 1024 });
    assert_eq!(
        *error(&claimed(1025, 1025)).kind(),
        ErrorKind::Limit { name: "members", asked: 1025, max: 1024 }
    );
    let other = error(&[claimed(2, 1), claimed(2, 2)].concat());
    assert_eq!(*other.kind(), ErrorKind::Malformed);
    assert_eq!(other.message(), "another message begins after 1 of the 2 arrays of one");
    let bytes = claimed(7, 7);
    let limits = Limits { members: 7, ..Limits::stream() };
    let mut receiver =
        Receiver::new(&bytes[..]).with(StreamOptions { limits, ..Default::default() });
    assert_eq!(next(&mut receiver).unwrap().unwrap().arrays.len(), 7);
}

#[test]
fn a_peer_that_stops_between_two_arrays_of_a_message_meets_the_time_out() {
    let arrays = [array("<u1[5]"), array("<i2[]")];
    let bytes = sent(&[&arrays]);
    let alone = {
        let mut sender = Sender::new(Vec::new());
        sender.send_message(&group(&arrays[..1]), &mut unwatched).unwrap();
        sender.into_inner().len()
    };
    let (mut client, server) = tcp();
    std::io::Write::write_all(&mut client, &bytes[..alone]).unwrap();
    let mut receiver = Receiver::over(server).unwrap().with(within(100));
    let error = receiver.recv_message(&mut unwatched).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    drop(client);
}

#[test]
fn a_message_that_was_not_sent_to_its_end_ends_the_stream() {
    let arrays = [array("<u1[300000]"), array("<u1[300000]")];
    let mut sender = Sender::new(Vec::new());
    assert_eq!(*sender.send_message(&[], &mut unwatched).unwrap_err().kind(), ErrorKind::Argument);
    let mut sizes = Vec::new();
    let mut stop = |seen: u64| {
        sizes.push(seen);
        // In the second array: its count begins anew.
        let begun = sizes.windows(2).any(|pair| pair[1] < pair[0]);
        if begun { Err(Error::argument("enough")) } else { Ok(()) }
    };
    assert_eq!(sender.send_message(&group(&arrays), &mut stop).unwrap_err().message(), "enough");
    assert!(sender.is_broken());
    let after = sender.send(&arrays[0].view()).unwrap_err();
    assert_eq!(*after.kind(), ErrorKind::Argument);
    let bytes = sender.into_inner();
    assert_eq!(*next(&mut Receiver::new(&bytes[..])).unwrap_err().kind(), ErrorKind::Truncated);
    let mut npy = Sender::new(Vec::new()).with(StreamOptions { npy: true, ..Default::default() });
    let error = npy.send_message(&group(&arrays), &mut unwatched).unwrap_err();
    assert_eq!(error.message(), "a bare .npy cannot say that it is one of a message");
    assert!(npy.into_inner().is_empty());
}

/// What the machine makes of bytes that come so many at a time, and then end: messages, and what ended them.
fn decoded(mut bytes: &[u8], most: usize) -> (Vec<Received>, Option<Error>) {
    let mut messages = Vec::new();
    loop {
        let mut decoder = MessageDecoder::new(&Limits::stream());
        let mut progress = Progress::More;
        while progress != Progress::Whole {
            if bytes.is_empty() && decoder.is_empty() {
                return (messages, None);
            }
            let step = decoder.space().map(|space| {
                let n = space.len().min(bytes.len()).min(most);
                space[..n].copy_from_slice(&bytes[..n]);
                bytes = &bytes[n..];
                n
            });
            progress = match step.and_then(|n| decoder.filled(n)).and_then(|progress| {
                if progress == Progress::Header { decoder.own() } else { Ok(progress) }
            }) {
                Ok(progress) => progress,
                Err(error) => return (messages, Some(error)),
            };
        }
        messages.push(decoder.finish().unwrap());
    }
}

/// The machine that others drive gives what the blocking receiver gives, however it is fed, and the same error wherever it is cut.
#[test]
fn the_machine_gives_what_the_receiver_gives_at_every_cut() {
    let (one, two) = ([array("<f4[3]"), array("<u2[2,0]"), array("|u1[]")], [array(">i8[5]")]);
    let bytes = sent(&[&one, &two]);
    for cut in 0..=bytes.len() {
        let mut receiver = Receiver::new(&bytes[..cut]);
        let mut expected = Vec::new();
        let ended = loop {
            match next(&mut receiver) {
                Ok(Some(received)) => expected.push(received),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        for most in [1, 7, 64, usize::MAX] {
            let (found, error) = decoded(&bytes[..cut], most);
            assert_eq!(error.map(|error| error.to_string()), ended, "{cut}");
            assert_eq!(found.len(), expected.len());
        }
    }
    let (found, _) = decoded(&bytes, 5);
    for (seq, (received, arrays)) in (0..).zip(found.into_iter().zip([&one[..], &two[..]])) {
        check(received, arrays, seq);
    }
}

#[test]
fn the_machine_knows_when_it_is_lost() {
    let bytes = sent(&[&[array("<f4[3]")]]);
    let mut decoder = MessageDecoder::new(&Limits::stream());
    assert_eq!(*decoder.own().unwrap_err().kind(), ErrorKind::Argument);
    let mut rest = &bytes[..];
    while decoder.header().is_none() {
        let space = decoder.space().unwrap();
        let n = space.len();
        space.copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        decoder.filled(n).unwrap();
    }
    assert!(!decoder.is_away() && decoder.space().unwrap().is_empty());
    let mut memory = [0; 12];
    let mut body = decoder.body(Dest::Into(&mut memory)).unwrap();
    // Whoever has the body drops it: nothing is made of what follows.
    assert!(decoder.is_away() && decoder.space().unwrap().is_empty());
    body.take(rest, Default::default(), &mut |_| Ok(())).unwrap();
    let progress = decoder.give(body.finish().unwrap());
    assert_eq!((progress, decoder.is_away()), (Progress::Whole, false));
    assert!(decoder.finish().unwrap().arrays[0].array.is_none());
    assert!(MessageDecoder::new(&Limits::stream()).finish().is_err());
}
