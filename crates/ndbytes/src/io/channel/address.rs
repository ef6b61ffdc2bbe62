//! `tcp://HOST:PORT`, `tls://HOST:PORT`, `udp://HOST:PORT` and `unix:/path`.

use crate::error::{Error, Result};
use std::fmt;
use std::path::PathBuf;

/// Where a peer listens.
///
/// ```
/// use ndbytes::io::channel::Address;
/// let address: Address = "tcp://:5000".parse()?;
/// assert_eq!(address.to_string(), "tcp://127.0.0.1:5000");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A port of a machine; 0 is for listeners, and becomes any that is free.
    Tcp {
        /// Its name or number, without brackets.
        host: String,
        /// From 0 to 65535.
        port: u16,
    },
    /// The same within TLS.
    Tls {
        /// As for TCP; the certificate must have it.
        host: String,
        /// As for TCP.
        port: u16,
    },
    /// The same of datagrams, which go one way, and may be lost.
    Udp {
        /// As for TCP.
        host: String,
        /// As for TCP.
        port: u16,
    },
    /// The name of a Unix socket.
    Unix(PathBuf),
}

const ALLOWED: &str = "an address is tcp://HOST:PORT (tcp://:0 is any port of this machine), tls://HOST:PORT, udp://HOST:PORT or unix:/path";

impl std::str::FromStr for Address {
    type Err = Error;

    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) with what an address is.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| Err(Error::argument(format!("{text:?}: {why}; {ALLOWED}")));
        if let Some(path) = text.strip_prefix("unix:") {
            let path = match path.strip_prefix("//") {
                Some(path) if path.starts_with('/') => path,
                Some(_) => return wrong("two slashes begin the name of a host, and there is none"),
                None => path,
            };
            return match path {
                "" => wrong("no path"),
                _ if path.contains('\0') => wrong("a NUL in the path"),
                _ if cfg!(not(unix)) => wrong("this system has no Unix sockets"),
                _ => Ok(Self::Unix(path.into())),
            };
        }
        let Some((kind @ ("tcp" | "tls" | "udp"), rest)) = text.split_once("://") else {
            return wrong("neither tcp://, tls://, udp:// nor unix:");
        };
        let Some((host, port)) = rest.trim_end_matches('/').rsplit_once(':') else {
            return wrong("no port");
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let Some(port) = port.parse().ok().filter(|_| digits) else {
            return wrong("no port from 0 to 65535");
        };
        let host = match host.strip_prefix('[') {
            Some(inner) => match inner.strip_suffix(']') {
                Some(host) => host,
                None => return wrong("a bracket that does not close"),
            },
            None if host.contains(':') => {
                return wrong("an IPv6 address stands in brackets, as tcp://[::1]:5000");
            }
            None => host,
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/@?#[]".contains(c);
        if host.contains(odd) {
            return wrong("no host name");
        }
        // Without a host: this machine only.
        let host = if host.is_empty() { "127.0.0.1" } else { host }.to_owned();
        Ok(match kind {
            "udp" => Self::Udp { host, port },
            "tls" => Self::Tls { host, port },
            _ => Self::Tcp { host, port },
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, host, port) = match self {
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Tls { host, port } => ("tls", host, port),
            Self::Udp { host, port } => ("udp", host, port),
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
        };
        match host.contains(':') {
            true => write!(f, "{kind}://[{host}]:{port}"),
            false => write!(f, "{kind}://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_is_none() {
        for (text, printed) in [
            ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0"),
            ("tcp://:5000", "tcp://127.0.0.1:5000"),
            ("tcp://localhost:65535/", "tcp://localhost:65535"),
            ("tcp://[::1]:7", "tcp://[::1]:7"),
            ("udp://[::1]:7", "udp://[::1]:7"),
            ("udp://:0", "udp://127.0.0.1:0"),
            ("tls://[::1]:7", "tls://[::1]:7"),
            ("tls://a.example:7", "tls://a.example:7"),
            ("unix:/tmp/a b", "unix:/tmp/a b"),
            ("unix:///tmp/s", "unix:/tmp/s"),
            ("unix:rel/s", "unix:rel/s"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
        for (text, why) in [
            ("", "neither tcp://, tls://, udp:// nor unix:"),
            ("127.0.0.1:5000", "neither tcp://, tls://, udp:// nor unix:"),
            ("http://a:1", "neither tcp://, tls://, udp:// nor unix:"),
            ("tcp://localhost", "no port"),
            ("tcp://a:", "no port from 0 to 65535"),
            ("tcp://a:65536", "no port from 0 to 65535"),
            ("tcp://a:-1", "no port from 0 to 65535"),
            ("tcp://a:+1", "no port from 0 to 65535"),
            ("tcp://::1:5", "an IPv6 address stands in brackets, as tcp://[::1]:5000"),
            ("tcp://[::1:5", "a bracket that does not close"),
            ("tcp://a b:5", "no host name"),
            ("tcp://u@h:5", "no host name"),
            ("unix:", "no path"),
            ("unix://tmp/s", "two slashes begin the name of a host, and there is none"),
            ("unix:a\0b", "a NUL in the path"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.message(), format!("{text:?}: {why}; {ALLOWED}"));
        }
    }
}
