//! Readers and writers of zlib and gzip streams, and files that are such streams.

use crate::deflate::{BOTH, compress, sample};
use crate::{array, checked_files, encode};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{
    Checks, ChecksumState, Container, DecodeOptions, Decoded, Dest, Error, ErrorKind, Level,
    Limits, Result, gzip, io, zlib,
};
use std::io::{Read, Write};

/// Moves at most `step` bytes at a time, with an interruption now and then.
struct Choppy<T> {
    inner: T,
    step: usize,
    calls: usize,
}

impl<T> Choppy<T> {
    fn new(inner: T, step: usize) -> Self {
        Self { inner, step, calls: 0 }
    }

    fn turn(&mut self) -> std::io::Result<()> {
        self.calls += 1;
        match self.calls % 3 {
            0 => Err(std::io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl<T: Read> Read for Choppy<T> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.turn()?;
        let n = space.len().min(self.step);
        self.inner.read(&mut space[..n])
    }
}

impl<T: Write> Write for Choppy<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.turn()?;
        self.inner.write(&bytes[..bytes.len().min(self.step)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[test]
fn any_writer_and_reader_will_do() {
    for container in BOTH {
        for (len, step) in [(0, 1), (1, 1), (70_000, 1), (70_000, 1000), (3 << 20, 1 << 20)] {
            let bytes = sample(len);
            let mut writer =
                io::Compressor::new(Choppy::new(Vec::new(), step), container, Level::default());
            for piece in bytes.chunks(step.max(100)) {
                writer.write_all(piece).unwrap();
            }
            let stream = writer.finish().unwrap().inner;
            let mut back = Vec::new();
            let reader = Choppy::new(&stream[..], step);
            io::Decompressor::new(reader, container).read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{container} {len} {step}");
        }
    }
}

#[test]
fn a_flush_reaches_the_reader_and_a_drop_cuts() {
    for container in BOTH {
        let mut writer = io::Compressor::new(Vec::new(), container, Level::default());
        let bytes = sample(100_000);
        for n in [1, 99_999, 0] {
            writer.write_all(&bytes[..n]).unwrap();
            writer.flush().unwrap();
        }
        let mut reader = io::Decompressor::new(&writer.get_ref()[..], container);
        let mut back = vec![0; 100_000];
        reader.read_exact(&mut back).unwrap();
        assert!(back[0] == bytes[0] && back[1..] == bytes[..99_999]);
        let end = writer.get_ref().len() as u64;
        let error = Error::from(reader.read(&mut back).unwrap_err());
        assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(end)));
        // It stays.
        let again = Error::from(reader.read(&mut back).unwrap_err());
        assert_eq!(again.to_string(), error.to_string());
        assert_eq!(reader.failure().map(ToString::to_string), Some(error.to_string()));
    }
}

/// A writer that takes some bytes and then no more: it fails, or takes none.
struct Full {
    room: usize,
    fails: bool,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = bytes.len().min(self.room);
        self.room -= n;
        if n == 0 && self.fails { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(n) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn errors_of_the_writer_come_through() {
    let bytes = sample(100_000);
    let size = compress(Container::Zlib, &bytes, Level::default()).len();
    for (room, fails) in [(0, true), (1, true), (1000, false), (size - 1, true), (size - 1, false)]
    {
        let mut writer = zlib::writer(Full { room, fails }, Level::default());
        let error = match writer.write_all(&bytes) {
            Ok(()) => writer.finish().err().unwrap(),
            Err(error) => error.into(),
        };
        let kind = error.io_error().map(std::io::Error::kind);
        let expected =
            if fails { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::WriteZero };
        assert_eq!(kind, Some(expected));
    }
    let mut writer = zlib::writer(Full { room: size, fails: true }, Level::default());
    writer.write_all(&bytes).unwrap();
    writer.finish().unwrap();
}

/// A file that somebody appends to while it is read.
struct Growing<'a>(std::vec::IntoIter<&'a [u8]>);

impl Read for Growing<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.0.next().unwrap_or_default().read(space)
    }
}

#[test]
fn a_cut_stream_stays_cut() {
    let stream = zlib::compress(&sample(500), Level::default()).unwrap();
    let (front, back) = stream.split_at(100);
    let mut reader = zlib::reader(Growing(vec![front, b"", back].into_iter()));
    let mut out = Vec::new();
    let error = Error::from(reader.read_to_end(&mut out).unwrap_err());
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(100)));
    let again = Error::from(reader.read_to_end(&mut out).unwrap_err());
    assert_eq!(again.to_string(), error.to_string());
}

#[test]
fn what_follows_a_stream_is_refused_or_given_back() {
    for (container, rest) in [(Container::Zlib, &b"\0rest"[..]), (Container::Gzip, b"rest")] {
        let bytes = sample(5000);
        let stream = compress(container, &bytes, Level::default());
        let long = [&stream[..], rest].concat();
        for step in [1, 3, 1 << 20] {
            let mut back = Vec::new();
            let mut reader = io::Decompressor::new(Choppy::new(&long[..], step), container);
            let error = Error::from(reader.read_to_end(&mut back).unwrap_err());
            assert_eq!(error.kind(), &ErrorKind::Malformed);
            assert_eq!(error.offset(), Some(stream.len() as u64));
            assert_eq!(back, bytes);

            let reader = io::Decompressor::new(Choppy::new(&long[..], step), container);
            let (mut reader, mut back) = (reader.allow_trailing(), Vec::new());
            reader.read_to_end(&mut back).unwrap();
            assert_eq!(reader.total_in(), stream.len() as u64);
            assert_eq!(back, bytes);
            let (mut inner, mut after) = reader.into_parts();
            inner.read_to_end(&mut after).unwrap();
            assert_eq!(after, rest);
        }
    }
}

/// A reader that counts what is asked of it.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(space)?;
        self.1 += n as u64;
        Ok(n)
    }
}

fn read_whole(bytes: &[u8], checks: Checks) -> Result<Decoded> {
    let input_len = Some(bytes.len() as u64);
    let options = DecodeOptions { checks, input_len, ..Default::default() };
    io::read_whole(bytes, options, |_| Ok(Dest::Owned), &mut io::unwatched)
}

#[test]
fn a_compressed_file_reads_as_what_it_holds() {
    let bare = EncodeOptions::bare();
    for container in BOTH {
        for (spec, seal) in
            [("<f8[3,4]", false), ("<f8[]", false), ("|u1[0]", true), ("<i2[70000]", true)]
        {
            let array = array(spec);
            let options = if seal { EncodeOptions::checked() } else { bare.clone() };
            let plain = encode(&array, &options);
            let stream = compress(container, &plain, Level::default());
            for checks in [Checks::Optional, Checks::Required] {
                let read = read_whole(&stream, checks).unwrap();
                assert_eq!(read.state, ChecksumState::Verified, "{spec}");
                assert_eq!(read.array.unwrap().data(), array.data());
            }
            let read = read_whole(&stream, Checks::Ignored).unwrap();
            assert_eq!(read.state, ChecksumState::Unchecked);
            assert_eq!(read.array.unwrap().data(), array.data());
            // Not compressed, it is as before.
            let state = if seal { ChecksumState::Verified } else { ChecksumState::Unchecked };
            assert_eq!(read_whole(&plain, Checks::Optional).unwrap().state, state);
            assert_eq!(read_whole(&plain, Checks::Required).is_ok(), seal);
        }
    }
}

#[test]
fn damage_to_a_compressed_file_is_never_read() {
    for (what, _, plain) in checked_files().into_iter().take(3) {
        let bare = encode(&array("<u2[40]"), &EncodeOptions::bare());
        for (container, plain) in
            [(BOTH[0], &plain), (BOTH[1], &plain), (BOTH[0], &bare), (BOTH[1], &bare)]
        {
            let stream = compress(container, plain, Level::default());
            let whole = read_whole(&stream, Checks::Optional).unwrap().array.unwrap();
            // One byte alone is not known to begin a stream.
            for n in (0..stream.len()).filter(|n| *n != 1) {
                let error = read_whole(&stream[..n], Checks::Optional).unwrap_err();
                let kind = error.kind();
                assert_eq!(kind, &ErrorKind::Truncated, "{what} {n}: {error}");
                assert_eq!(error.offset(), Some(n as u64));
                assert!(!error.message().starts_with("inside"), "{error}");
            }
            for bit in 0..stream.len() * 8 {
                let mut damaged = stream.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                if let Ok(read) = read_whole(&damaged, Checks::Optional) {
                    assert_eq!(read.state, ChecksumState::Verified);
                    assert_eq!(read.array.unwrap().data(), whole.data(), "{what}: bit {bit}");
                }
            }
            let long = [&stream[..], b"x"].concat();
            let error = read_whole(&long, Checks::Optional).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Malformed);
            assert_eq!(error.offset(), Some(stream.len() as u64));
            let long = [&plain[..], b"x"].concat();
            let stream = compress(container, &long, Level::default());
            let error = read_whole(&stream, Checks::Optional).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Malformed);
            assert_eq!(error.offset(), Some(plain.len() as u64));
            assert!(
                error.message().starts_with(&format!("inside the {container} stream: ")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_bomb_behind_a_small_header_is_not_unpacked() {
    let mut plain = encode(&array("|u1[1000]"), &EncodeOptions::bare());
    plain.resize(64 << 20, 0);
    for container in BOTH {
        let stream = compress(container, &plain, Level::default());
        let mut counted = Counted(&stream[..], 0);
        let error = io::read_whole(
            &mut counted,
            DecodeOptions::default(),
            |_| Ok(Dest::Owned),
            &mut io::unwatched,
        )
        .unwrap_err();
        assert_eq!((error.kind(), error.offset()), (&ErrorKind::Malformed, Some(1128)), "{error}");
        assert!(counted.1 <= 2 + (1 << 15), "{} of {} bytes read", counted.1, stream.len());
    }
}

#[test]
fn files_are_saved_and_loaded_as_streams() {
    let folder = tempfile::tempdir().unwrap();
    let array = array("<f8[1000,7]");
    for container in BOTH {
        let path = folder.path().join(format!("x.npy.{}", container.suffix()));
        for (level, options) in [(0, EncodeOptions::bare()), (9, EncodeOptions::checked())] {
            let mut encoder = Encoder::new(&array.view(), &options).unwrap();
            let level = Level::new(level).unwrap();
            let how = io::SaveOptions::default();
            let mut seen = 0;
            let mut watch = |n| {
                seen = n;
                Ok(())
            };
            io::save_compressed(&path, &mut encoder, container, level, how, &mut watch).unwrap();
            assert_eq!(seen, encode(&array, &options).len() as u64);
            // The flush of the writer adds nothing to the stream.
            let mut stream = io::Compressor::new(Vec::new(), container, level);
            stream.write_all(&encode(&array, &options)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap().len(), stream.finish().unwrap().len());
            let read =
                io::load(&path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched).unwrap();
            assert_eq!(read.state, ChecksumState::Verified);
            assert_eq!(read.array.unwrap().data(), array.data());
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.pop();
        std::fs::write(&path, &bytes).unwrap();
        let error =
            io::load(&path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset()),
            (&ErrorKind::Truncated, Some(bytes.len() as u64))
        );
        assert_eq!(error.path(), Some(path.as_path()));
    }
}

#[test]
fn sniffing_takes_nothing_away() {
    let streams = [
        (b"".to_vec(), None),
        (b"\x1f".to_vec(), None),
        (b"\x78".to_vec(), None),
        (b"\x93NUMPY".to_vec(), None),
        (sample(100_000), None),
        (zlib::compress(&sample(100_000), Level::default()).unwrap(), Some(Container::Zlib)),
        (gzip::compress(&sample(100_000), Level::default()).unwrap(), Some(Container::Gzip)),
    ];
    for (bytes, container) in streams {
        for step in [1, 2, 1 << 20] {
            let mut reader = io::sniff(Choppy::new(&bytes[..], step)).unwrap();
            assert_eq!(reader.container(), container);
            let mut back = Vec::new();
            reader.read_to_end(&mut back).unwrap();
            assert!(back == if container.is_some() { sample(100_000) } else { bytes.clone() });
            // Into spaces of one byte too.
            let mut reader = io::sniff(Choppy::new(&bytes[..], step)).unwrap();
            for byte in back.into_iter().take(100) {
                let mut space = [!byte];
                while reader.read(&mut space).is_err() {}
                assert_eq!(space, [byte]);
            }
        }
    }
    let error = ndbytes::from_slice(&[0x78, 0x9c, 1, 2, 3, 4, 5, 6], &Limits::local()).unwrap_err();
    assert!(error.message().contains("looks like a zlib stream"), "{error}");
}
