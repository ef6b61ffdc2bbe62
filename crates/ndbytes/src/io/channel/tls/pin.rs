//! Pins: the key of a certificate in one word.

use crate::error::{Error, Result};
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;

const FRONT: &str = "sha256/";
/// Digits of 32 bytes; one `=` follows.
const DIGITS: usize = 43;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The pin of a certificate: the SHA-256 of its public key (the SubjectPublicKeyInfo, in DER), which outlives the certificate where
/// the key does. It is what HPKP had, and what curl's `--pinnedpubkey` takes.
///
/// # Errors
/// [`Peer`](crate::ErrorKind::Peer) for what is no certificate.
pub(super) fn pin_of(certificate: &CertificateDer<'_>) -> Result<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|error| {
        super::explain(rustls::Error::General(format!("no certificate: {error}")))
    })?;
    let sum = digest(&SHA256, &certificate.subject_public_key_info());
    Ok(format!("{FRONT}{}", base64(sum.as_ref())))
}

/// The pin that was typed, as [`pin_of`] spells it. curl's spelling has one more slash.
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) with what a pin is.
pub(super) fn parse(text: &str) -> Result<String> {
    let digits = |text: &str| {
        let rest = text.strip_prefix(FRONT)?;
        let rest = if rest.len() > DIGITS + 1 { rest.strip_prefix('/')? } else { rest };
        let digits = rest.strip_suffix('=').filter(|digits| digits.len() == DIGITS)?;
        let is_digit = |byte: u8| ALPHABET.contains(&byte);
        // The last digit has two bits that belong to nothing.
        let fits =
            digits.bytes().all(is_digit) && digits.ends_with(|c| "AEIMQUYcgkosw048".contains(c));
        fits.then(|| format!("{FRONT}{rest}"))
    };
    digits(text).ok_or_else(|| {
        Error::argument(format!(
            "pin: expected sha256/ and {} characters of base64, the SHA-256 of the public key of the listener's certificate, found {}",
            DIGITS + 1,
            crate::error::quoted(text)
        ))
    })
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * at)) as usize & 63);
            text.push(digit.filter(|_| at <= group.len()).map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn pins_and_what_is_none() {
        let pin = format!("sha256/{}", base64(&[0xff; 32]));
        assert_eq!(parse(&pin).unwrap(), pin);
        assert_eq!(parse(&pin.replace("sha256/", "sha256//")).unwrap(), pin);
        let zeros = format!("sha256/{}", base64(&[0; 32]));
        for wrong in [
            String::new(),
            pin.replace("sha256", "sha1"),
            pin.replace('=', ""),
            pin.replace("8=", "9="), // Bits that belong to nothing.
            pin.replacen('/', "-", 3),
            format!("{zeros}A"),
            format!("sha256///{}", base64(&[0; 32])),
            zeros.replace('A', "é"),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert!(
                error.message().starts_with("pin: expected sha256/ and 44 characters of base64"),
                "{wrong}"
            );
        }
    }
}
