//! Where the arrays of a message come.

use crate::array::{Memory, to_array};
use crate::decode::Destination;
use crate::errors::{IntoPy as _, carry};
#[cfg(target_os = "linux")]
use ndbytes::io::shm::Handed;
use ndbytes::io::stream::{Places, Received};
use ndbytes::io::unwatched;
use ndbytes::{
    Array, ArrayRef, BufferMut, Copying, Decoded, Dest, Error, Header, Order, Result, copy_to,
};
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a message is in Python: its arrays with names, the text of its attributes, its number and when it was sent, if it says so.
pub(crate) type Message<'py> =
    (Vec<(Option<String>, Bound<'py, PyAny>)>, Option<String>, Option<(u64, u64)>);

/// The caller's arrays, or memory of their own.
pub(crate) struct Arrivals {
    /// Where the caller wants them, by name; without one the only array of a message.
    outs: Vec<(Option<String>, Destination)>,
    places: Vec<Place>,
    /// Bytes of the arrays of the message, as far as it is known of them.
    pub(crate) total: Arc<AtomicU64>,
}

enum Place {
    /// One of the caller's.
    Out(usize),
    Own(Box<Destination>),
    /// Memory that another process shares.
    #[cfg(target_os = "linux")]
    Shared(Box<Handed>),
}

impl Arrivals {
    /// # Errors
    /// As [`Destination::new`].
    pub(crate) fn new(outs: Vec<(Option<String>, Bound<'_, PyAny>)>) -> PyResult<Self> {
        let outs =
            outs.into_iter().map(|(name, out)| Ok((name, Destination::new(None, Some(&out))?)));
        let (places, total) = Default::default();
        Ok(Self { outs: outs.collect::<PyResult<_>>()?, places, total })
    }

    /// The place for the next array.
    fn choose(&self, header: &Header) -> Result<Place> {
        self.total.fetch_add(header.nbytes(), Ordering::Relaxed);
        if self.outs.is_empty() {
            return Ok(Place::Own(Box::default()));
        }
        let name = &header.metadata.name;
        let is_wanted = |(wanted, _): &(Option<String>, Destination)| match wanted {
            None => self.places.is_empty(),
            Some(_) => wanted == name,
        };
        let is_taken =
            |at: usize| self.places.iter().any(|place| matches!(place, Place::Out(n) if *n == at));
        match self.outs.iter().position(is_wanted) {
            Some(at) if !is_taken(at) => Ok(Place::Out(at)),
            _ => {
                let name = name
                    .as_deref()
                    .map_or_else(|| "without a name".to_owned(), |name| format!("{name:?}"));
                let message = format!(
                    "out has no array for array {} of the message, {name}",
                    self.places.len() + 1
                );
                Err(Error::mismatch(message))
            }
        }
    }

    /// Takes an array that is in memory already.
    pub(crate) fn take(&mut self, header: &Header, array: &ArrayRef<'_>) -> Result<()> {
        let order = if header.fortran_order { Order::F } else { Order::C };
        let copy =
            |to: &mut [u8]| copy_to(array, order, None, to, Copying::default(), &mut unwatched);
        match self.place(header)? {
            Dest::Into(out) => copy(out),
            Dest::Fill(buffer) => copy(buffer.all()?),
            _ => Ok(()),
        }
    }

    /// The arrays that have come.
    ///
    /// # Errors
    /// As [`Destination::finish`].
    pub(crate) fn finish<'py>(
        mut self,
        py: Python<'py>,
        received: &Received,
    ) -> PyResult<Message<'py>> {
        let mut arrays = Vec::new();
        for (place, decoded) in self.places.into_iter().zip(&received.arrays) {
            let name = decoded.header.metadata.name.clone();
            let destination = match place {
                #[cfg(target_os = "linux")]
                Place::Shared(handed) => {
                    arrays.push((name, crate::shm::adopted(py, *handed)?));
                    continue;
                }
                Place::Own(destination) => *destination,
                Place::Out(at) => std::mem::take(&mut self.outs[at].1),
            };
            arrays.push((name, destination.finish(py, decoded)?));
        }
        let attrs = received.arrays.first().and_then(|first| first.metadata.attrs.clone());
        let told = received.message.map(|message| (message.seq, message.sent_ns));
        Ok((arrays, attrs, told))
    }
}

impl Places for Arrivals {
    fn begin(&mut self) {
        self.places.clear();
        self.total.store(0, Ordering::Relaxed);
    }

    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        let place = self.choose(header)?;
        self.places.push(place);
        match self.places.last_mut() {
            Some(Place::Out(at)) => self.outs[*at].1.choose(header, false),
            Some(Place::Own(destination)) => destination.choose(header, false),
            _ => Ok(Dest::Discard),
        }
    }

    #[cfg(target_os = "linux")]
    fn lend(&mut self, handed: Handed) -> Result<Decoded> {
        let decoded = handed.decoded();
        match self.outs.is_empty() {
            true => {
                self.total.fetch_add(decoded.header.nbytes(), Ordering::Relaxed);
                self.places.push(Place::Shared(Box::new(handed)));
            }
            false => self.take(&decoded.header, &handed.array()?)?,
        }
        Ok(decoded)
    }

    fn keep(&mut self, decoded: &mut Decoded, mut memory: BufferMut) -> Result<()> {
        let place = match self.choose(&decoded.header)? {
            Place::Out(at) => {
                match self.outs[at].1.choose(&decoded.header, false)? {
                    Dest::Into(out) => out.copy_from_slice(memory.all()?),
                    _ => return Err(carry(crate::errors::argument("out takes no bytes"))),
                }
                Place::Out(at)
            }
            _ => Place::Own(Box::new(Destination::filled(memory))),
        };
        self.places.push(place);
        Ok(())
    }
}

/// An array of ours as one of NumPy's.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn array<'py>(py: Python<'py>, array: &Array) -> PyResult<Bound<'py, PyAny>> {
    let mut memory = BufferMut::new(array.nbytes() as u64).py()?;
    let to = memory.all().py()?;
    copy_to(&array.view(), Order::C, None, to, Copying::default(), &mut unwatched).py()?;
    to_array(py, Memory::new(memory), array.dtype(), array.shape(), Order::C)
}
