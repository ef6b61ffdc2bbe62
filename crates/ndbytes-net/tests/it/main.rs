//! What the crate promises, over sockets of this machine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(unix)]

mod cancelled;
mod channels;
mod cuts;
mod datagrams;
#[path = "../../../ndbytes/tests/it/lossy.rs"]
#[expect(dead_code, reason = "the core's tests use more of it")]
mod lossy;
mod outbox;
mod peers;
mod reconnect;
#[path = "../../../ndbytes/tests/it/samples.rs"]
mod samples;
mod secure;
#[cfg(target_os = "linux")]
mod shm;

use ndbytes::frame::EncodeOptions;
use ndbytes::io::stream::Received;
use ndbytes::{Array, ArrayRef, Metadata, Order, to_bytes};
use ndbytes_net::{Address, Channel, ChannelOptions};
use samples::array;
use std::future::Future;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

fn options() -> ChannelOptions {
    ChannelOptions { timeout: Duration::from_secs(5), ..ChannelOptions::default() }
}

fn again() -> ChannelOptions {
    ChannelOptions { reconnect: true, ..options() }
}

/// An address of each kind, in a folder that lives as long.
fn addresses() -> (tempfile::TempDir, [Address; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let unix = Address::Unix(folder.path().join("socket"));
    (folder, ["tcp://:0".parse().unwrap(), unix])
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp { port, .. } | Address::Tls { port, .. } | Address::Udp { port, .. } => *port,
        other => panic!("{other} has no port"),
    }
}

/// What comes of it, within a time that no busy machine needs.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.expect("it takes too long")
}

fn named(name: &str) -> EncodeOptions {
    EncodeOptions { metadata: Metadata::new(Some(name.to_owned()), None), ..Default::default() }
}

async fn send(channel: &Channel, arrays: &[Array]) -> u64 {
    let views: Vec<_> = arrays.iter().map(|array| (array.view(), named("a"))).collect();
    soon(channel.send(&views)).await.unwrap()
}

async fn recv(channel: &Channel) -> Received {
    soon(channel.recv()).await.unwrap().expect("a message")
}

fn same(received: &Received, arrays: &[Array]) {
    assert_eq!(received.arrays.len(), arrays.len());
    for (decoded, array) in received.arrays.iter().zip(arrays) {
        let found = decoded.array.as_ref().unwrap();
        assert_eq!((found.dtype(), found.shape()), (array.dtype(), array.shape()));
        assert!(items(found) == items(array));
    }
}

fn items(array: &Array) -> Vec<u8> {
    to_bytes(&array.view(), Order::C).unwrap()
}

fn number(received: &Received) -> u64 {
    let array = received.arrays[0].array.as_ref().unwrap();
    array.clone().into_vec::<u64>().unwrap()[0]
}

fn numbered(number: u64) -> Vec<(ArrayRef<'static>, EncodeOptions)> {
    let items: &'static [u64] = vec![number].leak();
    vec![(ArrayRef::from_slice(items, &[]).unwrap(), EncodeOptions::default())]
}
