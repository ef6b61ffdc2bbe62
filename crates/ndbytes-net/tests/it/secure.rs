//! The same over `tls://`.

use crate::lossy::Rng;
use crate::samples::SPECS;
use crate::{array, number, numbered, options, port, recv, same, send, soon};
use ndbytes::ErrorKind;
use ndbytes_net::{Address, Channel, ChannelOptions, Keep, Listener, TlsOptions};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A certificate of its own for localhost, and its key, as files.
struct Identity {
    _folder: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self { _folder: folder, cert, key }
    }

    fn listening(&self) -> ChannelOptions {
        let (cert, key) = (Some(self.cert.clone()), Some(self.key.clone()));
        ChannelOptions { tls: TlsOptions { cert, key, ..Default::default() }, ..options() }
    }

    async fn listener(&self, keep: Keep) -> Listener {
        let at = "tls://localhost:0".parse().unwrap();
        Listener::bind(&at, keep, self.listening()).await.unwrap()
    }
}

fn pinned(pin: Option<String>) -> ChannelOptions {
    ChannelOptions { tls: TlsOptions { pin, ..Default::default() }, ..options() }
}

#[tokio::test]
async fn groups_pass_both_ways() {
    let identity = Identity::new();
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    let listener = identity.listener(Keep::All).await;
    assert!(listener.address().to_string().starts_with("tls://localhost:"));
    let trusted = TlsOptions { ca: Some(identity.cert.clone()), ..Default::default() };
    for tls in [pinned(listener.pin()).tls, trusted] {
        for reconnect in [false, true] {
            let options = ChannelOptions { tls: tls.clone(), reconnect, ..options() };
            let connecting = soon(Channel::connect(listener.address(), options));
            let (channel, peer) = tokio::join!(connecting, soon(listener.accept()));
            let (channel, peer) = (channel.unwrap(), peer.unwrap());
            for seq in 0..5 {
                assert_eq!(send(&channel, &arrays).await, seq);
                same(&recv(&peer).await, &arrays);
                send(&peer, &arrays).await;
                same(&recv(&channel).await, &arrays);
            }
            tokio::join!(soon(channel.close()), async {
                assert!(soon(peer.recv()).await.unwrap().is_none());
            });
        }
    }
    assert_eq!(listener.stats().failed, 0);
}

/// Many small ones and a large one, in both directions at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_are_used_at_once() {
    let listener = Identity::new().listener(Keep::All).await;
    let connecting = Channel::connect(listener.address(), pinned(listener.pin()));
    let (channel, peer) = tokio::join!(connecting, listener.accept());
    let mut tasks = tokio::task::JoinSet::new();
    for channel in [channel.unwrap(), peer.unwrap()] {
        let (channel, large) = (Arc::new(channel), [array("<f8[1000,1000]")]);
        let (out, back) = (Arc::clone(&channel), large.clone());
        tasks.spawn(async move {
            for seq in 0..10_000 {
                soon(out.send(&numbered(seq))).await.unwrap();
            }
            send(&out, &large).await;
        });
        tasks.spawn(async move {
            for seq in 0..10_000 {
                assert_eq!(number(&recv(&channel).await), seq);
            }
            same(&recv(&channel).await, &back);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_refused_and_both_sides_hear_of_it() {
    let (identity, other) = (Identity::new(), Identity::new());
    for keep in [Keep::All, Keep::Last(3)] {
        let listener = identity.listener(keep).await;
        let wrong = pinned(other.listener(Keep::All).await.pin());
        let ca = TlsOptions { ca: Some(other.cert.clone()), ..Default::default() };
        let stranger = ChannelOptions { tls: ca, ..options() };
        let localhost = listener.address().clone();
        let numbered: Address = format!("tls://127.0.0.1:{}", port(&localhost)).parse().unwrap();
        let ca = TlsOptions { ca: Some(identity.cert.clone()), ..Default::default() };
        let named = ChannelOptions { tls: ca, ..options() };
        for (address, options, why) in [
            (&localhost, wrong, "pin"),
            (&localhost, stranger, "refused"),
            (&numbered, named, "127.0.0.1"),
        ] {
            let (refused, heard) =
                tokio::join!(soon(Channel::connect(address, options)), soon(listener.recv()));
            let error = refused.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Peer, "{error}");
            assert!(error.message().contains(why), "{error}");
            assert_eq!(*heard.unwrap_err().kind(), ErrorKind::Peer);
        }
        assert_eq!(listener.stats().failed, 3);
        // The others are heard all the same.
        let options = pinned(listener.pin());
        let connecting = async {
            let channel = Channel::connect(listener.address(), options).await.unwrap();
            channel.send(&crate::numbered(7)).await.unwrap();
            channel
        };
        let (_channel, received) = tokio::join!(soon(connecting), soon(listener.recv()));
        assert_eq!(number(&received.unwrap()), 7);
    }
}

/// One that is silent in the handshake holds up nobody, and is dropped in time; so is one that speaks something else.
#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let identity = Identity::new();
    let short = ChannelOptions { timeout: Duration::from_millis(400), ..identity.listening() };
    let at = "tls://localhost:0".parse().unwrap();
    let listener = Listener::bind(&at, Keep::All, short).await.unwrap();
    let to = ("127.0.0.1", port(listener.address()));
    let silent = TcpStream::connect(to).unwrap();
    let mut plain = TcpStream::connect(to).unwrap();
    plain.write_all(b"\x89NDBF\r\x1a\n and more that is no TLS").unwrap();
    let connecting = async {
        let options = pinned(listener.pin());
        let channel = Channel::connect(listener.address(), options).await.unwrap();
        channel.send(&numbered(1)).await.unwrap();
        channel
    };
    let receiving = async {
        let (mut kinds, mut came) = (Vec::new(), 0);
        while kinds.len() < 2 || came < 1 {
            match soon(listener.recv()).await {
                Ok(received) => came += number(&received),
                Err(error) => kinds.push(error.kind().clone()),
            }
        }
        assert!(
            kinds.contains(&ErrorKind::Timeout) && kinds.contains(&ErrorKind::Peer),
            "{kinds:?}"
        );
    };
    let (_channel, ()) = tokio::join!(soon(connecting), receiving);
    drop(silent);
}

/// A relay that ends the connection behind so many bytes of what the first side sends.
fn relay(to: u16, cut: usize, flip: bool) -> u16 {
    let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = relay.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut from, _) = relay.accept().unwrap();
        let mut to = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut answers, mut back) = (to.try_clone().unwrap(), from.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let (mut done, mut space) = (0, [0; 1 << 14]);
        while let Ok(n @ 1..) = from.read(&mut space) {
            let bytes = &mut space[..n];
            if flip && (done..done + n).contains(&cut) {
                bytes[cut - done] ^= 1;
            }
            let n = if flip { n } else { n.min(cut.saturating_sub(done)) };
            if n == 0 || to.write_all(&space[..n]).is_err() {
                break;
            }
            done += n;
            if !flip && done >= cut {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
    port
}

/// Whole messages, and then an error: never a short array, whatever is cut or changed on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_or_changed_is_told() {
    let (identity, timeout) = (Identity::new(), Duration::from_millis(400));
    let short = ChannelOptions { timeout, ..identity.listening() };
    let at = "tls://localhost:0".parse().unwrap();
    let listener = Listener::bind(&at, Keep::All, short).await.unwrap();
    let sent = [array("<u2[700]")];
    for flip in [false, true] {
        let mut whole = 0;
        for cut in (0..4500).step_by(97) {
            let port = relay(port(listener.address()), cut, flip);
            let address = format!("tls://localhost:{port}").parse().unwrap();
            let options = ChannelOptions { timeout, ..pinned(listener.pin()) };
            let sending = tokio::spawn({
                let sent = sent.clone();
                async move {
                    let Ok(channel) = Channel::connect(&address, options).await else { return };
                    for _ in 0..2 {
                        let views = [(sent[0].view(), Default::default())];
                        if channel.send(&views).await.is_err() {
                            return;
                        }
                    }
                    channel.close().await;
                }
            });
            let mut came = 0;
            let ended = loop {
                match tokio::time::timeout(Duration::from_secs(3), listener.recv()).await {
                    Ok(Ok(received)) => same(&received, &sent),
                    Ok(Err(error)) => break Some(error),
                    Err(_) => break None,
                }
                came += 1;
                if came == 2 {
                    break None;
                }
            };
            whole += usize::from(came == 2);
            if let Some(error) = &ended {
                // A length that was changed has the other side wait for bytes that nobody sends.
                let is_late = flip && *error.kind() == ErrorKind::Timeout;
                let is_cut = matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Peer);
                assert!(is_cut || is_late, "{error:?}");
            }
            assert!(
                came == 2 || ended.is_some(),
                "{came} came, cut at {cut}, and nothing was said"
            );
            sending.await.unwrap();
            // What is wrong with the end of one that was received belongs to that.
            while came == 2
                && let Ok(Err(_)) =
                    tokio::time::timeout(Duration::from_millis(20), listener.recv()).await
            {
            }
        }
        assert!(whole < 40, "{whole}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receive_can_be_dropped_at_any_moment() {
    let listener = Identity::new().listener(Keep::All).await;
    let connecting = Channel::connect(listener.address(), pinned(listener.pin()));
    let (channel, peer) = tokio::join!(connecting, listener.accept());
    let (channel, peer) = (channel.unwrap(), peer.unwrap());
    let arrays = [array("<f8[1000,400]"), array("|u1[1]")];
    let group = arrays.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..20 {
            send(&channel, &group).await;
        }
        soon(channel.close()).await;
    });
    let (mut rng, mut dropped, mut came) = (Rng::new(3), 0, 0);
    while came < 20 {
        let receiving = async {
            tokio::select! {
                biased;
                received = peer.recv() => Some(received),
                () = async { for _ in 0..rng.below(3) { tokio::task::yield_now().await } } => None,
            }
        };
        match soon(receiving).await {
            Some(received) => {
                same(&received.unwrap().unwrap(), &arrays);
                came += 1;
            }
            None => dropped += 1,
        }
    }
    assert!(dropped > 50, "{dropped}");
    assert!(soon(peer.recv()).await.unwrap().is_none());
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_is_dropped_in_the_middle_is_told() {
    let listener = Identity::new().listener(Keep::All).await;
    let connecting = Channel::connect(listener.address(), pinned(listener.pin()));
    let (channel, peer) = tokio::join!(connecting, listener.accept());
    let (channel, peer) = (channel.unwrap(), peer.unwrap());
    let large = array("<f8[4000,1000]");
    let views = [(large.view(), Default::default())];
    let dropped = tokio::time::timeout(Duration::from_millis(100), channel.send(&views)).await;
    assert!(dropped.is_err());
    let error = channel.send(&numbered(1)).await.unwrap_err();
    assert!(error.message().contains("was not sent to its end"), "{error}");
    assert_eq!(*soon(peer.recv()).await.unwrap_err().kind(), ErrorKind::Truncated);
}

/// Options that do not fit the address are said to be wrong, before anything is opened.
#[tokio::test]
async fn options_that_do_not_fit() {
    let tls: Address = "tls://localhost:1".parse().unwrap();
    let tcp: Address = "tcp://localhost:1".parse().unwrap();
    let error = Listener::bind(&tls, Keep::All, options()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
    assert!(error.message().contains("needs cert and key"), "{error}");
    let pin = pinned(Some("sha256/x".to_owned()));
    let error = Channel::connect(&tcp, pin.clone()).await.unwrap_err();
    assert!(error.message().contains("for tls://"), "{error}");
    let error = Channel::connect(&tls, pin).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
}

/// The core's own sessions at the other end, listening and connecting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_core_at_the_other_end() {
    use ndbytes::io::channel::{Channel as Blocking, Listener as BlockingListener};
    use ndbytes::io::{stream::Owned, unwatched};
    const SOON: Option<Duration> = Some(Duration::from_secs(20));
    let identity = Identity::new();
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();

    let at = "tls://localhost:0".parse().unwrap();
    let listener = BlockingListener::bind(&at, Keep::All, identity.listening()).unwrap();
    let (to, group) = (listener.address().clone(), arrays.clone());
    let pin = identity.listener(Keep::All).await.pin();
    let peer = std::thread::spawn(move || {
        let channel = listener.accept(SOON, &mut unwatched).unwrap();
        for seq in 0..1000 {
            let next = channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
            assert_eq!(number(&next), seq);
        }
        let views: Vec<_> = group.iter().map(|array| (array.view(), crate::named("a"))).collect();
        channel.send(&views, &mut unwatched).unwrap();
        assert!(channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
    });
    let channel = soon(Channel::connect(&to, pinned(pin.clone()))).await.unwrap();
    for seq in 0..1000 {
        soon(channel.send(&numbered(seq))).await.unwrap();
    }
    same(&recv(&channel).await, &arrays);
    soon(channel.close()).await;
    peer.join().unwrap();

    let listener = identity.listener(Keep::All).await;
    let (to, group) = (listener.address().clone(), arrays.clone());
    let peer = std::thread::spawn(move || {
        let options = ChannelOptions { reconnect: true, ..pinned(pin) };
        let channel = Blocking::connect(&to, options, &mut unwatched).unwrap();
        let views: Vec<_> = group.iter().map(|array| (array.view(), crate::named("a"))).collect();
        channel.send(&views, &mut unwatched).unwrap();
        for seq in 0..1000 {
            let next = channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
            assert_eq!(number(&next), seq);
        }
        channel.close(&mut unwatched).unwrap();
        assert_eq!(channel.stats().lost, 0);
    });
    let channel = soon(listener.accept()).await.unwrap();
    same(&recv(&channel).await, &arrays);
    for seq in 0..1000 {
        soon(channel.send(&numbered(seq))).await.unwrap();
    }
    assert!(soon(channel.recv()).await.unwrap().is_none());
    peer.join().unwrap();
}
