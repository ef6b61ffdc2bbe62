//! Futures that are dropped: what has come stays, and what was cut is said to be.

use crate::cuts::{conversation, raw};
use crate::lossy::Rng;
use crate::{addresses, array, items, named, number, numbered, options, recv, same, send, soon};
use ndbytes::io::stream::Places;
use ndbytes::{Dest, ErrorKind, Header, Result};
use ndbytes_net::{Channel, Keep, Listener};
use std::time::Duration;
use tokio::time::timeout;

/// Behind each byte that comes a future waits, and is dropped.
#[tokio::test]
async fn a_receive_that_is_dropped_at_every_byte_loses_nothing() {
    let arrays = [array("<f4[3]"), array("<i8[]")];
    let (_folder, addresses) = addresses();
    for address in addresses {
        for accepted in [true, false] {
            let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
            let mut peer = raw(listener.address());
            let channel =
                if accepted { Some(soon(listener.accept()).await.unwrap()) } else { None };
            let (mut came, mut dropped) = (0, 0);
            for byte in conversation() {
                std::io::Write::write_all(&mut peer, &[byte]).unwrap();
                let receiving = async {
                    match &channel {
                        Some(channel) => channel.recv().await.unwrap().unwrap(),
                        None => listener.recv().await.unwrap(),
                    }
                };
                match timeout(Duration::from_millis(1), receiving).await {
                    Ok(received) => {
                        same(&received, &arrays);
                        came += 1;
                    }
                    Err(_) => dropped += 1,
                }
            }
            if came < 2 {
                let last = match &channel {
                    Some(channel) => recv(channel).await,
                    None => soon(listener.recv()).await.unwrap(),
                };
                same(&last, &arrays);
                came += 1;
            }
            assert_eq!(came, 2);
            assert!(dropped > 100, "{dropped}");
        }
    }
}

/// The same in the middle of large arrays, at moments that chance chooses, and however often it yields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receive_of_large_arrays_can_be_dropped_at_any_moment() {
    let (_folder, addresses) = addresses();
    let arrays = [array("<f8[1000,400]"), array("|u1[1]"), array(">i4[700,900]")];
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        let group = arrays.clone();
        let sending = tokio::spawn(async move {
            for _ in 0..20 {
                send(&channel, &group).await;
            }
        });
        let (mut rng, mut dropped) = (Rng::new(7), 0);
        let mut came = 0;
        while came < 20 {
            // A task that is stopped at its very next wait, or a little later.
            let receiving = async {
                tokio::select! {
                    biased;
                    received = listener.recv() => Some(received),
                    () = async { for _ in 0..rng.below(3) { tokio::task::yield_now().await } } => None,
                }
            };
            match soon(receiving).await {
                Some(received) => {
                    same(&received.unwrap(), &arrays);
                    came += 1;
                }
                None => dropped += 1,
            }
        }
        assert!(dropped > 100, "{dropped}");
        sending.await.unwrap();
    }
}

/// The peer sees a message that was cut, and the next send says why nothing can follow.
#[tokio::test]
async fn a_send_that_is_dropped_in_the_middle_is_told_on_both_sides() {
    let (_folder, addresses) = addresses();
    let large = array("<f8[4000,1000]");
    let views = [(large.view(), named("large"))];
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        let peer = soon(listener.accept()).await.unwrap();
        // Nobody takes it.
        assert!(timeout(Duration::from_millis(100), channel.send(&views)).await.is_err());
        let error = channel.send(&numbered(1)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Peer);
        assert!(error.message().contains("was not sent to its end"), "{error}");
        let error = soon(peer.recv()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Truncated, "{error}");
        assert_eq!(channel.stats().sent, 0);
    }
}

/// A send that waits for its turn has begun nothing.
#[tokio::test]
async fn a_send_that_is_dropped_before_its_first_byte_was_never_sent() {
    let (_folder, addresses) = addresses();
    let large = [array("<f8[4000,1000]")];
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        let peer = soon(listener.accept()).await.unwrap();
        let given_up = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let waiting = timeout(Duration::from_millis(50), channel.send(&numbered(7))).await;
            assert!(waiting.is_err());
            same(&recv(&peer).await, &large);
        };
        tokio::join!(send(&channel, &large), given_up);
        assert_eq!(soon(channel.send(&numbered(8))).await.unwrap(), 1);
        assert_eq!(number(&recv(&peer).await), 8);
    }
}

/// Where it connects again, the next message goes over a new connection, under the number that has not come.
#[tokio::test]
async fn a_send_that_is_dropped_by_who_connects_again_is_left_behind() {
    let listener =
        Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).await.unwrap();
    let channel = Channel::connect(listener.address(), crate::again()).await.unwrap();
    let large = array("<f8[4000,1000]");
    let views = [(large.view(), named("large"))];
    assert!(timeout(Duration::from_millis(100), channel.send(&views)).await.is_err());
    assert_eq!(soon(channel.send(&numbered(5))).await.unwrap(), 0);
    let mut cuts = 0;
    let received = loop {
        match soon(listener.recv()).await {
            Ok(received) => break received,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Peer), "{error}");
                cuts += 1;
            }
        }
    };
    assert_eq!(number(&received), 5);
    assert!(cuts <= 1);
    assert_eq!(channel.stats().reconnects, 1);
}

struct Mine(Vec<u8>);

impl Places for Mine {
    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        self.0 = vec![0; usize::try_from(header.nbytes()).unwrap()];
        Ok(Dest::Into(&mut self.0))
    }
}

/// Memory that was lent is gone with its future: the channel says so, and gives nothing that is not whole.
#[tokio::test]
async fn a_receive_into_lent_memory_that_is_dropped_is_told() {
    let bytes = conversation();
    let listener =
        Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).await.unwrap();
    let mut peer = raw(listener.address());
    let channel = soon(listener.accept()).await.unwrap();
    let mut mine = Mine(Vec::new());
    // Between two messages nothing is lost.
    assert!(timeout(Duration::from_millis(20), channel.recv_into(&mut mine)).await.is_err());
    // Nor within a header.
    std::io::Write::write_all(&mut peer, &bytes[..20]).unwrap();
    assert!(timeout(Duration::from_millis(20), channel.recv_into(&mut mine)).await.is_err());
    let rest = &bytes[20..bytes.len() / 2];
    std::io::Write::write_all(&mut peer, rest).unwrap();
    let received = soon(channel.recv_into(&mut mine)).await.unwrap().unwrap();
    assert_eq!(received.arrays.len(), 2);
    assert!(mine.0 == items(&array("<i8[]")));
    // But within the data.
    let mut sender = ndbytes::io::stream::Sender::new(Vec::new());
    sender.send(&array("|u1[50000]").view()).unwrap();
    let bytes = sender.into_inner();
    std::io::Write::write_all(&mut peer, &bytes[..bytes.len() - 1000]).unwrap();
    assert!(timeout(Duration::from_millis(50), channel.recv_into(&mut mine)).await.is_err());
    let error = channel.recv().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    assert!(error.message().contains("the future that received it into"), "{error}");
}
