//! Each target over its committed corpus, and over inputs made from it by a fixed sequence of changes.

use ndbytes::Filter;
use ndbytes::datagram::Stats;
use ndbytes_fuzz::{Rng, Seen};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Changed inputs per target.
const CHANGED: usize = 20_000;

#[test]
fn descr() {
    replay("descr", ndbytes_fuzz::descr);
}

#[test]
fn npy_header() {
    replay("npy_header", ndbytes_fuzz::npy_header);
}

#[test]
fn npz() {
    replay("npz", ndbytes_fuzz::npz);
}

#[test]
fn npy_stream() {
    replay("npy_stream", ndbytes_fuzz::npy_stream);
}

#[test]
fn checksum_tail() {
    replay("checksum_tail", ndbytes_fuzz::checksum_tail);
}

#[test]
fn frame_header() {
    replay("frame_header", ndbytes_fuzz::frame_header);
}

#[test]
fn frame_stream() {
    replay("frame_stream", ndbytes_fuzz::frame_stream);
}

#[test]
fn wire() {
    replay("wire", ndbytes_fuzz::wire);
}

#[test]
fn datagram() {
    replay("datagram", ndbytes_fuzz::datagram);
}

#[test]
fn zlib_bound() {
    replay("zlib_bound", ndbytes_fuzz::zlib_bound);
}

#[test]
fn coded_header() {
    replay("coded_header", ndbytes_fuzz::coded_header);
}

#[test]
fn coded_index() {
    replay("coded_index", ndbytes_fuzz::coded_index);
}

#[test]
fn coded_block() {
    replay("coded_block", ndbytes_fuzz::coded_block);
}

#[test]
fn coded_stream() {
    replay("coded_stream", ndbytes_fuzz::coded_stream);
}

#[test]
fn coded_mutated() {
    replay("coded_mutated", ndbytes_fuzz::coded_mutated);
}

#[test]
fn coded_filters() {
    replay("coded_filters", ndbytes_fuzz::coded_filters);
}

#[test]
fn growing() {
    replay_some("growing", ndbytes_fuzz::growing, CHANGED / 4);
}

/// The corpus reaches the decoder of every codec, with what it takes and with what it refuses, and undoes every filter.
#[test]
fn every_codec_and_filter_is_reached() {
    let blocks: Vec<Seen> =
        corpus("coded_block").iter().filter_map(|(_, input)| ndbytes_fuzz::seen(input)).collect();
    for (codec, name) in (1..).zip(["lz4", "zstd", "deflate", "pco"]) {
        let of = || blocks.iter().filter(move |seen| seen.codec == codec);
        let taken = of().filter(|seen| seen.refusal.is_none()).count();
        let refused = |seen: &&Seen| {
            seen.refusal.as_ref().is_some_and(|why| why.contains(&format!(": {name}: ")))
        };
        assert!(taken >= 5 && of().filter(refused).count() >= 3, "{name}: {taken} taken");
    }
    let undone: BTreeSet<u8> = corpus("coded_filters")
        .iter()
        .filter_map(|(_, input)| ndbytes_fuzz::undone(input))
        .filter_map(|[filter, codec]| (codec != 0).then_some(filter))
        .collect();
    let all: BTreeSet<u8> = (0..128).filter_map(Filter::of_number).map(Filter::number).collect();
    assert_eq!(undone, all);
}

/// The corpus has datagrams that make messages, whole and in part, that are mended, and that are refused for every reason.
#[test]
fn datagrams_come_to_something() {
    let inputs = corpus("datagram");
    let count = |of: fn(&Stats) -> u64| {
        inputs.iter().filter(|(_, input)| of(&ndbytes_fuzz::arrivals(input)) > 0).count()
    };
    let found = [
        count(|stats| stats.messages),
        count(|stats| stats.partial),
        count(|stats| stats.repaired),
        count(|stats| stats.damaged),
        count(|stats| stats.dropped),
        count(|stats| stats.late),
        count(|stats| stats.duplicates),
        count(|stats| stats.corrupt),
        count(|stats| stats.refused),
    ];
    let least = [20, 5, 5, 1, 1, 1, 5, 5, 1];
    assert!(found.iter().zip(least).all(|(found, least)| *found >= least), "{found:?}");
}

fn replay(target: &str, run: fn(&[u8])) {
    replay_some(target, run, CHANGED);
}

fn replay_some(target: &str, run: fn(&[u8]), count: usize) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "no corpus of {target}");
    for (name, input) in &corpus {
        checked(run, input, name);
    }
    let mut rng = Rng::new(1);
    for round in 0..count {
        let input = changed(&corpus, &mut rng);
        checked(run, &input, &format!("change {round}"));
    }
}

/// The inputs with their names, in the order of these.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).expect("the corpus is committed");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("a readable folder");
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).expect("a readable file"))
    };
    let mut inputs: Vec<_> = entries.map(read).collect();
    inputs.sort();
    inputs
}

/// Runs one input; where it fails, the output names it and has its bytes.
fn checked(run: fn(&[u8]), input: &[u8], name: &str) {
    struct Named<'a>(&'a str, &'a [u8]);
    impl Drop for Named<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input is {}: \"{}\"", self.0, self.1.escape_ascii());
            }
        }
    }
    let _named = Named(name, input);
    run(input);
}

/// An input of the corpus after one to four changes.
fn changed(corpus: &[(String, Vec<u8>)], rng: &mut Rng) -> Vec<u8> {
    let (_, chosen) = &corpus[rng.below(corpus.len())];
    let mut input = chosen.clone();
    for _ in 0..=rng.below(4) {
        let len = input.len();
        if len == 0 {
            input.push(rng.byte());
            continue;
        }
        let (one, two) = (rng.below(len), rng.below(len));
        match rng.below(8) {
            0 => input[one] ^= 1 << rng.below(8),
            1 => input[one] = rng.byte(),
            2 => input[one] = b"0123456789'\",:()[]{}<>|=\\@?- \n\0\xffLu"[rng.below(34)],
            3 => input.insert(one, rng.byte()),
            4 => drop(input.remove(one)),
            5 => input.truncate(one),
            6 => {
                let part = input[one.min(two)..one.max(two)].to_vec();
                input.splice(one..one, part.into_iter().take(64));
            }
            _ => {
                let (_, other) = &corpus[rng.below(corpus.len())];
                let from = rng.below(other.len().max(1));
                let part = other.iter().skip(from).take(1 + rng.below(32)).copied();
                input.splice(one..one, part);
            }
        }
    }
    input
}
