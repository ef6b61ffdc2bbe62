//! Headerless items that already lie as wanted: copied piece by piece, so that memory stays small at any size.

use super::plan::{Job, Target};
use super::{Change, stdout};
use crate::args::FormatArg;
use crate::input::{self, Reader};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::{self, Watch};
use ndbytes::npy::{Version, encode_header};
use ndbytes::raw::Raw;
use ndbytes::{BLOCK, BlockSums, Dim, Error, Format, Metadata, Order, Result, Spec, Tail, crc32c};
use std::io::{Read as _, Write};

/// What stands before and behind the items.
pub(super) struct Stream {
    spec: Spec,
    /// Bytes of the items.
    size: u64,
    /// Nothing for raw output.
    header: Vec<u8>,
    /// What the tail says, where there is one.
    tail: Option<Metadata>,
}

impl Stream {
    /// `None` where the items must be rearranged, or where only the end of the input tells the shape.
    ///
    /// # Errors
    /// As [`Raw::shape`] and [`Header::encode`].
    pub(super) fn plan(change: &Change, raw: &Raw, job: &Job) -> Result<Option<Self>> {
        let dtype = raw.spec.dtype.clone();
        let swaps = change.endian.is_some_and(|endian| dtype.with_endian(endian) != dtype);
        if change.cast.is_some() || swaps || raw.gap > 0 {
            return Ok(None);
        }
        let Some(shape) = shape(raw, &job.source)? else { return Ok(None) };
        // One axis lies the same in both orders.
        let axes = if shape.contains(&0) { 0 } else { shape.iter().filter(|&&n| n > 1).count() };
        let unchanged = if job.format == FormatArg::Npy { raw.order } else { Order::C };
        if axes > 1 && change.order.unwrap_or(unchanged) != raw.order {
            return Ok(None);
        }
        let size = ndbytes::nbytes(&shape, dtype.itemsize())? as u64;
        let spec = Spec::exact(dtype.clone(), &shape);
        if job.format == FormatArg::Raw {
            return Ok(Some(Self { spec, size, header: Vec::new(), tail: None }));
        }
        let header = encode_header(&dtype, &shape, axes > 1 && raw.order == Order::F, None)?;
        let mut metadata = Metadata::default();
        metadata.dtype = dtype.has_extension().then_some(dtype);
        let tail = (change.check || metadata.dtype.is_some()).then_some(metadata);
        Ok(Some(Self { spec, size, header, tail }))
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn is_checked(&self) -> bool {
        self.tail.is_some()
    }

    /// Copies; the bytes written.
    ///
    /// # Errors
    /// As [`input::open`], [`io::replace`] and [`Raw::shape`].
    pub(super) fn run(
        &self,
        session: &Session,
        change: &Change,
        raw: &Raw,
        job: &Job,
        watch: Watch<'_>,
    ) -> Result<u64> {
        let about_input = |error: Error| input::named(error, &job.source);
        let mut reader = input::open(session, &job.source).map_err(about_input)?;
        match &job.target {
            Target::Stdout => self.copy(&mut reader, raw, job, &mut stdout()?, watch),
            Target::File(path) => {
                let mut bytes = 0;
                io::replace(path, change.save, |file| {
                    bytes = self.copy(&mut reader, raw, job, file, watch)?;
                    Ok(())
                })?;
                Ok(bytes)
            }
        }
    }

    fn copy(
        &self,
        reader: &mut Reader<'_>,
        raw: &Raw,
        job: &Job,
        out: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<u64> {
        let about_input = |error: Error| input::named(error, &job.source);
        let about_output = |error: std::io::Error| Error::io(error).in_file(job.target.name());
        let mut scratch = vec![0; BLOCK];
        let mut sums = BlockSums::default();
        let end = raw.offset.saturating_add(self.size);
        let mut seen = 0;
        out.write_all(&self.header).map_err(about_output)?;
        loop {
            // Up to the first item, up to the last one, and then to see that nothing follows.
            let part = [raw.offset, end].into_iter().find(|&part| part > seen);
            let want = part.map_or(BLOCK as u64, |part| part - seen);
            let want = usize::try_from(want).unwrap_or(BLOCK).min(BLOCK);
            let n = read(reader, &mut scratch[..want]).map_err(about_input)?;
            if n == 0 {
                break;
            }
            if seen >= raw.offset && seen < end {
                sums.update(&scratch[..n]);
                out.write_all(&scratch[..n]).map_err(about_output)?;
            }
            seen += n as u64;
            watch(seen)?;
        }
        let mut fixed = raw.clone();
        fixed.spec = self.spec.clone();
        fixed.shape(seen).map_err(about_input)?;
        let tail = match &self.tail {
            Some(metadata) => {
                Tail::new(crc32c(&self.header), self.size, sums.finish(), metadata.clone())
                    .encode(Format::Npy(Version::V1))?
            }
            None => Vec::new(),
        };
        out.write_all(&tail).and_then(|()| out.flush()).map_err(about_output)?;
        Ok((self.header.len() + tail.len()) as u64 + self.size)
    }
}

/// The shape, if it is known before the end of the input.
fn shape(raw: &Raw, source: &Source) -> Result<Option<Vec<usize>>> {
    let metadata = match source {
        Source::File(path) => std::fs::metadata(path).ok(),
        Source::Stdin => None,
    };
    if let Some(metadata) = metadata.filter(std::fs::Metadata::is_file) {
        return raw.shape(metadata.len()).map(Some).map_err(|error| input::named(error, source));
    }
    let exact = |dim: &Dim| if let Dim::Exact(len) = dim { Some(*len) } else { None };
    Ok(raw.spec.shape.as_ref().and_then(|dims| dims.iter().map(exact).collect()))
}

fn read(reader: &mut Reader<'_>, space: &mut [u8]) -> Result<usize> {
    loop {
        match reader.read(space) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}
