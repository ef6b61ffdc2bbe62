//! Files that are large enough for several threads: the same bytes and the same errors as with one.

use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{
    ArrayRef, Copying, DecodeOptions, Dest, Encode, Error, ErrorKind, Layout, Order, Piece, Result,
    Threads, io,
};
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const MIB: usize = 1 << 20;
/// No whole number of blocks, and more than a thread is worth its start for.
const SIZE: usize = 17 * MIB + 4711;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * 7 + (i >> 13)) % 251).unwrap()).collect()
}

fn written(path: &Path, encoder: &mut dyn Encode<'_>, threads: usize) -> Result<Vec<u8>> {
    let file = File::create(path)?;
    io::write_file(encoder, &file, Threads::new(threads), &mut io::unwatched)?;
    Ok(fs::read(path)?)
}

#[test]
fn a_file_is_what_the_pieces_are_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let data = bytes(SIZE);
    let flat = ArrayRef::from_slice(&data, &[SIZE]).unwrap();
    let (rows, columns) = (4099, 4099);
    let layout = Layout::contiguous(&[rows, columns], 1, Order::F).unwrap();
    let turned = ArrayRef::new(flat.dtype().clone(), layout, &data).unwrap();
    let few = ArrayRef::from_slice(&data[..3 * MIB], &[3 * MIB]).unwrap();
    for array in [&flat, &flat.clone().shared(), &turned, &few.clone().shared(), &few] {
        for options in [EncodeOptions::bare(), EncodeOptions::checked()] {
            let options = EncodeOptions { order: Some(Order::C), ..options };
            let encoder = || Encoder::new(array, &options).unwrap();
            let mut expected = vec![0; usize::try_from(encoder().most()).unwrap()];
            let how = Copying { threads: Threads::ONE, ..Default::default() };
            encoder().write_into(&mut expected, how, &mut io::unwatched).unwrap();
            for threads in [1, 2, 4] {
                let found = written(&path, &mut encoder(), threads).unwrap();
                assert!(found == expected, "{threads} threads, {:?}", array.shape());
            }
        }
    }
}

#[test]
fn an_error_on_either_side_of_a_save_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for threads in [1, 2] {
        let stop = |n: u64| if n < 9 << 20 { Ok(()) } else { Err(Error::argument("enough")) };
        // So many that the other thread, which is not asked, cannot write all of them before this one is.
        let mut pieces = Alive::new(200, None);
        let file = File::create(&path).unwrap();
        let error = io::write_file(&mut pieces, &file, Threads::new(threads), &mut { stop });
        assert_eq!(error.unwrap_err().message(), "enough");
        assert!(fs::metadata(&path).unwrap().len() < pieces.most());
        let mut pieces = Alive::new(32, Some(12));
        let error = written(&path, &mut pieces, threads).unwrap_err();
        assert_eq!(error.message(), "no piece 12");
        // Not for writing; with two pieces, both may be made before that is known.
        let file = File::open(&path).unwrap();
        for (pieces, size) in [(32, MIB), (2, 8 * MIB)] {
            let mut pieces = Alive { size, ..Alive::new(pieces, None) };
            let threads = Threads::new(threads);
            let error = io::write_file(&mut pieces, &file, threads, &mut io::unwatched);
            assert_eq!(error.unwrap_err().kind(), &ErrorKind::Io);
        }
    }
}

#[test]
fn pieces_without_bytes_are_no_end() {
    let folder = tempfile::tempdir().unwrap();
    for empty in [1, 4, 5, 9] {
        for threads in [1, 2] {
            let mut pieces = Alive { empty: 4..4 + empty, ..Alive::new(20 + empty, None) };
            let found = written(&folder.path().join("a"), &mut pieces, threads).unwrap();
            let firsts: Vec<_> = found.chunks(MIB).map(|part| usize::from(part[0])).collect();
            assert_eq!(found.len(), 20 * MIB, "{empty} empty, {threads} threads");
            assert_eq!(firsts, (0..4).chain(4 + empty..20 + empty).collect::<Vec<_>>());
        }
    }
}

#[test]
fn each_thread_holds_what_it_writes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    // As many pieces as make 2 MiB, or the rest of one and the front of the next.
    for (size, together) in [(MIB, 2), (2 * MIB, 1), (3 * MIB, 2)] {
        for threads in [1, 2] {
            let mut pieces = Alive { size, ..Alive::new(64, None) };
            let found = written(&folder.path().join("a"), &mut pieces, threads).unwrap();
            assert_eq!(found.len(), 64 * size);
            assert!(
                found.chunks(size).enumerate().all(|(i, part)| usize::from(part[size - 1]) == i)
            );
            assert!(pieces.most <= threads * together, "{} at once", pieces.most);
        }
    }
}

#[test]
fn a_file_is_read_alike_by_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let data = bytes(SIZE);
    let array = ArrayRef::from_slice(&data, &[SIZE]).unwrap();
    let whole =
        written(&path, &mut Encoder::new(&array, &EncodeOptions::checked()).unwrap(), 1).unwrap();
    let read = |dest: Dest<'_>, threads: usize, len: Option<usize>| {
        let input = io::open(&path, io::PATIENCE).unwrap();
        if let Some(len) = len {
            File::options().write(true).open(&path).unwrap().set_len(len as u64).unwrap();
        }
        let (options, threads) = (DecodeOptions::default(), Threads::new(threads));
        let decoded = io::read_file(input, options, |_| Ok(dest), threads, &mut io::unwatched);
        fs::write(&path, &whole).unwrap();
        decoded
    };
    for threads in [1, 2, 5] {
        let found = read(Dest::Owned, threads, None).unwrap();
        assert_eq!(found.state, ndbytes::ChecksumState::Verified);
        assert!(found.array.unwrap().as_slice::<u8>().unwrap() == data);
        let mut memory = vec![1; SIZE];
        read(Dest::Into(&mut memory), threads, None).unwrap();
        assert!(memory == data);
        assert!(read(Dest::Discard, threads, None).is_ok());

        // Cut after it was opened: where the input ends is said exactly, in data and tail.
        for left in [128 + 5 * MIB + 3, 128 + SIZE - 1] {
            let error = read(Dest::Owned, threads, Some(left)).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Truncated);
            assert_eq!(error.offset(), Some(left as u64), "{error}");
            assert!(error.message().ends_with(&format!("the input has {}", left - 128)), "{error}");
        }
        let error = read(Dest::Owned, threads, Some(whole.len() - 1)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Truncated);
    }
    for block in [0, 9, 17] {
        let mut damaged = whole.clone();
        damaged[128 + block * MIB + 99] ^= 1;
        fs::write(&path, &damaged).unwrap();
        for threads in [1, 3] {
            let input = io::open(&path, io::PATIENCE).unwrap();
            let threads = Threads::new(threads);
            let options = DecodeOptions::default();
            let error =
                io::read_file(input, options, |_| Ok(Dest::Owned), threads, &mut io::unwatched);
            let error = error.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Checksum { block: found, .. } if *found == Some(block as u64)),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_watch_ends_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let data = bytes(SIZE);
    let array = ArrayRef::from_slice(&data, &[SIZE]).unwrap();
    written(&path, &mut Encoder::new(&array, &EncodeOptions::bare()).unwrap(), 1).unwrap();
    for threads in [1, 2] {
        let mut seen = 0;
        let input = io::open(&path, io::PATIENCE).unwrap();
        let watch = &mut |n: u64| {
            assert!(n > seen);
            seen = n;
            if n > 9 << 20 { Err(Error::argument("enough")) } else { Ok(()) }
        };
        let options = DecodeOptions::default();
        let error =
            io::read_file(input, options, |_| Ok(Dest::Owned), Threads::new(threads), watch);
        assert_eq!(error.unwrap_err().message(), "enough");
        assert!(seen <= 17 << 20);
    }
}

/// A machine of pieces that knows how many of them are held at once.
struct Alive {
    next: usize,
    pieces: usize,
    size: usize,
    fails_at: Option<usize>,
    /// Which of them have no bytes.
    empty: Range<usize>,
    alive: Arc<AtomicUsize>,
    most: usize,
}

impl Alive {
    fn new(pieces: usize, fails_at: Option<usize>) -> Self {
        Self { next: 0, pieces, size: MIB, fails_at, empty: 0..0, alive: Arc::default(), most: 0 }
    }
}

struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<'a> Encode<'a> for Alive {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        if self.next == self.pieces {
            return Ok(None);
        }
        if self.fails_at == Some(self.next) {
            return Err(Error::argument(format!("no piece {}", self.next)));
        }
        let size = if self.empty.contains(&self.next) { 0 } else { self.size };
        let bytes = vec![u8::try_from(self.next).unwrap(); size];
        self.next += 1;
        self.most = self.most.max(self.alive.fetch_add(1, Ordering::SeqCst) + 1);
        Ok(Some(Piece::Owned(bytes::Bytes::from_owner(Counted(bytes, self.alive.clone())))))
    }

    fn total(&self) -> Option<u64> {
        Some(((self.pieces - self.empty.len()) * self.size) as u64)
    }
}
