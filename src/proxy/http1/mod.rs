//! A client's HTTP/1.1 connection: one request after the other, each to the backend that its route and balance find,
//! in HTTP/1.1.
//!
//! ```text
//!  client ══ reader ─► head ─► carry (route, pick, link) ─► exchange: ─► writer ══ backend
//!         ══ writer ◄───────────────────────────────────── two bodies ◄─ reader ══
//! ```
//!
//! - `head`, `body`: what messages are, read strictly and written anew; `refusal`: what the proxy itself says;
//! - `side`: one direction of a connection; `exchange`: a request and its answer, in both directions at once;
//! - `carry`: which member, how long, what is counted.
//!
//! Nothing is held back and nothing is gathered: a piece of a body is written before the next is read, so a reader that
//! stops makes the writer wait. Answers come in the order of the requests, also where the client did not wait for them.
//! A client that closes, or half-closes, before it has its answer has given it up, and the backend's connection ends;
//! only behind an upgrade each direction has an end of its own.
//!
//! gRPC does not exist over HTTP/1.1: what says that it is is carried as anything else, and the backend will answer it.

mod body;
mod carry;
mod exchange;
mod head;
mod refusal;
mod side;
mod web;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tonic::Code;

use self::head::Asked;
use self::refusal::Refusal;
use self::side::{Reader, Writer, split};
use super::downstream::Line;
use super::metrics::Counters;
use super::upstream::group::Owned;
use super::upstream::link::Made;
use crate::reactor::poll_now;
use crate::server::lifecycle::{Membership, Phase};
use crate::transport::socket::Transport;

/// How long a client's connection may be silent between two requests.
const IDLE: Duration = Duration::from_secs(75);

/// How long, and how much, is read of a client that was answered before it had sent all: a socket that is closed over
/// what nobody has read resets the connection, and the answer may be lost with it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1 << 20);

/// A client's connection.
struct Conn<IO> {
    reader: Reader<IO>,
    writer: Writer<IO>,
}

/// A connection to a member, which carries one request at a time.
#[derive(Debug)]
pub(super) struct Link {
    reader: Reader<Transport>,
    writer: Writer<Transport>,
    _own: Option<Owned>,
}

impl Link {
    fn new((stream, own): Made) -> Self {
        let (reader, writer) = split(stream);
        Self { reader, writer, _own: own }
    }

    /// Whether the member says nothing: neither an end nor bytes that nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut one = [0];
        self.reader.buf.is_empty() && poll_now(self.reader.io.read(&mut one)).is_pending()
    }
}

/// What becomes of a connection behind a request.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Keep,
    /// It ends in order.
    Close,
    /// It is cut, or has ended.
    Over,
}

/// Serves a connection to its end. `until` is the time by which the first request must be there.
pub(super) async fn serve<IO>(io: IO, line: Arc<Line>, member: &mut Membership, until: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let draining = AtomicBool::new(false);
    let mut work = pin!(converse(io, &line, &draining, until));
    poll_fn(|cx| {
        match member.phase(cx.waker()) {
            Phase::Serving => {}
            Phase::Draining => draining.store(true, Relaxed),
            Phase::Aborted => return Poll::Ready(()),
        }
        work.as_mut().poll(cx)
    })
    .await;
}

async fn converse<IO>(io: IO, line: &Arc<Line>, draining: &AtomicBool, until: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = split(io);
    let mut conn = Conn { reader, writer };
    let mut until = until;
    loop {
        let after = match next(&mut conn, line, draining, until).await {
            Next::Asked(asked) => carry::request(line, &mut conn, *asked, draining).await,
            Next::End => return,
            Next::Refused(refusal) => {
                let counters = &line.shared.counters;
                Counters::add(&counters.protocol_errors);
                if refusal.code == Code::ResourceExhausted {
                    Counters::add(&counters.headers_too_long);
                }
                tracing::debug!(peer = %line.peer, "no request: {}", refusal.text);
                conn.refuse(&refusal, false, Some(false)).await
            }
        };
        match after {
            After::Keep => until = Instant::now() + IDLE,
            After::Close => return conn.close().await,
            After::Over => return,
        }
        conn.reader.rest();
    }
}

enum Next {
    Asked(Box<Asked>),
    /// The client has gone, or is silent, or should go.
    End,
    Refused(Refusal),
}

/// The next request.
async fn next<IO>(conn: &mut Conn<IO>, line: &Line, draining: &AtomicBool, mut until: Instant) -> Next
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let listen = &line.listen.settings;
    let mut began = !conn.reader.buf.is_empty();
    loop {
        let reader = &mut conn.reader;
        match head::request(&mut reader.buf, &mut reader.looked, listen.max_headers as usize) {
            Ok(Some(asked)) => return Next::Asked(Box::new(asked)),
            Ok(None) => {}
            Err(refusal) => return Next::Refused(refusal),
        }
        if !began && !reader.buf.is_empty() {
            began = true;
            until = Instant::now() + listen.handshake_timeout;
        }
        let silent = reader.buf.is_empty();
        let mut more = pin!(tokio::time::timeout_at(until.into(), reader.more()));
        let read = poll_fn(|cx| {
            if silent && draining.load(Relaxed) {
                return Poll::Ready(None);
            }
            more.as_mut().poll(cx).map(Some)
        });
        match read.await {
            Some(Ok(Ok(1..))) => {}
            Some(Err(_)) if !silent => return Next::Refused(Refusal::slow()),
            _ => return Next::End,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Conn<IO> {
    /// Answers in the backend's place; `bare` leaves the body out (HEAD).
    async fn refuse(&mut self, refusal: &Refusal, bare: bool, keep: Option<bool>) -> After {
        // What was gathered for an answer that did not come about goes with it.
        self.writer.out.clear();
        refusal.write(bare, keep, &mut self.writer.out);
        match self.writer.flush().await {
            Ok(()) if keep == Some(false) => After::Close,
            Ok(()) => After::Keep,
            Err(_) => After::Over,
        }
    }

    /// Ends the connection so that the last answer arrives.
    async fn close(&mut self) {
        if self.writer.io.shutdown().await.is_err() {
            return;
        }
        let reader = &mut self.reader;
        let read = async {
            let mut left = LINGER.1;
            while left > 0 {
                reader.buf.clear();
                match reader.more().await {
                    Ok(length @ 1..) => left = left.saturating_sub(length),
                    _ => return,
                }
            }
        };
        // Late or not, it is over.
        let _ = tokio::time::timeout(LINGER.0, read).await;
    }
}
