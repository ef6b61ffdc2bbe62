//! `ndbytes send`: files read and sent at the same time.

use crate::args::{Files, SendArgs};
use crate::batch;
use crate::exit::Exit;
use crate::formats::named_as;
use crate::input;
use crate::net;
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::channel::{Address, Connection, wait_for_close};
use ndbytes::io::stream::Sender;
use ndbytes::io::{Peeked, Watch};
use ndbytes::{
    BlockSums, ChecksumState, DType, Dest, Error, ErrorKind, Format, Metadata, Result, Spec, Tail,
    frame, npy,
};
use serde_json::json;
use std::time::Duration;

pub(crate) fn run(session: &Session, args: &SendArgs) -> Result<Exit> {
    let address: Address = args.address.parse()?;
    if matches!(address, Address::Tcp { port: 0, .. } | Address::Udp { port: 0, .. }) {
        let text = &args.address;
        let message =
            format!("{text:?}: port 0 is for listeners; `ndbytes recv` prints the port it got");
        return Err(Error::argument(message));
    }
    let (options, timeout) = net::options(&args.wire)?;
    let files = Files { files: args.files.clone(), recursive: false, jobs: 1 };
    let mut sources = Sources::find(&files)?;
    session.progress.expect(sources.size());
    for note in sources.expand(session) {
        session.note(&note);
    }
    let mut exit = batch::unfound(session, &sources);
    let connection = Connection::open(&address, timeout, &mut |_| session.check())?;
    let mut sender = Sender::over(connection)?.with(options);
    for (index, source) in sources.found.iter().enumerate() {
        let job = Job { session, source, npy: args.wire.npy };
        let sent = job.send(&mut sender, &mut session.watch());
        let said = sent.map_err(|error| input::named(error, source));
        exit = exit.max(match said.and_then(|report| session.report(&report)) {
            Ok(exit) => exit,
            Err(error) => session.fail(&error),
        });
        if sender.is_broken() {
            // It ends inside an array, which says enough; a reset could take what the peer has not read yet.
            let rest = sources.found.len() - index - 1;
            if rest > 0 && !session.is_over() {
                let rest = counted(rest as u64, "more file");
                session.complain(&format!("{rest} not sent: an array was cut off before"));
            }
            return Ok(exit);
        }
        if session.is_over() {
            // The peer must not take what it has for all.
            sender.into_inner().abort();
            return Ok(exit);
        }
    }
    let closed = close(session, sender.into_inner(), timeout);
    Ok(exit.max(closed.unwrap_or_else(|error| session.fail(&error))))
}

/// Says that this is all, and waits until the peer has read it.
fn close(session: &Session, mut connection: Connection, timeout: Duration) -> Result<Exit> {
    let closed = connection
        .finish()
        .and_then(|()| wait_for_close(&mut connection, timeout, &mut |_| session.check()));
    let closed = closed.map_err(|error| match error.kind() {
        ErrorKind::Peer => {
            error.context("the receiver broke the connection off, and has not taken everything")
        }
        _ => error,
    })?;
    if closed {
        return Ok(Exit::OK);
    }
    let seconds = timeout.as_secs_f32();
    Err(Error::new(
        ErrorKind::Timeout,
        format!(
            "sent, but the receiver has not closed the connection in {seconds} s: whether it has everything is not known"
        ),
    ))
}

/// One array to send.
struct Job<'s> {
    session: &'s Session,
    source: &'s Source,
    npy: bool,
}

impl Job<'_> {
    fn send(&self, sender: &mut Sender<Connection>, watch: Watch<'_>) -> Result<Report> {
        match input::peek(self.session, self.source)? {
            Some(peeked) if peeked.container.is_none() => self.stream(&peeked, sender, watch),
            // Only their end tells name and true dtype.
            _ => self.load(sender, watch),
        }
    }

    fn load(&self, sender: &mut Sender<Connection>, watch: Watch<'_>) -> Result<Report> {
        let loaded = input::load(self.session, self.source, None, watch)?;
        let metadata = self.metadata(&loaded.metadata);
        let name = metadata.name.clone();
        let view = loaded.array.view();
        sender.send_named(&view, metadata, &mut |_| self.session.check())?;
        let open = loaded.state == ChecksumState::Open;
        Ok(self.report(name, view.dtype(), view.shape(), view.nbytes() as u64, open))
    }

    /// Sends a file that already lies as a frame has it, in small memory.
    fn stream(
        &self,
        peeked: &Peeked,
        sender: &mut Sender<Connection>,
        watch: Watch<'_>,
    ) -> Result<Report> {
        let (header, dtype) = (&peeked.header, peeked.dtype());
        let metadata = self.metadata(peeked.metadata());
        let one_order = header.layout()?.is_c_contiguous(dtype.itemsize());
        let fortran = header.fortran_order && !one_order;
        let (front, sum) = match self.npy {
            true if dtype.has_extension() => {
                return Err(Error::argument(format!(
                    "--npy: a bare .npy cannot say that its dtype is {dtype}"
                )));
            }
            true => (npy::encode_header(dtype, &header.shape, fortran, None)?, 0),
            false => frame::encode_header(dtype, &header.shape, fortran, &metadata)?,
        };
        let mut outgoing = sender.outgoing()?;
        let check = &mut |_| self.session.check();
        outgoing.push(&front, check)?;
        let (mut sums, mut left) = (BlockSums::default(), header.nbytes());
        // The end of the data waits until the file's sums have held: a bare .npy has no tail that could be missing.
        let mut end = Vec::new();
        let mut sink = |bytes: &[u8]| {
            sums.update(bytes);
            left = left.saturating_sub(bytes.len() as u64);
            let is_last = left == 0 && !bytes.is_empty();
            let (most, last) = bytes.split_at(bytes.len() - usize::from(is_last));
            end.extend_from_slice(last);
            outgoing.push(most, check)
        };
        let read = input::read(self.session, self.source, Dest::Sink(&mut sink), watch)?.decoded;
        let same = read.header.dtype == *dtype
            && read.header.shape == header.shape
            && read.header.fortran_order == header.fortran_order
            && read.metadata == *peeked.metadata();
        if !same {
            return Err(Error::mismatch("the file was changed while it was read"));
        }
        outgoing.push(&end, check)?;
        if !self.npy {
            let tail = Tail::new(sum, header.nbytes(), sums.finish(), Metadata::default());
            outgoing.push(&tail.encode(Format::Frame)?, check)?;
        }
        outgoing.finish(check)?;
        let open = read.state == ChecksumState::Open;
        Ok(self.report(metadata.name, dtype, &header.shape, header.nbytes(), open))
    }

    /// What goes along: a file without a name for its array gives its own.
    fn metadata(&self, own: &Metadata) -> Metadata {
        if self.npy {
            return Metadata::default();
        }
        let file = match self.source {
            Source::File(path) => named_as(path)
                .map(|(stem, _)| stem)
                .or_else(|| path.file_name())
                .map(|name| name.to_string_lossy().into_owned()),
            Source::Member(_, name) => Some(name.clone()),
            Source::Stdin => None,
        };
        Metadata::new(own.name.clone().or(file), own.attrs.clone())
    }

    fn report(
        &self,
        name: Option<String>,
        dtype: &DType,
        shape: &[usize],
        bytes: u64,
        open: bool,
    ) -> Report {
        let spec = Spec::exact(dtype.clone(), shape).to_string();
        let source = self.source.name();
        let text = format!("{source}: {spec}, {} sent", counted(bytes, "byte"));
        let json = json!({
            "path": self.source.typed(), "name": name, "spec": spec, "data_bytes": bytes,
        });
        let mut report = Report::new(text, json);
        if open {
            report.note = Some(format!("{source}: its checksum was open, so it was not verified"));
        }
        report
    }
}
