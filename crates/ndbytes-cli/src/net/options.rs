//! What was typed about connections, as values.

use crate::args::WireArgs;
use ndbytes::datagram::parity_for;
use ndbytes::io::channel::Address;
use ndbytes::{Error, Result};
use std::time::Duration;

/// How long a peer may take, and how long the rest of an array is waited for over datagrams.
const PATIENCE: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_secs(5);

/// The time-out for this kind of address.
///
/// # Errors
/// As [`seconds`].
pub(crate) fn timeout(args: &WireArgs, address: &Address) -> Result<Duration> {
    let usual = if matches!(address, Address::Udp { .. }) { REST } else { PATIENCE };
    args.timeout.map_or(Ok(usual), |given| seconds("--timeout", given))
}

/// A time, which is not 0.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for a time that is none.
pub(crate) fn seconds(option: &str, given: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(given)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| Error::argument(format!("{option}: {given} is no time to wait")))
}

/// That an option was given only where it means something.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn only(is_given: bool, option: &str, is_meant: bool, address: &Address) -> Result<()> {
    if !is_given || is_meant {
        return Ok(());
    }
    let is_udp = matches!(address, Address::Udp { .. });
    let other = if is_udp { "tcp://, tls:// and unix:" } else { "udp://" };
    Err(Error::argument(format!("{option} is for {other}; the address is {address}")))
}

/// The same for what is for `tls://`.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn only_tls(is_given: bool, what: &str, is_tls: bool, address: &Address) -> Result<()> {
    if !is_given || is_tls {
        return Ok(());
    }
    Err(Error::argument(format!(
        "{what} are for tls://; {address} is neither secret nor authenticated"
    )))
}

/// How many of the newest messages are kept.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn keep(given: &str) -> Result<usize> {
    let count = if given == "latest" { Some(1) } else { given.parse().ok() };
    count.filter(|count| *count > 0).ok_or_else(|| {
        Error::argument(format!("--keep {given}: expected latest, or how many messages, from 1 on"))
    })
}

/// Which part of the datagrams may be lost.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn loss(given: f64) -> Result<f64> {
    parity_for(1, given).map_err(|error| error.context(format!("--loss {given}")))?;
    Ok(given)
}

/// Bytes a second.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`].
pub(crate) fn rate(given: &str) -> Result<u64> {
    let wrong = || {
        let message =
            format!("--rate {given}: expected bytes a second, as 800K, 50M or 1.5G, and not 0");
        Error::argument(message)
    };
    let unit = given.chars().last().ok_or_else(wrong)?.to_ascii_uppercase();
    let (number, unit) = match unit {
        'K' => (1, 1_000),
        'M' => (1, 1_000_000),
        'G' => (1, 1_000_000_000),
        _ => (0, 1),
    };
    let number = given.get(..given.len() - number).unwrap_or_default();
    product(number, unit).filter(|rate| *rate > 0).ok_or_else(wrong)
}

/// A decimal number times a unit, exactly, and cut to a whole number.
fn product(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| {
        (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(part.len()).ok()?);
    let part = part.parse::<u128>().ok()? * u128::from(unit) / scale;
    let whole = whole.parse::<u128>().ok()? * u128::from(unit);
    u64::try_from(whole + part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_decimal() {
        for (text, bytes) in [
            ("1", 1),
            ("800K", 800_000),
            ("100M", 100_000_000),
            ("1.5G", 1_500_000_000),
            ("0.25k", 250),
            ("12.345678m", 12_345_678),
            ("0.0019K", 1),
        ] {
            assert_eq!(rate(text).unwrap(), bytes, "{text}");
        }
        for text in
            ["", "0", "0M", "M", "-1", "+1", "1e6", ".5M", "1.M", "1.5.5", "1 M", "1MB", "1T", "é"]
        {
            let error = rate(text).unwrap_err();
            assert!(error.message().starts_with(&format!("--rate {text}: expected")), "{error}");
        }
        assert!(rate("999999999999999G").is_err());
    }

    #[test]
    fn what_else_is_typed() {
        assert_eq!((keep("latest").unwrap(), keep("1").unwrap(), keep("30").unwrap()), (1, 1, 30));
        for text in ["0", "-1", "all", ""] {
            assert!(keep(text).unwrap_err().message().starts_with(&format!("--keep {text}: ")));
        }
        assert!(loss(0.0).is_ok() && loss(0.49).is_ok());
        for part in [-0.1, 0.5, 1.0, f64::NAN] {
            assert!(loss(part).unwrap_err().message().starts_with("--loss"), "{part}");
        }
        for time in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(seconds("--idle", time).unwrap_err().message().starts_with("--idle: "));
        }
    }

    #[test]
    fn options_are_for_some_addresses() {
        let (udp, tcp) = ("udp://:1".parse().unwrap(), "tcp://:1".parse().unwrap());
        assert!(
            only(true, "--loss", true, &udp).is_ok() && only(false, "--loss", false, &tcp).is_ok()
        );
        let error = only(true, "--loss", false, &tcp).unwrap_err();
        assert_eq!(error.message(), "--loss is for udp://; the address is tcp://127.0.0.1:1");
        let error = only(true, "--keep", false, &udp).unwrap_err();
        assert!(error.message().starts_with("--keep is for tcp://, tls:// and unix:; "));
    }
}
