//! Members that are small for several threads, compressed beside each other.

use super::write::{WriteOptions, Writer, pack};
use super::{Entry, Method};
use crate::codec::Packed;
use crate::error::Result;
use crate::format::Encode;
use crate::io::{Watch, unwatched};
use crate::threads::Threads;
use std::io::Write;

/// Bytes of a member, at most: larger ones have blocks enough for all threads.
const SMALL: u64 = 4 << 20;
/// Bytes of those that are compressed before any is written.
const BATCH: u64 = 32 << 20;

impl<W: Write> Writer<W> {
    /// Writes members one behind the other, the same bytes as by [`Writer::add`] for each; deflated ones of less than some MiB are
    /// compressed beside each other.
    ///
    /// # Errors
    /// As [`Writer::add`].
    pub fn add_all<'a, E: Encode<'a>>(
        &mut self,
        members: impl IntoIterator<Item = (String, E)>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let (mut waiting, mut size) = (Vec::new(), 0);
        for (name, mut encoder) in members {
            let small = encoder.total().filter(|&total| total <= SMALL && self.packs_beside());
            let Some(total) = small else {
                self.add_together(std::mem::take(&mut waiting), watch)?;
                self.add(&name, &mut encoder, watch)?;
                size = 0;
                continue;
            };
            if size + total > BATCH {
                self.add_together(std::mem::take(&mut waiting), watch)?;
                size = 0;
            }
            size += total;
            waiting.push((name, encoder));
        }
        self.add_together(waiting, watch)
    }

    fn packs_beside(&self) -> bool {
        let WriteOptions { method, threads, .. } = self.options();
        method == Method::Deflated && threads.get() > 1
    }

    fn add_together<'a, E: Encode<'a>>(
        &mut self,
        members: Vec<(String, E)>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let threads = self.options().threads;
        // Few members leave some threads for the blocks of each.
        let each = Threads::new(threads.get() / members.len().max(1));
        let options = WriteOptions { threads: each, ..self.options() };
        let (names, encoders): (Vec<String>, Vec<E>) = members.into_iter().unzip();
        let mut done: Vec<Option<Member>> = names.iter().map(|_| None).collect();
        let work = |(at, mut encoder): (usize, E)| {
            let mut bytes = Vec::new();
            let mut sink = |more: &[u8]| {
                bytes.extend_from_slice(more);
                Ok(())
            };
            let packed = pack(&mut encoder, options, &mut sink, &mut unwatched)?;
            Ok((at, (bytes, packed)))
        };
        let mut seen = 0;
        let parts = encoders.into_iter().enumerate().collect();
        threads.run(parts, &work, &mut |(at, member): (usize, Member)| {
            seen += member.1.0.size;
            if let Some(place) = done.get_mut(at) {
                *place = Some(member);
            }
            watch(seen)
        })?;
        for (name, (bytes, packed)) in names.iter().zip(done.into_iter().flatten()) {
            let mut entry: Entry = self.begin(name)?;
            self.put(&bytes)?;
            entry.set_packed(packed);
            self.end(entry)?;
        }
        Ok(())
    }
}

/// The stream of a member, what it is of, and the base-2 logarithm of how long its blocks are.
type Member = (Vec<u8>, (Packed, u8));
