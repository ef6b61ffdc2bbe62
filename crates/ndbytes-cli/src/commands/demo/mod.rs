//! `ndbytes demo`: real arrays through every way that bytes can take, then what damage looks like.

mod arrays;
mod damage;
mod folder;
mod table;
mod trips;
mod ways;

use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::report::Report;
use crate::session::Session;
use folder::Folder;
use ndbytes::Result;
use ways::WAYS;

pub(crate) fn run(session: &Session, args: &DemoArgs) -> Result<Exit> {
    let samples = arrays::load(session, &args.files)?;
    let folder = Folder::create()?;
    let mut exit = Exit::OK;
    let say = |text: String| session.report(&Report::new(text, serde_json::Value::Null));
    if !session.json {
        say(table::intro(&samples, WAYS))?;
    }
    let mut totals = trips::Tally::new();
    for sample in &samples {
        let tally = trips::run(session, sample, folder.path())?;
        let report = Report::new(table::row(sample, &tally), table::row_json(sample, &tally));
        session.report(&report)?;
        for failure in &tally.failures {
            exit = exit.max(session.fail(failure));
        }
        exit = exit.max(tally.exit());
        totals.add(&tally);
    }
    if !session.json {
        say(table::ways(&totals))?;
        say(table::total(&totals))?;
    }
    let Some(largest) = samples.iter().max_by_key(|sample| sample.array.nbytes()) else {
        return Ok(exit);
    };
    for case in damage::cases(largest, folder.path())? {
        exit = exit.max(session.report(&case)?);
    }
    if !session.json && exit == Exit::OK {
        say(table::outro())?;
    }
    Ok(exit)
}
