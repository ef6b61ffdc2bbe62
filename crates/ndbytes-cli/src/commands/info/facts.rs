//! What is known of a file, for people and for programs.

use crate::input::Whole;
use crate::names::{descr, described, name, shape};
use crate::report::{Report, counted, grouped, percent, printable};
use crate::sources::Source;
use crate::values::Stats;
use ndbytes::frame::Grown;
use ndbytes::io::npz::{Entry, Method};
use ndbytes::raw::Raw;
use ndbytes::{ChecksumState, Container, DType, Filter, Format, Header, Metadata, Order, Spec};
use serde_json::{Value, json};

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Facts {
    /// `None` for bytes without a header.
    pub(super) header: Option<Header>,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    pub(super) order: &'static str,
    pub(super) checksum: Checksum,
    pub(super) metadata: Metadata,
    /// What the file is compressed with.
    pub(super) container: Option<Container>,
    /// How an archive stores it.
    pub(super) method: Option<&'static str>,
    /// Bytes of the file; a pipe has no length.
    pub(super) stored: Option<u64>,
    /// What was asked for with `--stats`.
    pub(super) stats: Option<Stats>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Checksum {
    None,
    /// There is one, and no byte of the data was held against it.
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
            Self::Open => {
                "open: a writer did not finish, so it says nothing ('ndbytes checksum' makes it anew)"
            }
            Self::Verified => "verified",
        }
    }
}

impl Facts {
    /// What a header says, and what stands elsewhere.
    pub(super) fn of(header: Header, checksum: Checksum, metadata: Metadata) -> Self {
        Self {
            dtype: metadata.dtype.clone().unwrap_or_else(|| header.dtype.clone()),
            shape: header.shape.clone(),
            order: if header.fortran_order { "F" } else { "C" },
            header: Some(header),
            checksum,
            metadata,
            container: None,
            method: None,
            stored: None,
            stats: None,
        }
    }

    /// What bytes without a header are declared to be.
    pub(super) fn declared(raw: &Raw, shape: Vec<usize>) -> Self {
        Self {
            header: None,
            dtype: raw.spec.dtype.clone(),
            shape,
            order: if raw.order == Order::F { "F" } else { "C" },
            checksum: Checksum::None,
            metadata: Metadata::default(),
            container: None,
            method: None,
            stored: None,
            stats: None,
        }
    }

    /// Of what was read to its end.
    pub(super) fn verified(read: Whole) -> Self {
        let (container, decoded) = (read.container, read.decoded);
        let checksum = match decoded.state {
            ChecksumState::Verified => Checksum::Verified,
            ChecksumState::Unchecked => Checksum::None,
            ChecksumState::Open => Checksum::Open,
        };
        Self { container, ..Self::of(decoded.header, checksum, decoded.metadata) }
    }

    /// The same of an array in an archive, which has its sum.
    pub(super) fn within(self, entry: &Entry, checksum: Checksum) -> Self {
        let (method, stored) = (Some(method(entry)), Some(entry.stored_size()));
        Self { checksum, method, stored, ..self }
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

    fn checksum_text(&self) -> String {
        let state = self.checksum.sentence();
        if self.method.is_some() {
            return format!("{state}: the archive's CRC-32");
        }
        match self.container {
            Some(container) if !matches!(self.checksum, Checksum::Open) => {
                format!("{state}: the {} of the {container} stream", container.sum_name())
            }
            _ => state.to_owned(),
        }
    }

    /// What vouches for the bytes, in one word.
    fn checksum_kind(&self) -> Option<&'static str> {
        match (self.checksum, self.container) {
            (Checksum::None, _) => None,
            _ if self.method.is_some() => Some("crc32"),
            (_, None) => Some("crc32c"),
            (_, Some(Container::Zlib)) => Some("adler32"),
            (_, Some(Container::Gzip)) => Some("crc32"),
        }
    }

    fn spec(&self) -> String {
        Spec::exact(self.dtype.clone(), &self.shape).to_string()
    }

    pub(super) fn report(&self, source: &Source) -> Report {
        Report::new(self.text(source), self.json(source))
    }

    fn text(&self, source: &Source) -> String {
        let format = match self.format() {
            (format, Some(version)) => format!("{format} {version}"),
            (format, None) => format!("{format}, no header"),
        };
        let format = match self.container {
            Some(container) => format!("{format} in {container}"),
            None if self.method.is_some() => format!("{format} in an archive"),
            None => format,
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
        ];
        let coding = self.header.as_ref().and_then(|header| header.coding.as_ref());
        if let Some(coding) = coding {
            let filter = if coding.filter == Filter::NONE {
                String::new()
            } else {
                format!(" behind {}", coding.filter)
            };
            let block = shape(&coding.block);
            lines.push(("codec", format!("{}{filter}, in blocks of {block}", coding.engine)));
        }
        if let Some(grown) = coding.and_then(|coding| coding.grown) {
            lines.push(("grows", self.growth(grown)));
        }
        if let Some(stored) = self.stored.filter(|_| self.container.is_some() || coding.is_some()) {
            let part = percent(stored, start.saturating_add(self.nbytes()));
            lines.push(("stored", format!("{}, {part} of that", counted(stored, "byte"))));
        }
        if let (Some(method), Some(stored)) = (self.method, self.stored) {
            let part = percent(stored, start.saturating_add(self.nbytes()));
            let stored = counted(stored, "byte");
            lines.push(("stored", format!("{stored}, {part} of that, as {method}")));
        }
        lines.push(("checksum", self.checksum_text()));
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

    /// That rows can be appended, and what stands behind the end without being part of it.
    fn growth(&self, grown: Grown) -> String {
        let behind = self.stored.filter(|_| self.container.is_none());
        match behind.map_or(0, |stored| stored.saturating_sub(grown.end)) {
            0 => "rows can be appended".to_owned(),
            more => format!(
                "rows can be appended; the last {} were not finished, and are passed over",
                counted(more, "byte")
            ),
        }
    }

    fn json(&self, source: &Source) -> Value {
        let coding = self.header.as_ref().and_then(|header| header.coding.as_ref());
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
            "file_bytes": self.stored,
            "codec": coding.map_or_else(|| "none".to_owned(), |coding| coding.engine.to_string()),
            "filter": coding.map_or_else(|| "none".to_owned(), |coding| coding.filter.to_string()),
            "block": coding.map(|coding| &coding.block),
            "grows": coding.is_some_and(|coding| coding.grown.is_some()),
            "compression": self.container.map(|container| container.to_string()),
            "method": self.method,
            "checksum": self.checksum.word(),
            "checksum_kind": self.checksum_kind(),
            "name": self.metadata.name,
            "attrs": attrs.unwrap_or(Value::Null),
            "spec": self.spec(),
            "stats": self.stats.as_ref().map(json_of),
        })
    }
}

/// What `--codec` calls how a member is stored.
pub(super) fn method(entry: &Entry) -> &'static str {
    entry.method().map_or("unsupported", Method::name)
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
