//! `ndbytes info`: what is in a file, without summing it.

use crate::args::InfoArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input::{self, Reader};
use crate::names::{descr, described, name, shape};
use crate::report::{Report, counted, grouped, printable};
use crate::session::Session;
use crate::sources::{Source, Sources};
use crate::values::{Stats, stats};
use ndbytes::io::Watch;
use ndbytes::raw::Raw;
use ndbytes::{
    BLOCK, ChecksumState, DType, Decoded, Dest, Error, Format, Header, HeaderDecoder, Limits,
    Metadata, Order, Result, Spec, Tail,
};
use serde_json::{Value, json};
use std::io::{Read, Seek as _, SeekFrom};

pub(crate) fn run(session: &Session, args: &InfoArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let sources = Sources::find(&args.files)?;
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &sources.found, |source, watch| {
        let facts = match &raw {
            _ if args.stats => measured(session, source, raw.as_ref(), watch),
            Some(raw) => declared(session, source, raw, watch),
            None => read(session, source, watch),
        };
        Ok(facts.map_err(|error| input::named(error, source))?.report(source))
    });
    Ok(found.max(done))
}

/// What is known of a file.
struct Facts {
    /// `None` for bytes without a header.
    header: Option<Header>,
    dtype: DType,
    shape: Vec<usize>,
    order: &'static str,
    checksum: Checksum,
    metadata: Metadata,
    /// What was asked for with `--stats`.
    stats: Option<Stats>,
}

#[derive(Debug, Clone, Copy)]
enum Checksum {
    None,
    /// There is a tail, and only its own sum was held against it.
    Present,
    Open,
    Verified,
}

impl Checksum {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Present => "present",
            Self::Open => "open",
            Self::Verified => "verified",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::None => "none ('ndbytes checksum' adds one)",
            Self::Present => "present, not verified here ('ndbytes verify' does)",
            Self::Open => "open: a writer did not finish, so it says nothing",
            Self::Verified => "verified",
        }
    }
}

fn declared(session: &Session, source: &Source, raw: &Raw, watch: Watch<'_>) -> Result<Facts> {
    let reader = input::open(session, source)?;
    let len = match reader.len {
        Some(len) => len,
        None => count(reader, watch)?,
    };
    Ok(Facts {
        header: None,
        dtype: raw.spec.dtype.clone(),
        shape: raw.shape(len)?,
        order: if raw.order == Order::F { "F" } else { "C" },
        checksum: Checksum::None,
        metadata: Metadata::default(),
        stats: None,
    })
}

/// With the statistics of the values, for which all of them are read.
fn measured(
    session: &Session,
    source: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Facts> {
    if let Some(raw) = raw {
        let array = input::load(session, source, Some(raw), watch)?.array;
        return Ok(Facts {
            header: None,
            dtype: array.dtype().clone(),
            shape: array.shape().to_vec(),
            order: if raw.order == Order::F { "F" } else { "C" },
            checksum: Checksum::None,
            metadata: Metadata::default(),
            stats: Some(stats(&array.view())?),
        });
    }
    input::refuse_headerless(source)?;
    let decoded = input::read(session, source, Dest::Owned, watch)?;
    let found = decoded.array.as_ref().map(|array| stats(&array.view())).transpose()?;
    Ok(Facts { stats: found, ..Facts::verified(decoded) })
}

/// Bytes of a stream.
fn count(mut reader: Reader<'_>, watch: Watch<'_>) -> Result<u64> {
    let (mut scratch, mut seen) = (vec![0; 1 << 16], 0);
    loop {
        match reader.read(&mut scratch) {
            Ok(0) => return Ok(seen),
            Ok(n) => seen += n as u64,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        watch(seen)?;
    }
}

fn read(session: &Session, source: &Source, watch: Watch<'_>) -> Result<Facts> {
    input::refuse_headerless(source)?;
    let mut reader = input::open(session, source)?;
    let Some(len) = reader.len else {
        drop(reader);
        return read_through(session, source, watch);
    };
    let mut machine = HeaderDecoder::new(input::options(Some(len)));
    let header = loop {
        let n = reader.read(machine.space())?;
        let header = machine.filled(n).map_err(|error| input::with_guess(error, source, Some(len)));
        if let Some(header) = header? {
            break header;
        }
    };
    machine.body(Dest::Discard)?; // Refuses a file that is too short.
    if len == header.data_end() && header.format != Format::Frame {
        return Ok(Facts::of(header, Checksum::None, Metadata::default()));
    }
    reader.seek(SeekFrom::Start(header.data_end()))?;
    let tail = read_tail(reader, &header)?;
    let checksum = if tail.open { Checksum::Open } else { Checksum::Present };
    let metadata = match header.format {
        Format::Frame => header.metadata.clone(),
        _ => tail.metadata,
    };
    Ok(Facts::of(header, checksum, metadata))
}

/// A stream has to be read to its end to see whether it has a tail; so it is verified as well.
fn read_through(session: &Session, source: &Source, watch: Watch<'_>) -> Result<Facts> {
    Ok(Facts::verified(input::read(session, source, Dest::Discard, watch)?))
}

fn read_tail(reader: Reader<'_>, header: &Header) -> Result<Tail> {
    // Sums and metadata have bounds; more than that is no tail, and is not read.
    let max = header.nbytes().div_ceil(BLOCK as u64) * 4 + 1024 + Limits::local().header as u64;
    let mut bytes = Vec::new();
    reader.take(max).read_to_end(&mut bytes)?;
    let tail = Tail::decode(&bytes, header, &Limits::local())?;
    match &tail.metadata.dtype {
        Some(dtype) if dtype.storage() != header.dtype => {
            let found = &header.dtype;
            let message = format!("the checksum tail names the dtype {dtype}, the header {found}");
            Err(Error::malformed(message))
        }
        _ => Ok(tail),
    }
}

impl Facts {
    fn of(header: Header, checksum: Checksum, metadata: Metadata) -> Self {
        Self {
            dtype: metadata.dtype.clone().unwrap_or_else(|| header.dtype.clone()),
            shape: header.shape.clone(),
            order: if header.fortran_order { "F" } else { "C" },
            header: Some(header),
            checksum,
            metadata,
            stats: None,
        }
    }

    /// Of what was read to its end.
    fn verified(decoded: Decoded) -> Self {
        let checksum = match decoded.state {
            ChecksumState::Verified => Checksum::Verified,
            ChecksumState::Unchecked => Checksum::None,
            ChecksumState::Open => Checksum::Open,
        };
        Self::of(decoded.header, checksum, decoded.metadata)
    }

    fn items(&self) -> u64 {
        self.shape.iter().map(|&len| len as u64).product()
    }

    fn nbytes(&self) -> u64 {
        self.items() * self.dtype.itemsize() as u64
    }

    /// The format's name and version.
    fn format(&self) -> (&'static str, Option<String>) {
        match self.header.as_ref().map(|header| header.format) {
            None => ("raw", None),
            Some(Format::Npy(version)) => ("npy", Some(format!("{}.0", version.major()))),
            Some(_) => ("ndb", Some("0".to_owned())),
        }
    }

    fn spec(&self) -> String {
        Spec::exact(self.dtype.clone(), &self.shape).to_string()
    }

    fn report(&self, source: &Source) -> Report {
        Report::new(self.text(source), self.json(source))
    }

    fn text(&self, source: &Source) -> String {
        let format = match self.format() {
            (format, Some(version)) => format!("{format} {version}"),
            (format, None) => format!("{format}, no header"),
        };
        let order = match self.order {
            "F" => "F (Fortran: first axis fastest)",
            _ => "C (last axis fastest)",
        };
        let start = self.header.as_ref().map_or(0, |header| header.len);
        let data = counted(self.nbytes(), "byte");
        let data = if start > 0 { format!("{data}, behind {start} of header") } else { data };
        let mut lines = vec![
            ("format", format),
            ("dtype", format!("{} ({})", descr(&self.dtype), described(&self.dtype))),
            ("shape", format!("{}, {}", shape(&self.shape), counted(self.items(), "item"))),
            ("order", order.to_owned()),
            ("data", data),
            ("checksum", self.checksum.sentence().to_owned()),
        ];
        if let Some(name) = &self.metadata.name {
            lines.push(("name", printable(name)));
        }
        if let Some(attrs) = &self.metadata.attrs {
            lines.push(("attrs", printable(attrs)));
        }
        lines.extend(self.stats.iter().flat_map(lines_of));
        lines.push(("spec", format!("'{}'", self.spec())));
        let mut text = source.name();
        for (what, value) in lines {
            text.push_str(&format!("\n  {what:<9} {value}"));
        }
        text
    }

    fn json(&self, source: &Source) -> Value {
        let attrs = self.metadata.attrs.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let (format, version) = self.format();
        json!({
            "path": source.typed(),
            "format": format,
            "version": version,
            "descr": descr(&self.dtype),
            "dtype": name(&self.dtype),
            "shape": self.shape,
            "order": self.order,
            "items": self.items(),
            "itemsize": self.dtype.itemsize(),
            "header_bytes": self.header.as_ref().map_or(0, |header| header.len),
            "data_bytes": self.nbytes(),
            "checksum": self.checksum.word(),
            "name": self.metadata.name,
            "attrs": attrs.unwrap_or(Value::Null),
            "spec": self.spec(),
            "stats": self.stats.as_ref().map(json_of),
        })
    }
}

fn lines_of(stats: &Stats) -> Vec<(&'static str, String)> {
    let mean = match (stats.mean, stats.mean_imag) {
        (Some(real), Some(imaginary)) => Some(format!("{real}{imaginary:+}j")),
        (mean, _) => mean.map(|mean| mean.to_string()),
    };
    let nan = stats.nan.map(grouped);
    let found =
        [("min", stats.min.clone()), ("max", stats.max.clone()), ("mean", mean), ("NaN", nan)];
    found.into_iter().filter_map(|(what, value)| Some((what, value?))).collect()
}

fn json_of(stats: &Stats) -> Value {
    // JSON has neither infinities nor NaN: they stand there as text.
    let number =
        |value: f64| if value.is_finite() { json!(value) } else { json!(value.to_string()) };
    json!({
        "min": stats.min, "max": stats.max, "mean": stats.mean.map(number),
        "mean_imag": stats.mean_imag.map(number), "nan": stats.nan,
    })
}
