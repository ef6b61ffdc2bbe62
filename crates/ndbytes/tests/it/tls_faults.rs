//! Channels within TLS whose connections are cut, changed on the way, or silent.

use crate::array;
use crate::certificates::Authority;
use crate::channels::{SOON, again, number, numbered, options, same};
use crate::channels_tls::{listen, tls};
use ndbytes::frame::EncodeOptions;
use ndbytes::io::channel::{Address, Channel, ChannelOptions, Keep, Listener, TlsOptions};
use ndbytes::io::stream::Owned;
use ndbytes::io::unwatched;
use ndbytes::{Array, ArrayRef, ErrorKind};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a relay does to the bytes of one direction.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// Ends both behind so many.
    Cut(usize),
    /// Changes this one.
    Flip(usize),
    /// Gives those behind so many one by one, so that none is a tick late.
    Drip(usize),
}

/// A relay in front of a listener, with a fault for each connection in turn: of what goes there, and of what comes back.
struct Relay {
    address: Address,
    /// Bytes that went there, and came back, over the last connection.
    moved: [Arc<AtomicUsize>; 2],
    /// The same in records.
    records: [Arc<AtomicUsize>; 2],
}

impl Relay {
    fn new(listener: &Listener, faults: Vec<[Fault; 2]>) -> Self {
        let Address::Tls { port: to, .. } = *listener.address() else { panic!() };
        let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("tls://localhost:{}", relay.local_addr().unwrap().port());
        let moved = [Arc::<AtomicUsize>::default(), Arc::default()];
        let records = [Arc::<AtomicUsize>::default(), Arc::default()];
        let counts = [0, 1].map(|way| [&moved, &records].map(|counts| Arc::clone(&counts[way])));
        thread::spawn(move || {
            for [there, back] in faults.into_iter().chain(std::iter::repeat([Fault::None; 2])) {
                let Ok((from, _)) = relay.accept() else { return };
                let Ok(to) = TcpStream::connect(("127.0.0.1", to)) else { return };
                counts.iter().flatten().for_each(|count| count.store(0, Ordering::SeqCst));
                let (answers, asked) = (to.try_clone().unwrap(), from.try_clone().unwrap());
                let count = counts[1].clone();
                thread::spawn(move || carry(answers, asked, back, &count));
                let count = counts[0].clone();
                thread::spawn(move || carry(from, to, there, &count));
            }
        });
        Self { address: address.parse().unwrap(), moved, records }
    }

    fn moved(&self) -> [usize; 2] {
        [0, 1].map(|way| self.moved[way].load(Ordering::SeqCst))
    }

    fn records(&self) -> [usize; 2] {
        [0, 1].map(|way| self.records[way].load(Ordering::SeqCst))
    }
}

/// Where a stream of records is: what has come of a header, and bytes that are missing behind the last one.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    left: usize,
}

impl Records {
    /// How many headers end in these bytes.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        for byte in bytes {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.header.push(*byte);
            if let [_, _, _, high, low] = self.header[..] {
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
                count += 1;
            }
        }
        count
    }
}

fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    fault: Fault,
    [bytes, records]: &[Arc<AtomicUsize>; 2],
) {
    let (mut space, mut moved, mut seen) = ([0; 1000], 0, Records::default());
    loop {
        let most =
            if let Fault::Cut(at) = fault { (at - moved).min(space.len()) } else { space.len() };
        if most == 0 {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
        let Ok(n @ 1..) = from.read(&mut space[..most]) else { break };
        records.fetch_add(seen.count(&space[..n]), Ordering::SeqCst);
        if let Fault::Flip(at) = fault
            && (moved..moved + n).contains(&at)
        {
            space[at - moved] ^= 0x10;
        }
        bytes.fetch_add(n, Ordering::SeqCst);
        moved += n;
        if matches!(fault, Fault::Drip(behind) if moved > behind) {
            let slowly = |byte: &u8| {
                thread::sleep(Duration::from_millis(20));
                to.write_all(std::slice::from_ref(byte))
            };
            if space[..n].iter().try_for_each(slowly).is_err() {
                break;
            }
            continue;
        }
        if to.write_all(&space[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// What became of a conversation: how many of two messages came, and what followed.
type Outcome = (usize, Option<ErrorKind>);

/// Two messages each way, and an end that is said, through a relay; neither side waits for longer than `patience`.
fn talk(
    relay: &Relay,
    listener: &Listener,
    options: &ChannelOptions,
    arrays: &[Array],
    patience: Option<Duration>,
) -> [Outcome; 2] {
    let both = |side: &Channel| {
        let views: Vec<_> = arrays.iter().map(|a| (a.view(), EncodeOptions::default())).collect();
        // Whoever sends to somebody who is gone may hear of it.
        let sent = (0..2).all(|_| side.send(&views, &mut unwatched).is_ok());
        let mut come = 0;
        while come < 2 {
            match side.recv(&mut Owned, patience, &mut unwatched) {
                Ok(Some(found)) => same(&found, arrays),
                Ok(None) => return (come, None),
                Err(error) => return (come, Some(error.kind().clone())),
            }
            come += 1;
        }
        let _ = sent;
        (come, None)
    };
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let peer = listener.accept(SOON, &mut unwatched).unwrap();
            let (come, error) = both(&peer);
            if come < 2 || error.is_some() {
                return (come, error);
            }
            // What follows is the end, which the other says.
            match peer.recv(&mut Owned, patience, &mut unwatched) {
                Ok(None) => (come, None),
                Ok(Some(_)) => panic!("a third message"),
                Err(error) => (come, Some(error.kind().clone())),
            }
        });
        let client = match Channel::connect(&relay.address, options.clone(), &mut unwatched) {
            Ok(channel) => {
                let outcome = both(&channel);
                let _ = channel.close(&mut unwatched);
                outcome
            }
            Err(error) => (0, Some(error.kind().clone())),
        };
        [server.join().unwrap(), client]
    })
}

fn is_a_cut(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Truncated | ErrorKind::Peer)
}

#[test]
fn a_cut_anywhere_is_an_error_and_never_an_end() {
    let authority = Authority::new("A");
    let listener = listen(&authority.sign(|_| ()), Keep::All);
    let options = tls(&authority.trusted(), options());
    let arrays = [array("<f4[3]"), array("<i8[]")];
    let whole = Relay::new(&listener, Vec::new());
    assert_eq!(talk(&whole, &listener, &options, &arrays, SOON), [(2, None), (2, None)]);
    let [there, back] = whole.moved();
    let cuts = (0..there).map(|at| [Fault::Cut(at), Fault::None]);
    // Of what comes back the end is not asked for.
    let back = (0..back - 24).step_by(5).map(|at| [Fault::None, Fault::Cut(at)]);
    let faults: Vec<_> = cuts.chain(back).collect();
    let relay = Relay::new(&listener, faults.clone());
    for [fault, _] in faults {
        let [server, client] = talk(&relay, &listener, &options, &arrays, SOON);
        match fault {
            Fault::Cut(at) => {
                let why = server.1.unwrap_or_else(|| panic!("an end, cut at {at}"));
                assert!(is_a_cut(&why), "{at}: {why:?}");
            }
            _ => assert!(client.0 < 2 && client.1.as_ref().is_some_and(is_a_cut), "{client:?}"),
        }
    }
}

#[test]
fn a_byte_that_was_changed_on_the_way_is_an_error() {
    let authority = Authority::new("A");
    // A length that was changed makes both wait.
    let timeout = Duration::from_secs(1);
    let patience = Some(timeout);
    let brief = |given: &TlsOptions| ChannelOptions { timeout, ..tls(given, options()) };
    let address = "tls://localhost:0".parse().unwrap();
    let listener = Listener::bind(&address, Keep::All, brief(&authority.sign(|_| ()))).unwrap();
    let options = brief(&authority.trusted());
    let arrays = [array("<f4[3]"), array("<i8[]")];
    let first = Relay::new(&listener, Vec::new());
    drop(Channel::connect(&first.address, options.clone(), &mut unwatched).unwrap());
    assert!(
        listener
            .accept(SOON, &mut unwatched)
            .unwrap()
            .recv(&mut Owned, SOON, &mut unwatched)
            .unwrap()
            .is_none()
    );
    let (shaken, hands) = (first.moved(), first.records());
    // One of its own: what the end of a connection brings late would count for the next.
    let whole = Relay::new(&listener, Vec::new());
    assert_eq!(talk(&whole, &listener, &options, &arrays, patience), [(2, None), (2, None)]);
    let (moved, records) = (whole.moved(), whole.records());
    for way in 0..2 {
        let at: Vec<usize> = (0..moved[way]).step_by(3).collect();
        let fault = |at: &usize| match way {
            0 => [Fault::Flip(*at), Fault::None],
            _ => [Fault::None, Fault::Flip(*at)],
        };
        let relay = Relay::new(&listener, at.iter().map(fault).collect());
        // Of a record the low byte of a version means nothing, and nothing of those in front of what is encrypted.
        let mut harmless = 0;
        for at in at {
            // Whatever came was right: `talk` looks at it. The end of what comes back nobody asks for.
            let outcomes = talk(&relay, &listener, &options, &arrays, patience);
            let is_asked_for = way == 0 || at < moved[1] - 24;
            // Signatures differ in length, and with them where everything lies.
            let is_made = at < relay.moved()[way];
            if at >= shaken[way]
                && is_asked_for
                && is_made
                && outcomes.iter().all(|(_, error)| error.is_none())
            {
                harmless += 1;
            }
        }
        // Of the handshake there may be the end that the first connection said.
        let most = records[way] - hands[way] + 1;
        assert!(harmless <= most, "{way}: {harmless} of {most}");
    }
}

#[test]
fn a_peer_that_drips_is_given_up_and_whoever_waits_can_stop() {
    let authority = Authority::new("A");
    let server = ChannelOptions {
        timeout: Duration::from_secs(1),
        ..tls(&authority.sign(|_| ()), options())
    };
    let address = "tls://localhost:0".parse().unwrap();
    let listener = Listener::bind(&address, Keep::All, server).unwrap();
    // A part of the first record of a message has come: nothing of the record can be read before its end.
    let relay = Relay::new(&listener, vec![[Fault::Drip(10_000), Fault::None]]);
    let channel =
        Channel::connect(&relay.address, tls(&authority.trusted(), options()), &mut unwatched);
    let channel = channel.unwrap();
    let items = vec![7_u8; 300_000];
    let large = ArrayRef::from_slice(&items, &[300_000]).unwrap();
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let array = (large.clone(), EncodeOptions::default());
            channel.send(&[array], &mut unwatched)
        });
        let mut looks = 0;
        let received = listener.recv(Some(Duration::from_secs(20)), &mut |_| {
            looks += 1;
            Ok(())
        });
        let error = received.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
        assert!(looks > 5, "{looks}");
        drop(listener);
        let _ = channel.close(&mut unwatched);
        let _ = sending.join();
    });
}

#[test]
fn who_is_silent_in_the_handshake_is_dropped_and_holds_nobody_up() {
    let authority = Authority::new("A");
    let server = ChannelOptions {
        timeout: Duration::from_millis(500),
        ..tls(&authority.sign(|_| ()), options())
    };
    for keep in [Keep::All, Keep::Last(100)] {
        let listener =
            Listener::bind(&"tls://localhost:0".parse().unwrap(), keep, server.clone()).unwrap();
        let Address::Tls { port, .. } = *listener.address() else { panic!() };
        let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut slow = TcpStream::connect(("127.0.0.1", port)).unwrap();
        slow.write_all(&[0x16, 3, 1, 1, 0]).unwrap();
        let started = Instant::now();
        let trickle = thread::spawn(move || {
            while slow.write_all(&[1]).is_ok() && started.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(50));
            }
            started.elapsed()
        });
        let options = tls(&authority.trusted(), options());
        let channel = Channel::connect(listener.address(), options, &mut unwatched).unwrap();
        channel.send(&[(numbered(7), EncodeOptions::default())], &mut unwatched).unwrap();
        assert_eq!(number(&listener.recv(SOON, &mut unwatched).unwrap()), 7);
        assert!(started.elapsed() < Duration::from_millis(400), "it was held up");
        for _ in 0..2 {
            let error = listener.recv(SOON, &mut unwatched).unwrap_err();
            let words = "the TLS handshake failed: ";
            assert!(error.message().contains(words), "{error}");
            assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Peer), "{error}");
        }
        assert_eq!(listener.stats().failed, 2);
        drop(listener);
        assert!(trickle.join().unwrap() < Duration::from_secs(4));
    }
}

/// As over TCP: every message comes whole and once, or is told to be lost.
#[test]
fn a_channel_that_reconnects_loses_nothing_untold() {
    let authority = Authority::new("A");
    let listener = listen(&authority.sign(|_| ()), Keep::Last(10_000));
    let relay =
        Relay::new(&listener, (0..40).map(|at| [Fault::Cut(200 + at * 53), Fault::None]).collect());
    let options = tls(&authority.trusted(), again());
    let channel = loop {
        match Channel::connect(&relay.address, options.clone(), &mut unwatched) {
            Ok(channel) => break channel,
            Err(error) => assert!(is_a_cut(error.kind()), "{error}"),
        }
    };
    for number in 0..300 {
        let sent = channel.send(&[(numbered(number), EncodeOptions::default())], &mut unwatched);
        assert_eq!(sent.unwrap(), number);
        thread::sleep(Duration::from_millis(1));
    }
    let told = channel.flush(SOON, &mut unwatched);
    assert!(told.is_err() || channel.stats().lost == 0);
    let mut found = BTreeSet::new();
    loop {
        match listener.recv(Some(Duration::from_millis(300)), &mut unwatched) {
            Ok(received) => assert!(found.insert(number(&received)), "it came twice"),
            Err(error) if error.message().starts_with("no message began") => break,
            Err(error) => assert!(is_a_cut(error.kind()), "{error}"),
        }
    }
    let stats = channel.stats();
    let lost: BTreeSet<u64> = stats.lost_seqs.iter().cloned().flatten().collect();
    for number in 0..300 {
        assert!(found.contains(&number) || lost.contains(&number), "{number} is nowhere");
    }
    assert!(stats.reconnects >= 15, "{stats:?}");
}
