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

/// The most that was resident since [`forget_peak`], in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Makes what is resident now the most that was (proc(5), clear_refs).
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// What a listener says of a peer that sends these bytes and goes.
async fn told(listener: &Listener, bytes: &[u8]) -> ErrorKind {
    let Address::Tcp { port, .. } = *listener.address() else { panic!() };
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(bytes).unwrap();
    drop(peer);
    listener.recv().await.unwrap_err().kind().clone()
}

#[tokio::test]
async fn a_promise_costs_nothing() {
    let options =
        ChannelOptions { timeout: std::time::Duration::from_secs(5), ..Default::default() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options).await.unwrap();
    let promises = [40, 55, 62].map(|shift| promise(1 << shift));
    // Code that never ran is not resident yet, nor is what runs it: a small promise pays for that.
    assert_eq!(told(&listener, &promise(1 << 16)).await, ErrorKind::Truncated);
    forget_peak();
    let before = peak();
    for promise in &promises {
        for _ in 0..20 {
            let kind = told(&listener, promise).await;
            let is_told = matches!(kind, ErrorKind::Truncated | ErrorKind::Memory)
                || matches!(kind, ErrorKind::Limit { .. });
            assert!(is_told, "{kind:?}");
        }
    }
    // Twenty bytes that are no header of ours.
    let twenty = b"\x89NDBF\r\x1a\n\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff";
    assert_ne!(told(&listener, twenty).await, ErrorKind::Memory);
    let grown = peak() - before;
    assert!(grown < 2048, "{grown} KiB");
}
