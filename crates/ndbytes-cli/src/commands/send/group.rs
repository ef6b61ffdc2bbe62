//! Arrays that go as one message.

use ndbytes::{Error, Limits, Message, Result};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the first array says of all.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for none, and for more than receivers take.
pub(super) fn message(count: usize) -> Result<Message> {
    let most = Limits::stream().members;
    if count == 0 || count > most {
        let message = format!("--group: a message has 1 to {most} arrays, and these are {count}");
        return Err(Error::argument(message));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // More than a header can say is in the year 2262.
    let sent_ns = u64::try_from(since.as_nanos()).unwrap_or_default() & (u64::MAX >> 1);
    Ok(Message { count: count as u64, seq: 0, sent_ns, stream: None })
}

/// The attributes of the first array, and with them what the message is called; one that they say already stays.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for attributes that are no JSON object.
pub(super) fn attrs(own: Option<&str>, group: &str) -> Result<String> {
    let named = format!("\"group\":{}", Value::from(group));
    let Some(own) = own else { return Ok(format!("{{{named}}}")) };
    if serde_json::from_str::<Value>(own).is_ok_and(|own| own.get("group").is_some()) {
        return Ok(own.to_owned());
    }
    // Their text stays as it is: numbers in it may be longer than any of ours.
    let rest = own.trim().strip_prefix('{');
    let rest = rest.ok_or_else(|| Error::argument("its attributes are no JSON object"))?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Ok(format!("{{{named}{comma}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stay_as_they_are_beside_the_name() {
        for (own, all) in [
            (None, r#"{"group":"a \"b\""}"#),
            (Some("{}"), r#"{"group":"a \"b\""}"#),
            (Some(r#" { "x":{"y":1e999} } "#), r#"{"group":"a \"b\"", "x":{"y":1e999} }"#),
            (Some(r#"{"group":"own"}"#), r#"{"group":"own"}"#),
        ] {
            assert_eq!(attrs(own, "a \"b\"").unwrap(), all);
        }
        assert!(attrs(Some("[]"), "a").is_err());
    }

    #[test]
    fn a_message_has_some_arrays() {
        assert_eq!(message(1024).unwrap().count, 1024);
        for count in [0, 1025] {
            let error = message(count).unwrap_err();
            assert_eq!(
                error.message(),
                format!("--group: a message has 1 to 1024 arrays, and these are {count}")
            );
        }
    }
}
