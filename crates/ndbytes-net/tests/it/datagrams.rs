//! Arrays over UDP.

use crate::lossy::{Link, Rng};
use crate::samples::SPECS;
use crate::{array, items, named, number, numbered, same, soon};
use ndbytes::ErrorKind;
use ndbytes::datagram::ReassemblyOptions;
use ndbytes::io::datagram::SendOptions;
use ndbytes_net::{Address, DatagramReceiver, DatagramSender};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Slow enough for a machine that does other things meanwhile.
fn slow(loss: f64) -> SendOptions {
    SendOptions { loss, rate: 5_000_000, ..SendOptions::default() }
}

async fn pair(options: SendOptions) -> (DatagramSender, DatagramReceiver) {
    let at = "udp://:0".parse().unwrap();
    let receiver = DatagramReceiver::bind(&at, Default::default()).await.unwrap();
    let to = receiver.address().unwrap();
    (DatagramSender::connect(&to, options).await.unwrap(), receiver)
}

#[tokio::test]
async fn arrays_of_every_kind_arrive_in_a_row() {
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let (mut sender, mut receiver) = pair(slow(0.01)).await;
    for (number, one) in (0..).zip(&arrays) {
        let sent = soon(sender.send(&[(one.view(), named("a"))])).await.unwrap();
        let arrival = soon(receiver.recv()).await.unwrap();
        same(&arrival.received, std::slice::from_ref(one));
        assert_eq!((arrival.stream, arrival.number), (sender.stream(), number));
        assert_eq!(sent, number);
    }
    let group: Vec<_> = arrays.iter().map(|array| (array.view(), named("a"))).collect();
    soon(sender.send(&group)).await.unwrap();
    same(&soon(receiver.recv()).await.unwrap().received, &arrays);
    let stats = receiver.stats();
    assert_eq!((stats.messages, stats.lost, stats.corrupt), (arrays.len() as u64 + 1, 0, 0));
    assert_eq!(receiver.pending(), 0);
    assert!(receiver.granted() > 100_000, "{}", receiver.granted());
}

/// Ten thousand small ones, while they are taken as fast as they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_small_ones_arrive() {
    let (mut sender, mut receiver) = pair(slow(0.0)).await;
    let sending = tokio::spawn(async move {
        for at in 0..10_000 {
            sender.send(&numbered(at)).await.unwrap();
        }
    });
    let mut came = 0;
    while let Ok(arrival) = tokio::time::timeout(Duration::from_secs(2), receiver.recv()).await {
        let arrival = arrival.unwrap();
        assert_eq!(number(&arrival.received), arrival.number);
        came += 1;
        if came == 10_000 {
            break;
        }
    }
    sending.await.unwrap();
    // The system may lose some under load; none comes twice, or wrong.
    assert!((9_900..=10_000).contains(&came), "{came}");
}

/// The core at the other end, both ways.
#[tokio::test]
async fn the_core_at_the_other_end() {
    use ndbytes::io::datagram::{DatagramReceiver as Blocking, DatagramSender as BlockingSender};
    use ndbytes::io::unwatched;
    let sent = array("<f8[60000]");
    let (_, mut receiver) = pair(slow(0.0)).await;
    let Address::Udp { port, .. } = receiver.address().unwrap() else { panic!() };
    let there = sent.clone();
    let sending = tokio::task::spawn_blocking(move || {
        let sender = BlockingSender::connect(("127.0.0.1", port)).unwrap();
        sender.with(slow(0.05)).unwrap().send(&there.view()).unwrap();
    });
    same(&soon(receiver.recv()).await.unwrap().received, std::slice::from_ref(&sent));
    sending.await.unwrap();

    let mut receiver = Blocking::bind("127.0.0.1:0").unwrap();
    let to = format!("udp://{}", receiver.local_addr().unwrap()).parse().unwrap();
    let receiving = tokio::task::spawn_blocking(move || {
        receiver.recv(Some(Duration::from_secs(20)), &mut unwatched).unwrap().unwrap()
    });
    let mut sender = DatagramSender::connect(&to, slow(0.05)).await.unwrap();
    soon(sender.send(&[(sent.view(), named("a"))])).await.unwrap();
    same(&receiving.await.unwrap().received, &[sent]);
}

/// A relay of seeded faults: what is lost, repeated, reordered and damaged is repaired, and never a wrong byte is given.
#[tokio::test]
async fn a_lossy_link_is_repaired_or_told() {
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    relay.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let to: Address = format!("udp://{}", relay.local_addr().unwrap()).parse().unwrap();
    let at = "udp://:0".parse().unwrap();
    let options = ReassemblyOptions { timeout: Duration::from_millis(500), ..Default::default() };
    let mut receiver = DatagramReceiver::bind(&at, options).await.unwrap();
    let Address::Udp { port, .. } = receiver.address().unwrap() else { panic!() };
    let sent = array("<f8[25000]");
    let mut rng = Rng::new(11);
    let link = Link { loss: 0.05, repeat: 0.10, damage: 0.05, reorder: 20 };
    let mut sender = DatagramSender::connect(&to, slow(0.10)).await.unwrap();
    for number in 0..20 {
        let (relaying, all) = (relay.try_clone().unwrap(), Arc::new(AtomicBool::new(false)));
        let is_all = Arc::clone(&all);
        let taking = tokio::task::spawn_blocking(move || {
            let (mut datagrams, mut space) = (Vec::new(), [0; 2000]);
            // A pause is no end: on a busy machine the sender may make one.
            loop {
                let was_all = is_all.load(Ordering::Acquire);
                match relaying.recv(&mut space) {
                    Ok(n) => datagrams.push(space[..n].to_vec()),
                    Err(_) if was_all => break datagrams,
                    Err(_) => {}
                }
            }
        });
        assert_eq!(soon(sender.send(&[(sent.view(), named("a"))])).await.unwrap(), number);
        all.store(true, Ordering::Release);
        let (through, _) = link.carry(taking.await.unwrap(), &mut rng);
        for datagram in through {
            relay.send_to(&datagram, ("127.0.0.1", port)).unwrap();
        }
        let arrival = soon(receiver.recv()).await.unwrap();
        assert_eq!(arrival.number, number);
        same(&arrival.received, std::slice::from_ref(&sent));
    }
    let stats = receiver.stats();
    assert_eq!((stats.messages, stats.lost), (20, 0), "{stats:?}");
    assert!(stats.repaired > 100 && stats.corrupt > 50, "{stats:?}");
}

/// An array that has not come whole is given with a mask, once its time is up.
#[tokio::test]
async fn an_array_in_part_has_a_mask() {
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    relay.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let to: Address = format!("udp://{}", relay.local_addr().unwrap()).parse().unwrap();
    let at = "udp://:0".parse().unwrap();
    let options = ReassemblyOptions {
        timeout: Duration::from_millis(200),
        partial: true,
        ..Default::default()
    };
    let mut receiver = DatagramReceiver::bind(&at, options).await.unwrap();
    let Address::Udp { port, .. } = receiver.address().unwrap() else { panic!() };
    let sent = array("<u2[10000]");
    let mut sender = DatagramSender::connect(&to, slow(0.0)).await.unwrap();
    soon(sender.send(&[(sent.view(), named("a"))])).await.unwrap();
    let (mut at, mut space) = (0, [0; 2000]);
    while let Ok(n) = relay.recv(&mut space) {
        if at != 5 {
            relay.send_to(&space[..n], ("127.0.0.1", port)).unwrap();
        }
        at += 1;
    }
    let arrival = soon(receiver.recv()).await.unwrap();
    let mask = items(arrival.mask.as_ref().unwrap());
    let found = items(arrival.received.arrays[0].array.as_ref().unwrap());
    let whole = items(&sent);
    let missing = mask.iter().filter(|there| **there == 0).count();
    assert!((1..2000).contains(&missing), "{missing}");
    for (item, there) in mask.iter().enumerate() {
        let (from, to) = (2 * item, 2 * item + 2);
        let expected = if *there == 1 { &whole[from..to] } else { &[0, 0][..] };
        assert_eq!(&found[from..to], expected);
    }
}

/// A receive that is dropped loses nothing; a send that is dropped loses its message alone.
#[tokio::test]
async fn both_can_be_dropped() {
    let (mut sender, mut receiver) = pair(SendOptions { rate: 100_000, ..slow(0.0) }).await;
    let sent = [array("<f8[100000]")];
    let views = [(sent[0].view(), named("a"))];
    // At a hundred thousand bytes a second it would take eight seconds.
    assert!(tokio::time::timeout(Duration::from_millis(200), sender.send(&views)).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(50), receiver.recv()).await.is_err());
    assert_eq!(soon(sender.send(&numbered(3))).await.unwrap(), 1);
    let arrival = soon(receiver.recv()).await.unwrap();
    assert_eq!((number(&arrival.received), arrival.number), (3, 1));
}

#[tokio::test]
async fn the_rate_is_kept_and_others_have_their_turn() {
    let (mut sender, mut receiver) = pair(SendOptions { rate: 500_000, ..slow(0.0) }).await;
    let sent = array("|u1[250000]");
    let views = [(sent.view(), named("a"))];
    let started = Instant::now();
    let mut turns = 0;
    let counting = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            turns += 1;
        }
    };
    tokio::select! {
        sent = sender.send(&views) => assert_eq!(sent.unwrap(), 0),
        () = counting => {}
    }
    assert!(started.elapsed() > Duration::from_millis(350), "{:?}", started.elapsed());
    assert!(turns > 10, "{turns}");
    same(&soon(receiver.recv()).await.unwrap().received, &[sent]);
}

#[tokio::test]
async fn what_is_no_address_of_datagrams() {
    let tcp = "tcp://:0".parse().unwrap();
    let error = DatagramReceiver::bind(&tcp, Default::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    assert_eq!(error.message(), "tcp://127.0.0.1:0: datagrams go over udp://HOST:PORT");
    let error = DatagramSender::connect(&tcp, slow(0.0)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    let to = "udp://127.0.0.1:9".parse().unwrap();
    let error = DatagramSender::connect(&to, SendOptions { rate: 0, ..slow(0.0) }).await;
    assert_eq!(*error.unwrap_err().kind(), ErrorKind::Argument);
}
