//! The options of connections, and names that came over them.

mod names;
mod options;
mod tally;

pub(crate) use names::file_stem;
pub(crate) use options::{keep, loss, only, only_tls, rate, seconds, timeout};
pub(crate) use tally::Tally;
