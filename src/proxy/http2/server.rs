//! The server's end of a connection: requests arrive here.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::block::Begun;
use super::core::{Core, Role, Tally};
use super::drive::{Drive, End};
use super::error::Error;
use super::settings::Config;
use super::stream::Stream;
use crate::transport::keepalive::Silence;

/// A client's connection.
#[derive(Debug)]
pub(in crate::proxy) struct Server<IO> {
    drive: Drive<IO>,
    begun: Vec<Begun>,
    silence: Option<Silence>,
    /// How it ended, where that was seen with the preface.
    end: Option<End>,
}

/// What becomes of a connection.
#[derive(Debug)]
pub(in crate::proxy) enum Ended {
    /// It is over, in order or not.
    Over,
    /// The peer broke the rules.
    Fault(&'static str),
    /// Nobody is there.
    Silent,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Server<IO> {
    pub(in crate::proxy) fn new(io: IO, config: Config) -> Self {
        let drive = Drive::new(io, Core::begin(Role::Server, config));
        Self { drive, begun: Vec::new(), silence: None, end: None }
    }

    /// Asks a silent client whether it is there: after how much silence, and for how long it may think about that.
    pub(in crate::proxy) fn keep_alive(&mut self, after: Duration, patience: Duration) {
        self.silence = Some(Silence::new(after, patience, self.drive.heard));
    }

    /// Ready once the client has begun to speak HTTP/2; with an error where it speaks something else, or has gone.
    pub(in crate::proxy) fn poll_preface(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        match self.drive.poll(cx, &mut self.begun) {
            // What came behind the preface is for the next turn.
            Poll::Ready(end) if self.drive.is_prefaced() => {
                self.end = Some(end);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => Poll::Ready(Err(())),
            Poll::Pending if self.drive.is_prefaced() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// One turn; `take` gets the requests that have begun. Ready when the connection is at its end.
    pub(in crate::proxy) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Request<Stream>),
    ) -> Poll<Ended> {
        let polled = match self.end.take() {
            Some(end) => Poll::Ready(end),
            None => self.drive.poll(cx, &mut self.begun),
        };
        for Begun { head, key } in self.begun.drain(..) {
            take(Request::from_parts(head, Stream::new(Arc::clone(self.drive.shared()), key)));
        }
        match polled {
            Poll::Ready(End::Fault(fault)) => Poll::Ready(Ended::Fault(fault.why)),
            Poll::Ready(End::Over | End::Broken(_)) => Poll::Ready(Ended::Over),
            Poll::Pending => match &mut self.silence {
                Some(silence) => {
                    let drive = &self.drive;
                    silence.poll(drive.heard, true, || drive.ping(), cx).map(|()| {
                        drive.end(Error::Ended);
                        Ended::Silent
                    })
                }
                None => Poll::Pending,
            },
        }
    }

    /// What happened to requests that never came to be streams since this was last asked, where something did.
    pub(in crate::proxy) fn tally(&self) -> Option<Tally> {
        self.drive.tally()
    }

    /// Tells the client to go, and takes what it sends until it has heard that.
    pub(in crate::proxy) fn go_away(&self) {
        self.drive.shared().lock().go_away();
    }

    /// Tells the client to go, and cuts its streams.
    pub(in crate::proxy) fn cut(&self) {
        self.drive.shared().lock().cut();
    }
}
