//! Arrays over streams: many in a row, a clean end, every cut, every kind of peer.

use crate::array;
use crate::frames::{SPECS, write};
use crate::pipe::{Choppy, pipe};
use ndbytes::io::stream::{Receiver, Sender, Steps, StreamOptions};
use ndbytes::io::unwatched;
use ndbytes::{Array, Dest, Error, ErrorKind, Limits, Metadata, Order, Result, to_bytes};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

pub(crate) fn within(millis: u64) -> StreamOptions {
    StreamOptions { timeout: Some(Duration::from_millis(millis)), ..Default::default() }
}

fn is_same(got: &Array, sent: &Array) -> bool {
    let items = |array: &Array| to_bytes(&array.view(), Order::C).unwrap();
    (got.dtype(), got.shape()) == (sent.dtype(), sent.shape()) && items(got) == items(sent)
}

/// One array of each class, and one of several steps.
fn arrays() -> Vec<Array> {
    SPECS.iter().chain(&["<u4[300000]"]).map(|spec| array(spec)).collect()
}

fn send_all(mut sender: Sender<impl Write>) {
    for array in arrays() {
        sender.send(&array.view()).unwrap();
        sender.send(&array.view().transposed()).unwrap();
    }
}

fn receive_all(receiver: Receiver<impl Read>) {
    let got: Vec<_> = receiver.map(|read| read.unwrap().array.unwrap()).collect();
    assert_eq!(got.len(), 2 * arrays().len());
    for (got, sent) in got.chunks(2).zip(arrays()) {
        assert!(is_same(&got[0], &sent), "{}", sent.dtype());
        let turned = sent.view().transposed().to_order(Order::C).unwrap();
        assert!(is_same(&got[1], &turned), "{} transposed", sent.dtype());
    }
}

#[test]
fn arrays_of_every_class_in_a_row_and_a_clean_end() {
    let (client, server) = tcp();
    std::thread::scope(|scope| {
        scope.spawn(|| send_all(Sender::over(client).unwrap()));
        receive_all(Receiver::over(server).unwrap());
    });
    let (writer, reader) = pipe(5000);
    std::thread::scope(|scope| {
        scope.spawn(|| send_all(Sender::new(writer)));
        receive_all(Receiver::new(reader));
    });
}

#[cfg(unix)]
#[test]
fn arrays_over_a_unix_socket() {
    let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| send_all(Sender::over(client).unwrap()));
        receive_all(Receiver::over(server).unwrap());
    });
}

#[test]
fn short_and_interrupted_reads_and_writes_are_invisible() {
    for most in [1, 2, 7, 17] {
        let sent = array("<u2[3,5]");
        let mut bytes = Vec::new();
        let mut sender = Sender::new(Choppy::new(&mut bytes, most));
        (0..3).for_each(|_| sender.send(&sent.view()).unwrap());
        let receiver = Receiver::new(Choppy::new(&bytes[..], most));
        let got: Vec<_> = receiver.map(|read| read.unwrap().array.unwrap()).collect();
        assert_eq!(got.len(), 3);
        assert!(got.iter().all(|got| is_same(got, &sent)));
    }
}

#[test]
fn ten_thousand_small_ones() {
    let (client, server) = tcp();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sender = Sender::over(client).unwrap();
            for i in 0..10_000u32 {
                let array = ndbytes::ArrayRef::from_slice(std::slice::from_ref(&i), &[]).unwrap();
                sender.send(&array).unwrap();
            }
        });
        let mut expected = 0;
        for read in Receiver::over(server).unwrap() {
            assert_eq!(read.unwrap().array.unwrap().as_slice::<u32>().unwrap(), [expected]);
            expected += 1;
        }
        assert_eq!(expected, 10_000);
    });
}

#[test]
fn a_small_array_is_one_write_and_a_large_one_is_not_copied_together() {
    struct Writes(Vec<usize>);
    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let writes = |spec: &str| {
        let mut sender = Sender::new(Writes(Vec::new()));
        sender.send(&array(spec).view()).unwrap();
        sender.into_inner().0
    };
    assert_eq!(writes("<f8[3]").len(), 1);
    assert_eq!(writes("|u1[60000]").len(), 1);
    let step = Steps::TCP.made;
    let rest = 2_500_000 - 4 * step;
    assert_eq!(writes("|u1[2500000]"), [128, step, step, step, step, rest, 52]);
}

/// Every cut of a session: what came before it is whole, and the cut is a cut unless it is between two arrays.
#[test]
fn every_cut_is_seen() {
    let sent: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let frames: Vec<_> = sent.iter().map(|array| write(array, &Default::default())).collect();
    let bytes = frames.concat();
    let mut ends = vec![0];
    for frame in &frames {
        ends.push(ends[ends.len() - 1] + frame.len());
    }
    for cut in 0..=bytes.len() {
        check_cut(Receiver::new(&bytes[..cut]), cut, &ends, &sent);
    }
    // The same over a socket, by the end of the connection, with fewer arrays.
    let bytes = &bytes[..ends[5]];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for cut in 0..=bytes.len() {
                TcpStream::connect(address).unwrap().write_all(&bytes[..cut]).unwrap();
            }
        });
        for cut in 0..=bytes.len() {
            let (socket, _) = listener.accept().unwrap();
            check_cut(Receiver::over(socket).unwrap(), cut, &ends[..=5], &sent[..5]);
        }
    });
}

fn check_cut(mut receiver: Receiver<impl Read>, cut: usize, ends: &[usize], sent: &[Array]) {
    let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
    for sent in &sent[..whole] {
        let got = receiver.recv().unwrap().unwrap_or_else(|| panic!("cut at {cut}"));
        assert!(is_same(&got.array.unwrap(), sent));
    }
    let inside = cut - ends[whole];
    match receiver.recv() {
        Ok(None) => assert_eq!(inside, 0, "a cut at {cut} passed for an end"),
        Ok(Some(_)) => panic!("an array that was cut at {cut}"),
        Err(error) => {
            assert_eq!(error.kind(), &ErrorKind::Truncated, "{error}");
            assert_eq!(error.offset(), Some(inside as u64), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_reset_is_no_end() {
    let reset = |bytes: &[u8]| {
        let (mut client, server) = tcp();
        client.write_all(bytes).unwrap();
        let mut receiver = Receiver::over(server).unwrap();
        // Only what has been read is safe from a reset.
        let got = if bytes.is_empty() { None } else { Some(receiver.incoming(&mut unwatched)) };
        drop(got);
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        receiver
    };
    let error = reset(b"").recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Peer);
    assert!(error.message().starts_with("the peer closed the connection: "), "{error}");

    let (mut client, server) = tcp();
    let bytes = write(&array("|u1[200000]"), &Default::default());
    client.write_all(&bytes[..128]).unwrap();
    let mut receiver = Receiver::over(server).unwrap();
    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    let error = incoming.read(Dest::Owned, &mut unwatched).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(128)));
    assert!(error.message().starts_with("the peer closed the connection: "), "{error}");
}

/// A socket whose peer the system has given up says so once, and then gives nothing.
#[cfg(unix)]
#[test]
fn a_connection_that_was_given_up_is_no_end() {
    struct Given(Vec<u8>, bool);
    impl Read for Given {
        fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() && !std::mem::replace(&mut self.1, true) {
                return Err(rustix::io::Errno::TIMEDOUT.into());
            }
            let n = space.len().min(self.0.len());
            space[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            Ok(n)
        }
    }
    impl Write for Given {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(rustix::io::Errno::TIMEDOUT.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl ndbytes::io::stream::Socket for Given {
        fn prepare(&self, _: Duration) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bytes = write(&array("<u2[3,5]"), &Default::default());
    let mut receiver = Receiver::over(Given(bytes.clone(), false)).unwrap();
    assert!(receiver.recv().unwrap().is_some());
    let error = receiver.recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Peer);
    assert!(error.message().starts_with("the peer is not there any more: "), "{error}");
    let cut = bytes[..bytes.len() - 1].to_vec();
    let error = Receiver::over(Given(cut, false)).unwrap().recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Truncated);
    let mut sender = Sender::over(Given(Vec::new(), false)).unwrap();
    assert_eq!(sender.send(&array("<u2[3]").view()).unwrap_err().kind(), &ErrorKind::Peer);
}

#[test]
fn the_header_comes_first_and_the_caller_chooses() {
    let mut bytes = Vec::new();
    let mut sender = Sender::new(&mut bytes);
    let sent = array("<u2[3,5]");
    let metadata = Metadata::new(Some("a/b".into()), Some("{\"unit\":\"V\"}".into()));
    for _ in 0..4 {
        sender.send_named(&sent.view(), metadata.clone(), &mut unwatched).unwrap();
    }
    let mut receiver = Receiver::new(&bytes[..]);
    let mut memory = [0; 30];
    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    assert_eq!(
        (&incoming.header().metadata, &incoming.header().shape[..]),
        (&metadata, &[3, 5][..])
    );
    assert!(incoming.read(Dest::Into(&mut memory), &mut unwatched).unwrap().array.is_none());
    assert_eq!(memory, sent.data()[..]);
    let mut poured = Vec::new();
    let mut sink = |bytes: &[u8]| -> Result<()> {
        poured.extend_from_slice(bytes);
        Ok(())
    };
    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    incoming.read(Dest::Sink(&mut sink), &mut unwatched).unwrap();
    assert_eq!(poured, sent.data()[..]);
    receiver
        .incoming(&mut unwatched)
        .unwrap()
        .unwrap()
        .read(Dest::Discard, &mut unwatched)
        .unwrap();

    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    let error = incoming.read(Dest::Into(&mut memory[1..]), &mut unwatched).unwrap_err();
    assert_eq!(error.message(), "the array has 30 bytes, the destination 29");
    let error = receiver.recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Argument);
    assert!(error.message().starts_with("an array of this stream was not read to its end"));
}

#[test]
fn limits_come_before_memory() {
    let options = |array| StreamOptions {
        limits: Limits { array, ..Limits::stream() },
        ..StreamOptions::default()
    };
    let bytes = write(&array("<u2[3,5]"), &Default::default());
    assert!(Receiver::new(&bytes[..]).with(options(30)).recv().is_ok());
    let error = Receiver::new(&bytes[..]).with(options(29)).recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Limit { name: "array", asked: 30, max: 29 });
    let mut long = bytes;
    long[12..16].copy_from_slice(&(65_536u32 + 64).to_le_bytes());
    let error = Receiver::new(&long[..]).recv().unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::Limit { name: "frame header", asked: 65_600, max: 65_536 }
    );
    // It ends as an iterator, whatever may follow.
    let mut receiver = Receiver::new(&long[..]);
    assert!(receiver.next().unwrap().is_err());
    assert!(receiver.next().is_none());
}

#[test]
fn npy_is_spoken_with_peers_that_have_only_numpy() {
    let npy = StreamOptions { npy: true, ..StreamOptions::default() };
    let mut bytes = Vec::new();
    let mut sender = Sender::new(&mut bytes).with(npy.clone());
    let sent = ["<f8[3]", "|S3[2,2]", "<i4[]"].map(array);
    sent.iter().for_each(|array| sender.send(&array.view()).unwrap());
    let labelled = Metadata::new(Some("a".into()), None);
    let refused = |result: Result<()>| assert_eq!(*result.unwrap_err().kind(), ErrorKind::Argument);
    refused(sender.send_named(&sent[0].view(), labelled, &mut unwatched));
    refused(sender.send(&array("bfloat16[3]").view()));
    assert!(!sender.is_broken());
    let bare = |array: &Array| crate::encode(array, &ndbytes::npy::EncodeOptions::bare());
    assert_eq!(bytes, sent.iter().flat_map(bare).collect::<Vec<_>>());
    let got: Vec<_> = Receiver::new(&bytes[..]).with(npy.clone()).map(Result::unwrap).collect();
    assert_eq!(got.len(), 3);
    for (got, sent) in got.into_iter().zip(&sent) {
        assert_eq!(got.state, ndbytes::ChecksumState::Unchecked);
        assert!(is_same(&got.array.unwrap(), sent));
    }
    // Each side says what the other one speaks.
    let error = Receiver::new(&bytes[..]).recv().unwrap_err();
    assert!(error.message().contains("needs npy=True"), "{error}");
    let frame = write(&sent[0], &Default::default());
    let error = Receiver::new(&frame[..]).with(npy).recv().unwrap_err();
    assert!(error.message().ends_with("this looks like a frame of ndbytes"), "{error}");
}

#[test]
fn peers_that_stop_trickle_or_never_read_meet_the_time_out() {
    let bytes = write(&array("|u1[300000]"), &Default::default());
    // Nothing more comes: in a header, and in the data.
    for (sent, moved) in [(10, 10), (1000, 1000 - 128)] {
        let (mut client, server) = tcp();
        client.write_all(&bytes[..sent]).unwrap();
        let mut receiver = Receiver::over(server).unwrap().with(within(200));
        let error = receiver.recv().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
        assert!(error.message().starts_with(&format!("the peer moved {moved} bytes")), "{error}");
        assert_eq!(receiver.recv().unwrap_err().kind(), &ErrorKind::Argument);
    }
    // A byte now and then does not help.
    let (mut client, server) = tcp();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for byte in &bytes {
                if client.write_all(std::slice::from_ref(byte)).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let error = Receiver::over(server).unwrap().with(within(300)).recv().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    });
    // Whoever never reads keeps a sender waiting, and no longer than that.
    let (client, server) = tcp();
    let mut sender = Sender::over(client).unwrap().with(within(200));
    let error = sender.send(&array("|u1[60000000]").view()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    assert!(sender.is_broken());
    assert_eq!(sender.send(&array("|u1[1]").view()).unwrap_err().kind(), &ErrorKind::Argument);
    drop(server);
}

#[test]
fn between_arrays_there_is_no_time_out_and_a_watch_ends_the_wait() {
    let (client, server) = tcp();
    let mut sender = Sender::over(client).unwrap();
    let mut receiver = Receiver::over(server).unwrap().with(within(1));
    let mut calls = 0;
    let error = receiver.incoming(&mut |_| {
        calls += 1;
        if calls < 4 { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "enough")) }
    });
    assert_eq!(error.unwrap_err().kind(), &ErrorKind::Interrupted);
    assert_eq!(calls, 4);
    // Nothing of an array had come, so the stream is as it was.
    sender.send(&array("<f8[3]").view()).unwrap();
    let mut receiver = receiver.with(within(10_000));
    assert!(is_same(&receiver.recv().unwrap().unwrap().array.unwrap(), &array("<f8[3]")));
}

#[test]
fn a_peer_that_has_gone_is_no_error_of_the_file_system() {
    let (client, server) = tcp();
    drop(server);
    let mut sender = Sender::over(client).unwrap();
    let large = array("|u1[3000000]");
    let error = (0..3).find_map(|_| sender.send(&large.view()).err()).unwrap();
    assert_eq!(error.kind(), &ErrorKind::Peer, "{error}");
    assert!(error.message().contains("the peer closed the connection"), "{error}");
}
