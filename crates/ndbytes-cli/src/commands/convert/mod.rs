//! `ndbytes convert`: an array read, and written in another form.

mod plan;
mod stream;

use crate::args::{ConvertArgs, EndianArg, FormatArg};
use crate::batch;
use crate::exit::Exit;
use crate::input::{self, Loaded};
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::Sources;
use crate::values::cast;
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::raw::{self, Raw};
use ndbytes::{ChecksumState, DType, Encode, Endian, Error, Order, Result, Spec};
use plan::{Job, Target};
use serde_json::json;
use std::fs::File;

/// What is done to every array.
struct Change {
    raw: Option<Raw>,
    order: Option<Order>,
    endian: Option<Endian>,
    cast: Option<DType>,
    lossy: bool,
    check: bool,
    save: SaveOptions,
}

pub(crate) fn run(session: &Session, args: &ConvertArgs) -> Result<Exit> {
    let change = Change {
        raw: input::declared(&args.raw)?,
        order: args.order.map(Order::from),
        endian: args.endian.map(Endian::from),
        cast: args.cast.as_deref().map(str::parse).transpose()?,
        lossy: args.lossy,
        check: args.check,
        save: SaveOptions::durable(args.durable),
    };
    let sources = Sources::find(&args.files)?;
    let plan = plan::plan(&sources, args)?;
    if change.check && plan.jobs.iter().any(|job| job.format == FormatArg::Raw) {
        return Err(Error::argument("--check needs .npy output; raw bytes have no place for it"));
    }
    session.progress.expect(sources.size().saturating_mul(change.passes(&plan.jobs)));
    plan.make_folder()?;
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &plan.jobs, |job, watch| change.convert(session, job, watch));
    Ok(found.max(done))
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
        match &self.raw {
            None => input::refuse_headerless(&job.source)?,
            Some(raw) => {
                if let Some(stream) = stream::Stream::plan(self, raw, job)? {
                    let bytes = stream.run(session, self, raw, job, watch)?;
                    return Ok(report(job, stream.spec(), bytes, stream.is_checked()));
                }
            }
        }
        let mut loaded = input::load(session, &job.source, self.raw.as_ref(), watch)?;
        if let Some(dtype) = &self.cast {
            loaded.array = cast(&loaded.array.view(), dtype, self.lossy)
                .map_err(|error| input::named(error, &job.source))?;
        }
        let view = loaded.array.view();
        let mut encoder: Box<dyn Encode<'_> + '_> = match job.format {
            FormatArg::Npy => Box::new(Encoder::new(&view, &self.options(&loaded))?),
            FormatArg::Raw => {
                let order = self.order.unwrap_or(Order::C);
                Box::new(raw::Encoder::new(&view, order, self.endian)?)
            }
        };
        let bytes = encoder.total();
        match &job.target {
            Target::Stdout => io::write(encoder.as_mut(), stdout()?, watch)
                .map_err(|error| error.in_file("standard output"))?,
            Target::File(path) => io::save(path, encoder.as_mut(), self.save, watch)?,
        }
        let dtype = match self.endian {
            Some(endian) => loaded.array.dtype().with_endian(endian),
            None => loaded.array.dtype().clone(),
        };
        let checked = job.format == FormatArg::Npy && (self.check || dtype.has_extension());
        let spec = Spec::exact(dtype, loaded.array.shape());
        let mut report = report(job, &spec, bytes, checked);
        report.note = left_behind(job, &loaded, checked);
        Ok(report)
    }

    /// How often the bytes of an input move: once where they are copied, else to memory and out again.
    fn passes(&self, jobs: &[Job]) -> u64 {
        let first = self.raw.as_ref().zip(jobs.first());
        let copied = first.map(|(raw, job)| stream::Stream::plan(self, raw, job));
        if matches!(copied, Some(Ok(Some(_)))) { 1 } else { 2 }
    }

    fn options(&self, loaded: &Loaded) -> EncodeOptions {
        let mut options = EncodeOptions::bare();
        options.order = self.order;
        options.endian = self.endian;
        options.checksum = self.check;
        if self.check || loaded.array.dtype().has_extension() {
            options.metadata = loaded.metadata.clone();
        }
        options
    }
}

fn report(job: &Job, spec: &Spec, bytes: u64, checked: bool) -> Report {
    let (input, output, spec) = (job.source.name(), job.target.name(), spec.to_string());
    let json = json!({
        "path": job.source.typed(), "output": job.target.typed(), "spec": spec, "bytes": bytes,
        "format": if job.format == FormatArg::Npy { "npy" } else { "raw" }, "checksum": checked,
    });
    let text = match job.target {
        Target::Stdout => String::new(), // The array itself stands there.
        Target::File(_) => format!("{input} -> {output}: {spec}, {}", counted(bytes, "byte")),
    };
    Report::new(text, json)
}

/// What the output does not have and the input had.
fn left_behind(job: &Job, loaded: &Loaded, checked: bool) -> Option<String> {
    let input = job.source.name();
    let labelled = loaded.metadata.name.is_some() || loaded.metadata.attrs.is_some();
    if labelled && !checked {
        let keep = if job.format == FormatArg::Npy { "; --check keeps them" } else { "" };
        return Some(format!("{input}: its name and attributes are not in the output{keep}"));
    }
    let open = loaded.state == ChecksumState::Open;
    open.then(|| format!("{input}: its checksum was open, so it was not verified"))
}

/// Standard output without a buffer that looks for lines.
#[cfg(unix)]
fn stdout() -> Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn stdout() -> Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(std::io::stdout().as_handle().try_clone_to_owned()?))
}
