//! The library as a process, for the Python tests: what NumPy is held against.
//!
//! # Serving
//!
//! Without arguments it answers requests from standard input on standard output until the input ends. Both are
//! messages: the number of fields as `u32`, then each field as its length (`u64`) and its bytes, little-endian.
//! Numbers are decimal text, lists of numbers have commas, flags are `1` or nothing, and nothing means "none".
//!
//! | request | answer after `ok` |
//! |---|---|
//! | `tobytes` dtype shape strides offset order endian data | bytes |
//! | `encode` dtype shape strides offset version endian checksum name attrs chunk data | the bytes |
//! | `decode` lenient checks chunk data | descr spec shape fortran version header-length state name attrs data |
//! | `descr` lenient text | descr spec itemsize |
//! | `spec` text | the spec as it is printed |
//! | `raw` spec order offset gap data | shape, bytes in C order |
//! | `compress` `zlib`\|`gzip` level chunk data | the stream |
//! | `decompress` `zlib`\|`gzip` max chunk data | the bytes |
//! | `decompress array` `zlib`\|`gzip` spec max data | shape, bytes in C order |
//! | `save compressed` path `zlib`\|`gzip` level checksum dtype shape strides offset data | |
//! | `load` path | as `decode` |
//! | `npz write` `numpy`\|`aligned` level streamed start then name checksum dtype shape strides offset data … | the archive; stored without a level |
//! | `npz read` archive | name method start,end bytes, of each member |
//! | `npz load` archive key | as `decode` |
//! | `map` path steps dtype shape strides offset data | what the steps answer; see `oracle/map.rs` |
//!
//! Version 0 is a frame, the others are `.npy`'s. A dtype is a `descr` (it begins with a quote or a bracket) or a spec. With a chunk, readers and writers move at
//! most so many bytes at a time and are interrupted by a signal before each. An error is answered as `error` kind
//! offset message detail path; the detail is the errno, the name of the limit, or the damaged `block start end`.
//!
//! # Once
//!
//! - `oracle read PATH|- [--patience MS]` reads a `.npy` file: a fresh process for each hostile file;
//! - `oracle raw SPEC PATH|-` reads a headerless one;
//! - `oracle decompress zlib|gzip MAX PATH` says how many bytes a stream holds;
//! - `oracle save PATH SIZE SEED [--durable] [--checksum] [--in-place] [--times N]` saves `SIZE` bytes counting from
//!   `SEED`, through a temporary file, or, to show what that is for, in place;
//! - `oracle recv` says on which address it listens, receives what one connection brings into memory, and says how many
//!   arrays and bytes that were, and its largest resident size in KiB;
//! - `oracle map PATH STEP…` maps a file; see `oracle/map.rs`;
//! - `oracle grow PATH STEP…` appends rows to one; see `oracle/grow.rs`.
//!
//! `read`, `raw` and `decompress` answer with one message, `peak` and the largest resident size in KiB last. `save`
//! and `grow` answer only an error, and `map` only that or what its steps ask for, so that a trace shows little else than the work.

#[path = "oracle/deflate.rs"]
mod deflate;
#[path = "oracle/grow.rs"]
mod grow;
#[path = "oracle/map.rs"]
mod map;
#[path = "oracle/npz.rs"]
mod npz;

use ndbytes::npy::{self, EncodeOptions};
use ndbytes::{
    Array, ArrayRef, Checks, ChecksumState, DType, DecodeOptions, Decoded, Dest, Encode, Endian,
    Error, ErrorKind,
};
use ndbytes::{Format, Layout, Limits, Metadata, Order, Result, Spec, frame, io, raw};
use std::io::{BufReader, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

type Fields = Vec<Vec<u8>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match *args.as_slice() {
        [] => return finished(serve()),
        ["read", path, ref flags @ ..] => with_peak(read(path, flags)),
        ["raw", spec, path] => with_peak(read_raw(spec, path)),
        ["decompress", container, max, path] => with_peak(deflate::once(container, max, path)),
        ["recv"] => return finished(recv()),
        ["save", path, size, seed, ref flags @ ..] => match save(path, size, seed, flags) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        ["grow", path, ref steps @ ..] => match grow::once(path, steps) {
            None => return ExitCode::SUCCESS,
            Some(answer) => answer,
        },
        ["map", path, ref steps @ ..] => match map::once(path, steps) {
            None => return ExitCode::SUCCESS,
            Some(answer) => answer,
        },
        _ => failed(&Error::argument("unknown arguments; see the top of oracle.rs")),
    };
    let ok = answer.first().is_some_and(|word| word == b"ok");
    match put(&mut std::io::stdout(), &answer) {
        Ok(()) if ok => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn finished(served: std::io::Result<()>) -> ExitCode {
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn recv() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    let receiver = io::stream::Receiver::over(listener.accept()?.0)?;
    let (mut arrays, mut bytes) = (0, 0);
    for read in receiver {
        arrays += 1;
        bytes += read?.array.map_or(0, |array| array.nbytes());
    }
    writeln!(out, "{arrays} {bytes} {}", peak())
}

// Messages.

fn serve() -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, std::io::stdin());
    let mut output = std::io::stdout();
    while let Some(request) = get(&mut input)? {
        let answer = answer(&request).unwrap_or_else(|error| failed(&error));
        put(&mut output, &answer)?;
    }
    Ok(())
}

fn get(input: &mut impl Read) -> std::io::Result<Option<Fields>> {
    let (mut count, mut len) = ([0; 4], [0; 8]);
    if let Err(error) = input.read_exact(&mut count) {
        let end = error.kind() == std::io::ErrorKind::UnexpectedEof;
        return if end { Ok(None) } else { Err(error) };
    }
    let mut fields = Vec::new();
    for _ in 0..u32::from_le_bytes(count) {
        input.read_exact(&mut len)?;
        let len = u64::from_le_bytes(len);
        let mut field = Vec::with_capacity(usize::try_from(len).map_err(std::io::Error::other)?);
        input.by_ref().take(len).read_to_end(&mut field)?;
        fields.push(field);
    }
    Ok(Some(fields))
}

fn put(output: &mut impl Write, fields: &Fields) -> std::io::Result<()> {
    let count = u32::try_from(fields.len()).map_err(std::io::Error::other)?;
    let mut message = count.to_le_bytes().to_vec();
    for field in fields {
        message.extend((field.len() as u64).to_le_bytes());
        message.extend(field);
    }
    output.write_all(&message)?;
    output.flush()
}

fn done<const N: usize>(fields: [String; N]) -> Fields {
    std::iter::once("ok".to_owned()).chain(fields).map(String::into_bytes).collect()
}

fn failed(error: &Error) -> Fields {
    let detail = match error.kind() {
        ErrorKind::Limit { name, .. } => (*name).to_owned(),
        ErrorKind::Checksum { block, range } => {
            let block = block.map_or_else(String::new, |block| block.to_string());
            format!("{block} {} {}", range.start, range.end)
        }
        _ => error
            .io_error()
            .and_then(std::io::Error::raw_os_error)
            .map_or_else(String::new, |errno| errno.to_string()),
    };
    let kind: String =
        format!("{:?}", error.kind()).chars().take_while(char::is_ascii_alphabetic).collect();
    let offset = error.offset().map_or_else(String::new, |offset| offset.to_string());
    let path = error.path().map_or_else(String::new, |path| path.display().to_string());
    ["error".to_owned(), kind, offset, error.message().to_owned(), detail, path]
        .map(String::into_bytes)
        .to_vec()
}

/// The fields of a request, from the front.
struct Args<'r>(std::slice::Iter<'r, Vec<u8>>);

impl<'r> Args<'r> {
    fn bytes(&mut self) -> Result<&'r [u8]> {
        self.0.next().map(Vec::as_slice).ok_or_else(|| Error::argument("a field is missing"))
    }

    fn text(&mut self) -> Result<&'r str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::argument("a field is not UTF-8"))
    }

    fn some(&mut self) -> Result<Option<&'r str>> {
        self.text().map(|text| (!text.is_empty()).then_some(text))
    }

    fn flag(&mut self) -> Result<bool> {
        self.some().map(|text| text.is_some())
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        number(self.text()?)
    }

    fn numbers<T: std::str::FromStr>(&mut self) -> Result<Vec<T>> {
        self.some()?.map_or_else(|| Ok(Vec::new()), |list| list.split(',').map(number).collect())
    }

    /// A dtype and a layout: the data they are of comes later.
    fn array(&mut self) -> Result<(DType, Layout)> {
        let text = self.text()?;
        let dtype = match text.chars().next() {
            Some('\'' | '"' | '[') => DType::from_descr(text, &Limits::local())?,
            _ => text.parse()?,
        };
        Ok((dtype, Layout::new(self.numbers()?, self.numbers()?, self.number()?)?))
    }

    fn endian(&mut self) -> Result<Option<Endian>> {
        match self.text()? {
            "" => Ok(None),
            "<" => Ok(Some(Endian::Little)),
            ">" => Ok(Some(Endian::Big)),
            other => Err(Error::argument(format!("no byte order: {other:?}"))),
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::argument(format!("no number: {text:?}")))
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

// Requests.

fn answer(request: &Fields) -> Result<Fields> {
    let mut args = Args(request.iter());
    match args.text()? {
        "tobytes" => tobytes(args),
        "encode" => encode(args),
        "decode" => decode(args),
        "descr" => descr(args),
        "map" => map::request(args),
        "spec" => Ok(done([args.text()?.parse::<Spec>()?.to_string()])),
        "raw" => {
            let mut file = raw::Raw::new(args.text()?.parse()?);
            (file.order, file.offset, file.gap) =
                (args.text()?.parse()?, args.number()?, args.number()?);
            items(&file.array(args.bytes()?.to_vec().into())?)
        }
        "compress" => deflate::compress(args),
        "decompress" => deflate::decompress(args),
        "decompress array" => deflate::decompress_array(args),
        "save compressed" => deflate::save(args),
        "load" => deflate::load(args),
        "npz write" => npz::write(args),
        "npz read" => npz::read(args),
        "npz load" => npz::load(args),
        other => Err(Error::argument(format!("unknown request {other:?}"))),
    }
}

fn tobytes(mut args: Args<'_>) -> Result<Fields> {
    let (dtype, layout) = args.array()?;
    let (order, endian): (Order, _) = (args.text()?.parse()?, args.endian()?);
    let array = ArrayRef::new(dtype, layout, args.bytes()?)?;
    if endian.is_none() {
        return Ok(vec![b"ok".to_vec(), ndbytes::to_bytes(&array, order)?]);
    }
    let mut bytes = Vec::new();
    let mut encoder = raw::Encoder::new(&array, order, endian)?;
    io::write(&mut encoder, &mut bytes, &mut io::unwatched)?;
    Ok(vec![b"ok".to_vec(), bytes])
}

fn encode(mut args: Args<'_>) -> Result<Fields> {
    let (dtype, layout) = args.array()?;
    let mut options = EncodeOptions::bare();
    let version = args.text()?;
    options.version = match version {
        "1" => Some(npy::Version::V1),
        "2" => Some(npy::Version::V2),
        "3" => Some(npy::Version::V3),
        _ => None,
    };
    options.endian = args.endian()?;
    options.checksum = args.flag()?;
    let (name, attrs) = (args.some()?, args.some()?);
    options.metadata = Metadata::new(name.map(str::to_owned), attrs.map(str::to_owned));
    let chunk = args.number()?;
    let array = ArrayRef::new(dtype, layout, args.bytes()?)?;
    if version != "0" {
        return encoded(&mut npy::Encoder::new(&array, &options)?, chunk);
    }
    let EncodeOptions { endian, order, metadata, .. } = options;
    let options = frame::EncodeOptions { endian, order, metadata, ..Default::default() };
    encoded(&mut frame::Encoder::new(&array, &options)?, chunk)
}

fn encoded<'a>(encoder: &mut dyn Encode<'a>, chunk: usize) -> Result<Fields> {
    let total = encoder.most();
    let mut out = Choppy::new(Vec::new(), chunk);
    io::write(encoder, &mut out, &mut io::unwatched)?;
    if out.inner.len() as u64 != total {
        return Err(Error::argument(format!("{total} bytes promised, {} made", out.inner.len())));
    }
    Ok(vec![b"ok".to_vec(), out.inner])
}

fn decode(mut args: Args<'_>) -> Result<Fields> {
    let mut options = DecodeOptions::default();
    let (lenient, checks) = (args.flag()?, args.text()?);
    options.lenient = lenient;
    options.checks = match checks {
        "required" => Checks::Required,
        "ignored" => Checks::Ignored,
        _ => Checks::Optional,
    };
    let chunk = args.number()?;
    let input = Choppy::new(args.bytes()?, chunk);
    answer_read(io::read_array(input, options, |_| Ok(Dest::Owned), &mut io::unwatched)?)
}

fn descr(mut args: Args<'_>) -> Result<Fields> {
    let lenient = args.flag()?;
    let parse = if lenient { DType::from_descr_lenient } else { DType::from_descr };
    let dtype = parse(args.text()?, &Limits::local())?;
    Ok(done([dtype.descr()?, dtype.to_string(), dtype.itemsize().to_string()]))
}

fn answer_read(decoded: Decoded) -> Result<Fields> {
    let (header, array) = (decoded.header, decoded.array);
    let array = array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    let state = match decoded.state {
        ChecksumState::Verified => "verified",
        ChecksumState::Unchecked => "unchecked",
        ChecksumState::Open => "open",
    };
    let version = match header.format {
        Format::Npy(version) => version.major(),
        _ => 0,
    };
    let mut fields = done([
        header.dtype.descr().unwrap_or_default(),
        header.dtype.to_string(),
        list(&header.shape),
        if header.fortran_order { "1" } else { "" }.to_owned(),
        version.to_string(),
        header.len.to_string(),
        state.to_owned(),
        decoded.metadata.name.unwrap_or_default(),
        decoded.metadata.attrs.unwrap_or_default(),
    ]);
    fields.push(array.data().to_vec());
    Ok(fields)
}

fn items(array: &Array) -> Result<Fields> {
    let bytes = ndbytes::to_bytes(&array.view(), Order::C)?;
    Ok(vec![b"ok".to_vec(), list(array.shape()).into_bytes(), bytes])
}

/// Moves at most `chunk` bytes at a time, and is interrupted before each.
struct Choppy<T> {
    inner: T,
    chunk: usize,
    interrupted: bool,
}

impl<T> Choppy<T> {
    fn new(inner: T, chunk: usize) -> Self {
        Self { inner, chunk, interrupted: false }
    }

    fn turn(&mut self, len: usize) -> std::io::Result<usize> {
        self.interrupted = self.chunk > 0 && !self.interrupted;
        match self.interrupted {
            true => Err(std::io::ErrorKind::Interrupted.into()),
            false if self.chunk == 0 => Ok(len),
            false => Ok(len.min(self.chunk)),
        }
    }
}

impl<T: Read> Read for Choppy<T> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.turn(buffer.len())?;
        self.inner.read(buffer.get_mut(..n).unwrap_or_default())
    }
}

impl<T: Write> Write for Choppy<T> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let n = self.turn(buffer.len())?;
        self.inner.write(buffer.get(..n).unwrap_or_default())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

// Once.

fn read(path: &str, flags: &[&str]) -> Result<Fields> {
    let mut options = DecodeOptions::default();
    let decoded = if path == "-" {
        let input = std::io::stdin().lock();
        io::read_array(input, options, |_| Ok(Dest::Owned), &mut io::unwatched)?
    } else if let ["--patience", milliseconds] = *flags {
        let input = io::open(path, Duration::from_millis(number(milliseconds)?))?;
        options.input_len = input.len();
        io::read_array(input, options, |_| Ok(Dest::Owned), &mut io::unwatched)?
    } else {
        io::load(path, options, Dest::Owned, &mut io::unwatched)?
    };
    answer_read(decoded)
}

fn read_raw(spec: &str, path: &str) -> Result<Fields> {
    let file = raw::Raw::new(spec.parse()?);
    let (input, len): (Box<dyn Read>, _) = if path == "-" {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let input = io::open(path, io::PATIENCE)?;
        let len = input.len();
        (Box::new(input), len)
    };
    let data = io::read_to_end(input, len, &Limits::local(), &mut io::unwatched)?;
    items(&file.array(data)?)
}

fn save(path: &str, size: &str, seed: &str, flags: &[&str]) -> Result<()> {
    let (size, seed): (usize, u8) = (number(size)?, number(seed)?);
    let options = if flags.contains(&"--checksum") {
        EncodeOptions::checked()
    } else {
        EncodeOptions::bare()
    };
    let times = match flags.iter().position(|flag| *flag == "--times") {
        Some(at) => number(flags.get(at + 1).copied().unwrap_or_default())?,
        None => 1,
    };
    let data: Vec<u8> = (0..=u8::MAX).map(|n| n.wrapping_add(seed)).cycle().take(size).collect();
    let array = ArrayRef::from_slice(&data, &[size])?;
    for _ in 0..times {
        let mut encoder = npy::Encoder::new(&array, &options)?;
        if flags.contains(&"--in-place") {
            io::write(&mut encoder, std::fs::File::create(path)?, &mut io::unwatched)?;
        } else {
            let how = io::SaveOptions::durable(flags.contains(&"--durable"));
            io::save(path, &mut encoder, how, &mut io::unwatched)?;
        }
    }
    Ok(())
}

/// The answer, and this process's largest resident size where the system tells it.
fn with_peak(answer: Result<Fields>) -> Fields {
    let mut answer = answer.unwrap_or_else(|error| failed(&error));
    answer.extend([b"peak".to_vec(), peak().into_bytes()]);
    answer
}

/// The largest resident size so far, in KiB.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()).unwrap_or_default().to_owned()
}

fn pair(value: &str) -> Result<(&str, &str)> {
    value.split_once(':').ok_or_else(|| Error::argument(format!("no pair: {value:?}")))
}
