//! The admin page in a browser, and the metrics before promtool. What these need may not be installed: `run` beside
//! this file sees to that.
#![allow(missing_docs)]

#[path = "../proxy_kit/mod.rs"]
mod proxy_kit;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request};
use proxy_kit::backend::{Backend, Says};
use proxy_kit::http::get;
use proxy_kit::{Running, eventually, group, settings};
use serde_json::Value;
use tokio::net::TcpStream;
use viaduct::proxy::settings::{
    Admin, Balance, Discover, Eject, Group, Match, Pattern, Retry, Route, Settings,
};
use viaduct_testkit::{Behaviour, WrongServer};

/// Where pictures go; the tests' own folder, if nothing else is said.
fn pictures() -> PathBuf {
    let folder = std::env::var_os("VIADUCT_PICTURES").map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder for one browser, that goes with it.
struct Profile(PathBuf);

impl Profile {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("viaduct-page-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the browser: what it wrote to standard output, and what the page had to say to its console.
fn browse(profile: &str, more: &[&str], url: &str) -> (String, Vec<String>) {
    let profile = Profile::new(profile);
    let ran = Command::new("timeout")
        .args(["--kill-after=5", "90", "chromium"])
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=4000"])
        .arg(format!("--user-data-dir={}", profile.0.display()))
        .args(more)
        .arg(url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8(ran.stdout).unwrap(), console)
}

/// Clients that call, until this is dropped.
struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn new() -> Self {
        Self { stop: Arc::default(), threads: Vec::new() }
    }

    /// One client with one connection: about `rate` calls a second, more and less by turns.
    fn call(&mut self, proxy: SocketAddr, path: &'static str, rate: f64, turn: f64) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut send, connection) =
                    h2::client::handshake(TcpStream::connect(proxy).await.unwrap()).await.unwrap();
                tokio::spawn(connection);
                let from = Instant::now();
                while !stop.load(Relaxed) {
                    let request = Request::post(format!("http://api.example{path}"))
                        .header("content-type", "application/grpc")
                        .header("te", "trailers")
                        .body(())
                        .unwrap();
                    send = send.ready().await.unwrap();
                    let (response, mut body) = send.send_request(request, false).unwrap();
                    body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
                    let (_, mut body) = response.await.unwrap().into_parts();
                    while body.data().await.is_some() {}
                    let wave = 1.0 + 0.7 * (from.elapsed().as_secs_f64() / turn).sin();
                    tokio::time::sleep(Duration::from_secs_f64(1.0 / (rate * wave))).await;
                }
            });
        }));
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn admin() -> Option<Admin> {
    Some(Admin { address: "http://127.0.0.1:0".to_owned() })
}

fn discovered(name: &str, members: &[SocketAddr]) -> Group {
    let discover = Some(Discover { interval: Duration::from_secs(30), timeout: Duration::from_secs(5) });
    Group { discover, ..group(name, members) }
}

fn route(name: &str, one: Match, group: &str) -> Route {
    Route { name: name.to_owned(), matches: vec![one], ..proxy_kit::all_to(group) }
}

/// What a scene needs to live on.
struct Scene {
    /// First, as it ends first.
    _traffic: Traffic,
    proxy: Running,
    target: String,
    _backends: Vec<Backend>,
    _peers: Vec<WrongServer>,
}

/// Several groups, with traffic, and with a backend that fails.
fn scene() -> Scene {
    let users = ["accounts.Users", "accounts.Sessions"];
    let backends = vec![
        Backend::start("a", Says::serving(&users)),
        Backend::start("b", Says::serving(&users)),
        Backend::start(
            "c",
            Says::serving(&["billing.Invoices", "billing.Payments", "billing.Taxes", "billing.Dunning"]),
        ),
    ];
    let peers = vec![
        WrongServer::start(Behaviour::Echo).unwrap(),
        WrongServer::start(Behaviour::TrailersOnly(13)).unwrap(),
        WrongServer::start(Behaviour::CutBeforeHeaders).unwrap(),
    ];
    let accounts = discovered("accounts", &[backends[0].addr, backends[1].addr, proxy_kit::nobody()]);
    let pause = Duration::from_secs(600);
    let mut search = group("search", &[peers[0].addr, peers[1].addr, peers[2].addr]);
    search.balance = Balance::RoundRobin;
    search.eject = Some(Eject { failures: 3, pause, max_pause: pause });
    let exact = |text: &str| Pattern::Exact(text.to_owned());
    let mut retried = route("accounts", Match::Package(exact("accounts")), "accounts");
    retried.timeout = Some(Duration::from_secs(5));
    retried.retry = Some(Retry { attempts: 3, codes: vec![viaduct::Code::Unavailable] });
    let tenant = HeaderName::from_static("x-tenant");
    let proxy = Running::start(Settings {
        admin: admin(),
        groups: vec![accounts, discovered("billing", &[backends[2].addr]), search],
        routes: vec![
            route("canary", Match::Metadata(tenant, exact("canary")), "search"),
            retried,
            route("billing", Match::Service(Pattern::Prefix("billing.".to_owned())), "billing"),
            proxy_kit::all_to("search"),
        ],
        ..settings(&[])
    });
    let target = proxy.proxy.admin().unwrap();
    let mut traffic = Traffic::new();
    for (path, rate, turn) in [
        ("/accounts.Users/Get", 40.0, 5.0),
        ("/accounts.Users/List", 12.0, 9.0),
        ("/accounts.Sessions/Renew", 6.0, 3.0),
        ("/billing.Invoices/Create", 3.0, 4.0),
        ("/billing.Taxes/Of", 8.0, 7.0),
        ("/search.Index/Find", 20.0, 6.0),
    ] {
        traffic.call(proxy.addr, path, rate, turn);
    }
    Scene { _traffic: traffic, proxy, target, _backends: backends, _peers: peers }
}

fn status(target: &str) -> Value {
    serde_json::from_str(&get(target, "/status.json").body).unwrap()
}

#[test]
#[ignore = "needs Chromium: tests/admin_page/run"]
fn chromium_draws_what_runs() {
    let scene = scene();
    let states = |target: &str| status(target)["groups"].to_string();
    eventually(|| {
        states(&scene.target).contains("\"ejected\"") && states(&scene.target).contains("billing.Taxes")
    });
    // For a picture with more of a past in it.
    let past = std::env::var("VIADUCT_PAST").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    std::thread::sleep(Duration::from_secs(past));

    let (dom, console) = browse("dom", &["--dump-dom"], &scene.target);
    assert_eq!(console, Vec::<String>::new());
    for part in [
        "● serving",
        "requests/s",
        "package is accounts",
        "3 attempts for UNAVAILABLE",
        "round robin",
        "left out<small>for ",
        "unreachable",
        "4 services",
        "billing.Invoices/",
        "<b>Create</b>",
        "INTERNAL ",
        "Lately",
    ] {
        assert!(dom.contains(part), "{part}: {dom}");
    }
    // A strip for all, for each backend and for each method; with bars for what was answered and for what failed.
    assert!(dom.matches("role=\"img\"").count() >= 1 + 7 + 6, "{dom}");
    for class in ["good", "error", "mark"] {
        assert!(dom.contains(&format!("<rect class=\"{class}\"")), "{class}: {dom}");
    }
    assert!(scene.proxy.proxy.admin().is_some());
    for (name, more) in [
        ("light", "--blink-settings=preferredColorScheme=1"),
        ("dark", "--blink-settings=preferredColorScheme=0"),
    ] {
        let picture = pictures().join(format!("admin-{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let (_, console) = browse(name, &[&shot, "--window-size=1200,1500", more], &scene.target);
        assert_eq!(console, Vec::<String>::new());
        assert!(is_picture(&picture), "{}", picture.display());
    }
}

fn is_picture(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000)
}

#[test]
#[ignore = "needs Chromium: tests/admin_page/run"]
fn chromium_takes_names_for_text() {
    let echo = WrongServer::start(Behaviour::Echo).unwrap();
    let evil = "<img src=x onerror=\"document.title='caught'\"><script>document.title='caught'</script>";
    let mut settings = Settings { admin: admin(), ..settings(&[echo.addr]) };
    settings.groups[0].name = evil.to_owned();
    settings.routes[0] = Route { name: evil.to_owned(), ..proxy_kit::all_to(evil) };
    let proxy = Running::start(settings.clone());
    // A refusal is noted with the name that was wrong.
    settings.routes[0].group = "<img src=y>".to_owned();
    proxy.proxy.reload(settings).unwrap_err();
    let (dom, console) = browse("evil", &["--dump-dom"], &proxy.proxy.admin().unwrap());
    assert_eq!(console, Vec::<String>::new());
    assert!(dom.contains("● serving") && dom.contains("<title>Viaduct proxy</title>"), "{dom}");
    assert!(dom.matches("&lt;img src=x").count() >= 3 && dom.contains("&lt;img src=y"), "{dom}");
    assert!(!dom.contains("<img") && dom.matches("<script").count() == 1, "{dom}");
}

#[test]
#[ignore = "needs promtool: tests/admin_page/run"]
fn promtool_has_nothing_to_say() {
    let scene = scene();
    eventually(|| status(&scene.target)["total"]["last_minute"]["requests"].to_string().len() > 12);
    let metrics = get(&scene.target, "/metrics").body;
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && text.is_empty(), "{text}\n{metrics}");
}
