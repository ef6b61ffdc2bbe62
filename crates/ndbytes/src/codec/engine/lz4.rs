//! LZ4 blocks: made by lz4_flex without unsafe code, decoded by our own kernel.

use super::{Engine, undecodable};
use crate::error::Result;
use crate::kernel::lz4;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

#[derive(Default)]
pub(super) struct State {
    table: Option<CompressTable>,
    space: Vec<u8>,
}

impl State {
    pub(super) fn encode(&mut self, from: &[u8], to: &mut [u8]) -> Option<usize> {
        let table = self.table.get_or_insert_with(CompressTable::large);
        let most = get_maximum_output_size(from.len());
        if let Some(space) = to.get_mut(..most) {
            return compress_into_with_table(from, space, table).ok();
        }
        // Where there is less room than the worst case takes, it goes by way of a space that is large enough.
        self.space.resize(most, 0);
        let len = compress_into_with_table(from, &mut self.space, table).ok()?;
        to.get_mut(..len)?.copy_from_slice(self.space.get(..len)?);
        Some(len)
    }
}

pub(super) fn decode(from: &[u8], to: &mut [u8]) -> Result<()> {
    let wanted = to.len();
    match lz4::decode(from, to) {
        Some(made) if made == wanted => Ok(()),
        Some(made) => Err(undecodable(Engine::Lz4, format!("{made} bytes instead of {wanted}"))),
        None => Err(undecodable(Engine::Lz4, format!("no block of {wanted} bytes"))),
    }
}
