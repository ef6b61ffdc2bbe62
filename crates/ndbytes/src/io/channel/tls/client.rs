//! What who connects needs.

use super::judge::{Judge, provider};
use super::{ALPN, pem, pin};
use crate::error::{Error, ErrorKind, Result};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Who connects: how it judges certificates, and the name it looks for. Made once, it serves any number of connections.
#[derive(Debug, Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    pub(super) fn new(host: &str, ca: Option<&Path>, pin: Option<&str>) -> Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Error::argument(format!("{host:?} is no name that a certificate can have"))
        })?;
        let judge = match (ca, pin) {
            (_, Some(pin)) => Judge::of_pin(pin::parse(pin)?),
            (Some(path), None) => of_file(path)?,
            (None, None) => of_system()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(super::explain)?;
        // Not to check less: it checks what is trusted otherwise than by its issuer, and says exactly what is wrong.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(judge));
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name })
    }

    /// For rustls.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The host of the address.
    #[must_use]
    pub fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

/// Trusts whom the certificates of a file say.
fn of_file(path: &Path) -> Result<Judge> {
    let known = pem::certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &known {
        roots.add(certificate.clone()).map_err(|error| {
            let message = format!("ca: the file has a certificate that is none: {error}");
            Error::argument(message).in_file(path)
        })?;
    }
    judge(roots, known)
}

/// Trusts whom the system trusts.
fn of_system() -> Result<Judge> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have certificates that nobody can read; what is signed by them is refused.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        let message = format!(
            "this system has no certificates of authorities{why}: give ca, a PEM file of some, or pin"
        );
        return Err(Error::new(ErrorKind::Io, message));
    }
    judge(roots, Vec::new())
}

fn judge(roots: RootCertStore, known: Vec<CertificateDer<'static>>) -> Result<Judge> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| Error::argument(format!("ca: {error}")))?;
    Ok(Judge::of_chain(verifier, known))
}
