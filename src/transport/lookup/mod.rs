//! Name lookups: from a host name to addresses, for everything here that connects.
//!
//! An address, `localhost` (RFC 6761, section 6.3) and the names in `/etc/hosts` need no network and are answered at
//! once. For the rest the system is asked, by getaddrinfo, which cannot be cancelled and may take as long as the name
//! servers' timeouts. So it runs on threads that nobody ever waits for: not the call whose deadline is over, not the
//! runtime that is dropped, not the process that ends.
//!
//! - Lookups of one name that run at the same time are one lookup: a dead name holds one thread, however many ask.
//! - There are at most [`MAX_THREADS`]. Where all of them hang, the next lookup waits for its turn, first come, first
//!   served; whoever asks bounds that wait, as it bounds the lookup (`connectTimeout`).
//! - A forked child has lookups of its own; it neither waits for its parent's nor touches their locks.

#![allow(unsafe_code)]

mod hosts;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::atomic::{AtomicPtr, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::hosts::Hosts;
use crate::reactor::{detached, fork};

/// How many lookups run at the same time in one process.
pub const MAX_THREADS: usize = 64;

/// The stack of a thread that looks up. getaddrinfo keeps answers of up to 64 KiB there.
const STACK: usize = 512 << 10;

/// The addresses of `host`, in the order in which they are to be tried.
///
/// It may take as long as the system's name servers do. It may be dropped at any time.
///
/// # Errors
///
/// What the system says of the name.
pub(crate) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Some(found) = without_network(host) {
        return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
    }
    let mut found = Lookups::current().ask(host).await?;
    for address in &mut found {
        address.set_port(port);
    }
    Ok(found)
}

/// The addresses of what needs no network: an address, `localhost`, a name in `/etc/hosts`.
pub(crate) fn without_network(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Some(vec![ip]);
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let mut found = Lookups::current().hosts.find(&name);
    if found.is_empty() {
        if name != "localhost" && !name.ends_with(".localhost") {
            return None;
        }
        found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    sort(&mut found);
    Some(found)
}

/// Sorts as getaddrinfo does (RFC 6724, as far as it decides between the families): what can be reached comes first, and
/// then IPv6.
fn sort(addresses: &mut [IpAddr]) {
    if addresses.iter().any(IpAddr::is_ipv4) && addresses.iter().any(IpAddr::is_ipv6) {
        addresses.sort_by_cached_key(|ip| (!has_route(*ip), ip.is_ipv4()));
    }
}

/// Whether there is a route. Connecting a UDP socket sends nothing.
fn has_route(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((ip, 9))).is_ok()
}

/// What the system said. Errors are not `Clone`.
type Answer = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// A lookup that runs; none until it has ended.
type Running = watch::Receiver<Option<Answer>>;

/// The lookups of one process. They live as long as it does, as their threads may.
struct Lookups {
    generation: u32,
    hosts: Hosts,
    threads: Arc<Semaphore>,
    running: Mutex<HashMap<String, Running>>,
}

impl Lookups {
    fn new(generation: u32) -> Self {
        Self {
            generation,
            hosts: Hosts::default(),
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
            running: Mutex::default(),
        }
    }

    /// Those of this process, which may be a forked child.
    fn current() -> &'static Self {
        static CURRENT: AtomicPtr<Lookups> = AtomicPtr::new(std::ptr::null_mut());
        fork::install();
        let generation = fork::generation();
        loop {
            let found = CURRENT.load(Acquire);
            // SAFETY: it is null or came from `Box::into_raw` below and is never freed once it stands there.
            if let Some(lookups) = unsafe { found.as_ref() }
                && lookups.generation == generation
            {
                return lookups;
            }
            let fresh = Box::into_raw(Box::new(Self::new(generation)));
            if CURRENT.compare_exchange(found, fresh, AcqRel, Acquire).is_ok() {
                // The parent's: its locks may be held by threads that are not here.
                fork::abandon(found);
            } else {
                // SAFETY: another thread was first; this one was never shared.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&'static self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let name = host.to_ascii_lowercase();
        let running = self.lock().get(&name).cloned();
        let mut running = match running {
            Some(running) => running,
            None => {
                let turn = Arc::clone(&self.threads).acquire_owned().await;
                self.start(name, turn.map_err(io::Error::other)?)?
            }
        };
        let answer = running.wait_for(Option::is_some).await;
        match answer.ok().as_deref() {
            Some(Some(Ok(found))) => Ok(found.clone()),
            Some(Some(Err((kind, why)))) => Err(io::Error::new(*kind, why.clone())),
            _ => Err(io::Error::other("the lookup ended without an answer")),
        }
    }

    /// Starts the lookup of a name, unless somebody has done so while this one waited for its turn.
    fn start(&'static self, name: String, turn: OwnedSemaphorePermit) -> io::Result<Running> {
        let mut running = self.lock();
        if let Some(running) = running.get(&name) {
            return Ok(running.clone());
        }
        let (tell, told) = watch::channel(None);
        let entry = Entry { lookups: self, name: name.clone() };
        let work = move || {
            let found = (&*entry.name, 0).to_socket_addrs().map(Iterator::collect);
            let _ = tell.send(Some(found.map_err(|error| (error.kind(), error.to_string()))));
            drop(entry);
            drop(turn);
        };
        // Where no thread can be had, what `work` holds is dropped here: the entry must find the lock free.
        running.insert(name, told.clone());
        drop(running);
        detached::spawn("viaduct-lookup", STACK, work)
            .map_err(|error| io::Error::new(error.kind(), format!("no thread can be started: {error}")))?;
        Ok(told)
    }
}

/// Removes a lookup from those that run, however it ends.
struct Entry {
    lookups: &'static Lookups,
    name: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.lookups.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.unwrap() })
    }

    #[test]
    fn what_needs_no_network_is_answered_at_once() {
        // One poll: nothing is waited for.
        let now = |host: &str| match crate::reactor::poll_now(lookup(host, 5)) {
            std::task::Poll::Ready(found) => found.unwrap().iter().map(SocketAddr::to_string).collect(),
            std::task::Poll::Pending => vec!["waits".to_owned()],
        };
        assert_eq!(now("192.0.2.1"), ["192.0.2.1:5"]);
        assert_eq!(now("2001:db8::1"), ["[2001:db8::1]:5"]);
        for name in ["localhost", "LocalHost", "localhost.", "some.thing.localhost"] {
            let found = now(name);
            let loopback = |address: &String| address == "127.0.0.1:5" || address == "[::1]:5";
            assert!(!found.is_empty() && found.iter().all(loopback), "{name}: {found:?}");
        }
        assert_eq!(now("notlocalhost"), ["waits"]);
    }

    #[test]
    fn lookups_of_one_name_at_one_time_are_one() {
        let lookups: &'static Lookups = Box::leak(Box::new(Lookups::new(0)));
        // All threads are taken: what starts, starts when this test lets it.
        let all = Arc::clone(&lookups.threads).try_acquire_many_owned(MAX_THREADS as u32).unwrap();
        wait_for(async {
            let ask = |name: &'static str| tokio::spawn(lookups.ask(name));
            let asked: Vec<_> = (0..100).map(|_| ask("Name.invalid")).collect();
            let other = ask("127.1");
            tokio::task::yield_now().await;
            assert!(asked.iter().chain([]).all(|one| !one.is_finished()) && !other.is_finished());
            assert!(lookups.lock().is_empty());
            drop(all);
            for one in asked {
                assert!(one.await.unwrap().is_err());
            }
            assert_eq!(other.await.unwrap().unwrap(), ["127.0.0.1:0".parse().unwrap()]);
        });
        // The threads give back what they hold after they have said the answer.
        for _ in 0..1000 {
            if lookups.threads.available_permits() == MAX_THREADS && lookups.lock().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} turns, {:?}", lookups.threads.available_permits(), lookups.lock().keys());
    }

    #[test]
    fn one_that_hangs_is_joined_and_holds_nobody_up() {
        let lookups: &'static Lookups = Box::leak(Box::new(Lookups::new(0)));
        let (tell, told) = watch::channel(None);
        lookups.lock().insert("dead.name".into(), told);
        wait_for(async {
            let short = tokio::time::timeout(Duration::from_millis(20), lookups.ask("dead.name")).await;
            assert!(short.is_err());
            let joined = tokio::spawn(lookups.ask("DEAD.name"));
            assert!(lookups.ask("127.1").await.is_ok());
            assert_eq!(lookups.threads.available_permits().min(MAX_THREADS - 1), MAX_THREADS - 1);
            let answer = Ok(vec!["192.0.2.7:0".parse().unwrap()]);
            tell.send(Some(answer)).unwrap();
            assert_eq!(joined.await.unwrap().unwrap(), ["192.0.2.7:0".parse().unwrap()]);
        });
    }

    #[test]
    fn addresses_without_a_route_come_last() {
        let mut list: Vec<IpAddr> = ["127.0.0.1", "::1"].iter().map(|ip| ip.parse().unwrap()).collect();
        sort(&mut list);
        let v6 = has_route(Ipv6Addr::LOCALHOST.into());
        assert_eq!(list[usize::from(v6)], IpAddr::from(Ipv4Addr::LOCALHOST));
        // One family keeps its order.
        let mut list: Vec<IpAddr> = ["10.0.0.2", "10.0.0.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        sort(&mut list);
        assert_eq!(list[0].to_string(), "10.0.0.2");
    }
}
