//! Memory handed from one process to another: what both see, what neither can do to the other, what is left of it.

use ndbytes::io::map::Mode;
use ndbytes::io::shm::{Handed, Segment, recv, send};
use ndbytes::{Copying, ErrorKind, LENT_FRONT, Layout, Lent, Limits, Metadata, Order};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which part a process has that this binary is started as.
const PART: &str = "NDBYTES_SHM_PART";

/// This binary again, as another process that runs [`child`] with one end of a connection.
fn peer(part: &str) -> (Child, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shm::child", "--nocapture"])
        .env(PART, part)
        .stdin(OwnedFd::from(there))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (child, here)
}

fn end(mut child: Child, socket: UnixStream) {
    drop(socket);
    assert!(child.wait().unwrap().success());
}

/// The other process; as a test of its own nothing.
#[test]
fn child() {
    let Ok(part) = std::env::var(PART) else { return };
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    match part.as_str() {
        "add" => each(&socket, |handed| handed.segment.bytes_mut().unwrap()[0] += 1),
        "attack" => each(&socket, |handed| attack(&handed.segment)),
        "pass on" => each(&socket, |_| {}),
        "leaks" => leaks(&socket),
        other => panic!("no part {other}"),
    }
}

/// Does something with each array that comes, and hands it back.
fn each(socket: &UnixStream, mut work: impl FnMut(&mut Handed)) {
    while let Some(mut handed) = recv(socket, &Limits::stream()).unwrap() {
        work(&mut handed);
        send(socket, &handed.lent, &handed.segment).unwrap();
    }
}

fn lent(size: usize) -> Lent {
    let layout = Layout::contiguous(&[size], 1, Order::C).unwrap();
    let (dtype, metadata) = ("|u1".parse().unwrap(), Metadata::default());
    Lent { dtype, layout, metadata, size: size as u64, writable: true }
}

#[test]
fn all_who_have_it_see_what_one_of_them_writes() {
    let (child, socket) = peer("add");
    for size in [1, 4096, (64 << 20) + 3] {
        let mut segment = Segment::new(size as u64).unwrap();
        assert_eq!(segment.len(), size);
        for round in 1..=3 {
            send(&socket, &lent(size), &segment).unwrap();
            let back = recv(&socket, &Limits::stream()).unwrap().unwrap();
            assert_eq!((segment.bytes()[0], back.segment.bytes()[0]), (round, round));
        }
        segment.bytes_mut().unwrap()[size - 1] = 77;
        let private = Segment::private(segment.as_fd(), &Limits::local());
        let mut private = private.unwrap();
        private.bytes_mut().unwrap()[size - 1] = 78;
        assert_eq!((segment.bytes()[size - 1], private.bytes()[size - 1]), (77, 78));
    }
    end(child, socket);
}

#[test]
fn an_array_is_the_part_of_the_memory_that_it_was() {
    let (here, there) = UnixStream::pair().unwrap();
    let array = crate::array("<i4[7,5]");
    let mut segment = Segment::new(4096).unwrap();
    for order in [Order::C, Order::F] {
        segment.fill(&array.view(), order, Copying::default()).unwrap();
        let whole = Layout::contiguous(&[7, 5], 4, order).unwrap();
        let [rows, columns] = [(6, 3, -2), (1, 4, 1)];
        let slice = |(start, len, step)| ndbytes::Slice { start, len, step };
        let slices = [slice(rows), slice(columns)];
        let layout = whole.sliced(&slices).unwrap();
        let dtype = array.dtype().clone();
        let metadata = Metadata::new(Some("part".to_owned()), Some("{\"a\":1}".to_owned()));
        let lent = Lent { dtype, layout, metadata, size: 4096, writable: false };
        send(&here, &lent, &segment).unwrap();
        let mut handed = recv(&there, &Limits::stream()).unwrap().unwrap();
        assert_eq!(handed.lent, lent);
        assert!(handed.segment.bytes_mut().is_err());
        let wanted = ndbytes::to_bytes(&array.view().sliced(&slices).unwrap(), Order::C);
        let found = ndbytes::to_bytes(&handed.array().unwrap(), Order::C);
        assert_eq!(found.unwrap(), wanted.unwrap());
    }
    drop(here);
    assert!(recv(&there, &Limits::stream()).unwrap().is_none());
}

/// What a peer may try, once it has the descriptor.
fn attack(segment: &Segment) {
    let fd = segment.as_fd();
    for len in [0, segment.len() as u64 - 1, segment.len() as u64 * 2] {
        assert_eq!(ftruncate(fd, len).unwrap_err(), rustix::io::Errno::PERM);
    }
    assert_eq!(fcntl_add_seals(fd, SealFlags::WRITE).unwrap_err(), rustix::io::Errno::PERM);
    let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let again = File::options().write(true).open(again).unwrap();
    assert_eq!(ftruncate(&again, 0).unwrap_err(), rustix::io::Errno::PERM);
}

#[test]
fn a_peer_that_tries_to_cut_the_memory_cannot() {
    let (child, socket) = peer("attack");
    let mut segment = Segment::new(1 << 20).unwrap();
    segment.bytes_mut().unwrap().fill(5);
    send(&socket, &lent(1 << 20), &segment).unwrap();
    recv(&socket, &Limits::stream()).unwrap().unwrap();
    assert!(segment.bytes().iter().all(|&byte| byte == 5));
    end(child, socket);
}

/// Sends these bytes with these descriptors.
fn sent(mut socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    if fds.is_empty() {
        return socket.write_all(bytes).unwrap();
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(9))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    let n = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
    assert_eq!(n, bytes.len());
}

/// What a receiver says of bytes and descriptors.
fn refused(bytes: &[u8], fds: &[BorrowedFd<'_>]) -> ndbytes::Error {
    let (here, there) = UnixStream::pair().unwrap();
    sent(&here, bytes, fds);
    drop(here);
    recv(&there, &Limits::stream().with_array(1 << 20)).unwrap_err()
}

#[test]
fn memory_that_others_can_cut_is_refused() {
    let bytes = lent(4096).encode().unwrap();
    let sealed = |seals: Option<SealFlags>| {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("peer", flags).unwrap();
        ftruncate(&fd, 4096).unwrap();
        if let Some(seals) = seals {
            fcntl_add_seals(&fd, seals).unwrap();
        }
        fd
    };
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    let (pipe, _other) = std::io::pipe().unwrap();
    for fd in [
        sealed(None),
        sealed(Some(SealFlags::GROW | SealFlags::WRITE)),
        memfd_create("peer", MemfdFlags::CLOEXEC).unwrap(),
        file.into(),
        OwnedFd::from(pipe),
    ] {
        let error = refused(&bytes, &[fd.as_fd()]);
        assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains("it must be a memfd sealed against that"), "{error}");
        assert!(Segment::private(&fd, &Limits::local()).is_err());
    }
    let fd = sealed(Some(SealFlags::SHRINK));
    let (here, there) = UnixStream::pair().unwrap();
    sent(&here, &bytes, &[fd.as_fd()]);
    assert_eq!(recv(&there, &Limits::stream()).unwrap().unwrap().segment.len(), 4096);
    let error = Segment::from_fd(fd, Mode::CopyOnWrite, &Limits::local()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Argument);
}

#[test]
fn anything_but_one_record_with_one_descriptor_is_refused() {
    let segment = Segment::new(4096).unwrap();
    let (fd, good) = (segment.as_fd(), lent(4096).encode().unwrap());
    let malformed = |bytes: &[u8], fds: &[BorrowedFd<'_>], message: &str| {
        let error = refused(bytes, fds);
        assert_eq!(*error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.message().contains(message), "{error}");
    };
    malformed(&good, &[], "a record came with 0 descriptors; it has exactly one");
    malformed(&good, &[fd, fd], "a record came with 2 descriptors");
    malformed(&good, &[fd; 9], "descriptors; it has exactly one");
    malformed(b"another protocol than this", &[fd], "the bytes begin otherwise");
    malformed(&lent(4095).encode().unwrap(), &[fd], "memory of 4095 bytes was announced");
    for len in 1..good.len() {
        let error = refused(&good[..len], &[fd]);
        assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(len as u64)));
    }
    let large = Segment::new((1 << 20) + 1).unwrap();
    let error = refused(&lent(large.len()).encode().unwrap(), &[large.as_fd()]);
    assert!(matches!(error.kind(), ErrorKind::Limit { name: "array", .. }), "{error}");
    let mut long = good;
    long[12..LENT_FRONT].fill(0xff);
    let error = refused(&long, &[fd]);
    assert!(matches!(error.kind(), ErrorKind::Limit { name: "frame header", .. }), "{error}");
}

#[test]
fn a_silent_peer_meets_the_time_out_of_the_socket() {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(*recv(&there, &Limits::stream()).unwrap_err().kind(), ErrorKind::Timeout);
    let segment = Segment::new(4096).unwrap();
    sent(&here, &lent(4096).encode().unwrap()[..30], &[segment.as_fd()]);
    assert_eq!(*recv(&there, &Limits::stream()).unwrap_err().kind(), ErrorKind::Timeout);
    drop(there);
    let error = send(&here, &lent(4096), &segment).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Peer);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Bytes of memory that this process has, as its own and as shared.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// In a process of its own, since others open and close descriptors beside it.
fn leaks(main: &UnixStream) {
    let peers = [peer("pass on"), peer("pass on")];
    let round = || {
        let size = 1 << 20;
        let mut segment = Segment::new(size as u64).unwrap();
        segment.bytes_mut().unwrap().fill(1);
        for (_, socket) in &peers {
            send(socket, &lent(size), &segment).unwrap();
            segment = recv(socket, &Limits::stream()).unwrap().unwrap().segment;
        }
        assert_eq!(segment.bytes()[size - 1], 1);
        refused(b"another protocol than this", &[segment.as_fd(), segment.as_fd()]);
    };
    round();
    let before = (descriptors(), resident());
    (0..500).for_each(|_| round());
    assert_eq!(descriptors(), before.0);
    assert!(resident() < before.1 + (8 << 20), "{} after {}", resident(), before.1);
    let sizes = peers
        .each_ref()
        .map(|(child, _)| std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count());
    assert!(sizes.iter().all(|&count| count <= before.0), "{sizes:?} of {}", before.0);
    for (child, socket) in peers {
        end(child, socket);
    }
    let mut main = main;
    main.write_all(b"w").unwrap();
}

#[test]
fn a_thousand_hand_overs_between_three_processes_leave_nothing() {
    let (child, mut socket) = peer("leaks");
    let mut word = [0];
    socket.read_exact(&mut word).unwrap();
    assert_eq!(word, *b"w");
    end(child, socket);
}

/// Bytes of shared memory in the whole system.
fn shared_memory() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("Shmem:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn memory_goes_with_its_last_holder_however_that_ends() {
    let size = 256 << 20;
    let (mut child, socket) = peer("pass on");
    let mut segment = Segment::new(size as u64).unwrap();
    segment.bytes_mut().unwrap().fill(1);
    send(&socket, &lent(size), &segment).unwrap();
    // It has it now, and hands it back, which is never received.
    let mut byte = [0];
    let flags = rustix::net::RecvFlags::PEEK;
    rustix::net::recv(&socket, &mut byte, flags).unwrap();
    let before = shared_memory();
    drop(segment);
    assert!(shared_memory() + size / 2 > before, "the child has it, and what is under way");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shared_memory() + size / 2 > before, "what is under way");
    drop(socket);
    let deadline = Instant::now() + Duration::from_secs(5);
    while shared_memory() + size / 2 > before {
        assert!(Instant::now() < deadline, "{} of {before}", shared_memory());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `cargo test --release … -- --ignored --nocapture gibibyte` prints how long it takes.
#[test]
#[ignore = "a measurement"]
fn a_gibibyte_is_handed_over() {
    let (child, socket) = peer("add");
    let size = 1 << 30;
    let mut segment = Segment::new(size as u64).unwrap();
    segment.bytes_mut().unwrap().fill(1);
    let mut times: Vec<_> = (0..201)
        .map(|_| {
            let start = Instant::now();
            send(&socket, &lent(size), &segment).unwrap();
            let back = recv(&socket, &Limits::stream()).unwrap().unwrap();
            let time = start.elapsed();
            drop(back);
            time
        })
        .collect();
    times.sort();
    eprintln!("1 GiB to another process and back: median {:?}, least {:?}", times[100], times[0]);
    end(child, socket);
}
