//! One attempt at a call: a request on a connection, up to the head of its answer.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use tonic::Status;

use super::answer;
use super::call::Shared;
use crate::codec::Deframer;
use crate::transport::connection::{self, Busy, Connection};
use crate::transport::flow::{Flow, Receiver};
use crate::{metadata, status};

/// A request that is on its way.
pub(super) struct Attempt {
    pub(super) connection: Connection,
    pub(super) busy: Busy,
    pub(super) send: SendStream<Bytes>,
    pub(super) head: ResponseFuture,
    /// The stream was over before the request could be sent on it; `head` says why.
    pub(super) unsent: bool,
}

impl Attempt {
    /// Sends the request's head, and the request itself where there is only one. `previous` attempts at
    /// the same call have failed. `None` where the connection ended meanwhile: nothing was sent.
    pub(super) fn begin(
        call: &Shared,
        connection: Connection,
        mut send: SendRequest<Bytes>,
        previous: u32,
    ) -> Result<Option<Self>, Status> {
        let config = &call.hub.config;
        let encoding = call.options.encoding.unwrap_or(config.options.encoding);
        let request = config.request(&call.method, &call.options, encoding, previous)?;
        check_length(&request, connection.flow().peer_header_list())?;
        let (head, mut stream) = match send.send_request(request, false) {
            Ok(pair) => pair,
            Err(_) if connection.sender().is_none() => return Ok(None),
            Err(error) => return Err(Status::internal(format!("the request cannot be sent: {error}"))),
        };
        #[cfg(test)]
        between::pass(&connection);
        // Fails where the connection has ended or the stream was reset in between, as another thread may drive it.
        let sent =
            call.request.as_ref().is_none_or(|request| stream.send_data(request.clone(), true).is_ok());
        let busy = connection.busy();
        Ok(Some(Self { connection, busy, send: stream, head, unsent: !sent }))
    }
}

/// Whether the server takes a request's headers.
fn check_length(request: &http::Request<()>, limit: usize) -> Result<(), Status> {
    let size = metadata::size(request.headers()) + metadata::size_beside(request.method(), request.uri());
    if size <= limit {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "the request's headers are {size} bytes; the server accepts {limit} (SETTINGS_MAX_HEADER_LIST_SIZE): nothing was sent"
    )))
}

/// Whether the server has certainly not handled the request of an attempt that ended with `error`: it says so, or the
/// connection ended before the request was sent.
pub(super) fn unprocessed(error: &h2::Error, unsent: bool) -> bool {
    connection::unprocessed(error) || unsent && !error.is_reset()
}

/// The head of an answer.
pub(super) enum Head {
    /// Messages and trailers follow.
    Begun(HeaderMap, Receiver, Deframer),
    /// A trailers-only answer.
    Ended(Status, HeaderMap),
    /// The answer is gRPC, but we cannot read it.
    Unreadable(Status),
    /// The answer is not gRPC.
    Foreign(Box<http::response::Parts>, RecvStream),
}

impl Head {
    /// `limit` is the longest message that is taken, in bytes, and `headers` the longest list of headers.
    pub(super) fn read(
        response: http::Response<RecvStream>,
        limit: usize,
        headers: u32,
        flow: &Flow,
    ) -> Self {
        let (head, body) = response.into_parts();
        if let Some(status) = answer::too_long("headers", &head.headers, headers) {
            return Self::Unreadable(status);
        }
        if !answer::is_grpc(&head) {
            return Self::Foreign(Box::new(head), body);
        }
        if let Some(status) = status::from_headers(&head.headers) {
            return Self::Ended(status, head.headers);
        }
        match answer::encoding(&head) {
            Ok(encoding) => {
                let body = Receiver::new(body, flow.clone());
                Self::Begun(head.headers, body, Deframer::new(encoding, limit))
            }
            Err(status) => Self::Unreadable(status),
        }
    }
}

/// What tests do between a request's head and the request itself.
#[cfg(test)]
mod between {
    use super::Connection;
    use std::cell::RefCell;

    type Hook = Box<dyn FnOnce(&Connection)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    pub(super) fn set(hook: impl FnOnce(&Connection) + 'static) {
        HOOK.set(Some(Box::new(hook)));
    }

    pub(super) fn pass(connection: &Connection) {
        if let Some(hook) = HOOK.take() {
            hook(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::between;
    use crate::client::{CallOptions, Channel, ChannelOptions, Method, Outcome, Target};
    use crate::codec::{Encoding, frame};
    use std::time::{Duration, Instant};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tonic::Code;

    /// Serves two connections. The first is closed when it is told to, whatever it has received; the second answers.
    async fn serve(listener: TcpListener, close: oneshot::Receiver<()>) {
        let (socket, _) = listener.accept().await.unwrap();
        let mut first = h2::server::handshake(socket).await.unwrap();
        // h2 resets a stream whose request nobody holds.
        let mut held = Vec::new();
        tokio::select! {
            _ = close => drop(first),
            _ = async { while let Some(request) = first.accept().await { held.push(request); } } => {}
        }
        let (socket, _) = listener.accept().await.unwrap();
        let mut second = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = second.accept().await {
            tokio::spawn(async move {
                // h2 resets a stream whose request it has not seen the end of.
                let mut request = request.into_body();
                while request.data().await.is_some() {}
                let head =
                    http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                let mut body = respond.send_response(head, false).unwrap();
                body.send_data(frame(b"again", Encoding::Identity).unwrap(), false).unwrap();
                let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
                body.send_trailers(trailers.into_iter().collect()).unwrap();
            });
        }
    }

    /// A call whose connection goes away between its head and its request.
    fn call(options: ChannelOptions) -> Outcome {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            let (close, closed) = oneshot::channel();
            tokio::spawn(serve(listener, closed));
            let channel = Channel::new(target, None, options).unwrap();
            between::set(move |connection| {
                close.send(()).unwrap();
                let until = Instant::now() + Duration::from_secs(10);
                while connection.sender().is_some() {
                    assert!(Instant::now() < until, "the connection stays");
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let method = Method::parse("/t.Echo/Unary").unwrap();
            channel.unary(method, frame(b"x", Encoding::Identity).unwrap(), CallOptions::default()).await
        })
    }

    #[test]
    fn a_request_whose_connection_goes_away_is_sent_on_the_next() {
        let outcome = call(ChannelOptions::default());
        assert_eq!(outcome.status.code(), Code::Ok, "{:?}", outcome.status);
        assert_eq!(outcome.message.unwrap().into_bytes(), b"again".as_slice());
    }

    #[test]
    fn without_retries_it_is_unavailable() {
        let outcome = call(ChannelOptions { retries: false, ..ChannelOptions::default() });
        assert_eq!(outcome.status.code(), Code::Unavailable, "{:?}", outcome.status);
    }
}
