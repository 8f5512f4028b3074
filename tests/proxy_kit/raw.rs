//! A client and a backend that speak in frames.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use viaduct_testkit::frame::{self, Frame, PREFACE, flag, kind, setting};
use viaduct_testkit::hpack::{self, Field};

use super::Running;

/// One side of a connection. Its windows are opened wide, unless it is told otherwise.
pub struct Peer {
    socket: TcpStream,
    buffer: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(10);

pub const POST: [Field<'static>; 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/test.Echo/Unary"),
    (":authority", "front.example"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];
pub const OK_HEAD: [Field<'static>; 2] = [(":status", "200"), ("content-type", "application/grpc")];
pub const OK_TRAILERS: [Field<'static>; 1] = [("grpc-status", "0")];

impl Peer {
    /// A client that has said hello.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], 1 << 30)
    }

    /// A client with settings of its own.
    pub fn connect_with(addr: SocketAddr, settings: &[(u16, u32)], window: u32) -> Self {
        let mut peer = Self::over(TcpStream::connect(addr).unwrap());
        peer.write(PREFACE);
        peer.greet(settings, window);
        peer
    }

    fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    fn greet(&mut self, settings: &[(u16, u32)], window: u32) {
        self.send(&[Frame::settings(settings)]);
        if window > 0 {
            self.send(&[Frame::window_update(0, window)]);
        }
    }

    /// A peer that has closed the connection takes nothing; what it said before can still be read.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.socket.write_all(bytes) {
            let closed = [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::ConnectionReset];
            assert!(closed.contains(&error.kind()), "{error}");
        }
    }

    pub fn send(&mut self, frames: &[Frame]) {
        let mut out = Vec::new();
        frames.iter().for_each(|f| f.encode(&mut out));
        self.write(&out);
    }

    pub fn headers(&mut self, stream: u32, fields: &[Field<'_>], end: bool) {
        let mut out = Vec::new();
        frame::headers(stream, &hpack::block(fields), end, &mut out);
        self.write(&out);
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        let flags = if end { flag::END_STREAM } else { 0 };
        self.send(&[Frame::new(kind::DATA, flags, stream, bytes)]);
    }

    pub fn reset(&mut self, stream: u32, code: u32) {
        self.send(&[Frame::rst_stream(stream, code)]);
    }

    /// The next frame of a stream; SETTINGS, PINGs and WINDOW_UPDATEs are seen to. `None` at the connection's end.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.any()?;
            match frame.kind {
                kind::SETTINGS if !frame.has(flag::ACK) => {
                    self.send(&[Frame::new(kind::SETTINGS, flag::ACK, 0, [])]);
                }
                kind::PING if !frame.has(flag::ACK) => {
                    self.send(&[Frame::new(kind::PING, flag::ACK, 0, frame.payload)]);
                }
                kind::SETTINGS | kind::PING | kind::WINDOW_UPDATE => {}
                _ => return Some(frame),
            }
        }
    }

    /// The next frame, whatever it is.
    pub fn any(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return Some(frame);
            }
            let mut chunk = [0; 64 << 10];
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came within {PATIENCE:?}: {error}"),
            }
        }
    }

    /// The frames of one stream, to its end.
    pub fn stream(&mut self, id: u32) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Some(frame) = self.next() {
            if frame.stream != id {
                continue;
            }
            let ends = frame.kind == kind::RST_STREAM
                || (matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.has(flag::END_STREAM));
            all.push(frame);
            if ends {
                break;
            }
        }
        all
    }

    /// Ends the connection without a word.
    pub fn cut(self) {
        drop(self);
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }
}

/// What frames are, without what is in them: "HEADERS", "DATA 5", "HEADERS end", "RST 8".
pub fn shape(frames: &[Frame]) -> Vec<String> {
    let one = |f: &Frame| {
        let end = if f.kind != kind::RST_STREAM && f.has(flag::END_STREAM) { " end" } else { "" };
        match f.kind {
            kind::HEADERS => format!("HEADERS{end}"),
            kind::DATA => format!("DATA {}{end}", f.payload.len()),
            kind::RST_STREAM => format!("RST {}", f.words()[0]),
            kind::GOAWAY => format!("GOAWAY {}", f.words()[1]),
            other => format!("type {other}"),
        }
    };
    frames.iter().map(one).collect()
}

/// A backend whose connections a test serves by hand.
pub struct Backend(TcpListener);

impl Backend {
    pub fn listen() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (Self(listener), addr)
    }

    /// The next connection; its preface is read, and SETTINGS are sent.
    pub fn accept(&self) -> Peer {
        self.accept_with(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], 1 << 30)
    }

    pub fn accept_with(&self, settings: &[(u16, u32)], window: u32) -> Peer {
        let (socket, _) = self.0.accept().unwrap();
        let mut peer = Peer::over(socket);
        let mut preface = [0; PREFACE.len()];
        peer.socket.read_exact(&mut preface).unwrap();
        assert_eq!(&preface, PREFACE);
        peer.greet(settings, window);
        peer
    }
}

/// A call that was begun by a raw client and has arrived at a raw backend.
pub struct Joined {
    pub proxy: Running,
    pub client: Peer,
    pub backend: Peer,
    _listener: Backend,
    /// The stream's number at the backend.
    pub there: u32,
}

pub fn joined(end: bool) -> Joined {
    joined_by(&POST, end)
}

/// The same for a request with this head.
pub fn joined_by(head: &[Field<'_>], end: bool) -> Joined {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    client.headers(1, head, end);
    let mut backend = listener.accept();
    let head = backend.next().unwrap();
    assert_eq!(shape(std::slice::from_ref(&head)), [if end { "HEADERS end" } else { "HEADERS" }]);
    Joined { proxy, client, backend, _listener: listener, there: head.stream }
}
