//! Over a connection, in small memory.

use super::Sending;
use super::job::{Job, Sent};
use crate::exit::Exit;
use crate::input;
use crate::report::{Report, counted};
use ndbytes::io::channel::{Address, Connection, TlsOptions, wait_for_close};
use ndbytes::io::stream::{Sender, StreamOptions};
use ndbytes::io::{Peeked, Watch};
use ndbytes::{
    BlockSums, ChecksumState, Dest, Error, ErrorKind, Format, Metadata, Result, Tail, frame, npy,
};

pub(super) fn send(
    sending: &Sending<'_>,
    address: &Address,
    tls: &TlsOptions,
    npy: bool,
) -> Result<Exit> {
    let Sending { session, timeout, .. } = *sending;
    let options = StreamOptions { npy, timeout: Some(timeout), ..StreamOptions::default() };
    let connection = Connection::open_with(address, tls, timeout, &mut |_| session.check())?;
    let mut sender = Sender::over(connection)?.with(options);
    let sent = match sending.is_group {
        true => group(sending, &mut sender),
        false => one_by_one(sending, &mut sender),
    };
    let exit = match sent {
        Ok(exit) if sender.is_broken() => exit,
        Ok(exit) if session.is_over() => {
            // The peer must not take what it has for all.
            sender.into_inner().abort();
            exit
        }
        Ok(exit) => {
            let closed = close(sending, sender.into_inner());
            exit.max(closed.unwrap_or_else(|error| session.fail(&error)))
        }
        // Cut within a message, which says enough, or before anything was sent.
        Err(error) => session.fail(&error),
    };
    sending.tell(None)?;
    Ok(exit)
}

fn one_by_one(sending: &Sending<'_>, sender: &mut Sender<Connection>) -> Result<Exit> {
    let Sending { session, jobs, .. } = *sending;
    let mut exit = Exit::OK;
    for (index, job) in jobs.iter().enumerate() {
        sending.tally.touch();
        let sent = push(job, sender, &mut session.watch()).map_err(|error| job.named(error));
        exit = exit.max(match sent.and_then(|(report, bytes)| sending.report(&report, bytes)) {
            Ok(exit) => exit,
            Err(error) => session.fail(&error),
        });
        if sender.is_broken() {
            // It ends inside an array, which says enough; a reset could take what the peer has not read yet.
            let rest = jobs.len() - index - 1;
            if rest > 0 && !session.is_over() {
                let rest = counted(rest as u64, "more file");
                session.complain(&format!("{rest} not sent: an array was cut off before"));
            }
            break;
        }
        if session.is_over() {
            break;
        }
    }
    Ok(exit)
}

/// All as one message: the first failure cuts it off.
fn group(sending: &Sending<'_>, sender: &mut Sender<Connection>) -> Result<Exit> {
    let Sending { session, jobs, .. } = *sending;
    let mut reports = Vec::new();
    for job in jobs {
        sending.tally.touch();
        let sent = push(job, sender, &mut session.watch());
        reports.push(sent.map_err(|error| job.named(error))?);
    }
    let mut exit = Exit::OK;
    for (report, bytes) in reports {
        exit = exit.max(sending.report(&report, bytes)?);
    }
    Ok(exit)
}

/// Says that this is all, and waits until the peer has read it.
fn close(sending: &Sending<'_>, mut connection: Connection) -> Result<Exit> {
    let Sending { session, timeout, .. } = *sending;
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

/// Sends one array; what is to be said of it, and its bytes.
fn push(job: &Job<'_>, sender: &mut Sender<Connection>, watch: Watch<'_>) -> Result<(Report, u64)> {
    match input::peek(job.session, job.source)? {
        Some(peeked) if peeked.container.is_none() => stream(job, &peeked, sender, watch),
        // Only their end tells name and true dtype.
        _ => whole(job, sender, watch),
    }
}

fn whole(
    job: &Job<'_>,
    sender: &mut Sender<Connection>,
    watch: Watch<'_>,
) -> Result<(Report, u64)> {
    let loaded = job.load(watch)?;
    let metadata = job.metadata(&loaded.metadata)?;
    let name = metadata.name.clone();
    sender.send_named(&loaded.array.view(), metadata, &mut |_| job.session.check())?;
    Ok((job.report(Sent::of(&loaded, name)), loaded.array.nbytes() as u64))
}

/// Sends a file that already lies as a frame has it, in small memory.
fn stream(
    job: &Job<'_>,
    peeked: &Peeked,
    sender: &mut Sender<Connection>,
    watch: Watch<'_>,
) -> Result<(Report, u64)> {
    let (header, dtype) = (&peeked.header, peeked.dtype());
    let metadata = job.metadata(peeked.metadata())?;
    let one_order = header.layout()?.is_c_contiguous(dtype.itemsize());
    let fortran = header.fortran_order && !one_order;
    let (front, sum) = match job.npy {
        true if dtype.has_extension() => {
            return Err(Error::argument(format!(
                "--npy: a bare .npy cannot say that its dtype is {dtype}"
            )));
        }
        true => (npy::encode_header(dtype, &header.shape, fortran, None)?, 0),
        false => frame::encode_header(dtype, &header.shape, fortran, &metadata)?,
    };
    let mut outgoing = sender.outgoing()?;
    let check = &mut |_| job.session.check();
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
    let read = input::read(job.session, job.source, Dest::Sink(&mut sink), watch)?.decoded;
    let same = read.header.dtype == *dtype
        && read.header.shape == header.shape
        && read.header.fortran_order == header.fortran_order
        && read.metadata == *peeked.metadata();
    if !same {
        return Err(Error::mismatch("the file was changed while it was read"));
    }
    outgoing.push(&end, check)?;
    if !job.npy {
        let tail = Tail::new(sum, header.nbytes(), sums.finish(), Metadata::default());
        outgoing.push(&tail.encode(Format::Frame)?, check)?;
    }
    outgoing.finish(check)?;
    let (name, shape, bytes) = (metadata.name, &header.shape, header.nbytes());
    let open = read.state == ChecksumState::Open;
    Ok((job.report(Sent { name, dtype, shape, bytes, open }), bytes))
}
