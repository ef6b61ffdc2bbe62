//! Channels within TLS: who is believed and who is not, and that everything passes that passes over TCP.

use crate::array;
use crate::certificates::{Authority, pinned};
use crate::channels::{SOON, again, number, numbered, options, same, send};
use crate::frames::SPECS;
use ndbytes::frame::EncodeOptions;
use ndbytes::io::channel::{
    Acceptor, Address, Channel, ChannelOptions, Connection, Keep, Listener, TlsOptions,
};
use ndbytes::io::stream::Owned;
use ndbytes::io::unwatched;
use ndbytes::{ArrayRef, Error, ErrorKind, Result};
use rcgen::{BasicConstraints, IsCa, KeyPair, date_time_ymd};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

pub(crate) fn tls(tls: &TlsOptions, options: ChannelOptions) -> ChannelOptions {
    ChannelOptions { tls: tls.clone(), ..options }
}

/// A listener with this certificate, at a name that it may have.
pub(crate) fn listen(server: &TlsOptions, keep: Keep) -> Listener {
    let address = "tls://localhost:0".parse().unwrap();
    Listener::bind(&address, keep, tls(server, options())).unwrap()
}

fn connect(listener: &Listener, client: &TlsOptions) -> Result<Channel> {
    Channel::connect(listener.address(), tls(client, options()), &mut unwatched)
}

fn pin(server: &TlsOptions) -> String {
    let address: Address = "tls://localhost:1".parse().unwrap();
    server.server(&address).unwrap().unwrap().pin().to_owned()
}

/// Why such a listener is refused; it hears of it, too.
fn refused(server: &TlsOptions, client: &TlsOptions) -> String {
    let listener = listen(server, Keep::All);
    let error = connect(&listener, client).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Peer, "{error}");
    let heard = listener.recv(SOON, &mut unwatched).unwrap_err();
    assert_eq!(*heard.kind(), ErrorKind::Peer, "{heard}");
    let words =
        "the TLS handshake failed: the peer refused: it does not accept this end's certificate";
    assert!(heard.message().contains(words), "{heard}");
    assert_eq!(listener.stats().failed, 1);
    let front = format!("cannot connect to {}: ", listener.address());
    error.message().strip_prefix(&front).unwrap().to_owned()
}

fn passes(server: &TlsOptions, client: &TlsOptions) {
    let listener = listen(server, Keep::All);
    let channel = connect(&listener, client).unwrap();
    send(&channel, &array("<f4[3]"), "a");
    same(&listener.recv(SOON, &mut unwatched).unwrap(), &[array("<f4[3]")]);
}

#[test]
fn a_certificate_is_believed_for_who_signed_it_or_for_its_key() {
    let authority = Authority::new("A");
    let server = authority.sign(|_| ());
    passes(&server, &authority.trusted());
    passes(&server, &pinned(&pin(&server)));
    passes(&server, &pinned(&pin(&server).replace("sha256/", "sha256//"))); // As curl writes it.
    // A pin is of the key alone: whoever has that, and whenever it is.
    let old = authority.alone(|params| {
        params.subject_alt_names.clear();
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    passes(&old, &pinned(&pin(&old)));
    // What says that it may sign others, and is trusted itself: so openssl makes them.
    let own = authority.alone(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    passes(&own, &TlsOptions { ca: own.cert.clone(), ..Default::default() });
    let leaf = authority.alone(|_| ());
    passes(&leaf, &TlsOptions { ca: leaf.cert.clone(), ..Default::default() });
}

#[test]
fn a_certificate_that_is_wrong_is_refused_with_what_is_wrong_with_it() {
    let (authority, other) = (Authority::new("A"), Authority::new("B"));
    let trusted = authority.trusted();
    let good = authority.sign(|_| ());
    for (server, client, why) in [
        (
            good.clone(),
            other.trusted(),
            "nobody who is trusted here has signed it (unknown issuer): give ca, a PEM file of who has, or pin",
        ),
        // Of the same name, and another key.
        (good.clone(), Authority::new("A").trusted(), "give ca, a PEM file of who has"),
        (authority.alone(|_| ()), trusted.clone(), "(unknown issuer)"),
        // Nobody whom the system trusts.
        (good.clone(), TlsOptions::default(), "(unknown issuer)"),
        (
            authority.sign(|params| params.subject_alt_names.retain(|_| false)),
            trusted.clone(),
            "it is for no name at all, and \"localhost\" is wanted (a subjectAltName)",
        ),
        (
            authority.sign(|params| {
                params.subject_alt_names =
                    vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())]
            }),
            trusted.clone(),
            "other.example",
        ),
        (
            authority.sign(|params| params.not_after = date_time_ymd(2001, 1, 1)),
            trusted.clone(),
            "it expired ",
        ),
        (
            authority.sign(|params| params.not_before = date_time_ymd(3000, 1, 1)),
            trusted.clone(),
            "it is not valid yet, but in ",
        ),
        // A certificate that is trusted itself may be old and of another name all the same.
        (
            authority.sign(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            trusted.clone(),
            "it is one that signs others, or itself, and not in ca (unknown issuer): give it as ca, or its pin",
        ),
    ] {
        let message = refused(&server, &client);
        assert!(message.starts_with("the certificate of localhost is refused: "), "{message}");
        assert!(message.contains(why), "{message}");
        assert!(message.ends_with(&format!("; its pin is {}", pin(&server))), "{message}");
    }
    for change in [
        |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2001, 1, 1),
        |params: &mut rcgen::CertificateParams| params.subject_alt_names.clear(),
    ] {
        let own = authority.alone(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            change(params);
        });
        let message = refused(&own, &TlsOptions { ca: own.cert.clone(), ..Default::default() });
        assert!(message.contains("it expired ") || message.contains("no name at all"), "{message}");
    }
    let another = pin(&authority.sign(|_| ()));
    let message = refused(&good, &pinned(&another));
    let wanted = format!(
        "the listener has another key than its pin says: expected {another}, found {}",
        pin(&good)
    );
    assert_eq!(message, wanted);
}

/// Whoever shows a certificate without its key is refused, pin or not: the pin is of what everybody may see.
#[test]
fn a_certificate_without_its_key_is_nobodys() {
    let authority = Authority::new("A");
    let (good, key) = (authority.sign(|_| ()), KeyPair::generate().unwrap());
    let file = authority.file("other.key");
    std::fs::write(&file, key.serialize_pem()).unwrap();
    let wrong = TlsOptions { key: Some(file), ..good.clone() };
    let bound = Acceptor::bind_with(&"tls://:0".parse().unwrap(), &wrong, Duration::from_secs(1));
    let error = bound.unwrap_err();
    assert!(error.message().starts_with("the key is not that of the certificate in "), "{error}");
    assert_eq!((error.kind(), error.path()), (&ErrorKind::Argument, wrong.key.as_deref()));
    // A listener that does not look at its own files.
    let chain = rustls::pki_types::pem::PemObject::pem_file_iter(good.cert.as_ref().unwrap())
        .unwrap()
        .collect::<std::result::Result<Vec<_>, _>>();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let signing = provider.key_provider.load_private_key(private).unwrap();
    let certified = std::sync::Arc::new(rustls::sign::CertifiedKey::new(chain.unwrap(), signing));
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let config = std::sync::Arc::new(config);
    for client in [pinned(&pin(&good)), authority.trusted()] {
        let config = std::sync::Arc::clone(&config);
        let error = beside(&client, move |mut socket| {
            let mut session = rustls::ServerConnection::new(config).unwrap();
            while session.complete_io(&mut socket).is_ok() {}
        });
        assert_eq!(*error.kind(), ErrorKind::Peer, "{error}");
        assert!(error.message().contains("does not have the key of the certificate"), "{error}");
    }
}

/// What comes of connecting to somebody who does this.
fn beside(client: &TlsOptions, act: impl FnOnce(TcpStream) + Send + 'static) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Address =
        format!("tls://127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let acting = thread::spawn(move || act(listener.accept().unwrap().0));
    let opened = Connection::open_with(&address, client, Duration::from_secs(2), &mut unwatched);
    acting.join().unwrap();
    opened.unwrap_err()
}

#[test]
fn who_speaks_no_tls_1_3_is_told_so() {
    let authority = Authority::new("A");
    let client = authority.trusted();
    for (answer, kind, why) in [
        // TLS 1.2 alone: an alert.
        (
            &[0x15, 3, 3, 0, 2, 2, 70][..],
            ErrorKind::Peer,
            "it does not speak TLS 1.3 (alert ProtocolVersion)",
        ),
        (
            &[0x15, 3, 3, 0, 2, 2, 40],
            ErrorKind::Peer,
            "it has no way of TLS 1.3 in common with this end",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            ErrorKind::Peer,
            "what came is no TLS: does the peer speak tcp://?",
        ),
        (b"", ErrorKind::Peer, "the connection ended within the TLS handshake"),
    ] {
        let error = beside(&client, |mut socket| {
            let mut hello = [0; 64];
            socket.read_exact(&mut hello).unwrap();
            socket.write_all(answer).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        });
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.message().contains(why), "{error}");
    }
    let silent = beside(&client, |mut socket| {
        let _ = socket.read_to_end(&mut Vec::new());
    });
    assert_eq!(*silent.kind(), ErrorKind::Timeout, "{silent}");

    let listener = listen(&authority.sign(|_| ()), Keep::All);
    let Address::Tls { port, .. } = *listener.address() else { panic!() };
    // A hello of TLS 1.2: version, random, no session, one way, no compression, which groups and signatures.
    let mut hello = vec![0x16, 3, 1, 0, 69, 1, 0, 0, 65, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 22]);
    hello.extend([
        0, 10, 0, 4, 0, 2, 0, 0x1d, 0, 13, 0, 4, 0, 2, 4, 3, 0, 23, 0, 0, 0xff, 1, 0, 1, 0,
    ]);
    hello[4] = u8::try_from(hello.len() - 5).unwrap();
    hello[8] = u8::try_from(hello.len() - 9).unwrap();
    let last = hello.len() - 25 - 1;
    hello[last] = 25;
    for (said, why) in [
        (&hello[..], "the peer does not speak TLS 1.3 as it is spoken here"),
        (
            b"\x89NDB\r\n\x1a\n and so on: a frame",
            "what came is no TLS: does the peer speak tcp://?",
        ),
        (b"", "the connection ended within the TLS handshake"),
    ] {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.write_all(said).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let error = listener.recv(SOON, &mut unwatched).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Peer, "{error}");
        assert!(error.message().contains(&format!("the TLS handshake failed: {why}")), "{error}");
    }
    assert_eq!(listener.stats().failed, 3);
    // And others pass.
    let channel = connect(&listener, &client).unwrap();
    send(&channel, &array("<f4[3]"), "a");
    listener.recv(SOON, &mut unwatched).unwrap();
}

#[test]
fn files_that_are_none_say_so() {
    let authority = Authority::new("A");
    let good = authority.sign(|_| ());
    let file = |name: &str, text: &str| {
        std::fs::write(authority.file(name), text).unwrap();
        Some(authority.file(name))
    };
    let nowhere = || Some(authority.file("nowhere.pem"));
    let address: Address = "tls://localhost:0".parse().unwrap();
    let cut = std::fs::read_to_string(good.cert.as_ref().unwrap()).unwrap();
    for (options, kind, why) in [
        (TlsOptions { cert: nowhere(), ..good.clone() }, ErrorKind::Io, "No such file"),
        (TlsOptions { key: nowhere(), ..good.clone() }, ErrorKind::Io, "No such file"),
        (
            TlsOptions { cert: good.key.clone(), ..good.clone() },
            ErrorKind::Argument,
            "the file has no certificate",
        ),
        (
            TlsOptions { key: good.cert.clone(), ..good.clone() },
            ErrorKind::Argument,
            "the file has no private key",
        ),
        (
            TlsOptions {
                key: file(
                    "e",
                    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
                ),
                ..good.clone()
            },
            ErrorKind::Argument,
            "the file has a key that is encrypted",
        ),
        (
            TlsOptions { cert: file("c", &cut[..cut.len() / 2]), ..good.clone() },
            ErrorKind::Argument,
            "the file has no PEM",
        ),
        (
            TlsOptions {
                cert: file("d", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                ..good.clone()
            },
            ErrorKind::Peer,
            "no certificate",
        ),
    ] {
        let error = Acceptor::bind_with(&address, &options, Duration::from_secs(1)).unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.message().contains(why) && error.path().is_some(), "{error}");
    }
    let client = TlsOptions { ca: nowhere(), ..Default::default() };
    let address = "tls://localhost:1".parse().unwrap();
    let error = Connection::open_with(&address, &client, Duration::from_secs(1), &mut unwatched);
    assert_eq!(error.unwrap_err().path(), client.ca.as_deref());
    let error = Acceptor::bind(&"tls://:0".parse().unwrap()).unwrap_err();
    assert!(error.message().contains("a listener needs cert and key"), "{error}");
}

#[test]
fn everything_passes_that_passes_over_tcp() {
    let authority = Authority::new("A");
    let (server, client) = (authority.sign(|_| ()), authority.trusted());
    let arrays: Vec<_> = SPECS.iter().map(|spec| array(spec)).collect();
    for options in [options(), again()] {
        let listener = listen(&server, Keep::All);
        let options = tls(&client, options);
        let channel = Channel::connect(listener.address(), options, &mut unwatched).unwrap();
        let peer = listener.accept(SOON, &mut unwatched).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..10 {
                    same(&peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &arrays);
                    let views: Vec<_> =
                        arrays.iter().map(|a| (a.view(), EncodeOptions::default())).collect();
                    peer.send(&views, &mut unwatched).unwrap();
                }
                // An end that was said is one, for a peer that is told of a stream too.
                assert!(peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
            });
            for _ in 0..10 {
                let views: Vec<_> =
                    arrays.iter().map(|a| (a.view(), EncodeOptions::default())).collect();
                channel.send(&views, &mut unwatched).unwrap();
                same(&channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &arrays);
            }
            channel.close(&mut unwatched).unwrap();
        });
        assert_eq!(listener.stats().failed, 0);
    }
}

/// 64 MiB each way at once: neither direction waits for the other.
#[test]
fn both_directions_go_at_the_same_time() {
    let authority = Authority::new("A");
    let listener = listen(&authority.sign(|_| ()), Keep::All);
    let channel = connect(&listener, &authority.trusted()).unwrap();
    let peer = listener.accept(SOON, &mut unwatched).unwrap();
    let items: Vec<u64> =
        (0..8 << 20).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let view = ArrayRef::from_slice(&items, &[items.len()]).unwrap();
    thread::scope(|scope| {
        for side in [&channel, &peer] {
            scope.spawn(|| {
                side.send(&[(view.clone(), EncodeOptions::default())], &mut unwatched).unwrap()
            });
            scope.spawn(|| {
                let found = side.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
                let array = found.arrays[0].array.clone().unwrap();
                assert!(array.into_vec::<u64>().unwrap() == items);
            });
        }
    });
}

#[test]
fn ten_thousand_small_ones_of_several_peers() {
    let authority = Authority::new("A");
    for keep in [Keep::All, Keep::Last(10_000)] {
        let listener = listen(&authority.sign(|_| ()), keep);
        thread::scope(|scope| {
            for peer in 0..4 {
                let (listener, authority) = (&listener, &authority);
                scope.spawn(move || {
                    let channel = connect(listener, &authority.trusted()).unwrap();
                    for seq in 0..2500 {
                        let views = [(numbered(peer * 10_000 + seq), EncodeOptions::default())];
                        channel.send(&views, &mut unwatched).unwrap();
                    }
                    channel.close(&mut unwatched).unwrap();
                });
            }
            let mut next = [0; 4];
            for _ in 0..10_000 {
                let number = number(&listener.recv(SOON, &mut unwatched).unwrap());
                let peer = usize::try_from(number / 10_000).unwrap();
                assert_eq!(next[peer], number % 10_000, "in order");
                next[peer] += 1;
            }
        });
        assert_eq!((listener.stats().received, listener.stats().failed), (10_000, 0));
    }
}

#[test]
fn a_listener_that_starts_again_is_found_again() {
    let authority = Authority::new("A");
    let server = authority.sign(|_| ());
    let mut listener = listen(&server, Keep::All);
    let address = listener.address().clone();
    let options = tls(&authority.trusted(), again());
    let channel = Channel::connect(&address, options, &mut unwatched).unwrap();
    for round in 0..20 {
        send(&channel, &array("<u8[]"), "a");
        let received = listener.recv(SOON, &mut unwatched).unwrap();
        assert_eq!(received.message.unwrap().seq, round);
        drop(listener);
        listener =
            Listener::bind(&address, Keep::All, tls(&server, crate::channels::options())).unwrap();
    }
    assert_eq!((channel.stats().sent, channel.stats().reconnects), (20, 19));
}

/// Whoever closes a channel has sent what he sent, however slow the other is.
#[test]
fn what_waits_in_the_system_arrives_behind_a_close() {
    let authority = Authority::new("A");
    let listener = listen(&authority.sign(|_| ()), Keep::All);
    let arrays = [array("<f4[300000]")];
    for waits in [true, false] {
        let channel = connect(&listener, &authority.trusted()).unwrap();
        let peer = listener.accept(SOON, &mut unwatched).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(300));
                for _ in 0..4 {
                    same(&peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap(), &arrays);
                    thread::sleep(Duration::from_millis(100));
                }
                assert!(peer.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
            });
            for _ in 0..4 {
                send(&channel, &arrays[0], "a");
            }
            if waits {
                channel.close(&mut unwatched).unwrap();
            }
            drop(channel);
        });
    }
}
