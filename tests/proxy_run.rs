//! `viaduct proxy` as a process: signals, configurations that change, sockets that are handed over.
#![allow(missing_docs)]

mod client_kit;
mod proxy_kit;
mod run_kit;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use client_kit::{channel, eventually, framed, hello, is_hello, method, to, waiting};
use proxy_kit::plain::{counted, curl};
use proxy_kit::raw::{POST, Peer};
use run_kit::{Folder, Load, Process, block};
use viaduct::client::ChannelOptions;
use viaduct_testkit::{Behaviour, WrongServer};

/// Everything from `address` to the backend; another `mark` is another configuration.
fn config(address: &str, backend: &WrongServer, mark: usize) -> String {
    format!(
        "[[listen]]\naddress = \"{address}\"\n\
         [[group]]\nname = \"echo\"\nmembers = [\"{}\"]\ndiscover = false\nmax_requests = {}\n\
         [drain]\nnotice = \"200ms\"\ngrace = \"20s\"\n",
        backend.addr,
        1000 + mark
    )
}

const ANY: &str = "http://127.0.0.1:0";
const USED: &str = "and is in use";

#[test]
fn a_reload_loses_no_call_and_a_broken_file_changes_nothing() {
    let (folder, backend) = (Folder::new("reload"), WrongServer::start(Behaviour::Echo).unwrap());
    let file = folder.write("proxy.toml", &config(ANY, &backend, 0));
    let proxy = Process::start(&["--config", &file]);
    let load = Load::start(proxy.addr());
    load.has_made(50);

    folder.write("proxy.toml", &config(ANY, &backend, 1));
    proxy.signal(libc::SIGHUP);
    assert!(proxy.logs(USED).contains("(SIGHUP)"));

    // By itself, when it sees the file.
    folder.write("proxy.toml", &config(ANY, &backend, 2));
    assert!(proxy.logs(USED).contains("(a file has changed)"));

    for (broken, why) in [
        ("listen = [".to_owned(), "proxy.toml:1: this is no TOML"),
        (config(ANY, &backend, 3).replace("group", "gruop"), "did you mean \"group\"?"),
        // What only the system can refuse.
        (config("http://192.0.2.1:1", &backend, 3), "cannot listen on"),
    ] {
        folder.write("proxy.toml", &broken);
        proxy.signal(libc::SIGHUP);
        // By the signal or by itself, whichever came first.
        proxy.logs(why);
        load.has_made(10);
    }

    load.has_made(50);
    load.stop();

    // Another address.
    let unix = format!("unix:{}", folder.path("proxy.sock"));
    folder.write("proxy.toml", &config(&unix, &backend, 4));
    proxy.logs(USED);
    assert_eq!(proxy.says(), format!("listening on {unix}"));
    let channel = channel(&unix, ChannelOptions::default());
    block(async { assert!(is_hello(&hello(&channel).await)) });
}

#[test]
fn a_configuration_that_is_refused_is_counted_and_noted() {
    let (folder, backend) = (Folder::new("refused"), WrongServer::start(Behaviour::Echo).unwrap());
    let admin = "[admin]\naddress = \"http://127.0.0.1:0\"\n";
    let good = config(ANY, &backend, 0) + admin;
    let file = folder.write("proxy.toml", &good);
    let proxy = Process::start(&["--config", &file]);
    let said = proxy.says();
    let admin = said.strip_prefix("admin page on ").unwrap();
    let mut before = 0;
    for (broken, why) in [
        ("listen = [".to_owned(), "this is no TOML"),
        (good.replace("[[group]]", "[[gruop]]"), "did you mean"),
        (good.replace(ANY, "http://192.0.2.1:1"), "cannot listen on"),
    ] {
        folder.write("proxy.toml", &broken);
        proxy.signal(libc::SIGHUP);
        proxy.logs(why);
        proxy_kit::eventually(|| counted(admin, "viaduct_reloads_failed_total") > before);
        before = counted(admin, "viaduct_reloads_failed_total");
        let status = curl(&[&format!("{admin}/status.json")]);
        assert!(status.contains("a new configuration was refused: ") && status.contains(why), "{status}");
    }
    assert_eq!(counted(admin, "viaduct_reloads_total"), 0);
}

#[test]
fn a_certificate_that_changes_is_read_again() {
    let (folder, backend) = (Folder::new("pem"), WrongServer::start(Behaviour::Echo).unwrap());
    // Between the two of them they do not fit, which changes nothing.
    let renew = || {
        let made = rcgen::generate_simple_self_signed(["proxy.test".to_owned()]).unwrap();
        folder.write("key.pem", &made.signing_key.serialize_pem());
        folder.write("cert.pem", &made.cert.pem());
        made.cert.pem()
    };
    let old = renew();
    let tls = "address = \"https://127.0.0.1:0\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"";
    let text = config(ANY, &backend, 0).replace(&format!("address = \"{ANY}\""), tls);
    let proxy = Process::start(&["--config", &folder.write("proxy.toml", &text)]);
    let target = proxy.target.clone();
    let reaches = |ca: &str| {
        let tls = viaduct::tls::ClientTls::new(Some(ca.as_bytes()), None, Some("proxy.test")).unwrap();
        let channel = client_kit::over_tls(&target, Some(tls), ChannelOptions::default());
        block(async move { is_hello(&hello(&channel).await) })
    };
    assert!(reaches(&old));
    let new = renew();
    proxy.logs(USED);
    assert!(reaches(&new) && !reaches(&old));
}

#[test]
fn sigterm_drains() {
    let (folder, backend) = (Folder::new("drain"), WrongServer::start(Behaviour::Echo).unwrap());
    let mut proxy = Process::start(&["--config", &folder.write("proxy.toml", &config(ANY, &backend, 0))]);
    let (addr, channel) = (proxy.addr(), to(proxy.addr()));
    block(async {
        let call = channel.call(method(), None, waiting(60.0)).await;
        call.send(framed(b"hello")).await.unwrap();
        eventually(|| backend.stats().streams == 1).await;
        proxy.signal(libc::SIGTERM);
        proxy.refuses(addr).await;
        assert!(proxy.runs(), "a call is running");
        assert!(is_hello(&call.response().await));
    });
    assert_eq!(proxy.ended(), Some(0));
}

#[test]
fn a_second_signal_cuts() {
    let (folder, backend) = (Folder::new("cut"), WrongServer::start(Behaviour::Silence).unwrap());
    let mut proxy = Process::start(&["--config", &folder.write("proxy.toml", &config(ANY, &backend, 0))]);
    let (addr, channel) = (proxy.addr(), to(proxy.addr()));
    block(async {
        let call = channel.call(method(), Some(framed(b"hello")), waiting(60.0)).await;
        eventually(|| backend.stats().streams == 1).await;
        proxy.signal(libc::SIGTERM);
        proxy.refuses(addr).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        proxy.signal(libc::SIGINT);
        assert_ne!(call.response().await.status.code(), viaduct::Code::Ok);
    });
    assert_eq!(proxy.ended(), Some(1));
}

#[test]
fn a_stop_signal_that_comes_twice_is_one() {
    // As `timeout` does. A machine that needs a second for that has a second try.
    for _ in 0..5 {
        let (folder, backend) = (Folder::new("twice"), WrongServer::start(Behaviour::Echo).unwrap());
        let mut proxy = Process::start(&["--config", &folder.write("proxy.toml", &config(ANY, &backend, 0))]);
        let channel = to(proxy.addr());
        let soon = block(async {
            let call = channel.call(method(), None, waiting(60.0)).await;
            call.send(framed(b"hello")).await.unwrap();
            eventually(|| backend.stats().streams == 1).await;
            let from = Instant::now();
            proxy.signal(libc::SIGTERM);
            proxy.logs("draining; a second stop signal, 1s later or more, cuts what still runs");
            proxy.signal(libc::SIGTERM);
            proxy.signal(libc::SIGINT);
            if from.elapsed() > Duration::from_millis(500) {
                return false;
            }
            proxy.logs("stop signal received again within 1s; draining goes on");
            assert!(is_hello(&call.response().await));
            true
        });
        if soon {
            assert_eq!(proxy.ended(), Some(0));
            return;
        }
    }
    panic!("the machine is too slow for this test");
}

#[test]
fn a_successor_on_the_same_port_takes_over() {
    let (folder, backend) = (Folder::new("restart"), WrongServer::start(Behaviour::Echo).unwrap());
    let file = folder.write("proxy.toml", &config(ANY, &backend, 0));
    let mut old = Process::start(&["--config", &file]);
    // The port is known now.
    let addr = old.addr();
    let load = Load::start(addr);
    for round in 1..4 {
        let file = folder.write("next.toml", &config(&format!("http://{addr}"), &backend, round));
        let new = Process::start(&["--config", &file]);
        load.has_made(50);
        old.signal(libc::SIGTERM);
        assert_eq!(old.ended(), Some(0));
        load.has_made(50);
        old = new;
    }
    load.stop();
}

#[test]
fn sockets_of_a_service_manager_are_taken() {
    let (folder, backend) = (Folder::new("activated"), WrongServer::start(Behaviour::Echo).unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_target = format!("http://{}", tcp.local_addr().unwrap());
    let path = folder.path("activated.sock");
    let unix = UnixListener::bind(&path).unwrap();
    for (target, socket) in [(tcp_target, tcp.into()), (format!("unix:{path}"), unix.into())] {
        let socket: std::os::fd::OwnedFd = socket;
        let two = format!("workers = 2\n{}", config(&target, &backend, 0));
        let file = folder.write("proxy.toml", &two);
        // It waits in the kernel until somebody comes who accepts.
        let channel = channel(&target, ChannelOptions::default());
        let call = std::thread::spawn(move || block(async move { hello(&channel).await }));
        let mut proxy = Process::activated(socket.try_clone().unwrap(), &["--config", &file]);
        assert_eq!(proxy.target, target);
        assert!(is_hello(&call.join().unwrap()));
        proxy.signal(libc::SIGTERM);
        assert_eq!(proxy.ended(), Some(0));
        // The socket is not its own: the next one takes it.
        let proxy = Process::activated(socket, &["--config", &file]);
        assert_eq!(proxy.target, target);
    }
    assert!(std::fs::exists(&path).unwrap());
}

#[test]
fn many_reloads_leave_nothing_behind() {
    let (folder, backend) = (Folder::new("many"), WrongServer::start(Behaviour::Echo).unwrap());
    let file = folder.write("proxy.toml", &config(ANY, &backend, 0));
    let proxy = Process::start(&["--config", &file]);
    let load = Load::start(proxy.addr());
    let reload = |from: usize, to: usize| {
        for mark in from..to {
            folder.write("proxy.toml", &config(ANY, &backend, mark));
            proxy.signal(libc::SIGHUP);
            proxy.logs(USED);
        }
        proxy.rss()
    };
    let early = reload(1, 200);
    let late = reload(200, 1000);
    println!("{} KiB after 200 reloads, {} KiB after 1,000; {} calls", early, late, load.stop());
    assert!(late < early + 2048, "{early} KiB, and then {late} KiB");
}

#[test]
fn clients_that_do_wrong_leave_nothing_behind() {
    let (folder, backend) = (Folder::new("wrong-clients"), WrongServer::start(Behaviour::Echo).unwrap());
    let proxy = Process::start(&["--config", &folder.write("proxy.toml", &config(ANY, &backend, 0))]);
    let addr = proxy.addr();
    let huge = "h".repeat(1 << 20);
    let channel = to(addr);
    block(async { assert!(is_hello(&hello(&channel).await)) });
    drop(channel);
    let few = proxy.descriptors().len();
    let many = |rounds: usize| {
        for _ in 0..rounds {
            for bytes in
                [&b"\0\x01garbage"[..], b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense"]
            {
                TcpStream::connect(addr).unwrap().write_all(bytes).unwrap();
            }
            let mut client = Peer::connect(addr);
            let mut head = POST.to_vec();
            head[2] = (":path", "/nothing");
            client.headers(1, &head, true);
            client.stream(1);
            // A call that is given up, one that is left, and headers without an end.
            client.headers(3, &POST, false);
            client.reset(3, 8);
            client.headers(5, &POST, false);
            client.data(5, &[0; 1000], false);
            head = POST.to_vec();
            head.push(("x-huge", &huge));
            client.headers(7, &head, true);
        }
        // In the end nothing is open that was not at first, but another connection to the backend.
        proxy_kit::eventually(|| proxy.descriptors().len() <= few + 2);
        proxy.rss()
    };
    let early = many(100);
    let late = many(400);
    println!("{early} KiB after 100 rounds, {late} KiB after 500");
    assert!(late < early + 2048, "{early} KiB, and then {late} KiB");
    let channel = to(addr);
    block(async { assert!(is_hello(&hello(&channel).await)) });
}

#[test]
fn what_cannot_be_run_is_told() {
    let folder = Folder::new("wrong");
    let file = folder.write("proxy.toml", "[[listn]]\n");
    let run = |arguments: &[&str]| {
        let viaduct =
            std::process::Command::new(env!("CARGO_BIN_EXE_viaduct")).arg("proxy").args(arguments).output();
        let output = viaduct.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, told) = run(&["--config", &file]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("proxy.toml:1: unknown key \"listn\" in the file; did you mean \"listen\"?"),
        "{told}"
    );
    assert_eq!(run(&["--config", &folder.path("gone.toml"), "--check"]).0, Some(2));
    assert_eq!(run(&["--listen", ":0"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, told) = run(&["--listen", &address, "--backend", "127.0.0.1:1"]);
    assert!(code == Some(1) && told.contains("cannot listen on"), "{told}");
    let (code, said, _) = run(&["--listen", ":0", "--backend", "b.example:1", "--check"]);
    assert!(code == Some(0) && said.contains("members: every address of b.example:1"), "{said}");
}
