//! What the tests of HTTP/2 share: a proxy that is watched, what it says of wrong frames, its headers read.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use viaduct::Code;
use viaduct::proxy::settings::{Admin, Settings};
use viaduct_testkit::frame::{Frame, PREFACE, flag, kind};

use super::calls::{block, called};
use super::plain::counted;
use super::raw::{Backend, OK_HEAD, OK_TRAILERS, Peer};
use super::{Running, eventually, settings};

/// The error codes that are told (RFC 9113, section 7).
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL: u32 = 1;
    pub const FLOW_CONTROL: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE: u32 = 6;
    pub const REFUSED: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION: u32 = 9;
    pub const CALM: u32 = 11;
}

pub const PUSH_PROMISE: u8 = 5;
pub const PRIORITY: u8 = 0x20;
pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const MAX_FRAME_SIZE: u16 = 5;

/// A proxy that tells what it counts.
pub struct Watched {
    pub running: Running,
    pub admin: String,
}

impl Watched {
    pub fn before(backends: &[SocketAddr]) -> Self {
        Self::start(settings(backends))
    }

    pub fn start(mut settings: Settings) -> Self {
        settings.admin = Some(Admin { address: "http://127.0.0.1:0".to_owned() });
        let running = Running::start(settings);
        let admin = running.proxy.admin().unwrap();
        Self { running, admin }
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// A counter, by its name without `viaduct_`.
    pub fn count(&self, name: &str) -> u64 {
        counted(&self.admin, &format!("viaduct_{name}"))
    }

    /// A counter comes to this value, and not beyond it.
    pub fn counts(&self, name: &str, value: u64) {
        eventually(|| self.count(name) >= value);
        assert_eq!(self.count(name), value, "{name}");
    }

    /// A call on another connection is answered.
    pub fn serves(&self) {
        assert_eq!(block(called(self.addr(), b"x")).2.unwrap().code(), Code::Ok);
    }

    /// Nothing is open any more.
    pub fn settles(&self) {
        eventually(|| self.count("requests_open") == 0 && self.count("connections_open") == 0);
    }
}

/// Bytes of these frames.
pub fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out
}

/// All that a client is told for these bytes behind the preface, until the proxy ends the connection.
/// `last`: no more comes from the client.
pub fn told(addr: SocketAddr, bytes: &[u8], last: bool) -> Vec<Frame> {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A connection that has been closed takes nothing more.
    let _ = socket.write_all(&[PREFACE, bytes].concat());
    if last {
        let _ = socket.shutdown(Shutdown::Write);
    }
    let mut all = Vec::new();
    if let Err(error) = socket.read_to_end(&mut all) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "the proxy does not end the connection"
        );
    }
    std::iter::from_fn(|| Frame::take(&mut all)).collect()
}

/// The code with which a connection ends.
pub fn goaway(frames: &[Frame]) -> Option<u32> {
    frames.iter().rfind(|frame| frame.kind == kind::GOAWAY).map(|frame| frame.words()[1])
}

impl Peer {
    /// The code of the GOAWAY with which the other side ends the connection.
    pub fn ends(&mut self) -> Option<u32> {
        let frames: Vec<_> = std::iter::from_fn(|| self.any()).collect();
        goaway(&frames)
    }

    /// Everything that comes until the other side has answered a PING: it has seen all that was sent before.
    pub fn settled(&mut self) -> Vec<Frame> {
        self.send(&[Frame::new(kind::PING, 0, 0, *b"settled?")]);
        let mut before = Vec::new();
        loop {
            let frame = self.any().expect("the connection stays");
            if frame.kind == kind::PING && frame.payload == b"settled?" {
                assert!(frame.has(flag::ACK));
                return before;
            }
            before.push(frame);
        }
    }

    /// The same, without what belongs to no stream, and without WINDOW_UPDATE.
    pub fn said(&mut self) -> Vec<Frame> {
        let mut frames = self.settled();
        frames.retain(|frame| frame.stream != 0 && frame.kind != kind::WINDOW_UPDATE);
        frames
    }

    /// The next frame that is a part of a header block, or DATA.
    pub fn any_of_streams(&mut self) -> Frame {
        loop {
            let frame = self.any().expect("the connection stays");
            if matches!(frame.kind, kind::HEADERS | kind::CONTINUATION | kind::DATA) {
                return frame;
            }
        }
    }

    /// Answers a call.
    pub fn answer(&mut self, stream: u32) {
        self.headers(stream, &OK_HEAD, false);
        self.headers(stream, &OK_TRAILERS, true);
    }
}

/// A backend's connection that may stand already.
pub fn backend_of(listener: &Backend, connected: &mut Option<Peer>) -> u32 {
    connected.get_or_insert_with(|| listener.accept()).next().unwrap().stream
}

/// The payloads of the first header block of these frames, put together.
pub fn header_block(frames: &[Frame]) -> Vec<u8> {
    let is_head = |frame: &&Frame| matches!(frame.kind, kind::HEADERS | kind::CONTINUATION);
    let mut block = Vec::new();
    for frame in frames.iter().filter(is_head) {
        block.extend_from_slice(&frame.payload);
        if frame.has(flag::END_HEADERS) {
            break;
        }
    }
    block
}

/// Reads the header blocks of the proxy, which has no Huffman codes (RFC 7541). Names of the static table are
/// known by their numbers only: `#8`; and so are values.
#[derive(Debug, Default)]
pub struct Headers {
    /// The newest entry first.
    table: VecDeque<(String, String)>,
    limit: usize,
    /// The updates of the table's size that came.
    pub sizes: Vec<usize>,
}

impl Headers {
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub fn read(&mut self, block: &[u8]) -> Vec<(String, String)> {
        let (mut fields, mut rest) = (Vec::new(), block);
        while let Some(first) = rest.first().copied() {
            let bits = match first {
                0x80.. => 7,
                0x40.. => 6,
                0x20.. => 5,
                _ => 4,
            };
            let index = number(&mut rest, bits);
            match first {
                0x80.. => fields.push(self.entry(index)),
                0x20..0x40 => {
                    assert!(fields.is_empty(), "the size changes within a block");
                    self.sizes.push(index);
                    self.limit = index;
                    self.shrink();
                }
                _ => {
                    let name = if index == 0 { text(&mut rest) } else { self.entry(index).0 };
                    let field = (name, text(&mut rest));
                    if first >= 0x40 {
                        self.table.push_front(field.clone());
                        self.shrink();
                    }
                    fields.push(field);
                }
            }
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, String) {
        assert_ne!(index, 0, "there is no entry 0");
        match index.checked_sub(62) {
            None => (format!("#{index}"), format!("#{index}")),
            Some(at) => self.table.get(at).expect("an entry that is there").clone(),
        }
    }

    fn shrink(&mut self) {
        while self.table.iter().map(|(name, value)| self.size(name, value)).sum::<usize>() > self.limit {
            self.table.pop_back();
        }
    }

    /// What an entry counts (RFC 7541, section 4.1).
    fn size(&self, name: &str, value: &str) -> usize {
        let known = match name {
            "#8" => ":status".len(),
            "#31" => "content-type".len(),
            "#28" => "content-length".len(),
            "#1" => ":authority".len(),
            "#4" => ":path".len(),
            "#58" => "user-agent".len(),
            name if name.starts_with('#') => panic!("how long is the name of {name}?"),
            name => name.len(),
        };
        known + value.len() + 32
    }

    /// The value of a field in the head or the trailers that these frames are.
    pub fn value(&mut self, frames: &[Frame], name: &str) -> Option<String> {
        self.read(&header_block(frames)).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

fn number(rest: &mut &[u8], bits: u32) -> usize {
    let mut next = || {
        let (first, others) = rest.split_first().expect("the number goes on");
        *rest = others;
        usize::from(*first)
    };
    let mask = (1 << bits) - 1;
    let mut value = next() & mask;
    if value == mask {
        for shift in (0..).step_by(7) {
            let byte = next();
            value += (byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    value
}

fn text(rest: &mut &[u8]) -> String {
    assert!(rest[0] < 0x80, "Huffman");
    let length = number(rest, 7);
    let (text, others) = rest.split_at(length);
    *rest = others;
    String::from_utf8(text.to_vec()).unwrap()
}

/// Numbers that look random, the same for the same seed (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbours among the seeds have nothing in common.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

/// A frame that may be anything: mostly of a known type, on a stream up to `last` or little beyond, of a
/// length that may be right.
pub fn any_frame(random: &mut Random, last: u32, blocks: &[Vec<u8>]) -> Frame {
    let kind = if random.below(10) == 0 { random.next() as u8 } else { random.below(10) as u8 };
    let stream = match random.below(4) {
        0 => 0,
        1 => random.below(u64::from(last) + 10) as u32,
        _ => last.saturating_sub(2 * random.below(4) as u32),
    };
    let flags = match random.below(3) {
        0 => random.next() as u8,
        1 => flag::END_HEADERS | random.below(2) as u8,
        _ => 0,
    };
    let length = match kind {
        kind::RST_STREAM | kind::WINDOW_UPDATE => 4,
        kind::PRIORITY => 5,
        kind::SETTINGS => 6 * random.below(3) as usize,
        kind::PING => 8,
        _ => 0,
    };
    let mut payload = random.bytes(200);
    if length > 0 && random.below(20) > 0 {
        payload.resize(length, 0);
    }
    if random.below(2) == 0 {
        match kind {
            kind::HEADERS => {
                payload = blocks[random.below(blocks.len() as u64) as usize].clone();
                return Frame::new(kind, flag::END_HEADERS | random.below(2) as u8, stream | 1, payload);
            }
            // A small step.
            kind::WINDOW_UPDATE => payload.iter_mut().take(2).for_each(|byte| *byte = 0),
            // A setting that there is, of a value that may be.
            kind::SETTINGS if payload.len() >= 6 => {
                payload[..6].copy_from_slice(&[
                    0,
                    1 + random.below(6) as u8,
                    0,
                    0,
                    0x40,
                    random.next() as u8,
                ]);
            }
            _ => {}
        }
    }
    Frame::new(kind, flags, stream, payload)
}
