//! What was moved over connections, and how fast.

use crate::report::counted;
use crate::session::Session;
use indicatif::HumanBytes;
use ndbytes::Result;
use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts arrays, and the time between the first byte and the last.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    arrays: u64,
    bytes: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Tally {
    /// Something is moving: from now on time counts.
    pub(crate) fn touch(&self) {
        let now = Instant::now();
        let mut counts = self.lock();
        counts.first.get_or_insert(now);
        counts.last = Some(now);
    }

    /// So many arrays have been moved, of so many bytes together.
    pub(crate) fn count(&self, arrays: u64, bytes: u64) {
        self.touch();
        let mut counts = self.lock();
        counts.arrays += arrays;
        counts.bytes = counts.bytes.saturating_add(bytes);
    }

    /// How long nothing has moved, since something did.
    pub(crate) fn silent(&self) -> Option<Duration> {
        self.lock().last.map(|last| last.elapsed())
    }

    /// Says it all in one line: `done` is what was done, `more` what else is to be said, for people and for programs.
    ///
    /// # Errors
    /// As [`Session::print`].
    pub(crate) fn tell(
        &self,
        session: &Session,
        done: &str,
        more: Option<(String, Value)>,
    ) -> Result<()> {
        if session.quiet {
            return Ok(());
        }
        let Counts { arrays, bytes, first, last } = *self.lock();
        let time = last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first);
        let (text, more) = more.unwrap_or_default();
        if session.json {
            let mut told = Map::new();
            told.insert(done.to_owned(), arrays.into());
            told.insert("data_bytes".to_owned(), bytes.into());
            told.insert("seconds".to_owned(), time.as_secs_f64().into());
            if let Value::Object(more) = more {
                told.extend(more);
            }
            return session.print(&format!("{}\n", json!({ "statistics": told })));
        }
        let rate = u128::from(bytes) * 1000 / time.as_millis().max(1);
        let rate = HumanBytes(u64::try_from(rate).unwrap_or(u64::MAX));
        // What took no time has no rate.
        let rate = if time.as_millis() > 0 { format!(", {rate}/s") } else { String::new() };
        let (arrays, bytes) = (counted(arrays, "array"), counted(bytes, "byte"));
        let seconds = time.as_secs_f32();
        session.note(&format!("{done} {arrays}, {bytes} in {seconds:.3} s{rate}{text}"));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
