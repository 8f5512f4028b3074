//! The listener, and the thread for each connection.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::behaviour::Behaviour;
use crate::connection::Connection;
use crate::stats::{Record, Stats, StreamFrames};

/// What the connections share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    record: Mutex<Record>,
    /// The wrong answer that is given only once was given.
    pub(crate) once: AtomicBool,
    stopping: AtomicBool,
    sockets: Mutex<HashMap<u64, TcpStream>>,
}

impl Shared {
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.record().stats);
    }

    fn shut_sockets(&self) {
        for socket in lock(&self.sockets).values() {
            // It may have been closed by the client: then there is nothing to do.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// A panic in one connection's thread must not hide what the others saw.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A peer on loopback, served by std threads of its own. Stops when dropped.
#[derive(Debug)]
pub struct WrongServer {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl WrongServer {
    /// Starts a peer on a port of the system's choice.
    ///
    /// # Errors
    /// Those of binding a socket or starting a thread.
    pub fn start(behaviour: Behaviour) -> io::Result<WrongServer> {
        WrongServer::start_on((Ipv4Addr::LOCALHOST, 0).into(), behaviour, |_| ())
    }

    /// Starts a peer on an address, for instance that of one that was stopped. `accepted` hears how many connections
    /// there have been each time one comes, before it is served.
    ///
    /// # Errors
    /// Those of binding a socket or starting a thread.
    pub fn start_on(
        addr: SocketAddr,
        behaviour: Behaviour,
        accepted: impl Fn(u64) + Send + 'static,
    ) -> io::Result<WrongServer> {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let acceptor = thread::Builder::new().name(format!("wrong-{behaviour}"));
        let acceptor = acceptor.spawn(move || accept(&listener, behaviour, &of_thread, accepted))?;
        Ok(WrongServer { addr, shared, acceptor: Some(acceptor) })
    }

    /// What it saw until now.
    pub fn stats(&self) -> Stats {
        self.shared.record().stats
    }

    /// The frames it was sent until now, by connection and stream (the first 10,000 streams).
    pub fn frames(&self) -> Vec<StreamFrames> {
        self.shared.record().frames()
    }

    /// Ends all connections that are open, without a word. New ones are accepted.
    pub fn drop_connections(&self) {
        self.shared.shut_sockets();
    }
}

impl Drop for WrongServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor blocks in accept(): a connection wakes it.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, behaviour: Behaviour, shared: &Arc<Shared>, accepted: impl Fn(u64)) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for (number, socket) in (1..).zip(listener.incoming()) {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(socket) = socket else { continue };
        let Ok(twin) = socket.try_clone() else { continue };
        lock(&shared.sockets).insert(number, twin);
        shared.count(|stats| {
            stats.connections += 1;
            stats.open += 1;
        });
        accepted(number);
        threads.retain(|thread| !thread.is_finished());
        let shared = shared.clone();
        threads.push(thread::spawn(move || {
            // How a connection ends is the client's business; the counters say what a test needs.
            let _ = Connection::new(socket, behaviour, number, shared.clone()).run();
            lock(&shared.sockets).remove(&number);
            shared.count(|stats| stats.open -= 1);
        }));
    }
    shared.shut_sockets();
    for thread in threads {
        let _ = thread.join();
    }
}
