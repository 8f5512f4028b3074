//! Reflection and health over a channel, from servers that have one version, or none, or do not answer.

mod client_kit;

use std::time::Duration;

use client_kit::*;
use http::HeaderMap;
use prost::Message as _;
use prost_types::FileDescriptorProto;
use viaduct::client::CallOptions;
use viaduct::discovery::OverChannel;
use viaduct::discovery::health::{self, Health, Watch};
use viaduct::discovery::reflection::{Question, Version, encode, files_for_symbol, list_services};
use viaduct::server::{Inbox, Listener, RequestShape, Router, Server, ServerConfig};
use viaduct::{Code, Status};

const LONG: Duration = Duration::from_secs(20);

/// A field of a message, as long as its length fits into one byte.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2, u8::try_from(content.len()).unwrap()];
    assert!(content.len() < 128);
    out.extend(content);
    out
}

/// `ServerReflectionResponse` for the services a.A and b.B, and for the files a.proto and b.proto.
fn answer(request: &[u8]) -> Vec<u8> {
    let file = |name: &str, import: &[&str]| {
        let dependency = import.iter().map(|name| (*name).to_owned()).collect();
        let file = FileDescriptorProto { name: Some(name.into()), dependency, ..Default::default() };
        field(4, &field(1, &file.encode_to_vec()))
    };
    if request == encode(Question::Services) {
        field(6, &[field(1, &field(1, b"a.A")), field(1, &field(1, b"b.B"))].concat())
    } else if request == encode(Question::Symbol("a.A")) {
        file("a.proto", &["b.proto", "c.proto"])
    } else if request == encode(Question::File("b.proto")) {
        file("b.proto", &[])
    } else {
        field(7, &[vec![0x08, 5], field(2, b"not here")].concat())
    }
}

/// A server with these methods. It is gone with the test's runtime.
fn serve(paths: &'static [&'static str], answers: bool) -> String {
    let mut router = Router::new();
    for path in paths {
        router.add(path, RequestShape::One).unwrap();
    }
    let config = ServerConfig::default();
    let inbox = Inbox::new(config.max_queued);
    let listener = Listener::bind("http://127.0.0.1:0", None).unwrap();
    let handle = Server::start(config, router, vec![listener], inbox.clone()).unwrap();
    let target = handle.targets()[0].clone();
    tokio::spawn(async move {
        let _handle = handle;
        let mut open = Vec::new();
        loop {
            inbox.ready().await;
            while let Some(incoming) = inbox.pop() {
                let message = incoming.message.unwrap().into_bytes();
                let say = |message: &[u8]| framed(message);
                match paths[incoming.method as usize] {
                    health::WATCH => {
                        for state in 1..=2 {
                            incoming.call.send(say(&[8, state])).await.unwrap();
                        }
                        incoming.call.finish(Status::ok(""), HeaderMap::new()).unwrap();
                    }
                    health::CHECK => drop(incoming.call.reply(say(&[8, 2]), HeaderMap::new())),
                    _ if answers => drop(incoming.call.reply(say(&answer(&message)), HeaderMap::new())),
                    _ => open.push(incoming.call),
                }
            }
        }
    });
    target
}

#[tokio::test]
async fn either_version_is_asked() {
    const V1: &[&str] = &["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"];
    const V1ALPHA: &[&str] = &["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"];
    assert_eq!((V1[0], V1ALPHA[0]), (Version::V1.path(), Version::V1Alpha.path()));
    for paths in [V1, V1ALPHA] {
        let channel = channel(&serve(paths, true), Default::default());
        assert_eq!(list_services(&channel, LONG).await.unwrap(), ["a.A", "b.B"]);
        let set = files_for_symbol(&channel, "a.A", LONG).await.unwrap();
        let names: Vec<_> = set.file.iter().map(FileDescriptorProto::name).collect();
        assert_eq!(names, ["a.proto", "b.proto"]);
        let status = files_for_symbol(&channel, "no.Such", LONG).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "not here"));
    }
}

#[tokio::test]
async fn a_server_without_says_so_and_a_silent_one_is_not_waited_for() {
    let without = channel(&serve(&[health::CHECK], true), Default::default());
    let status = list_services(&without, LONG).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("neither v1 nor v1alpha"), "{status:?}");
    let silent = channel(
        &serve(&["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"], false),
        Default::default(),
    );
    let status = list_services(&silent, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let nobody = list_services(&to(nobody()), LONG).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unavailable);
}

#[tokio::test]
async fn health_is_asked_once_or_watched() {
    let channel = channel(&serve(&[health::CHECK, health::WATCH], true), Default::default());
    let over = OverChannel { channel: channel.clone(), options: CallOptions::default(), timeout: Some(LONG) };
    assert_eq!(health::check(&over, "a.A").await.unwrap(), Health::NotServing);
    let mut watch = Watch::start(&channel, "a.A", within(20.0)).await.unwrap();
    assert_eq!(watch.next().await.unwrap(), Health::Serving);
    assert_eq!(watch.next().await.unwrap(), Health::NotServing);
    let end = watch.next().await.unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::Unavailable, "the server ended the watch"));
}
