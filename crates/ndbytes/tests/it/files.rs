//! Files: replaced whole or not at all, and every way of not being there has its error.

use crate::{array, encode};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{Checks, ChecksumState, DecodeOptions, Dest, Error, ErrorKind, io};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

fn save(path: &Path, spec: &str) -> ndbytes::Result<()> {
    let array = array(spec);
    let mut encoder = Encoder::new(&array.view(), &EncodeOptions::checked())?;
    io::save(path, &mut encoder, io::SaveOptions::durable(true), &mut io::unwatched)
}

fn load(path: &Path) -> ndbytes::Result<ndbytes::Decoded> {
    io::load(path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn an_error_in_the_middle_leaves_the_old_file_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save(&path, "<f8[10]").unwrap();
    let old = fs::read(&path).unwrap();
    let array = array("<f8[500000]");
    let mut encoder = Encoder::new(&array.view(), &EncodeOptions::checked()).unwrap();
    let stop = &mut |done: u64| {
        if done > 1 << 20 { Err(Error::new(ErrorKind::Interrupted, "stopped")) } else { Ok(()) }
    };
    let error = io::save(&path, &mut encoder, io::SaveOptions::default(), stop).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (&ErrorKind::Interrupted, "stopped".into()));
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(names(folder.path()), ["a.npy"]);
}

#[test]
#[cfg(unix)]
fn mode_and_links_are_kept_and_readers_keep_the_old_file() {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a.npy"), folder.path().join("link.npy"));
    save(&path, "<f8[10]").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o600, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.npy", &link).unwrap();
    let old = fs::read(&path).unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    save(&link, "<f8[20]").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(load(&path).unwrap().header.shape, [20]);
    let mut seen = Vec::new();
    reader.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, old);
}

#[test]
fn each_way_of_not_being_readable_has_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.npy");
    let error = load(&missing).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Io);
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(error.path(), Some(&*missing));
    let error = load(folder.path()).unwrap_err();
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::IsADirectory);
    let error = save(folder.path(), "<f8[]").unwrap_err();
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::IsADirectory);
    let nowhere = folder.path().join("no/such/folder/a.npy");
    assert_eq!(
        save(&nowhere, "<f8[]").unwrap_err().io_error().unwrap().kind(),
        std::io::ErrorKind::NotFound
    );
    let short = folder.path().join("short.npy");
    fs::write(&short, &encode(&array("<f8[3]"), &EncodeOptions::bare())[..140]).unwrap();
    let error = load(&short).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(140)));
    assert_eq!(
        error.to_string(),
        format!(
            "{}: shape (3,) of <f8 needs 24 bytes of data, the input has 12 (at byte 140)",
            short.display()
        )
    );
}

#[test]
#[cfg(unix)]
fn devices_are_refused_and_fifos_stream_or_time_out() {
    let error = load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(error.io_error().unwrap().raw_os_error(), Some(19), "ENODEV");
    assert!(error.to_string().contains("a device, not a file"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let error = io::open(&fifo, Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(error.to_string().ends_with("a FIFO that nobody wrote to within 0.05 s"), "{error}");
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || save(&fifo, "<i4[400000]").unwrap()
    });
    let decoded = load(&fifo).unwrap();
    writer.join().unwrap();
    assert_eq!((decoded.state, decoded.header.shape), (ChecksumState::Verified, vec![400_000]));
}

#[test]
fn sealing_and_stripping_keep_the_array_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let bare = encode(&array("<f4[300000]"), &EncodeOptions::bare());
    fs::write(&path, &bare).unwrap();
    let options = io::SaveOptions::default();
    assert!(!io::unseal(&path, options, &mut io::unwatched).unwrap());
    assert!(io::seal(&path, options, &mut io::unwatched).unwrap());
    assert_eq!(fs::read(&path).unwrap(), encode(&array("<f4[300000]"), &EncodeOptions::checked()));
    assert!(!io::seal(&path, options, &mut io::unwatched).unwrap());
    let mut damaged = fs::read(&path).unwrap();
    damaged[128 + (1 << 20)] ^= 1;
    fs::write(&path, &damaged).unwrap();
    for error in [
        io::seal(&path, options, &mut io::unwatched),
        io::unseal(&path, options, &mut io::unwatched),
    ] {
        let range = 128 + (1 << 20)..128 + 1_200_000;
        assert_eq!(error.unwrap_err().kind(), &ErrorKind::Checksum { block: Some(1), range });
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
    damaged[128 + (1 << 20)] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert!(io::unseal(&path, options, &mut io::unwatched).unwrap());
    assert_eq!(fs::read(&path).unwrap(), bare);
}

#[test]
fn a_tail_that_names_the_dtype_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save(&path, "{a:float8_e5m2,b:bfloat16}[3]").unwrap();
    let options = DecodeOptions { checks: Checks::Required, ..Default::default() };
    let decoded = io::load(&path, options, Dest::Owned, &mut io::unwatched).unwrap();
    assert_eq!(decoded.array.unwrap().dtype().to_string(), "{a:float8_e5m2,b:bfloat16}");
    let error = io::unseal(&path, io::SaveOptions::default(), &mut io::unwatched).unwrap_err();
    assert_eq!(
        error.message(),
        "the tail holds the name of the dtype {a:float8_e5m2,b:bfloat16}, which would be lost with it"
    );
}

#[test]
fn inputs_of_unknown_length_are_bounded() {
    let bytes = vec![7u8; 200_000];
    for hint in [None, Some(10), Some(200_000), Some(300_000)] {
        let read = io::read_to_end(&bytes[..], hint, &ndbytes::Limits::local(), &mut io::unwatched)
            .unwrap();
        assert_eq!(read[..], bytes[..]);
    }
    let limits = ndbytes::Limits::local().with_array(100_000);
    for hint in [None, Some(50), Some(200_000)] {
        let error = io::read_to_end(&bytes[..], hint, &limits, &mut io::unwatched).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { name: "array", max: 100_000, .. }));
    }
}

#[test]
fn what_follows_a_tail_is_malformed_however_the_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let checked = encode(&array("<f8[3]"), &EncodeOptions::checked());
    fs::write(&path, [&checked[..], b"x"].concat()).unwrap();
    for checks in [Checks::Required, Checks::Optional] {
        let options = DecodeOptions { checks, ..Default::default() };
        let error = io::load(&path, options, Dest::Owned, &mut io::unwatched).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset()),
            (&ErrorKind::Malformed, Some(checked.len() as u64))
        );
    }
}

/// One flipped bit in a header can make the tail part of the data: such a file is never sealed as it is.
#[test]
fn a_header_that_claims_the_tail_is_not_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut file = encode(&array("|S1[43]"), &EncodeOptions::checked());
    let size = file.iter().position(|&byte| byte == b'S').unwrap() + 1;
    file[size] = b'5';
    assert_eq!(file.len(), 128 + 43 * 5);
    fs::write(&path, &file).unwrap();
    assert_eq!(load(&path).unwrap().state, ChecksumState::Unchecked);
    let error = io::seal(&path, io::SaveOptions::default(), &mut io::unwatched).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Malformed, Some(128 + 43 + 128)));
    assert!(error.to_string().ends_with("restore the file (at byte 299)"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
#[cfg(unix)]
fn a_private_file_is_private_while_it_is_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save(&path, "<f8[3]").unwrap();
    for mode in [0o600, 0o664] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        io::replace(&path, io::SaveOptions::default(), |file| {
            assert_eq!(file.metadata()?.permissions().mode() & 0o077, 0);
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn metadata_without_a_tail_to_hold_it_is_refused() {
    let metadata = ndbytes::Metadata::new(Some("x".into()), None);
    let options = EncodeOptions { metadata, ..EncodeOptions::bare() };
    let error = Encoder::new(&array("<f8[3]").view(), &options).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (
            &ErrorKind::Argument,
            "a name and attributes stand in the checksum tail: write one, or leave them out"
        )
    );
}

#[test]
fn an_exclusive_save_leaves_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let exclusive = io::SaveOptions { exclusive: true, ..Default::default() };
    let save = |path: &Path| io::replace(path, exclusive, |file| Ok(file.write_all(b"new")?));
    save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    let dangling = folder.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &dangling).unwrap();
    for path in [&path, &dangling] {
        let error = save(path).unwrap_err();
        let kind = error.io_error().map(std::io::Error::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::AlreadyExists), "{error}");
    }
    // It may have come while the file was being written.
    let late = folder.path().join("late");
    let error = io::replace(&late, exclusive, |_| Ok(fs::write(&late, b"another's")?)).unwrap_err();
    assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(17));
    assert_eq!(fs::read(&late).unwrap(), b"another's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// A link in the place of a file is refused, and one that comes while the file is written is replaced itself.
#[cfg(unix)]
#[test]
fn a_plain_save_goes_through_no_link() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let (path, outside) = (folder.path().join("a.npy"), folder.path().join("outside"));
    fs::write(&outside, b"mine").unwrap();
    let plain = io::SaveOptions { plain: true, ..Default::default() };
    let save = |path: &Path| io::replace(path, plain, |file| Ok(file.write_all(b"new")?));
    for _ in 0..2 {
        save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
    let (link, nowhere) = (folder.path().join("link"), folder.path().join("nowhere"));
    symlink(&outside, &link).unwrap();
    symlink(folder.path().join("no"), &nowhere).unwrap();
    for path in [&link, &nowhere, &folder.path().to_path_buf()] {
        let error = save(path).unwrap_err();
        let kind = error.io_error().map(std::io::Error::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::AlreadyExists), "{error}");
    }
    let swapped = io::replace(&path, plain, |file| {
        fs::remove_file(&path)?;
        symlink(&outside, &path)?;
        Ok(file.write_all(b"newer")?)
    });
    swapped.unwrap();
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(
        (fs::read(&path).unwrap(), fs::read(&outside).unwrap()),
        (b"newer".to_vec(), b"mine".to_vec())
    );
}

#[test]
fn a_replacement_takes_its_place_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    fs::write(&path, b"old").unwrap();
    let begin = |options| io::Replacement::begin(&path, options);
    let mut dropped = begin(io::SaveOptions::default()).unwrap();
    dropped.file().write_all(b"never").unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(dropped);
    assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"old".to_vec(), 1));
    let mut kept = begin(io::SaveOptions::durable(true)).unwrap();
    kept.file().write_all(b"n").unwrap();
    kept.file().write_all(b"ew").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    kept.commit().unwrap();
    assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"new".to_vec(), 1));
    // One that may replace nothing finds that at once, or when its place was taken meanwhile.
    let exclusive = io::SaveOptions { exclusive: true, ..io::SaveOptions::default() };
    let exists = |error: Error| {
        assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(error.path(), Some(&*path));
    };
    exists(begin(exclusive).unwrap_err());
    fs::remove_file(&path).unwrap();
    let late = begin(exclusive).unwrap();
    fs::write(&path, b"mine").unwrap();
    exists(late.commit().unwrap_err());
    assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"mine".to_vec(), 1));
}
