//! The access log: one line for each request, written by a thread of its own.
//!
//! Whoever carries traffic makes the line and leaves it in a buffer. The thread takes what has gathered there and writes
//! it at once. Where the file is slower than the traffic the buffer fills up; what does not fit is counted, as a metric
//! and, once there is room again, by a line of its own.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::forward::Outcome;
use super::route::authority;
use super::settings::AccessLog;
use super::trace::Trace;
use super::upstream::lock;
use crate::reactor::fork;
use crate::status::code_name;

/// The buffer between the traffic and the thread, in bytes: some thousand lines.
const ROOM: usize = 1 << 20;

/// How long lines gather before they are written together. Waking the thread for each would cost more than the line.
const GATHER: Duration = Duration::from_millis(20);

/// How many lines were written, and how many were not, by all logs of a proxy.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// An open log. When it is dropped, what it has taken is still written.
#[derive(Debug)]
pub(super) struct Log {
    settings: AccessLog,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing will come any more.
    more: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    lines: u64,
    /// Lines that found no room since the last ones were taken.
    dropped: u64,
    closed: bool,
    ended: bool,
}

impl Log {
    /// Opens the file, at its end.
    ///
    /// # Errors
    ///
    /// Those of the file, or of starting a thread.
    pub(super) fn open(settings: &AccessLog, tally: &Arc<Tally>) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match &settings.path {
            Some(path) => Box::new(open(path)?),
            None => Box::new(io::stdout()),
        };
        Self::over(settings, tally, out)
    }

    fn over(settings: &AccessLog, tally: &Arc<Tally>, out: Box<dyn Write + Send>) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let writer = Writer {
            queue: Arc::clone(&queue),
            tally: Arc::clone(tally),
            out,
            json: settings.json,
            torn: false,
        };
        fork::without_signals(|| {
            std::thread::Builder::new().name("viaduct-log".into()).spawn(move || writer.run())
        })?;
        Ok(Self { settings: settings.clone(), queue, tally: Arc::clone(tally) })
    }

    /// A request has ended.
    pub(super) fn write(&self, outcome: &Outcome<'_>) {
        self.push(line(&self.settings, outcome, SystemTime::now()).as_bytes());
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = lock(&self.queue.waiting);
        if waiting.text.len() + line.len() > ROOM {
            waiting.dropped += 1;
            drop(waiting);
            self.tally.dropped.fetch_add(1, Relaxed);
            return;
        }
        let before = waiting.text.len();
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        let wake = before == 0 || before < ROOM / 2 && waiting.text.len() >= ROOM / 2;
        drop(waiting);
        if wake {
            self.queue.more.notify_one();
        }
    }

    /// Takes no more, and waits until all is written; not for longer than `patience`, as a pipe may have no reader.
    pub(super) fn finish(&self, patience: Duration) {
        self.close();
        let waiting = lock(&self.queue.waiting);
        let done = self.queue.ended.wait_timeout_while(waiting, patience, |waiting| !waiting.ended);
        drop(done);
    }

    fn close(&self) {
        lock(&self.queue.waiting).closed = true;
        self.queue.more.notify_one();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let pipe = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    let mut options = OpenOptions::new();
    // To open a pipe only for writing waits until somebody reads from it.
    match pipe {
        true => options.read(true).write(true),
        false => options.append(true).create(true),
    };
    options.open(path)
}

/// The thread that writes.
struct Writer {
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    out: Box<dyn Write + Send>,
    json: bool,
    /// The last attempt failed, perhaps within a line.
    torn: bool,
}

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            batch.clear();
            let Some((lines, dropped)) = self.take(&mut batch) else { return };
            if dropped > 0 {
                batch.extend_from_slice(notice(self.json, dropped, SystemTime::now()).as_bytes());
            }
            self.write(&batch, lines);
            let waiting = lock(&self.queue.waiting);
            let gathering = |waiting: &mut Waiting| !waiting.closed && waiting.text.len() < ROOM / 2;
            drop(self.queue.more.wait_timeout_while(waiting, GATHER, gathering));
        }
    }

    /// Waits for lines; none when there will be no more. How many there are, and how many found no room.
    fn take(&self, batch: &mut Vec<u8>) -> Option<(u64, u64)> {
        let waiting = lock(&self.queue.waiting);
        let idle = |waiting: &mut Waiting| waiting.lines == 0 && waiting.dropped == 0 && !waiting.closed;
        let mut waiting = self.queue.more.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.lines == 0 && waiting.dropped == 0 {
            waiting.ended = true;
            self.queue.ended.notify_all();
            return None;
        }
        std::mem::swap(batch, &mut waiting.text);
        Some((std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped)))
    }

    fn write(&mut self, batch: &[u8], lines: u64) {
        let torn = std::mem::take(&mut self.torn);
        let start: &[u8] = if torn { b"\n" } else { b"" };
        let written = self
            .out
            .write_all(start)
            .and_then(|()| self.out.write_all(batch))
            .and_then(|()| self.out.flush());
        match written {
            Ok(()) => {
                self.tally.written.fetch_add(lines, Relaxed);
            }
            Err(error) => {
                self.torn = true;
                self.tally.dropped.fetch_add(lines, Relaxed);
                if !torn {
                    tracing::warn!(%error, "cannot write to the access log; its lines are lost");
                }
            }
        }
    }
}

/// What stands for lines that found no room.
fn notice(json: bool, dropped: u64, now: SystemTime) -> String {
    let mut line = Line::new(json);
    line.text("time", &rfc3339(now));
    line.number("dropped_lines", dropped);
    line.end()
}

/// The line of a request.
fn line(settings: &AccessLog, outcome: &Outcome<'_>, now: SystemTime) -> String {
    let head = outcome.head;
    let mut line = Line::new(settings.json);
    line.text("time", &rfc3339(now));
    line.text("peer", &outcome.line.peer.to_string());
    line.text("method", head.method.as_str());
    line.text("path", head.uri.path());
    if let Some(authority) = authority(head) {
        line.text("authority", authority);
    }
    if let Some(route) = outcome.route {
        line.text("route", &route.settings.name);
        line.text("group", route.group.name());
    }
    if let Some(member) = outcome.member {
        line.text("backend", member.name());
    }
    match outcome.http {
        Some(status) => line.text("status", status.as_str()),
        None => line.text("status", code_name(outcome.code)),
    }
    if let Some(said) = outcome.said {
        line.text("said", said);
    }
    let micros = outcome.took.as_micros();
    line.number("duration_ms", format_args!("{}.{:03}", micros / 1000, micros % 1000));
    line.number("attempts", outcome.attempts);
    line.number("bytes_in", outcome.bytes.0);
    line.number("bytes_out", outcome.bytes.1);
    if let Some(trace) = Trace::of(&head.headers) {
        line.text("trace_id", trace.id);
    }
    for name in &settings.headers {
        let mut all =
            head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(first) = all.next() {
            let whole = all.fold(first.into_owned(), |whole, next| whole + ", " + &next);
            line.text(&format!("header.{name}"), &whole);
        }
    }
    line.end()
}

/// A line that is being made: `key=value`, or one JSON object. Keys are ours and need no escaping.
struct Line {
    text: String,
    json: bool,
}

impl Line {
    fn new(json: bool) -> Self {
        let mut text = String::with_capacity(512);
        if json {
            text.push('{');
        }
        Self { text, json }
    }

    fn key(&mut self, key: &str) {
        let first = self.text.len() <= usize::from(self.json);
        // Writing to a string does not fail.
        let _ = match (self.json, first) {
            (true, true) => write!(self.text, "\"{key}\":"),
            (true, false) => write!(self.text, ",\"{key}\":"),
            (false, true) => write!(self.text, "{key}="),
            (false, false) => write!(self.text, " {key}="),
        };
    }

    /// A value that may come from anywhere: it stays within its quotes, and on the line.
    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\');
        if !self.json && !value.is_empty() && value.bytes().all(plain) {
            self.text.push_str(value);
        } else {
            self.text.push_str(&serde_json::Value::from(value).to_string());
        }
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        // As above.
        let _ = write!(self.text, "{value}");
    }

    fn end(mut self) -> String {
        self.text.push_str(if self.json { "}\n" } else { "\n" });
        self.text
    }
}

/// A time as RFC 3339 has it, in UTC and milliseconds: `2026-11-25T15:40:25.123Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years that begin in March, so that the leap day is the last; 400 of them have 146,097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |millis| rfc3339(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(951_868_800_000), "2000-03-01T00:00:00.000Z");
        assert_eq!(at(1_735_689_599_007), "2024-12-31T23:59:59.007Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        // Before time began there is nothing.
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn values_cannot_leave_their_place() {
        let made = |json| {
            let mut line = Line::new(json);
            line.text("a", "plain/ok");
            line.text("b", "x\n\"y\" c=1\u{1b}");
            line.text("c", "");
            line.number("d", 1);
            line.end()
        };
        assert_eq!(made(false), "a=plain/ok b=\"x\\n\\\"y\\\" c=1\\u001b\" c=\"\" d=1\n");
        let read: serde_json::Value = serde_json::from_str(&made(true)).unwrap();
        assert_eq!(read, serde_json::json!({ "a": "plain/ok", "b": "x\n\"y\" c=1\u{1b}", "c": "", "d": 1 }));
    }

    /// Takes a batch when it is told to, and fails when it is told so.
    struct Slow(mpsc::Receiver<bool>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.recv() == Ok(false) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(json: bool) -> (Log, Arc<Tally>, mpsc::Sender<bool>, mpsc::Receiver<Vec<u8>>) {
        let settings = AccessLog { path: None, json, headers: Vec::new() };
        let tally = Arc::<Tally>::default();
        let ((go, going), (tell, told)) = (mpsc::channel(), mpsc::channel());
        let log = Log::over(&settings, &tally, Box::new(Slow(going, tell))).unwrap();
        (log, tally, go, told)
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        let (log, tally, go, told) = slow(true);
        let long = [b'x'; ROOM / 4];
        log.push(b"first\n");
        while lock(&log.queue.waiting).lines > 0 {
            std::thread::yield_now();
        }
        // The thread is held in the first write: four fit, two do not.
        for _ in 0..6 {
            log.push(&long);
        }
        assert_eq!(tally.dropped.load(Relaxed), 2);
        (0..2).for_each(|_| go.send(true).unwrap());
        assert_eq!(told.recv().unwrap(), b"first\n");
        let rest = told.recv().unwrap();
        let notice: serde_json::Value = serde_json::from_slice(&rest[ROOM..]).unwrap();
        assert_eq!(notice["dropped_lines"], 2);
        log.finish(Duration::from_secs(10));
        assert_eq!(tally.written.load(Relaxed), 5);
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let (log, tally, go, told) = slow(false);
        go.send(false).unwrap();
        log.push(b"lost\n");
        while tally.dropped.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        log.push(b"kept\n");
        (0..2).for_each(|_| go.send(true).unwrap());
        assert_eq!(told.recv().unwrap(), b"\n");
        assert_eq!(told.recv().unwrap(), b"kept\n");
        log.finish(Duration::from_secs(10));
        assert_eq!((tally.written.load(Relaxed), tally.dropped.load(Relaxed)), (1, 1));
    }
}
