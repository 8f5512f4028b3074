//! Members from the domain name system: the addresses of a host, or what an SRV record lists.
//!
//! A name is looked up again when its time to live is over, between one second and five minutes. A lookup that fails
//! changes nothing: what was known goes on being used.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::resolver::{Family, Lookup, Resolver};
use super::{News, Watch};
use crate::error::quote;
use crate::proxy::upstream::Found;
use crate::transport::dial::Address;

/// The bounds of a time to live.
const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// The pause after a lookup that failed: at first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// When a name is looked up again, and what was said about its failures.
#[derive(Debug)]
struct Schedule {
    name: String,
    due: Instant,
    pause: Duration,
    failing: bool,
}

impl Schedule {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), due: Instant::now(), pause: PAUSE.0, failing: false }
    }

    fn succeeded(&mut self, ttl: Duration) {
        if self.failing {
            tracing::info!(name = self.name, "resolves again");
        }
        self.failing = false;
        self.pause = PAUSE.0;
        self.due = Instant::now() + ttl.clamp(TTL.0, TTL.1);
    }

    fn failed(&mut self, why: &str) {
        if !self.failing {
            tracing::warn!(name = self.name, "does not resolve, what is known of it stays: {why}");
        }
        self.failing = true;
        self.due = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
    }
}

/// The addresses of one host, as they were known last.
#[derive(Debug, Default, Clone)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Addresses {
    /// Takes what was found. Of a family whose lookup failed, what was known stays. The time to live, or what went wrong.
    fn take(&mut self, looked_up: Lookup) -> Result<Duration, String> {
        let Lookup { v4, v6, ttl } = looked_up;
        let mut wrong = None;
        for (known, new) in [(&mut self.v4, v4), (&mut self.v6, v6)] {
            match new {
                Family::Found(mut addresses) => {
                    // Name servers turn the order with each answer.
                    addresses.sort_unstable();
                    addresses.dedup();
                    *known = addresses;
                }
                Family::Failed(why) => wrong = Some(why),
            }
        }
        wrong.map_or(Ok(ttl), Err)
    }

    fn found(&self, host: &str, port: u16, weight: u32, priority: u16) -> impl Iterator<Item = Found> {
        self.v4.iter().chain(&self.v6).map(move |ip| Found {
            address: Address::Tcp(SocketAddr::new(*ip, port)),
            name: format!("{host}/{}", SocketAddr::new(*ip, port)),
            authority: format!("{host}:{port}"),
            weight,
            priority,
        })
    }
}

/// A host: each of its addresses is a member.
#[derive(Debug)]
pub(super) struct Host {
    resolver: Resolver,
    host: String,
    port: u16,
    weight: u32,
    schedule: Schedule,
    addresses: Addresses,
    told: bool,
    found: Vec<Found>,
}

impl Host {
    pub(super) fn new(resolver: Resolver, host: &str, port: u16, weight: u32) -> Self {
        Self {
            resolver,
            host: host.to_owned(),
            port,
            weight,
            schedule: Schedule::new(host),
            addresses: Addresses::default(),
            told: false,
            found: Vec::new(),
        }
    }
}

impl Watch for Host {
    fn next(&mut self) -> News<'_> {
        Box::pin(async move {
            loop {
                tokio::time::sleep_until(self.schedule.due).await;
                let looked_up = self.resolver.addresses(&self.host).await;
                match looked_up.and_then(|looked_up| self.addresses.take(looked_up)) {
                    Ok(ttl) => self.schedule.succeeded(ttl),
                    Err(why) => self.schedule.failed(&why),
                }
                let found: Vec<Found> = self.addresses.found(&self.host, self.port, self.weight, 0).collect();
                let first = !std::mem::replace(&mut self.told, true);
                if first || self.found != found {
                    self.found = found;
                    return known(&self.found);
                }
            }
        })
    }
}

/// What is told of what was found: a failure is no answer, and there is always someone behind an answer.
fn known(found: &[Found]) -> Option<Vec<Found>> {
    (!found.is_empty()).then(|| found.to_vec())
}

/// A service (RFC 2782): its targets, each with its priority.
#[derive(Debug)]
pub(super) struct Srv {
    resolver: Resolver,
    name: String,
    schedule: Schedule,
    targets: HashMap<String, Addresses>,
    found: Vec<Found>,
    told: bool,
}

impl Srv {
    pub(super) fn new(resolver: Resolver, name: &str) -> Self {
        Self {
            resolver,
            name: name.to_owned(),
            schedule: Schedule::new(name),
            targets: HashMap::new(),
            found: Vec::new(),
            told: false,
        }
    }

    /// What is to be told now, and how long it holds; with what went wrong with a target.
    async fn look_up(&mut self) -> Result<(Vec<Found>, Duration, Option<String>), String> {
        let (mut services, mut ttl) = self.resolver.services(&self.name).await?;
        services
            .sort_unstable_by(|a, b| (a.priority, &a.target, a.port).cmp(&(b.priority, &b.target, b.port)));
        let mut wrong = None;
        let mut targets = HashMap::new();
        let mut found = Vec::new();
        for service in services {
            let mut addresses = self.targets.get(&service.target).cloned().unwrap_or_default();
            match self.resolver.addresses(&service.target).await.and_then(|found| addresses.take(found)) {
                Ok(time) => ttl = ttl.min(time),
                Err(why) => wrong = Some(why),
            }
            // 0 stands for "hardly ever", beside others; alone it has to do.
            let weight = u32::from(service.weight).max(1);
            found.extend(addresses.found(&service.target, service.port, weight, service.priority));
            targets.insert(service.target, addresses);
        }
        if found.is_empty() {
            return Err(wrong.unwrap_or_else(|| format!("no target of {} has an address", quote(&self.name))));
        }
        self.targets = targets;
        Ok((found, ttl, wrong))
    }
}

impl Watch for Srv {
    fn next(&mut self) -> News<'_> {
        Box::pin(async move {
            loop {
                tokio::time::sleep_until(self.schedule.due).await;
                let mut news = !self.told;
                match self.look_up().await {
                    Ok((found, ttl, wrong)) => {
                        match wrong {
                            None => self.schedule.succeeded(ttl),
                            Some(why) => self.schedule.failed(&why),
                        }
                        news |= self.found != found;
                        self.found = found;
                    }
                    Err(why) => self.schedule.failed(&why),
                }
                self.told = true;
                if news {
                    return known(&self.found);
                }
            }
        })
    }
}
