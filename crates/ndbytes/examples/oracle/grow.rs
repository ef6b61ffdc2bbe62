//! Rows appended to a file, step by step, for a process that may be killed at any of them:
//! `create=`SPEC with `?` as the first length, `codec=`NAME, `open`, `append=`N`:`SEED, `flush`.

use super::{Fields, failed, map::counted, number, pair};
use ndbytes::io::{self, Appender};
use ndbytes::{
    Array, Codec, DecodeOptions, Dim, Error, Layout, Order, Result, Spec, frame::EncodeOptions,
};

/// Nothing, or an error.
pub(super) fn once(path: &str, steps: &[&str]) -> Option<Fields> {
    run(path, steps).err().map(|error| failed(&error))
}

fn run(path: &str, steps: &[&str]) -> Result<()> {
    let mut options = EncodeOptions { codec: Codec::Fast, ..Default::default() };
    let mut appender: Option<Appender> = None;
    for step in steps {
        let (name, value) = step.split_once('=').unwrap_or((step, ""));
        match (name, &mut appender) {
            ("codec", _) => options.codec = value.parse()?,
            ("create", slot) => {
                let spec: Spec = value.parse()?;
                let lengths = spec.shape.iter().flatten().skip(1);
                let row: Vec<usize> = lengths
                    .filter_map(|dim| if let Dim::Exact(len) = dim { Some(*len) } else { None })
                    .collect();
                *slot = Some(Appender::create(path, &spec.dtype, &row, &options)?);
            }
            ("open", slot) => {
                *slot = Some(Appender::open(path, DecodeOptions::default(), &options)?);
            }
            ("append", Some(appender)) => {
                let rows = rows(appender, value)?;
                appender.append(&rows.view(), &mut io::unwatched)?;
            }
            ("flush", Some(appender)) => appender.flush(&mut io::unwatched)?,
            _ => return Err(Error::argument(format!("unknown step {step:?}"))),
        }
    }
    Ok(())
}

/// `N:SEED` as rows for the file.
fn rows(appender: &Appender, value: &str) -> Result<Array> {
    let (count, seed) = pair(value)?;
    let (count, seed): (usize, usize) = (number(count)?, number(seed)?);
    let header = appender.header();
    let others = header.shape.iter().skip(1).copied();
    let shape: Vec<usize> = std::iter::once(count).chain(others).collect();
    let layout = Layout::contiguous(&shape, header.dtype.itemsize(), Order::C)?;
    let size = layout.len() * header.dtype.itemsize();
    let data: Vec<u8> = (0..size).map(|at| counted(at, seed)).collect();
    Array::new(header.dtype.clone(), layout, data.into())
}
