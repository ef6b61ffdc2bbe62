//! Certificates and keys out of files.

use crate::error::{Error, Result};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Longer files are none of these: the certificates of all the world's authorities take a quarter of a megabyte.
const MOST: u64 = 1 << 24;

/// All certificates of a file, at least one.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io); [`Argument`](crate::ErrorKind::Argument) if there is none.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found =
        CertificateDer::pem_slice_iter(&read(path)?).collect::<std::result::Result<Vec<_>, _>>();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong("no certificate (-----BEGIN CERTIFICATE-----)", path)),
        Err(error) => Err(wrong(&format!("no PEM: {error}"), path)),
    }
}

/// The first private key of a file.
///
/// # Errors
/// As [`certificates`].
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let is_encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
        match error {
            PemError::NoItemsFound if is_encrypted => wrong(
                "a key that is encrypted, which is not read here (`openssl pkey -in FILE` decrypts it)",
                path,
            ),
            PemError::NoItemsFound => wrong("no private key (-----BEGIN PRIVATE KEY-----)", path),
            error => wrong(&format!("no PEM: {error}"), path),
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| Error::io(error).in_file(path))?;
    Ok(bytes)
}

fn wrong(what: &str, path: &Path) -> Error {
    Error::argument(format!("the file has {what}")).in_file(path)
}
