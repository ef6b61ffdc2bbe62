//! What all commands share while they run: how to speak, and when to stop.

use crate::args::Common;
use crate::exit::{self, Exit, kind_name};
use crate::progress::Progress;
use crate::report::{Report, printable};
use ndbytes::{Error, ErrorKind, Result};
use serde_json::json;
use std::io::{Write as _, stderr, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    /// Files worked on at a time.
    pub(crate) jobs: usize,
    /// How long a FIFO may stay silent.
    pub(crate) patience: Duration,
    pub(crate) progress: Progress,
    /// Set by SIGINT and SIGTERM.
    signalled: Arc<AtomicBool>,
    /// Set when whoever reads our output has gone.
    unread: AtomicBool,
}

impl Session {
    /// Makes the common options ready, and from here on listens to Ctrl-C: the first asks the work to stop and undo
    /// itself, a second ends the process at once.
    pub(crate) fn start(common: &Common, jobs: usize) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let patience = match common.patience {
            None => ndbytes::io::PATIENCE,
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|error| Error::argument(format!("--patience: {error}")))?,
        };
        let signalled = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let code = i32::from(Exit::INTERRUPTED.0);
            signal_hook::flag::register_conditional_shutdown(signal, code, signalled.clone())?;
            signal_hook::flag::register(signal, signalled.clone())?;
        }
        Ok(Self {
            json: common.json,
            quiet: common.quiet,
            jobs: if jobs == 0 { cores } else { jobs },
            patience,
            progress: Progress::new(!common.json && !common.quiet),
            signalled,
            unread: AtomicBool::new(false),
        })
    }

    /// # Errors
    /// [`ErrorKind::Interrupted`] once it is time to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_over() { Err(interrupted()) } else { Ok(()) }
    }

    /// Whether work should stop.
    pub(crate) fn is_over(&self) -> bool {
        self.is_signalled() || self.unread.load(Ordering::Relaxed)
    }

    fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Relaxed)
    }

    /// A watch for one piece of work: counts its bytes, and stops it on Ctrl-C.
    pub(crate) fn watch(&self) -> impl FnMut(u64) -> Result<()> + '_ {
        let mut last = 0;
        move |moved| {
            // A second pass over the same file counts anew.
            self.progress.add(moved.checked_sub(last).unwrap_or(moved));
            last = moved;
            self.check()
        }
    }

    /// Prints what a command found.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] from standard output.
    pub(crate) fn report(&self, report: &Report) -> Result<Exit> {
        if let Some(note) = &report.note {
            self.note(note);
        }
        if self.json {
            self.print(&format!("{}\n", report.json))?;
        } else if let Some(error) = &report.error {
            self.complain(&error.to_string());
        } else if !self.quiet && !report.text.is_empty() {
            self.print(&format!("{}\n", report.text))?;
        }
        Ok(report.exit)
    }

    /// Writes text to standard output, where it may turn out that nobody reads any more.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] from standard output.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let written = self.progress.suspended(|| {
            let mut out = stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        written.map_err(|error| {
            let error = Error::io(error);
            if exit::is_broken_pipe(&error) {
                self.unread.store(true, Ordering::Relaxed);
            }
            error.in_file("standard output")
        })
    }

    /// Says on standard error what went wrong; the exit code that follows from it.
    pub(crate) fn fail(&self, error: &Error) -> Exit {
        if self.unread.load(Ordering::Relaxed) || exit::is_broken_pipe(error) {
            self.unread.store(true, Ordering::Relaxed);
            return Exit::OK;
        }
        // Whatever an interruption broke first, it is an interruption.
        let error = if self.is_signalled() { &interrupted() } else { error };
        let exit = Exit::of(error);
        if self.json {
            let path = error.path().map(|path| path.display().to_string());
            let line = json!({
                "error": error.message(), "kind": kind_name(error.kind()), "path": path, "offset": error.offset(),
                "exit": exit.0,
            });
            self.progress.suspended(|| {
                let _ = writeln!(stderr(), "{line}");
            });
        } else {
            self.complain(&error.to_string());
        }
        exit
    }

    /// The code to end with, after `exit` was the highest of all.
    pub(crate) fn end(&self, exit: Exit) -> Exit {
        self.progress.finish();
        if self.unread.load(Ordering::Relaxed) {
            return Exit::OK;
        }
        exit
    }

    /// A line on standard error for whoever wants more than errors.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            self.complain(message);
        }
    }

    /// One line on standard error.
    pub(crate) fn complain(&self, message: &str) {
        self.progress.suspended(|| {
            let _ = writeln!(stderr(), "ndbytes: {}", printable(message));
        });
    }
}

pub(crate) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; nothing half-written is left")
}
