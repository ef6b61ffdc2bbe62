//! What was typed. Nothing is opened, parsed or decided here.

mod wire;

pub(crate) use wire::{RecvArgs, SendArgs, WireArgs};

use crate::formats::FormatArg;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const ABOUT: &str = "NumPy-style arrays to bytes and back: exact, self-describing, checked";

const GUIDE: &str = "\
Examples:
  ndbytes demo                                  see it work on real arrays
  ndbytes info ecg.npy                          what is in the file
  ndbytes head ecg.npy --slice '0:3,:'          look at a part of it, as NumPy prints it
  ndbytes convert scan.raw -o scan.npy --raw '<u2[512,512]'
  ndbytes checksum scan.npy                     add checksums; NumPy still reads the file
  ndbytes digest -r results/ > SUMS             name each array, whatever its format; `verify --manifest` compares
  ndbytes verify -r results/                    find files that are damaged or cut short
  ndbytes recv tcp://:5000 -o in/               wait for arrays, as `ndbytes send *.npy tcp://:5000` sends them

A SPEC says what bytes are: a NumPy dtype, then the shape in brackets.
  '<u2[512,512]'   little-endian uint16, 512 rows of 512
  'f8[?,3]'        float64 in this machine's byte order, as many rows of 3 as there are
  '{t:<u8,v:<f4[3]}[1000]'   1000 records of a field t and a field v of 3 numbers

Exit codes: 0 fine, 1 a difference was found, 2 bad arguments, 3 no such file, 4 no permission,
5 not the expected bytes (format, cut, unsupported, mismatch), 6 a checksum does not hold,
7 a limit or no memory, 8 another system error, 9 too slow or the peer has gone, 130 interrupted.
Of several files the highest counts.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "ndbytes", version, about = ABOUT, after_help = GUIDE, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Info(InfoArgs),
    Head(HeadArgs),
    Convert(ConvertArgs),
    Verify(VerifyArgs),
    Checksum(ChecksumArgs),
    Diff(DiffArgs),
    Digest(DigestArgs),
    Send(SendArgs),
    Recv(RecvArgs),
}

/// Sends real arrays through memory, files, maps, zlib and TCP, checks every bit, then damages a copy
///
/// Each array goes in C order, in Fortran order and as a transposed view, in both byte orders, through
/// every way that bytes can take, and must come back bit for bit. Then one bit of a copy is flipped, a file and a
/// connection are cut, and you see what ndbytes says and what NumPy would have said. Nothing of yours is changed.
#[derive(Debug, Group)]
pub(crate) struct DemoArgs {
    /// Files to use instead of the built-in arrays
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Says what is in a file: dtype, shape, order, size, checksum, and a spec to paste
///
/// Quick at any size: it reads the header and looks for a checksum tail, but sums nothing; `verify` does. Of a .npz it
/// lists the members; FILE.npz:NAME is one of them, for every command that reads arrays.
/// Of a compressed file it unpacks the header only: name and attributes of a checked .npy in it stand at the
/// end, and show with --stats. A pipe is read to its end, and so is verified as well.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes info ecg.npy
  ndbytes info --json -r data/ | jq .spec
  ndbytes info scan.raw --raw '<u2[?,512]'     which shape do these bytes have?")]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Read the values too: smallest, largest, mean, and how many are NaN
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Prints an array, or a part of it, as NumPy prints it
///
/// Long arrays are abridged: over 1,000 items, the first and last three of each long axis. Long doubles, whose
/// bits differ between platforms, are printed as the bytes they are stored in.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes head ecg.npy
  ndbytes head scan.npy --slice '0:3, :'      rows 0 to 2
  ndbytes head scan.npy --slice '..., -1'     the last of the last axis
  ndbytes head -n 5 table.npy")]
pub(crate) struct HeadArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The part to print, as in Python: '0:3, :', '::-1', '..., -1'
    #[arg(long, value_name = "SLICE", allow_hyphen_values = true, conflicts_with = "rows")]
    pub(crate) slice: Option<String>,
    /// The first ROWS along the first axis
    #[arg(short = 'n', long, value_name = "ROWS")]
    pub(crate) rows: Option<usize>,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Converts between .npy, .ndb, compressed .npy and raw bytes, and changes order and byte order
///
/// The suffix of the output decides: .npy; .ndb, which is compressed, always has checksums, and place for a name and
/// attributes; .npy.zz and .npy.gz, a .npy in a zlib or gzip stream; .raw, .bin and .dat for bare items.
/// Inputs are told apart by their first bytes, whatever they are called. An output that exists is replaced
/// whole or not at all, so a file can be converted onto itself. Many files go to a folder, each under its
/// own name with the new suffix, or into one archive, .npz, those of a folder under their paths in it. The arrays of an archive go
/// to a folder under their names, never outside of it, and take no file's place without --force. `-` is standard input or output.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes convert scan.raw -o scan.npy --raw '<u2[512,512]'
  ndbytes convert a.npy -o a.npy --check            the same file with a checksum tail
  ndbytes convert a.npy -o a.ndb                    compressed in blocks, checked, and read a part at a time
  ndbytes convert a.npy -o a.npy.gz --level 9       what gunzip unpacks, and np.load(gzip.open(...)) reads
  ndbytes convert *.npy -o out/ --to raw --endian big
  ndbytes convert -r results/ -o results.npz        an archive of all arrays in a folder
  ndbytes convert results.npz -o results/           each array of an archive as a file; results.npz:NAME is one of them
  curl -s URL | ndbytes convert - -o - --raw 'f4[?,3]' > points.npy")]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The file to write, or the folder for many; - is standard output
    #[arg(short, long, value_name = "OUT|DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    /// The order of the items: C (last axis fastest) or F (first axis fastest). By default .npy keeps the
    /// order and raw bytes are C
    #[arg(long, value_name = "C|F", ignore_case = true, hide_possible_values = true)]
    pub(crate) order: Option<OrderArg>,
    /// The byte order of the numbers: little or big. By default it stays
    #[arg(long, value_name = "little|big", hide_possible_values = true)]
    pub(crate) endian: Option<EndianArg>,
    /// The dtype to cast the values to, as f4 or '>i2'. A cast that would lose is refused
    #[arg(long, value_name = "DTYPE")]
    pub(crate) cast: Option<String>,
    /// Let the cast round, wrap and cut off, as NumPy's astype does
    #[arg(long, requires = "cast")]
    pub(crate) lossy: bool,
    /// The format to write, whatever the suffix says: npy, ndb, zz (.npy.zz), gz (.npy.gz), npz or raw
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) to: Option<FormatArg>,
    /// How a .ndb is compressed: auto (small at good speed), fast, small (however long it takes), none (it can be mapped), or lz4, zstd,
    /// deflate or pco behind the filter that suits the array. By default auto. How the members of a .npz are: deflate, the default,
    /// stored (they can be mapped), or zstd (few others read it)
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<String>,
    /// How hard is compressed: of .npy.zz, .npy.gz and .npz 0 (stores) to 9 (small), by default 6; of zstd 1 to 19, deflate 1 to 9, pco 0 to 12
    #[arg(long, value_name = "N")]
    pub(crate) level: Option<i32>,
    /// Replace files that are there by arrays out of an archive, too
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Write a checksum tail behind the array of a .npy; NumPy passes over it. It keeps name and attributes
    #[arg(long)]
    pub(crate) check: bool,
    /// Return only once the file is on the disk, safe from a loss of power
    #[arg(long)]
    pub(crate) durable: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Reads files to their last byte and says of each: ok, unchecked, open, or what is damaged
///
/// ok: every checksum holds, of a compressed file that of its stream. unchecked: complete and readable, but there is no checksum that could prove
/// it. open: a writer did not finish, the checksums say nothing. Damage (cut short, or changed since it was
/// written) is an error that names the block and its bytes. Memory stays small at any size of file.
///
/// With --manifest it compares arrays with the digests that `ndbytes digest` has printed: those of all lines, or of
/// the FILEs given. A FILE belongs to the line with its path, and if there is none, to the
/// one line whose path is the same but for the format's suffix (.npy, .ndb, .npy.zz, .npy.gz, .raw, .bin, .dat): so
/// in/a.ndb is held against the line of in/a.npy, which proves that converting it lost nothing. A leading ./ does not
/// matter; folders and names must be the same.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes verify scan.npy
  ndbytes verify -r -j 4 results/
  ndbytes verify --require-checksum backup/*.npy    unchecked counts as a failure (exit 5)
  ndbytes verify --manifest SUMS                    exit 1 if an array has changed, 3 if one is missing
  ndbytes verify --manifest SUMS results/*.ndb      the same arrays in another format")]
pub(crate) struct VerifyArgs {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "manifest")]
    pub(crate) files: Vec<PathBuf>,
    /// Take the .npy, .ndb, .npy.zz, .npy.gz and .npz files in folders, and in their folders
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Work on N files at a time; 0 means one for each core
    #[arg(short, long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    pub(crate) jobs: usize,
    /// Compare with the digests in this file, as `ndbytes digest` prints them; - is standard input
    #[arg(long, value_name = "SUMS", conflicts_with = "require_checksum")]
    pub(crate) manifest: Option<PathBuf>,
    /// Fail (exit 5) for files without a finished checksum
    #[arg(long)]
    pub(crate) require_checksum: bool,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl VerifyArgs {
    /// The files, as other commands have them.
    pub(crate) fn files(&self) -> Files {
        let (files, recursive, jobs) = (self.files.clone(), self.recursive, self.jobs);
        Files { files, recursive, jobs }
    }
}

/// Prints a digest of each array: a name that is the same whatever the array is stored in
///
/// It is the BLAKE3 of dtype, shape and items, so equal arrays have equal digests as .npy with and without checksums,
/// .ndb with any codec, .npz, compressed or raw, in any order and byte order; and other ones if a single bit differs,
/// -0 from 0 too. Of a .npz every array has a line, FILE.npz:NAME; what else is in it is passed over.
/// Files are verified as they are read: what is damaged is an error and has no digest. The lines are what
/// `ndbytes verify --manifest` reads; paths are printed as they were typed or found, and where one holds a backslash
/// or a line break, as coreutils and b3sum escape it.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes digest scan.npy scan.ndb              twice the same digest, if it is the same array
  ndbytes digest -r results/ > SUMS
  ndbytes convert results/*.npy -o results/ --to ndb && ndbytes verify --manifest SUMS results/*.ndb
  ndbytes digest scan.raw --raw '<u2[512,512]'

bfloat16 in a bare .npy is V2 there, for its header has no other name: another dtype, and another digest.")]
pub(crate) struct DigestArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Puts a checksum tail on .npy files, or takes it off
///
/// The array stays byte for byte as it was and NumPy reads it as before; the checksums stand behind it. A
/// file that has a tail is verified and left, a .ndb file too, which always has its checksums; those of a
/// file whose writer did not finish are made anew. Compressed files have a checksum in their stream, and -r
/// passes over them. Each file is replaced whole or not at all.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes checksum scan.npy
  ndbytes checksum -r results/
  ndbytes checksum --strip scan.npy       for readers that refuse bytes behind the array")]
pub(crate) struct ChecksumArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Take the tail off, after verifying the file
    #[arg(long)]
    pub(crate) strip: bool,
    /// Return only once the file is on the disk, safe from a loss of power
    #[arg(long)]
    pub(crate) durable: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Compares the values of two arrays, or of all arrays of two archives
///
/// Dtype and byte order may differ: 1 as <i4 equals 1.0 as >f8. NaN equals NaN, and what stands in the gaps of
/// records does not count. Exits with 0 if they are equal, 1 if not, 5 if they cannot be compared.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes diff a.npy b.npy
  ndbytes diff a.npy b.npy --rtol 1e-5 --atol 1e-8    equal where |a - b| <= atol + rtol * |b|")]
pub(crate) struct DiffArgs {
    /// The first array
    #[arg(value_name = "A")]
    pub(crate) left: PathBuf,
    /// The second array
    #[arg(value_name = "B")]
    pub(crate) right: PathBuf,
    /// How far numbers may be apart, as a part of the second one
    #[arg(long, value_name = "PART", default_value_t = 0.0, hide_default_value = true)]
    pub(crate) rtol: f64,
    /// How far numbers may be apart
    #[arg(long, value_name = "DISTANCE", default_value_t = 0.0, hide_default_value = true)]
    pub(crate) atol: f64,
    #[command(flatten)]
    pub(crate) raw: RawArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Group)]
pub(crate) struct Files {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Take the .npy, .ndb, .npy.zz and .npy.gz files in folders, and in their folders; and .npz, to read them
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Work on N files at a time; 0 means one for each core
    #[arg(short, long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    pub(crate) jobs: usize,
}

#[derive(Debug, Group)]
pub(crate) struct Common {
    /// Print one JSON object a line, for programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Seconds to wait for somebody to write to a FIFO
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub(crate) patience: Option<f64>,
}

/// What bytes without a header are.
#[derive(Debug, Group)]
pub(crate) struct RawArgs {
    // Not a doc comment: rustdoc would take the shape for a link.
    #[arg(
        long,
        value_name = "SPEC",
        help = "The input has no header: its dtype and shape, as '<f4[100,3]'; ? is any length"
    )]
    pub(crate) raw: Option<String>,
    /// Bytes before the first item
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 0,
        hide_default_value = true,
        requires = "raw"
    )]
    pub(crate) offset: u64,
    /// Bytes between the items
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 0,
        hide_default_value = true,
        requires = "raw"
    )]
    pub(crate) gap: u64,
    /// The order the items stand in: C (last axis fastest, the default) or F
    #[arg(
        long,
        value_name = "C|F",
        ignore_case = true,
        hide_possible_values = true,
        requires = "raw"
    )]
    pub(crate) raw_order: Option<OrderArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OrderArg {
    #[value(name = "C")]
    C,
    #[value(name = "F")]
    F,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EndianArg {
    Little,
    Big,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}
