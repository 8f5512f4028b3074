//! The connections of one worker to one member: one, which all requests share, and more where the member allows
//! no more streams on it.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::http2::{Client, Config};
use super::group::Group;
use super::lock;
use super::member::Member;
use crate::transport::dial::dial;
use crate::transport::secure::secure;
use crate::transport::socket::Transport;

/// After a failed attempt the next one waits this long at first, and up to the second figure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What one stream may send us before its client has taken any of it, and all streams of a connection together: a few
/// that nobody reads must not stop the rest.
const CONFIG: Config = Config {
    window: 1 << 20,
    connection_window: 16 << 20,
    max_frame: 64 << 10,
    max_streams: 0,
    max_headers: 1 << 20,
    local: false,
};

/// The connections.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Pool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    connections: Vec<Client>,
    /// An attempt that is being made. It tells its end.
    dialing: Option<watch::Receiver<Option<Result<(), NoPlace>>>>,
    /// When the last attempt failed, why, and how long the pause is.
    failure: Option<(Instant, NoPlace, Duration)>,
}

/// Why there is no place.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(in crate::proxy) struct NoPlace {
    why: String,
    /// Somebody is there, who does not speak HTTP/2.
    pub(in crate::proxy) foreign: bool,
}

impl From<String> for NoPlace {
    fn from(why: String) -> Self {
        Self { why, foreign: false }
    }
}

impl Pool {
    /// A connection that stands and has room.
    #[inline]
    fn ready(&self) -> Ready {
        let inner = &mut *lock(&self.0);
        let mut full = 0;
        let mut at = 0;
        while let Some(connection) = inner.connections.get(at) {
            let Some(load) = connection.load() else {
                inner.connections.remove(at);
                continue;
            };
            if load.running < load.most {
                return Ready::Place(connection.clone());
            }
            full += 1;
            at += 1;
        }
        Ready::None { full }
    }

    /// The least busy connection, whether it has room or not: what is too much waits there.
    fn crowded(&self) -> Option<Client> {
        let inner = lock(&self.0);
        let open =
            inner.connections.iter().filter_map(|connection| Some((connection.load()?.running, connection)));
        open.min_by_key(|(running, _)| *running).map(|(_, connection)| connection.clone())
    }

    /// Whether a connection stands that takes requests, be it full or not.
    pub(in crate::proxy) fn stands(&self) -> bool {
        lock(&self.0).connections.iter().any(|connection| connection.load().is_some())
    }

    /// How many connections stand.
    pub(in crate::proxy) fn len(&self) -> usize {
        lock(&self.0).connections.iter().filter(|connection| connection.load().is_some()).count()
    }

    /// Why the last attempt failed, where no connection stands since.
    pub(in crate::proxy) fn failure(&self) -> Option<String> {
        lock(&self.0).failure.as_ref().map(|(_, why, _)| why.to_string())
    }

    /// Lets the connections end with their last request.
    pub(in crate::proxy) fn retire(&self) {
        for connection in std::mem::take(&mut lock(&self.0).connections) {
            connection.drain();
        }
    }
}

enum Ready {
    Place(Client),
    None { full: usize },
}

impl Member {
    /// A place for a request, at once where a connection has room.
    #[inline]
    pub(in crate::proxy) fn place_now(&self, worker: usize) -> Option<Client> {
        match self.pools.get(worker)?.ready() {
            Ready::Place(place) => Some(place),
            Ready::None { .. } => None,
        }
    }
}

/// A place for a request on `member`: connects where nothing stands.
///
/// # Errors
///
/// A sentence: why there is no connection.
pub(in crate::proxy) async fn place(
    group: &std::sync::Arc<Group>,
    member: &std::sync::Arc<Member>,
    worker: usize,
) -> Result<Client, NoPlace> {
    seek(group, member, worker, true).await
}

/// The same, without a rest after an attempt that failed: for whoever makes pauses of their own.
///
/// # Errors
///
/// As [`place`].
pub(in crate::proxy) async fn place_at_once(
    group: &std::sync::Arc<Group>,
    member: &std::sync::Arc<Member>,
    worker: usize,
) -> Result<Client, NoPlace> {
    seek(group, member, worker, false).await
}

async fn seek(
    group: &std::sync::Arc<Group>,
    member: &std::sync::Arc<Member>,
    worker: usize,
    rests: bool,
) -> Result<Client, NoPlace> {
    let Some(pool) = member.pools.get(worker) else {
        return Err("there is no such worker".to_owned().into());
    };
    // More than one round only where connections fill up or break as fast as they are made.
    for _ in 0..8 {
        let full = match pool.ready() {
            Ready::Place(place) => return Ok(place),
            Ready::None { full } => full,
        };
        if full >= group.settings.max_connections
            && let Some(place) = pool.crowded()
        {
            return Ok(place);
        }
        let mut told = {
            let mut inner = lock(&pool.0);
            if let Some((at, why, pause)) = &inner.failure
                && rests
                && full == 0
                && inner.dialing.is_none()
                && at.elapsed() < *pause
            {
                return Err(why.clone());
            }
            match &inner.dialing {
                Some(dialing) => dialing.clone(),
                None => {
                    let (tell, told) = watch::channel(None);
                    inner.dialing = Some(told.clone());
                    let (group, member) = (std::sync::Arc::clone(group), std::sync::Arc::clone(member));
                    tokio::spawn(async move {
                        let ended = connect(&group, &member, worker).await;
                        // Nobody may wait any more.
                        let _ = tell.send(Some(ended));
                    });
                    told
                }
            }
        };
        let ended = told.wait_for(Option::is_some).await.map(|ended| ended.clone());
        match ended {
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(why))) => {
                return match pool.crowded() {
                    Some(place) => Ok(place),
                    None => Err(why),
                };
            }
            _ => return Err("the attempt to connect was given up".to_owned().into()),
        }
    }
    pool.crowded().ok_or_else(|| "connections break as soon as they are made".to_owned().into())
}

/// Makes one connection, and starts what drives it.
async fn connect(
    group: &std::sync::Arc<Group>,
    member: &std::sync::Arc<Member>,
    worker: usize,
) -> Result<(), NoPlace> {
    let timeout = group.settings.connect_timeout;
    let made = tokio::time::timeout(timeout, establish(group, member))
        .await
        .unwrap_or_else(|_| Err(format!("no connection within {timeout:?} (connect_timeout)").into()));
    let Some(pool) = member.pools.get(worker) else { return Ok(()) };
    let mut inner = lock(&pool.0);
    inner.dialing = None;
    match made {
        Ok((connection, drive, ends)) => {
            inner.failure = None;
            inner.connections.push(connection);
            drop(inner);
            let looks = group.own(ends, member);
            let led_to = std::sync::Arc::downgrade(member);
            tokio::spawn(async move {
                drive.await;
                drop(looks);
                // Where it led may not be where the next one leads.
                if let Some(member) = led_to.upgrade() {
                    member.set_looped(false);
                }
            });
            group.connected(member, worker);
            Ok(())
        }
        Err(NoPlace { why, foreign }) => {
            let why = NoPlace { why: format!("{}: {why}", member.name()), foreign };
            let pause = match &inner.failure {
                Some((_, _, before)) => before.saturating_mul(2).min(PAUSE.1),
                None => PAUSE.0,
            };
            inner.failure = Some((Instant::now(), why.clone(), pause));
            group.counters.connect_failures.fetch_add(1, Relaxed);
            Err(why)
        }
    }
}

async fn establish(
    group: &Group,
    member: &Member,
) -> Result<
    (
        Client,
        impl Future<Output = ()> + Send + 'static + use<>,
        Option<(std::net::SocketAddr, std::net::SocketAddr)>,
    ),
    NoPlace,
> {
    let (socket, _) = dial(std::slice::from_ref(&member.found.address)).await?;
    let ends = socket.ends();
    let settings = &group.settings;
    let keepalive = settings.keepalive.map(|silence| (silence, settings.keepalive_timeout));
    let stream = match &group.tls {
        None => Transport::Plain(socket),
        Some(tls) => {
            Transport::Client(Box::new(secure(tls, host_of(&member.found.authority), socket).await?))
        }
    };
    group.counters.connections.fetch_add(1, Relaxed);
    let made = Client::connect(stream, CONFIG, keepalive).await;
    let (connection, drive) = made.map_err(|why| NoPlace { why, foreign: true })?;
    Ok((connection, drive, ends))
}

/// The host of `host:port`.
pub(super) fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}
