//! Conversations that end at every byte.

use crate::{addresses, again, array, named, numbered, options, port, recv, same, soon};
use ndbytes::io::unwatched;
use ndbytes::{Array, ErrorKind};
use ndbytes_net::{Address, Channel, Keep, Listener};
use std::io::{Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

fn arrays() -> [Array; 2] {
    [array("<f4[3]"), array("<i8[]")]
}

/// The bytes of two messages of two arrays each.
pub(crate) fn conversation() -> Vec<u8> {
    let (arrays, mut sender) = (arrays(), ndbytes::io::stream::Sender::new(Vec::new()));
    let views: Vec<_> = arrays.iter().map(|array| (array.view(), named("a"))).collect();
    for _ in 0..2 {
        sender.send_message(&views, &mut unwatched).unwrap();
    }
    sender.into_inner()
}

/// A peer of the system's own, without this library.
pub(crate) fn raw(address: &Address) -> Box<dyn Raw> {
    match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).unwrap()),
        other => Box::new(TcpStream::connect(("127.0.0.1", port(other))).unwrap()),
    }
}

pub(crate) trait Raw: Write {
    fn end(&self);
}

impl Raw for TcpStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Raw for UnixStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// What a peer sends whose connection ends at every byte: whole messages, and then an end or an error.
#[tokio::test]
async fn a_cut_at_every_byte_is_truncated_or_an_end() {
    let (arrays, whole) = (arrays(), conversation());
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        for cut in 0..=whole.len() {
            let mut peer = raw(listener.address());
            peer.write_all(&whole[..cut]).unwrap();
            peer.end();
            let channel = soon(listener.accept()).await.unwrap();
            for _ in 0..cut / (whole.len() / 2) {
                same(&recv(&channel).await, &arrays);
            }
            let end = soon(channel.recv()).await;
            match cut % (whole.len() / 2) {
                0 => assert!(end.unwrap().is_none()),
                _ => assert_eq!(*end.unwrap_err().kind(), ErrorKind::Truncated, "{cut}"),
            }
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_is_an_error_or_changes_nothing() {
    let (arrays, whole) = (arrays(), conversation());
    let half = whole.len() / 2;
    let options =
        ndbytes_net::ChannelOptions { timeout: std::time::Duration::from_millis(200), ..options() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options).await.unwrap();
    for bit in (0..8 * half).step_by(3) {
        let mut bytes = whole[..half].to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut peer = raw(listener.address());
        peer.write_all(&bytes).unwrap();
        peer.end();
        let channel = soon(listener.accept()).await.unwrap();
        // Every byte of a frame is under a sum.
        assert!(soon(channel.recv()).await.is_err(), "bit {bit}");
        let closed = channel.recv().await.unwrap_err();
        assert_eq!(closed.message(), "the channel was closed");
    }
    let mut peer = raw(listener.address());
    peer.write_all(&whole).unwrap();
    same(&soon(listener.recv()).await.unwrap(), &arrays);
}

/// A relay that ends each connection behind so many bytes.
pub(crate) fn cutting(to: u16, cuts: Vec<usize>) -> u16 {
    let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = relay.local_addr().unwrap().port();
    thread::spawn(move || {
        for cut in cuts.into_iter().chain(std::iter::repeat(usize::MAX)) {
            let Ok((mut from, _)) = relay.accept() else { return };
            let Ok(mut to) = TcpStream::connect(("127.0.0.1", to)) else { return };
            let (mut answers, mut back) = (to.try_clone().unwrap(), from.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let (mut left, mut space) = (cut, [0; 1000]);
            while left > 0 {
                let most = left.min(space.len());
                let Ok(n @ 1..) = from.read(&mut space[..most]) else { break };
                if to.write_all(&space[..n]).is_err() {
                    break;
                }
                left -= n;
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    });
    port
}

/// The same of a channel that connects again, cut at each byte of its first message: it comes once, over the next connection.
#[tokio::test]
async fn a_cut_at_every_byte_is_made_up_for() {
    let listener =
        Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).await.unwrap();
    for cut in (0..300).step_by(7) {
        let relay = cutting(port(listener.address()), vec![cut]);
        let address: Address = format!("tcp://127.0.0.1:{relay}").parse().unwrap();
        let channel = Channel::connect(&address, again()).await.unwrap();
        let mut sent = 0;
        let received = loop {
            let _ = channel.send(&numbered(sent)).await.unwrap();
            sent += 1;
            let short = std::time::Duration::from_millis(200);
            match tokio::time::timeout(short, listener.recv()).await {
                Ok(Ok(received)) => break received,
                Ok(Err(error)) => assert_eq!(*error.kind(), ErrorKind::Truncated, "{error}"),
                Err(_) => assert!(sent < 50, "nothing comes"),
            }
        };
        // What came is what was sent under that number, and what came before it is counted.
        let seq = received.message.unwrap().seq;
        assert_eq!(crate::number(&received), seq);
        let stats = channel.stats();
        let lost: Vec<u64> = stats.lost_seqs.iter().cloned().flatten().collect();
        assert!(
            (0..seq).all(|earlier| lost.contains(&earlier)),
            "{seq} of {stats:?}, cut at {cut}"
        );
    }
}
