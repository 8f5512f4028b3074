//! A file with every key, and what is made of it; `wrong`: files that are not taken.

mod wrong;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use tonic::Code;

use super::*;
use crate::proxy::settings::*;
use crate::transport::dial::Address;

fn ok(text: &str) -> Settings {
    parse(text, "proxy.toml", Path::new("")).unwrap_or_else(|error| panic!("{error}"))
}

fn said(text: &str) -> String {
    match parse(text, "proxy.toml", Path::new("")) {
        Ok(settings) => panic!("taken:\n{text}\n{settings:?}"),
        Err(error) => error.to_string(),
    }
}

const LISTEN: &str = "[[listen]]\naddress = \"http://127.0.0.1:0\"\n";
const GROUP: &str = "[[group]]\nname = \"echo\"\nmembers = [\"127.0.0.1:50051\"]\n";

#[test]
fn the_least_that_is_a_proxy() {
    let settings = ok(&format!("{LISTEN}{GROUP}"));
    let [listen] = settings.listeners.as_slice() else { panic!("{settings:?}") };
    assert_eq!(*listen, Listen { address: "http://127.0.0.1:0".into(), ..Listen::default() });
    let address: SocketAddr = "127.0.0.1:50051".parse().unwrap();
    let source = Source::Fixed { address: Address::Tcp(address), name: "127.0.0.1:50051".into(), weight: 1 };
    let group = Group { name: "echo".into(), sources: vec![source], ..Group::default() };
    assert_eq!(settings.groups, [group]);
    let [route] = settings.routes.as_slice() else { panic!("{settings:?}") };
    assert_eq!((route.matches.len(), route.group.as_str()), (0, "echo"));
    let rest = Settings { listeners: vec![], groups: vec![], routes: vec![], ..settings };
    assert_eq!(rest, Settings::default());
}

#[test]
fn every_key_is_read() {
    let settings = ok(r#"
workers = 2
trace = true
dns = ["10.0.0.2", "[::1]:5353"]
[[listen]]
address = "http://0.0.0.0:8080"
translate = ["grpc-web"]
cors_origins = ["*", "https://app.example.com:8443"]
forwarded = ["x-forwarded-for", "forwarded", "x-request-id"]
max_connections = 10
max_streams = 20
max_headers = "32KiB"
handshake_timeout = 3
keepalive = "20s"
keepalive_timeout = "2s"
[[listen]]
address = "tcp://[::1]:5432"
group = "raw"
[[listen]]
address = "unix:run/proxy.sock"
[[group]]
name = "echo"
members = ["b:50051", "[::1]:1", "unix:///run/a.sock", "unix-abstract:x", { address = "b.example.:50051", weight = 3 }]
srv = "_grpc._tcp.greeter.internal"
file = ["members.txt", "/etc/more.txt"]
discover = { interval = "20s", timeout = 1.5 }
balance = { ring_hash = "X-User" }
health = { interval = "1s", timeout = "500ms", service = "bench.Echo", unhealthy_after = 4, healthy_after = 1 }
eject = { failures = 3, pause = "2s", max_pause = "10s" }
panic_threshold = 0.25
slow_start = "30s"
max_requests = 100
max_connections = 4
connect_timeout = "1s"
keepalive = false
keepalive_timeout = "5s"
retry_budget = 0
[[group]]
name = "raw"
members = "db:5432"
discover = false
eject = false
health = true
balance = "peak_ewma"
[[route]]
name = "everything"
service = "bench.Echo"
package = { prefix = "bench" }
method = { regex = "Unary|Stream" }
path = { exact = "/bench.Echo/Unary" }
authority = "api.example.com"
metadata = { "x-tenant" = "red", x-debug = true, x-user = { prefix = "a" } }
group = "echo"
timeout = "10s"
rewrite_authority = "inner:443"
retry = { attempts = 3, codes = ["UNAVAILABLE", "ABORTED"] }
[admin]
address = "http://127.0.0.1:9901"
[access_log]
path = "access.log"
format = "json"
headers = ["user-agent"]
[drain]
notice = 0
grace = "1m"
"#);
    let s = Duration::from_secs;
    assert_eq!((settings.workers, settings.trace), (2, true));
    assert_eq!(settings.dns, ["10.0.0.2:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    assert_eq!(settings.drain, Drain { notice: s(0), grace: s(60) });
    let listen = |address: &str| Listen { address: address.into(), ..Listen::default() };
    let origins = vec!["*".into(), "https://app.example.com:8443".into()];
    assert_eq!(
        settings.listeners,
        [
            Listen {
                translate_web: Some(Cors { origins }),
                forwarded: Forwarded { x_forwarded_for: true, forwarded: true, request_id: true },
                max_connections: 10,
                max_streams: 20,
                max_headers: 32 << 10,
                handshake_timeout: s(3),
                keepalive: Some(s(20)),
                keepalive_timeout: s(2),
                ..listen("http://0.0.0.0:8080")
            },
            Listen { kind: ListenKind::Tcp { group: "raw".into() }, ..listen("tcp://[::1]:5432") },
            listen("unix:run/proxy.sock"),
        ]
    );
    let fixed = |address, name: &str| Source::Fixed { address, name: name.into(), weight: 1 };
    let host = |host: &str, port, weight| Source::Host { host: host.into(), port, weight };
    assert_eq!(
        settings.groups,
        [
            Group {
                name: "echo".into(),
                sources: vec![
                    host("b", 50051, 1),
                    fixed(Address::Tcp("[::1]:1".parse().unwrap()), "[::1]:1"),
                    fixed(Address::Unix("/run/a.sock".into()), "unix:///run/a.sock"),
                    fixed(Address::Abstract(b"x".to_vec()), "unix-abstract:x"),
                    host("b.example.", 50051, 3),
                    Source::Srv { name: "_grpc._tcp.greeter.internal".into() },
                    Source::File { path: "members.txt".into() },
                    Source::File { path: "/etc/more.txt".into() },
                ],
                tls: None,
                discover: Some(Discover { interval: s(20), timeout: Duration::from_millis(1500) }),
                balance: Balance::RingHash(HeaderName::from_static("x-user")),
                health: Some(Health {
                    interval: s(1),
                    timeout: Duration::from_millis(500),
                    service: "bench.Echo".into(),
                    unhealthy_after: 4,
                    healthy_after: 1,
                }),
                eject: Some(Eject { failures: 3, pause: s(2), max_pause: s(10) }),
                panic_threshold: 0.25,
                slow_start: s(30),
                max_requests: 100,
                max_connections: 4,
                connect_timeout: s(1),
                keepalive: None,
                keepalive_timeout: s(5),
                retry_budget: 0.0,
            },
            Group {
                name: "raw".into(),
                sources: vec![host("db", 5432, 1)],
                discover: None,
                eject: None,
                health: Some(Health::default()),
                balance: Balance::PeakEwma,
                ..Group::default()
            },
        ]
    );
    let exact = |text: &str| Pattern::Exact(text.into());
    let metadata = |name, pattern| Match::Metadata(HeaderName::from_static(name), pattern);
    let [route] = settings.routes.as_slice() else { panic!("{:?}", settings.routes) };
    for one in [
        Match::Service(exact("bench.Echo")),
        Match::Package(Pattern::Prefix("bench".into())),
        Match::Method(Pattern::regex("Unary|Stream").unwrap()),
        Match::Path(exact("/bench.Echo/Unary")),
        Match::Authority(exact("api.example.com")),
        metadata("x-tenant", exact("red")),
        metadata("x-debug", Pattern::Present),
        metadata("x-user", Pattern::Prefix("a".into())),
    ] {
        assert!(route.matches.contains(&one), "{one:?}");
    }
    assert_eq!((route.name.as_str(), route.matches.len(), route.timeout), ("everything", 8, Some(s(10))));
    assert_eq!(route.authority.as_ref().unwrap().as_str(), "inner:443");
    assert_eq!(route.retry, Some(Retry { attempts: 3, codes: vec![Code::Unavailable, Code::Aborted] }));
    assert_eq!(settings.admin, Some(Admin { address: "http://127.0.0.1:9901".into() }));
    assert_eq!(
        settings.access_log,
        Some(AccessLog {
            path: Some("access.log".into()),
            json: true,
            headers: vec![HeaderName::from_static("user-agent")],
        })
    );
}

/// A folder with certificates, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("viaduct-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for host in ["a.test", "b.test"] {
            let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
            std::fs::write(path.join(format!("{host}.pem")), made.cert.pem()).unwrap();
            std::fs::write(path.join(format!("{host}.key")), made.signing_key.serialize_pem()).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const TLS: &str = r#"
[[listen]]
address = "https://127.0.0.1:0"
certificate = "a.test.pem"
key = "a.test.key"
certificates = [{ certificate = "b.test.pem", key = "b.test.key" }]
client_ca = "b.test.pem"
client_optional = true
plaintext = true
[[group]]
name = "echo"
members = ["a.test:443"]
tls = { ca = "a.test.pem", certificate = "b.test.pem", key = "b.test.key", server_name = "a.test" }
"#;

#[test]
fn pem_files_are_read_from_where_the_file_is() {
    let folder = Folder::new("read");
    std::fs::write(folder.0.join("proxy.toml"), TLS).unwrap();
    let Loaded { settings, files } = load(&folder.0.join("proxy.toml")).unwrap();
    let pem = |name: &str| std::fs::read(folder.0.join(name)).unwrap();
    let pair = |host: &str| (pem(&format!("{host}.pem")), pem(&format!("{host}.key")));
    let tls = settings.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.identities, [pair("a.test"), pair("b.test")]);
    assert_eq!((tls.client_ca.as_deref(), tls.client_optional), (Some(pem("b.test.pem").as_slice()), true));
    assert!(settings.listeners[0].plaintext);
    let wanted = GroupTls {
        ca: Some(pem("a.test.pem")),
        identity: Some(pair("b.test")),
        server_name: Some("a.test".into()),
    };
    assert_eq!(settings.groups[0].tls, Some(wanted));
    for name in ["a.test.pem", "a.test.key", "b.test.pem", "b.test.key"] {
        assert!(files.contains(&folder.0.join(name)), "{name}: {files:?}");
    }
}

#[test]
fn pem_files_that_cannot_be_used_are_told_and_named() {
    let folder = Folder::new("wrong");
    let said = |text: &str| parse(text, "proxy.toml", &folder.0).unwrap_err();
    let error = said(&TLS.replace("client_ca = \"b.test.pem\"", "client_ca = \"gone.pem\""));
    assert!(error.to_string().contains("proxy.toml:7: \"client_ca\" in [[listen]] names"), "{error}");
    assert!(error.files().contains(&folder.0.join("gone.pem")));
    let error = said(&TLS.replacen("a.test.key", "b.test.key", 1)).to_string();
    assert!(error.contains("proxy.toml:4: \"certificate\" in [[listen]] cannot be used"), "{error}");
    let error = said(&TLS.replace("client_ca = \"b.test.pem\"", "client_ca = \"a.test.key\"")).to_string();
    assert!(error.contains("proxy.toml:3: the TLS of \"https://127.0.0.1:0\" cannot be used"), "{error}");
    let error = said(&TLS.replace("ca = \"a.test.pem\", cert", "ca = \"a.test.key\", cert")).to_string();
    assert!(error.contains("proxy.toml:13: \"tls\" in [[group]] cannot be used"), "{error}");
}

#[test]
fn all_errors_are_told_in_the_order_of_the_lines() {
    let text =
        "trce = true\n[[listen]]\naddress = 1\n[[group]]\nname = \"a\"\nmembers = [\"x\"]\nblance = 1\n";
    let error = parse(text, "p", Path::new("")).unwrap_err();
    let lines: Vec<usize> = error.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 3, 6, 7], "{error}");
}

#[test]
fn flags_make_one_group_that_finds_its_services() {
    let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let settings =
        from_flags(&all(&[":8080", "127.0.0.1:0", "unix:/run/a"]), &all(&["a:50051", "10.0.0.1:1"])).unwrap();
    let addresses: Vec<&str> = settings.listeners.iter().map(|one| one.address.as_str()).collect();
    assert!(["http://[::]:8080", "http://0.0.0.0:8080"].contains(&addresses[0]));
    assert_eq!(addresses[1..], ["http://127.0.0.1:0", "unix:/run/a"]);
    let [group] = settings.groups.as_slice() else { panic!("{settings:?}") };
    assert_eq!((group.name.as_str(), group.sources.len()), ("default", 2));
    assert_eq!(group.discover, Some(Discover::default()));
    assert_eq!(settings.routes.len(), 1);
    for (listen, backends, why) in [
        (":x", "a:1", "\":x\" is no address: "),
        ("https://a:1", "a:1", "needs a certificate, which only a file can name"),
        ("tcp://a:1", "a:1", "needs a group, which only a file can name"),
        (":1", "a", "\"a\" is no backend: it has no port"),
    ] {
        let error = from_flags(&all(&[listen]), &all(&[backends])).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(from_flags(&[], &all(&["a:1"])).is_err() && from_flags(&all(&[":1"]), &[]).is_err());
}

#[test]
fn settings_are_told_in_words() {
    let settings = ok(&format!(
        "{LISTEN}{GROUP}{}",
        r#"
[[route]]
service = "bench.Echo"
metadata = { x-tenant = { regex = "red|blue" } }
timeout = "10s"
retry = { attempts = 3 }
[[route]]
name = "rest"
path = { prefix = "/" }
"#
    ));
    let words = explain(&settings);
    for line in [
        "  http://127.0.0.1:0: HTTP in plaintext",
        "  1. route 1: requests whose service is \"bench.Echo\" and whose metadata \"x-tenant\" matches \"red|blue\" \
         → group \"echo\", within 10s, up to 3 attempts on UNAVAILABLE",
        "  2. rest: requests whose path begins with \"/\" → group \"echo\"",
        "    members: 127.0.0.1:50051",
        "    services: asked from each member by reflection, every 30s",
    ] {
        assert!(words.lines().any(|one| one == line), "{line}\n{words}");
    }
    assert!(!words.contains("Warning"), "{words}");
}

#[test]
fn what_looks_like_a_mistake_is_told() {
    let route = |text: &str| format!("[[route]]\n{text}\ngroup = \"echo\"\n");
    let told = |routes: &[&str]| {
        let routes: String = routes.iter().map(|text| route(text)).collect();
        warnings(&ok(&format!("{LISTEN}{GROUP}{routes}")))
    };
    for hidden in [
        ["", "service = \"a.B\""],
        ["service = { prefix = \"a.\" }", "service = \"a.B\""],
        ["service = { prefix = \"a.\" }", "service = { prefix = \"a.b.\" }\nmethod = \"C\""],
        ["package = \"a\"", "service = \"a.B\""],
        ["method = { regex = \"A|B\" }", "method = \"B\""],
        ["metadata = { x = true }", "metadata = { x = \"1\" }"],
        ["service = \"a.B\"", "service = \"a.B\""],
    ] {
        let told = told(&hidden);
        assert!(
            told.iter().any(|one| one.contains("\"route 2\" can never match: \"route 1\" stands")),
            "{hidden:?}"
        );
    }
    for fine in [
        ["service = \"a.B\"", ""],
        ["service = \"a.B\"\nmethod = \"C\"", "service = \"a.B\""],
        ["service = { prefix = \"a.b.\" }", "service = { prefix = \"a.\" }"],
        ["metadata = { x = \"1\" }", "metadata = { y = \"1\" }"],
    ] {
        assert_eq!(told(&fine), Vec::<String>::new(), "{fine:?}");
    }
    let settings = ok(&format!(
        "{LISTEN}{GROUP}[[group]]\nname = \"idle\"\nmembers = [\"a:1\"]\n{}[admin]\naddress = \"http://0.0.0.0:9\"",
        route("")
    ));
    let told = warnings(&settings).join("\n");
    assert!(told.contains("nothing leads to the group \"idle\""), "{told}");
    assert!(told.contains("open to other machines"), "{told}");
}

/// Each key of the reference is known here, and each key that is known stands there.
#[test]
fn the_reference_has_every_key() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proxy-config.md")).unwrap();
    let mut told: Vec<String> = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap_or_default();
        told.extend(cell.split('`').skip(1).step_by(2).map(|key| key.rsplit('.').next().unwrap().to_owned()));
    }
    let sources = ["mod.rs", "listen.rs", "group.rs", "route.rs"].map(|name| {
        let path = format!("{}/src/proxy/config/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    });
    let mut known: Vec<String> = Vec::new();
    for source in &sources {
        known.extend(
            source.split(".get(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
        );
    }
    // Those of patterns and members, which the text has in sentences.
    for word in ["prefix", "regex", "exact", "weight", "address", "ring_hash"] {
        assert!(known.iter().any(|key| key == word));
        known.retain(|key| key != word);
    }
    told.retain(|key| key != "address");
    for all in [&mut told, &mut known] {
        all.sort();
        all.dedup();
    }
    assert!(known.len() > 50, "{known:?}");
    assert_eq!(told, known);
}
