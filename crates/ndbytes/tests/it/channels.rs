//! Channels: messages both ways, many peers, the newest alone, connections that are lost and made anew.

use crate::array;
use crate::frames::SPECS;
use ndbytes::frame::EncodeOptions;
use ndbytes::io::channel::{Address, Channel, ChannelOptions, Keep, Listener};
use ndbytes::io::stream::{Owned, Received};
use ndbytes::io::unwatched;
use ndbytes::{Array, ArrayRef, ErrorKind, Limits, Metadata, Order, to_bytes};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const SOON: Option<Duration> = Some(Duration::from_secs(20));

pub(crate) fn options() -> ChannelOptions {
    ChannelOptions { timeout: Duration::from_secs(5), ..ChannelOptions::default() }
}

pub(crate) fn again() -> ChannelOptions {
    ChannelOptions { reconnect: true, ..options() }
}

/// Waits for what other threads do.
fn until(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never was so");
        thread::sleep(Duration::from_millis(1));
    }
}

/// An address of each kind, in a folder that lives as long.
fn addresses() -> (tempfile::TempDir, [Address; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = Address::Unix(path);
    (folder, ["tcp://:0".parse().unwrap(), unix])
}

fn named(name: &str) -> EncodeOptions {
    EncodeOptions { metadata: Metadata::new(Some(name.to_owned()), None), ..Default::default() }
}

pub(crate) fn send(channel: &Channel, array: &Array, name: &str) -> u64 {
    channel.send(&[(array.view(), named(name))], &mut unwatched).unwrap()
}

pub(crate) fn same(received: &Received, arrays: &[Array]) {
    assert_eq!(received.arrays.len(), arrays.len());
    for (decoded, array) in received.arrays.iter().zip(arrays) {
        let found = decoded.array.as_ref().unwrap();
        assert_eq!((found.dtype(), found.shape()), (array.dtype(), array.shape()));
        let items = |array: &Array| to_bytes(&array.view(), Order::C).unwrap();
        assert!(items(found) == items(array));
    }
}

pub(crate) fn number(array: &Received) -> u64 {
    let array = array.arrays[0].array.as_ref().unwrap();
    array.clone().into_vec::<u64>().unwrap()[0]
}

pub(crate) fn numbered(number: u64) -> ArrayRef<'static> {
    let items: &'static [u64] = vec![number].leak();
    ArrayRef::from_slice(items, &[]).unwrap()
}

#[test]
fn groups_pass_both_ways_over_every_kind() {
    let (_folder, addresses) = addresses();
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    for address in addresses {
        for options in [options(), again()] {
            let listener = Listener::bind(&address, Keep::All, options.clone()).unwrap();
            let address = listener.address();
            let channel = Channel::connect(address, options, &mut unwatched).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let peer = listener.accept(SOON, &mut unwatched).unwrap();
                    for seq in 0..10 {
                        let found = peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
                        assert_eq!(found.message.unwrap().seq, seq);
                        same(&found, &arrays);
                        let views: Vec<_> =
                            arrays.iter().map(|array| (array.view(), named("back"))).collect();
                        peer.send(&views, &mut unwatched).unwrap();
                    }
                    assert!(peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
                });
                for seq in 0..10 {
                    let views: Vec<_> =
                        arrays.iter().map(|array| (array.view(), named("a"))).collect();
                    assert_eq!(channel.send(&views, &mut unwatched).unwrap(), seq);
                    same(
                        &channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(),
                        &arrays,
                    );
                }
                channel.close(&mut unwatched).unwrap();
            });
            let stats = listener.stats();
            assert_eq!((stats.received, stats.sent, stats.failed), (10, 10, 0));
            assert_eq!(channel.stats().sent, 10);
            let error = channel.recv(&mut Owned, None, &mut unwatched).unwrap_err();
            assert_eq!(error.message(), "the channel was closed");
        }
    }
}

/// Small messages come by one call to the system, several at a time: none waits for bytes that will not come.
#[test]
fn messages_that_have_come_together_are_given_one_by_one() {
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).unwrap();
    let channel = Channel::connect(listener.address(), options(), &mut unwatched).unwrap();
    let peer = listener.accept(SOON, &mut unwatched).unwrap();
    for number in 0..40 {
        channel.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched).unwrap();
        peer.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched).unwrap();
    }
    let other = Channel::connect(listener.address(), options(), &mut unwatched).unwrap();
    for number in 0..40 {
        other.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched).unwrap();
    }
    let soon = Some(Duration::from_secs(1));
    for wanted in 0..40 {
        for side in [&channel, &peer] {
            let found = side.recv(&mut Owned, soon, &mut unwatched).unwrap().unwrap();
            assert_eq!(number(&found), wanted);
        }
        assert_eq!(number(&listener.recv(soon, &mut unwatched).unwrap()), wanted);
    }
    peer.close(&mut unwatched).unwrap();
    assert!(channel.recv(&mut Owned, soon, &mut unwatched).unwrap().is_none());
}

/// Whatever was read ahead of it, a connection that was reset is none that has ended.
#[test]
fn a_reset_behind_a_message_is_no_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address =
        Address::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    for again in 0..20 {
        let channel = Channel::connect(&address, options(), &mut unwatched).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let array = ArrayRef::from_slice(&[7u64], &[]).unwrap();
        let mut bytes = Vec::new();
        ndbytes::io::stream::Sender::new(&mut bytes).send(&array).unwrap();
        peer.write_all(&bytes).unwrap();
        if again % 2 == 0 {
            let found = channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
            assert_eq!(number(&found), 7);
        }
        rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
        drop(peer);
        loop {
            match channel.recv(&mut Owned, SOON, &mut unwatched) {
                Ok(found) => assert_eq!(number(&found.expect("no end")), 7),
                Err(error) => break assert_eq!(*error.kind(), ErrorKind::Peer, "{error}"),
            }
        }
    }
}

#[test]
fn many_peers_are_heard_in_turn() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).unwrap();
        thread::scope(|scope| {
            for peer in 0..8 {
                let address = listener.address();
                scope.spawn(move || {
                    let channel = Channel::connect(address, options(), &mut unwatched).unwrap();
                    for seq in 0..100 {
                        let views = [(numbered(peer * 1000 + seq), EncodeOptions::default())];
                        channel.send(&views, &mut unwatched).unwrap();
                    }
                });
            }
            let mut next = [0; 8];
            for _ in 0..800 {
                let number = number(&listener.recv(SOON, &mut unwatched).unwrap());
                let (peer, seq) = (usize::try_from(number / 1000).unwrap(), number % 1000);
                assert_eq!(next[peer], seq, "in order");
                next[peer] += 1;
            }
            assert_eq!(next, [100; 8]);
        });
        let none = listener.recv(Some(Duration::ZERO), &mut unwatched).unwrap_err();
        assert_eq!(*none.kind(), ErrorKind::Timeout);
    }
}

#[test]
fn a_listener_that_keeps_the_newest_serves_no_old_ones() {
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::Last(1), options()).unwrap();
    let channel = Channel::connect(listener.address(), options(), &mut unwatched).unwrap();
    for number in 0..200 {
        channel.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched).unwrap();
    }
    until(|| listener.stats().received == 200);
    assert_eq!(number(&listener.recv(SOON, &mut unwatched).unwrap()), 199);
    assert_eq!(listener.stats().dropped, 199);
    let error = listener.accept(SOON, &mut unwatched).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    let started = Instant::now();
    drop(listener);
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// Who asks while the next one comes gets that one, unless it takes its time.
#[test]
fn the_newest_is_the_one_that_is_nearly_there() {
    let mut sender = ndbytes::io::stream::Sender::new(Vec::new());
    for number in 0..2 {
        let message = [(numbered(number), EncodeOptions::default())];
        sender.send_message(&message, &mut unwatched).unwrap();
    }
    let both = sender.into_inner();
    let (last, begun) = both.split_last().unwrap();
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::Last(1), options()).unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let recv = || number(&listener.recv(SOON, &mut unwatched).unwrap());
    let send = || {
        let came = listener.stats().received + 1;
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.write_all(begun).unwrap();
        until(|| listener.stats().received == came);
        peer
    };
    let halted = send();
    assert_eq!(recv(), 0);
    drop(halted);
    listener.recv(SOON, &mut unwatched).unwrap_err();
    // A machine that is busy may be too late now and then.
    let is_waited_for = (0..500).any(|_| {
        let mut peer = send();
        let first = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(2));
                peer.write_all(&[*last]).unwrap();
            });
            recv()
        });
        if first == 0 {
            assert_eq!(recv(), 1);
        }
        first == 1
    });
    assert!(is_waited_for);
}

/// What a peer sends whose connection ends at every byte of a conversation: whole messages, and then an end or an error.
#[test]
fn a_cut_at_every_byte_is_truncated_or_an_end() {
    let arrays = [array("<f4[3]"), array("<i8[]")];
    let whole = {
        let mut sender = ndbytes::io::stream::Sender::new(Vec::new());
        let views: Vec<_> = arrays.iter().map(|array| (array.view(), named("a"))).collect();
        for _ in 0..2 {
            sender.send_message(&views, &mut unwatched).unwrap();
        }
        sender.into_inner()
    };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    for cut in 0..=whole.len() {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.write_all(&whole[..cut]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let channel = listener.accept(SOON, &mut unwatched).unwrap();
        for _ in 0..cut / (whole.len() / 2) {
            same(&channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &arrays);
        }
        let end = channel.recv(&mut Owned, SOON, &mut unwatched);
        match cut % (whole.len() / 2) {
            0 => assert!(end.unwrap().is_none()),
            _ => assert_eq!(*end.unwrap_err().kind(), ErrorKind::Truncated, "{cut}"),
        }
    }
}

/// A relay that ends each connection behind so many bytes.
fn cutting(to: u16, cuts: Vec<usize>) -> u16 {
    let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = relay.local_addr().unwrap().port();
    thread::spawn(move || {
        for cut in cuts.into_iter().chain(std::iter::repeat(usize::MAX)) {
            let Ok((mut from, _)) = relay.accept() else { return };
            let Ok(mut to) = TcpStream::connect(("127.0.0.1", to)) else { return };
            let (mut answers, mut back) = (to.try_clone().unwrap(), from.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let (mut left, mut space) = (cut, [0; 1000]);
            while left > 0 {
                let most = left.min(space.len());
                let Ok(n @ 1..) = from.read(&mut space[..most]) else { break };
                if to.write_all(&space[..n]).is_err() {
                    break;
                }
                left -= n;
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    });
    port
}

/// Every message comes whole and once, or is told to be lost.
#[test]
fn a_channel_that_reconnects_loses_nothing_untold() {
    let listener =
        Listener::bind(&"tcp://:0".parse().unwrap(), Keep::Last(10_000), options()).unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let port = cutting(port, (0..60).map(|at| at * 37).collect());
    let address: Address = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let channel = Channel::connect(&address, again(), &mut unwatched).unwrap();
    for number in 0..400 {
        let sent = channel.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched);
        assert_eq!(sent.unwrap(), number);
        thread::sleep(Duration::from_millis(1));
    }
    // Receipts come with the next question, which the listener's threads ask at once.
    let told = channel.flush(SOON, &mut unwatched).unwrap_err();
    assert!(told.message().contains("were lost with their connection"), "{}", told.message());
    // It tells of each once.
    assert!(channel.flush(SOON, &mut unwatched).unwrap());
    let stats = channel.stats();
    let mut found = BTreeSet::new();
    loop {
        let received = match listener.recv(Some(Duration::from_millis(300)), &mut unwatched) {
            Ok(received) => received,
            Err(error) if *error.kind() == ErrorKind::Timeout => break,
            // A connection that was cut inside of a message.
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::Truncated);
                continue;
            }
        };
        let number = number(&received);
        assert_eq!(received.message.unwrap().seq, number);
        assert!(found.insert(number), "{number} came twice");
    }
    let lost: BTreeSet<u64> = stats.lost_seqs.iter().cloned().flatten().collect();
    assert_eq!(stats.lost, lost.len() as u64);
    for number in 0..400 {
        assert!(found.contains(&number) || lost.contains(&number), "{number} is nowhere");
    }
    assert!(stats.reconnects >= 30, "{stats:?}");
    assert_eq!(stats.sent, 400);
    let first = *found.first().unwrap();
    let missed = 400 - first - found.len() as u64;
    assert_eq!(listener.stats().missed, missed, "{:?}", listener.stats());
}

#[test]
fn a_listener_that_starts_again_is_found_again() {
    let (_folder, [_, address]) = addresses();
    let mut listener = Listener::bind(&address, Keep::All, options()).unwrap();
    let channel = Channel::connect(&address, again(), &mut unwatched).unwrap();
    for round in 0..50 {
        send(&channel, &array("<u8[]"), "a");
        let received = listener.recv(SOON, &mut unwatched).unwrap();
        assert_eq!(received.message.unwrap().seq, round);
        drop(listener);
        listener = Listener::bind(&address, Keep::All, options()).unwrap();
    }
    let stats = channel.stats();
    assert_eq!((stats.sent, stats.reconnects), (50, 49));
}

#[test]
fn the_address_of_a_listener_that_is_closed_is_free_at_once() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        for keep in [Keep::All, Keep::Last(3)] {
            let listener = Listener::bind(&address, keep, options()).unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| listener.recv(SOON, &mut unwatched));
                let channel = Channel::connect(listener.address(), options(), &mut unwatched);
                send(&channel.unwrap(), &array("<i2[3]"), "a");
                waiting.join().unwrap().unwrap();
                let waiting = scope.spawn(|| listener.recv(SOON, &mut unwatched));
                thread::sleep(Duration::from_millis(20));
                listener.close();
                drop(Listener::bind(listener.address(), keep, options()).unwrap());
                assert!(waiting.join().unwrap().is_err());
            });
        }
    }
}

#[test]
fn without_a_listener_the_time_out_ends_it() {
    let (_folder, [_, address]) = addresses();
    let short = ChannelOptions { timeout: Duration::from_millis(300), ..again() };
    let listener = Listener::bind(&address, Keep::All, options()).unwrap();
    let channel = Channel::connect(&address, short, &mut unwatched).unwrap();
    drop(listener);
    let started = Instant::now();
    let error = channel.send(&[(numbered(1), named("a"))], &mut unwatched).unwrap_err();
    assert!(error.message().contains("cannot connect to unix:"), "{}", error.message());
    assert!(started.elapsed() < Duration::from_secs(5));
    // It goes on where there is one again.
    let listener = Listener::bind(&address, Keep::All, options()).unwrap();
    assert_eq!(channel.send(&[(numbered(2), named("a"))], &mut unwatched).unwrap(), 0);
    assert_eq!(number(&listener.recv(SOON, &mut unwatched).unwrap()), 2);
}

#[test]
fn what_is_wrong_with_one_peer_hurts_no_other() {
    let limits = Limits::stream().with_array(1 << 16);
    let options = ChannelOptions { limits, ..options() };
    for keep in [Keep::All, Keep::Last(100)] {
        let listener = Listener::bind(&"tcp://:0".parse().unwrap(), keep, options.clone()).unwrap();
        let Address::Tcp { port, .. } = *listener.address() else { panic!() };
        let good = Channel::connect(listener.address(), options.clone(), &mut unwatched).unwrap();
        let mut hostile = TcpStream::connect(("127.0.0.1", port)).unwrap();
        hostile.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let error = listener.recv(SOON, &mut unwatched).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Malformed);
        assert!(error.message().starts_with("127.0.0.1:"), "{}", error.message());
        let large = Channel::connect(listener.address(), options.clone(), &mut unwatched).unwrap();
        // It may be refused before all of it has gone.
        let _ = large.send(&[(array("<f8[100,100]").view(), named("a"))], &mut unwatched);
        let error = listener.recv(SOON, &mut unwatched).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { .. }), "{error:?}");
        send(&good, &array("<u8[]"), "a");
        listener.recv(SOON, &mut unwatched).unwrap();
        assert_eq!(listener.stats().failed, 2);
    }
}

#[test]
fn a_silent_peer_meets_the_time_out_and_a_quiet_one_does_not() {
    let options = ChannelOptions { timeout: Duration::from_millis(300), ..options() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options).unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let none = listener.recv(Some(Duration::from_millis(600)), &mut unwatched).unwrap_err();
    assert_eq!(none.message(), "no message began within 0.6 s");
    peer.write_all(b"\x89NDBF").unwrap();
    let error = listener.recv(SOON, &mut unwatched).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert_eq!(listener.stats().failed, 1);
}

/// It has all of it, and does not want it: the sender hears so.
#[test]
fn a_channel_that_refuses_tells_its_peer() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        for refuses in [true, false] {
            let listener = Listener::bind(&address, Keep::All, options()).unwrap();
            let channel = Channel::connect(listener.address(), options(), &mut unwatched).unwrap();
            send(&channel, &array("<u8[]"), "a");
            let peer = listener.accept(SOON, &mut unwatched).unwrap();
            peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
            if refuses {
                peer.refuse();
                assert!(peer.is_closed());
                let error = peer.recv(&mut Owned, SOON, &mut unwatched).unwrap_err();
                assert_eq!(error.message(), "the channel was closed");
            }
            drop(peer);
            let end = channel.recv(&mut Owned, SOON, &mut unwatched);
            match refuses {
                true => assert_eq!(*end.unwrap_err().kind(), ErrorKind::Peer, "{address}"),
                false => assert!(end.unwrap().is_none()),
            }
        }
    }
}

#[test]
fn peers_that_have_only_numpy_are_heard_where_that_was_said() {
    let npy = ChannelOptions { npy: true, ..options() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, npy).unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let arrays = [array("<f4[3]"), array("<i8[]")];
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    for array in &arrays {
        let options = ndbytes::npy::EncodeOptions::bare();
        let mut encoder = ndbytes::npy::Encoder::new(&array.view(), &options).unwrap();
        ndbytes::io::write(&mut encoder, &mut peer, &mut unwatched).unwrap();
    }
    peer.shutdown(Shutdown::Write).unwrap();
    let channel = listener.accept(SOON, &mut unwatched).unwrap();
    for array in arrays {
        let received = channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
        assert!(received.message.is_none());
        same(&received, &[array]);
    }
    assert!(channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
    let error = channel.send(&[(array("<i8[]").view(), named("a"))], &mut unwatched).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
}
