//! How good the choice of `codec="auto"` is, and what it costs, for the bench: of each `.npy` file a line of JSON with the bytes it makes, those
//! of the best single filter before the same codec, and the seconds of processor time that trying and all of it took.

use ndbytes::{
    ArrayRef, Codec, Copying, DecodeOptions, Dest, Encode as _, Filter, Result, frame, io,
};
use std::io::Write as _;
use std::time::Duration;

/// Each is timed so many times, and the quickest counts.
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    for path in std::env::args().skip(1) {
        let read = io::load(&path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)?;
        let Some(array) = read.array else { continue };
        writeln!(std::io::stdout(), "{}", line(&path, &array.view())?)?;
    }
    Ok(())
}

fn line(path: &str, array: &ArrayRef<'_>) -> Result<String> {
    let auto = frame::EncodeOptions { codec: Codec::Auto, ..Default::default() };
    let (size, mut tried, mut all) = encoded(array, &auto)?;
    for _ in 1..ROUNDS {
        let (_, trial, whole) = encoded(array, &auto)?;
        (tried, all) = (tried.min(trial), all.min(whole));
    }
    let mut best: Option<(u64, Filter)> = None;
    for filter in (0..=u8::MAX).filter_map(Filter::of_number) {
        let fixed = frame::EncodeOptions { filter: Some(filter), ..auto.clone() };
        let (size, ..) = encoded(array, &fixed)?;
        if best.is_none_or(|(least, _)| size < least) {
            best = Some((size, filter));
        }
    }
    let (least, filter) = best.unwrap_or((0, Filter::NONE));
    let [tried, all] = [tried, all].map(|time| time.as_secs_f64());
    let bytes = array.nbytes();
    Ok(format!(
        r#"{{"path": {path:?}, "nbytes": {bytes}, "auto": {size}, "best": {least}, "filter": "{filter}", "trial_s": {tried}, "all_s": {all}}}"#
    ))
}

/// The size of the frame, the time until its encoder was there, for which all trials are made, and that of all of it.
fn encoded(
    array: &ArrayRef<'_>,
    options: &frame::EncodeOptions,
) -> Result<(u64, Duration, Duration)> {
    let start = processor_time();
    let mut encoder = frame::Encoder::new(array, options)?;
    let tried = processor_time() - start;
    let most = usize::try_from(encoder.most()).unwrap_or(usize::MAX);
    let mut out = vec![1; most];
    let before = processor_time();
    let size = encoder.write_into(&mut out, Copying::default(), &mut |_| Ok(()))?;
    Ok((size, tried, tried + (processor_time() - before)))
}

/// Of this thread: what else the machine does is not in it.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
