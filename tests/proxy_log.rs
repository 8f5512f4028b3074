//! The access log, and the names that requests are given.
#![allow(missing_docs)]

mod proxy_kit;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::HeaderName;
use proxy_kit::backend::call;
use proxy_kit::http::{ask, get};
use proxy_kit::raw::{POST, Peer};
use proxy_kit::{Running, eventually, group, nobody, settings};
use serde_json::Value;
use viaduct::proxy::Proxy;
use viaduct::proxy::settings::{AccessLog, Admin, Match, Pattern, Route, Settings};
use viaduct_testkit::{Behaviour, WrongServer, frame};

const CANCEL: u32 = 8;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("viaduct-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("access.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn logged(path: &Path, json: bool, headers: &[&'static str], backends: &[SocketAddr]) -> Settings {
    let headers = headers.iter().map(|name| HeaderName::from_static(name)).collect();
    let access_log = Some(AccessLog { path: Some(path.to_owned()), json, headers });
    Settings { access_log, ..settings(backends) }
}

/// The lines, once there are so many.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let read = || std::fs::read_to_string(path).unwrap();
    eventually(|| read().lines().count() >= count);
    let all: Vec<String> = read().lines().map(str::to_owned).collect();
    assert_eq!(all.len(), count, "{all:#?}");
    all
}

fn objects(path: &Path, count: usize) -> Vec<Value> {
    lines(path, count).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_call_is_one_line_however_it_ends() {
    let folder = Folder::new("ends");
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let missing = WrongServer::start(Behaviour::TrailersOnly(5)).unwrap();
    let silence = WrongServer::start(Behaviour::Silence).unwrap();
    let to = |service: &str, name: &str| Route {
        name: format!("to {name}"),
        matches: vec![Match::Service(Pattern::Exact(service.to_owned()))],
        ..proxy_kit::all_to(name)
    };
    let mut settings = logged(&folder.file(), true, &[], &[]);
    settings.groups = vec![
        group("echo", &[echo.addr]),
        group("missing", &[missing.addr]),
        group("silence", &[silence.addr]),
    ];
    settings.routes = vec![to("t.Echo", "echo"), to("t.Missing", "missing"), to("t.Silence", "silence")];
    let proxy = Running::start(settings);

    assert_eq!(call(proxy.addr, "/t.Echo/One").status, 0);
    let told = &objects(&folder.file(), 1)[0];
    let time = told["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert!(told["peer"].as_str().unwrap().starts_with("ipv4:127.0.0.1:"));
    for (key, value) in [
        ("method", "POST"),
        ("path", "/t.Echo/One"),
        ("authority", "front"),
        ("route", "to echo"),
        ("group", "echo"),
        ("backend", &echo.addr.to_string()),
        ("status", "OK"),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    assert!(told["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&told["attempts"], &told["bytes_in"], &told["bytes_out"]), (&1.into(), &5.into(), &5.into()));
    assert!(told.get("said").is_none() && told.get("trace_id").is_none());

    assert_eq!(call(proxy.addr, "/t.Missing/One").status, 5);
    let told = &objects(&folder.file(), 2)[1];
    // What the backend says is not what the proxy says.
    assert!(told["status"] == "NOT_FOUND" && told.get("said").is_none(), "{told}");

    assert_eq!(call(proxy.addr, "/t.Nowhere/One").status, 12);
    let told = &objects(&folder.file(), 3)[2];
    assert_eq!((&told["status"], &told["attempts"]), (&"UNIMPLEMENTED".into(), &0.into()));
    assert!(told["said"].as_str().unwrap().contains("no route"), "{told}");
    assert!(told.get("route").is_none() && told.get("backend").is_none(), "{told}");

    let mut head = POST.to_vec();
    head[2].1 = "/t.Silence/One";
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, &head, false);
    client.data(1, &frame::message(0, b"hello"), true);
    eventually(|| silence.stats().streams == 1);
    client.reset(1, CANCEL);
    let told = &objects(&folder.file(), 4)[3];
    assert_eq!((&told["status"], &told["bytes_in"]), (&"CANCELLED".into(), &10.into()));

    head.push(("grpc-timeout", "20m"));
    client.headers(3, &head, true);
    let told = &objects(&folder.file(), 5)[4];
    assert_eq!(
        (&told["status"], &told["backend"]),
        (&"DEADLINE_EXCEEDED".into(), &silence.addr.to_string().into())
    );
    assert!(told["said"].as_str().unwrap().contains("deadline"), "{told}");
    assert!(told["duration_ms"].as_f64().unwrap() >= 20.0, "{told}");
}

#[test]
fn what_is_not_grpc_has_its_http_status() {
    let folder = Folder::new("http");
    let html = WrongServer::start(Behaviour::Html(404)).unwrap();
    let proxy = Running::start(logged(&folder.file(), false, &[], &[html.addr]));
    let mut client = Peer::connect(proxy.addr);
    client.headers(
        1,
        &[(":method", "GET"), (":scheme", "http"), (":path", "/page?secret=1"), (":authority", "a")],
        true,
    );
    client.stream(1);
    let line = &lines(&folder.file(), 1)[0];
    assert!(line.contains(" method=GET path=/page authority=a ") && line.contains(" status=404 "), "{line}");
    drop(proxy);
    let proxy = Running::start(logged(&folder.file(), false, &[], &[nobody()]));
    assert_eq!(ask(&proxy.proxy.targets()[0], "GET", "/page").status, 503);
    let line = &lines(&folder.file(), 2)[1];
    assert!(line.contains(" status=503 ") && line.contains(" said=\""), "{line}");
}

#[test]
fn a_client_cannot_write_lines_of_its_own() {
    let folder = Folder::new("hostile");
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy =
        Running::start(logged(&folder.file(), false, &["x-tenant", "x-other", "x-none"], &[echo.addr]));
    let mut client = Peer::connect(proxy.addr);
    let mut head = POST.to_vec();
    head.extend([("x-tenant", "red\" status=OK \\"), ("x-other", "one"), ("x-other", "two")]);
    head[2].1 = "/t.Echo/a%0Ab=c\"";
    client.headers(1, &head, true);
    client.stream(1);
    let line = &lines(&folder.file(), 1)[0];
    assert!(
        line.contains(" header.x-tenant=\"red\\\" status=OK \\\\\" header.x-other=\"one, two\""),
        "{line}"
    );
    assert!(!line.contains("x-none"), "{line}");
}

#[test]
fn a_trace_goes_on_and_a_request_has_a_name() {
    let folder = Folder::new("trace");
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    // What is logged of the headers is what the backend was sent.
    let mut settings =
        logged(&folder.file(), true, &["traceparent", "tracestate", "x-request-id"], &[echo.addr]);
    settings.trace = true;
    settings.listeners[0].forwarded.request_id = true;
    let proxy = Running::start(settings.clone());
    let mut client = Peer::connect(proxy.addr);
    let id = "0af7651916cd43dd8448eb211c80319c";
    let known = format!("00-{id}-b7ad6b7169203331-01");
    let mut send = |stream, more: &[(&str, &str)]| {
        let mut head = POST.to_vec();
        head.extend(more);
        client.headers(stream, &head, true);
        client.stream(stream);
    };
    send(1, &[("traceparent", &known), ("tracestate", "v=1"), ("x-request-id", "mine")]);
    send(3, &[("traceparent", "00-nonsense"), ("tracestate", "v=1")]);
    send(5, &[]);
    let all = objects(&folder.file(), 3);
    let parent = |n: usize| all[n]["header.traceparent"].as_str().unwrap();
    assert!(parent(0).starts_with(&format!("00-{id}-")) && parent(0).ends_with("-01"), "{}", parent(0));
    assert_ne!(parent(0), known);
    assert_eq!((&all[0]["trace_id"], &all[0]["header.tracestate"]), (&id.into(), &"v=1".into()));
    assert_eq!(all[0]["header.x-request-id"], "mine");
    for n in [1, 2] {
        let trace = all[n]["trace_id"].as_str().unwrap();
        assert!(trace.len() == 32 && trace != id && parent(n).contains(trace), "{}", all[n]);
        assert_eq!(all[n]["header.x-request-id"].as_str().unwrap().len(), 36);
        assert!(all[n].get("header.tracestate").is_none());
    }
    assert_ne!(all[1]["trace_id"], all[2]["trace_id"]);
    assert_ne!(all[1]["header.x-request-id"], all[2]["header.x-request-id"]);

    // Switched off, what a client says passes as it is.
    (settings.trace, settings.listeners[0].forwarded.request_id) = (false, false);
    proxy.proxy.reload(settings).unwrap();
    send(7, &[("traceparent", &known)]);
    let last = &objects(&folder.file(), 4)[3];
    assert_eq!((&last["header.traceparent"], &last["trace_id"]), (&known.into(), &id.into()));
}

#[test]
fn a_reload_opens_the_file_anew_and_nothing_is_lost() {
    let folder = Folder::new("rotation");
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let settings = logged(&folder.file(), true, &[], &[echo.addr]);
    let proxy = Running::start(settings.clone());
    let (old, bad) = (folder.0.join("access.log.1"), folder.0.join("no/such/folder/access.log"));
    assert_eq!(call(proxy.addr, "/t.Echo/First").status, 0);
    lines(&folder.file(), 1);
    std::fs::rename(folder.file(), &old).unwrap();
    assert_eq!(call(proxy.addr, "/t.Echo/Second").status, 0);
    lines(&old, 2);
    proxy.proxy.reload(settings.clone()).unwrap();
    assert_eq!(call(proxy.addr, "/t.Echo/Third").status, 0);
    assert_eq!(objects(&folder.file(), 1)[0]["path"], "/t.Echo/Third");
    // A file that cannot be opened refuses the configuration, and the old one is written on.
    let refused = Settings { routes: Vec::new(), ..logged(&bad, true, &[], &[echo.addr]) };
    let why = proxy.proxy.reload(refused.clone()).unwrap_err().to_string();
    assert!(why.starts_with("cannot open the access log ") && why.contains("no/such/folder"), "{why}");
    assert!(Proxy::start(refused).is_err());
    assert_eq!(call(proxy.addr, "/t.Echo/Fourth").status, 0);
    lines(&folder.file(), 2);
    // Without a log there is none; what was said before is in the file when the proxy has ended.
    proxy.proxy.reload(Settings { access_log: None, ..settings.clone() }).unwrap();
    assert_eq!(call(proxy.addr, "/t.Echo/Fifth").status, 0);
    proxy.proxy.reload(settings).unwrap();
    for _ in 0..20 {
        assert_eq!(call(proxy.addr, "/t.Echo/Last").status, 0);
    }
    drop(proxy);
    lines(&folder.file(), 22);
    lines(&old, 2);
}

/// A number of a metric without labels.
fn metric(target: &str, name: &str) -> u64 {
    let text = get(target, "/metrics").body;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap().parse().unwrap()
}

#[test]
fn a_reader_that_is_too_slow_costs_lines_that_are_counted() {
    let folder = Folder::new("slow");
    let pipe = folder.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    // Nobody reads yet; that holds nothing up.
    let mut settings = logged(&pipe, true, &["x-long"], &[echo.addr]);
    settings.admin = Some(Admin { address: "http://127.0.0.1:0".to_owned() });
    let proxy = Running::start(settings);
    let target = proxy.proxy.admin().unwrap();
    let long = "x".repeat(16 << 10);
    let mut head = POST.to_vec();
    head.push(("x-long", &long));
    let mut client = Peer::connect(proxy.addr);
    let mut calls = 0;
    while metric(&target, "viaduct_log_lines_dropped_total") < 3 {
        client.headers(2 * calls + 1, &head, true);
        client.stream(2 * calls + 1);
        calls += 1;
        assert!(calls < 1000, "nothing is dropped");
    }
    // Each call is a line, or one of those that a line stands for.
    let mut reader = BufReader::new(File::open(&pipe).unwrap());
    let (mut written, mut dropped) = (0, 0);
    while written + dropped < u64::from(calls) {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        match told["dropped_lines"].as_u64() {
            Some(count) => dropped += count,
            None => written += 1,
        }
    }
    assert_eq!((written + dropped, dropped >= 3), (u64::from(calls), true));
    eventually(|| metric(&target, "viaduct_log_lines_total") == written);
    assert_eq!(metric(&target, "viaduct_log_lines_dropped_total"), dropped);
}
