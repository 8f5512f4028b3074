//! `viaduct proxy` as a process: signals, configurations that change, sockets that are handed over.
#![allow(missing_docs)]

mod client_kit;
mod run_kit;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use client_kit::{hello, is_hello, to, waiting};
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
const REFUSED: &str = "is not used; the old one holds on";

#[test]
fn a_reload_loses_no_call_and_a_broken_file_changes_nothing() {
    let (folder, backend) = (Folder::new("reload"), WrongServer::start(Behaviour::Echo).unwrap());
    let file = folder.write("proxy.toml", &config(ANY, &backend, 0));
    let mut proxy = Process::start(&["--config", &file]);
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
        proxy.logs(why);
        assert!(proxy.has_logged(REFUSED) || proxy.logs(REFUSED).contains("SIGHUP"));
    }

    // Another address: the connection to the old one is told to go, calls find the new one.
    let unix = folder.path("proxy.sock");
    folder.write("proxy.toml", &config(&format!("unix:{unix}"), &backend, 4));
    load.stop();
    proxy.signal(libc::SIGHUP);
    proxy.logs(USED);
    assert_eq!(proxy.says(), format!("listening on unix:{unix}"));
    let channel = client_kit::channel(&format!("unix:{unix}"), ChannelOptions::default());
    block(async move { assert!(is_hello(&hello(&channel).await)) });
    proxy.signal(libc::SIGTERM);
    assert_eq!(proxy.ended(), Some(0));
}

#[test]
fn a_certificate_that_changes_is_read_again() {
    let (folder, backend) = (Folder::new("pem"), WrongServer::start(Behaviour::Echo).unwrap());
    let renew = || {
        let made = rcgen::generate_simple_self_signed(["proxy.test".to_owned()]).unwrap();
        // The key first would not fit its certificate, and be refused; so would the other order. Both come to rest.
        folder.write("key.pem", &made.signing_key.serialize_pem());
        folder.write("cert.pem", &made.cert.pem());
        made.cert.pem()
    };
    let old = renew();
    let tls = "address = \"https://127.0.0.1:0\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"";
    let text = config(ANY, &backend, 0).replace(&format!("address = \"{ANY}\""), tls);
    let mut proxy = Process::start(&["--config", &folder.write("proxy.toml", &text)]);
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
        // A call that has been answered, and goes on.
        let call = channel.call(client_kit::method(), None, waiting(30.0)).await;
        call.send(client_kit::framed(b"hello")).await.unwrap();
        assert!(backend.streams_begin().await);
        proxy.signal(libc::SIGTERM);
        proxy.refuses(addr).await;
        assert!(proxy.runs(), "a call is running");
        call.finish().await;
        assert!(is_hello(&call.response().await));
    });
    assert_eq!(proxy.ended(), Some(0));
}

#[test]
fn a_second_signal_cuts() {
    let (folder, backend) = (Folder::new("cut"), WrongServer::start(Behaviour::Stall).unwrap());
    let mut proxy = Process::start(&["--config", &folder.write("proxy.toml", &config(ANY, &backend, 0))]);
    let (addr, channel) = (proxy.addr(), to(proxy.addr()));
    block(async {
        let call = channel.call(client_kit::method(), Some(client_kit::framed(b"hello")), waiting(30.0)).await;
        proxy.signal(libc::SIGTERM);
        proxy.refuses(addr).await;
        proxy.signal(libc::SIGINT);
        assert_ne!(call.response().await.status.code(), viaduct::Code::Ok);
    });
    assert_eq!(proxy.ended(), Some(1));
}
