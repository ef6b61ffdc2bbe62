//! Memory maps, step by step: `request` for the serving process, `once` for a fresh one. The steps are words:
//!
//! | step | does |
//! |---|---|
//! | `order=`O `offset=`N `gap=`N `checked` | what the next step takes |
//! | `open=`MODE, `raw=`MODE`:`SPEC | maps the file |
//! | `create=`SPEC, `create-raw=`SPEC | makes it, and maps it for writing |
//! | `write`, `append` | puts the request's data in place of the map's, or its array behind it |
//! | `fill=`SEED, `set=`AT`:`BYTE, `append=`N`:`SEED | changes all bytes, or one, or adds rows; bytes count from the seed |
//! | `resize=`N, `flush`, `close`, `verify`, `block=`N, `probe` | calls it |
//! | `probes=`N | probes all bytes so many times; answers how many times the file was too short |
//! | `view` | answers spec, shape, state of the tail, bytes in C order |
//! | `wait` | answers `ready` at once, and goes on after a line of standard input |
//! | `append-in-place=`N`:`SEED | what [`Map::append`] is better than, for a bare file of one axis |
//!
//! A step behind `try:` answers `ok`, or kind and message of its error, and the next one follows.

use super::{Args, Fields, failed, list, number, pair, put};
use ndbytes::io::map::{Map, Mode, TailState};
use ndbytes::npy::{self, EncodeOptions};
use ndbytes::raw::Raw;
use ndbytes::{Array, ArrayRef, DecodeOptions, Dim, Error, ErrorKind};
use ndbytes::{Layout, Order, Result, Spec, io, to_bytes};
use std::io::{Seek as _, SeekFrom, Write as _};

/// `map` path steps (a line each) dtype shape strides offset data.
pub(super) fn request(mut args: Args<'_>) -> Result<Fields> {
    let (path, steps) = (args.text()?, args.text()?);
    let (dtype, layout) = args.array()?;
    let data = args.bytes()?;
    let array = ArrayRef::new(dtype, layout, data)?;
    run(path, steps.lines(), Some(&array))
}

/// Nothing, an error, or what the steps answered.
pub(super) fn once(path: &str, steps: &[&str]) -> Option<Fields> {
    match run(path, steps.iter().copied(), None) {
        Ok(answer) if answer.len() == 1 => None,
        Ok(answer) => Some(answer),
        Err(error) => Some(failed(&error)),
    }
}

fn run<'s>(
    path: &str,
    steps: impl Iterator<Item = &'s str>,
    given: Option<&ArrayRef<'_>>,
) -> Result<Fields> {
    let mut session = Session {
        path,
        given,
        map: None,
        order: Order::C,
        offset: 0,
        gap: 0,
        checked: false,
        answer: vec![b"ok".to_vec()],
    };
    for step in steps {
        let Some(tried) = step.strip_prefix("try:") else {
            session.step(step)?;
            continue;
        };
        let answer = match session.step(tried) {
            Ok(()) => vec![b"ok".to_vec()],
            Err(error) => failed(&error).drain(1..4).collect(),
        };
        session.answer.push(answer.join(&b"|"[..]));
    }
    Ok(session.answer)
}

struct Session<'a> {
    path: &'a str,
    given: Option<&'a ArrayRef<'a>>,
    map: Option<Map>,
    order: Order,
    offset: u64,
    gap: u64,
    checked: bool,
    answer: Fields,
}

impl Session<'_> {
    fn step(&mut self, step: &str) -> Result<()> {
        let (name, value) = step.split_once('=').unwrap_or((step, ""));
        match name {
            "order" => self.order = value.parse()?,
            "offset" => self.offset = number(value)?,
            "gap" => self.gap = number(value)?,
            "checked" => self.checked = true,
            "open" => {
                self.map = Some(Map::open(self.path, value.parse()?, DecodeOptions::default())?)
            }
            "raw" => {
                let (mode, spec) = pair(value)?;
                let mode: Mode = mode.parse()?;
                self.map = Some(Map::open_raw(self.path, mode, &self.raw(spec)?)?);
            }
            "create" => {
                let spec: Spec = value.parse()?;
                let (order, checksum) = (Some(self.order), self.checked);
                let options = EncodeOptions { order, checksum, ..Default::default() };
                let made = Map::create(self.path, &spec.dtype, &exact(&spec)?, &options)?;
                self.map = Some(made);
            }
            "create-raw" => self.map = Some(Map::create_raw(self.path, &self.raw(value)?)?),
            "append-in-place" => self.append_in_place(value)?,
            "wait" => {
                put(&mut std::io::stdout(), &vec![b"ready".to_vec()])?;
                std::io::stdin().read_line(&mut String::new())?;
            }
            "close" => self.map.take().map_or(Ok(()), Map::close)?,
            _ => self.step_of_map(name, value)?,
        }
        Ok(())
    }

    fn step_of_map(&mut self, name: &str, value: &str) -> Result<()> {
        let given = self.given;
        let no_array = || Error::argument("no array was given");
        let map = self.map.as_mut().ok_or_else(|| Error::argument("nothing is mapped"))?;
        match name {
            "write" => map.bytes_mut()?.copy_from_slice(given.ok_or_else(no_array)?.data()),
            "append" if value.is_empty() => map.append(given.ok_or_else(no_array)?)?,
            "append" => {
                let rows = rows(map, value)?;
                map.append(&rows.view())?;
            }
            "fill" => {
                let seed: usize = number(value)?;
                map.bytes_mut()?
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, byte)| *byte = counted(at, seed));
            }
            "set" => {
                let (at, value) = pair(value)?;
                let at: usize = number(at)?;
                let byte =
                    map.bytes_mut()?.get_mut(at).ok_or_else(|| Error::argument("no such byte"))?;
                *byte = number(value)?;
            }
            "resize" => map.resize(number(value)?)?,
            "flush" => map.flush()?,
            "verify" => {
                let state = map.verify(&mut io::unwatched)?;
                self.answer.push(format!("{state:?}").into_bytes());
            }
            "block" => {
                let state = map.verify_block(number(value)?)?;
                self.answer.push(format!("{state:?}").into_bytes());
            }
            "probe" => map.probe(0..map.bytes()?.len())?,
            "probes" => self.answer.push(cut_probes(map, number(value)?)?.to_string().into_bytes()),
            "view" => self.answer.extend(view(map)?),
            other => return Err(Error::argument(format!("unknown step {other:?}"))),
        }
        Ok(())
    }

    fn raw(&self, spec: &str) -> Result<Raw> {
        Ok(Raw { spec: spec.parse()?, order: self.order, offset: self.offset, gap: self.gap })
    }

    /// The rows first and then the header, or the other way round: between the two the file is neither.
    fn append_in_place(&self, value: &str) -> Result<()> {
        let map = Map::open(self.path, Mode::Read, DecodeOptions::default())?;
        let rows = rows(&map, value)?;
        let len = map.shape().iter().sum::<usize>() + rows.shape().iter().sum::<usize>();
        let header = npy::encode_header(map.dtype(), &[len], false, None)?;
        let mut file = std::fs::File::options().write(true).open(self.path)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(rows.data())?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file.write_all(&header)?)
    }
}

/// How many of so many probes found the file too short; any other error is one.
fn cut_probes(map: &Map, times: usize) -> Result<usize> {
    let len = map.layout().span(map.dtype().itemsize())?.end;
    let mut cut = 0;
    for _ in 0..times {
        match map.probe(0..len) {
            Ok(()) => {}
            Err(error) if *error.kind() == ErrorKind::Truncated => cut += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(cut)
}

fn view(map: &Map) -> Result<Fields> {
    let state = match map.tail_state() {
        TailState::None => "none",
        TailState::Sealed => "sealed",
        TailState::Open => "open",
    };
    let bytes = to_bytes(&map.view()?, Order::C)?;
    let texts = [map.dtype().to_string(), list(map.shape()), state.to_owned()];
    Ok(texts.into_iter().map(String::into_bytes).chain([bytes]).collect())
}

/// `N:SEED` as rows for the map.
fn rows(map: &Map, value: &str) -> Result<Array> {
    let (count, seed) = pair(value)?;
    let (count, seed): (usize, usize) = (number(count)?, number(seed)?);
    let shape: Vec<usize> =
        std::iter::once(count).chain(map.shape().iter().skip(1).copied()).collect();
    let layout = Layout::contiguous(&shape, map.dtype().itemsize(), Order::C)?;
    let size = layout.len() * map.dtype().itemsize();
    let data: Vec<u8> = (0..size).map(|at| counted(at, seed)).collect();
    Array::new(map.dtype().clone(), layout, data.into())
}

pub(super) fn counted(at: usize, seed: usize) -> u8 {
    u8::try_from((at + seed) % 256).unwrap_or_default()
}

fn exact(spec: &Spec) -> Result<Vec<usize>> {
    let dims = spec.shape.iter().flatten();
    dims.map(|dim| match dim {
        Dim::Exact(len) => Ok(*len),
        Dim::Any => Err(Error::argument("a new file needs the length of every axis")),
    })
    .collect()
}
