//! Many files, some at a time, reported in the order they were named.

use crate::exit::Exit;
use crate::report::Report;
use crate::session::{Session, interrupted};
use crate::sources::Sources;
use ndbytes::Result;
use ndbytes::io::Watch;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Does `work` for each item, numbered from 0, and reports each as its turn comes. The highest exit code counts.
pub(crate) fn run<T: Sync>(
    session: &Session,
    items: &[T],
    work: impl Fn(&T, Watch<'_>) -> Result<Report> + Sync,
) -> Exit {
    let (sender, receiver) = mpsc::channel();
    let next = AtomicUsize::new(0);
    let worker = |sender: mpsc::Sender<(usize, Result<Report>)>| {
        while !session.is_over() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let done = work(item, &mut session.watch());
            if sender.send((index, done)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..session.jobs.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(|| worker(sender));
        }
        drop(sender);
        in_order(session, receiver)
    })
}

fn in_order(session: &Session, receiver: mpsc::Receiver<(usize, Result<Report>)>) -> Exit {
    let mut exit = Exit::OK;
    let mut waiting = BTreeMap::new();
    let mut due = 0;
    for (index, done) in receiver {
        waiting.insert(index, done);
        while let Some(done) = waiting.remove(&due) {
            due += 1;
            let printed = done.and_then(|report| session.report(&report));
            if exit == Exit::INTERRUPTED {
                continue; // Said once.
            }
            exit = exit.max(printed.unwrap_or_else(|error| session.fail(&error)));
        }
    }
    // Stopped between two files: none of them had the chance to say so.
    if session.is_over() && exit != Exit::INTERRUPTED {
        exit = exit.max(session.fail(&interrupted()));
    }
    exit
}

/// Says what was wrong with finding the inputs.
pub(crate) fn unfound(session: &Session, sources: &Sources) -> Exit {
    sources.errors.iter().map(|error| session.fail(error)).max().unwrap_or_default()
}
