//! Much data between processes of one machine: what is read out of a sender's pages, and what says that it may be.

use crate::channels::{SOON, options, same};
use ndbytes::frame::{EncodeOptions, Encoder};
use ndbytes::io::channel::{Address, Channel, Keep, Listener};
use ndbytes::io::stream::Owned;
use ndbytes::io::unwatched;
use ndbytes::{Array, ArrayRef, Codec, Encode as _, Layout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

fn listener(keep: Keep) -> (tempfile::TempDir, Listener) {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("socket"));
    let listener = Listener::bind(&address, keep, options()).unwrap();
    (folder, listener)
}

/// Arrays of a few MiB, none of which lies as the one before.
fn arrays(seed: u64) -> [Array; 4] {
    let bytes: Vec<u8> =
        (0..(1u64 << 20) + 3).flat_map(|i| (i * 0x9E37_79B9 + seed).to_le_bytes()).collect();
    let array = |dtype: &str, shape: Vec<usize>, strides: Vec<isize>, offset: usize| {
        let layout = Layout::new(shape, strides, offset).unwrap();
        Array::new(dtype.parse().unwrap(), layout, bytes.clone().into()).unwrap()
    };
    [
        array("<u8", vec![(1 << 20) + 3], vec![8], 0),
        array("<f4", vec![1000, 900], vec![4, 4000], 8),
        array("|u1", vec![7, (1 << 20) - 5], vec![1 << 20, 1], 3),
        array("<i2", vec![3_000_000], vec![-2], 6_000_000),
    ]
}

/// An array in memory that others may write to, or in such that they may not.
fn view(array: &Array, shared: bool) -> ArrayRef<'_> {
    if shared { array.view().shared() } else { array.view() }
}

#[test]
fn arrays_of_any_layout_and_groups_come_as_they_are() {
    for (keep, threads) in [(Keep::All, 1), (Keep::All, 3), (Keep::Last(1000), 2)] {
        let (_folder, listener) = listener(keep);
        let channels: Vec<_> = (0..threads)
            .map(|_| Channel::connect(listener.address(), options(), &mut unwatched).unwrap())
            .collect();
        thread::scope(|scope| {
            for channel in &channels {
                scope.spawn(move || {
                    for seed in 0..6 {
                        let arrays = arrays(seed);
                        let codec = if seed % 3 == 2 { Codec::Fast } else { Codec::None };
                        let how = |name: usize| {
                            let mut options = EncodeOptions { codec, ..Default::default() };
                            options.metadata.name = Some(name.to_string());
                            options
                        };
                        let group: Vec<(ArrayRef<'_>, EncodeOptions)> = arrays
                            .iter()
                            .enumerate()
                            .map(|(i, a)| (view(a, seed % 2 == 0), how(i)))
                            .collect();
                        channel.send(&group, &mut unwatched).unwrap();
                    }
                });
            }
            for _ in 0..6 * threads {
                let received = listener.recv(SOON, &mut unwatched).unwrap();
                same(&received, &arrays(received.message.unwrap().seq));
            }
        });
    }
}

/// The bytes of a message of one item.
fn message() -> Vec<u8> {
    let array = ArrayRef::from_slice(&[7u64], &[]).unwrap();
    let mut encoder = Encoder::new(&array, &EncodeOptions::default()).unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// Sends bytes, and other ends of so many pipes with the first of them; only the peer has those then.
fn give(socket: &UnixStream, bytes: &[u8], count: usize) -> Vec<OwnedFd> {
    let (theirs, ours): (Vec<_>, Vec<_>) =
        (0..count).map(|_| pipe_with(PipeFlags::CLOEXEC).unwrap()).unzip();
    pass(socket, bytes, &theirs);
    ours
}

/// Sends bytes, and descriptors with the first of them.
fn pass(socket: &UnixStream, bytes: &[u8], fds: &[OwnedFd]) {
    let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(40))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(bytes.len()));
}

/// Whether somebody has the other end.
fn is_held(ours: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(ours, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    !fds[0].revents().contains(PollFlags::ERR)
}

#[test]
fn one_descriptor_is_kept_until_the_end_and_others_are_not() {
    let (_folder, listener) = listener(Keep::All);
    let Address::Unix(path) = listener.address() else { panic!() };
    let socket = UnixStream::connect(path).unwrap();
    let channel = listener.accept(SOON, &mut unwatched).unwrap();
    let took = || channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().unwrap();
    // More than one says nothing; the first that comes alone does, and none behind it.
    let none = give(&socket, &message(), 2);
    took();
    assert!(!none.iter().any(is_held));
    let none = give(&socket, &message(), 40);
    took();
    assert!(!none.iter().any(is_held));
    // Nor does anything but the reading end of a pipe: a socket's end would keep this very connection open.
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let end = socket.try_clone().unwrap().into();
    for other in [writing, end, std::fs::File::open("/dev/null").unwrap().into()] {
        pass(&socket, &message(), &[other]);
        took();
    }
    let mut nobody = [PollFd::new(&reading, PollFlags::empty())];
    poll(&mut nobody, Some(&Timespec::default())).unwrap();
    assert!(nobody[0].revents().contains(PollFlags::HUP));
    let first = give(&socket, &message(), 1);
    took();
    for _ in 0..10 {
        let later = give(&socket, &message(), 1);
        took();
        assert!(is_held(&first[0]) && !is_held(&later[0]));
    }
    // Within a message it is not looked for.
    let bytes = message();
    (&socket).write_all(&bytes[..50]).unwrap();
    let within = give(&socket, &bytes[50..], 1);
    took();
    assert!(is_held(&first[0]) && !is_held(&within[0]));
    drop(socket);
    assert!(channel.recv(&mut Owned, SOON, &mut unwatched).unwrap().is_none());
    drop(channel);
    assert!(!is_held(&first[0]));
}
