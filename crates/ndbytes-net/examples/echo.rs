//! Sends every message back to where it came from; the Python tests have it at their other end.
//!
//! `cargo run -p ndbytes-net --example echo -- listen tcp://:0` prints the address that it got and answers all peers;
//! `… connect URL` answers one; `… forward udp://:0 udp://HOST:PORT` sends on what comes as datagrams.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use ndbytes::io::stream::Received;
use ndbytes::{Array, Error, Result, frame::EncodeOptions};
use ndbytes_net::{
    Address, Channel, ChannelOptions, DatagramReceiver, DatagramSender, Keep, Listener,
};

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["listen", at] => listen(&at.parse()?).await,
        ["connect", to] => {
            answer(Channel::connect(&to.parse()?, ChannelOptions::default()).await?).await
        }
        ["forward", from, to] => forward(&from.parse()?, &to.parse()?).await,
        _ => Err(Error::argument("listen URL, connect URL, or forward URL URL")),
    }
}

/// Answers all peers, each in a task of its own.
async fn listen(at: &Address) -> Result<()> {
    let listener = Listener::bind(at, Keep::All, ChannelOptions::default()).await?;
    println!("{}", listener.address());
    loop {
        let channel = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = answer(channel).await {
                eprintln!("{error}");
            }
        });
    }
}

/// Sends back what comes, with its names and attributes.
async fn answer(channel: Channel) -> Result<()> {
    while let Some(received) = channel.recv().await? {
        let group = owned(received);
        let views: Vec<_> =
            group.iter().map(|(array, options)| (array.view(), options.clone())).collect();
        channel.send(&views).await?;
    }
    channel.close().await;
    Ok(())
}

/// Sends on what comes as datagrams.
async fn forward(from: &Address, to: &Address) -> Result<()> {
    let mut receiver = DatagramReceiver::bind(from, Default::default()).await?;
    let mut sender = DatagramSender::connect(to, Default::default()).await?;
    println!("{}", receiver.address()?);
    loop {
        let group = owned(receiver.recv().await?.received);
        let views: Vec<_> =
            group.iter().map(|(array, options)| (array.view(), options.clone())).collect();
        sender.send(&views).await?;
    }
}

/// The arrays of a message, each as it is to be sent.
fn owned(received: Received) -> Vec<(Array, EncodeOptions)> {
    let each = received.arrays.into_iter().filter_map(|decoded| {
        let options = EncodeOptions { metadata: decoded.metadata, ..EncodeOptions::default() };
        Some((decoded.array?, options))
    });
    each.collect()
}
