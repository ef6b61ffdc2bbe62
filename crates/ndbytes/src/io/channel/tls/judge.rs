//! Whether a listener is who it should be.

use super::explain::refused;
use super::pin::pin_of;
use crate::error::{Error, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, PeerIncompatible,
    SignatureScheme,
};
use std::sync::Arc;

/// Judges the certificate of a listener; that the listener has its key is checked whatever it says.
#[derive(Debug)]
pub(super) struct Judge {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    /// Who has signed it, when it is valid and for which names.
    Chain {
        verifier: Arc<WebPkiServerVerifier>,
        /// Certificates that are trusted themselves.
        known: Vec<CertificateDer<'static>>,
    },
    /// One key, and nothing else.
    Pin(String),
}

impl Judge {
    pub(super) fn of_chain(
        verifier: Arc<WebPkiServerVerifier>,
        known: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { trust: Trust::Chain { verifier, known }, provider: provider() }
    }

    pub(super) fn of_pin(pin: String) -> Self {
        Self { trust: Trust::Pin(pin), provider: provider() }
    }
}

/// The cryptography: the only place that says whose.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match &self.trust {
            Trust::Pin(pin) => {
                let found = pin_of(certificate).map_err(carried)?;
                if found != *pin {
                    let message = format!(
                        "the listener has another key than its pin says: expected {pin}, found {found}"
                    );
                    return Err(carried(Error::new(ErrorKind::Peer, message)));
                }
            }
            Trust::Chain { verifier, known } => {
                let judged = verifier.verify_server_cert(certificate, between, name, ocsp, now);
                let judged = match judged {
                    // Its time was looked at before, its name was not; what its key is for counts for nothing where the user named it. Whoever makes a
                    // certificate for himself makes it like this.
                    Err(error) if is_own_issuer(&error) && known.contains(certificate) => {
                        ParsedCertificate::try_from(certificate)
                            .and_then(|certificate| verify_server_name(&certificate, name))
                    }
                    judged => judged.map(|_| ()),
                };
                judged.map_err(|error| carried(refused(&error, certificate, name)))?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether all that is wrong with a certificate is that it says that it may sign others.
fn is_own_issuer(error: &TlsError) -> bool {
    let TlsError::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else {
        return false;
    };
    matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// An error of this crate's own on its way through rustls; `explain` gives it back.
fn carried(error: Error) -> TlsError {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}
