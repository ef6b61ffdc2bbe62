//! The options of connections, and names that came over them.

mod names;

pub(crate) use names::file_stem;

use crate::args::WireArgs;
use ndbytes::io::stream::StreamOptions;
use ndbytes::{Error, Result};
use std::time::Duration;

/// The options of a connection, and its time-out.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for a time that is none.
pub(crate) fn options(args: &WireArgs) -> Result<(StreamOptions, Duration)> {
    let timeout = Duration::try_from_secs_f64(args.timeout)
        .ok()
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| {
            Error::argument(format!("--timeout: {} is no time to wait", args.timeout))
        })?;
    let options = StreamOptions { npy: args.npy, timeout: Some(timeout), ..Default::default() };
    Ok((options, timeout))
}
