use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::super::Proxy;
use super::super::settings::{self, Discover, Health, Settings, Source};
use super::super::upstream::{Found, Group, Member};
use crate::transport::dial::Address;

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let from = Instant::now();
    while !holds() {
        assert!(from.elapsed() < Duration::from_secs(10), "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A server that takes connections and says nothing.
fn silent() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn found(name: &str, weight: u32) -> Found {
    let address = Address::Tcp(name.parse().unwrap());
    Found { address, name: name.to_owned(), authority: name.to_owned(), weight, priority: 0 }
}

fn group_now(proxy: &Proxy) -> Arc<Group> {
    Arc::clone(&proxy.running().unwrap().shared.plan.load().groups[0])
}

#[test]
fn a_group_that_has_gone_frees_everything() {
    let (_listener, address) = silent();
    let path = std::env::temp_dir().join(format!("viaduct-members-{}", std::process::id()));
    std::fs::write(&path, format!("{address}\n")).unwrap();
    let source = Source::File { path: path.clone() };
    let second = Duration::from_secs(1);
    let health = Health {
        interval: second,
        timeout: second,
        service: String::new(),
        unhealthy_after: 1,
        healthy_after: 1,
    };
    let with = |name: &str| Settings {
        groups: vec![settings::Group {
            name: name.to_owned(),
            sources: vec![source.clone(), Source::Host { host: "localhost".into(), port: 9, weight: 1 }],
            discover: Some(Discover { interval: second, timeout: second }),
            health: Some(health.clone()),
            ..settings::Group::default()
        }],
        ..Settings::default()
    };
    let proxy = Proxy::start(with("one")).unwrap();
    let (group, members): (Weak<Group>, Vec<Weak<Member>>) = {
        let group = group_now(&proxy);
        // The connection is being made: nobody ever says SETTINGS.
        (Arc::downgrade(&group), group.members().all.members.iter().map(Arc::downgrade).collect())
    };
    assert!(members.len() >= 2);
    assert!(group.upgrade().is_some());
    proxy.reload(with("two")).unwrap();
    let after = group_now(&proxy);
    assert_eq!(after.members().all.members.len(), members.len(), "what was known is known at once");
    drop(after);
    let last = Arc::downgrade(&group_now(&proxy));
    drop(proxy);
    eventually("the end of the last group", || last.upgrade().is_none());
    eventually("the end of the group", || group.upgrade().is_none());
    eventually("the end of its members", || members.iter().all(|member| member.upgrade().is_none()));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn members_that_stay_keep_what_is_known_of_them() {
    let group = Group::new(settings::Group::default(), 1, Arc::default()).unwrap();
    group.set_members(vec![found("127.0.0.1:1", 1), found("127.0.0.1:2", 1), found("127.0.0.1:1", 7)]);
    let first = group.members().all.members.to_vec();
    assert_eq!(first.len(), 2, "who is named twice is there once");
    first[0].set_services(Some(vec!["x.X".into()]));
    group.sort_services();
    group.set_members(vec![found("127.0.0.1:1", 5), found("127.0.0.1:3", 1)]);
    let second = group.members().all.members.to_vec();
    assert!(Arc::ptr_eq(&first[0], &second[0]), "another weight is no other member");
    assert_eq!(second[0].weight(), 5);
    assert_eq!(group.members().services(), ["x.X"]);
    assert_eq!(group.members().of("x.X").members.len(), 1);
    assert_eq!(group.members().of("y.Y").members[0].name(), "127.0.0.1:3", "one that cannot tell");
}

#[test]
fn a_group_that_follows_another_knows_what_the_members_served() {
    let discover = Some(Discover { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) });
    let group = |max_requests, discover| {
        let settings = settings::Group { max_requests, discover, ..settings::Group::default() };
        let group = Group::new(settings, 1, Arc::default()).unwrap();
        group.set_members(vec![found("127.0.0.1:1", 1), found("127.0.0.1:2", 1)]);
        Arc::new(group)
    };
    let before = group(1, discover);
    before.members().all.members[1].set_services(Some(vec!["x.X".into()]));
    let after = group(2, discover);
    after.inherit(std::slice::from_ref(&before));
    assert_eq!(after.members().services(), ["x.X"]);
    assert!(after.members().all.members[0].services().is_none());
    let without = group(3, None);
    without.inherit(&[before]);
    assert!(without.members().services().is_empty(), "it does not want to know");
}

#[test]
fn without_a_share_for_retries_there_are_none() {
    let settings = settings::Group { retry_budget: 0.0, ..settings::Group::default() };
    let group = Group::new(settings, 1, Arc::default()).unwrap();
    group.sent();
    assert!(!group.may_retry());
    let settings = settings::Group { retry_budget: 0.5, ..settings::Group::default() };
    let group = Group::new(settings, 1, Arc::default()).unwrap();
    let retries = |group: &Group| std::iter::repeat_with(|| group.may_retry()).take_while(|may| *may).count();
    assert_eq!(retries(&group), 10, "something to begin with");
    for _ in 0..8 {
        group.sent();
    }
    assert_eq!(retries(&group), 4, "one for two");
    for _ in 0..1000 {
        group.sent();
    }
    assert!((100..=101).contains(&retries(&group)), "not more than so many");
}

#[test]
fn conflicts_and_what_has_gone_are_kept_as_long_as_they_hold() {
    let group = |name: &str, member: &str| settings::Group {
        name: name.to_owned(),
        sources: vec![Source::member(member, 1).unwrap()],
        discover: None,
        ..settings::Group::default()
    };
    let to_a = settings::Route {
        name: "all".into(),
        matches: Vec::new(),
        group: "a".into(),
        timeout: None,
        authority: None,
        retry: None,
    };
    let mut settings = Settings {
        groups: vec![group("a", "127.0.0.1:1"), group("b", "127.0.0.1:2")],
        routes: vec![to_a],
        ..Settings::default()
    };
    let proxy = Proxy::start(settings.clone()).unwrap();
    let shared = Arc::clone(&proxy.running().unwrap().shared);
    for group in &shared.plan.load().groups {
        group.members().all.members[0].set_services(Some(vec!["x.X".into()]));
        group.sort_services();
    }
    shared.findings.compare(&shared.plan.load());
    let [conflict] = &shared.findings.list()[..] else { panic!("{:?}", shared.findings.list()) };
    assert!(conflict.contains("\"x.X\"") && conflict.contains("no route leads it to \"b\""), "{conflict}");
    // Without the second group there is nothing to tell.
    settings.groups.pop();
    proxy.reload(settings).unwrap();
    assert!(shared.findings.list().is_empty());
}

#[test]
fn a_client_with_the_port_of_an_own_connection_is_no_loop() {
    let own = Arc::default();
    let group = Group::new(settings::Group::default(), 1, Arc::clone(&own)).unwrap();
    group.set_members(vec![found("127.0.0.1:1", 1)]);
    let member = Arc::clone(&group.members().all.members[0]);
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let held = group.own(Some((at("127.0.0.1:5000"), at("127.0.0.1:1"))), &member);
    assert!(own.find(at("127.0.0.1:5000"), at("127.0.0.1:1")).is_some());
    assert!(
        own.find(at("[::ffff:127.0.0.1]:5000"), at("[::ffff:127.0.0.1]:1")).is_some(),
        "one listener for both"
    );
    assert!(own.find(at("127.0.0.1:5000"), at("127.0.0.1:2")).is_none());
    drop(held);
    assert!(own.find(at("127.0.0.1:5000"), at("127.0.0.1:1")).is_none());
}
