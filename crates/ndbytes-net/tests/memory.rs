//! What a promise costs, in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

use ndbytes::{ArrayRef, DType, Encode as _, ErrorKind, Layout, frame};
use ndbytes_net::{Address, ChannelOptions, Keep, Listener};
use std::io::Write as _;
use std::net::TcpStream;

/// The front of a frame that promises an array of so many bytes: one item, at a stride of 0.
fn promise(bytes: usize) -> Vec<u8> {
    let dtype: DType = "<f8".parse().unwrap();
    let layout = Layout::new(vec![bytes / 8], vec![0], 0).unwrap();
    let item = [0; 8];
    let array = ArrayRef::new(dtype, layout, &item).unwrap();
    let mut encoder = frame::Encoder::new(&array, &Default::default()).unwrap();
    let first = encoder.next().unwrap().unwrap();
    first[..first.len().min(1 << 12)].to_vec()
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_promise_costs_nothing() {
    let options =
        ChannelOptions { timeout: std::time::Duration::from_secs(5), ..Default::default() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options).await.unwrap();
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let before = resident();
    for shift in [40, 55, 62] {
        for _ in 0..20 {
            let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
            peer.write_all(&promise(1 << shift)).unwrap();
            drop(peer);
            let error = listener.recv().await.unwrap_err();
            let kind = error.kind();
            let is_told = matches!(kind, ErrorKind::Truncated | ErrorKind::Memory)
                || matches!(kind, ErrorKind::Limit { .. });
            assert!(is_told, "{error:?}");
        }
    }
    // Twenty bytes that are no header of ours.
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(b"\x89NDBF\r\x1a\n\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff").unwrap();
    drop(peer);
    assert!(listener.recv().await.is_err());
    let grown = resident().saturating_sub(before);
    assert!(grown < 2048, "{grown} KiB");
}
