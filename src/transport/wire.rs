//! Between h2 and the socket: one turn of a connection, one write.
//!
//! h2 flushes after every DATA frame, so a message of 1 MiB in frames of 16 KiB is 64 `writev`. Here
//! what h2 writes is gathered, and the connection's task calls [`Flusher::poll_flush`] once h2 has
//! nothing more to say for now. The copy that this costs is a tenth of the system calls it saves.
//!
//! Every frame in both directions passes by the connection's [flow control](super::flow), whose own
//! frames are written here between h2's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flow::{Flow, Judgement, PING, Run, Side, Verdict};
use super::frames::{Frames, HEAD, Head, flag, kind};
use crate::error::quote;
use crate::tls;

/// How much is gathered before it is written without being asked.
const FULL: usize = 64 * 1024;

/// A buffer that has grown past this is given back once it is empty, so that idle connections are small.
const KEEP: usize = 8 * 1024;

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    out: BytesMut,
    /// Whether anything was read since [`Flusher::heard`] was last asked.
    heard: bool,
    /// Whether anything was ever read.
    greeted: bool,
    complaint: Complaint,
    flow: Flow,
    sent: Sent,
    received: Received,
}

/// What h2 has written.
#[derive(Debug)]
struct Sent {
    frames: Frames,
    calls: Calls,
    /// The PINGs of h2 that are not acknowledged.
    pings: u32,
}

/// What h2 has written of calls.
#[derive(Debug)]
struct Calls {
    /// A header block has begun and not ended: no other frame may stand in it.
    in_headers: bool,
    /// Whether HEADERS open streams on which the peer may send.
    opens: bool,
    /// Whether DATA or HEADERS were written since that was last asked.
    any: bool,
}

impl Calls {
    /// Whether a frame passes that is nothing to flow control.
    #[inline]
    fn pass(&mut self, head: &Head) -> bool {
        match head.kind {
            kind::DATA => {
                self.any = true;
                true
            }
            kind::HEADERS | kind::CONTINUATION => {
                self.any = true;
                self.in_headers = !head.has(flag::END_HEADERS);
                !self.opens
            }
            _ => false,
        }
    }
}

/// What h2 has read.
#[derive(Debug)]
struct Received {
    frames: Frames,
    /// A GOAWAY is passing, or has passed since that was last asked.
    going: bool,
    gone: bool,
    /// What the peer did wrong.
    broken: Option<String>,
}

/// A sentence about what a peer sent, where h2 would only find a broken frame or connection.
pub type Complaint = Arc<OnceLock<String>>;

/// The side that h2 reads from and writes to.
#[derive(Debug)]
pub struct Wire<S>(Arc<Mutex<Inner<S>>>);

/// The side of the task that drives the connection.
#[derive(Debug)]
pub struct Flusher<S>(Arc<Mutex<Inner<S>>>);

/// Puts a wire before `stream`, which has sent and received nothing.
pub(crate) fn wire<S>(stream: S, flow: Flow) -> (Wire<S>, Flusher<S>) {
    // The client's side begins with a preface.
    let opens = flow.side() == Side::Client;
    let (sent, received) = if opens { (PREFACE, 0) } else { (0, PREFACE) };
    let sent = Sent {
        frames: Frames::after(sent, |head| match head.kind {
            kind::SETTINGS => head.length as usize,
            kind::WINDOW_UPDATE | kind::GOAWAY => 4,
            _ => 0,
        }),
        calls: Calls { in_headers: false, opens, any: false },
        pings: 0,
    };
    let received = Received {
        frames: Frames::after(received, |head| match head.kind {
            kind::DATA if head.has(flag::PADDED) => 1,
            kind::PING => PING.len(),
            kind::SETTINGS => head.length as usize,
            _ => 0,
        }),
        going: false,
        gone: false,
        broken: None,
    };
    let inner = Inner {
        stream,
        out: BytesMut::new(),
        heard: false,
        greeted: false,
        complaint: Arc::default(),
        flow,
        sent,
        received,
    };
    let inner = Arc::new(Mutex::new(inner));
    (Wire(Arc::clone(&inner)), Flusher(inner))
}

impl<S> Inner<S> {
    /// Takes what h2 writes.
    fn take(&mut self, bytes: &[u8]) {
        let Self { out, flow, sent, .. } = self;
        // What stands before `taken` in `bytes` has been dealt with.
        let (mut at, mut taken) = (0, 0);
        loop {
            sent.frames.pass(bytes, &mut at, |head| sent.calls.pass(head));
            let Some(begun) = sent.frames.next(bytes, &mut at) else { break };
            let head = begun.head;
            let verdict = match head.kind {
                _ if sent.calls.pass(&head) => Verdict::Pass,
                kind::PING => {
                    sent.pings += u32::from(!head.has(flag::ACK));
                    Verdict::Pass
                }
                _ => flow.lock().sent(&head, sent.frames.payload(&begun)),
            };
            if verdict == Verdict::Pass && begun.at.is_some() {
                // It goes with what stands around it.
                continue;
            }
            out.extend_from_slice(bytes.get(taken..begun.at.unwrap_or(taken)).unwrap_or_default());
            taken = at;
            if verdict != Verdict::Drop {
                let from = out.len() + HEAD;
                out.extend_from_slice(sent.frames.prefix(&begun));
                if verdict == Verdict::Rewrite
                    && let Some(settings) = out.get_mut(from..)
                {
                    flow.lock().rewrite(settings);
                }
            }
        }
        // A head that is cut is kept back, as it may be of a frame that the peer must not see.
        let end = match sent.frames.rest() {
            ([], _) => bytes.len(),
            (_, from) => from.unwrap_or(taken),
        };
        out.extend_from_slice(bytes.get(taken..end).unwrap_or_default());
    }

    /// Looks at what h2 is about to read.
    fn look(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let Self { out, flow: shared, sent, received, .. } = self;
        let mut flow = shared.lock();
        flow.begin_turn();
        let mut at = 0;
        let mut run = Run::default();
        let mut broken = None;
        while let Some(begun) = received.frames.next(bytes, &mut at) {
            let head = begun.head;
            received.gone |= std::mem::replace(&mut received.going, head.kind == kind::GOAWAY);
            if run.take(&head) {
                continue;
            }
            if head.kind == kind::SETTINGS && !head.has(flag::ACK) {
                shared.learn(received.frames.payload(&begun));
            }
            let passed = std::mem::replace(&mut run, Run::behind(&head));
            let judgement = match flow.received_run(&passed) {
                Judgement::Pass
                    if received
                        .frames
                        .peek(bytes, at)
                        .is_some_and(|next| flow.received_whole(&head, &next)) =>
                {
                    received.frames.next(bytes, &mut at);
                    continue;
                }
                Judgement::Pass => flow.received(&head, received.frames.payload(&begun)),
                other => other,
            };
            match judgement {
                Judgement::Pass => {
                    if head.kind == kind::PING && head.has(flag::ACK) {
                        sent.pings = sent.pings.saturating_sub(1);
                    }
                }
                // h2 would log a warning; what is of no known type it passes over.
                Judgement::Hide => {
                    if let Some(kind) = begun.at.and_then(|at| bytes.get_mut(at + KIND)) {
                        *kind = kind::UNKNOWN;
                    }
                }
                Judgement::Broken(why) => {
                    broken = Some(why);
                    break;
                }
            }
        }
        if let Judgement::Broken(why) = flow.received_run(&run) {
            broken.get_or_insert(why);
        }
        if let Some(why) = broken {
            if sent.is_between() {
                flow.write_broken(out);
            }
            return Err(why);
        }
        if received.frames.is_between() {
            received.gone |= std::mem::take(&mut received.going);
        }
        // An acknowledgement that is cut can only be ours where h2 waits for none.
        if let ([_, _, _, kind::PING, flags, _, _, _, _, ..], Some(from)) = received.frames.rest()
            && flags & flag::ACK != 0
            && sent.pings == 0
            && flow.is_probing()
            && let Some(kind) = bytes.get_mut(from + KIND)
        {
            *kind = kind::UNKNOWN;
        }
        Ok(())
    }
}

impl Sent {
    /// Whether a frame of ours may stand here.
    fn is_between(&self) -> bool {
        self.frames.is_between() && !self.calls.in_headers
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(n);
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        } else {
            self.out.clear();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> Flusher<S> {
    /// Writes what h2 has gathered. Pending while the socket takes no more; the task is woken then.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *lock(&self.0);
        loop {
            let full = inner.out.len() >= FULL;
            let mut flow = inner.flow.lock();
            if !full && inner.sent.is_between() {
                flow.write(&mut inner.out);
            }
            flow.end_turn(cx);
            drop(flow);
            ready!(inner.poll_drain(cx))?;
            if !full {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Where it is said what is wrong with the peer, before h2 sees it.
    pub fn complaint(&self) -> Complaint {
        Arc::clone(&lock(&self.0).complaint)
    }

    /// Whether anything was ever read.
    pub fn is_greeted(&self) -> bool {
        lock(&self.0).greeted
    }

    /// Whether anything was read since this was last asked.
    pub fn heard(&self) -> bool {
        std::mem::take(&mut lock(&self.0).heard)
    }
}

/// What a client writes before its first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// Where a frame's type stands in its head.
const KIND: usize = 3;

impl<S> Flusher<S> {
    /// Whether DATA or HEADERS were written since this was last asked.
    pub fn sent(&self) -> bool {
        std::mem::take(&mut lock(&self.0).sent.calls.any)
    }

    /// Whether a whole GOAWAY was read since this was last asked.
    pub fn told_to_go(&self) -> bool {
        std::mem::take(&mut lock(&self.0).received.gone)
    }
}

/// A poisoned lock means that a poll panicked; the connection's task has ended with it.
fn lock<S>(inner: &Mutex<Inner<S>>) -> std::sync::MutexGuard<'_, Inner<S>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is wrong with a peer that begins so, where it speaks HTTP/1, or TLS (the response to anything else is an alert: RFC
/// 8446, sections 5.1 and 6).
pub(crate) fn no_http2(said: &[u8]) -> Option<String> {
    if let [0x15, 3, ..] = said {
        return Some("the peer speaks TLS on this port, and this side plaintext; TLS is https://, or credentials for it".into());
    }
    let line =
        said.split(|b| matches!(b, b'\r' | b'\n')).next().filter(|line| line.starts_with(b"HTTP/1"))?;
    let line = quote(&String::from_utf8_lossy(line)).to_string();
    Some(format!("the peer answered {line}: it does not speak HTTP/2, at least not on this port"))
}

/// Why TLS ended a connection that stood: with TLS 1.3 a server refuses our certificate when the handshake is over for
/// us.
pub(crate) fn refused(error: &io::Error) -> Option<String> {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()).then(|| tls::explain(error))
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *lock(&self.0);
        if let Some(why) = &inner.received.broken {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why.clone())));
        }
        let before = buf.filled().len();
        if let Err(error) = ready!(Pin::new(&mut inner.stream).poll_read(cx, buf)) {
            if let Some(complaint) = refused(&error) {
                let _ = inner.complaint.set(complaint);
            }
            return Poll::Ready(Err(error));
        }
        let read = buf.filled_mut().get_mut(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        inner.heard = true;
        if !std::mem::replace(&mut inner.greeted, true)
            && let Some(complaint) = no_http2(read)
        {
            let _ = inner.complaint.set(complaint);
        }
        if let Err(why) = inner.look(read) {
            let _ = inner.complaint.set(why.clone());
            inner.received.broken = Some(why.clone());
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *lock(&self.0);
        if inner.out.len() >= FULL {
            ready!(inner.poll_drain(cx))?;
        }
        let length = bufs.iter().map(|b| b.len()).sum();
        if inner.out.capacity() - inner.out.len() < length {
            // What becomes long gets all its room at once: to grow step by step copies it each time.
            inner.out.reserve(if inner.out.len() + length > KEEP { FULL + length } else { length });
        }
        for buf in bufs {
            inner.take(buf);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the connection's task flushes when its turn ends.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *lock(&self.0);
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::flow::Windows;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    fn duplex(side: Side) -> (Wire<DuplexStream>, Flusher<DuplexStream>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let flow = Flow::new(side, Windows { base: 65_535, budget: 1 << 20 }, 16 << 10);
        let (wire, flusher) = wire(ours, flow);
        (wire, flusher, theirs)
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
    }

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u16;
        let head = [0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, stream];
        [&head[..], payload].concat()
    }

    #[test]
    fn writes_wait_for_the_flush_and_pass_when_full() {
        run(async {
            let (mut wire, flusher, mut theirs) = duplex(Side::Server);
            let head = frame(kind::PING, 1, 0, &[1; 8]);
            wire.write_all(&head).await.unwrap();
            wire.flush().await.unwrap();
            let mut buf = vec![0; 1 << 17];
            assert!(crate::reactor::poll_now(theirs.read(&mut buf)).is_pending());
            poll_fn(|cx| flusher.poll_flush(cx)).await.unwrap();
            assert_eq!(theirs.read(&mut buf).await.unwrap(), head.len());

            let data = frame(kind::DATA, 0, 1, &[7; 16 * 1024]);
            for _ in 0..5 {
                wire.write_all(&data).await.unwrap();
            }
            // Four frames fill the buffer; the fifth pushes them out.
            assert_eq!(theirs.read(&mut buf).await.unwrap(), 4 * data.len());
            wire.shutdown().await.unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, data);
        });
    }

    #[test]
    fn settings_are_rewritten_and_updates_of_streams_dropped_however_they_are_cut() {
        let settings = [0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 5, 0, 1, 0, 0, 0, 6, 1, 0, 0, 0];
        let ours = [0, 2, 0, 0, 0, 0, 0, 4, 0, 0, 0xff, 0xff, 0, 5, 0, 1, 0, 0, 0, 6, 0, 0, 0x40, 0];
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let update = [0, 0, 1, 0];
        let said: Vec<u8> = [
            &preface[..],
            &frame(kind::SETTINGS, 0, 0, &settings),
            &frame(kind::WINDOW_UPDATE, 0, 0, &update),
            &frame(kind::HEADERS, flag::END_HEADERS, 1, b"head"),
            &frame(kind::WINDOW_UPDATE, 0, 1, &update),
            &frame(kind::DATA, 0, 1, &[kind::WINDOW_UPDATE; 40]),
            &frame(kind::SETTINGS, flag::ACK, 0, &[]),
        ]
        .concat();
        let expected: Vec<u8> = [
            &preface[..],
            &frame(kind::SETTINGS, 0, 0, &ours),
            &frame(kind::WINDOW_UPDATE, 0, 0, &update),
            &frame(kind::HEADERS, flag::END_HEADERS, 1, b"head"),
            &frame(kind::DATA, 0, 1, &[kind::WINDOW_UPDATE; 40]),
            &frame(kind::SETTINGS, flag::ACK, 0, &[]),
        ]
        .concat();
        for cut in 1..=said.len() {
            run(async {
                let (mut wire, flusher, mut theirs) = duplex(Side::Client);
                theirs.write_all(&frame(kind::SETTINGS, flag::ACK, 0, &[])).await.unwrap();
                wire.read_exact(&mut [0; 9]).await.unwrap();
                for piece in said.chunks(cut) {
                    wire.write_all(piece).await.unwrap();
                }
                poll_fn(|cx| flusher.poll_flush(cx)).await.unwrap();
                wire.shutdown().await.unwrap();
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, expected, "cut every {cut} bytes");
            });
        }
    }
}
