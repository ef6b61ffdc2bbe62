//! What who listens needs.

use super::judge::provider;
use super::{ALPN, pem, pin};
use crate::error::{Error, Result};
use rustls::server::NoServerSessionStorage;
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// Who listens: its certificate and the key.
#[derive(Debug, Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    pin: String,
}

impl Server {
    pub(super) fn new(cert: &Path, key: &Path) -> Result<Self> {
        let (chain, private) = (pem::certificates(cert)?, pem::key(key)?);
        let pin =
            chain.first().map(pin::pin_of).transpose().map_err(|error| error.in_file(cert))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(super::explain)?;
        let mut config =
            builder.with_no_client_auth().with_single_cert(chain, private).map_err(|error| {
                match error {
                    TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                        let message =
                            format!("the key is not that of the certificate in {}", cert.display());
                        Error::argument(message).in_file(key)
                    }
                    error => {
                        Error::argument(format!("no key that can be used: {error}")).in_file(key)
                    }
                }
            })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Nothing is resumed. And who never reads would be reset by tickets that come to a closed socket, and lose what it sent.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Arc::new(config), pin: pin.unwrap_or_default() })
    }

    /// For rustls.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What who connects can give as `pin`.
    #[must_use]
    pub fn pin(&self) -> &str {
        &self.pin
    }
}
