//! Headerless items that already lie as wanted: copied piece by piece, so that memory stays small at any size.

use super::plan::Job;
use super::{Change, output};
use crate::formats::FormatArg;
use crate::input::{self, Reader};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Watch;
use ndbytes::npy::{self, Version};
use ndbytes::raw::Raw;
use ndbytes::{
    BLOCK, BlockSums, Codec, Dim, Error, Format, Metadata, Order, Result, Spec, Tail, crc32c, frame,
};
use std::io::{Read as _, Write};

/// What stands before and behind the items.
pub(super) struct Stream {
    spec: Spec,
    /// Bytes of the items.
    size: u64,
    /// Nothing for raw output.
    header: Vec<u8>,
    /// The tail, where there is one, without the sums of the items.
    tail: Option<(Format, Tail)>,
}

impl Stream {
    /// `None` where the items must be rearranged, or where only the end of the input tells the shape.
    ///
    /// # Errors
    /// As [`input::refuse_compressed`], [`Raw::shape`], [`npy::encode_header`] and [`frame::encode_header`].
    pub(super) fn plan(change: &Change, raw: &Raw, job: &Job) -> Result<Option<Self>> {
        input::refuse_compressed(&job.source)?;
        let dtype = raw.spec.dtype.clone();
        let swaps = change.endian.is_some_and(|endian| dtype.with_endian(endian) != dtype);
        if change.cast.is_some() || swaps || raw.gap > 0 {
            return Ok(None);
        }
        let Some(shape) = shape(raw, &job.source)? else { return Ok(None) };
        // One axis lies the same in both orders.
        let axes = if shape.contains(&0) { 0 } else { shape.iter().filter(|&&n| n > 1).count() };
        let unchanged = if job.format == FormatArg::Raw { Order::C } else { raw.order };
        if axes > 1 && change.order.unwrap_or(unchanged) != raw.order {
            return Ok(None);
        }
        let size = ndbytes::nbytes(&shape, dtype.itemsize())? as u64;
        let spec = Spec::exact(dtype.clone(), &shape);
        let fortran = axes > 1 && raw.order == Order::F;
        let mut metadata = Metadata::default();
        let (format, header, sum) = match job.format {
            FormatArg::Npy | FormatArg::Zz | FormatArg::Gz => {
                let header = npy::encode_header(&dtype, &shape, fortran, None)?;
                let sum = crc32c(&header);
                metadata.dtype = dtype.has_extension().then(|| dtype.clone());
                (Format::Npy(Version::V1), header, sum)
            }
            // Blocks are chosen with an eye on all of the array.
            FormatArg::Ndb if change.codec != Codec::None => return Ok(None),
            FormatArg::Npz => return Ok(None),
            FormatArg::Ndb => {
                let (header, sum) = frame::encode_header(&dtype, &shape, fortran, &metadata)?;
                (Format::Frame, header, sum)
            }
            FormatArg::Raw => return Ok(Some(Self { spec, size, header: Vec::new(), tail: None })),
        };
        let tail = change.has_tail(job.format, &dtype);
        let tail = tail.then(|| (format, Tail::new(sum, size, Vec::new(), metadata)));
        Ok(Some(Self { spec, size, header, tail }))
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// Copies; the bytes stored.
    ///
    /// # Errors
    /// As [`input::open`], [`output::write`] and [`Raw::shape`].
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
        output::write(&job.target, job.format, change.level, change.save, |out| {
            self.copy(&mut reader, raw, &job.source, out, watch)
        })
    }

    fn copy(
        &self,
        reader: &mut Reader<'_>,
        raw: &Raw,
        source: &Source,
        out: &mut dyn Write,
        watch: Watch<'_>,
    ) -> Result<()> {
        let about_input = |error: Error| input::named(error, source);
        let mut scratch = vec![0; BLOCK];
        let mut sums = BlockSums::default();
        let end = raw.offset.saturating_add(self.size);
        let mut seen = 0;
        out.write_all(&self.header)?;
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
                out.write_all(&scratch[..n])?;
            }
            seen += n as u64;
            watch(seen)?;
        }
        let mut fixed = raw.clone();
        fixed.spec = self.spec.clone();
        fixed.shape(seen).map_err(about_input)?;
        if let Some((format, tail)) = &self.tail {
            let mut tail = tail.clone();
            tail.sums = sums.finish();
            out.write_all(&tail.encode(*format)?)?;
        }
        Ok(())
    }
}

/// The shape, if it is known before the end of the input.
fn shape(raw: &Raw, source: &Source) -> Result<Option<Vec<usize>>> {
    if let Some(len) = source.len() {
        return raw.shape(len).map(Some).map_err(|error| input::named(error, source));
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
