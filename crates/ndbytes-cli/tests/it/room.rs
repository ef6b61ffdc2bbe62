//! A folder for one test, and the binary started in it.

use ndbytes::io::SaveOptions;
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{ArrayRef, Metadata, Order, io};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_ndbytes");

pub(crate) struct Room(tempfile::TempDir);

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn mkdir(&self, name: &str) {
        std::fs::create_dir_all(self.path(name)).unwrap();
    }

    /// A bare `.npy` of the numbers 0, 1, 2, … in `<u2` and this shape; its bytes.
    pub(crate) fn bare(&self, name: &str, shape: &[usize]) -> Vec<u8> {
        self.npy(name, shape, Order::C, &EncodeOptions::bare())
    }

    /// The same with a checksum tail.
    pub(crate) fn checked(&self, name: &str, shape: &[usize]) -> Vec<u8> {
        self.npy(name, shape, Order::C, &EncodeOptions::checked())
    }

    /// The same with a name and attributes.
    pub(crate) fn labelled(&self, name: &str, shape: &[usize]) -> Vec<u8> {
        let mut options = EncodeOptions::checked();
        options.metadata = Metadata::new(Some("scan".into()), Some(r#"{"unit": "mV"}"#.into()));
        self.npy(name, shape, Order::C, &options)
    }

    pub(crate) fn npy(
        &self,
        name: &str,
        shape: &[usize],
        order: Order,
        options: &EncodeOptions,
    ) -> Vec<u8> {
        let values = numbers(shape.iter().product());
        let array = ArrayRef::from_slice(&values, shape).unwrap().to_order(order).unwrap();
        let view = array.view();
        let mut encoder = Encoder::new(&view, options).unwrap();
        let path = self.path(name);
        io::save(&path, &mut encoder, SaveOptions::default(), &mut io::unwatched).unwrap();
        self.read(name)
    }

    /// Names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    /// With these bytes as standard input; standard output as bytes.
    pub(crate) fn pipe(&self, args: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), output.stdout, err)
    }
}

impl Done {
    /// Asserts that it ended with this code and exactly this on standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, err: &str) {
        assert_eq!((self.code, self.err.trim_end()), (Some(code), err), "{}", self.out);
    }

    /// Asserts that it ended well and exactly with this on standard output.
    #[track_caller]
    pub(crate) fn said(&self, out: &str) {
        assert_eq!((self.code, self.out.trim_end(), self.err.as_str()), (Some(0), out, ""));
    }

    /// The JSON objects on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// 0, 1, 2, … around 2¹⁶.
pub(crate) fn numbers(len: usize) -> Vec<u16> {
    (0..len).map(|n| u16::try_from(n % 65_521).unwrap()).collect()
}

/// Their bytes.
pub(crate) fn bytes(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A `.npy` file of version 1.0 with this text as its header.
pub(crate) fn with_header(dict: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(dict.len() + 1).unwrap().to_le_bytes());
    file.extend(dict.as_bytes());
    file.push(b'\n');
    file.extend(data);
    file
}

/// Marks the tail that starts at `start`, its record at `record`, as one whose writer has not finished.
pub(crate) fn mark_open(file: &mut [u8], start: usize, record: usize) {
    file[record + 9] = 1;
    let sum = ndbytes::crc32c(&file[start..record + 32]).to_le_bytes();
    file[record + 32..record + 36].copy_from_slice(&sum);
}
