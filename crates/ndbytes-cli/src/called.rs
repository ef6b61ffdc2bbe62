//! What arrays are called, by where they come from.

use crate::args::Files;
use crate::formats::named_as;
use crate::sources::{Source, Sources};
use ndbytes::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

impl Sources {
    /// What each array is called: a file by its own name, one of a folder by its path in it, an array of an archive as there.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] for a name that is no text, and for two that are one: then nothing was `done`.
    pub(crate) fn names(&self, files: &Files, done: &str) -> Result<Vec<String>> {
        let mut taken: HashMap<String, &Source> = HashMap::new();
        let mut names = Vec::new();
        for source in &self.found {
            let name = match source {
                Source::Stdin => "arr_0".to_owned(), // As np.savez calls an array without a name.
                Source::Member(_, name) => name.clone(),
                Source::File(path) => files.name_of(path)?,
            };
            if let Some(first) = taken.insert(name.clone(), source) {
                let (first, second) = (first.name(), source.name());
                return Err(Error::argument(format!(
                    "both {first} and {second} would be called {name:?}; nothing was {done}"
                )));
            }
            names.push(name);
        }
        Ok(names)
    }
}

impl Files {
    /// What a file is called: by its own name, or its path in the folder that it was found in, without the format's suffix.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] for a name that is no text.
    pub(crate) fn name_of(&self, path: &Path) -> Result<String> {
        let unnamed = |why: &str| Error::argument(why).in_file(path);
        let folders = self.files.iter().filter(|_| self.recursive);
        let mut within = folders
            .filter(|folder| folder.is_dir())
            .filter_map(|folder| path.strip_prefix(folder).ok());
        let relative = within.next().or_else(|| path.file_name().map(Path::new));
        let relative = relative.ok_or_else(|| unnamed("has no name to take in an archive"))?;
        let stem = named_as(relative).map_or_else(|| relative.file_name(), |(stem, _)| Some(stem));
        let parts = relative.parent().into_iter().flat_map(Path::iter).chain(stem);
        let parts = parts.map(|part| part.to_str()).collect::<Option<Vec<&str>>>();
        let parts =
            parts.ok_or_else(|| unnamed("its name is not UTF-8, as those in an archive are"))?;
        Ok(parts.join("/"))
    }
}
