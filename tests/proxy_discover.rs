//! Where members come from, what they serve, and whether they are well: through a proxy that runs.
#![allow(missing_docs)]

mod client_kit;
mod proxy_kit;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proxy_kit::backend::{Backend, Ended, Says, call};
use proxy_kit::calls::block;
use proxy_kit::names::{Is, Names};
use proxy_kit::{Running, eventually, nobody, settings};
use viaduct::client::Method;
use viaduct::discovery::reflection::{self, Answer, Question, Version};
use viaduct::proxy::settings::{Admin, Balance, Discover, Group, Health, Settings, Source};

const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;

/// Asked on new connections, and hardly ever beside.
fn seldom() -> Option<Discover> {
    Some(Discover { interval: Duration::from_secs(3600), timeout: Duration::from_secs(10) })
}

fn often() -> Option<Discover> {
    Some(Discover { interval: Duration::from_millis(50), timeout: Duration::from_secs(10) })
}

/// Everything to one group.
fn with(change: impl FnOnce(&mut Group)) -> Settings {
    let mut settings = settings(&[]);
    change(&mut settings.groups[0]);
    settings
}

fn fixed(backends: &[&Backend]) -> Vec<Source> {
    backends.iter().map(|backend| Source::member(&backend.addr.to_string(), 1).unwrap()).collect()
}

/// Who answers a method: in so many calls that each of two who are there is met.
fn who(proxy: &Running, path: &str) -> BTreeSet<String> {
    (0..32).map(|_| call(proxy.addr, path)).filter(|end| end.status == 0).map(|end| end.backend).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("viaduct-{}-{name}", std::process::id())));
        file.write(content);
        file
    }

    fn write(&self, content: &str) {
        std::fs::write(&self.0, content).unwrap();
    }

    fn source(&self) -> Source {
        Source::File { path: self.0.clone() }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn members_behind_one_list_get_their_own_services_only() {
    let a = Backend::start("a", Says::serving(&["x.A", "x.Both"]));
    let b = Backend::start("b", Says { reflection: vec!["v1alpha"], ..Says::serving(&["x.B", "x.Both"]) });
    let proxy = Running::start(with(|group| {
        group.sources = fixed(&[&a, &b]);
        group.discover = seldom();
    }));
    // From the first call on: the proxy has asked before it listens.
    assert_eq!(who(&proxy, "/x.A/M"), set(&["a"]));
    assert_eq!(who(&proxy, "/x.B/M"), set(&["b"]));
    assert_eq!(who(&proxy, "/x.Both/M"), set(&["a", "b"]));
    let end = call(proxy.addr, "/x.C/M");
    assert_eq!((end.status, end.backend.as_str()), (UNIMPLEMENTED, ""));
    assert!(end.message.contains("x.A, x.B, x.Both"), "{}", end.message);
    // Questions and calls share a connection.
    assert_eq!(a.connections.load(Ordering::SeqCst), 1);
    assert_eq!(a.times_asked(), 1);
    assert_eq!(b.times_asked(), 2, "v1 and v1alpha");
}

#[test]
fn reflection_through_a_proxy_tells_of_all_members() {
    let a = Backend::start("a", Says::serving(&["x.A", "x.Both"]));
    let b = Backend::start("b", Says { reflection: vec!["v1alpha"], ..Says::serving(&["x.B", "x.Both"]) });
    let inner = Running::start(with(|group| {
        group.sources = fixed(&[&a, &b]);
        group.discover = seldom();
    }));
    let all = ["x.A", "x.B", "x.Both"];
    block(async {
        let channel = client_kit::to(inner.addr);
        let patience = Duration::from_secs(10);
        assert_eq!(reflection::list_services(&channel, patience).await.unwrap(), all);
        for (symbol, file) in [("x.A", "a.proto"), ("x.B", "b.proto")] {
            let set = reflection::files_for_symbol(&channel, symbol, patience).await.unwrap();
            assert_eq!(set.file[0].name(), file);
        }
        let unknown = reflection::files_for_symbol(&channel, "x.C", patience).await.unwrap_err();
        assert_eq!(unknown.code(), viaduct::Code::NotFound);

        // Several questions on one stream, in either version; each is answered before the next is asked.
        for version in [Version::V1, Version::V1Alpha] {
            let method = Method::parse(version.path()).unwrap();
            let call = channel.call(method, None, client_kit::within(10.0)).await;
            for (question, expected) in [
                (Question::File("b.proto"), "b.proto"),
                (Question::Symbol("x.A"), "a.proto"),
                (Question::Services, ""),
                (Question::File("c.proto"), "refused"),
            ] {
                call.send(client_kit::framed(&reflection::encode(question))).await.unwrap();
                let answer = call.recv().await.unwrap().into_bytes();
                let told = match reflection::decode(&answer).unwrap() {
                    Answer::Files(files) => files[0].name().to_owned(),
                    Answer::Services(names) => {
                        assert_eq!(names, all);
                        String::new()
                    }
                    Answer::Refused(_) => "refused".to_owned(),
                };
                assert_eq!(told, expected, "{question:?}");
            }
            call.half_close();
            assert!(call.recv().await.is_none());
            assert_eq!(call.wait_end().await.0.code(), viaduct::Code::Ok);
            // What is no question ends the stream.
            let method = Method::parse(version.path()).unwrap();
            let outcome =
                channel.unary(method, client_kit::framed(&[0xff; 9]), client_kit::within(10.0)).await;
            assert_eq!(outcome.status.code(), viaduct::Code::InvalidArgument);
        }
    });
    // So another proxy before it learns everything.
    let outer = Running::start(with(|group| {
        group.sources = vec![Source::member(&inner.addr.to_string(), 1).unwrap()];
        group.discover = seldom();
    }));
    for (path, backend) in [("/x.A/M", "a"), ("/x.B/M", "b")] {
        assert_eq!(who(&outer, path), set(&[backend]));
    }
    let end = call(outer.addr, "/x.C/M");
    assert!(end.status == UNIMPLEMENTED && end.message.contains("x.A, x.B, x.Both"), "{end:?}");
}

#[test]
fn a_backend_that_is_added_makes_its_service_routable() {
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let b = Backend::start("b", Says::serving(&["x.B"]));
    let file = File::new("added", &format!("# one\n{}\n", a.addr));
    let proxy = Running::start(with(|group| {
        group.sources = vec![file.source()];
        group.discover = seldom();
    }));
    assert_eq!(call(proxy.addr, "/x.A/M").backend, "a");
    assert_eq!(call(proxy.addr, "/x.B/M").status, UNIMPLEMENTED);
    let from = std::time::Instant::now();
    file.write(&format!("{} 3\nno address\n{}\n", a.addr, b.addr));
    eventually(|| call(proxy.addr, "/x.B/M").status == 0);
    println!("a new backend's service was routable after {:?}", from.elapsed());
    assert_eq!(who(&proxy, "/x.A/M"), set(&["a"]));
    assert_eq!(a.connections.load(Ordering::SeqCst), 1, "another weight is no other member");

    // Who names nobody is not believed.
    file.write("# nobody\n");
    std::fs::remove_file(&file.0).unwrap();
    file.write(&format!("{}\n", b.addr));
    eventually(|| call(proxy.addr, "/x.A/M").status == UNIMPLEMENTED);
    assert_eq!(call(proxy.addr, "/x.B/M").backend, "b");
}

#[test]
fn a_file_that_names_nobody_changes_nothing() {
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let other = Backend::start("other", Says::serving(&["x.A"]));
    let (file, witness) = (File::new("empty", &format!("{}\n", a.addr)), File::new("witness", ""));
    let proxy = Running::start(with(|group| group.sources = vec![file.source(), witness.source()]));
    assert_eq!(who(&proxy, "/x.A/M"), set(&["a"]));
    std::fs::remove_file(&file.0).unwrap();
    // Both files are looked at every second: when the second one has been seen twice, so has the first.
    witness.write(&format!("{}\n", other.addr));
    eventually(|| who(&proxy, "/x.A/M").contains("other"));
    file.write("nothing of use\n");
    let third = Backend::start("third", Says::serving(&["x.A"]));
    witness.write(&format!("{}\n", third.addr));
    eventually(|| who(&proxy, "/x.A/M") == set(&["a", "third"]));
}

#[test]
fn a_backend_that_comes_up_late_or_again_is_asked() {
    let addr = nobody();
    let other = Backend::start("other", Says::serving(&["x.Other"]));
    let proxy = Running::start(with(|group| {
        group.sources = fixed(&[&other]);
        group.sources.push(Source::member(&addr.to_string(), 1).unwrap());
        group.discover = seldom();
        group.eject = None;
    }));
    // Nobody calls it, and yet it is found.
    let first = Backend::start_at(addr, "first", Says::serving(&["x.A"]));
    eventually(|| first.times_asked() == 1);
    assert_eq!(call(proxy.addr, "/x.A/M").backend, "first");
    drop(first);
    let from = std::time::Instant::now();
    let second = Backend::start_at(addr, "second", Says::serving(&["x.B"]));
    eventually(|| call(proxy.addr, "/x.B/M").backend == "second");
    println!("a backend that came back with another service was known after {:?}", from.elapsed());
    eventually(|| call(proxy.addr, "/x.A/M").status == UNIMPLEMENTED);
    assert_eq!(second.times_asked(), 1);
}

#[test]
fn one_without_reflection_serves_everything_and_one_that_fails_what_it_served() {
    let mute = Backend::start("mute", Says { reflection: vec![], ..Says::serving(&["x.Any"]) });
    let fails = Backend::start("fails", Says::serving(&["x.A"]));
    let proxy = Running::start(with(|group| {
        group.sources = fixed(&[&mute, &fails]);
        group.discover = often();
    }));
    assert_eq!(who(&proxy, "/x.A/M"), set(&["fails"]));
    assert_eq!(who(&proxy, "/x.Any/M"), set(&["mute"]));
    fails.say(|says| says.refuses = Some(UNAVAILABLE));
    let before = fails.times_asked();
    eventually(|| fails.times_asked() > before + 1);
    assert_eq!(who(&proxy, "/x.A/M"), set(&["fails"]));
    fails.say(|says| *says = Says::serving(&["x.A", "x.New", "no service", ""]));
    eventually(|| who(&proxy, "/x.New/M") == set(&["fails"]));
    fails.say(|says| *says = Says::serving(&["x.New"]));
    eventually(|| call(proxy.addr, "/x.A/M").backend == "mute");
}

#[test]
fn the_ill_are_left_out_until_they_are_well() {
    let serving = |status| Says { health: status, ..Says::serving(&["x.A"]) };
    let a = Backend::start("a", serving(Some(1)));
    let b = Backend::start("b", serving(None));
    let proxy = Running::start(with(|group| {
        group.sources = fixed(&[&a, &b]);
        group.health = Some(Health {
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(10),
            service: String::new(),
            unhealthy_after: 2,
            healthy_after: 2,
        });
    }));
    let both = set(&["a", "b"]);
    assert_eq!(who(&proxy, "/x.A/M"), both);
    a.say(|says| says.health = Some(2));
    eventually(|| who(&proxy, "/x.A/M") == set(&["b"]));
    a.say(|says| says.health = Some(1));
    eventually(|| who(&proxy, "/x.A/M") == both);
    // Both are ill: all are used, as nobody is better.
    a.say(|says| says.health = Some(2));
    eventually(|| who(&proxy, "/x.A/M") == set(&["b"]));
    b.say(|says| says.health = Some(0));
    eventually(|| who(&proxy, "/x.A/M") == both);
}

fn host(settings: &mut Settings, names: &Names, host: &str, port: u16) {
    settings.dns = vec![names.addr];
    settings.groups[0].sources = vec![Source::Host { host: host.to_owned(), port, weight: 1 }];
}

/// The same port at another address of this machine.
fn beside(addr: SocketAddr, last: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), addr.port()).into()
}

fn v4(last: u8) -> Is {
    Is::V4(Ipv4Addr::new(127, 0, 0, last))
}

#[test]
fn a_name_is_looked_up_again_when_its_time_is_over() {
    let names = Names::start();
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let _b = Backend::start_at(beside(a.addr, 2), "b", Says::serving(&["x.A"]));
    names.set("greeter.test", &[(0, Is::Alias("real.test"))]);
    names.set("real.test", &[(1, v4(1))]);
    let mut settings = with(|_| {});
    host(&mut settings, &names, "greeter.test", a.addr.port());
    let proxy = Running::start(settings.clone());
    assert_eq!(who(&proxy, "/x.A/M"), set(&["a"]));
    names.set("real.test", &[(1, v4(2)), (1, v4(1))]);
    eventually(|| who(&proxy, "/x.A/M") == set(&["a", "b"]));
    names.set("real.test", &[(1, v4(2))]);
    eventually(|| who(&proxy, "/x.A/M") == set(&["b"]));

    // A lookup that fails changes nothing, however often.
    names.fail(true);
    eventually(|| names.failures.load(Ordering::SeqCst) > 8);
    assert_eq!(who(&proxy, "/x.A/M"), set(&["b"]));
    // Nor does a reload meanwhile: what is known of a source is known to the group that follows.
    settings.groups[0].max_requests = 7;
    proxy.proxy.reload(settings).unwrap();
    assert_eq!(who(&proxy, "/x.A/M"), set(&["b"]));
    names.fail(false);
    names.set("real.test", &[(300, v4(1))]);
    eventually(|| who(&proxy, "/x.A/M") == set(&["a"]));
}

#[test]
fn a_name_with_no_address_is_told_and_one_that_gets_some_is_used() {
    let names = Names::start();
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let mut settings = with(|_| {});
    host(&mut settings, &names, "late.test", a.addr.port());
    let proxy = Running::start(settings);
    let end = call(proxy.addr, "/x.A/M");
    assert_eq!(end.status, UNAVAILABLE);
    assert!(end.message.contains("has no members now"), "{}", end.message);
    names.set("late.test", &[(1, v4(1))]);
    eventually(|| call(proxy.addr, "/x.A/M").status == 0);
}

#[test]
fn srv_records_name_hosts_ports_weights_and_priorities() {
    let names = Names::start();
    names.cut();
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let b = Backend::start("b", Says::serving(&["x.A"]));
    let spare = Backend::start("spare", Says::serving(&["x.A"]));
    let srv = |priority, weight, backend: &Backend, target| {
        (1, Is::Srv(priority, weight, backend.addr.port(), target))
    };
    names.set("here.test", &[(60, v4(1))]);
    names.set(
        "_grpc._tcp.test",
        &[srv(1, 3, &a, "here.test"), srv(1, 1, &b, "here.test"), srv(2, 9, &spare, "here.test")],
    );
    let proxy = Running::start(Settings {
        dns: vec![names.addr],
        ..with(|group| {
            group.sources = vec![Source::Srv { name: "_grpc._tcp.test".into() }];
            group.balance = Balance::RoundRobin;
        })
    });
    let answers: Vec<Ended> = (0..40).map(|_| call(proxy.addr, "/x.A/M")).collect();
    let of = |name| answers.iter().filter(|end| end.backend == name).count();
    assert_eq!((of("a"), of("b"), of("spare")), (30, 10, 0));
    assert!(names.over_tcp.load(Ordering::SeqCst) >= 2, "answers that were cut are asked for over TCP");
    // The first ones have gone: those with the next priority take their place.
    names.set("_grpc._tcp.test", &[srv(1, 3, &a, "gone.test"), srv(2, 9, &spare, "here.test")]);
    eventually(|| who(&proxy, "/x.A/M") == set(&["spare"]));
}

#[test]
fn the_next_priority_takes_over_while_all_of_the_first_are_down() {
    let names = Names::start();
    let says = Says { health: Some(1), ..Says::serving(&["x.A"]) };
    let a = Backend::start("a", says.clone());
    let b = Backend::start("b", says.clone());
    let spare = Backend::start("spare", says.clone());
    let nobody = nobody();
    names.set("here.test", &[(60, v4(1))]);
    let srv = |priority, port| (60, Is::Srv(priority, 1, port, "here.test"));
    let (a_at, b_at, spare_at) = (a.addr.port(), b.addr.port(), spare.addr.port());
    names.set("_grpc._tcp.test", &[srv(1, a_at), srv(1, b_at), srv(2, nobody.port()), srv(3, spare_at)]);
    let quick = Duration::from_millis(20);
    let health = Health { interval: quick, unhealthy_after: 1, healthy_after: 1, ..Health::default() };
    for balance in [Balance::LeastRequest, Balance::RoundRobin, Balance::RingHash("k".parse().unwrap())] {
        let proxy = Running::start(Settings {
            dns: vec![names.addr],
            ..with(|group| {
                group.sources = vec![Source::Srv { name: "_grpc._tcp.test".into() }];
                group.balance = balance.clone();
                group.health = Some(health.clone());
            })
        });
        let ill = |backend: &Backend, ill| backend.say(|says| says.health = Some(if ill { 2 } else { 1 }));
        // No call has the header that the ring is about: chance chooses.
        let first = set(&["a", "b"]);
        eventually(|| who(&proxy, "/x.A/M") == first);
        ill(&a, true);
        eventually(|| who(&proxy, "/x.A/M") == set(&["b"]));
        // Nobody is there at the second one: the third is asked, and no call fails for it.
        ill(&b, true);
        eventually(|| who(&proxy, "/x.A/M") == set(&["spare"]));
        assert!((0..16).all(|_| call(proxy.addr, "/x.A/M").backend == "spare"));
        ill(&a, false);
        eventually(|| who(&proxy, "/x.A/M") == set(&["a"]));
        // Where nobody is well, everybody is asked.
        ill(&a, true);
        ill(&spare, true);
        eventually(|| who(&proxy, "/x.A/M") == set(&["a", "b", "spare"]));
        [&a, &b, &spare].iter().for_each(|backend| ill(backend, false));
        eventually(|| who(&proxy, "/x.A/M") == first);
    }
    // Without health checks it is the calls that find out.
    let proxy = Running::start(Settings {
        dns: vec![names.addr],
        ..with(|group| group.sources = vec![Source::Srv { name: "_grpc._tcp.test".into() }])
    });
    assert_eq!(who(&proxy, "/x.A/M"), set(&["a", "b"]));
    drop((a, b));
    eventually(|| who(&proxy, "/x.A/M") == set(&["spare"]));
    let a = Backend::start_at((Ipv4Addr::LOCALHOST, a_at).into(), "a", says);
    eventually(|| who(&proxy, "/x.A/M") == set(&["a"]));
    drop(a);
}

#[test]
fn a_name_that_leads_to_the_proxy_itself_is_found_out() {
    let names = Names::start();
    names.set("me.test", &[(1, v4(1))]);
    for discover in [None, seldom()] {
        let mut settings = with(|group| group.discover = discover);
        let proxy = Running::start(settings.clone());
        host(&mut settings, &names, "me.test", proxy.addr.port());
        proxy.proxy.reload(settings).unwrap();
        for _ in 0..3 {
            let end = call(proxy.addr, "/x.A/M");
            assert_eq!(end.status, UNAVAILABLE, "{end:?}");
            assert!(end.message.contains("itself"), "{end:?}");
        }
        let real = Backend::start_at(beside(proxy.addr, 2), "real", Says::serving(&["x.A"]));
        names.set("me.test", &[(1, v4(1)), (1, v4(2))]);
        eventually(|| who(&proxy, "/x.A/M") == set(&["real"]));
        assert!((0..16).all(|_| call(proxy.addr, "/x.A/M").status == 0), "it is never tried again");
        drop(real);
        names.set("me.test", &[(1, v4(1))]);
    }
}

#[test]
fn a_reload_waits_until_new_members_are_known() {
    let names = Names::start();
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let b = Backend::start("b", Says::serving(&["x.B"]));
    names.set("a.test", &[(300, v4(1))]);
    let mut settings = with(|group| group.discover = seldom());
    host(&mut settings, &names, "a.test", a.addr.port());
    settings.groups[0].sources.extend(fixed(&[&b]));
    let proxy = Running::start(settings.clone());
    for round in 0..20 {
        settings.groups[0].max_requests = 1000 + round;
        proxy.proxy.reload(settings.clone()).unwrap();
        for (path, backend) in [("/x.A/M", "a"), ("/x.B/M", "b")] {
            let end = call(proxy.addr, path);
            assert_eq!(end.backend, backend, "{round}: {end:?}");
        }
    }
}

#[test]
fn reflection_ends_with_its_deadline_and_with_its_client() {
    let a = Backend::start("a", Says::serving(&["x.A"]));
    let b = Backend::start("b", Says::serving(&["x.B"]));
    let mut settings = with(|group| {
        group.sources = fixed(&[&a, &b]);
        group.discover = seldom();
    });
    settings.admin = Some(Admin { address: "http://127.0.0.1:0".to_owned() });
    let proxy = Running::start(settings.clone());
    settings.routes[0].timeout = Some(Duration::from_millis(100));
    let short = Running::start(settings);
    block(async {
        let method = || Method::parse(Version::V1.path()).unwrap();
        // A stream that stays open, and one that is given up.
        let call = client_kit::to(short.addr).call(method(), None, client_kit::within(10.0)).await;
        let (status, _) = call.wait_end().await;
        assert_eq!(status.code(), viaduct::Code::DeadlineExceeded);
        assert!(status.message().contains("at the proxy"), "{}", status.message());
        let channel = client_kit::to(proxy.addr);
        let call = channel.call(method(), None, client_kit::within(10.0)).await;
        call.send(client_kit::framed(&reflection::encode(Question::Services))).await.unwrap();
        assert!(call.recv().await.is_some());
        call.cancel();
        let admin = proxy.proxy.admin().unwrap();
        client_kit::eventually(|| proxy_kit::plain::counted(&admin, "viaduct_cancelled_total") == 1).await;
        // A question without an end is not gathered for ever: its prefix says too much.
        let huge = client_kit::framed(&[0; 100 << 10]);
        let outcome = channel.unary(method(), huge, client_kit::within(10.0)).await;
        assert_eq!(outcome.status.code(), viaduct::Code::ResourceExhausted);
        // One that asks nothing gets nothing, in order.
        let call = channel.call(method(), None, client_kit::within(10.0)).await;
        call.half_close();
        assert_eq!(call.wait_end().await.0.code(), viaduct::Code::Ok);
    });
}
