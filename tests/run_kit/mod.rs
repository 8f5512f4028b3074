//! `viaduct proxy` as a process, and calls that go through it all the while.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use viaduct::client::Channel;

use crate::client_kit::{framed, is_hello, method, to, waiting};

/// Nothing takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("viaduct-run-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Puts a file into its place at once, as a deployment does.
    pub fn write(&self, name: &str, content: &str) -> String {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }
}

impl Folder {
    /// The names of what is in it.
    pub fn names(&self) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The proxy.
pub struct Process {
    child: Child,
    said: Receiver<String>,
    logged: Receiver<String>,
    /// Where it listens first.
    pub target: String,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // The test may have ended.
            let _ = tell.send(line);
        }
    });
    told
}

impl Process {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viaduct"));
        command.arg("proxy").args(arguments).stdin(Stdio::null());
        Self::of(command)
    }

    /// In a folder of its own.
    pub fn start_in(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_viaduct"));
        command.arg("proxy").args(arguments).stdin(Stdio::null());
        command.current_dir(&folder.0).env("HOME", &folder.0).env("TMPDIR", &folder.0);
        Self::of(command)
    }

    /// With a socket that somebody else listens on.
    pub fn activated(socket: std::os::fd::OwnedFd, arguments: &[&str]) -> Self {
        let mut command = Command::new("bash");
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
        command.args(["-c", script, "bash", env!("CARGO_BIN_EXE_viaduct"), "proxy"]).args(arguments);
        command.stdin(Stdio::from(socket));
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, logged) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let mut process = Self { child, said, logged, target: String::new() };
        process.target = process.says().strip_prefix("listening on ").unwrap().to_owned();
        process
    }

    pub fn addr(&self) -> SocketAddr {
        self.target.split_once("://").unwrap().1.parse().unwrap()
    }

    /// The next line of its output.
    pub fn says(&self) -> String {
        self.said.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for a line of the log that has `part` in it.
    pub fn logs(&self, part: &str) -> String {
        let mut before = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.logged.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => before.push(line),
                Err(_) => panic!("no {part:?}, but\n{}", before.join("\n")),
            }
        }
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: sends a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until no connection is taken any more.
    pub async fn refuses(&self, addr: SocketAddr) {
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            assert!(Instant::now() < until, "connections are still taken");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its exit code, once it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What its descriptors are.
    pub fn descriptors(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        // One may be closed while they are looked at.
        all.filter_map(|one| std::fs::read_link(one.unwrap().path()).ok()).collect()
    }

    /// The memory that it has, in KiB.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls without a pause, some at a time, each of which must succeed.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    made: AtomicU64,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// On two connections, two calls at a time on each.
    pub fn start(addr: SocketAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            block(async {
                let channels = [to(addr), to(addr)];
                let callers = channels.iter().flat_map(|channel| [channel, channel]);
                let tasks: Vec<_> =
                    callers.map(|channel| tokio::spawn(calls(channel.clone(), Arc::clone(&ours)))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
        Self { shared, thread: Some(thread) }
    }

    /// Waits until this many more calls have been made.
    pub fn has_made(&self, calls: u64) {
        let (from, until) = (self.shared.made.load(Relaxed), Instant::now() + PATIENCE);
        while self.shared.made.load(Relaxed) < from + calls {
            assert!(Instant::now() < until, "calls do not go on: {:?}", self.shared.failed.lock().unwrap());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it; no call must have failed.
    pub fn stop(mut self) -> u64 {
        self.shared.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
        assert_eq!(*self.shared.failed.lock().unwrap(), Vec::<String>::new());
        self.shared.made.load(Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

async fn calls(channel: Channel, shared: Arc<Shared>) {
    while !shared.stop.load(Relaxed) {
        let outcome = channel.unary(method(), framed(b"hello"), waiting(30.0)).await;
        if !is_hello(&outcome) {
            shared.failed.lock().unwrap().push(format!("{:?}", outcome.status));
        }
        shared.made.fetch_add(1, Relaxed);
    }
}
