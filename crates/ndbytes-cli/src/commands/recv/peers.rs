//! Peers that connect: over channels, which also send receipts and take what is handed over in memory, where the system has them.

use ndbytes::io::Watch;
use ndbytes::io::channel::{Address, TlsOptions};
use ndbytes::io::stream::{Places, Received};
use ndbytes::{Limits, Result};
use std::time::Duration;

#[cfg(unix)]
use ndbytes::io::channel::{self as core, Channel, ChannelOptions, Keep};

/// Waits for peers.
#[cfg(unix)]
pub(super) struct Listener(core::Listener);

/// One of them.
#[cfg(unix)]
pub(super) struct Peer(Channel);

#[cfg(unix)]
impl Listener {
    pub(super) fn bind(
        address: &Address,
        limits: &Limits,
        timeout: Duration,
        tls: &TlsOptions,
        npy: bool,
    ) -> Result<Self> {
        let (limits, tls) = (limits.clone(), tls.clone());
        let options = ChannelOptions { limits, timeout, npy, tls, ..ChannelOptions::default() };
        core::Listener::bind(address, Keep::All, options).map(Self)
    }

    pub(super) fn url(&self) -> String {
        self.0.address().to_string()
    }

    pub(super) fn pin(&self) -> Option<&str> {
        self.0.pin()
    }

    pub(super) fn is_public(&self) -> bool {
        self.0.is_public()
    }

    pub(super) fn accept(&self, watch: Watch<'_>) -> Result<Peer> {
        self.0.accept(None, watch).map(Peer)
    }
}

#[cfg(unix)]
impl Peer {
    pub(super) fn name(&self) -> String {
        self.0.peer()
    }

    /// The next message; `None` at the end of the connection.
    pub(super) fn recv(
        &mut self,
        places: &mut dyn Places,
        watch: Watch<'_>,
    ) -> Result<Option<Received>> {
        self.0.recv(places, None, watch)
    }

    /// Closes it: everything was taken.
    pub(super) fn settle(self) {}

    /// Closes it so that the peer sees that not everything was taken.
    pub(super) fn refuse(self) {
        self.0.refuse();
    }
}

#[cfg(not(unix))]
use ndbytes::io::channel::{Acceptor, Connection};
#[cfg(not(unix))]
use ndbytes::io::stream::{Receiver, StreamOptions};

#[cfg(not(unix))]
pub(super) struct Listener(Acceptor, StreamOptions);

#[cfg(not(unix))]
pub(super) struct Peer(Receiver<Connection>);

#[cfg(not(unix))]
impl Listener {
    pub(super) fn bind(
        address: &Address,
        limits: &Limits,
        timeout: Duration,
        tls: &TlsOptions,
        npy: bool,
    ) -> Result<Self> {
        let options = StreamOptions { limits: limits.clone(), npy, timeout: Some(timeout) };
        Ok(Self(Acceptor::bind_with(address, tls, timeout)?, options))
    }

    pub(super) fn url(&self) -> String {
        self.0.to_string()
    }

    pub(super) fn pin(&self) -> Option<&str> {
        self.0.pin()
    }

    pub(super) fn is_public(&self) -> bool {
        self.0.is_public()
    }

    pub(super) fn accept(&self, watch: Watch<'_>) -> Result<Peer> {
        loop {
            watch(0)?;
            if let Some(connection) = self.0.accept()? {
                return Ok(Peer(Receiver::over(connection)?.with(self.1.clone())));
            }
        }
    }
}

#[cfg(not(unix))]
impl Peer {
    pub(super) fn name(&self) -> String {
        self.0.get_ref().peer()
    }

    pub(super) fn recv(
        &mut self,
        places: &mut dyn Places,
        watch: Watch<'_>,
    ) -> Result<Option<Received>> {
        self.0.recv_message_into(places, watch)
    }

    pub(super) fn settle(self) {
        self.0.into_inner().settle();
    }

    pub(super) fn refuse(self) {
        self.0.into_inner().refuse();
    }
}
