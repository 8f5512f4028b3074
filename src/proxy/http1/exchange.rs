//! One request and its answer, in both directions at once.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Decoder, Framing};
use super::head::{self, Answered, Asked};
use super::side::{Broken, Left, Reader, Writer, carry};
use super::{Conn, Link};
use crate::transport::socket::Transport;

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// The answer was passed on, whole; and whether each side's connection can be used again.
    Answered { status: StatusCode, client: bool, backend: bool },
    /// Both sides speak something else from here on.
    Upgraded,
    /// The client has gone.
    Gone,
    /// What the client sends is no body.
    Wrong(&'static str),
    /// No answer was passed on: why, and whether nothing came at all.
    Failed { why: String, silent: bool },
    /// The answer was passed on in part.
    Cut(String),
}

/// Sends `asked` over `link`, and passes the answer on. `host` stands in the place of the client's.
pub(super) async fn exchange<IO>(
    conn: &mut Conn<IO>,
    asked: &Asked,
    host: Option<&str>,
    link: &mut Link,
    draining: &AtomicBool,
) -> End
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut decoder = Decoder::new(asked.body);
    let (sent, left) = (AtomicBool::new(false), Left::of(&decoder));
    let (from_client, to_client) = (&mut conn.reader, &mut conn.writer);
    let (from_backend, to_backend) = (&mut link.reader, &mut link.writer);
    head::write_request(asked, host, &mut to_backend.out);
    let end = {
        let mut request = pin!(async {
            match carry(from_client, &mut decoder, to_backend, asked.body, &left).await {
                Err(broken) => broken,
                Ok(()) => {
                    sent.store(true, Relaxed);
                    from_client.gone().await;
                    Broken::From(String::new())
                }
            }
        });
        let mut answer = pin!(answer(from_backend, to_client, asked, (&sent, &left), draining));
        let mut asking = true;
        poll_fn(|cx| {
            if asking && let Poll::Ready(broken) = request.as_mut().poll(cx) {
                asking = false;
                match broken {
                    Broken::From(_) => return Poll::Ready(End::Gone),
                    Broken::Wrong(why) => return Poll::Ready(End::Wrong(why)),
                    // Its answer may be on its way.
                    Broken::To => {}
                }
            }
            answer.as_mut().poll(cx)
        })
        .await
    };
    match end {
        // The client was told that it may ask again, behind what is left of its request.
        End::Answered { status, client: true, backend } if !sent.load(Relaxed) => {
            End::Answered { status, client: conn.reader.skip(&mut decoder).await, backend }
        }
        end => end,
    }
}

async fn answer<IO: AsyncWrite>(
    from: &mut Reader<Transport>,
    to: &mut Writer<IO>,
    asked: &Asked,
    (sent, left): (&AtomicBool, &Left),
    draining: &AtomicBool,
) -> End {
    let answered = loop {
        let answered = match read(from, asked).await {
            Ok(answered) => answered,
            Err((why, silent)) => return End::Failed { why, silent },
        };
        if answered.status == StatusCode::SWITCHING_PROTOCOLS {
            if asked.upgrade.is_none() || answered.upgrade.is_none() {
                let why = "it changed to another protocol, which the client had not asked for".into();
                return End::Failed { why, silent: false };
            }
            to.begin();
            head::write_answer(&answered, Framing::None, None, &mut to.out);
            return if to.flush().await.is_ok() { End::Upgraded } else { End::Gone };
        }
        if !answered.status.is_informational() {
            break answered;
        }
        if !asked.old {
            head::write_answer(&answered, Framing::None, None, &mut to.out);
            if to.flush().await.is_err() {
                return End::Gone;
            }
        }
    };
    // A body that ends with the connection goes on in chunks, so that its end can be told from a cut.
    let goes = match answered.body {
        Framing::Chunked | Framing::Close if asked.old => Framing::Close,
        Framing::Close => Framing::Chunked,
        body => body,
    };
    let keep = asked.keep && goes != Framing::Close && left.is_short() && !draining.load(Relaxed);
    to.begin();
    head::write_answer(&answered, goes, said(keep, asked.old), &mut to.out);
    let mut decoder = Decoder::new(answered.body);
    let of_answer = Left::of(&decoder);
    match carry(from, &mut decoder, to, goes, &of_answer).await {
        Ok(()) => {
            let backend = answered.keep && sent.load(Relaxed) && from.buf.is_empty();
            End::Answered { status: answered.status, client: keep, backend }
        }
        Err(Broken::To) => End::Gone,
        Err(Broken::From(why)) => End::Cut(why),
        Err(Broken::Wrong(why)) => End::Cut(why.into()),
    }
}

/// What the header `connection` says; nothing where it is what the version says anyway.
pub(super) fn said(keep: bool, old: bool) -> Option<bool> {
    match (keep, old) {
        (true, false) => None,
        (true, true) => Some(true),
        (false, _) => Some(false),
    }
}

async fn read(from: &mut Reader<Transport>, asked: &Asked) -> Result<Answered, (String, bool)> {
    loop {
        match head::answer(&mut from.buf, &mut from.looked, &asked.parts.method) {
            Ok(Some(answered)) => return Ok(answered),
            Ok(None) => {}
            Err(why) => return Err((why, false)),
        }
        let silent = from.buf.is_empty();
        match from.more().await {
            Ok(0) => return Err(("it closed the connection before its answer".into(), silent)),
            Ok(_) => {}
            Err(error) => return Err((format!("the connection broke: {error}"), silent)),
        }
    }
}
