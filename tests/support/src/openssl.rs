//! The command `openssl` as a peer.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::certificates::Pair;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that goes with its value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Where it cannot be made.
    #[expect(clippy::new_without_default, reason = "a directory is no default")]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("viaduct-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and gives its path.
    ///
    /// # Panics
    ///
    /// Where it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `openssl`. It ends with this value.
pub struct OpenSsl {
    child: Child,
    // It would end at the end of its input.
    _stdin: ChildStdin,
    lines: Receiver<String>,
    seen: String,
    _scratch: Option<Scratch>,
}

impl fmt::Debug for OpenSsl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSsl").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl OpenSsl {
    /// Starts `openssl` with these words.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn start<S: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new("openssl");
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command openssl");
        let stdin = child.stdin.take().expect("a pipe");
        let (send, lines) = mpsc::channel();
        let (out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let also = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = err.read_to_end(&mut text);
            let _ = also.send(String::from_utf8_lossy(&text).into_owned());
        });
        Self { child, _stdin: stdin, lines, seen: String::new(), _scratch: None }
    }

    /// `openssl s_server` with this certificate, and the address that it accepts on.
    ///
    /// # Panics
    ///
    /// Where it does not accept.
    pub fn server(pair: &Pair, more: &[&str]) -> (Self, SocketAddr) {
        let scratch = Scratch::new();
        let cert = scratch.write("cert.pem", &pair.cert);
        let key = scratch.write("key.pem", &pair.key);
        let words = ["s_server", "-accept", "127.0.0.1:0", "-cert"].map(Into::into);
        let mut words: Vec<std::ffi::OsString> = words.to_vec();
        words.extend([cert.clone().into(), "-key".into(), key.into(), "-cert_chain".into(), cert.into()]);
        words.extend(more.iter().map(Into::into));
        let mut server = Self::start(words);
        server._scratch = Some(scratch);
        let line = server.until("ACCEPT ");
        let addr = line.trim_start_matches("ACCEPT ").trim().parse().expect("an address");
        (server, addr)
    }

    /// Reads until a line with `part` comes, and gives that line.
    ///
    /// # Panics
    ///
    /// Where it does not come; the message shows what came.
    pub fn until(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("openssl did not say {part:?}, but:\n{}", self.seen);
            };
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Whether it has said `part` by now.
    pub fn has_said(&mut self, part: &str) -> bool {
        for line in self.lines.try_iter() {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        self.seen.contains(part)
    }

    /// All that it has said so far, as far as it was read.
    pub fn seen(&self) -> &str {
        &self.seen
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `path` is a file with something in it.
///
/// # Panics
///
/// Where it never is.
pub fn await_file(path: &Path) {
    let from = Instant::now();
    while !std::fs::metadata(path).is_ok_and(|m| m.len() > 0) {
        assert!(from.elapsed() < PATIENCE, "{} did not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `openssl` with these words and this input to its end.
///
/// # Panics
///
/// Where it fails.
pub fn run(words: &[&str]) -> String {
    let output =
        Command::new("openssl").args(words).stdin(Stdio::null()).output().expect("the command openssl");
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
