//! Lists of headers that are longer than one side takes end their call, and no other.

mod server_kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderMap, Response};
use server_kit::{CHAT, Client, FAIL, Fixture, UNARY, plain, post, with};
use tokio::net::{TcpListener, TcpStream};
use viaduct::client::{CallOptions, Channel, ChannelOptions, Method, Target};
use viaduct::server::ServerConfig;
use viaduct::{Code, Status};

const KIB: usize = 1024;

/// From what everybody takes to what is far beyond any limit.
const LENGTHS: [usize; 7] = [8 * KIB, 17 * KIB, 70 * KIB, 128 * KIB, 512 * KIB, 1 << 20, 4 << 20];

fn long(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn a_request_with_too_many_headers_is_refused_and_its_neighbours_go_on() {
    for (limit, pieces) in [(16 * KIB, 1), (16 * KIB, 100), (64 * KIB, 3)] {
        let config = ServerConfig { max_header_list: limit as u32, ..ServerConfig::default() };
        let server = Fixture::echo(config);
        let mut client = server.client().await;
        let (neighbour, mut sending) = client.start(post(CHAT), false).await;
        for length in LENGTHS {
            let mut request = post(UNARY);
            for _ in 0..pieces {
                request.headers_mut().append("x-long", long(length / pieces).parse().unwrap());
            }
            let answer = client.call(request, plain(b"x")).await;
            if length < limit {
                assert_eq!(answer.messages, [b"x"], "{length}");
                continue;
            }
            assert_eq!((answer.http, answer.code()), (200, Code::ResourceExhausted), "{length}: {answer:?}");
            let named = format!("the server's limit is {limit} bytes (maxMetadataBytes, ");
            assert!(answer.message().contains(&named), "{}", answer.message());
        }
        sending.send_data(plain(b"still here"), true).unwrap();
        let answer = server_kit::read(neighbour.await.unwrap()).await;
        assert_eq!(answer.messages, [b"still here"]);
        assert_eq!(server.handle.counts().connections, 1);
    }
}

/// A client that says what it takes.
async fn taking(server: &Fixture, limit: usize) -> Client {
    let socket = TcpStream::connect(server.address()).await.unwrap();
    let (h2, connection) = h2::client::Builder::new()
        .max_header_list_size(limit as u32)
        .handshake::<_, Bytes>(socket)
        .await
        .unwrap();
    Client { h2, connection: tokio::spawn(connection) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_cut_to_what_the_client_takes() {
    let server = Fixture::idle(ServerConfig::default());
    let mut client = taking(&server, 16 * KIB).await;
    for (length, headers_first) in LENGTHS.into_iter().flat_map(|length| [(length, false), (length, true)]) {
        let (response, mut sending) = client.start(post(FAIL), false).await;
        sending.send_data(plain(b"x"), true).unwrap();
        let incoming = tokio::task::block_in_place(|| server.pop());
        if headers_first {
            incoming.call.send_headers(HeaderMap::new()).unwrap();
        }
        incoming.call.finish(Status::not_found(long(length)), HeaderMap::new()).unwrap();
        let answer = server_kit::read(response.await.unwrap()).await;
        assert_eq!(answer.code(), Code::NotFound, "{length}");
        assert!(
            answer.message().len() > 7000 && answer.message().len() < 8 * KIB,
            "{}",
            answer.message().len()
        );
        assert!(answer.message().ends_with("x… (cut)"));
    }
}

#[tokio::test]
async fn a_response_with_too_much_metadata_is_resource_exhausted() {
    let server = Fixture::echo(ServerConfig { max_header_list: 8 << 20, ..ServerConfig::default() });
    let mut client = taking(&server, 16 * KIB).await;
    for length in LENGTHS {
        let answer = client.call(with(post(UNARY), "x-echo", &long(length)), plain(b"x")).await;
        assert_eq!(answer.messages, [b"x"]);
        if length < 16 * KIB {
            assert_eq!((answer.code(), answer.trailers["x-echo"].len()), (Code::Ok, length));
            continue;
        }
        assert_eq!(answer.code(), Code::ResourceExhausted, "{length}");
        assert!(answer.message().contains("the client accepts 16384"), "{}", answer.message());
    }
    // What a client does not limit goes.
    let answer = server.client().await.call(with(post(UNARY), "x-echo", &long(1 << 20)), plain(b"x")).await;
    assert_eq!((answer.code(), answer.trailers["x-echo"].len()), (Code::Ok, 1 << 20));
}

/// A server that answers by the path: `/headers/N`, `/trailers/N` and `/only/N` have so many bytes of metadata there, and
/// `/wait/0` answers once `done` calls were answered.
async fn serve(listener: TcpListener, limit: usize, seen: Arc<AtomicUsize>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut builder = h2::server::Builder::new();
            builder.max_header_list_size(limit as u32);
            let mut connection = builder.handshake::<_, Bytes>(socket).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                seen.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    let path = request.uri().path().to_owned();
                    let mut parts = path[1..].split('/');
                    let (what, length) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
                    let mut body = request.into_body();
                    while body.data().await.is_some() {}
                    let head = || Response::builder().header("content-type", "application/grpc");
                    let long = |of| if what == of { long(length) } else { String::new() };
                    if what == "only" {
                        let head = head().header("grpc-status", "5").header("x-long", long("only"));
                        let _ = respond.send_response(head.body(()).unwrap(), true);
                        return;
                    }
                    let head = head().header("x-long", long("headers")).body(()).unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    let _ = stream.send_data(plain(b"answer"), false);
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    trailers.insert("x-long", long("trailers").parse().unwrap());
                    let _ = stream.send_trailers(trailers);
                });
            }
        });
    }
}

async fn server(limit: usize) -> (Channel, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::default();
    tokio::spawn(serve(listener, limit, Arc::clone(&seen)));
    (Channel::new(Target::parse(&target).unwrap(), None, ChannelOptions::default()).unwrap(), seen)
}

async fn unary(channel: &Channel, path: &str, options: CallOptions) -> viaduct::client::Outcome {
    channel.unary(Method::parse(path).unwrap(), plain(b"x"), options).await
}

#[tokio::test]
async fn an_answer_with_too_many_headers_ends_its_call_only() {
    let (channel, _) = server(1 << 20).await;
    let neighbour = channel.call(Method::parse("/trailers/1").unwrap(), None, CallOptions::default()).await;
    for length in LENGTHS {
        for what in ["headers", "trailers", "only"] {
            let outcome = unary(&channel, &format!("/{what}/{length}"), CallOptions::default()).await;
            let status = &outcome.status;
            if length < 64 * KIB {
                let code = if what == "only" { Code::NotFound } else { Code::Ok };
                assert_eq!(status.code(), code, "{what} {length}: {status:?}");
                continue;
            }
            assert_eq!(status.code(), Code::ResourceExhausted, "{what} {length}: {status:?}");
            assert!(status.message().contains("the limit is 65536 bytes (maxMetadataBytes, "), "{status:?}");
            if what == "only" {
                assert!(status.message().ends_with("the call had ended NOT_FOUND"), "{status:?}");
            }
        }
    }
    neighbour.half_close();
    assert_eq!(neighbour.wait_end().await.0.code(), Code::Ok);
}

#[tokio::test]
async fn a_request_that_the_server_would_not_take_is_not_sent() {
    let (channel, seen) = server(16 * KIB).await;
    for length in LENGTHS {
        let mut metadata = HeaderMap::new();
        metadata.insert("x-long", long(length).parse().unwrap());
        let options = CallOptions { metadata, ..CallOptions::default() };
        let status = unary(&channel, "/trailers/1", options).await.status;
        if length < 16 * KIB {
            assert_eq!(status.code(), Code::Ok, "{status:?}");
            continue;
        }
        assert_eq!(status.code(), Code::ResourceExhausted, "{length}: {status:?}");
        assert!(status.message().contains("the server accepts 16384"), "{status:?}");
    }
    assert_eq!(seen.load(Relaxed), 1);
}
