//! Arrays over streams.

use crate::array;
use ndbytes::ErrorKind;
use ndbytes::io::stream::{Receiver, Sender, StreamOptions};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn arrays_in_a_row_and_a_clean_end() {
    let (client, server) = pair();
    let sent: Vec<_> = ["<f8[3]", "|u1[]", ">i2[0,3]", "<u4[300000]"].map(array).into();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sender = Sender::over(&client).unwrap();
            sent.iter().for_each(|array| sender.send(&array.view()).unwrap());
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let got: Vec<_> = Receiver::over(&server).unwrap().map(Result::unwrap).collect();
        assert_eq!(got.len(), sent.len());
        for (got, sent) in got.iter().zip(&sent) {
            let got = got.array.as_ref().unwrap();
            assert_eq!(
                (got.dtype(), got.shape(), &got.data()[..]),
                (sent.dtype(), sent.shape(), &sent.data()[..])
            );
        }
    });
}

#[test]
fn a_peer_that_stops_meets_the_time_out() {
    let (client, server) = pair();
    std::io::Write::write_all(&mut &client, b"\x89NDBF\r\n\x1a\0\0").unwrap();
    let timeout = Some(Duration::from_millis(200));
    let mut receiver =
        Receiver::over(&server).unwrap().with(StreamOptions { timeout, ..Default::default() });
    let error = receiver.recv().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert_eq!(receiver.recv().unwrap_err().kind(), &ErrorKind::Argument);
}
