//! `ndbytes convert`: an array read, and written in another form.

mod extract;
mod output;
mod pack;
mod plan;
mod stream;

use crate::args::{ConvertArgs, EndianArg};
use crate::batch;
use crate::exit::Exit;
use crate::formats::FormatArg;
use crate::input::{self, Loaded};
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use crate::values::cast;
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::raw::{self, Raw};
use ndbytes::{
    ArrayRef, ChecksumState, Codec, DType, Encode, Endian, Error, Level, Metadata, Order, Result,
    Spec, Threads, frame, npy,
};
use plan::{Job, Target};
use serde_json::json;

/// What is done to every array.
struct Change {
    raw: Option<Raw>,
    order: Option<Order>,
    endian: Option<Endian>,
    cast: Option<DType>,
    lossy: bool,
    check: bool,
    level: Level,
    codec: Codec,
    save: SaveOptions,
}

pub(crate) fn run(session: &Session, args: &ConvertArgs) -> Result<Exit> {
    let mut change = Change {
        raw: input::declared(&args.raw)?,
        order: args.order.map(Order::from),
        endian: args.endian.map(Endian::from),
        cast: args.cast.as_deref().map(str::parse).transpose()?,
        lossy: args.lossy,
        check: args.check,
        level: Level::default(),
        codec: Codec::None,
        save: SaveOptions::durable(args.durable),
    };
    let mut sources = Sources::find(&args.files)?;
    if change.raw.is_none() {
        for note in sources.expand(session) {
            session.note(&note);
        }
    }
    if let Some(target) = plan::archive(args)? {
        session.progress.expect(sources.size().saturating_mul(2));
        return match batch::unfound(session, &sources) {
            Exit::OK => pack::run(session, &change, &sources, args, &target),
            exit => Ok(exit), // An archive that lacks some of what was asked for would look whole.
        };
    }
    let plan = plan::plan(&sources, args)?;
    refuse_idle(args, &plan.jobs)?;
    let format = plan.jobs.first().map(|job| job.format);
    match (format, args.level) {
        (Some(FormatArg::Ndb), level) => {
            change.codec = Codec::named(args.codec.as_deref().unwrap_or("auto"), level)?;
        }
        (_, Some(level)) => change.level = Level::new(u32::try_from(level).unwrap_or(u32::MAX))?,
        _ => {}
    }
    session.progress.expect(sources.size().saturating_mul(change.passes(&plan.jobs)));
    plan.make_folders()?;
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &plan.jobs, |job, watch| change.convert(session, job, watch));
    Ok(found.max(done))
}

/// Refuses options that an output has no place for.
fn refuse_idle(args: &ConvertArgs, jobs: &[Job]) -> Result<()> {
    for format in jobs.iter().map(|job| job.format) {
        if args.check && format == FormatArg::Raw {
            let message = "--check needs .npy output; raw bytes have no place for it";
            return Err(Error::argument(message));
        }
        let suffix = format.suffix();
        if args.codec.is_some() && format != FormatArg::Ndb {
            let message = format!("--codec is for .ndb output (--to ndb); .{suffix} has none");
            return Err(Error::argument(message));
        }
        if args.level.is_some() && format.container().is_none() && format != FormatArg::Ndb {
            let message = format!(
                "--level is for .npy.zz, .npy.gz and .ndb output (--to zz, gz or ndb); .{suffix} is not compressed"
            );
            return Err(Error::argument(message));
        }
    }
    Ok(())
}

impl From<EndianArg> for Endian {
    fn from(endian: EndianArg) -> Self {
        match endian {
            EndianArg::Little => Self::Little,
            EndianArg::Big => Self::Big,
        }
    }
}

impl Change {
    fn convert(&self, session: &Session, job: &Job, watch: Watch<'_>) -> Result<Report> {
        if let Some(raw) = &self.raw
            && let Some(stream) = stream::Stream::plan(self, raw, job)?
        {
            let bytes = stream.run(session, self, raw, job, watch)?;
            return Ok(report(job, stream.spec(), bytes, stream.has_tail()));
        }
        let loaded = self.load(session, &job.source, watch)?;
        let view = loaded.array.view();
        let dtype = self.dtype(&view);
        let tail = self.has_tail(job.format, &dtype);
        let mut encoder = self.encoder(job.format, &view, &loaded, tail)?;
        let bytes = output::write(&job.target, job.format, self.level, self.save, |mut out| {
            io::pieces(encoder.as_mut(), &mut out, watch)
        })?;
        let mut report = report(job, &Spec::exact(dtype, view.shape()), bytes, tail);
        report.note = left_behind(&job.source, job.format, &loaded, tail);
        Ok(report)
    }

    /// Reads an array, and casts it where that is asked for.
    fn load(&self, session: &Session, source: &Source, watch: Watch<'_>) -> Result<Loaded> {
        let mut loaded = input::load(session, source, self.raw.as_ref(), watch)?;
        if let Some(dtype) = &self.cast {
            loaded.array = cast(&loaded.array.view(), dtype, self.lossy)
                .map_err(|error| input::named(error, source))?;
        }
        Ok(loaded)
    }

    /// The dtype it is written as.
    fn dtype(&self, view: &ArrayRef<'_>) -> DType {
        match self.endian {
            Some(endian) => view.dtype().with_endian(endian),
            None => view.dtype().clone(),
        }
    }

    /// Whether the array in the output has a checksum tail, which is also where name and attributes have a place.
    fn has_tail(&self, format: FormatArg, dtype: &DType) -> bool {
        match format {
            FormatArg::Npy | FormatArg::Zz | FormatArg::Gz | FormatArg::Npz => {
                self.check || dtype.has_extension()
            }
            FormatArg::Ndb => true,
            FormatArg::Raw => false,
        }
    }

    fn encoder<'a>(
        &self,
        format: FormatArg,
        view: &ArrayRef<'a>,
        loaded: &Loaded,
        tail: bool,
    ) -> Result<Box<dyn Encode<'a> + 'a>> {
        let metadata = if tail { loaded.metadata.clone() } else { Metadata::default() };
        let (order, endian) = (self.order, self.endian);
        Ok(match format {
            FormatArg::Npy | FormatArg::Zz | FormatArg::Gz | FormatArg::Npz => {
                let checksum = self.check;
                let options =
                    npy::EncodeOptions { endian, order, checksum, metadata, ..Default::default() };
                Box::new(npy::Encoder::new(view, &options)?)
            }
            FormatArg::Ndb => {
                let (codec, threads) = (self.codec, Threads::default());
                let options = frame::EncodeOptions {
                    endian,
                    order,
                    metadata,
                    codec,
                    threads,
                    ..Default::default()
                };
                Box::new(frame::Encoder::new(view, &options)?)
            }
            FormatArg::Raw => Box::new(raw::Encoder::new(view, order.unwrap_or(Order::C), endian)?),
        })
    }

    /// How often the bytes of an input move: once where they are copied, else to memory and out again.
    fn passes(&self, jobs: &[Job]) -> u64 {
        let first = self.raw.as_ref().zip(jobs.first());
        let copied = first.map(|(raw, job)| stream::Stream::plan(self, raw, job));
        if matches!(copied, Some(Ok(Some(_)))) { 1 } else { 2 }
    }
}

fn report(job: &Job, spec: &Spec, bytes: u64, tail: bool) -> Report {
    let (input, output, spec) = (job.source.name(), job.target.name(), spec.to_string());
    let container = job.format.container();
    let json = json!({
        "path": job.source.typed(), "output": job.target.typed(), "spec": spec, "bytes": bytes,
        "format": job.format.name(), "compression": container.map(|container| container.to_string()),
        "checksum": tail || container.is_some(),
    });
    let text = match job.target {
        Target::Stdout => String::new(), // The array itself stands there.
        Target::File(_) => format!("{input} -> {output}: {spec}, {}", counted(bytes, "byte")),
    };
    Report::new(text, json)
}

/// What the output does not have and the input had.
fn left_behind(source: &Source, format: FormatArg, loaded: &Loaded, tail: bool) -> Option<String> {
    let input = source.name();
    let labelled = loaded.metadata.name.is_some() || loaded.metadata.attrs.is_some();
    if labelled && !tail {
        let keep = if format == FormatArg::Raw { "" } else { "; --check keeps them" };
        return Some(format!("{input}: its name and attributes are not in the output{keep}"));
    }
    let open = loaded.state == ChecksumState::Open;
    open.then(|| format!("{input}: its checksum was open, so it was not verified"))
}
