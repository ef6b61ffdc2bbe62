//! What is in an archive: a line for each member.

use super::facts::method;
use crate::input::{self, Archive, key_of};
use crate::report::{Report, counted, percent, printable};
use crate::sources::Source;
use ndbytes::io::Peeked;
use ndbytes::io::npz::{Blocks, Entry};
use ndbytes::{Error, Result, Spec};
use serde_json::{Value, json};

/// One member.
struct Row {
    key: String,
    /// None of what is no array, or is stored in a way that is not read.
    spec: Option<String>,
    entry: Entry,
}

/// Lists the members; of the arrays only the headers are read.
///
/// # Errors
/// Those of the archive, and of an array's header.
pub(super) fn report(source: &Source, mut archive: Archive<'_>) -> Result<Report> {
    let about = |error: Error| input::named(error, source);
    let mut rows = Vec::new();
    for (index, entry) in archive.entries().to_vec().into_iter().enumerate() {
        let is_array = entry.method().is_ok() && archive.is_array(index).map_err(about)?;
        let peeked = is_array.then(|| archive.peek_member(index, input::options(None)));
        let spec = peeked.transpose().map_err(about)?.as_ref().map(spec);
        let key = if is_array { key_of(&archive, entry.name()) } else { entry.name() }.to_owned();
        rows.push(Row { key, spec, entry });
    }
    Ok(Report::new(text(source, &rows), json(source, &rows)))
}

fn spec(peeked: &Peeked) -> String {
    Spec::exact(peeked.dtype().clone(), &peeked.header.shape).to_string()
}

fn text(source: &Source, rows: &[Row]) -> String {
    let mut text = format!("{}: npz, {}", source.name(), counted(rows.len() as u64, "member"));
    let names: Vec<String> = rows.iter().map(|row| printable(&row.key)).collect();
    let specs: Vec<String> = rows.iter().map(Row::spec).collect();
    let width = |texts: &[String]| {
        texts.iter().map(|text| text.chars().count()).max().unwrap_or_default().min(40)
    };
    let (name_width, spec_width) = (width(&names), width(&specs));
    for ((row, name), spec) in rows.iter().zip(names).zip(specs) {
        let size = counted(row.entry.size(), "byte");
        text.push_str(&format!(
            "\n  {name:<name_width$}  {spec:<spec_width$}  {size}, {}",
            row.stored()
        ));
    }
    text
}

fn json(source: &Source, rows: &[Row]) -> Value {
    let members: Vec<Value> = rows
        .iter()
        .map(|Row { key, spec, entry }| {
            json!({
                "name": key, "spec": spec, "bytes": entry.size(), "stored_bytes": entry.stored_size(),
                "method": method(entry), "blocks": entry.blocks().map_or(1, Blocks::len), "crc32": entry.crc32(),
            })
        })
        .collect();
    json!({ "path": source.typed(), "format": "npz", "file_bytes": source.len(), "members": members })
}

impl Row {
    fn spec(&self) -> String {
        self.spec.as_ref().map_or_else(|| "no array".to_owned(), |spec| format!("'{spec}'"))
    }

    fn stored(&self) -> String {
        let (method, stored, size) =
            (method(&self.entry), self.entry.stored_size(), self.entry.size());
        match method {
            "stored" => method.to_owned(),
            _ => {
                let blocks =
                    self.entry.blocks().map(|blocks| counted(blocks.len() as u64, "block"));
                let blocks = blocks.map(|blocks| format!(" in {blocks}")).unwrap_or_default();
                format!("{method} {}{blocks} ({})", counted(stored, "byte"), percent(stored, size))
            }
        }
    }
}
