//! A client and a backend that speak in bytes: HTTP/1.1 by hand, raw TCP, and either under TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};
use viaduct::tls::{ClientAuth, ClientTls, Identity, ServerTls};
use viaduct_testkit::certificates::Pair;

const PATIENCE: Duration = Duration::from_secs(10);

trait Bytes: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
    /// Says that no more comes from this side.
    fn finish(&mut self);
}

impl Bytes for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Bytes for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }
}

impl Bytes for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }
}

/// One side of a connection.
pub struct Stream {
    io: Box<dyn Bytes>,
    buffer: Vec<u8>,
}

/// How reading ended before what was wanted was there.
#[derive(Debug, PartialEq, Eq)]
pub enum Over {
    /// In order.
    End,
    /// By a reset, or without the end that TLS has.
    Cut,
}

impl Stream {
    fn new(io: impl Bytes + 'static) -> Self {
        io.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        io.socket().set_nodelay(true).unwrap();
        Self { io: Box::new(io), buffer: Vec::new() }
    }

    pub fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).unwrap())
    }

    /// Under TLS, with these protocols on offer.
    pub fn connect_tls(addr: SocketAddr, ca: &str, name: &str, alpn: &[&str]) -> Self {
        let tls = ClientTls::new(Some(ca.as_bytes()), None, None).unwrap();
        let mut config = (*tls.config()).clone();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connection = ClientConnection::new(Arc::new(config), tls.name_for(name).unwrap()).unwrap();
        Self::new(StreamOwned::new(connection, TcpStream::connect(addr).unwrap()))
    }

    /// What the proxy has refused it need not take.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        match self.io.write_all(bytes.as_ref()).and_then(|()| self.io.flush()) {
            Err(error) if !is_gone(error.kind()) => panic!("{error}"),
            _ => self,
        }
    }

    /// How much of `bytes` is taken before the peer has stopped reading for a while.
    pub fn write_until_stuck(&mut self, bytes: &[u8]) -> usize {
        self.io.socket().set_write_timeout(Some(Duration::from_millis(700))).unwrap();
        let mut taken = 0;
        while taken < bytes.len() {
            match self.io.write(&bytes[taken..bytes.len().min(taken + (64 << 10))]) {
                Ok(n) => taken += n,
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                    break;
                }
            }
        }
        self.io.socket().set_write_timeout(None).unwrap();
        taken
    }

    /// No more comes from this side.
    pub fn finish(&mut self) {
        self.io.finish();
    }

    fn fill(&mut self) -> Result<(), Over> {
        let mut chunk = [0; 16 << 10];
        match self.io.read(&mut chunk) {
            Ok(0) => Err(Over::End),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(())
            }
            Err(error) if is_gone(error.kind()) => Err(Over::Cut),
            Err(error) => panic!("nothing came within {PATIENCE:?}: {error}"),
        }
    }

    /// What comes until `mark` does, with it.
    pub fn until(&mut self, mark: &str) -> Result<String, Over> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark.as_bytes()) {
                let rest = self.buffer.split_off(at + mark.len());
                return Ok(String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap());
            }
            self.fill()?;
        }
    }

    /// A head.
    pub fn head(&mut self) -> Result<String, Over> {
        self.until("\r\n\r\n")
    }

    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            self.fill().unwrap();
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    pub fn text(&mut self, length: usize) -> String {
        String::from_utf8(self.exactly(length)).unwrap()
    }

    /// Everything to the end, and how that was.
    pub fn rest(&mut self) -> (String, Over) {
        loop {
            if let Err(over) = self.fill() {
                return (String::from_utf8(std::mem::take(&mut self.buffer)).unwrap(), over);
            }
        }
    }

    /// A message: its head and its body, by its content-length.
    pub fn message(&mut self) -> (String, String) {
        let head = self.head().unwrap();
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let body = self.text(length);
        (head, body)
    }

    /// A body in chunks, with what follows the last.
    pub fn chunks(&mut self) -> (Vec<u8>, String) {
        let mut all = Vec::new();
        loop {
            let line = self.until("\r\n").unwrap();
            match usize::from_str_radix(line.trim(), 16).unwrap() {
                0 => {
                    let mut trailers = String::new();
                    loop {
                        match self.until("\r\n").unwrap().as_str() {
                            "\r\n" => return (all, trailers),
                            line => trailers.push_str(line),
                        }
                    }
                }
                size => {
                    all.extend(self.exactly(size));
                    assert_eq!(self.exactly(2), b"\r\n");
                }
            }
        }
    }

    /// Ends with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(self.io.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof)
}

/// The value of a header, where a head has it.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The status of an answer.
pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A backend on threads of its own: one for each connection.
pub struct Plain {
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What a backend's connection is served with: the connection, and where it notes the heads that it has read.
pub type Notes = Mutex<Vec<String>>;

impl Plain {
    /// Each connection is given to `serve`, until that returns.
    pub fn start(serve: impl Fn(&mut Stream, &Notes) + Send + Sync + 'static) -> Self {
        Self::with(None, serve)
    }

    /// The same under TLS.
    pub fn start_tls(pair: &Pair, serve: impl Fn(&mut Stream, &Notes) + Send + Sync + 'static) -> Self {
        let identity = Identity::new(pair.cert.as_bytes(), pair.key.as_bytes()).unwrap();
        let tls = ServerTls::with_identities(identity, Vec::new(), ClientAuth::None).unwrap();
        let mut config = (*tls.config()).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::with(Some(Arc::new(config)), serve)
    }

    fn with(
        tls: Option<Arc<rustls::ServerConfig>>,
        serve: impl Fn(&mut Stream, &Notes) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, heads) = (Arc::<AtomicUsize>::default(), Arc::<Notes>::default());
        let (count, notes, serve) = (Arc::clone(&connections), Arc::clone(&heads), Arc::new(serve));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let socket = socket.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (notes, serve, tls) = (Arc::clone(&notes), Arc::clone(&serve), tls.clone());
                std::thread::spawn(move || {
                    let mut stream = match tls {
                        None => Stream::new(socket),
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            Stream::new(StreamOwned::new(connection, socket))
                        }
                    };
                    serve(&mut stream, &notes);
                    stream.finish();
                });
            }
        });
        Self { addr, connections, heads }
    }

    /// Answers every request with `answer`, on connections that stay.
    pub fn says(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |stream, notes| {
            while let Ok(head) = stream.head() {
                let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
                notes.lock().unwrap().push(head);
                stream.exactly(length);
                stream.write(&answer);
            }
        })
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads that were noted.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// An answer with this body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A request without a body.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: front\r\n\r\n")
}

/// What `curl` says.
pub fn curl(words: &[&str]) -> String {
    let out = Command::new("curl").args(["-sS", "--max-time", "20"]).args(words).output().unwrap();
    assert!(out.status.success(), "curl {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// What the admin port at `target` has counted under `name`.
pub fn counted(target: &str, name: &str) -> u64 {
    let text = curl(&[&format!("{target}/metrics")]);
    let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    let line = line.unwrap_or_else(|| panic!("there is no {name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
