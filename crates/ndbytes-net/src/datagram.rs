//! Arrays over UDP, in the runtime's time.

use crate::STEP;
use ndbytes::datagram::{Arrival, ReassemblyOptions, Stats};
use ndbytes::frame::EncodeOptions;
use ndbytes::io::channel::Address;
use ndbytes::io::datagram::{Came, Next, SendOptions};
use ndbytes::io::{datagram, now_ns};
use ndbytes::{ArrayRef, Encode as _, Error, Message, Result};
use std::io::{ErrorKind as IoKind, Result as IoResult};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// Calls to the system before other tasks have their turn.
const BURST: usize = 16;

/// The shortest time that the runtime can sleep. A shorter wait for the pace gives other tasks their turn until it is over.
const SLEEP: Duration = Duration::from_millis(1);

/// Sends arrays to one address, at a pace. It is never told whether they arrived.
///
/// ```
/// use ndbytes::ArrayRef;
/// use ndbytes::io::datagram::SendOptions;
/// use ndbytes_net::{DatagramReceiver, DatagramSender};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ndbytes::Result<()> {
/// let mut receiver = DatagramReceiver::bind(&"udp://:0".parse()?, Default::default()).await?;
/// let options = SendOptions { loss: 0.01, ..SendOptions::default() };
/// let mut sender = DatagramSender::connect(&receiver.address()?, options).await?;
/// sender.send(&[(ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?, Default::default())]).await?;
/// let arrival = receiver.recv().await?;
/// assert_eq!(arrival.received.arrays[0].header.shape, [2]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DatagramSender {
    sender: datagram::DatagramSender,
    ready: Readiness,
}

impl DatagramSender {
    /// To the first address of that name. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Argument`](ndbytes::ErrorKind::Argument) for an address that is not `udp://`, a name without an address, and a rate of 0;
    /// [`Io`](ndbytes::ErrorKind::Io) from the system.
    pub async fn connect(address: &Address, options: SendOptions) -> Result<Self> {
        let to = look_up(address).await?;
        let sender = datagram::DatagramSender::connect(to)?.with(options)?;
        let ready = Readiness::of(sender.get_ref())?;
        Ok(Self { sender, ready })
    }

    /// Sends arrays as one message, each a frame as its options say, and gives the message's number: the first of a sender is 0.
    ///
    /// Where the future is dropped the message is lost, and the next one may be sent.
    ///
    /// # Errors
    /// [`Argument`](ndbytes::ErrorKind::Argument) for no arrays; as [`frame::Encoder::new`](ndbytes::frame::Encoder::new) and
    /// [`Fragmenter::new`](ndbytes::datagram::Fragmenter::new), before anything is sent; [`Io`](ndbytes::ErrorKind::Io) from the system.
    pub async fn send(&mut self, arrays: &[(ArrayRef<'_>, EncodeOptions)]) -> Result<u64> {
        let (count, seq) = (arrays.len() as u64, self.sender.next_number());
        let message = Message { count, seq, sent_ns: now_ns(), stream: None };
        let (mut pieces, mut made) = (Vec::new(), 0);
        for mut frame in message.encoders(arrays)? {
            while let Some(piece) = frame.next()? {
                made += piece.len();
                pieces.push(piece);
                if made >= STEP {
                    made = 0;
                    yield_now().await;
                }
            }
        }
        let mut flight = self.sender.begin(pieces)?;
        loop {
            match self.sender.advance(&mut flight)? {
                Next::Go => consume_budget().await,
                Next::Wait(time) if time >= SLEEP => sleep(time).await,
                Next::Wait(_) => yield_now().await,
                // The system may have room though it has not said so.
                Next::Room => drop(timeout(crate::TICK, self.ready.wait(Interest::WRITABLE)).await),
                Next::Done => return Ok(flight.number()),
            }
        }
    }

    /// What this sender calls itself in its datagrams: drawn at random.
    #[must_use]
    pub fn stream(&self) -> u32 {
        self.sender.stream()
    }

    /// Where it sends to.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.sender.peer_addr()
    }
}

/// Receives the arrays of any number of senders. It answers nothing.
#[derive(Debug)]
pub struct DatagramReceiver {
    receiver: datagram::DatagramReceiver,
    ready: Readiness,
}

impl DatagramReceiver {
    /// At this address, of port 0 at any that is free.
    ///
    /// # Errors
    /// [`Argument`](ndbytes::ErrorKind::Argument) for an address that is not `udp://`; [`Io`](ndbytes::ErrorKind::Io) from the system.
    pub async fn bind(address: &Address, options: ReassemblyOptions) -> Result<Self> {
        let at = look_up(address).await?;
        let receiver = datagram::DatagramReceiver::bind(at)?.with(options);
        let ready = Readiness::of(receiver.get_ref())?;
        Ok(Self { receiver, ready })
    }

    /// The next message that comes whole, or in part where the options allow it. Nothing is lost where the future is dropped.
    ///
    /// Wrong datagrams and lost messages are no errors: they are counted in [`DatagramReceiver::stats`].
    ///
    /// # Errors
    /// [`Io`](ndbytes::ErrorKind::Io) from the system, and [`Memory`](ndbytes::ErrorKind::Memory). It can go on behind each.
    pub async fn recv(&mut self) -> Result<Arrival> {
        let mut taken = 0;
        loop {
            match self.receiver.advance()? {
                Came::Message(arrival) => return Ok(*arrival),
                Came::More if taken < BURST => taken += 1,
                Came::More => {
                    taken = 0;
                    yield_now().await;
                }
                Came::Nothing => self.wait().await?,
            }
        }
    }

    /// Waits until something has come, or a message may be over.
    async fn wait(&mut self) -> Result<()> {
        let most = self.receiver.patience().unwrap_or(Duration::MAX);
        let ready = self.ready.wait(Interest::READABLE);
        Ok(timeout(most, ready).await.unwrap_or(Ok(()))?)
    }

    /// What has been seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.receiver.stats()
    }

    /// How many messages are not whole yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.receiver.pending()
    }

    /// Bytes that the system keeps of what nobody has read yet: see
    /// [`granted`](ndbytes::io::datagram::DatagramReceiver::granted).
    #[must_use]
    pub fn granted(&self) -> usize {
        self.receiver.granted()
    }

    /// Where it receives, with the real port.
    ///
    /// # Errors
    /// [`Io`](ndbytes::ErrorKind::Io) from the system.
    pub fn address(&self) -> Result<Address> {
        let at = self.receiver.local_addr()?;
        Ok(Address::Udp { host: at.ip().to_string(), port: at.port() })
    }
}

async fn look_up(address: &Address) -> Result<SocketAddr> {
    let Address::Udp { host, port } = address else {
        return Err(Error::argument(format!("{address}: datagrams go over udp://HOST:PORT")));
    };
    let about = |error: Error| error.context(address);
    let found = tokio::net::lookup_host((host.as_str(), *port)).await;
    let first = found.map_err(|error| about(error.into()))?.next();
    first.ok_or_else(|| about(Error::argument("the name has no address")))
}

/// The runtime's own hold on a socket, to hear when it is ready.
#[derive(Debug)]
struct Readiness(UdpSocket);

impl Readiness {
    fn of(socket: &std::net::UdpSocket) -> Result<Self> {
        Ok(Self(UdpSocket::from_std(socket.try_clone()?)?))
    }

    /// Waits until something has changed since it was found not to be ready: then the next try tells.
    async fn wait(&self, interest: Interest) -> IoResult<()> {
        self.0.ready(interest).await?;
        // What comes from here on makes it ready anew.
        let none = self.0.try_io(interest, || Err::<(), _>(IoKind::WouldBlock.into()));
        none.or(Ok(()))
    }
}
