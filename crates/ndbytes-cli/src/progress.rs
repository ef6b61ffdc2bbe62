//! A progress bar for work that takes longer than about a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes moved so far, of all files together; shown once it is worth it, and only to a person.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    wanted: bool,
    moved: AtomicU64,
    total: AtomicU64,
    bar: OnceLock<ProgressBar>,
}

/// Shorter work shows nothing.
const DELAY: Duration = Duration::from_secs(1);

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            started: Instant::now(),
            wanted: wanted && std::io::stderr().is_terminal(),
            moved: AtomicU64::new(0),
            total: AtomicU64::new(0),
            bar: OnceLock::new(),
        }
    }

    /// Says how many bytes there will be; 0 if that is not known.
    pub(crate) fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        let moved = self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.wanted && self.started.elapsed() > DELAY {
            self.bar.get_or_init(|| self.bar(moved)).set_position(moved);
        }
    }

    fn bar(&self, moved: u64) -> ProgressBar {
        let total = self.total.load(Ordering::Relaxed);
        let (bar, template) = if total > 0 {
            let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
            (ProgressBar::new(total), template)
        } else {
            (ProgressBar::no_length(), "{spinner} {bytes}, {bytes_per_sec}")
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let bar = bar.with_position(moved).with_elapsed(self.started.elapsed()).with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        // Otherwise all that moved before the bar was there would count as moved in no time.
        bar.reset_eta();
        bar
    }

    /// Does something to the terminal without the bar in its way.
    pub(crate) fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.bar.get() {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
