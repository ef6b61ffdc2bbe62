//! A progress bar for work that takes longer than about a second.

use indicatif::{
    HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::fmt;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes moved so far, of all files together; shown once it is worth it, and only to a person.
#[derive(Debug)]
pub(crate) struct Progress {
    wanted: bool,
    moved: AtomicU64,
    total: AtomicU64,
    /// What is under way, for who waits for more behind it.
    busy: AtomicUsize,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    /// When the first bytes moved.
    started: Option<Instant>,
    bar: Option<ProgressBar>,
}

/// Shorter work shows nothing.
const DELAY: Duration = Duration::from_secs(1);

impl Progress {
    pub(crate) fn new(wanted: bool) -> Self {
        let (moved, total, busy, shown) = Default::default();
        let wanted = wanted && std::io::stderr().is_terminal();
        Self { wanted, moved, total, busy, shown }
    }

    /// Says how many bytes there will be; 0 if that is not known.
    pub(crate) fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        let moved = self.moved.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if !self.wanted {
            return;
        }
        let mut shown = self.lock();
        let started = *shown.started.get_or_insert_with(Instant::now);
        if started.elapsed() > DELAY {
            let bar = shown.bar.get_or_insert_with(|| self.bar(started));
            bar.set_position(moved);
        }
    }

    /// Something begins of which nobody knew before; it is over with [`Progress::rest`].
    pub(crate) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::AcqRel);
    }

    /// It will be so many bytes more.
    pub(crate) fn grow(&self, bytes: u64) {
        let total = self.total.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if let Some(bar) = &self.lock().bar {
            bar.set_length(total);
        }
    }

    /// It is over. Once nothing is under way the bar goes: what comes next is another one's.
    pub(crate) fn rest(&self) {
        if self.busy.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.finish();
        *self.lock() = Shown::default();
        self.moved.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
    }

    /// Whether something is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    fn bar(&self, started: Instant) -> ProgressBar {
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
        bar.with_style(style).with_elapsed(started.elapsed())
    }

    /// Does something to the terminal without the bar in its way.
    pub(crate) fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.lock().bar.clone() {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.lock().bar {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes a second since the start.
fn rate(state: &ProgressState) -> u64 {
    let millis = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    state.pos().saturating_mul(1000) / millis
}
