//! A progress bar for work that takes longer than about a second.

use indicatif::{
    HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::fmt;
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
            self.bar.get_or_init(|| self.bar()).set_position(moved);
        }
    }

    fn bar(&self) -> ProgressBar {
        let total = self.total.load(Ordering::Relaxed);
        let (bar, template) = if total > 0 {
            (ProgressBar::new(total), "{bar:20} {bytes} of {total_bytes}, {rate}/s, {left} left")
        } else {
            (ProgressBar::no_length(), "{spinner} {bytes}, {rate}/s")
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Over the whole time: the bar's own rates would count what moved before it was there as moved in no time.
        let style = style
            .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{}", HumanBytes(rate(state)));
            })
            .with_key("left", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
                let left = Duration::from_secs(rest.div_ceil(rate(state).max(1)));
                let _ = write!(out, "{}", HumanDuration(left));
            });
        bar.with_style(style).with_elapsed(self.started.elapsed())
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

/// Bytes a second since the start.
fn rate(state: &ProgressState) -> u64 {
    let millis = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    state.pos().saturating_mul(1000) / millis
}
