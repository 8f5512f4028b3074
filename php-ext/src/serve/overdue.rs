//! What a server does where PHP code does not come back: a handler that computes, or blocks in `flock()`.
//!
//! The reactor's janitor drives the runtime then, so a task of ours still runs: [`watch`]. It sees the signal that tells the
//! server to stop and begins to drain; when drainTimeout is over it answers every call that is left, and where the PHP thread
//! has not come back shortly after, it writes to the error log where PHP code is, and ends the process. No PHP code runs any
//! more then: no shutdown function, no destructor.

use std::ffi::CString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tokio::sync::Notify;
use viaduct::Status;
use viaduct::reactor::Owner;
use viaduct::server::{Inbox, ServerCall, ServerHandle};

use super::Answer;
use crate::signals::Watch;
use crate::zend::walk::Observed;

/// How long after drainTimeout answers may take to leave, and PHP code to come back.
pub(crate) const GRACE: Duration = Duration::from_millis(300);

/// How long after drainTimeout the process ends also where PHP code comes back again and again, but not to an end.
const LAST: Duration = Duration::from_secs(5);

/// What the process ends with.
const EXIT_CODE: i32 = 1;

/// What the server's loop and the task know of each other.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The server was told to stop, by a signal that its loop has seen or by `stop()`.
    stopped: Notify,
    /// The calls that were left at the end have been answered.
    cut: AtomicBool,
    cut_told: Notify,
    /// `run()` is over.
    ended: AtomicBool,
}

/// The PHP thread's hold on it: each call takes one, and counts it without atomic operations.
#[allow(clippy::redundant_allocation)]
pub(crate) type LocalShared = Rc<Arc<Shared>>;

#[derive(Default)]
struct State {
    /// The calls whose handlers run, by their places.
    calls: Vec<Option<Call>>,
    free: Vec<usize>,
    outbox: Vec<Answer>,
}

/// A call whose handler runs.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) call: ServerCall,
    pub(crate) method: u32,
    /// See [`Observed::fiber`].
    pub(crate) fiber: usize,
}

/// What the task is made of.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: ServerHandle,
    pub(crate) inbox: Inbox,
    pub(crate) signals: Watch,
    pub(crate) owner: Option<Owner>,
    pub(crate) php: Observed,
    /// By number: the method, and where its handler stands.
    pub(crate) handlers: Vec<(String, String)>,
    pub(crate) drain_timeout: Duration,
    pub(crate) log: Log,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Notes a call whose handler begins. The number is for [`end`](Self::end).
    pub(crate) fn begin(&self, call: Call) -> usize {
        let mut state = lock(&self.state);
        let place = state.free.pop().unwrap_or_else(|| {
            state.calls.push(None);
            state.calls.len() - 1
        });
        if let Some(slot) = state.calls.get_mut(place) {
            *slot = Some(call);
        }
        place
    }

    /// Its handler has ended, with an answer that leaves when the reactor has its turn.
    pub(crate) fn end(&self, place: usize, answer: Option<Answer>) {
        let mut state = lock(&self.state);
        let ended = state.calls.get_mut(place).and_then(Option::take);
        if ended.is_some() {
            state.free.push(place);
        }
        state.outbox.extend(answer);
        drop(state);
    }

    /// The calls whose handlers run.
    pub(crate) fn running(&self) -> Vec<Call> {
        lock(&self.state).calls.iter().flatten().cloned().collect()
    }

    /// Adds an answer to a call that has no handler.
    pub(crate) fn answer(&self, answer: Answer) {
        lock(&self.state).outbox.push(answer);
    }

    /// Sends the answers. On the reactor.
    pub(crate) fn flush(&self) {
        let mut answers = std::mem::take(&mut lock(&self.state).outbox);
        if answers.is_empty() {
            return;
        }
        for answer in answers.drain(..) {
            // A call that has ended otherwise meanwhile takes no answer any more.
            let _ = match answer {
                Answer::Reply(call, message, trailers) => call.reply(message, trailers),
                Answer::Finish(call, status, trailers) => call.finish(status, trailers),
            };
        }
        // The next ones find room.
        let mut state = lock(&self.state);
        if state.outbox.is_empty() {
            state.outbox = answers;
        }
    }

    /// The server was told to stop.
    pub(crate) fn stop(&self) {
        self.stopped.notify_one();
    }

    /// `run()` is over.
    pub(crate) fn finish(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Resolves once the calls that were left at the end have been answered.
    pub(crate) async fn cut(&self) {
        loop {
            let mut told = std::pin::pin!(self.cut_told.notified());
            told.as_mut().enable();
            if self.cut.load(Ordering::Acquire) {
                return;
            }
            told.await;
        }
    }
}

/// The status of a call that was left when drainTimeout was over.
pub(crate) fn cut_status() -> Status {
    Status::unavailable("the server stops, and the call did not end within its drainTimeout")
}

/// The task: see the module.
pub(crate) async fn watch(parts: Parts) {
    let shared = &parts.shared;
    tokio::select! {
        () = parts.signals.told() => {}
        () = shared.stopped.notified() => {}
    }
    if shared.has_ended() {
        return;
    }
    // The loop does so, too, when PHP code lets it.
    parts.handle.drain();
    let over = Instant::now() + parts.drain_timeout;
    tokio::time::sleep_until(over.into()).await;
    if shared.has_ended() {
        return;
    }
    // What handlers have returned leaves first; it may have waited behind the one that computes.
    shared.flush();
    let left = shared.running();
    for running in &left {
        let _ = running.call.finish(cut_status(), HeaderMap::new());
    }
    while let Some(incoming) = parts.inbox.pop() {
        let status = Status::unavailable("the server process is ending; no handler has run");
        let _ = incoming.call.finish(status, HeaderMap::new());
    }
    shared.cut.store(true, Ordering::Release);
    shared.cut_told.notify_waiters();
    loop {
        tokio::time::sleep(GRACE / 10).await;
        if shared.has_ended() {
            return;
        }
        let away = parts.owner.as_ref().and_then(Owner::away).unwrap_or_default();
        let late = over.elapsed();
        if late > LAST || (late > GRACE && away > GRACE) {
            parts.log.write(&parts.report(away));
            // SAFETY: ends the process, whatever its other threads do. What PHP would do at its end needs the thread that does
            // not come back.
            unsafe { libc::_exit(EXIT_CODE) };
        }
    }
}

impl Parts {
    /// What the error log says of the PHP thread that did not come back.
    fn report(&self, away: Duration) -> String {
        let fiber = self.php.fiber();
        let running = self.shared.running();
        // Where a task of a handler's runs, or a fiber of its own, and no other handler does, it is that one's.
        let alone = || running.first().filter(|_| running.len() == 1);
        let call = running.iter().find(|call| call.fiber == fiber).or_else(alone);
        let handler = call.and_then(|call| self.handlers.get(call.method as usize));
        let who = match handler {
            Some((method, place)) => format!("the handler of {method} ({place})"),
            None => "a task or a fiber that a handler has started".to_owned(),
        };
        let mut text = format!(
            "viaduct: {who} has not come back {} s after the server was told to stop (drainTimeout)",
            self.drain_timeout.as_secs_f64(),
        );
        if !away.is_zero() {
            let _ = write!(text, ", and has blocked all others for {:.1} s", away.as_secs_f64());
        }
        if let Some(place) = self.php.place() {
            let _ = write!(text, "; it is at {}:{}", place.file, place.line);
            if !place.function.is_empty() {
                let _ = write!(text, " in {}()", place.function);
            }
            if let Some(internal) = place.internal {
                let _ = write!(text, ", in a call of {internal}()");
            }
        }
        let _ = write!(text, ". The process ends with exit code {EXIT_CODE}.");
        text
    }
}

/// Where PHP's error log is, for a thread that cannot ask PHP. As it was when it was made.
pub(crate) enum Log {
    /// Standard error: for the command line, what `error_log` means where it is not set.
    Stderr,
    Syslog,
    File(PathBuf),
}

impl Log {
    /// By the setting `error_log`.
    pub(crate) fn of(setting: &[u8]) -> Self {
        match setting {
            b"" => Self::Stderr,
            b"syslog" => Self::Syslog,
            path => {
                let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
                // The script may change its directory.
                Self::File(std::path::absolute(&path).unwrap_or(path))
            }
        }
    }

    /// Writes a line as PHP does. What cannot be written is not; there is nobody to tell.
    fn write(&self, text: &str) {
        match self {
            Self::Stderr => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            Self::Syslog => {
                let text = CString::new(text.replace('\0', "")).unwrap_or_default();
                // SAFETY: a format with one string, which lives until the function returns.
                unsafe { libc::syslog(libc::LOG_ERR, c"%s".as_ptr(), text.as_ptr()) };
            }
            Self::File(path) => {
                let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o644).open(path);
                if let Ok(mut file) = file {
                    // One write, so that lines of other processes do not come between.
                    let _ = file.write_all(format!("[{}] {text}\n", now()).as_bytes());
                }
            }
        }
    }
}

/// The time as PHP's error log has it, in UTC.
fn now() -> String {
    let mut text = [0u8; 64];
    // SAFETY: the structs and the buffer are ours; the length that comes back is within the buffer.
    let length = unsafe {
        let seconds = libc::time(std::ptr::null_mut());
        let mut parts = std::mem::zeroed::<libc::tm>();
        libc::gmtime_r(&raw const seconds, &raw mut parts);
        let format = c"%d-%b-%Y %H:%M:%S UTC";
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &raw const parts)
    };
    String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned()
}
