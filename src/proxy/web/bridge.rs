//! The way from a translated call into the forwarding of all calls: an HTTP/2 connection in memory.
//!
//! So a translated call has the same routes, retries, deadlines, statuses and counters as any other, by the same code,
//! and that code knows nothing of gRPC-Web. Frames are made and read once more than a special way would; calls of
//! browsers are few beside those of services.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::DuplexStream;
use tokio::sync::OnceCell;

use crate::proxy::downstream::Line;
use crate::proxy::forward::forward;
use crate::proxy::http2::{Config, Server};

/// How much is on its way between the two ends.
const WIRE: usize = 64 << 10;

/// What one call may have on its way before it is taken, and all calls of a connection together.
const WINDOWS: (u32, u32) = (128 << 10, 4 << 20);

/// A client's connection's way to the backends; made at its first translated call.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Bridge(OnceCell<SendRequest<Bytes>>);

impl Bridge {
    /// Ready when a call can begin.
    pub(super) async fn ready(&self, line: &Arc<Line>) -> Result<SendRequest<Bytes>, h2::Error> {
        let send = self.0.get_or_try_init(|| open(line)).await?;
        send.clone().ready().await
    }
}

async fn open(line: &Arc<Line>) -> Result<SendRequest<Bytes>, h2::Error> {
    let (near, far) = tokio::io::duplex(WIRE);
    // A line of its own, with deadlines that are kept here.
    let inner = Line::new(
        Arc::clone(&line.shared),
        line.worker,
        Arc::clone(&line.listen),
        (line.peer, line.local),
        line.tls,
    );
    tokio::spawn(serve(far, Arc::new(inner)));
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .enable_push(false)
        .handshake(near)
        .await?;
    tokio::spawn(async move {
        // It ends with the client's connection.
        let _ = connection.await;
    });
    Ok(send)
}

async fn serve(far: DuplexStream, line: Arc<Line>) {
    let config = Config {
        window: WINDOWS.0,
        connection_window: WINDOWS.1,
        max_frame: 16 << 10,
        max_streams: 1 << 20,
        // The client's head was measured where it came in.
        max_headers: 16 << 20,
        local: false,
    };
    let mut server = Server::new(far, config);
    let mut timer = None;
    poll_fn(|cx| {
        line.deadlines.poll(&mut timer, cx);
        server.poll(cx, |request| drop(tokio::spawn(Box::pin(forward(Arc::clone(&line), request)))))
    })
    .await;
}
