//! What is wrong, in words that say what to do.

use super::pin::pin_of;
use crate::error::{Error, ErrorKind};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription as Alert, CertificateError as Cert, Error as TlsError, OtherError};

/// An error of rustls as one of this crate: [`Peer`](ErrorKind::Peer), whichever end it is the fault of.
#[must_use]
pub fn explain(error: TlsError) -> Error {
    if let TlsError::InvalidCertificate(Cert::Other(OtherError(inner))) = &error
        && let Some(own) = inner.downcast_ref::<Error>()
    {
        return own.clone();
    }
    let message = match error {
        TlsError::AlertReceived(alert) => refused_by_peer(alert),
        // Of the certificate itself this is said elsewhere.
        TlsError::InvalidCertificate(Cert::BadSignature) => {
            "the listener does not have the key of the certificate that it shows".to_owned()
        }
        TlsError::DecryptError => {
            "what came was changed on its way: it does not decrypt".to_owned()
        }
        TlsError::InvalidMessage(_)
        | TlsError::InappropriateMessage { .. }
        | TlsError::PeerSentOversizedRecord => {
            format!("what came is no TLS: does the peer speak tcp://? ({error})")
        }
        TlsError::PeerIncompatible(_) => {
            format!("the peer does not speak TLS 1.3 as it is spoken here ({error})")
        }
        TlsError::NoApplicationProtocol => {
            "the peer wants to speak something else than ndbytes within TLS".to_owned()
        }
        other => format!("TLS: {other}"),
    };
    Error::new(ErrorKind::Peer, message)
}

fn refused_by_peer(alert: Alert) -> String {
    let why = match alert {
        Alert::UnknownCA
        | Alert::CertificateUnknown
        | Alert::CertificateExpired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked => "it does not accept this end's certificate",
        Alert::ProtocolVersion => "it does not speak TLS 1.3",
        Alert::HandshakeFailure => "it has no way of TLS 1.3 in common with this end",
        Alert::NoApplicationProtocol => "it does not speak ndbytes within TLS",
        Alert::BadRecordMac | Alert::DecryptError => "what came to it was changed on its way",
        _ => "it broke off",
    };
    format!("the peer refused: {why} (alert {alert:?})")
}

/// Why a certificate was refused, and how one that is the right one all the same can be trusted.
pub(super) fn refused(
    error: &TlsError,
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> Error {
    let name = name.to_str();
    let why = match error {
        TlsError::InvalidCertificate(error) => reason(error, &name),
        error => error.to_string(),
    };
    // What cannot be read has none.
    let pin =
        pin_of(certificate).map_or_else(|_| String::new(), |pin| format!("; its pin is {pin}"));
    Error::new(ErrorKind::Peer, format!("the certificate of {name} is refused: {why}{pin}"))
}

fn reason(error: &Cert, name: &str) -> String {
    match error {
        Cert::UnknownIssuer => "nobody who is trusted here has signed it (unknown issuer): give ca, a PEM file of who has, or pin".to_owned(),
        Cert::BadSignature => "it is not signed by whom it says: give ca, a PEM file of who has signed it, or pin".to_owned(),
        Cert::ExpiredContext { time, not_after } => format!("it expired {} ago", span(not_after, time)),
        Cert::Expired => "it has expired".to_owned(),
        Cert::NotValidYetContext { time, not_before } => {
            format!("it is not valid yet, but in {}: is the clock of this machine right?", span(time, not_before))
        }
        Cert::NotValidYet => "it is not valid yet: is the clock of this machine right?".to_owned(),
        Cert::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("it is for no name at all, and {name:?} is wanted (a subjectAltName)")
        }
        Cert::NotValidForNameContext { presented, .. } => {
            format!("it is for {}, and {name:?} is wanted", presented.join(", "))
        }
        Cert::NotValidForName => format!("it is not for {name:?}"),
        Cert::Other(OtherError(inner)) if matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
            "it is one that signs others, or itself, and not in ca (unknown issuer): give it as ca, or its pin".to_owned()
        }
        other => other.to_string(),
    }
}

/// How long it is from one time to a later one.
fn span(from: &UnixTime, to: &UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    match seconds {
        0..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds / 60),
        7200..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}
