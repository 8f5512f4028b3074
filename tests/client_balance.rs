//! Several servers behind one channel: round_robin, resolution, and waiting for a stream.

mod client_kit;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client_kit::*;
use viaduct::Code;
use viaduct::client::resolver::Resolving;
use viaduct::client::{CallOptions, Channel, ChannelOptions, Connectivity, LoadBalancing, Resolve, Target};
use viaduct::tls::ClientTls;
use viaduct::transport::dial::Address;
use viaduct_testkit::{Behaviour, WrongServer};

fn round_robin() -> ChannelOptions {
    ChannelOptions { load_balancing: LoadBalancing::RoundRobin, ..impatient() }
}

fn echoes(count: usize) -> Vec<WrongServer> {
    (0..count).map(|_| WrongServer::start(Behaviour::Echo).unwrap()).collect()
}

fn list(servers: &[WrongServer]) -> String {
    let all: Vec<String> = servers.iter().map(|s| s.addr.to_string()).collect();
    format!("ipv4:{}", all.join(","))
}

fn streams(servers: &[WrongServer]) -> Vec<u64> {
    servers.iter().map(|s| s.stats().streams).collect()
}

/// Calls until `what` holds; the calls may fail.
async fn call_until(channel: &Channel, what: impl Fn() -> bool) {
    let from = Instant::now();
    while !what() {
        assert!(from.elapsed() < Duration::from_secs(20), "it did not come to pass");
        hello(channel).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Calls until so many in a row went well.
async fn settled(channel: &Channel, calls: usize) {
    let from = Instant::now();
    let mut well = 0;
    while well < calls {
        assert!(from.elapsed() < Duration::from_secs(20), "the calls do not settle");
        well = if is_hello(&hello(channel).await) { well + 1 } else { 0 };
    }
}

#[derive(Debug, Default)]
struct List {
    addresses: Mutex<Vec<Address>>,
    error: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl List {
    fn set(&self, addresses: &[std::net::SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.iter().copied().map(Address::Tcp).collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for List {
    fn resolve(&self) -> Resolving<'_> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.error.lock().unwrap().clone() {
                Some(error) => Err(error),
                None => Ok(self.addresses.lock().unwrap().clone()),
            }
        })
    }
}

fn resolved_by(resolver: &Arc<List>, options: ChannelOptions) -> Channel {
    let target = Target::parse("http://service.example:1").unwrap();
    Channel::with_resolver(target, None, options, Arc::<List>::clone(resolver)).unwrap()
}

#[tokio::test]
async fn calls_rotate_over_the_servers() {
    let servers = echoes(3);
    let channel = channel(&list(&servers), round_robin());
    assert_eq!(channel.state(false), Connectivity::Idle);
    call_until(&channel, || streams(&servers).iter().all(|n| *n > 0)).await;
    assert_eq!(channel.state(false), Connectivity::Ready);
    let before = streams(&servers);
    for _ in 0..30 {
        assert!(is_hello(&hello(&channel).await));
    }
    let taken: Vec<u64> = streams(&servers).iter().zip(before).map(|(now, was)| now - was).collect();
    assert_eq!(taken, [10, 10, 10]);
    assert!(servers.iter().all(|s| s.stats().connections == 1));
    channel.close();
    assert_eq!(channel.state(true), Connectivity::Shutdown);
    for server in &servers {
        eventually(|| server.stats().open == 0).await;
    }
    assert_eq!(hello(&channel).await.status.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_address_is_one_server_however_often_it_is_named() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let addr = server.addr;
    let channel = channel(&format!("ipv4:{addr},{addr}"), round_robin());
    for _ in 0..5 {
        assert!(is_hello(&hello(&channel).await));
    }
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test]
async fn a_lost_server_is_left_out_and_taken_back() {
    let mut servers = echoes(3);
    let channel = channel(&list(&servers), round_robin());
    call_until(&channel, || streams(&servers).iter().all(|n| *n > 0)).await;
    let lost = servers.pop().unwrap();
    let addr = lost.addr;
    drop(lost);
    settled(&channel, 60).await;
    assert_eq!(channel.state(false), Connectivity::Ready);
    // Nobody calls, so nobody tries: the server that is back sees no connection.
    servers.push(WrongServer::start_on(addr, Behaviour::Echo, |_| ()).unwrap());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(servers[2].stats().connections, 0);
    // Under load it is found, and no call fails for it.
    let from = Instant::now();
    while servers[2].stats().streams == 0 {
        assert!(from.elapsed() < Duration::from_secs(20));
        assert!(is_hello(&hello(&channel).await));
    }
    assert_eq!(servers[2].stats().connections, 1);
}

#[tokio::test]
async fn where_all_fail_each_address_is_named() {
    let (one, two) = (nobody(), nobody());
    let options = ChannelOptions { initial_backoff: Duration::from_secs(60), ..round_robin() };
    let options = ChannelOptions { max_backoff: Duration::from_secs(60), ..options };
    let all_dead = channel(&format!("ipv4:{one},{two}"), options);
    for _ in 0..2 {
        let status = hello(&all_dead).await.status;
        assert_eq!(status.code(), Code::Unavailable);
        for part in [&format!("ipv4:{one}: "), &format!("ipv4:{two}: "), "refused"] {
            assert!(status.message().contains(part), "{status:?}");
        }
        assert_eq!(all_dead.state(true), Connectivity::TransientFailure);
    }
    let late = all_dead.unary(method(), framed(b"x"), waiting(0.1)).await.status;
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(late.message().contains(&two.to_string()), "{late:?}");
    // Who waits for ready does so until one is there.
    let channel = channel(&format!("ipv4:{one},{two}"), round_robin());
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { channel.unary(method(), framed(b"hello"), waiting(30.0)).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!call.is_finished());
    let server = WrongServer::start_on(two, Behaviour::Echo, |_| ()).unwrap();
    assert!(is_hello(&call.await.unwrap()));
    assert_eq!(channel.state(false), Connectivity::Ready);
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test]
async fn a_call_does_not_wait_for_a_server_that_is_slow_to_connect() {
    // It takes connections and says nothing, so that the TLS handshake hangs.
    let mute = WrongServer::start(Behaviour::Mute).unwrap();
    let tls = ClientTls::new(Some(certificate().as_bytes()), None, None).unwrap();
    let options = ChannelOptions { connect_timeout: Duration::from_millis(300), ..impatient() };
    for balancing in [LoadBalancing::PickFirst, LoadBalancing::RoundRobin] {
        let options = ChannelOptions { load_balancing: balancing, ..options.clone() };
        let before = mute.stats().connections;
        let channel = over_tls(&format!("https://{}", mute.addr), Some(tls.clone()), options);
        let status = hello(&channel).await.status;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("no connection within 300ms"), "{status:?}");
        // The pause was over before the attempt, and still it is the call's only one.
        assert_eq!(mute.stats().connections, before + 1, "{balancing:?}");
    }
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
}

#[tokio::test]
async fn addresses_that_go_are_drained_and_new_ones_connected() {
    let (old, new, dead) = (echoes(1).remove(0), echoes(1).remove(0), nobody());
    let idle = WrongServer::start(Behaviour::Echo).unwrap();
    let names = Arc::new(List::default());
    names.set(&[old.addr]);
    let options = ChannelOptions { min_resolution_interval: Duration::from_millis(20), ..round_robin() };
    let channel = resolved_by(&names, options);
    settled(&channel, 1).await;
    names.set(&[old.addr, idle.addr, dead]);
    // A connection that is missing makes the channel ask again.
    old.drop_connections();
    call_until(&channel, || idle.stats().streams > 0).await;
    let from = Instant::now();
    let running = loop {
        assert!(from.elapsed() < Duration::from_secs(20), "no call goes to the first server");
        let call = channel.call(method(), None, CallOptions::default()).await;
        call.send(framed(b"a")).await.unwrap();
        if call.recv().await.is_some() && *call.peer() == *format!("ipv4:{}", old.addr) {
            break call;
        }
    };
    names.set(&[new.addr]);
    call_until(&channel, || new.stats().streams > 0).await;
    eventually(|| idle.stats().open == 0).await;
    let before = old.stats().streams;
    settled(&channel, 10).await;
    assert_eq!(old.stats().streams, before);
    running.send(framed(b"b")).await.unwrap();
    assert_eq!(&running.recv().await.unwrap().into_bytes()[..], b"b");
    assert_eq!(old.stats().open, 1);
    running.half_close();
    assert_eq!(running.wait_end().await.0.code(), Code::Ok);
    // Although somebody still has the call.
    eventually(|| old.stats().open == 0).await;
    assert!(running.is_over());
    // With all of them there, nobody asks.
    let asked = names.asked();
    settled(&channel, 20).await;
    assert_eq!(names.asked(), asked);
}

#[tokio::test]
async fn addresses_are_not_asked_for_too_often() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let names = Arc::new(List::default());
    names.set(&[server.addr, nobody()]);
    let channel = resolved_by(&names, round_robin());
    settled(&channel, 20).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    settled(&channel, 20).await;
    // The default is 30 seconds.
    assert_eq!(names.asked(), 1);
}

#[tokio::test]
async fn a_resolver_that_fails_is_asked_again_and_a_known_list_is_kept() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let names = Arc::new(List::default());
    *names.error.lock().unwrap() = Some("the name server is on strike".into());
    let options = ChannelOptions { min_resolution_interval: Duration::from_millis(20), ..round_robin() };
    let channel = resolved_by(&names, options);
    let status = hello(&channel).await.status;
    assert_eq!(status.code(), Code::Unavailable);
    let expected = "cannot connect to http://service.example:1: the name server is on strike";
    assert_eq!(status.message(), expected);
    assert_eq!(channel.state(false), Connectivity::TransientFailure);
    // No addresses are an error, too.
    *names.error.lock().unwrap() = None;
    let from = Instant::now();
    loop {
        let status = hello(&channel).await.status;
        if status.message().contains("has no address") {
            break;
        }
        assert!(from.elapsed() < Duration::from_secs(10), "{status:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    names.set(&[server.addr, nobody()]);
    assert!(is_hello(&channel.unary(method(), framed(b"hello"), waiting(20.0)).await));
    *names.error.lock().unwrap() = Some("again".into());
    let asked = names.asked();
    call_until(&channel, || names.asked() > asked + 1).await;
    settled(&channel, 10).await;
}

#[tokio::test]
async fn pick_first_asks_a_resolver_for_each_attempt() {
    let (old, new) = (echoes(1).remove(0), echoes(1).remove(0));
    let names = Arc::new(List::default());
    names.set(&[old.addr]);
    let channel = resolved_by(&names, impatient());
    settled(&channel, 5).await;
    assert_eq!(names.asked(), 1);
    names.set(&[new.addr]);
    settled(&channel, 5).await;
    assert_eq!((names.asked(), new.stats().connections), (1, 0));
    drop(old);
    call_until(&channel, || new.stats().streams > 0).await;
    settled(&channel, 5).await;
}

#[tokio::test]
async fn calls_wait_for_a_stream_where_the_server_takes_no_more() {
    let server = WrongServer::start(Behaviour::MaxStreamsOne).unwrap();
    let channel = to(server.addr);
    // The limit is known once the server's SETTINGS are here.
    assert!(is_hello(&hello(&channel).await));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { channel.unary(method(), framed(b"hello"), within(30.0)).await })
        })
        .collect();
    for call in calls {
        let outcome = call.await.unwrap();
        assert!(is_hello(&outcome), "{:?}", outcome.status);
    }
    let stats = server.stats();
    assert_eq!((stats.most_streams, stats.connections, stats.streams), (1, 1, 11));
    // Streams that the caller keeps open, too: the second call waits and ends with the first.
    let first = channel.call(method(), None, CallOptions::default()).await;
    let second = channel.unary(method(), framed(b"hello"), within(0.3)).await;
    assert_eq!(second.status.code(), Code::DeadlineExceeded);
    first.half_close();
    first.wait_end().await;
    assert!(is_hello(&hello(&channel).await));
}
