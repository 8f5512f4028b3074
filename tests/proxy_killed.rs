//! Two equal proxies before one backend, under load. One of them is killed and started again: only what it carried at
//! that moment fails, and it begins with nothing but its arguments.
#![allow(missing_docs)]

mod client_kit;
mod proxy_kit;
mod run_kit;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use client_kit::{channel, framed, impatient, waiting};
use proxy_kit::backend::{Backend, Says};
use proxy_kit::eventually;
use run_kit::{Folder, Process, block};
use viaduct::Code;
use viaduct::client::{Channel, ChannelOptions, LoadBalancing, Method};

/// Calls that are made at a time.
const CALLERS: usize = 4;
const QUICK: &str = "/test.Load/Quick";
const HELD: &str = "/test.Load/Held";

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    /// How many calls went well, by proxy.
    well: Mutex<BTreeMap<String, u64>>,
    /// The others: the proxy, the status, and what was said of it.
    failed: Mutex<Vec<(String, Code, String)>>,
}

impl Seen {
    fn well_at(&self, proxy: &str) -> u64 {
        self.well.lock().unwrap().get(proxy).copied().unwrap_or_default()
    }

    /// Waits until this proxy has carried so many more.
    fn goes_on_at(&self, proxy: &str, calls: u64) {
        let from = self.well_at(proxy);
        eventually(|| self.well_at(proxy) >= from + calls);
    }
}

async fn calls(channel: Channel, seen: Arc<Seen>) {
    while !seen.stop.load(Relaxed) {
        let call = channel.call(Method::parse(QUICK).unwrap(), Some(framed(b"")), waiting(30.0)).await;
        let status = call.response().await.status;
        let peer = call.peer().to_string();
        if status.code() == Code::Ok {
            *seen.well.lock().unwrap().entry(peer).or_default() += 1;
        } else {
            seen.failed.lock().unwrap().push((peer, status.code(), status.message().to_owned()));
        }
    }
}

#[test]
fn only_what_a_killed_proxy_carried_fails() {
    let backend = Backend::start("backend", Says::serving(&["test.Load"]));
    let folder = Folder::new("killed");
    let (at, asked) = (backend.addr.to_string(), backend.times_asked());
    let start = |listen: &str| Process::start_in(&folder, &["--listen", listen, "--backend", &at]);
    let mut proxies = [start("127.0.0.1:0"), start("127.0.0.1:0")];
    let addrs = proxies.each_ref().map(|proxy| proxy.addr().to_string());
    let peers = addrs.each_ref().map(|addr| format!("ipv4:{addr}"));
    assert_eq!(backend.times_asked(), asked + 2, "each has asked what is served");

    let both = format!("ipv4:{}", addrs.join(","));
    let options = ChannelOptions { load_balancing: LoadBalancing::RoundRobin, ..impatient() };
    let seen = Arc::<Seen>::default();
    let (target, ours) = (both.clone(), Arc::clone(&seen));
    let load = std::thread::spawn(move || {
        block(async {
            let channel = channel(&target, options);
            let callers: Vec<_> =
                (0..CALLERS).map(|_| tokio::spawn(calls(channel.clone(), Arc::clone(&ours)))).collect();
            for caller in callers {
                caller.await.unwrap();
            }
        });
    });

    for round in 0..4 {
        let (killed, other) = (round % 2, 1 - round % 2);
        let before = seen.failed.lock().unwrap().len();
        peers.iter().for_each(|peer| seen.goes_on_at(peer, 50));
        block(async {
            // A stream over each of them, which has arrived at the backend.
            let arrived = backend.begun(HELD);
            let mut held = Vec::new();
            for addr in &addrs {
                let channel = client_kit::to(addr.parse().unwrap());
                let call = channel.call(Method::parse(HELD).unwrap(), None, waiting(60.0)).await;
                call.send(framed(b"")).await.unwrap();
                held.push((channel, call));
            }
            client_kit::eventually(|| backend.begun(HELD) == arrived + 2).await;

            proxies[killed].signal(libc::SIGKILL);
            assert_eq!(proxies[killed].ended(), None, "it was killed");
            let status = held[killed].1.response().await.status;
            assert_eq!(status.code(), Code::Unavailable, "{}", status.message());
            seen.goes_on_at(&peers[other], 50);
            let asked = backend.times_asked();
            proxies[killed] = start(&addrs[killed]);
            assert_eq!(backend.times_asked(), asked + 1, "it remembers nothing");
            seen.goes_on_at(&peers[killed], 50);
            assert_eq!(held[other].1.response().await.status.code(), Code::Ok, "the other one's goes on");
        });
        let failed = seen.failed.lock().unwrap()[before..].to_vec();
        println!("{} calls failed with the proxy that was killed", failed.len());
        assert!(failed.len() <= CALLERS, "more than were under way: {failed:?}");
        for (peer, code, message) in failed {
            assert_eq!((peer.as_str(), code), (peers[killed].as_str(), Code::Unavailable), "{message}");
        }
    }
    seen.stop.store(true, Relaxed);
    load.join().unwrap();

    // Nothing on the disk: neither written nor open.
    assert_eq!(folder.names(), Vec::<std::ffi::OsString>::new());
    for proxy in &proxies {
        let open = proxy.descriptors();
        assert!(!open.is_empty());
        let files: Vec<_> = open.iter().filter(|path| path.is_file()).collect();
        assert!(files.is_empty(), "{files:?}");
    }
}
