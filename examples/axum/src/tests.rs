//! The server over a real connection: what it gives back, and what it refuses.

use super::*;

/// Status line and body of the answer to this body.
async fn ask(body: Vec<u8>) -> (String, Vec<u8>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async { axum::serve(listener, app()).await });
    let asked = tokio::task::spawn_blocking(move || request(address, &body)).await;
    server.abort();
    asked.expect("no panic").expect("an answer")
}

fn body<T: ndbytes::Element>(values: &[T], shape: &[usize]) -> Vec<u8> {
    ArrayRef::from_slice(values, shape).and_then(|array| to_vec(&array)).expect("an array")
}

#[test]
fn the_program_ends_well() {
    main().expect("what it sent came back");
}

#[tokio::test]
async fn an_array_comes_back_doubled_with_its_shape() {
    // Over axum's own limit, so that ours is in force.
    let values: Vec<f32> = (0..1_000_000_u32).map(|i| i as f32).collect();
    let (status, answer) = ask(body(&values, &[1000, 10, 100])).await;
    assert_eq!(status, "HTTP/1.0 200 OK");
    let array = from_slice(&answer, &Limits::untrusted()).expect("an array");
    assert_eq!(array.shape(), [1000, 10, 100]);
    let wanted: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
    assert!(array.into_vec::<f32>().expect("of f32") == wanted);
}

#[tokio::test]
async fn damage_and_another_dtype_are_refused_with_the_reason() {
    let mut flipped = body(&[1.0f32, 2.0], &[2]);
    flipped[130] ^= 1;
    for (sent, reason) in [
        (flipped, "block 0 of 0 to 0 (bytes 128 to 136) is damaged"),
        (body(&[1i64], &[]), "<i8"),
        (b"no array at all".to_vec(), "(at byte 0)"),
    ] {
        let (status, answer) = ask(sent).await;
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(status, "HTTP/1.0 422 Unprocessable Entity", "{answer}");
        assert!(answer.contains(reason), "{answer}");
    }
}

#[tokio::test]
async fn what_does_not_say_that_it_is_an_array_is_refused() {
    let found = double(HeaderMap::new(), body(&[1.0f32], &[1]).into()).await;
    let answer = found.err().expect("refused");
    assert_eq!(answer, (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {MEDIA_TYPE}")));
}
