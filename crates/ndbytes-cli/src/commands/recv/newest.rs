//! The newest messages of all peers: what nobody had time to write gives way.

use super::Work;
use ndbytes::Result;
use ndbytes::io::channel::Address;

#[cfg(unix)]
pub(super) fn run(work: &Work<'_>, address: &Address, keep: usize) -> Result<()> {
    use super::arriving::Arriving;
    use ndbytes::ErrorKind;
    use ndbytes::io::channel::{ChannelOptions, Keep, Listener};
    use serde_json::json;

    let (limits, timeout, tls) = (work.limits.clone(), work.timeout, work.tls.clone());
    let options = ChannelOptions { limits, timeout, tls, ..ChannelOptions::default() };
    let listener = Listener::bind(address, Keep::Last(keep), options)?;
    work.announce(&listener.address().to_string(), listener.pin(), listener.is_public())?;
    let mut ended = Ok(());
    loop {
        let mut arriving = Arriving::new(&work.place, work.session, "a peer", true);
        match listener.recv_into(&mut arriving, None, &mut |_| work.check()) {
            Ok(received) => {
                let stored = arriving.finish(&received);
                let stored = stored.and_then(|report| work.report(&received, &report));
                if let Err(error) = stored {
                    work.count(work.session.fail(&error));
                }
                if work.once {
                    break;
                }
            }
            Err(error) if *error.kind() == ErrorKind::Interrupted => {
                // Between two messages that is the way to end it.
                if work.once {
                    ended = work.session.check();
                }
                break;
            }
            // What one peer does ends no other.
            Err(error) => work.count(work.session.fail(&error)),
        }
    }
    let dropped = listener.stats().dropped;
    let text = format!("; {dropped} gave way to newer messages");
    work.end(ended, Some((text, json!({ "dropped": dropped }))))
}

#[cfg(not(unix))]
pub(super) fn run(_: &Work<'_>, _: &Address, _: usize) -> Result<()> {
    Err(ndbytes::Error::unsupported("--keep: this system has no channels yet"))
}
