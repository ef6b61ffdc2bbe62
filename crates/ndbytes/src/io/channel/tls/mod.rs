//! `tls://`: nobody on the way reads or changes what goes, and who connects knows whom it speaks to. TLS 1.3 alone.
//!
//! What a user gives becomes a [`Client`] or a [`Server`] here, for whoever drives connections; there is no way to check nothing.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod explain;
#[cfg(all(unix, feature = "tls"))]
mod handshakes;
#[cfg(feature = "tls")]
mod judge;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod pin;
#[cfg(feature = "tls")]
mod server;
#[cfg(all(unix, feature = "tls"))]
mod session;

#[cfg(feature = "tls")]
pub use client::Client;
#[cfg(feature = "tls")]
pub use explain::explain;
#[cfg(all(unix, feature = "tls"))]
pub(super) use handshakes::Handshakes;
#[cfg(feature = "tls")]
pub use server::Server;
#[cfg(all(unix, feature = "tls"))]
pub(super) use session::{Tls, Wait};

use super::Address;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// The protocol within TLS: a server that speaks others alone refuses it, and one of ours a client that does.
#[cfg(feature = "tls")]
const ALPN: &[u8] = b"ndbytes";

/// What the ends of a `tls://` connection are given; nothing of it fits another kind of address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Of who connects: a PEM file of those who may sign the listener's certificate; else those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Of who connects: the only key that the listener may have, as `sha256/BASE64` of its certificate's public key. It replaces
    /// the check of names, times and signatures under the certificate; that the listener has the key is checked all the same.
    pub pin: Option<String>,
    /// Of who listens: a PEM file of its certificate, and of those between it and one that is trusted.
    pub cert: Option<PathBuf>,
    /// Of who listens: a PEM file of the certificate's private key.
    pub key: Option<PathBuf>,
}

impl TlsOptions {
    /// For who connects there; `None` where the address is of another kind.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for what does not fit, a pin that is none, and a file without certificates;
    /// [`Io`](crate::ErrorKind::Io) for one that cannot be read; [`Unsupported`](crate::ErrorKind::Unsupported) in a build without the
    /// feature `tls`.
    #[cfg(feature = "tls")]
    pub fn client(&self, address: &Address) -> Result<Option<Client>> {
        let Some(host) = self.connecting(address)? else { return Ok(None) };
        Client::new(host, self.ca.as_deref(), self.pin.as_deref()).map(Some)
    }

    /// For who listens there; `None` where the address is of another kind.
    ///
    /// # Errors
    /// As [`TlsOptions::client`], and [`Argument`](crate::ErrorKind::Argument) for a certificate without its key.
    #[cfg(feature = "tls")]
    pub fn server(&self, address: &Address) -> Result<Option<Server>> {
        let Some((cert, key)) = self.listening(address)? else { return Ok(None) };
        Server::new(cert, key).map(Some)
    }

    /// Nobody, in a build without TLS.
    #[cfg(not(feature = "tls"))]
    pub(super) fn client(&self, address: &Address) -> Result<()> {
        self.connecting(address)?.map_or(Ok(()), |_| Err(no_tls()))
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn server(&self, address: &Address) -> Result<()> {
        self.listening(address)?.map_or(Ok(()), |_| Err(no_tls()))
    }

    /// The host to be sure of.
    fn connecting<'a>(&self, address: &'a Address) -> Result<Option<&'a str>> {
        if self.cert.is_some() || self.key.is_some() {
            return Err(Error::argument(
                "cert and key are for who listens; who connects has ca, or pin",
            ));
        }
        let Address::Tls { host, .. } = address else {
            return match self.ca.is_some() || self.pin.is_some() {
                true => Err(not_for("ca and pin are", address)),
                false => Ok(None),
            };
        };
        if self.ca.is_some() && self.pin.is_some() {
            return Err(Error::argument(
                "ca and pin: a pin takes the place of whoever signs certificates; give one of them",
            ));
        }
        Ok(Some(host))
    }

    /// The certificate and its key.
    fn listening(&self, address: &Address) -> Result<Option<(&PathBuf, &PathBuf)>> {
        if self.ca.is_some() || self.pin.is_some() {
            return Err(Error::argument(
                "ca and pin are for who connects; who listens has cert and key",
            ));
        }
        match (&self.cert, &self.key, address) {
            (Some(cert), Some(key), Address::Tls { .. }) => Ok(Some((cert, key))),
            (None, None, Address::Tls { .. }) => Err(Error::argument(format!(
                "{address}: a listener needs cert and key, PEM files of its certificate and of the private key"
            ))),
            (Some(_), None, Address::Tls { .. }) => Err(Error::argument(
                "cert without key: the certificate's private key is needed, too",
            )),
            (None, Some(_), Address::Tls { .. }) => {
                Err(Error::argument("key without cert: the certificate of the key is needed, too"))
            }
            (None, None, _) => Ok(None),
            _ => Err(not_for("cert and key are", address)),
        }
    }
}

fn not_for(what: &str, address: &Address) -> Error {
    Error::argument(format!("{what} for tls://; {address} is neither secret nor authenticated"))
}

#[cfg(not(feature = "tls"))]
fn no_tls() -> Error {
    Error::unsupported("this build of ndbytes has no TLS (feature `tls`)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_does_not_fit_is_refused_before_files_are_read() {
        let file = || Some(PathBuf::from("nowhere.pem"));
        let ca = TlsOptions { ca: file(), ..Default::default() };
        let pin = TlsOptions { pin: Some("sha256/".to_owned()), ..Default::default() };
        let both = TlsOptions { ca: file(), ..pin.clone() };
        let cert = TlsOptions { cert: file(), ..Default::default() };
        let key = TlsOptions { key: file(), ..Default::default() };
        let pair = TlsOptions { key: file(), ..cert.clone() };
        let (tls, tcp) = ("tls://a:1".parse().unwrap(), "tcp://a:1".parse().unwrap());
        let unix = "unix:/tmp/a".parse().unwrap();
        for (options, address, why) in [
            (&ca, &tcp, "ca and pin are for tls://; tcp://a:1 is neither secret nor authenticated"),
            (
                &pin,
                &unix,
                "ca and pin are for tls://; unix:/tmp/a is neither secret nor authenticated",
            ),
            (
                &both,
                &tls,
                "ca and pin: a pin takes the place of whoever signs certificates; give one of them",
            ),
            (&cert, &tls, "cert and key are for who listens; who connects has ca, or pin"),
            (&pair, &tcp, "cert and key are for who listens; who connects has ca, or pin"),
        ] {
            let error = options.connecting(address).unwrap_err();
            assert_eq!((error.message(), error.kind()), (why, &ErrorKind::Argument));
        }
        for (options, address, why) in [
            (
                &pair,
                &tcp,
                "cert and key are for tls://; tcp://a:1 is neither secret nor authenticated",
            ),
            (&ca, &tls, "ca and pin are for who connects; who listens has cert and key"),
            (&cert, &tls, "cert without key: the certificate's private key is needed, too"),
            (&key, &tls, "key without cert: the certificate of the key is needed, too"),
            (
                &TlsOptions::default(),
                &tls,
                "tls://a:1: a listener needs cert and key, PEM files of its certificate and of the private key",
            ),
        ] {
            let error = options.listening(address).unwrap_err();
            assert_eq!((error.message(), error.kind()), (why, &ErrorKind::Argument));
        }
        assert!(TlsOptions::default().connecting(&tcp).unwrap().is_none());
        assert!(TlsOptions::default().listening(&unix).unwrap().is_none());
        assert_eq!(ca.connecting(&tls).unwrap(), Some("a"));
    }
}
