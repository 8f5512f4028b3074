//! A backend that says what it serves and how it is, both as the test likes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a backend says.
#[derive(Debug, Clone)]
pub struct Says {
    /// The services it has.
    pub services: Vec<&'static str>,
    /// The services that it says it has beside.
    pub lies: Vec<&'static str>,
    /// The versions of reflection it has: `v1`, `v1alpha`.
    pub reflection: Vec<&'static str>,
    /// The status that reflection ends with, where it is not OK.
    pub refuses: Option<u32>,
    /// The status in the answers of its health service; none: it has no such service.
    pub health: Option<u8>,
}

impl Says {
    pub fn serving(services: &[&'static str]) -> Self {
        Self {
            services: services.to_vec(),
            lies: Vec::new(),
            reflection: vec!["v1"],
            refuses: None,
            health: None,
        }
    }
}

/// A backend on a thread of its own. It answers each method of its services with its name in `x-backend`.
pub struct Backend {
    pub addr: SocketAddr,
    says: Arc<Mutex<Says>>,
    pub connections: Arc<AtomicUsize>,
    pub asked: Arc<AtomicUsize>,
    begun: Arc<Mutex<HashMap<String, usize>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Backend {
    pub fn start(name: &'static str, says: Says) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), name, says)
    }

    pub fn start_at(addr: SocketAddr, name: &'static str, says: Says) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(addr)).unwrap();
        let addr = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let (connections, asked) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let begun = Arc::<Mutex<HashMap<String, usize>>>::default();
        let serving =
            Serving { name, says: Arc::clone(&says), asked: Arc::clone(&asked), begun: Arc::clone(&begun) };
        let count = Arc::clone(&connections);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let mut open = JoinSet::new();
                let accept = async {
                    loop {
                        let (socket, _) = listener.accept().await.unwrap();
                        count.fetch_add(1, Ordering::SeqCst);
                        open.spawn(connection(socket, serving.clone()));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr, says, connections, asked, begun, stop: Some(stop), thread: Some(thread) }
    }

    pub fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    /// How many calls of this path have come.
    pub fn begun(&self, path: &str) -> usize {
        self.begun.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[derive(Clone)]
struct Serving {
    name: &'static str,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    begun: Arc<Mutex<HashMap<String, usize>>>,
}

async fn connection(socket: TcpStream, serving: Serving) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let mut calls = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        calls.spawn(answer(request, respond, serving.clone()));
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    serving: Serving,
) {
    let (head, mut body) = request.into_parts();
    *serving.begun.lock().unwrap().entry(head.uri.path().to_owned()).or_default() += 1;
    let mut request = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        request.extend_from_slice(&data);
    }
    let says = serving.says.lock().unwrap().clone();
    let service = head.uri.path().split('/').nth(1).unwrap_or_default();
    let reflection =
        service.strip_prefix("grpc.reflection.").and_then(|s| s.strip_suffix(".ServerReflection"));
    let (status, message) = match (service, reflection) {
        (_, Some(version)) => {
            serving.asked.fetch_add(1, Ordering::SeqCst);
            match says.refuses {
                _ if !says.reflection.contains(&version) => (12, None),
                Some(code) => (code, None),
                // A question for the file of a symbol (4), or for a file by its name (3).
                None => match request.get(5..).unwrap_or_default() {
                    [0x1a | 0x22, _, name @ ..] => (0, Some(file(serving.name, &says.services, name))),
                    _ => (0, Some(list(&[says.services, says.lies].concat()))),
                },
            }
        }
        ("grpc.health.v1.Health", _) => match says.health {
            Some(status) => (0, Some(vec![8, status])),
            None => (12, None),
        },
        (service, _) if says.services.contains(&service) => (0, Some(Vec::new())),
        _ => (12, None),
    };
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("x-backend", HeaderValue::from_static(serving.name));
    let Some(message) = message else {
        response.headers_mut().insert("grpc-status", HeaderValue::from(status));
        let _ = respond.send_response(response, true);
        return;
    };
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.extend_from_slice(&message);
    let _ = stream.send_data(framed.freeze(), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(status));
    let _ = stream.send_trailers(trailers);
}

/// A field of a message, written by hand.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

/// `ServerReflectionResponse { file_descriptor_response { file_descriptor_proto { name: "backend.proto" } } }` where
/// the symbol is a service that is served, or the name that of this file; else `{ error_response { NOT_FOUND } }`.
fn file(backend: &str, services: &[&str], name: &[u8]) -> Vec<u8> {
    let file = format!("{backend}.proto");
    if name == file.as_bytes() || services.iter().any(|service| service.as_bytes() == name) {
        field(4, &field(1, &field(1, file.as_bytes())))
    } else {
        field(7, &[8, 5])
    }
}

/// `ServerReflectionResponse { list_services_response { service { name } } }`.
fn list(services: &[&str]) -> Vec<u8> {
    let services: Vec<u8> = services.iter().flat_map(|name| field(1, &field(1, name.as_bytes()))).collect();
    field(6, &services)
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub status: u32,
    pub message: String,
    pub backend: String,
}

/// One empty message to the method at `path`, over a connection of its own.
pub fn call(proxy: SocketAddr, path: &str) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = TcpStream::connect(proxy).await.unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://front{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, mut body) = send.ready().await.unwrap().send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        while let Some(data) = body.data().await {
            let _ = body.flow_control().release_capacity(data.unwrap().len());
        }
        let trailers = body.trailers().await.unwrap().unwrap_or_default();
        let text = |name: &str| {
            let value = trailers.get(name).or(head.headers.get(name));
            value.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        Ended {
            status: text("grpc-status").parse().unwrap(),
            message: text("grpc-message"),
            backend: text("x-backend"),
        }
    })
}
