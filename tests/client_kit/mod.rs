//! Channels to peers that are right or wrong on purpose.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod script;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use viaduct::client::{CallOptions, Channel, ChannelOptions, Method, Outcome, Target};
use viaduct::codec::Encoding;
use viaduct::deadline::Deadline;
use viaduct::tls::ClientTls;

pub fn channel(target: &str, options: ChannelOptions) -> Channel {
    over_tls(target, None, options)
}

pub fn over_tls(target: &str, tls: Option<ClientTls>, options: ChannelOptions) -> Channel {
    Channel::new(Target::parse(target).unwrap(), tls, options).unwrap()
}

pub fn to(addr: SocketAddr) -> Channel {
    channel(&format!("http://{addr}"), ChannelOptions::default())
}

/// Options with a pause of 50 ms after a failure.
pub fn impatient() -> ChannelOptions {
    ChannelOptions {
        initial_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(100),
        ..ChannelOptions::default()
    }
}

pub fn method() -> Method {
    Method::parse("/test.Echo/Unary").unwrap()
}

pub fn framed(text: &[u8]) -> Bytes {
    viaduct::codec::frame(text, Encoding::Identity).unwrap()
}

pub fn within(seconds: f64) -> CallOptions {
    let deadline = Some(Deadline::after(Duration::from_secs_f64(seconds)));
    CallOptions { deadline, ..CallOptions::default() }
}

pub fn waiting(seconds: f64) -> CallOptions {
    CallOptions { wait_for_ready: Some(true), ..within(seconds) }
}

/// A unary call that says hello; ten seconds at most.
pub async fn hello(channel: &Channel) -> Outcome {
    channel.unary(method(), framed(b"hello"), within(10.0)).await
}

pub fn is_hello(outcome: &Outcome) -> bool {
    outcome.message.clone().is_some_and(|m| &m.into_bytes()[..] == b"hello")
}

/// A port on which nobody listens.
pub fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until `what` holds, ten seconds at most.
pub async fn eventually(what: impl Fn() -> bool) {
    let from = Instant::now();
    while !what() {
        assert!(from.elapsed() < Duration::from_secs(10), "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
