//! A message on its way to a file.

use super::place::{Front, Keys, Place, exists, is_taken};
use crate::exit::{Exit, kind_name};
use crate::report::{Report, counted, percent, printable};
use crate::session::Session;
use ndbytes::io::Replacement;
use ndbytes::io::npz::{WriteOptions, Writer, member_name};
use ndbytes::io::stream::{Places, Received};
use ndbytes::raw;
use ndbytes::{
    Array, BlockSums, Decoded, Dest, Encode as _, Error, Format, Header, Order, Result, Spec, Tail,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How it ends where something is missing: cut.
pub(super) const INCOMPLETE: Exit = Exit(5);

/// Takes the arrays of one message, as they come or when all have.
pub(super) struct Arriving<'p> {
    place: &'p Place,
    session: &'p Session,
    peer: String,
    counted: bool,
    /// What has been begun, and why none of it is kept, if none is.
    begun: Option<Begun>,
    refused: Option<Error>,
    /// Where the sink writes to.
    output: Shared,
    sink: Sink<'p>,
}

type Shared = Arc<Mutex<Option<Output>>>;
type Sink<'p> = Box<dyn FnMut(&[u8]) -> Result<()> + Send + 'p>;

/// What is known of a message once its first header has come.
struct Begun {
    path: PathBuf,
    /// The keys of a group.
    keys: Option<Keys>,
    headers: Vec<Header>,
}

impl<'p> Arriving<'p> {
    /// From this peer; `counted` where what comes is to be seen as it is written, and not before.
    pub(super) fn new(place: &'p Place, session: &'p Session, peer: &str, counted: bool) -> Self {
        let output = Shared::default();
        let shared = Arc::clone(&output);
        let sink = Box::new(move |bytes: &[u8]| {
            if counted {
                session.progress.add(bytes.len() as u64);
            }
            lock(&shared).as_mut().map_or(Ok(()), |output| output.push(bytes))
        });
        let (begun, refused) = (None, None);
        let peer = peer.to_owned();
        Self { place, session, peer, counted, begun, refused, output, sink }
    }

    /// Gives the file its name, now that all of it has come; a message that may not have its name was passed over, and its report
    /// says so.
    ///
    /// # Errors
    /// As [`Replacement::commit`], and those of writing.
    pub(super) fn finish(mut self, received: &Received) -> Result<Report> {
        if self.begun.is_none() {
            self.take_all(&received.arrays)?;
        }
        self.commit()
    }

    /// Writes an array of which only a part has come, with a mask of what did.
    ///
    /// # Errors
    /// As [`Arriving::finish`].
    pub(super) fn finish_in_part(mut self, received: &Received, mask: &Array) -> Result<Report> {
        let Some(decoded) = received.arrays.first() else { return self.commit() };
        let name = decoded.header.metadata.name.as_deref().unwrap_or("array");
        let path = self.place.of_group(Some(&format!("{name}.partial")));
        self.open(path, Some(Keys::default()));
        let mut header = decoded.header.clone();
        header.metadata.name = Some("array".to_owned());
        self.take(header.clone(), decoded.array.as_ref())?;
        (header.dtype, header.shape) = (mask.dtype().clone(), mask.shape().to_vec());
        (header.fortran_order, header.metadata.attrs) = (false, None);
        header.metadata.name = Some("mask".to_owned());
        self.take(header, Some(mask))?;
        let mut report = self.commit()?;
        let items = mask.view().contiguous_bytes().unwrap_or_default();
        let came = items.iter().filter(|item| **item != 0).count() as u64;
        let part = percent(came, items.len() as u64);
        report.json["items"] = json!({ "came": came, "of": items.len() });
        report.text.push_str(&format!("; {part} of its items came, the others are zeros"));
        report.exit = report.exit.max(INCOMPLETE);
        Ok(report)
    }

    /// Nothing of it is kept.
    pub(super) fn discard(&mut self) {
        *lock(&self.output) = None;
    }

    /// Takes arrays that are in memory.
    fn take_all(&mut self, arrays: &[Decoded]) -> Result<()> {
        arrays.iter().try_for_each(|one| self.take(one.header.clone(), one.array.as_ref()))
    }

    fn take(&mut self, header: Header, array: Option<&Array>) -> Result<()> {
        let order = if header.fortran_order { Order::F } else { Order::C };
        self.next(header)?;
        let Some(array) = array.filter(|_| self.refused.is_none()) else { return Ok(()) };
        let view = array.view();
        let mut encoder = raw::Encoder::new(&view, order, None)?;
        while let Some(piece) = encoder.next()? {
            (self.sink)(&piece)?;
            self.session.check()?;
        }
        Ok(())
    }

    /// The next array begins: the one before has come whole.
    fn next(&mut self, mut header: Header) -> Result<()> {
        if self.begun.is_none() {
            let attrs = header.metadata.attrs.as_deref();
            let message = header.metadata.message;
            // An array that came by itself may have an attribute of that name for reasons of its own.
            let group = attrs.filter(|_| message.is_some()).and_then(group_of);
            let count = message.map_or(1, |message| message.count);
            let is_group = count > 1 || group.is_some();
            let path = match is_group {
                true => self.place.of_group(group.as_ref().map(|group| group.name.as_str())),
                false => self.place.of_array(header.metadata.name.as_deref()),
            };
            if group.is_some_and(|group| group.is_all) {
                header.metadata.attrs = None;
            }
            self.open(path, is_group.then(Keys::default));
        }
        let started = if self.refused.is_none() { self.start(&header) } else { Ok(()) };
        if let Some(begun) = &mut self.begun {
            begun.headers.push(header);
        }
        started
    }

    /// Begins the file, or notes why not.
    fn open(&mut self, path: PathBuf, keys: Option<Keys>) {
        self.session.progress.begin();
        self.refused = self.place.check_free(&path).err();
        self.begun = Some(Begun { path, keys, headers: Vec::new() });
    }

    /// Begins the next array in the file.
    fn start(&mut self, header: &Header) -> Result<()> {
        let Some(Begun { path, keys, headers }) = &mut self.begun else { return Ok(()) };
        let front = match keys {
            Some(_) => self.place.member_front(header),
            None => self.place.front(header),
        };
        let mut output = lock(&self.output);
        let front = match front {
            Ok(front) => front,
            Err(error) => {
                // What the format has no place for is passed over, and with it its message.
                (self.refused, *output) = (Some(error), None);
                return Ok(());
            }
        };
        if headers.is_empty() {
            *output = match self.place.begin(path) {
                Ok(replacement) => Some(Output::new(replacement, keys.is_some(), path)),
                Err(error) if is_taken(&error) => {
                    self.refused = Some(exists());
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        }
        let key = keys.as_mut().map(|keys| keys.next(header.metadata.name.as_deref()));
        if self.counted {
            self.session.progress.grow(header.nbytes());
        }
        output.as_mut().map_or(Ok(()), |output| output.begin(front, key.as_deref()))
    }

    fn commit(&mut self) -> Result<Report> {
        let output = lock(&self.output).take();
        let Some(begun) = &self.begun else { return Err(Error::argument("no message has come")) };
        let report = report(begun, &self.peer);
        if let Some(output) = output {
            self.session.check()?;
            match output.commit() {
                Ok(()) => {}
                // Another one has taken the name since.
                Err(error) if is_taken(&error) => self.refused = Some(exists()),
                Err(error) => return Err(error),
            }
        }
        Ok(match self.refused.take() {
            Some(error) => passed_over(report, error.context("passed over").in_file(&begun.path)),
            None => report,
        })
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if self.begun.is_some() {
            self.session.progress.rest();
        }
    }
}

impl Places for Arriving<'_> {
    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        self.next(header.clone())?;
        Ok(if self.refused.is_none() { Dest::Sink(&mut *self.sink) } else { Dest::Discard })
    }
}

fn lock(shared: &Mutex<Option<Output>>) -> MutexGuard<'_, Option<Output>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a message calls itself.
struct Group {
    name: String,
    /// Whether that is all that its attributes say.
    is_all: bool,
}

fn group_of(attrs: &str) -> Option<Group> {
    let attrs: Value = serde_json::from_str(attrs).ok()?;
    let attrs = attrs.as_object()?;
    let name = attrs.get("group")?.as_str()?.to_owned();
    Some(Group { name, is_all: attrs.len() == 1 })
}

/// A file that is being written.
struct Output {
    to: To,
    path: PathBuf,
    /// What will stand behind the data of the array that has begun, and the sums of its data.
    tail: Option<(Format, Tail)>,
    sums: BlockSums,
    is_open: bool,
}

enum To {
    File(Replacement),
    Archive(Box<Writer<Replacement>>),
}

impl Output {
    fn new(replacement: Replacement, is_archive: bool, path: &Path) -> Self {
        let to = match is_archive {
            true => To::Archive(Box::new(Writer::new(replacement, WriteOptions::default()))),
            false => To::File(replacement),
        };
        let (path, sums) = (path.to_path_buf(), BlockSums::default());
        Self { to, path, tail: None, sums, is_open: false }
    }

    /// Begins an array, of this key in an archive.
    fn begin(&mut self, front: Front, key: Option<&str>) -> Result<()> {
        self.end()?;
        if let (To::Archive(archive), Some(key)) = (&mut self.to, key) {
            archive.open(&member_name(key)).map_err(|error| error.in_file(&self.path))?;
        }
        self.write(&front.bytes)?;
        (self.tail, self.sums, self.is_open) = (front.tail, BlockSums::default(), true);
        Ok(())
    }

    /// Takes bytes of its data.
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.tail.is_some() {
            self.sums.update(bytes);
        }
        self.write(bytes)
    }

    /// All of the array that was begun has come.
    fn end(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        if let Some((format, mut tail)) = self.tail.take() {
            tail.sums = std::mem::take(&mut self.sums).finish();
            self.write(&tail.encode(format)?)?;
        }
        match &mut self.to {
            To::File(_) => Ok(()),
            To::Archive(archive) => archive.close().map_err(|error| error.in_file(&self.path)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.to {
            To::File(file) => file.write_all(bytes).map_err(Error::from),
            To::Archive(archive) => archive.push(bytes),
        };
        written.map_err(|error| error.in_file(&self.path))
    }

    fn commit(mut self) -> Result<()> {
        self.end()?;
        match self.to {
            To::File(file) => file.commit(),
            To::Archive(archive) => {
                archive.finish().map_err(|error| error.in_file(&self.path))?.commit()
            }
        }
    }
}

fn report(begun: &Begun, peer: &str) -> Report {
    let Begun { path, keys, headers } = begun;
    let spec = |header: &Header| Spec::exact(header.dtype.clone(), &header.shape).to_string();
    let bytes = headers.iter().map(Header::nbytes).fold(0, u64::saturating_add);
    let (shown, size) = (printable(&path.display().to_string()), counted(bytes, "byte"));
    let path = path.display().to_string();
    if let (None, Some(header)) = (keys, headers.first()) {
        let spec = spec(header);
        let json = json!({
            "path": path, "stored": true, "name": header.metadata.name, "spec": spec,
            "data_bytes": bytes, "peer": peer,
        });
        return Report::new(format!("{shown}: {spec}, {size} from {peer}"), json);
    }
    let arrays = headers.iter().map(|header| {
        json!({ "name": header.metadata.name, "spec": spec(header), "data_bytes": header.nbytes() })
    });
    let json = json!({
        "path": path, "stored": true, "arrays": arrays.collect::<Vec<_>>(), "data_bytes": bytes, "peer": peer,
    });
    let arrays = counted(headers.len() as u64, "array");
    Report::new(format!("{shown}: {arrays}, {size} from {peer}"), json)
}

fn passed_over(mut report: Report, error: Error) -> Report {
    report.json["stored"] = false.into();
    report.json["kind"] = kind_name(error.kind()).into();
    report.json["message"] = error.message().into();
    report.failed(error)
}
