//! A proxy in this process, between backends that are right or wrong on purpose and clients of any kind.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod backend;
pub mod calls;
pub mod http;
pub mod names;
pub mod plain;
pub mod raw;
pub mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use viaduct::proxy::Proxy;
use viaduct::proxy::settings::{Group, Listen, Route, Settings, Source};
use viaduct::transport::dial::Address;

/// A group of these members, whose services are not asked for.
pub fn group(name: &str, members: &[SocketAddr]) -> Group {
    let sources = members.iter().map(|addr| Source::Fixed {
        address: Address::Tcp(*addr),
        name: addr.to_string(),
        weight: 1,
    });
    Group { name: name.to_owned(), sources: sources.collect(), discover: None, ..Group::default() }
}

/// A route for everything.
pub fn all_to(group: &str) -> Route {
    Route {
        name: "all".to_owned(),
        matches: Vec::new(),
        group: group.to_owned(),
        timeout: None,
        authority: None,
        retry: None,
    }
}

/// One plaintext listener, and everything to these backends.
pub fn settings(backends: &[SocketAddr]) -> Settings {
    Settings {
        listeners: vec![Listen { address: "http://127.0.0.1:0".to_owned(), ..Listen::default() }],
        groups: vec![group("backends", backends)],
        routes: vec![all_to("backends")],
        ..Settings::default()
    }
}

/// A proxy that runs.
pub struct Running {
    pub proxy: Proxy,
    pub addr: SocketAddr,
}

impl Running {
    pub fn start(settings: Settings) -> Self {
        let proxy = Proxy::start(settings).unwrap();
        let target = proxy.targets().remove(0);
        let addr = target.split_once("://").unwrap().1.parse().unwrap();
        Self { proxy, addr }
    }

    pub fn before(backends: &[SocketAddr]) -> Self {
        Self::start(settings(backends))
    }
}

/// A port on which nobody listens.
pub fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until `what` holds, ten seconds at most.
pub fn eventually(what: impl Fn() -> bool) {
    let from = Instant::now();
    while !what() {
        assert!(from.elapsed() < Duration::from_secs(10), "it did not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}
