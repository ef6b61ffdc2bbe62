//! Streams that fail: whose fault it is, what is said of it, and what can be done with the stream afterwards.

use crate::array;
use crate::frames::write;
use crate::streams::within;
use ndbytes::io::stream::{Receiver, Sender, Socket, StreamOptions};
use ndbytes::io::unwatched;
use ndbytes::{Array, ChecksumState, Dest, Error, ErrorKind, Order, Result, npy, to_bytes};
use std::collections::VecDeque;
use std::io::{ErrorKind as IoKind, Read, Result as IoResult, Write};
use std::time::Duration;

/// What a peer does next.
enum Does {
    /// Is silent for so many milliseconds.
    Waits(u64),
    Sends(Vec<u8>),
    Fails(IoKind),
}

/// A peer that does one thing after the other, and then is at its end.
struct Peer(VecDeque<Does>);

impl Peer {
    fn new(does: impl IntoIterator<Item = Does>) -> Self {
        Self(does.into_iter().collect())
    }
}

impl Read for Peer {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        match self.0.front_mut() {
            None => Ok(0),
            Some(Does::Waits(millis)) => {
                std::thread::sleep(Duration::from_millis(*millis));
                self.0.pop_front();
                Err(IoKind::Interrupted.into())
            }
            Some(Does::Sends(bytes)) => {
                let n = bytes.len().min(space.len());
                space[..n].copy_from_slice(&bytes[..n]);
                bytes.drain(..n);
                if bytes.is_empty() {
                    self.0.pop_front();
                }
                Ok(n)
            }
            Some(Does::Fails(kind)) => {
                let error = (*kind).into();
                self.0.pop_front();
                Err(error)
            }
        }
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        self.read(&mut []).map(|_| ())
    }
}

impl Socket for Peer {
    fn prepare(&self, _: Duration) -> IoResult<()> {
        Ok(())
    }
}

fn framed(spec: &str) -> Vec<u8> {
    write(&array(spec), &Default::default())
}

fn items(array: &Array) -> Vec<u8> {
    to_bytes(&array.view(), Order::C).unwrap()
}

fn is_argument<T>(result: Result<T>) {
    assert_eq!(result.err().map(|error| error.kind().clone()), Some(ErrorKind::Argument));
}

/// Only the peer's time is measured: not that of a disk, nor that in which this process was stopped.
#[test]
fn the_peer_is_not_blamed_for_the_time_of_others() {
    let bytes = framed("|u1[3000000]");
    let mut receiver = Receiver::new(&bytes[..]).with(within(150));
    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut sink = |_: &[u8]| -> Result<()> {
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    };
    incoming.read(Dest::Sink(&mut sink), &mut unwatched).unwrap();
    assert!(receiver.recv().unwrap().is_none());

    // A wait on a socket is short; one that was not had the process stopped in it.
    let stopped = || {
        let bytes = framed("<f8[3]");
        let (front, back) = bytes.split_at(100);
        Peer::new([Does::Sends(front.to_vec()), Does::Waits(400), Does::Sends(back.to_vec())])
    };
    let mut receiver = Receiver::over(stopped()).unwrap().with(within(300));
    assert!(receiver.recv().unwrap().is_some());
    // Where a wait can be of any length, it was the peer.
    let error = Receiver::new(stopped()).with(within(300)).recv().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Timeout, Some(100)));
    // The header's 100 bytes count, and waits add up.
    assert!(error.message().starts_with("the peer moved 100 bytes in 0.3 s"), "{error}");
    let bit_by_bit =
        framed("<f8[3]").into_iter().flat_map(|b| [Does::Waits(40), Does::Sends(vec![b])]);
    let error = Receiver::over(Peer::new(bit_by_bit)).unwrap().with(within(300)).recv();
    assert_eq!(error.unwrap_err().kind(), &ErrorKind::Timeout);
}

/// Longer than the time-out in all, but each 64 KiB come in it.
#[test]
fn slow_but_steady_is_fast_enough() {
    let bytes = framed("|u1[1310720]");
    let does = bytes.chunks(1 << 16).flat_map(|part| [Does::Waits(60), Does::Sends(part.to_vec())]);
    let mut receiver = Receiver::new(Peer::new(does)).with(within(1000));
    let started = std::time::Instant::now();
    let got = receiver.recv().unwrap().unwrap().array.unwrap();
    assert_eq!(items(&got), items(&array("|u1[1310720]")));
    assert!(started.elapsed() > Duration::from_millis(1000));
}

#[test]
fn a_lost_connection_is_told_from_an_end_however_the_system_puts_it() {
    let bytes = framed("<f8[3]");
    let kinds = [
        IoKind::ConnectionReset,
        IoKind::ConnectionAborted,
        IoKind::BrokenPipe,
        IoKind::HostUnreachable,
        IoKind::NetworkUnreachable,
        IoKind::NetworkDown,
        // What TLS says of an end that its peer did not announce.
        IoKind::UnexpectedEof,
    ];
    for kind in kinds {
        for cut in [0, 1, 127, 128, bytes.len() - 1] {
            let sends = (cut > 0).then(|| Does::Sends(bytes[..cut].to_vec()));
            let whole = Does::Sends(bytes.clone());
            let does = [whole].into_iter().chain(sends).chain([Does::Fails(kind)]);
            let mut receiver = Receiver::new(Peer::new(does));
            assert!(receiver.recv().unwrap().is_some());
            let error = receiver.recv().unwrap_err();
            if cut == 0 {
                assert_eq!((error.kind(), error.offset()), (&ErrorKind::Peer, None), "{kind}");
            } else {
                let expected = (&ErrorKind::Truncated, Some(cut as u64));
                assert_eq!((error.kind(), error.offset()), expected, "{kind}");
            }
            assert!(error.message().starts_with("the "), "{error}");
            assert!(error.message().contains(&kind.to_string()), "{error}");
            // The next read would find the end of the file: that is no clean end.
            is_argument(receiver.recv());
        }
    }
    // An error of this crate's own that came through the reader is not changed.
    struct Own;
    impl Read for Own {
        fn read(&mut self, _: &mut [u8]) -> IoResult<usize> {
            Err(Error::truncated("the stream inside").at(7).into())
        }
    }
    let error = Receiver::new(Own).recv().unwrap_err();
    assert_eq!(error.to_string(), "the stream inside (at byte 7)");
    assert_eq!(error.kind(), &ErrorKind::Truncated);
}

#[test]
fn behind_an_error_there_is_no_end() {
    let bytes = framed("<f8[3]");
    // By the iterator, which ends; whoever asks on is told why there is nothing.
    let mut receiver = Receiver::new(&bytes[..bytes.len() - 1]);
    assert!(receiver.next().unwrap().is_err());
    assert!(receiver.next().is_none());
    is_argument(receiver.recv());
    assert!(receiver.next().is_none());
    // An array that was not read is an error of the iterator's too, once.
    let mut receiver = Receiver::new(&bytes[..]);
    assert!(receiver.incoming(&mut unwatched).unwrap().is_some());
    is_argument(receiver.next().unwrap());
    assert!(receiver.next().is_none());
    // The clean end stays one.
    let mut receiver = Receiver::new(&bytes[..]);
    assert!(receiver.recv().unwrap().is_some());
    assert!(receiver.recv().unwrap().is_none());
    assert!(receiver.recv().unwrap().is_none());
    assert!(receiver.next().is_none());
}

#[test]
fn a_cut_says_how_much_was_wanted() {
    let bytes = framed("<f8[3]");
    let said = |cut: usize| Receiver::new(&bytes[..cut]).recv().unwrap_err().to_string();
    for (cut, numbers) in [(10, "10"), (100, "100"), (140, "24"), (bytes.len() - 1, "44")] {
        assert!(said(cut).contains(numbers), "{cut}: {}", said(cut));
    }
}

#[test]
fn a_watch_sees_the_last_byte_and_its_error_leaves_a_known_state() {
    let bytes = framed("|u1[3000000]");
    let mut receiver = Receiver::new(&bytes[..]);
    let mut seen = Vec::new();
    let mut watch = |n: u64| -> Result<()> {
        seen.push(n);
        Ok(())
    };
    let incoming = receiver.incoming(&mut watch).unwrap().unwrap();
    incoming.read(Dest::Discard, &mut watch).unwrap();
    assert!(seen.is_sorted());
    assert_eq!((seen[0], seen[seen.len() - 1]), (0, bytes.len() as u64));
    assert!(receiver.recv().unwrap().is_none());

    let stop = |at: u64| {
        move |n: u64| -> Result<()> {
            if n < at { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "enough")) }
        }
    };
    let mut receiver = Receiver::new(&bytes[..]);
    let incoming = receiver.incoming(&mut unwatched).unwrap().unwrap();
    let error = incoming.read(Dest::Discard, &mut stop(1_000_000)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Interrupted);
    is_argument(receiver.recv());

    let mut sender = Sender::new(Vec::new());
    let large = array("|u1[3000000]");
    let mut encoder = ndbytes::frame::Encoder::new(&large.view(), &Default::default()).unwrap();
    let error = sender.send_pieces(&mut encoder, &mut stop(1_000_000)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Interrupted);
    assert!(sender.is_broken());
    is_argument(sender.send(&large.view()));
}

#[test]
fn what_flushing_says_is_said_of_the_peer() {
    let small = array("<f8[3]");
    let send = |does: Vec<Does>, options: StreamOptions| {
        let mut sender = Sender::over(Peer::new(does)).unwrap().with(options);
        let sent = sender.send(&small.view());
        (sent, sender.is_broken())
    };
    let (sent, broken) = send(vec![Does::Fails(IoKind::BrokenPipe)], within(1000));
    assert_eq!((sent.unwrap_err().kind(), broken), (&ErrorKind::Peer, true));
    // Not yet is not no, until the time is up.
    let not_yet = |n| (0..n).map(|_| Does::Waits(40)).chain([Does::Fails(IoKind::WouldBlock)]);
    let (sent, broken) = send(not_yet(1).collect(), within(5000));
    assert!(sent.is_ok() && !broken);
    let (sent, broken) = send(not_yet(20).collect(), within(200));
    assert_eq!((sent.unwrap_err().kind(), broken), (&ErrorKind::Timeout, true));
}

/// As with `np.load`, the tail of a checked `.npy` is an array of bytes like any other.
#[test]
fn a_checked_npy_where_bare_ones_are_spoken() {
    let sent = array("<f8[3]");
    let bytes = crate::encode(&sent, &npy::EncodeOptions::checked());
    let bare = crate::encode(&sent, &npy::EncodeOptions::bare());
    let options = StreamOptions { npy: true, ..Default::default() };
    let got: Vec<_> = Receiver::new(&bytes[..]).with(options).map(Result::unwrap).collect();
    assert!(got.iter().all(|got| got.state == ChecksumState::Unchecked));
    let got: Vec<_> = got.into_iter().map(|got| got.array.unwrap()).collect();
    assert_eq!(items(&got[0]), items(&sent));
    assert_eq!(items(&got[1]), bytes[bare.len() + 128..]);
    assert_eq!(got.len(), 2);
}

#[cfg(unix)]
mod sockets {
    use super::*;
    use crate::streams::tcp;
    use std::os::unix::net::UnixStream;

    /// A socket that never waits would be asked again and again.
    #[test]
    fn a_socket_waits_even_if_it_was_told_not_to() {
        use rustix::fs::{OFlags, fcntl_getfl};
        let (client, server) = tcp();
        client.set_nonblocking(true).unwrap();
        let sender = Sender::over(client).unwrap();
        assert!(!fcntl_getfl(sender.get_ref()).unwrap().contains(OFlags::NONBLOCK));
        drop(server);
        let (left, _right) = UnixStream::pair().unwrap();
        left.set_nonblocking(true).unwrap();
        let receiver = Receiver::over(left).unwrap();
        assert!(!fcntl_getfl(receiver.get_ref()).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_unix_peer_that_has_gone() {
        let (left, right) = UnixStream::pair().unwrap();
        drop(right);
        let mut sender = Sender::over(left).unwrap();
        let error = sender.send(&array("|u1[3000000]").view()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Peer, "{error}");
        assert!(sender.is_broken());
    }

    /// Linux hands out what came before a reset, and then says that it came.
    #[cfg(target_os = "linux")]
    #[test]
    fn every_cut_by_a_reset_is_seen() {
        let frames = ["<f8[3]", "|u1[]", "<f2[2,0,3]"].map(framed);
        let bytes = frames.concat();
        let ends = frames.iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        let ends: Vec<_> = std::iter::once(0).chain(ends).collect();
        for cut in 0..=bytes.len() {
            let (mut client, server) = tcp();
            client.write_all(&bytes[..cut]).unwrap();
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
            drop(client);
            let mut receiver = Receiver::over(server).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            for _ in 0..whole {
                assert!(receiver.recv().unwrap().is_some(), "cut at {cut}");
            }
            let error = receiver.recv().unwrap_err();
            let inside = (cut - ends[whole]) as u64;
            let expected = match inside {
                0 => (&ErrorKind::Peer, None),
                n => (&ErrorKind::Truncated, Some(n)),
            };
            assert_eq!((error.kind(), error.offset()), expected, "cut at {cut}: {error}");
            is_argument(receiver.recv());
        }
    }
}
