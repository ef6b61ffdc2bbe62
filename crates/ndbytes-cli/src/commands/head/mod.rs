//! `ndbytes head`: an array, or a part of it, as NumPy prints it.

mod slice;

use crate::args::HeadArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input;
use crate::print;
use crate::report::Report;
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::{ArrayRef, Error, Result, Spec};
use serde_json::json;
use slice::Slices;

pub(crate) fn run(session: &Session, args: &HeadArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let slices = match (&args.slice, args.rows) {
        (Some(text), _) => Some(text.parse::<Slices>()?),
        (None, Some(rows)) => Some(Slices::rows(rows)),
        (None, None) => None,
    };
    let mut sources = Sources::find_with_archives(&args.files)?;
    session.progress.expect(sources.size());
    if raw.is_none() {
        for note in sources.expand(session) {
            session.note(&note);
        }
    }
    let several = sources.found.len() > 1;
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &sources.found, |source, watch| {
        let loaded = input::load(session, source, raw.as_ref(), watch)?;
        let view = loaded.array.view();
        let part = slices.as_ref().map_or_else(|| Ok(view.clone()), |slices| slices.of(&view));
        let report = part.and_then(|part| report(source, &part, several));
        report.map_err(|error| input::named(error, source))
    });
    Ok(found.max(done))
}

fn report(source: &Source, part: &ArrayRef<'_>, several: bool) -> Result<Report> {
    let printed = print::array(part)?;
    let spec = Spec::exact(part.dtype().clone(), part.shape()).to_string();
    let json = json!({ "path": source.typed(), "spec": spec, "text": printed });
    let text = if several { format!("==> {} <==\n{printed}", source.name()) } else { printed };
    Ok(Report::new(text, json))
}

impl Slices {
    /// The part of the array that they take.
    fn of<'a>(&self, array: &ArrayRef<'a>) -> Result<ArrayRef<'a>> {
        let (slices, dropped) = self.resolve(array.shape())?;
        let layout = array.layout().sliced(&slices)?.squeezed(&dropped)?;
        ArrayRef::new(array.dtype().clone(), layout, array.data())
            .map_err(|error: Error| error.context("--slice"))
    }
}
