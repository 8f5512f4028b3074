//! One connection: the handshake, the frames that come, the timers.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::behaviour::Behaviour;
use crate::frame::{Frame, MAX_PAYLOAD, PREFACE, flag, kind, setting};
use crate::hpack;
use crate::server::Shared;
use crate::stream::Stream;

const PING_INTERVAL: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Connection {
    socket: TcpStream,
    pub(crate) behaviour: Behaviour,
    number: u64,
    pub(crate) shared: Arc<Shared>,
    inbox: Vec<u8>,
    pub(crate) out: Vec<u8>,
    window: i64,
    initial_window: i64,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// Streams that are answered rightly, but later.
    pub(crate) later: Vec<(Instant, u32)>,
    next_ping: Option<Instant>,
    /// When the connection is dropped, unless the PING that is out is acknowledged.
    ping_deadline: Option<Instant>,
    /// Nothing is read any more; what is in `out` still goes.
    pub(crate) closing: bool,
    /// Once all streams have ended, the connection does.
    pub(crate) draining: bool,
    /// New calls are not looked at.
    pub(crate) deaf: bool,
}

impl Connection {
    pub(crate) fn new(
        socket: TcpStream,
        behaviour: Behaviour,
        number: u64,
        shared: Arc<Shared>,
    ) -> Connection {
        let pings = behaviour == Behaviour::PingOrDie;
        Connection {
            socket,
            behaviour,
            number,
            shared,
            inbox: Vec::new(),
            out: Vec::new(),
            window: 65_535,
            initial_window: 65_535,
            streams: BTreeMap::new(),
            later: Vec::new(),
            next_ping: pings.then(|| Instant::now() + PING_INTERVAL),
            ping_deadline: None,
            closing: false,
            draining: false,
            deaf: false,
        }
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        while self.inbox.len() < PREFACE.len() {
            if !self.read()? {
                return Ok(());
            }
        }
        self.inbox.drain(..PREFACE.len());
        self.greet();
        loop {
            while !self.closing
                && let Some(frame) = Frame::take(&mut self.inbox)
            {
                self.frame(&frame);
            }
            self.timers(Instant::now());
            self.flush();
            self.socket.write_all(&self.out)?;
            self.out.clear();
            if self.closing {
                return self.close();
            }
            if !self.read()? {
                return Ok(());
            }
        }
    }

    /// Reads once, at most until the next timer. False where the client is gone.
    fn read(&mut self) -> io::Result<bool> {
        let wake = self.later.iter().map(|(at, _)| *at).chain(self.next_ping).chain(self.ping_deadline).min();
        let wait = wake.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        self.socket.set_read_timeout(wait)?;
        let mut chunk = [0; 65_536];
        match self.socket.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.inbox.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Moves what the windows allow from the streams to `out`.
    pub(crate) fn flush(&mut self) {
        let most = if self.behaviour == Behaviour::OneByteFrames { 1 } else { MAX_PAYLOAD };
        for (id, stream) in &mut self.streams {
            stream.flush(*id, most, &mut self.window, &mut self.out);
        }
        self.streams.retain(|_, stream| !(stream.ended && stream.half_closed));
        self.closing |= self.draining && self.later.is_empty() && self.streams.is_empty();
    }

    /// Ends the connection so that what was sent arrives: with bytes unread, close() would make the kernel send a
    /// reset, and the client might lose what it has not read yet.
    fn close(mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        self.socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        while matches!(self.socket.read(&mut [0; 65_536]), Ok(1..)) {}
        Ok(())
    }

    /// What this side says first.
    fn greet(&mut self) {
        let settings: &[(u16, u32)] = match self.behaviour {
            Behaviour::Mute => return,
            Behaviour::Http1 => {
                let body = "<html><body>400 Bad Request</body></html>";
                let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n";
                let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                self.out.extend_from_slice(text.as_bytes());
                self.closing = true;
                return;
            }
            Behaviour::Garbage => {
                self.out.extend((0..999u32).map(|i| (i * 167 + 89) as u8));
                self.closing = true;
                return;
            }
            Behaviour::MaxStreamsOne => &[(setting::MAX_CONCURRENT_STREAMS, 1)],
            Behaviour::WindowOne => &[(setting::INITIAL_WINDOW_SIZE, 1)],
            Behaviour::WindowZero => &[(setting::INITIAL_WINDOW_SIZE, 0)],
            _ => &[],
        };
        Frame::settings(settings).encode(&mut self.out);
    }

    fn acks(&self) -> bool {
        !matches!(self.behaviour, Behaviour::Mute | Behaviour::SilenceNoAck)
    }

    fn frame(&mut self, frame: &Frame) {
        self.shared.record().frame(self.number, frame);
        let ack = frame.has(flag::ACK);
        match frame.kind {
            kind::SETTINGS if ack => self.shared.count(|stats| stats.settings_acks += 1),
            kind::SETTINGS => self.settings(frame),
            kind::PING if ack => {
                self.ping_deadline = None;
                self.shared.count(|stats| stats.pongs += 1);
            }
            kind::PING => {
                self.shared.count(|stats| stats.pings_received += 1);
                if self.acks() {
                    Frame::new(kind::PING, flag::ACK, 0, frame.payload.clone()).encode(&mut self.out);
                }
            }
            kind::GOAWAY => self.shared.count(|stats| stats.goaways += 1),
            kind::WINDOW_UPDATE => {
                let bytes = frame.words().first().map_or(0, |bytes| i64::from(*bytes));
                if frame.stream == 0 {
                    self.window += bytes;
                } else if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.window += bytes;
                }
            }
            kind::RST_STREAM => {
                self.streams.remove(&frame.stream);
                self.later.retain(|(_, id)| *id != frame.stream);
                self.shared.count(|stats| stats.resets += 1);
            }
            kind::HEADERS => {
                self.open(frame.stream);
                self.request(frame.stream, &[], frame.has(flag::END_STREAM));
            }
            kind::DATA => {
                self.open_windows(frame);
                self.request(frame.stream, frame.data(), frame.has(flag::END_STREAM));
            }
            // CONTINUATION among them: the headers of a request are not looked at.
            _ => (),
        }
    }

    fn open(&mut self, id: u32) {
        if !self.deaf {
            self.streams.insert(id, Stream::new(self.initial_window));
        }
        let open = self.streams.len() as u64;
        self.shared.count(|stats| {
            stats.streams += 1;
            stats.most_streams = stats.most_streams.max(open);
        });
    }

    fn settings(&mut self, frame: &Frame) {
        for setting in frame.payload.as_chunks::<6>().0 {
            let &[a, b, c, d, e, f] = setting;
            if u16::from_be_bytes([a, b]) == setting::INITIAL_WINDOW_SIZE {
                let initial = i64::from(u32::from_be_bytes([c, d, e, f]));
                for stream in self.streams.values_mut() {
                    stream.window += initial - self.initial_window;
                }
                self.initial_window = initial;
            }
        }
        if self.acks() {
            Frame::new(kind::SETTINGS, flag::ACK, 0, []).encode(&mut self.out);
        }
    }

    /// Gives back the room that DATA took, padding included.
    fn open_windows(&mut self, frame: &Frame) {
        let bytes = frame.payload.len() as u32;
        if bytes == 0 || self.behaviour == Behaviour::Mute {
            return;
        }
        Frame::window_update(0, bytes).encode(&mut self.out);
        if !frame.has(flag::END_STREAM) && self.behaviour != Behaviour::WindowZero {
            Frame::window_update(frame.stream, bytes).encode(&mut self.out);
        }
    }

    /// A part of a request came.
    fn request(&mut self, id: u32, data: &[u8], end: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.inbox.extend_from_slice(data);
        stream.half_closed |= end;
        if stream.acted {
            return;
        }
        if stream.answering || self.behaviour.is_right() {
            if self.behaviour != Behaviour::MaxStreamsOne {
                self.echo(id);
            } else if end {
                self.later.push((Instant::now() + Duration::from_millis(30), id));
            }
            return;
        }
        let message = stream.message().map(<[u8]>::to_vec);
        if message.is_some() || end {
            stream.acted = true;
            // A call without messages is answered as if it had sent an empty one.
            self.act(id, message.unwrap_or_else(|| vec![0; 5]));
        }
    }

    /// Sends back the messages that are whole, and the status after the half-close.
    pub(crate) fn echo(&mut self, id: u32) {
        let odd = self.behaviour == Behaviour::Oddities;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.acted = false;
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| stream.take_message()).collect();
        if !stream.answering && (stream.half_closed || !messages.is_empty()) {
            stream.answering = true;
            if odd {
                Frame::new(0xbe, 0xff, id, *b"an extension").encode(&mut self.out);
                Frame::new(0xbe, 0xff, 0, *b"another").encode(&mut self.out);
                stream.headers(hpack::block(&[(":status", "103"), ("link", "</style.css>")]), false);
            }
            stream.headers(hpack::block(&[(":status", "200"), ("content-type", "application/grpc")]), false);
        }
        for message in messages {
            stream.data(message, false);
        }
        if stream.half_closed {
            stream.headers(hpack::block(&[("grpc-status", "0")]), true);
        }
    }

    fn timers(&mut self, now: Instant) {
        let (due, later): (Vec<_>, Vec<_>) = self.later.drain(..).partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, id) in due {
            self.echo(id);
        }
        if self.ping_deadline.is_some_and(|at| at <= now) {
            self.shared.count(|stats| stats.dropped += 1);
            self.closing = true;
        } else if self.next_ping.is_some_and(|at| at <= now) {
            self.next_ping = Some(now + PING_INTERVAL);
            self.ping_deadline = self.ping_deadline.or(Some(now + PING_TIMEOUT));
            Frame::new(kind::PING, 0, 0, *b"still ok").encode(&mut self.out);
            self.shared.count(|stats| stats.pings += 1);
        }
    }
}
