//! A server that answers each call as its script says, and writes down what it saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use viaduct::Code;

/// How a call is answered.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// With what was sent, after the half-close.
    Echo,
    /// With each message as it comes.
    Chat,
    /// With this status, as trailers only, after so many messages.
    Fail(Code, usize),
    /// As `Fail` at once, with `grpc-retry-pushback-ms`.
    Push(Code, &'static str),
    /// With headers, and then this status.
    FailLate(Code),
    /// RST_STREAM with REFUSED_STREAM, after so many messages.
    Refuse(usize),
    /// Never.
    Hang,
}

/// What the server saw of a call.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub headers: HeaderMap,
    pub messages: Vec<Vec<u8>>,
    pub ended: bool,
    pub reset: Option<Reason>,
}

impl Seen {
    /// `grpc-previous-rpc-attempts`
    pub fn previous(&self) -> Option<&str> {
        self.headers.get("grpc-previous-rpc-attempts").map(|value| value.to_str().unwrap())
    }
}

pub struct Server {
    pub addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    acts: Vec<Act>,
    rest: Act,
    seen: Vec<Seen>,
}

impl Server {
    /// The first calls are answered as in `acts`, all later ones as `rest` says.
    pub async fn start(acts: &[Act], rest: Act) -> Self {
        Self::on(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), acts, rest)
    }

    pub fn on(listener: tokio::net::TcpListener, acts: &[Act], rest: Act) -> Self {
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared { acts: acts.to_vec(), rest, seen: Vec::new() }));
        let theirs = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&theirs);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(serve(request, respond, Arc::clone(&shared)));
                    }
                });
            }
        });
        Self { addr, shared }
    }

    pub fn target(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    pub fn attempts(&self) -> usize {
        self.shared.lock().unwrap().seen.len()
    }

    /// `grpc-previous-rpc-attempts` of each.
    pub fn previous(&self) -> Vec<Option<String>> {
        self.seen().iter().map(|seen| seen.previous().map(str::to_owned)).collect()
    }

    /// What comes next.
    pub fn then(&self, acts: &[Act]) {
        let mut shared = self.shared.lock().unwrap();
        let rest = shared.rest;
        let so_far = shared.seen.len();
        shared.acts.resize(so_far, rest);
        shared.acts.extend_from_slice(acts);
    }
}

async fn serve(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: Arc<Mutex<Shared>>,
) {
    let (head, mut body) = request.into_parts();
    let (number, act) = {
        let mut shared = shared.lock().unwrap();
        let number = shared.seen.len();
        shared.seen.push(Seen { headers: head.headers, ..Seen::default() });
        (number, shared.acts.get(number).copied().unwrap_or(shared.rest))
    };
    let note = |change: &dyn Fn(&mut Seen)| change(&mut shared.lock().unwrap().seen[number]);
    let wanted = match act {
        Act::Fail(_, messages) | Act::Refuse(messages) => messages,
        Act::Push(..) | Act::FailLate(_) => 0,
        Act::Echo | Act::Chat | Act::Hang => usize::MAX,
    };
    let mut stream = None;
    let mut buffer = Vec::new();
    let mut messages = 0;
    while messages < wanted {
        let data = tokio::select! {
            data = body.data() => data,
            reset = std::future::poll_fn(|cx| respond.poll_reset(cx)), if stream.is_none() => {
                note(&|seen| seen.reset = reset.as_ref().ok().copied());
                return;
            }
        };
        match data {
            None => {
                note(&|seen| seen.ended = true);
                break;
            }
            Some(Err(error)) => {
                note(&|seen| seen.reset = error.reason());
                return;
            }
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                buffer.extend_from_slice(&data);
            }
        }
        while buffer.len() >= 5 {
            let end = 5 + u32::from_be_bytes(buffer[1..5].try_into().unwrap()) as usize;
            if buffer.len() < end {
                break;
            }
            let framed: Vec<u8> = buffer.drain(..end).collect();
            note(&|seen| seen.messages.push(framed[5..].to_vec()));
            messages += 1;
            if let Act::Chat = act {
                let stream =
                    stream.get_or_insert_with(|| respond.send_response(headers(None, None), false).unwrap());
                stream.send_data(framed.into(), false).unwrap();
            }
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    match act {
        Act::Echo => {
            let mut stream = respond.send_response(headers(None, None), false).unwrap();
            for message in shared.lock().unwrap().seen[number].messages.clone() {
                stream.send_data(super::framed(&message), false).unwrap();
            }
            stream.send_trailers(trailers).unwrap();
        }
        Act::Chat => {
            let mut stream =
                stream.unwrap_or_else(|| respond.send_response(headers(None, None), false).unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        Act::Fail(code, _) => drop(respond.send_response(headers(Some(code), None), true).unwrap()),
        Act::Push(code, millis) => {
            drop(respond.send_response(headers(Some(code), Some(millis)), true).unwrap())
        }
        Act::FailLate(code) => {
            let mut stream = respond.send_response(headers(None, None), false).unwrap();
            trailers.insert("grpc-status", (code as i32).to_string().parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        Act::Refuse(_) => respond.send_reset(Reason::REFUSED_STREAM),
        Act::Hang => {
            let reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            note(&|seen| seen.reset = reset.as_ref().ok().copied());
        }
    }
}

fn headers(status: Option<Code>, pushback: Option<&str>) -> http::Response<()> {
    let mut response = http::Response::builder().header("content-type", "application/grpc");
    if let Some(code) = status {
        response = response.header("grpc-status", code as i32).header("grpc-message", "on purpose");
    }
    if let Some(millis) = pushback {
        response = response.header("grpc-retry-pushback-ms", millis);
    }
    response.body(()).unwrap()
}
