//! The admin port: what it says, to whom, and that it says it whatever comes in.
#![allow(missing_docs)]

mod proxy_kit;

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use proxy_kit::backend::{Backend, Says, call};
use proxy_kit::http::{ask, get};
use proxy_kit::{Running, eventually, group, nobody, settings};
use serde_json::Value;
use viaduct::proxy::settings::{Admin, Discover, Drain, Match, Pattern, Route, Settings};
use viaduct_testkit::{Behaviour, WrongServer};

fn admin() -> Option<Admin> {
    Some(Admin { address: "http://127.0.0.1:0".to_owned() })
}

fn service_to(service: &str, group: &str) -> Route {
    let matches = vec![Match::Service(Pattern::Exact(service.to_owned()))];
    Route { name: service.to_owned(), matches, ..proxy_kit::all_to(group) }
}

fn start(settings: Settings) -> (Running, String) {
    let proxy = Running::start(Settings { admin: admin(), ..settings });
    let target = proxy.proxy.admin().unwrap();
    (proxy, target)
}

fn status(target: &str) -> Value {
    serde_json::from_str(&get(target, "/status.json").body).unwrap()
}

#[test]
fn each_page_is_there_and_only_to_be_read() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let (_proxy, target) = start(settings(&[echo.addr]));
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/page.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/page.js", "text/javascript; charset=utf-8", "status.json"),
        ("/status.json", "application/json", "\"phase\":\"serving\""),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "viaduct_ready 1\n"),
        ("/live", "text/plain; charset=utf-8", "live\n"),
        ("/ready", "text/plain; charset=utf-8", "ready\n"),
    ] {
        let answer = get(&target, path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
        let head = ask(&target, "HEAD", path);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for method in ["POST", "DELETE", "OPTIONS"] {
            let refused = ask(&target, method, path);
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
    for (method, path) in
        [("GET", "/reload"), ("POST", "/reload"), ("GET", "/../etc/passwd"), ("GET", "/page")]
    {
        assert_eq!(ask(&target, method, path).status, 404, "{method} {path}");
    }
    assert_eq!(get(&target, "/ready?verbose").status, 200);
}

#[test]
fn the_page_shows_routes_and_backends_without_a_script() {
    let evil = "<script>alert(\"1\")</script>&";
    let backend = Backend::start("a", Says::serving(&["x.Good", "<script>alert('2')</script>"]));
    let mut settings = settings(&[backend.addr]);
    settings.routes[0].name = evil.to_owned();
    (settings.routes[0].group, settings.groups[0].name) = ("<b>g</b>".to_owned(), "<b>g</b>".to_owned());
    settings.groups[0].discover =
        Some(Discover { interval: Duration::from_secs(60), timeout: Duration::from_secs(5) });
    let (_proxy, target) = start(settings);
    eventually(|| get(&target, "/").body.contains("x.Good"));
    let page = get(&target, "/").body;
    assert!(
        page.contains("<td>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;</td><td>everything</td>")
    );
    let row = format!("<td>&lt;b&gt;g&lt;/b&gt;</td><td>{}</td><td>well</td><td>x.Good</td>", backend.addr);
    assert!(page.contains(&row), "{page}");
    assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
    // What is no name of a service is none, whoever calls it so.
    let told = status(&target);
    assert_eq!(told["groups"][0]["members"][0]["services"], serde_json::json!(["x.Good"]));
    assert_eq!((&told["routes"][0]["name"], &told["routes"][0]["group"]), (&evil.into(), &"<b>g</b>".into()));
}

/// Known traffic: three calls that go well, two NOT_FOUND, one to a backend that is not there, one without a route.
fn known_traffic() -> (Running, String, [String; 3], [WrongServer; 2]) {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let missing = WrongServer::start(Behaviour::TrailersOnly(5)).unwrap();
    let dead = nobody();
    let (proxy, target) = start(Settings {
        groups: vec![
            group("good", &[echo.addr]),
            group("missing", &[missing.addr]),
            group("de\"ad\\", &[dead]),
        ],
        routes: vec![
            service_to("t.Good", "good"),
            service_to("t.Missing", "missing"),
            service_to("t.Dead", "de\"ad\\"),
        ],
        ..settings(&[])
    });
    for (path, times, status) in
        [("/t.Good/One", 2, 0), ("/t.Good/Two", 1, 0), ("/t.Missing/One", 2, 5), ("/t.Dead/One", 1, 14)]
    {
        for _ in 0..times {
            assert_eq!(call(proxy.addr, path).status, status, "{path}");
        }
    }
    assert_eq!(call(proxy.addr, "/t.Nowhere/One").status, 12);
    let names = [echo.addr, missing.addr, dead].map(|addr| addr.to_string());
    (proxy, target, names, [echo, missing])
}

#[test]
fn metrics_count_what_was_carried() {
    let (_proxy, target, [good, missing, dead], _servers) = known_traffic();
    // A client may have its answer a moment before the request is counted.
    eventually(|| get(&target, "/metrics").body.contains("viaduct_requests_open 0\n"));
    let text = get(&target, "/metrics").body;
    let labels = |group: &str, backend: &str, service: &str, method: &str| {
        format!("group=\"{group}\",backend=\"{backend}\",service=\"{service}\",method=\"{method}\"")
    };
    let one = labels("good", &good, "t.Good", "One");
    for line in [
        format!("viaduct_requests_total{{{one},code=\"OK\"}} 2"),
        format!("viaduct_requests_total{{{},code=\"OK\"}} 1", labels("good", &good, "t.Good", "Two")),
        format!(
            "viaduct_requests_total{{{},code=\"NOT_FOUND\"}} 2",
            labels("missing", &missing, "t.Missing", "One")
        ),
        format!(
            "viaduct_requests_total{{{},code=\"UNAVAILABLE\"}} 1",
            labels("de\\\"ad\\\\", &dead, "t.Dead", "One")
        ),
        format!("viaduct_requests_total{{{},code=\"UNIMPLEMENTED\"}} 1", labels("", "", "", "")),
        format!("viaduct_request_duration_seconds_bucket{{{one},le=\"+Inf\"}} 2"),
        format!("viaduct_request_duration_seconds_count{{{one}}} 2"),
        // An empty message is five bytes, there and back.
        format!("viaduct_request_bytes_total{{{one}}} 10"),
        format!("viaduct_response_bytes_total{{{one}}} 10"),
        "viaduct_requests_received_total 7".to_owned(),
        "viaduct_requests_open 0".to_owned(),
        "viaduct_no_route_total 1".to_owned(),
        "viaduct_connections_total 7".to_owned(),
        format!("viaduct_backend_up{{group=\"good\",backend=\"{good}\"}} 1"),
        "viaduct_group_connections_total{group=\"good\"} 1".to_owned(),
        "viaduct_group_connect_failures_total{group=\"de\\\"ad\\\\\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

/// What promtool checks, as far as it can be told without it (`tests/admin_page/run` asks promtool itself).
#[test]
fn metrics_have_the_form_that_prometheus_reads() {
    let (_proxy, target, _, _servers) = known_traffic();
    let text = get(&target, "/metrics").body;
    let (mut known, mut seen) = (HashSet::new(), HashSet::new());
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(known.insert(name.to_owned()) && !help.trim().is_empty(), "{line}");
            family.0 = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family.0, "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family.1 = kind.to_owned();
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            let name = sample.split('{').next().unwrap();
            let part = name.strip_prefix(family.0.as_str()).unwrap();
            assert!(
                part.is_empty() || family.1 == "histogram" && ["_bucket", "_sum", "_count"].contains(&part)
            );
            assert!(seen.insert(sample.to_owned()), "twice: {line}");
        }
    }
    assert!(text.ends_with('\n') && seen.len() > 60, "{text}");
}

#[test]
fn the_status_has_the_same_figures() {
    let (proxy, target, [good, _, dead], _servers) = known_traffic();
    eventually(|| status(&target)["total"]["requests_open"] == 0);
    let told = status(&target);
    assert_eq!(told["phase"], "serving");
    assert_eq!(told["counters"]["requests"], 7);
    assert_eq!(told["counters"]["no_route"], 1);
    assert_eq!(told["listeners"][0]["target"], proxy.proxy.targets()[0]);
    assert_eq!(told["routes"][1]["matches"][0], "service is t.Missing");
    let member = &told["groups"][0]["members"][0];
    assert_eq!((&member["name"], &member["state"]), (&good.into(), &"well".into()));
    assert_eq!((&member["requests_total"], &member["errors_total"]), (&3.into(), &0.into()));
    assert_eq!(member["connections_open"], 1);
    let member = &told["groups"][2]["members"][0];
    assert_eq!((&member["requests_total"], &member["errors_total"]), (&1.into(), &1.into()));
    assert!(member["last_error"].as_str().unwrap().contains(&dead), "{member}");
    let methods = told["methods"].as_array().unwrap();
    let missing = methods.iter().find(|one| one["service"] == "t.Missing").unwrap();
    // To find nothing is no error of the server.
    assert_eq!((&missing["codes"]["NOT_FOUND"], &missing["errors_total"]), (&2.into(), &0.into()));
    assert_eq!((methods.len(), &told["methods_left_off"]), (4, &0.into()));
    // In the next second it is history.
    eventually(|| {
        let told = status(&target);
        let minute = &told["total"]["last_minute"];
        let sum = |what: &str| minute[what].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
        sum("requests") == 7
            && sum("errors") == 2
            && told["total"]["requests_per_second"].as_f64() > Some(0.0)
    });
}

#[test]
fn what_happens_to_backends_is_noted() {
    let a = WrongServer::start(Behaviour::Echo).unwrap();
    let cut = WrongServer::start(Behaviour::CutBeforeHeaders).unwrap();
    let mut before = Settings { admin: admin(), ..settings(&[cut.addr, a.addr]) };
    let eject = before.groups[0].eject.as_mut().unwrap();
    (eject.failures, eject.pause, eject.max_pause) = (1, Duration::from_secs(600), Duration::from_secs(600));
    let proxy = Running::start(before.clone());
    let target = proxy.proxy.admin().unwrap();
    let noted = |part: &str| status(&target)["notes"].to_string().contains(part);
    eventually(|| {
        call(proxy.addr, "/t.Cut/One");
        status(&target)["groups"][0]["members"][0]["state"] == "ejected"
    });
    let member = &status(&target)["groups"][0]["members"][0];
    assert!(member["ejected_for_seconds"].as_f64().unwrap() > 500.0, "{member}");
    eventually(|| noted(&format!("backends: {} is left out for its failures", cut.addr)));
    // The others go on without it, and a group that is other has new members.
    before.groups[0].sources.remove(0);
    proxy.proxy.reload(before.clone()).unwrap();
    eventually(|| noted(&format!("backends: {} has gone", cut.addr)));
    assert!(noted("a new configuration has taken effect"));
    before.routes[0].group = "nowhere".to_owned();
    proxy.proxy.reload(before).unwrap_err();
    assert!(noted("a new configuration was refused: the route"));
}

#[test]
fn a_proxy_that_drains_is_not_ready_and_still_serves() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let drain = Drain { notice: Duration::from_secs(600), grace: Duration::from_secs(1) };
    let (proxy, target) = start(Settings { drain, ..settings(&[echo.addr]) });
    assert_eq!(get(&target, "/ready").status, 200);
    proxy.proxy.drain();
    let ready = get(&target, "/ready");
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    assert_eq!(get(&target, "/live").status, 200);
    assert_eq!(status(&target)["phase"], "draining");
    assert!(get(&target, "/metrics").body.contains("viaduct_ready 0\n"));
    assert_eq!(call(proxy.addr, "/t.Good/One").status, 0);
}

#[test]
fn a_reload_opens_moves_and_closes_the_port() {
    let plain = settings(&[nobody()]);
    let proxy = Running::start(plain.clone());
    assert_eq!(proxy.proxy.admin(), None);
    let with = Settings { admin: admin(), ..plain.clone() };
    proxy.proxy.reload(with.clone()).unwrap();
    let first = proxy.proxy.admin().unwrap();
    assert_eq!(get(&first, "/live").status, 200);
    // The same again keeps it; one that cannot be had changes nothing.
    proxy.proxy.reload(with.clone()).unwrap();
    assert_eq!(proxy.proxy.admin(), Some(first.clone()));
    for bad in ["https://127.0.0.1:0", "http://192.0.2.1:0", "nonsense:", "unix:/nowhere/at/all.sock"] {
        let bad = Settings { admin: Some(Admin { address: bad.to_owned() }), ..plain.clone() };
        proxy.proxy.reload(bad).unwrap_err();
    }
    assert_eq!(get(&first, "/live").status, 200);
    let path = std::env::temp_dir().join(format!("viaduct-admin-{}.sock", std::process::id()));
    let moved = Some(Admin { address: format!("unix:{}", path.display()) });
    proxy.proxy.reload(Settings { admin: moved, ..plain.clone() }).unwrap();
    assert!(TcpStream::connect(first.strip_prefix("http://").unwrap()).is_err());
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("\r\n\r\nlive\n"), "{said}");
    proxy.proxy.reload(plain).unwrap();
    assert!(proxy.proxy.admin().is_none() && !path.exists());
}

#[test]
fn garbage_and_crowds_do_not_hurt_it() {
    let (_proxy, target) = start(settings(&[nobody()]));
    let address = target.strip_prefix("http://").unwrap();
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5000));
    for garbage in [
        &b"\0\x01\x02\xff\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may have been closed before all was written.
        let _ = socket.write_all(garbage).and_then(|()| socket.shutdown(std::net::Shutdown::Write));
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said);
        assert!(!said.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&said));
        assert_eq!(get(&target, "/live").status, 200);
    }
    // Of a crowd that says nothing some are closed at once, and the port is there again when they have gone.
    let mut crowd: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut last = crowd.pop().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match last.read(&mut [0]) {
        Ok(n) => assert_eq!(n, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    drop(crowd);
    eventually(|| {
        let Ok(mut socket) = TcpStream::connect(address) else { return false };
        let mut said = String::new();
        let asked = socket.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        asked.is_ok() && socket.read_to_string(&mut said).is_ok() && said.ends_with("live\n")
    });
}
