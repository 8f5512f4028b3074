//! A server with its consumer on a plain thread, and a client on h2.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use viaduct::codec::{Deframer, Encoding, frame};
use viaduct::server::{
    Inbox, Incoming, Listener, RequestShape, Router, Server, ServerCall, ServerConfig, ServerHandle,
};
use viaduct::{Code, Status};

pub const UNARY: &str = "/t.Echo/Unary";
pub const COLLECT: &str = "/t.Echo/Collect";
pub const EXPAND: &str = "/t.Echo/Expand";
pub const CHAT: &str = "/t.Echo/Chat";
pub const FAIL: &str = "/t.Echo/Fail";
pub const LEAVE: &str = "/t.Echo/Leave";

pub struct Fixture {
    pub handle: ServerHandle,
    pub inbox: Inbox,
    stop: Arc<AtomicBool>,
}

impl Fixture {
    /// A server that echoes.
    pub fn echo(config: ServerConfig) -> Self {
        Self::with(config, Listener::bind("http://127.0.0.1:0", None).unwrap(), Some(echo))
    }

    /// A server whose calls stay in the inbox.
    pub fn idle(config: ServerConfig) -> Self {
        Self::with(config, Listener::bind("http://127.0.0.1:0", None).unwrap(), None)
    }

    pub fn with(config: ServerConfig, listener: Listener, consumer: Option<fn(Incoming)>) -> Self {
        let mut router = Router::new();
        for (path, shape) in [
            (UNARY, RequestShape::One),
            (COLLECT, RequestShape::Many),
            (EXPAND, RequestShape::One),
            (CHAT, RequestShape::Many),
            (FAIL, RequestShape::One),
            (LEAVE, RequestShape::One),
        ] {
            router.add(path, shape).unwrap();
        }
        let inbox = Inbox::new(config.max_queued);
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = std::sync::mpsc::channel();
        let (to, ended) = (inbox.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tell.send(Server::start(config, router, vec![listener], to).unwrap()).unwrap();
                while !ended.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        let handle = told.recv().unwrap();
        if let Some(consumer) = consumer {
            let (from, ended) = (inbox.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    while let Some(incoming) = from.pop() {
                        std::thread::spawn(move || consumer(incoming));
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        Self { handle, inbox, stop }
    }

    pub fn address(&self) -> String {
        self.handle.targets()[0].split_once("://").unwrap().1.to_owned()
    }

    pub async fn client(&self) -> Client {
        let socket = TcpStream::connect(self.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Client::over(socket).await
    }

    /// The next call, waited for on this thread.
    pub fn pop(&self) -> Incoming {
        block(self.inbox.ready());
        self.inbox.pop().unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the echo server does with a call, on a thread without a runtime.
pub fn echo(incoming: Incoming) {
    let Incoming { method, call, message } = incoming;
    let encoding = call.encoding();
    let mut trailers = HeaderMap::new();
    if let Some(value) = call.headers().get("x-echo") {
        trailers.insert("x-echo", value.clone());
    }
    let pack = |raw: &[u8]| frame(raw, encoding).unwrap();
    match method {
        0 => drop(call.reply(pack(&message.unwrap().into_bytes()), trailers)),
        1 => {
            let mut sum = 0u64;
            loop {
                match block(call.recv()) {
                    Ok(Some(one)) => sum += one.len() as u64,
                    Ok(None) => break drop(call.reply(pack(sum.to_string().as_bytes()), trailers)),
                    Err(_) => break,
                }
            }
        }
        2 => {
            let raw = message.unwrap().into_bytes();
            for n in 0..number(&raw) {
                block(call.send(pack(n.to_string().as_bytes()))).unwrap();
            }
            call.finish(Status::ok(""), trailers).unwrap();
        }
        3 => {
            let _ = call.send_headers(HeaderMap::new());
            while let Ok(Some(one)) = block(call.recv()) {
                if block(call.send(pack(&one.into_bytes()))).is_err() {
                    return;
                }
            }
            drop(call.finish(Status::ok(""), trailers));
        }
        4 => drop(call.finish(Status::not_found("no such thing: ☺"), trailers)),
        _ => drop(call),
    }
}

pub fn number(raw: &[u8]) -> u64 {
    std::str::from_utf8(raw).unwrap().parse().unwrap()
}

/// Waits for a future on a thread without a runtime.
pub fn block<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park_timeout(Duration::from_secs(10)),
        }
    }
}

/// Waits until `what` holds, five seconds at most.
pub async fn eventually(what: impl Fn() -> bool) {
    let from = Instant::now();
    while !what() {
        assert!(from.elapsed() < Duration::from_secs(5), "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub struct Client {
    pub h2: SendRequest<Bytes>,
    pub connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// An answer: HTTP status, headers, messages, status.
#[derive(Debug)]
pub struct Answer {
    pub http: u16,
    pub headers: HeaderMap,
    pub messages: Vec<Vec<u8>>,
    pub status: Option<Status>,
    pub trailers: HeaderMap,
}

impl Answer {
    pub fn code(&self) -> Code {
        self.status.as_ref().unwrap().code()
    }

    pub fn message(&self) -> &str {
        self.status.as_ref().unwrap().message()
    }
}

impl Client {
    pub async fn over<IO>(io: IO) -> Self
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (h2, connection) = h2::client::Builder::new()
            .initial_window_size(65_535)
            .data_frame_budget(1 << 30)
            .handshake::<_, Bytes>(io)
            .await
            .unwrap();
        Self { h2, connection: tokio::spawn(connection) }
    }

    pub async fn start(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        self.h2.clone().ready().await.unwrap().send_request(request, end).unwrap()
    }

    /// One call with the whole request in `body`.
    pub async fn call(&mut self, request: Request<()>, body: Bytes) -> Answer {
        let (response, mut stream) = self.start(request, false).await;
        stream.send_data(body, true).unwrap();
        read(response.await.unwrap()).await
    }

    pub async fn unary(&mut self, path: &str, message: &[u8]) -> Answer {
        self.call(post(path), plain(message)).await
    }
}

pub fn plain(message: &[u8]) -> Bytes {
    frame(message, Encoding::Identity).unwrap()
}

pub fn post(path: &str) -> Request<()> {
    Request::post(format!("http://test.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

pub fn with(mut request: Request<()>, name: &'static str, value: &str) -> Request<()> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

pub async fn read(response: Response<RecvStream>) -> Answer {
    let (head, mut body) = response.into_parts();
    let encoding = head
        .headers
        .get("grpc-encoding")
        .map_or(Encoding::Identity, |e| Encoding::from_name(e.as_bytes()).unwrap());
    let mut deframer = Deframer::new(encoding, 1 << 30);
    let mut messages = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        deframer.push(data);
        while let Some(message) = deframer.next().unwrap() {
            messages.push(message.into_bytes().to_vec());
        }
    }
    deframer.finish().unwrap();
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let status =
        viaduct::status::from_headers(&trailers).or_else(|| viaduct::status::from_headers(&head.headers));
    Answer { http: head.status.as_u16(), headers: head.headers, messages, status, trailers }
}

/// The one call of a test whose consumer is the test.
pub async fn popped(fixture: &Fixture) -> (ServerCall, Option<viaduct::codec::Message>) {
    eventually(|| !fixture.inbox.is_empty()).await;
    let incoming = fixture.inbox.pop().unwrap();
    (incoming.call, incoming.message)
}
