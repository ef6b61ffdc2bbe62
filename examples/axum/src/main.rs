//! Arrays as bodies of requests and responses: a server that doubles what it is sent, and one request to it.
//!
//! `cargo run -p ndbytes-axum-example`
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::{Router, routing::post};
use ndbytes::{ArrayRef, Limits, MEDIA_TYPE, from_slice, to_vec};

type Refused = (StatusCode, String);

/// Takes any array of `f32`, answers with one of the same shape.
async fn double(headers: HeaderMap, body: Bytes) -> Result<impl IntoResponse, Refused> {
    if headers.get(CONTENT_TYPE).is_none_or(|found| found != MEDIA_TYPE) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {MEDIA_TYPE}")));
    }
    let array = from_slice(&body, &Limits::untrusted()).map_err(refused)?;
    let shape = array.shape().to_vec();
    let mut values = array.into_vec::<f32>().map_err(refused)?;
    values.iter_mut().for_each(|value| *value *= 2.0);
    let answer = ArrayRef::from_slice(&values, &shape).and_then(|array| to_vec(&array));
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], answer.map_err(refused)?))
}

/// Damage, another dtype, a header over the limits: the message says what and where.
fn refused(error: ndbytes::Error) -> Refused {
    (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

fn app() -> Router {
    // axum's own limit is 2 MB.
    Router::new().route("/double", post(double)).layer(DefaultBodyLimit::max(64 << 20))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, app()).await });

    let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let body = to_vec(&ArrayRef::from_slice(&values, &[2, 3])?)?;
    let (status, answer) = tokio::task::spawn_blocking(move || request(address, &body)).await??;
    let array = from_slice(&answer, &Limits::untrusted())?;
    let shape = array.shape().to_vec();
    println!("{status}: {shape:?} {:?}", array.into_vec::<f32>()?);
    Ok(())
}

/// What any HTTP client does: sends one body, gives the status line and the body of the answer.
fn request(to: SocketAddr, body: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(to)?;
    let length = body.len();
    let head = format!("Content-Type: {MEDIA_TYPE}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[b"POST /double HTTP/1.0\r\n", head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = answer.split_off(end);
    let status = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    Ok((status, body))
}

#[cfg(test)]
mod tests;
