//! From a target to addresses, and when to ask again.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::options::ChannelOptions;
use super::target::Target;
use super::want::{Want, Wanted, want};
use crate::error::quote;
use crate::transport::dial::Address;
use crate::transport::lookup::lookup;
use crate::transport::proxy::Tunnel;

/// A source of addresses in DNS' place: see [`Channel::with_resolver`](super::Channel::with_resolver).
///
/// It is asked on the reactor and must not block.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses, now. An error is a sentence; no addresses are an error, too.
    fn resolve(&self) -> Resolving<'_>;
}

/// What [`Resolve::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Vec<Address>, String>> + Send + 'a>>;

/// Where a channel's addresses come from.
#[derive(Debug)]
pub(super) enum Source {
    /// The target.
    Target,
    /// The proxy; the target's name is the proxy's to resolve.
    Proxy,
    Given(Arc<dyn Resolve>),
}

impl Source {
    pub(super) async fn resolve(
        &self,
        target: &Target,
        tunnel: Option<&Tunnel>,
    ) -> Result<Vec<Address>, String> {
        let found = match (self, tunnel) {
            (Self::Given(resolver), _) => resolver.resolve().await?,
            (Self::Proxy, Some(tunnel)) => {
                let (host, port) = tunnel.proxy();
                by_name(host, port).await?.into_iter().map(Address::Tcp).collect()
            }
            _ => target.resolve().await?,
        };
        if found.is_empty() {
            return Err(format!("{} has no address", quote(&target.text)));
        }
        Ok(found)
    }

    /// Whether the answer is always the same.
    pub(super) fn is_fixed(&self, target: &Target) -> bool {
        matches!(self, Self::Target) && target.is_fixed()
    }
}

/// Asks the system for a name's addresses.
///
/// # Errors
///
/// Where the name does not resolve: a sentence that names it.
pub(super) async fn by_name(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    lookup(host, port).await.map_err(|error| format!("the name {} does not resolve: {error}", quote(host)))
}

/// When a channel with a list of addresses asks for them.
#[derive(Debug)]
pub(super) struct Resolution {
    running: Option<Want>,
    /// Whether a connection was missed since it was asked last.
    wanted: bool,
    /// When it was asked last.
    asked: Option<Instant>,
    pub(super) backoff: Backoff,
}

impl Resolution {
    pub(super) fn new(options: &ChannelOptions) -> Self {
        Self { running: None, wanted: false, asked: None, backoff: Backoff::new(options) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Asks for the first list where that is due, for a call that began at `began` (none: it waits for ready).
    pub(super) fn start_first(&mut self, began: Option<Instant>) -> Option<Wanted> {
        let now = Instant::now();
        self.start(now, self.backoff.may_try(now, began))
    }

    /// A connection is missing, so the list may be out of date.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Asks again where that is due.
    pub(super) fn start_again(&mut self, options: &ChannelOptions) -> Option<Wanted> {
        if !self.wanted {
            return None;
        }
        let now = Instant::now();
        let over = self.asked.is_none_or(|at| at + options.min_resolution_interval <= now);
        self.start(now, over)
    }

    fn start(&mut self, now: Instant, may: bool) -> Option<Wanted> {
        if !may || self.is_running() {
            return None;
        }
        let (want, wanted) = want();
        self.running = Some(want);
        self.wanted = false;
        self.asked = Some(now);
        Some(wanted)
    }

    /// Nobody waits for the answer any more.
    pub(super) fn give_up(&mut self) {
        self.running = None;
    }

    /// The answer is here.
    pub(super) fn ended(&mut self, why: Option<String>, options: &ChannelOptions) {
        self.running = None;
        match why {
            Some(why) => self.backoff.failed(self.asked.unwrap_or_else(Instant::now), why, options),
            None => self.backoff.succeeded(options),
        }
    }
}
