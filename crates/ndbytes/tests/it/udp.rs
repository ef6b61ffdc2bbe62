//! Arrays over UDP on the loopback interface.

use crate::array;
use crate::frames::SPECS;
use ndbytes::datagram::{Arrival, ReassemblyOptions};
use ndbytes::frame::EncodeOptions;
use ndbytes::io::datagram::{DatagramReceiver, DatagramSender, SendOptions};
use ndbytes::io::unwatched;
use ndbytes::{Array, Error, ErrorKind, Metadata, Order, Piece, to_bytes};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const LONG: Option<Duration> = Some(Duration::from_secs(20));

fn pair(options: SendOptions) -> (DatagramSender, DatagramReceiver) {
    let receiver = DatagramReceiver::bind("127.0.0.1:0").unwrap();
    let sender = DatagramSender::connect(receiver.local_addr().unwrap()).unwrap();
    (sender.with(options).unwrap(), receiver)
}

/// Slow enough for a machine that does other things meanwhile.
fn slow(loss: f64) -> SendOptions {
    SendOptions { loss, rate: 5_000_000, ..SendOptions::default() }
}

fn next(receiver: &mut DatagramReceiver) -> Arrival {
    receiver.recv(LONG, &mut unwatched).unwrap().unwrap()
}

fn check(arrival: &Arrival, arrays: &[Array]) {
    assert!(arrival.mask.is_none());
    assert_eq!(arrival.received.arrays.len(), arrays.len());
    for (decoded, sent) in arrival.received.arrays.iter().zip(arrays) {
        let found = decoded.array.as_ref().unwrap();
        assert_eq!((found.dtype(), found.shape()), (sent.dtype(), sent.shape()));
        let items = |array: &Array| to_bytes(&array.view(), Order::C).unwrap();
        assert!(items(found) == items(sent));
    }
}

#[test]
fn arrays_of_every_kind_arrive_in_a_row() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let (mut sender, mut receiver) = pair(slow(0.01));
    let at = sender.peer_addr();
    assert_eq!(at, receiver.local_addr().unwrap());
    for (number, one) in (0..).zip(&arrays) {
        let name = Metadata::new(Some(format!("a{number}")), None);
        sender.send_named(&one.view(), name, &mut unwatched).unwrap();
        let arrival = next(&mut receiver);
        check(&arrival, std::slice::from_ref(one));
        assert_eq!((arrival.stream, arrival.number), (sender.stream(), number));
        let name = &arrival.received.arrays[0].header.metadata.name;
        assert_eq!(*name, Some(format!("a{number}")));
    }
    let group: Vec<_> =
        arrays.iter().map(|array| (array.view(), EncodeOptions::default())).collect();
    let number = sender.send_message(&group, &mut unwatched).unwrap();
    let arrival = next(&mut receiver);
    check(&arrival, &arrays);
    let message = arrival.received.message.unwrap();
    assert_eq!((message.seq, message.count), (number, arrays.len() as u64));
    assert_eq!(number, arrays.len() as u64);
    let stats = receiver.stats();
    assert_eq!((stats.messages, stats.lost, stats.corrupt), (number + 1, 0, 0));
    assert_eq!(receiver.pending(), 0);
    assert!(receiver.granted() > 100_000, "{}", receiver.granted());
}

#[test]
fn large_arrays_arrive_whole() {
    let sent = array("<f8[150000]");
    for loss in [0.0, 0.05] {
        let (mut sender, mut receiver) = pair(slow(loss));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    sender.send(&sent.view()).unwrap();
                }
            });
            let whole = (0..3).map(|_| next(&mut receiver)).collect::<Vec<_>>();
            whole.iter().for_each(|arrival| check(arrival, std::slice::from_ref(&sent)));
        });
        assert_eq!((receiver.stats().messages, receiver.stats().lost), (3, 0));
    }
}

#[test]
fn several_senders_are_told_apart() {
    let (mut one, mut receiver) = pair(slow(0.0));
    let mut two = DatagramSender::connect(receiver.local_addr().unwrap()).unwrap();
    assert_ne!(one.stream(), two.stream());
    let arrays = [array("<f4[3]"), array("<i2[4]")];
    for number in 0..5 {
        for (sender, array) in [&mut one, &mut two].into_iter().zip(&arrays) {
            sender.send(&array.view()).unwrap();
            let arrival = next(&mut receiver);
            assert_eq!((arrival.stream, arrival.number), (sender.stream(), number));
            check(&arrival, std::slice::from_ref(array));
        }
    }
}

#[test]
fn a_silent_peer_is_waited_for_as_long_as_was_said() {
    let mut receiver = DatagramReceiver::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let wait = Duration::from_millis(300);
    assert!(receiver.recv(Some(wait), &mut unwatched).unwrap().is_none());
    assert!(started.elapsed() >= wait && started.elapsed() < 20 * wait);
    assert!(receiver.recv(Some(Duration::ZERO), &mut unwatched).unwrap().is_none());
}

#[test]
fn waits_end_several_times_a_second() {
    let (mut sender, mut receiver) = pair(SendOptions { rate: 1000, ..SendOptions::default() });
    let stop = |_| Err(Error::new(ErrorKind::Interrupted, "stopped"));
    let mut calls = 0;
    let mut later = |seen| {
        calls += 1;
        if calls > 5 { stop(seen) } else { Ok(()) }
    };
    let started = Instant::now();
    let error = receiver.recv(None, &mut later).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Interrupted);
    // At a thousand bytes a second this would take an hour.
    let sent = array("<f8[500000]");
    let until = Instant::now() + Duration::from_millis(200);
    let mut in_time = |seen| if Instant::now() > until { stop(seen) } else { Ok(()) };
    let error = sender.send_named(&sent.view(), Metadata::default(), &mut in_time).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // Both can go on; the message that was stopped is lost.
    let mut sender = sender.with(slow(0.0)).unwrap();
    let sent = array("<f4[3]");
    sender.send(&sent.view()).unwrap();
    let arrival = next(&mut receiver);
    assert_eq!(arrival.number, 1);
    check(&arrival, &[sent]);
    receiver.recv(Some(Duration::from_millis(2500)), &mut unwatched).unwrap();
    assert_eq!((receiver.stats().messages, receiver.stats().lost), (1, 1));
}

#[test]
fn the_rate_is_kept() {
    let (sender, mut receiver) = pair(slow(0.0));
    let mut sender = sender.with(SendOptions { rate: 500_000, ..slow(0.0) }).unwrap();
    let sent = array("|u1[100000]");
    let started = Instant::now();
    sender.send(&sent.view()).unwrap();
    // All but what may go at once.
    assert!(started.elapsed() > Duration::from_millis(60), "{:?}", started.elapsed());
    check(&next(&mut receiver), &[sent]);
}

#[test]
fn wrong_datagrams_are_counted_and_answered_by_none() {
    let (mut sender, mut receiver) = pair(slow(0.0));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let at = receiver.local_addr().unwrap();
    for bytes in [&b""[..], b"hello", &[0; 2000], b"\x89NDD"] {
        stranger.send_to(bytes, at).unwrap();
    }
    let sent = array("<f4[3]");
    sender.send(&sent.view()).unwrap();
    check(&next(&mut receiver), &[sent]);
    // An empty one says nothing at all.
    assert!((3..=4).contains(&receiver.stats().corrupt), "{:?}", receiver.stats());
    assert!(stranger.recv_from(&mut [0; 100]).is_err(), "something was answered");
}

#[test]
fn an_array_in_part_comes_when_its_time_is_up() {
    let (mut sender, receiver) = pair(slow(0.0));
    let timeout = Duration::from_millis(100);
    let options = ReassemblyOptions { partial: true, timeout, ..Default::default() };
    let mut receiver = receiver.with(options);
    let sent = array("<f4[20000]");
    // Its end is never sent.
    let mut encoder =
        ndbytes::frame::Encoder::new(&sent.view(), &EncodeOptions::default()).unwrap();
    let mut whole = Vec::new();
    while let Some(piece) = ndbytes::Encode::next(&mut encoder).unwrap() {
        whole.extend_from_slice(&piece);
    }
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        if calls > 1 { Err(Error::argument("enough")) } else { Ok(()) }
    };
    sender.send_pieces(vec![Piece::Run(&whole)], &mut stop).unwrap_err();
    let arrival = next(&mut receiver);
    let mask = arrival.mask.unwrap();
    let there = mask.data().iter().filter(|&&one| one == 1).count();
    assert!(there > 0 && there < 20_000, "{there}");
    let found = arrival.received.arrays[0].array.as_ref().unwrap();
    assert!(found.data()[..there * 4] == sent.data()[..there * 4]);
    assert_eq!((receiver.stats().partial, receiver.stats().lost), (1, 0));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let sender = |options| pair(SendOptions::default()).0.with(options);
    let none = sender(SendOptions { rate: 0, ..SendOptions::default() }).unwrap_err();
    assert_eq!(none.message(), "a rate of 0 bytes a second: nothing would ever be sent");
    let mut lossy = sender(SendOptions { loss: 0.7, ..SendOptions::default() }).unwrap();
    let error = lossy.send(&array("<f4[3]").view()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    assert_eq!(*lossy.send_message(&[], &mut unwatched).unwrap_err().kind(), ErrorKind::Argument);
    assert!(DatagramSender::connect("127.0.0.1").is_err());
}
