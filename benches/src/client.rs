//! The floor: bare h2 on a runtime that the calling thread drives, one `block_on` a call.

use std::future::poll_fn;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::framing::Deframer;

/// Windows that no bench fills, so that none waits for an update.
const WINDOW: u32 = 16 << 20;

/// One connection and its runtime.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    send: SendRequest<Bytes>,
    port: u16,
    headers: HeaderMap,
}

impl Client {
    /// Connects to a port on loopback.
    ///
    /// # Errors
    /// Those of the runtime, the socket and the handshake.
    pub fn connect(port: u16) -> Result<Client, Failure> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let send = runtime.block_on(async {
            let socket = TcpStream::connect(("127.0.0.1", port)).await?;
            socket.set_nodelay(true)?;
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
            let (send, connection) = builder.handshake(socket).await?;
            // How the connection ends is seen by the calls on it.
            tokio::spawn(async move { connection.await.ok() });
            Ok::<_, Failure>(send)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("user-agent", HeaderValue::from_static("viaduct-bench"));
        Ok(Client { runtime, send, port, headers })
    }

    /// The target of a method.
    ///
    /// # Errors
    /// Where the method cannot stand in a URI.
    pub fn uri(&self, method: &str) -> Result<Uri, Failure> {
        Ok(format!("http://127.0.0.1:{}/bench.Echo/{method}", self.port).parse()?)
    }

    /// Sends a framed message and reads the answer to its end; returns how many bytes it had, prefixes included.
    /// They are not put together: that is what the measured clients do on top.
    ///
    /// # Errors
    /// Those of h2, and a grpc-status that is not 0.
    pub fn call(&mut self, uri: &Uri, message: &Bytes) -> Result<usize, Failure> {
        let request = request(uri, &self.headers);
        self.runtime.block_on(async {
            let mut body = start(&mut self.send, request, message).await?;
            let mut bytes = 0;
            while let Some(chunk) = body.data().await {
                let chunk = chunk?;
                bytes += chunk.len();
                body.flow_control().release_capacity(chunk.len())?;
            }
            finish(&mut body).await?;
            Ok(bytes)
        })
    }

    /// Sends a framed message and returns the messages that come.
    ///
    /// # Errors
    /// Those of h2.
    pub fn stream(&mut self, uri: &Uri, message: &Bytes) -> Result<Messages<'_>, Failure> {
        let request = request(uri, &self.headers);
        let body = self.runtime.block_on(start(&mut self.send, request, message))?;
        Ok(Messages { runtime: &self.runtime, body, deframer: Deframer::default() })
    }
}

/// The messages of a stream.
#[derive(Debug)]
pub struct Messages<'a> {
    runtime: &'a Runtime,
    body: RecvStream,
    deframer: Deframer,
}

impl Messages<'_> {
    /// Waits for the next message; `None` at the end.
    ///
    /// # Errors
    /// Those of h2, and a grpc-status that is not 0.
    pub fn receive(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(message) = self.deframer.next_message() {
                return Ok(Some(message));
            }
            let chunk = self.runtime.block_on(async {
                let Some(chunk) = self.body.data().await else {
                    finish(&mut self.body).await?;
                    return Ok::<_, Failure>(None);
                };
                let chunk = chunk?;
                self.body.flow_control().release_capacity(chunk.len())?;
                Ok(Some(chunk))
            })?;
            match chunk {
                Some(chunk) => self.deframer.push(chunk),
                None if self.deframer.is_empty() => return Ok(None),
                None => return Err("the stream ended within a message".into()),
            }
        }
    }
}

fn request(uri: &Uri, headers: &HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers.clone();
    request
}

async fn start(
    send: &mut SendRequest<Bytes>,
    request: Request<()>,
    message: &Bytes,
) -> Result<RecvStream, Failure> {
    poll_fn(|context| send.poll_ready(context)).await?;
    let (response, mut body) = send.send_request(request, false)?;
    // Queued before the connection is polled: headers and message go in one write.
    body.send_data(message.clone(), true)?;
    let response = response.await?;
    match response.status().as_u16() {
        200 => Ok(response.into_body()),
        status => Err(format!("HTTP status {status}").into()),
    }
}

async fn finish(body: &mut RecvStream) -> Result<(), Failure> {
    let trailers = body.trailers().await?;
    match trailers.as_ref().and_then(|trailers| trailers.get("grpc-status")) {
        Some(status) if status == "0" => Ok(()),
        other => Err(format!("grpc-status {other:?}").into()),
    }
}
