//! Messages both ways, many peers, the newest alone.

use crate::samples::SPECS;
use crate::{addresses, array, items, number, numbered, options, port, recv, same, send, soon};
use ndbytes::io::stream::{Places, Sender};
use ndbytes::io::unwatched;
use ndbytes::{Dest, ErrorKind, Header, Limits, Result};
use ndbytes_net::{Address, Channel, ChannelOptions, Keep, Listener};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn groups_pass_both_ways_over_every_kind() {
    let (_folder, addresses) = addresses();
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    for address in addresses {
        for options in [options(), crate::again()] {
            let listener = Listener::bind(&address, Keep::All, options.clone()).await.unwrap();
            let channel = Channel::connect(listener.address(), options).await.unwrap();
            let peer = soon(listener.accept()).await.unwrap();
            for seq in 0..10 {
                assert_eq!(send(&channel, &arrays).await, seq);
                let found = recv(&peer).await;
                assert_eq!(found.message.unwrap().seq, seq);
                same(&found, &arrays);
                send(&peer, &arrays).await;
                same(&recv(&channel).await, &arrays);
            }
            tokio::join!(soon(channel.close()), async {
                assert!(soon(peer.recv()).await.unwrap().is_none());
            });
            let stats = listener.stats();
            assert_eq!((stats.received, stats.sent, stats.failed), (10, 10, 0));
            assert_eq!(channel.stats().sent, 10);
            let error = channel.recv().await.unwrap_err();
            assert_eq!(error.message(), "the channel was closed");
            let error = channel.send(&numbered(1)).await.unwrap_err();
            assert_eq!(error.message(), "the channel was closed");
        }
    }
}

/// Ten thousand small ones go while as many come, and a large one is on its way in each direction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_are_used_at_once() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        let peer = soon(listener.accept()).await.unwrap();
        let large = [array("<f8[1000,500]")];
        let sending = |channel: Channel| {
            let (channel, large) = (Arc::new(channel), large.clone());
            let (out, back) = (channel.clone(), large.clone());
            let sending = tokio::spawn(async move {
                for seq in 0..10_000 {
                    soon(out.send(&numbered(seq))).await.unwrap();
                }
                send(&out, &large).await;
            });
            tokio::spawn(async move {
                for seq in 0..10_000 {
                    assert_eq!(number(&recv(&channel).await), seq);
                }
                same(&recv(&channel).await, &back);
                sending.await.unwrap();
            })
        };
        let (one, two) = (sending(channel), sending(peer));
        one.await.unwrap();
        two.await.unwrap();
    }
}

/// Memory of the caller's, at the size that the header says.
#[derive(Default)]
struct Mine(Vec<Vec<u8>>);

impl Places for Mine {
    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        self.0.push(vec![0; usize::try_from(header.nbytes()).unwrap()]);
        Ok(self.0.last_mut().map_or(Dest::Discard, |memory| Dest::Into(memory)))
    }
}

#[tokio::test]
async fn arrays_come_into_the_callers_memory() {
    let listener =
        Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options()).await.unwrap();
    let channel = Channel::connect(listener.address(), options()).await.unwrap();
    let peer = soon(listener.accept()).await.unwrap();
    let arrays = [array("<f4[300,700]"), array("<u2[0]"), array("|u1[]")];
    let receiving = async {
        let mut mine = Mine::default();
        let received = soon(peer.recv_into(&mut mine)).await.unwrap().unwrap();
        assert!(received.arrays.iter().all(|decoded| decoded.array.is_none()));
        for (memory, array) in mine.0.iter().zip(&arrays) {
            assert!(*memory == items(array));
        }
    };
    tokio::join!(send(&channel, &arrays), receiving);
}

#[tokio::test]
async fn many_peers_are_heard_in_turn() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options()).await.unwrap();
        let mut peers = tokio::task::JoinSet::new();
        for peer in 0..8 {
            let address = listener.address().clone();
            peers.spawn(async move {
                let channel = Channel::connect(&address, options()).await.unwrap();
                for seq in 0..100 {
                    soon(channel.send(&numbered(peer * 1000 + seq))).await.unwrap();
                }
            });
        }
        let mut next = [0; 8];
        for _ in 0..800 {
            let number = number(&soon(listener.recv()).await.unwrap());
            let (peer, seq) = (usize::try_from(number / 1000).unwrap(), number % 1000);
            assert_eq!(next[peer], seq, "in order");
            next[peer] += 1;
        }
        assert_eq!(next, [100; 8]);
        let none = tokio::time::timeout(Duration::from_millis(100), listener.recv()).await;
        assert!(none.is_err());
        assert_eq!(listener.stats().failed, 0);
    }
}

#[tokio::test]
async fn a_listener_that_keeps_the_newest_serves_no_old_ones() {
    let address = "tcp://:0".parse().unwrap();
    let listener = Listener::bind(&address, Keep::Last(1), options()).await.unwrap();
    let channel = Channel::connect(listener.address(), options()).await.unwrap();
    for number in 0..200 {
        soon(channel.send(&numbered(number))).await.unwrap();
    }
    soon(async {
        while listener.stats().received < 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(number(&soon(listener.recv()).await.unwrap()), 199);
    assert_eq!(listener.stats().dropped, 199);
    let error = listener.accept().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    let error = Listener::bind(&address, Keep::Last(0), options()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
}

/// Who asks while the next one comes gets that one, unless it takes its time.
#[tokio::test]
async fn the_newest_is_the_one_that_is_nearly_there() {
    let mut sender = Sender::new(Vec::new());
    for number in 0..2 {
        sender.send_message(&numbered(number), &mut unwatched).unwrap();
    }
    let both = sender.into_inner();
    let (last, begun) = both.split_last().unwrap();
    let address = "tcp://:0".parse().unwrap();
    let listener = Listener::bind(&address, Keep::Last(1), options()).await.unwrap();
    let port = port(listener.address());
    let send = async || {
        let came = listener.stats().received + 1;
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.write_all(begun).unwrap();
        while listener.stats().received < came {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        peer
    };
    let recv = async || number(&soon(listener.recv()).await.unwrap());
    let halted = soon(send()).await;
    assert_eq!(recv().await, 0);
    drop(halted);
    soon(listener.recv()).await.unwrap_err();
    // A machine that is busy may be too late now and then.
    for _ in 0..500 {
        let mut peer = soon(send()).await;
        let end = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            peer.write_all(&[*last]).unwrap();
        };
        if tokio::join!(recv(), end).0 == 1 {
            return;
        }
        assert_eq!(recv().await, 1);
    }
    panic!("the one before came each time");
}

/// Whoever waits hears that it was closed, and peers see an end.
#[tokio::test]
async fn a_listener_that_is_closed_lets_all_go() {
    for keep in [Keep::All, Keep::Last(3)] {
        let address = "tcp://:0".parse().unwrap();
        let listener = Listener::bind(&address, keep, options()).await.unwrap();
        let channel = Channel::connect(listener.address(), options()).await.unwrap();
        soon(channel.send(&numbered(1))).await.unwrap();
        soon(listener.recv()).await.unwrap();
        let waiting = soon(listener.recv());
        let closing = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            listener.close();
        };
        let (waited, ()) = tokio::join!(waiting, closing);
        assert_eq!(waited.unwrap_err().message(), "the listener was closed");
        assert_eq!(listener.recv().await.unwrap_err().message(), "the listener was closed");
        assert!(soon(channel.recv()).await.unwrap().is_none());
        let refused = Channel::connect(listener.address(), options()).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Peer, "{refused}");
    }
}

/// Before the tasks that wait there were told: nobody has waited for anything between the two.
#[tokio::test]
async fn the_address_of_a_listener_that_is_closed_is_free_at_once() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        for keep in [Keep::All, Keep::Last(3)] {
            let listener = Arc::new(Listener::bind(&address, keep, options()).await.unwrap());
            let channel = Channel::connect(listener.address(), options()).await.unwrap();
            soon(channel.send(&numbered(1))).await.unwrap();
            soon(listener.recv()).await.unwrap();
            let hold = Arc::clone(&listener);
            let waiting = tokio::spawn(async move { soon(hold.recv()).await });
            tokio::time::sleep(Duration::from_millis(20)).await;
            listener.close();
            let bound = match listener.address() {
                Address::Unix(path) => std::os::unix::net::UnixListener::bind(path).map(drop),
                other => std::net::TcpListener::bind(("127.0.0.1", port(other))).map(drop),
            };
            bound.unwrap();
            if let Address::Unix(path) = &address {
                std::fs::remove_file(path).unwrap();
            }
            assert!(waiting.await.unwrap().is_err());
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_peer_hurts_no_other() {
    let limits = Limits::stream().with_array(1 << 16);
    let options = ChannelOptions { limits, ..options() };
    for keep in [Keep::All, Keep::Last(100)] {
        let address = "tcp://:0".parse().unwrap();
        let listener = Listener::bind(&address, keep, options.clone()).await.unwrap();
        let good = Channel::connect(listener.address(), options.clone()).await.unwrap();
        let mut hostile = TcpStream::connect(("127.0.0.1", port(listener.address()))).unwrap();
        hostile.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let error = soon(listener.recv()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Malformed);
        assert!(error.message().starts_with("127.0.0.1:"), "{}", error.message());
        let large = Channel::connect(listener.address(), options.clone()).await.unwrap();
        let arrays = [array("<f8[100,100]")];
        let views = [(arrays[0].view(), Default::default())];
        // It may be refused before all of it has gone.
        let (_, error) = tokio::join!(soon(large.send(&views)), soon(listener.recv()));
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { .. }), "{error:?}");
        soon(good.send(&numbered(3))).await.unwrap();
        assert_eq!(number(&soon(listener.recv()).await.unwrap()), 3);
        assert_eq!(listener.stats().failed, 2);
    }
}

#[tokio::test]
async fn a_silent_peer_meets_the_time_out_and_a_quiet_one_does_not() {
    let options = ChannelOptions { timeout: Duration::from_millis(300), ..options() };
    let listener = Listener::bind(&"tcp://:0".parse().unwrap(), Keep::All, options).await.unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port(listener.address()))).unwrap();
    let none = tokio::time::timeout(Duration::from_millis(600), listener.recv()).await;
    assert!(none.is_err());
    peer.write_all(b"\x89NDBF").unwrap();
    let error = soon(listener.recv()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(listener.stats().failed, 1);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_meets_the_time_out() {
    let options = ChannelOptions { timeout: Duration::from_millis(300), ..options() };
    let (_folder, addresses) = addresses();
    for address in addresses {
        let listener = Listener::bind(&address, Keep::All, options.clone()).await.unwrap();
        let channel = Channel::connect(listener.address(), options.clone()).await.unwrap();
        let large = [array("<f8[4000,1000]")];
        let views = [(large[0].view(), Default::default())];
        let error = soon(channel.send(&views)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().starts_with("after "), "{error}");
        let error = channel.send(&numbered(1)).await.unwrap_err();
        assert!(error.message().contains("was not sent to its end"), "{error}");
    }
}

#[tokio::test]
async fn an_address_that_nobody_is_at() {
    let nobody = "tcp://127.0.0.1:1".parse().unwrap();
    let error = Channel::connect(&nobody, options()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Peer);
    assert!(error.message().starts_with("cannot connect to tcp://127.0.0.1:1: "), "{error}");
    let udp = "udp://127.0.0.1:1".parse().unwrap();
    let error = Channel::connect(&udp, options()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    let error = Listener::bind(&udp, Keep::All, options()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
}

/// Three hundred come and go: afterwards the process has as many descriptors as before, and no listener runs out of peers.
#[tokio::test]
async fn connections_leave_no_descriptors() {
    let (_folder, addresses) = addresses();
    for address in addresses {
        for keep in [Keep::All, Keep::Last(10)] {
            let listener = Listener::bind(&address, keep, options()).await.unwrap();
            for number in 0..300 {
                let channel = Channel::connect(listener.address(), options()).await.unwrap();
                soon(channel.send(&numbered(number))).await.unwrap();
                drop(channel);
                assert_eq!(crate::number(&soon(listener.recv()).await.unwrap()), number);
            }
            assert_eq!(listener.stats().received, 300);
            soon(async {
                while open_to(listener.address()) > 1 {
                    // The end of the last one is seen by who waits for the next.
                    let short = Duration::from_millis(5);
                    let _ = tokio::time::timeout(short, listener.recv()).await;
                }
            })
            .await;
        }
    }
}

/// Sockets of this process at an address, listeners among them, as the system tells them apart.
fn open_to(address: &Address) -> usize {
    let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            let inode =
                link.to_string_lossy().strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some(inode)
        })
        .collect();
    let (table, mark) = match address {
        Address::Unix(path) => ("/proc/net/unix", path.display().to_string()),
        other => ("/proc/net/tcp", format!("0100007F:{:04X} ", port(other))),
    };
    let table = std::fs::read_to_string(table).unwrap();
    let lines = table.lines().filter(|line| line.contains(&mark));
    let is_own =
        |line: &&str| line.split_whitespace().any(|word| own.iter().any(|inode| inode == word));
    lines.filter(is_own).count()
}
