//! With the core's channels at the other end.

use crate::samples::SPECS;
use crate::{addresses, again, array, named, number, numbered, options, recv, same, send, soon};
use ndbytes::io::channel::{Channel as Blocking, Listener as BlockingListener};
use ndbytes::io::stream::Owned;
use ndbytes::io::unwatched;
use ndbytes_net::{Channel, Keep, Listener};
use std::time::Duration;

const SOON: Option<Duration> = Some(Duration::from_secs(20));
const SMALL: u64 = 10_000;

/// Groups of every dtype, an answer to each, and ten thousand small messages, with and without receipts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_channel_and_a_task_understand_each_other() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let (_folder, addresses) = addresses();
    for address in addresses {
        for options in [options(), again()] {
            let listener = Listener::bind(&address, Keep::All, options.clone()).await.unwrap();
            let (to, group) = (listener.address().clone(), arrays.clone());
            let peer = std::thread::spawn(move || {
                let channel = Blocking::connect(&to, options, &mut unwatched).unwrap();
                let views: Vec<_> = group.iter().map(|array| (array.view(), named("a"))).collect();
                for _ in 0..10 {
                    channel.send(&views, &mut unwatched).unwrap();
                    same(&channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &group);
                }
                for seq in 0..SMALL {
                    channel.send(&numbered(seq), &mut unwatched).unwrap();
                }
                channel.close(&mut unwatched).unwrap();
                channel.stats()
            });
            let channel = soon(listener.accept()).await.unwrap();
            for _ in 0..10 {
                same(&recv(&channel).await, &arrays);
                send(&channel, &arrays).await;
            }
            for seq in 0..SMALL {
                assert_eq!(number(&recv(&channel).await), seq);
            }
            assert!(soon(channel.recv()).await.unwrap().is_none());
            let stats = peer.join().unwrap();
            assert_eq!(stats.lost, 0, "{address}: {stats:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_and_a_blocking_listener_understand_each_other() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let (_folder, addresses) = addresses();
    for address in addresses {
        for options in [options(), again()] {
            let listener = BlockingListener::bind(&address, Keep::All, options.clone()).unwrap();
            let to = listener.address().clone();
            let group = arrays.clone();
            let peer = std::thread::spawn(move || {
                let channel = listener.accept(SOON, &mut unwatched).unwrap();
                let views: Vec<_> = group.iter().map(|array| (array.view(), named("a"))).collect();
                for _ in 0..10 {
                    same(&channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &group);
                    channel.send(&views, &mut unwatched).unwrap();
                }
                for seq in 0..SMALL {
                    let next = channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
                    assert_eq!(number(&next), seq);
                }
                assert!(channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
            });
            let channel = Channel::connect(&to, options).await.unwrap();
            for _ in 0..10 {
                send(&channel, &arrays).await;
                same(&recv(&channel).await, &arrays);
            }
            for seq in 0..SMALL {
                assert_eq!(soon(channel.send(&numbered(seq))).await.unwrap(), seq + 10);
            }
            soon(channel.close()).await;
            let stats = channel.stats();
            assert_eq!((stats.sent, stats.lost), (SMALL + 10, 0));
            peer.join().unwrap();
        }
    }
}

/// A peer that refuses what it was sent says so, over either kind of socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told() {
    let limits = ndbytes::Limits::stream().with_array(10);
    let (_folder, addresses) = addresses();
    for address in addresses {
        let small = ndbytes_net::ChannelOptions { limits: limits.clone(), ..options() };
        let listener = BlockingListener::bind(&address, Keep::All, small).unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        let refusing = tokio::task::spawn_blocking(move || listener.recv(SOON, &mut unwatched));
        send(&channel, &[array("<f8[3]")]).await;
        let error = soon(channel.recv()).await.unwrap_err();
        assert_eq!(*error.kind(), ndbytes::ErrorKind::Peer, "{error}");
        assert!(refusing.await.unwrap().is_err());
    }
}

/// A record of shared memory, which has no descriptor over TCP.
#[tokio::test]
async fn shared_memory_does_not_come_over_tcp_and_that_is_said() {
    let (_folder, [address, _]) = addresses();
    let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    let mut peer = crate::cuts::raw(listener.address());
    std::io::Write::write_all(&mut peer, &ndbytes::LENT_MAGIC).unwrap();
    let error = soon(listener.recv()).await.unwrap_err();
    assert_eq!(*error.kind(), ndbytes::ErrorKind::Unsupported);
    assert!(error.message().contains("hands shared memory over"), "{error}");
}
