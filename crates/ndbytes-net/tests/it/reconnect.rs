//! Connections that are lost and made anew, with receipts.

use crate::cuts::cutting;
use crate::{addresses, again, array, number, numbered, options, port, send, soon};
use ndbytes::ErrorKind;
use ndbytes_net::{Address, Channel, ChannelOptions, Keep, Listener};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Every message comes whole and once, or is told to be lost.
#[tokio::test]
async fn a_channel_that_reconnects_loses_nothing_untold() {
    let address = "tcp://:0".parse().unwrap();
    let listener = Listener::bind(&address, Keep::Last(10_000), options()).await.unwrap();
    let port = cutting(port(listener.address()), (0..60).map(|at| at * 37).collect());
    let address: Address = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let channel = Channel::connect(&address, again()).await.unwrap();
    for number in 0..400 {
        assert_eq!(soon(channel.send(&numbered(number))).await.unwrap(), number);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Receipts come with the next question, which the listener's tasks ask at once.
    let told = soon(channel.flush()).await.unwrap_err();
    assert!(told.message().contains("were lost with their connection"), "{}", told.message());
    // It tells of each once.
    soon(channel.flush()).await.unwrap();
    let stats = channel.stats();
    let mut found = BTreeSet::new();
    while let Ok(received) = timeout(Duration::from_millis(300), listener.recv()).await {
        match received {
            Ok(received) => {
                let number = number(&received);
                assert_eq!(received.message.unwrap().seq, number);
                assert!(found.insert(number), "{number} came twice");
            }
            // A connection that was cut inside of a message.
            Err(error) => assert_eq!(*error.kind(), ErrorKind::Truncated),
        }
    }
    let lost: BTreeSet<u64> = stats.lost_seqs.iter().cloned().flatten().collect();
    assert_eq!(stats.lost, lost.len() as u64);
    for number in 0..400 {
        assert!(found.contains(&number) || lost.contains(&number), "{number} is nowhere");
    }
    assert!(stats.reconnects >= 30, "{stats:?}");
    assert_eq!(stats.sent, 400);
    let missed = 400 - found.first().unwrap() - found.len() as u64;
    assert_eq!(listener.stats().missed, missed, "{:?}", listener.stats());
}

#[tokio::test]
async fn a_listener_that_starts_again_is_found_again() {
    let (_folder, [_, address]) = addresses();
    let mut listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    let channel = Channel::connect(&address, again()).await.unwrap();
    for round in 0..50 {
        send(&channel, &[array("<u8[]")]).await;
        let received = soon(listener.recv()).await.unwrap();
        assert_eq!(received.message.unwrap().seq, round);
        drop(listener);
        listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    }
    let stats = channel.stats();
    assert_eq!((stats.sent, stats.reconnects), (50, 49));
}

#[tokio::test]
async fn without_a_listener_the_time_out_ends_it() {
    let (_folder, [_, address]) = addresses();
    let short = ChannelOptions { timeout: Duration::from_millis(300), ..again() };
    let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    let channel = Channel::connect(&address, short).await.unwrap();
    drop(listener);
    let started = Instant::now();
    let error = soon(channel.send(&numbered(1))).await.unwrap_err();
    assert!(error.message().contains("cannot connect to unix:"), "{}", error.message());
    assert!(started.elapsed() < Duration::from_secs(5));
    // It goes on where there is one again.
    let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
    assert_eq!(soon(channel.send(&numbered(2))).await.unwrap(), 0);
    assert_eq!(number(&soon(listener.recv()).await.unwrap()), 2);
}

/// Closed, it waits until what it sent has arrived, so that nothing is reset under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_closed_waits_for_its_receipts() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), again()).await.unwrap();
        for number in 0..100 {
            soon(channel.send(&numbered(number))).await.unwrap();
        }
        let closing = tokio::spawn(async move {
            channel.close().await;
            channel.stats()
        });
        for at in 0..100 {
            assert_eq!(number(&soon(listener.recv()).await.unwrap()), at);
        }
        let stats = closing.await.unwrap();
        assert_eq!((stats.sent, stats.lost), (100, 0));
    }
}
