//! What was typed behind `send` and `recv`.

use super::Common;
use crate::formats::FormatArg;
use clap::Args as Group;
use std::path::{Path, PathBuf};

/// Sends arrays to whoever listens at an address
///
/// Each file goes as an array with its dtype, shape, order, name, attributes and checksums; `ndbytes recv`, or the
/// library, takes them. Of a .npz every array goes by itself, unless --group makes one message of all. Over tcp:// and unix:
/// files are read as they are sent, so their size does not matter; only compressed ones and standard input are read to their
/// end first. A file that turns out to be damaged is cut off, so that the receiver sees it too. It waits until the
/// receiver has read everything, and fails (exit 9) if that has not taken everything.
///
/// Over udp:// nothing is answered: nobody can say whether the arrays have arrived, and what is sent faster than the slowest
/// link or the receiver can take is lost. --loss says which part of the datagrams may be lost without harm, --rate how fast
/// they go. A message, which is in memory while it is sent, is at most 256 MiB long for a receiver that was not told otherwise.
#[derive(Debug, Group)]
#[command(
    override_usage = "ndbytes send [OPTIONS] <FILE>... <ADDR>",
    after_help = "\
Examples:
  ndbytes send ecg.npy tcp://127.0.0.1:5000
  ndbytes send -r results/ unix:/run/arrays      results/a/b.npy is called a/b
  ndbytes send --group run7 x.npz tcp://:5000    one message, whole or not at all: run7.npz
  ndbytes send --loss 0.01 --rate 50M *.npy udp://lab:5000
  ndbytes send --npy ecg.npy tcp://lab:5000      to np.load(sock.makefile('rb')): no checksums
  ndbytes send ecg.npy tls://lab:5000 --ca ca.pem         encrypted, to whom that authority knows as lab
  ndbytes send ecg.npy tls://lab:5000 --pin sha256/...    encrypted, to who has this key: `ndbytes recv` says it

Whoever can read the network can read the arrays, but over tls://: beyond this machine, send so, or through ssh or a VPN."
)]
pub(crate) struct SendArgs {
    // One list, so that options may stand anywhere in it.
    /// Files to send, - is standard input, and where to, behind or before them: tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT
    /// or unix:/path
    #[arg(value_name = "FILE|ADDR", required = true)]
    files: Vec<PathBuf>,
    /// Take the .npy, .ndb, .npy.zz, .npy.gz and .npz files in folders, and in their folders
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Send all as one message of this name: the receiver has all of it or nothing; `ndbytes recv` makes NAME.npz of it
    #[arg(short, long, value_name = "NAME", conflicts_with = "npy")]
    pub(crate) group: Option<String>,
    /// Over udp://: the part of the datagrams that may be lost or damaged without harm, as 0.01; up to 0.5. By default 0: then any loss
    /// loses the array
    #[arg(long, value_name = "PART")]
    pub(crate) loss: Option<f64>,
    /// Over udp://: bytes a second at most, as 800K, 50M or 1.5G. By default 100M, what a gigabit link takes
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<String>,
    /// Over tls://: a PEM file of those who may sign the receiver's certificate. By default those whom the system trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Over tls://: the one key that the receiver may have, whatever its certificate says: sha256/ and the hash in base64
    #[arg(long, value_name = "PIN")]
    pub(crate) pin: Option<String>,
    #[command(flatten)]
    pub(crate) wire: WireArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Waits for arrays at an address, and makes a file of each
///
/// A file is there only once all of it has come and every checksum held. Its name is the array's, as far as that is
/// the name of a file: an array never goes outside the folder, and never takes the place of another file unless
/// --force says so; what may not have its name is read and passed over. A message of several arrays becomes one .npz, of the name
/// that `send --group` gave it, or group-1.npz and so on. Arrays of any size are taken in little memory.
/// What goes wrong on one connection ends no other, and shows in the exit code, of which the highest counts. Ctrl-C
/// between two arrays is the way to end it, and no error; inside one, or with --once, it is (exit 130).
///
/// Over udp:// datagrams may be lost: arrays come whole, or not at all and are counted as lost (exit 5). They are in memory until
/// they are whole, in 256 MiB at most, or twice --max-bytes if that is more.
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  ndbytes recv tcp://:5000 -o in/                until Ctrl-C; only this machine can connect
  ndbytes recv tcp://0.0.0.0:5000 --max-bytes 1000000000
  ndbytes recv unix:/run/arrays --once           one connection, then the end
  ndbytes recv unix:/run/cam --keep latest       what is newest, whatever was missed
  ndbytes recv udp://:5000 -o in/ --idle 5       until nothing has come for 5 seconds
  ndbytes recv tls://0.0.0.0:5000 --cert cert.pem --key key.pem  encrypted: the first line says the --pin for `ndbytes send`

The first line says where it listens, with the port that tcp://:0 was given.
Nobody is asked who they are: beyond this machine, listen behind ssh or a VPN.")]
pub(crate) struct RecvArgs {
    /// Where: tcp://HOST:PORT, tcp://:0 for any port of this machine, tls://HOST:PORT, udp://HOST:PORT, or unix:/path
    #[arg(value_name = "ADDR", required_unless_present = "listen", conflicts_with = "listen")]
    pub(crate) address: Option<String>,
    /// The same, said with a word
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The folder for the files; it is made if it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,
    /// End when the first connection has ended; over udp:// and with --keep, when the first message has come
    #[arg(long)]
    pub(crate) once: bool,
    /// End when nothing has come for SECONDS, once something has
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle: Option<f64>,
    /// Over tcp://, tls:// and unix:, where messages come faster than they can be written: keep the newest only, or the newest N
    #[arg(long, value_name = "latest|N", conflicts_with = "npy")]
    pub(crate) keep: Option<String>,
    /// Over udp://: write an array of which only a part has come, too, as NAME.partial.npz: the array, zeros where nothing came, and
    /// a mask of what did
    #[arg(long)]
    pub(crate) partial: bool,
    /// Over tls://: a PEM file of this end's certificate, and of those between it and one that is trusted
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Over tls://: a PEM file of the certificate's private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Refuse arrays of more than N bytes
    #[arg(long, value_name = "N")]
    pub(crate) max_bytes: Option<u64>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// The format to write: npy (the default) or ndb; messages of several arrays are .npz
    #[arg(long, value_name = "npy|ndb", default_value = "npy", value_parser = received_as, hide_default_value = true)]
    pub(crate) to: FormatArg,
    /// Write a checksum tail behind every .npy; those with attributes always have one
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) wire: WireArgs,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl SendArgs {
    /// The files, and where they go: the address stands at either end.
    pub(crate) fn split(&self) -> (&[PathBuf], &str) {
        match (self.files.split_first(), self.files.split_last()) {
            (Some((first, rest)), Some((last, _)))
                if is_address(text(first)) && !is_address(text(last)) =>
            {
                (rest, text(first))
            }
            (_, Some((last, rest))) => (rest, text(last)),
            _ => (&[], ""),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("unix:")
}

impl RecvArgs {
    /// Where it listens.
    pub(crate) fn listen(&self) -> &str {
        self.address.as_ref().or(self.listen.as_ref()).map_or("", String::as_str)
    }
}

fn received_as(text: &str) -> Result<FormatArg, String> {
    match text {
        "npy" => Ok(FormatArg::Npy),
        "ndb" => Ok(FormatArg::Ndb),
        _ => Err("npy and ndb are possible".to_owned()),
    }
}

/// What both ends of a connection must know.
#[derive(Debug, Group)]
pub(crate) struct WireArgs {
    /// Speak bare .npy, with a peer that has only NumPy; nothing is checked then
    #[arg(long)]
    pub(crate) npy: bool,
    /// Seconds the peer may take to connect, for a header, and for each 64 KiB of an array; over udp://, how long the rest of an
    /// array is waited for behind its last datagram. By default 30, and 5 over udp://
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
}
