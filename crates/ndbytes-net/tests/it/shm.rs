//! Memory that peers on this machine hand over.

use crate::{addresses, again, number, numbered, options, soon};
use ndbytes::io::channel::{Channel as Blocking, Listener as Receiving};
use ndbytes::io::shm::{Handed, Segment};
use ndbytes::io::stream::Places;
use ndbytes::io::unwatched;
use ndbytes::{
    Copying, DType, Decoded, Dest, Encode as _, Error, ErrorKind, Header, Layout, Lent, Message,
    Metadata, Order, frame,
};
use ndbytes_net::{Address, Channel, ChannelOptions, Keep, Listener};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{IoSlice, PipeWriter, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One number in memory of its own, and more bytes behind it.
fn shared(number: u64, size: u64) -> (Segment, Lent) {
    let mut segment = Segment::new(size).unwrap();
    let array = ndbytes::ArrayRef::from_slice(std::slice::from_ref(&number), &[]).unwrap();
    segment.fill(&array, Order::C, Copying::default()).unwrap();
    let dtype: DType = array.dtype().clone();
    let layout = Layout::contiguous(&[], 8, Order::C).unwrap();
    let metadata = Metadata::default();
    (segment, Lent { dtype, layout, metadata, size, writable: false })
}

#[tokio::test]
async fn what_a_blocking_channel_hands_over_comes_between_other_messages() {
    let (_folder, [tcp, unix]) = addresses();
    for keep in [Keep::All, Keep::Last(1000)] {
        for options in [options(), again()] {
            let listener = Listener::bind(&unix, keep, options.clone()).await.unwrap();
            let to = listener.address().clone();
            let sending = tokio::task::spawn_blocking(move || {
                let channel = Blocking::connect(&to, options, &mut unwatched).unwrap();
                for seq in (0..300).step_by(3) {
                    channel.send(&numbered(seq), &mut unwatched).unwrap();
                    for seq in [seq + 1, seq + 2] {
                        let (segment, lent) = shared(seq, 8);
                        let sent = channel.hand_over(lent, &segment, &mut unwatched).unwrap();
                        assert_eq!(sent, Some(seq));
                    }
                }
                channel.close(&mut unwatched).unwrap();
                channel.stats()
            });
            for seq in 0..300 {
                let received = soon(listener.recv()).await.unwrap();
                assert_eq!((number(&received), received.message.unwrap().seq), (seq, seq));
            }
            let stats = soon(sending).await.unwrap();
            assert_eq!((stats.sent, stats.lost), (300, 0));
        }
    }
    // Over TCP it is not handed over.
    let listener = Listener::bind(&tcp, Keep::All, options()).await.unwrap();
    let to = listener.address().clone();
    let (segment, lent) = shared(0, 8);
    let channel = soon(Channel::connect(&to, options())).await.unwrap();
    assert_eq!(soon(channel.hand_over(lent.clone(), &segment)).await.unwrap(), None);
    let sending = tokio::task::spawn_blocking(move || {
        let channel = Blocking::connect(&to, options(), &mut unwatched).unwrap();
        channel.hand_over(lent, &segment, &mut unwatched).unwrap()
    });
    assert_eq!(soon(sending).await.unwrap(), None);
}

/// Messages that a task sends, every third of them not in memory that it hands over.
async fn hand_over(to: Address, options: ChannelOptions) {
    let channel = soon(Channel::connect(&to, options)).await.unwrap();
    for seq in 0..300 {
        if seq % 3 == 0 {
            assert_eq!(soon(channel.send(&numbered(seq))).await.unwrap(), seq);
            continue;
        }
        let (segment, lent) = shared(seq, 8);
        assert_eq!(soon(channel.hand_over(lent, &segment)).await.unwrap(), Some(seq));
    }
    soon(channel.close()).await;
    let stats = channel.stats();
    assert_eq!((stats.sent, stats.lost), (300, 0));
}

#[tokio::test]
async fn what_a_task_hands_over_comes_between_other_messages() {
    let (_folder, [_, unix]) = addresses();
    for options in [options(), again()] {
        let listener = Listener::bind(&unix, Keep::All, options.clone()).await.unwrap();
        let sending = tokio::spawn(hand_over(unix.clone(), options.clone()));
        for seq in 0..300 {
            let received = soon(listener.recv()).await.unwrap();
            assert_eq!((number(&received), received.message.unwrap().seq), (seq, seq));
        }
        soon(sending).await.unwrap();
        listener.close();
        drop(listener);

        let listener = Receiving::bind(&unix, Keep::All, options.clone()).unwrap();
        let sending = tokio::spawn(hand_over(unix.clone(), options));
        let receiving = tokio::task::spawn_blocking(move || {
            for seq in 0..300 {
                let received = listener.recv(Some(crate::LONG), &mut unwatched).unwrap();
                assert_eq!((number(&received), received.message.unwrap().seq), (seq, seq));
            }
            // The receipts of the last ones go with the next call, or the end.
            drop(listener);
        });
        soon(receiving).await.unwrap();
        soon(sending).await.unwrap();
    }
}

/// Both sides look at the same memory, which the receiver may write to if it was said so.
#[tokio::test]
async fn memory_that_a_task_hands_over_is_shared() {
    let (_folder, [_, address]) = addresses();
    let listener = Receiving::bind(&address, Keep::All, options()).unwrap();
    let channel = soon(Channel::connect(&address, options())).await.unwrap();
    let (segment, mut lent) = shared(7, 8);
    lent.writable = true;
    soon(channel.hand_over(lent, &segment)).await.unwrap();
    struct Written;
    impl Places for Written {
        fn place(&mut self, _: &Header) -> Result<Dest<'_>, Error> {
            panic!("it comes without items")
        }
        fn lend(&mut self, mut handed: Handed) -> Result<Decoded, Error> {
            assert_eq!(handed.segment.bytes().iter().max(), Some(&7));
            handed.segment.bytes_mut()?.fill(8);
            Ok(handed.decoded())
        }
    }
    let receiving = move || listener.recv_into(&mut Written, Some(crate::LONG), &mut unwatched);
    soon(tokio::task::spawn_blocking(receiving)).await.unwrap().unwrap();
    assert_eq!(segment.bytes(), [8; 8]);
}

/// A peer that takes nothing is given up, and a future that is dropped before has sent nothing.
#[tokio::test]
async fn a_peer_that_takes_no_memory_is_given_up() {
    let (_folder, [_, address]) = addresses();
    let Address::Unix(path) = &address else { panic!() };
    let peer = std::os::unix::net::UnixListener::bind(path).unwrap();
    let options = ChannelOptions { timeout: Duration::from_millis(200), ..options() };
    let channel = soon(Channel::connect(&address, options)).await.unwrap();
    let (mut peer, _) = peer.accept().unwrap();
    let (segment, lent) = shared(7, 8);
    let error = loop {
        if let Err(error) = soon(channel.hand_over(lent.clone(), &segment)).await {
            break error;
        }
    };
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    let sent = channel.stats().sent;
    let dropped =
        tokio::time::timeout(Duration::from_millis(20), channel.hand_over(lent, &segment));
    assert!(dropped.await.is_err());
    channel.close().await;
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut peer, &mut all).unwrap();
    let record = all.len() as u64 / sent;
    assert_eq!(all.len() as u64, record * sent, "whole records");
}

/// Sends bytes, and so many holds on memory with the first of them.
fn give(socket: &UnixStream, bytes: &[u8], memory: &impl AsFd, count: usize) {
    let fds = vec![memory.as_fd(); count];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if count > 0 {
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    }
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(bytes.len()));
}

/// What comes of what a peer does, who is gone then.
async fn met(does: impl FnOnce(&mut UnixStream, &Segment, Vec<u8>)) -> Result<u64, Error> {
    let (_folder, [_, address]) = addresses();
    let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    let Address::Unix(path) = listener.address() else { panic!() };
    let mut socket = UnixStream::connect(path).unwrap();
    let (segment, lent) = shared(7, 8);
    does(&mut socket, &segment, lent.encode().unwrap());
    drop(socket);
    let channel: Channel = soon(listener.accept()).await.unwrap();
    let received = soon(channel.recv()).await?.expect("a message");
    assert!(soon(channel.recv()).await.unwrap().is_none());
    Ok(number(&received))
}

#[tokio::test]
async fn a_record_may_come_in_parts() {
    for cut in [1, 4, 5, 8, 15, 16, 17, 40] {
        let found = met(|socket, memory, record| {
            give(socket, &record[..cut], memory, 1);
            socket.write_all(&record[cut..]).unwrap();
        });
        assert_eq!(found.await.unwrap(), 7, "{cut}");
    }
}

#[tokio::test]
async fn what_is_no_record_with_one_descriptor_is_refused() {
    for count in [0, 2, 4] {
        let error = met(|socket, memory, record| give(socket, &record, memory, count)).await;
        let error = error.unwrap_err();
        let message = format!("a record came with {count} descriptors; it has exactly one");
        assert_eq!(
            (error.kind(), error.message().contains(&message)),
            (&ErrorKind::Malformed, true)
        );
    }
}

#[tokio::test]
async fn an_end_within_a_record_is_truncated() {
    for cut in [1, 4, 8, 20, 60] {
        let error = met(|socket, memory, record| give(socket, &record[..cut], memory, 1)).await;
        assert_eq!(*error.unwrap_err().kind(), ErrorKind::Truncated, "{cut}");
    }
}

#[tokio::test]
async fn what_a_record_says_is_held_against_its_memory() {
    let error = met(|socket, _, _| {
        let (segment, mut lent) = shared(7, 4096);
        lent.size = 8192;
        give(socket, &lent.encode().unwrap(), &segment, 1);
    });
    assert_eq!(*error.await.unwrap_err().kind(), ErrorKind::Malformed);
    let error = met(|socket, memory, mut record| {
        record[20] ^= 1;
        give(socket, &record, memory, 1);
    });
    assert!(matches!(error.await.unwrap_err().kind(), ErrorKind::Checksum { .. }));
    let error = met(|socket, segment, _| {
        let (_, mut lent) = shared(7, 8);
        let message = Message { count: 2, seq: 0, sent_ns: 0, stream: None };
        lent.metadata.message = Some(message);
        give(socket, &lent.encode().unwrap(), segment, 1);
    });
    assert_eq!(*error.await.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A silent peer is given up also in the middle of a record.
#[tokio::test]
async fn a_record_that_does_not_go_on_is_given_up() {
    let (_folder, [_, address]) = addresses();
    let options = ChannelOptions { timeout: Duration::from_millis(200), ..options() };
    let listener = Listener::bind(&address, Keep::All, options).await.unwrap();
    let Address::Unix(path) = listener.address() else { panic!() };
    for cut in [3, 12, 50] {
        let socket = UnixStream::connect(path).unwrap();
        let (segment, lent) = shared(7, 8);
        give(&socket, &lent.encode().unwrap()[..cut], &segment, 1);
        let error = soon(listener.recv()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Timeout, "{cut}: {error}");
    }
}

#[tokio::test]
async fn a_descriptor_that_comes_with_a_frame_is_kept_to_the_end() {
    let (_folder, [_, address]) = addresses();
    let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    let Address::Unix(path) = listener.address() else { panic!() };
    let socket = UnixStream::connect(path).unwrap();
    let channel: Channel = soon(listener.accept()).await.unwrap();
    let array = ndbytes::ArrayRef::from_slice(&[7u64], &[]).unwrap();
    let mut encoder = frame::Encoder::new(&array, &frame::EncodeOptions::default()).unwrap();
    let mut frame = Vec::new();
    while let Some(piece) = encoder.next().unwrap() {
        frame.extend_from_slice(&piece);
    }
    let (mut watched, mut first) = (Vec::new(), None);
    for count in [2, 1, 1, 3] {
        let (theirs, ours) = std::io::pipe().unwrap();
        give(&socket, &frame, &theirs, count);
        drop(theirs);
        let received = soon(channel.recv()).await.unwrap().expect("a message");
        assert_eq!(number(&received), 7);
        if count == 1 && first.is_none() {
            first = Some(ours);
        } else {
            watched.push(ours);
        }
    }
    let is_gone = |mut end: &PipeWriter| end.write(&[0]).is_err();
    assert!(watched.iter().all(is_gone));
    assert!(!first.iter().any(is_gone));
    drop(socket);
    assert!(soon(channel.recv()).await.unwrap().is_none());
    drop(channel);
    assert!(first.iter().all(is_gone));
}
