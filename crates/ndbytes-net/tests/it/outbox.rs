//! Messages that wait for nobody: the newest go, and what gave way is counted.

use crate::{addresses, again, number, options, soon};
use ndbytes::frame::EncodeOptions;
use ndbytes::{Array, ErrorKind};
use ndbytes_net::{Channel, Keep, Listener, Outbox, Post};
use std::sync::Arc;

/// One number, and so many more to fill sockets with.
fn numbered(number: u64, more: usize) -> Post {
    let mut items = vec![0u64; more];
    items.insert(0, number);
    let all = Array::from_vec(items, &[1 + more]).unwrap();
    vec![(all, EncodeOptions::default())]
}

#[tokio::test]
async fn a_peer_that_is_slow_gets_the_newest_and_nobody_waits() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        for options in [options(), again()] {
            let listener = Listener::bind(&address, Keep::All, options.clone()).await.unwrap();
            let to = listener.address();
            let channel = Arc::new(Channel::connect(to, options.clone()).await.unwrap());
            let peer = soon(listener.accept()).await.unwrap();
            let outbox = Outbox::new(Arc::clone(&channel));
            // More than sockets hold, so that all but a few wait for a peer who takes none.
            for number in 0..40 {
                outbox.post(numbered(number, 1 << 17)).unwrap();
                tokio::task::yield_now().await;
            }
            let mut received = Vec::new();
            while received.last() != Some(&39) {
                received.push(number(&soon(peer.recv()).await.unwrap().unwrap()));
            }
            soon(outbox.drain()).await.unwrap();
            assert!(received.is_sorted_by(|one, next| one < next), "{received:?}");
            let (sent, dropped) = (channel.stats().sent, channel.stats().dropped);
            assert_eq!((sent, sent + dropped), (received.len() as u64, 40));
            assert!(dropped > 0);
        }
    }
}

#[tokio::test]
async fn what_waits_goes_even_if_nobody_asks_for_it() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Arc::new(Channel::connect(listener.address(), options()).await.unwrap());
        let peer = soon(listener.accept()).await.unwrap();
        let outbox = Outbox::new(Arc::clone(&channel));
        outbox.post(numbered(7, 0)).unwrap();
        drop((outbox, channel));
        assert_eq!(number(&soon(peer.recv()).await.unwrap().unwrap()), 7);
        // The task has let go of the channel, too.
        assert!(soon(peer.recv()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_one_ended_with_is_said_once() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Arc::new(Channel::connect(listener.address(), options()).await.unwrap());
        let outbox = Outbox::new(Arc::clone(&channel));
        soon(outbox.drain()).await.unwrap();
        drop(soon(listener.accept()).await.unwrap());
        let error = soon(async {
            loop {
                let ended = match outbox.post(numbered(0, 1 << 12)) {
                    Ok(()) => outbox.drain().await,
                    error => error,
                };
                if let Err(error) = ended {
                    return error;
                }
            }
        });
        assert_eq!(*error.await.kind(), ErrorKind::Peer);
        soon(outbox.drain()).await.unwrap();
        soon(channel.close()).await;
        let error = outbox.post(numbered(0, 0)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Argument);
    }
}
