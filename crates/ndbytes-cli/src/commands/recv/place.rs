//! Where received arrays go.

use crate::args::RecvArgs;
use crate::exit::kind_name;
use crate::formats::{FormatArg, named_as};
use crate::net::file_stem;
use crate::report::{Report, counted, printable};
use crate::session::Session;
use ndbytes::io::channel::Connection;
use ndbytes::io::stream::Incoming;
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::npy::Version;
use ndbytes::{
    BlockSums, Decoded, Dest, Error, Format, Header, Metadata, Result, Spec, Tail, crc32c, frame,
    npy,
};
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder, and how files are made in it.
pub(super) struct Place {
    folder: PathBuf,
    format: FormatArg,
    check: bool,
    force: bool,
    /// Arrays without a name so far.
    unnamed: AtomicUsize,
}

impl Place {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Io`].
    pub(super) fn new(args: &RecvArgs) -> Result<Self> {
        let folder = &args.output;
        if !folder.is_dir() {
            std::fs::create_dir(folder).map_err(|error| Error::io(error).in_file(folder))?;
        }
        Ok(Self {
            folder: folder.clone(),
            format: args.to,
            check: args.check,
            force: args.force,
            unnamed: AtomicUsize::new(0),
        })
    }

    /// Makes a file of an array. One that may not have its name is passed over, and its report says so.
    ///
    /// # Errors
    /// As [`Incoming::read`] and [`io::replace`]: then the connection is of no use any more.
    pub(super) fn store(
        &self,
        session: &Session,
        incoming: Incoming<'_, Connection>,
        peer: &str,
        watch: Watch<'_>,
    ) -> Result<Report> {
        let header = incoming.header().clone();
        let path = self.path(&header);
        let mut incoming = Some(incoming);
        let front =
            self.check_free(&path).and_then(|()| Front::new(&header, self.format, self.check));
        let refused = match front {
            Err(error) => error,
            Ok(front) => {
                let save = SaveOptions { exclusive: !self.force, plain: true, durable: false };
                let stored = io::replace(&path, save, |file| {
                    if let Some(incoming) = incoming.take() {
                        front.copy(file, incoming, watch)?;
                    }
                    session.check()
                });
                match stored {
                    Ok(()) => return Ok(report(&header, &path, peer)),
                    // Another one has taken the name since.
                    Err(error) if is_taken(&error) => exists(),
                    Err(error) => return Err(error),
                }
            }
        };
        if let Some(unread) = incoming {
            unread.read(Dest::Discard, watch)?;
        }
        Ok(passed_over(report(&header, &path, peer), refused.context("passed over").in_file(path)))
    }

    fn path(&self, header: &Header) -> PathBuf {
        let suffix = self.format.suffix();
        let named = header.metadata.name.as_deref().and_then(|name| {
            // What is called `a.npy` becomes `a.npy`, not `a.npy.npy`.
            let stem = named_as(Path::new(name)).filter(|(_, format)| *format == self.format);
            file_stem(stem.and_then(|(stem, _)| stem.to_str()).unwrap_or(name))
        });
        if let Some(stem) = named {
            return self.folder.join(format!("{stem}.{suffix}"));
        }
        loop {
            let number = self.unnamed.fetch_add(1, Ordering::Relaxed) + 1;
            let path = self.folder.join(format!("array-{number}.{suffix}"));
            if path.symlink_metadata().is_err() {
                return path;
            }
        }
    }

    /// That an array may have this name.
    fn check_free(&self, path: &Path) -> Result<()> {
        match path.symlink_metadata() {
            Err(_) => Ok(()),
            Ok(_) if !self.force => Err(exists()),
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(metadata) if metadata.is_symlink() => {
                Err(Error::argument("a symbolic link, which may lead out of the folder; remove it"))
            }
            Ok(_) => Err(Error::argument("something that is no file has this name; remove it")),
        }
    }
}

fn exists() -> Error {
    Error::io(std::io::ErrorKind::AlreadyExists.into()).context("only --force replaces it")
}

fn is_taken(error: &Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
}

/// What stands before and behind the data in the file.
struct Front {
    bytes: Vec<u8>,
    tail: Option<(Format, Tail)>,
}

impl Front {
    fn new(header: &Header, format: FormatArg, check: bool) -> Result<Self> {
        let Header { dtype, shape, fortran_order, metadata, .. } = header;
        let nbytes = header.nbytes();
        if format == FormatArg::Ndb {
            let (bytes, sum) = frame::encode_header(dtype, shape, *fortran_order, metadata)?;
            let tail = Tail::new(sum, nbytes, Vec::new(), Metadata::default());
            return Ok(Self { bytes, tail: Some((Format::Frame, tail)) });
        }
        let bytes = npy::encode_header(dtype, shape, *fortran_order, None)
            .map_err(|error| Error::argument(format!("{}; --to ndb takes it", error.message())))?;
        let mut metadata = metadata.clone();
        metadata.dtype = dtype.has_extension().then(|| dtype.clone());
        // The file's name is the array's, but attributes and true dtypes have no other place.
        let wanted = check || metadata.dtype.is_some() || metadata.attrs.is_some();
        let tail = wanted.then(|| {
            let tail = Tail::new(crc32c(&bytes), nbytes, Vec::new(), metadata);
            (Format::Npy(Version::V1), tail)
        });
        Ok(Self { bytes, tail })
    }

    /// The data go to the file as they come; only when all sums have held does it get its name.
    fn copy(
        self,
        file: &mut File,
        incoming: Incoming<'_, Connection>,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        file.write_all(&self.bytes)?;
        let mut sums = BlockSums::default();
        let mut sink = |bytes: &[u8]| {
            if self.tail.is_some() {
                sums.update(bytes);
            }
            Ok(file.write_all(bytes)?)
        };
        let decoded = incoming.read(Dest::Sink(&mut sink), watch)?;
        if let Some((format, mut tail)) = self.tail {
            tail.sums = sums.finish();
            file.write_all(&tail.encode(format)?)?;
        }
        Ok(decoded)
    }
}

fn report(header: &Header, path: &Path, peer: &str) -> Report {
    let spec = Spec::exact(header.dtype.clone(), &header.shape).to_string();
    let shown = printable(&path.display().to_string());
    let text = format!("{shown}: {spec}, {} from {peer}", counted(header.nbytes(), "byte"));
    let json = json!({
        "path": path.display().to_string(), "stored": true, "name": header.metadata.name, "spec": spec,
        "data_bytes": header.nbytes(), "peer": peer,
    });
    Report::new(text, json)
}

fn passed_over(mut report: Report, error: Error) -> Report {
    report.json["stored"] = false.into();
    report.json["kind"] = kind_name(error.kind()).into();
    report.json["message"] = error.message().into();
    report.failed(error)
}
