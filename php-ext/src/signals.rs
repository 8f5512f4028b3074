//! Signals while PHP's thread waits inside the extension.
//!
//! PHP runs the handlers of `pcntl_signal()` between its own instructions, and a thread that waits in here comes to
//! none. So whenever PHP code installs a handler, one of ours is put before it: it calls PHP's, which notes the signal,
//! and makes the wait look. Client waits then run the handlers where the program wants them run at once
//! (`pcntl_async_signals`), servers in any case.
//!
//! While a server or a proxy runs, SIGTERM and SIGINT make it drain unless PHP code had a handler for them before.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as StdStream;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ext_php_rs::ffi::{ZEND_INTERNAL_FUNCTION, ext_php_rs_compiler_globals, zend_hash_str_find};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use tokio::net::UnixStream;
use viaduct::reactor::fork::{Bound, Tracked, generation};

use crate::callable::Callable;
use crate::errors::Thrown;
use crate::zend::call::Call;
use crate::zend::string;

/// Those that make a server drain.
const STOP: [i32; 2] = [libc::SIGTERM, libc::SIGINT];

/// How long after a stop signal another one is the same request: process groups and `timeout` send two.
const SAME: Duration = Duration::from_secs(1);

/// Signals are numbered from 1 to 64.
const NUMBERS: usize = 65;

/// The socket that our handler writes to; −1: nobody has waited yet.
static EVENT: AtomicI32 = AtomicI32::new(-1);
/// The process that it belongs to. Not its `fork::generation`: a signal may reach a forked child before that is
/// counted up there.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// Whether a signal has come that PHP code handles, since this was last asked.
static SEEN: AtomicBool = AtomicBool::new(false);
/// Whether PHP code has handlers.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// Bits of the signals that make the running server drain, and of those that have come.
static STOPPING: AtomicU64 = AtomicU64::new(0);
static TOLD: AtomicU64 = AtomicU64::new(0);
/// PHP's handlers, by signal number; 0: PHP has no handler.
static BEFORE: [AtomicUsize; NUMBERS] = [const { AtomicUsize::new(0) }; NUMBERS];
/// PHP's `pcntl_signal()`, once it has been wrapped.
static PCNTL_SIGNAL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static READER: RefCell<Option<Bound<Reader>>> = const { RefCell::new(None) };
}

/// A pair of sockets, whose other end our handler writes to.
struct Reader {
    _tracked: [Tracked; 2],
    event: Arc<UnixStream>,
    writer: StdStream,
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n)) else { return };
    let before = before.load(SeqCst);
    let bit = 1u64 << (signal & 63);
    // SAFETY: may be called in a signal handler.
    let is_owner = OWNER.load(SeqCst) == unsafe { libc::getpid() };
    if before == 0 && !is_owner {
        // A forked child: it is not the server, and ends as processes do.
        // SAFETY: both may be called in a signal handler.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        return;
    }
    if STOPPING.load(SeqCst) & bit != 0 && is_owner {
        TOLD.fetch_or(bit, SeqCst);
    }
    if before != 0 {
        // SAFETY: the address of a function that was installed for this signal. Those of one parameter do not look at
        // the others.
        unsafe {
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(before);
            handler(signal, info, context);
        }
        SEEN.store(true, SeqCst);
    }
    let event = EVENT.load(SeqCst);
    if event >= 0 && is_owner {
        // SAFETY: both may be called in a signal handler; one byte that is there is written. A socket that is full wakes
        // the thread, too.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            libc::send(event, ptr::from_ref(&1u8).cast(), 1, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
            *errno = saved;
        }
    }
}

/// Wraps `pcntl_signal()`, once it is there: in MINIT, and again where pcntl is loaded after us, or once more.
pub(crate) fn hook() {
    const NAME: &[u8] = b"pcntl_signal";
    // SAFETY: the table lives as long as the process, and what it holds are functions; a disabled one is not in it. The
    // pointer is written before PHP code runs, or by the thread that runs it.
    unsafe {
        let table = (*ext_php_rs_compiler_globals()).function_table;
        if table.is_null() {
            return;
        }
        let Some(entry) = zend_hash_str_find(table, NAME.as_ptr().cast(), NAME.len()).as_ref() else {
            return;
        };
        let Some(function) = entry.value.func.as_mut() else { return };
        if u32::from(function.type_) == ZEND_INTERNAL_FUNCTION
            && let Some(handler) = function.internal_function.handler
            && !ptr::fn_addr_eq(handler, pcntl_signal as unsafe extern "C" fn(*mut ExecuteData, *mut Zval))
        {
            PCNTL_SIGNAL.store(handler as usize, SeqCst);
            function.internal_function.handler = Some(pcntl_signal);
        }
    }
}

/// `pcntl_signal()`: PHP's, and then our handler before the one that it has installed.
unsafe extern "C" fn pcntl_signal(frame: *mut ExecuteData, result: *mut Zval) {
    let handler = PCNTL_SIGNAL.load(SeqCst);
    if handler == 0 {
        return;
    }
    // SAFETY: the address of PHP's function, which is given what this one was given.
    unsafe {
        let handler: unsafe extern "C" fn(*mut ExecuteData, *mut Zval) = std::mem::transmute(handler);
        handler(frame, result);
    }
    let _ = std::panic::catch_unwind(|| {
        // SAFETY: the engine's frame, whose arguments PHP's function has left.
        let call = unsafe { frame.as_mut() }.map(Call::new);
        let Some(Ok(arguments)) = call.map(|call| call.arguments(2..=3)) else { return };
        if let (Ok(signal), Ok(wish)) = (arguments.get::<&Zval>(0), arguments.get::<&Zval>(1))
            && let Some(signal) = signal.long().and_then(|signal| i32::try_from(signal).ok())
        {
            watch(signal, !wish.is_long());
        }
    });
}

/// PHP code has changed what a signal does; whether it has a handler now.
fn watch(signal: i32, handled: bool) {
    let Some(slot) = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n)) else { return };
    let stops = STOPPING.load(SeqCst) & (1u64 << (signal & 63)) != 0;
    let Some(mut action) = installed(signal) else { return };
    let known = action.sa_sigaction;
    if known == on_signal as *const () as usize {
        return;
    }
    if handled && known > libc::SIG_IGN {
        slot.store(known, SeqCst);
        WATCHED.store(true, SeqCst);
    } else {
        slot.store(0, SeqCst);
        // It is ignored, or does what it does by default: make the server drain, while there is one.
        if !stops || known == libc::SIG_IGN {
            return;
        }
    }
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags |= libc::SA_SIGINFO;
    install(signal, &action);
}

fn installed(signal: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the struct is written by the call.
    unsafe { (libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0).then(|| action.assume_init()) }
}

fn install(signal: i32, action: &libc::sigaction) -> bool {
    // SAFETY: the struct is read by the call; our handler does what handlers may.
    unsafe { libc::sigaction(signal, ptr::from_ref(action), ptr::null_mut()) == 0 }
}

/// Whether PHP code has handlers for signals.
#[inline]
pub(crate) fn are_watched() -> bool {
    WATCHED.load(SeqCst)
}

/// Ready where a signal has come that PHP code handles. To be called on the reactor, by the future that is driven.
pub(crate) fn poll_seen(cx: &mut Context<'_>) -> Poll<()> {
    if are_watched() {
        poll_event(cx);
        if SEEN.load(SeqCst) {
            return Poll::Ready(());
        }
    }
    Poll::Pending
}

/// Empties the socket, and has the future woken at the next signal.
fn poll_event(cx: &mut Context<'_>) {
    with_event(|event| {
        while let Poll::Ready(Ok(())) = event.poll_read_ready(cx) {
            if !empty(event) {
                break;
            }
        }
    });
}

/// The socket of this process; `None` where the system gives none: then handlers run when the wait is over.
fn with_event<T>(then: impl FnOnce(&Arc<UnixStream>) -> T) -> Option<T> {
    READER.with_borrow_mut(|reader| {
        if reader.as_ref().is_none_or(|reader| reader.get().is_none()) {
            let before = reader.replace(Bound::new(Reader::new().ok()?));
            drop(before);
        }
        reader.as_ref().and_then(Bound::get).map(|reader| then(&reader.event))
    })
}

/// Takes what the socket has. Whether there may be more to come.
fn empty(event: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    match event.try_read(&mut bytes) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Waits for a stop signal where the server's loop cannot, as PHP code does not come back to it.
pub(crate) struct Watch(Option<Arc<UnixStream>>);

impl Watch {
    /// Resolves once a signal has told the server to stop, which the loop has not seen yet. The loop sees it all the same.
    pub(crate) async fn told(&self) {
        while TOLD.load(SeqCst) == 0 {
            let more = match &self.0 {
                Some(event) => event.readable().await.is_ok() && empty(event),
                None => false,
            };
            if !more {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Reader {
    fn new() -> io::Result<Self> {
        let (reader, writer) = StdStream::pair()?;
        reader.set_nonblocking(true)?;
        let tracked = [Tracked::new(&reader), Tracked::new(&writer)];
        let event = Arc::new(UnixStream::from_std(reader)?);
        OWNER.store(std::process::id().cast_signed(), SeqCst);
        EVENT.store(writer.as_raw_fd(), SeqCst);
        Ok(Self { _tracked: tracked, event, writer })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = EVENT.compare_exchange(self.writer.as_raw_fd(), -1, SeqCst, SeqCst);
    }
}

/// Forgets the sockets, before the reactor goes.
pub(crate) fn shutdown() {
    let reader = READER.take();
    drop(reader);
}

/// Lets PHP's handlers run where a signal has come. `always`: also where the program wants to call
/// `pcntl_signal_dispatch()` itself.
///
/// # Errors
///
/// What a handler throws.
#[inline]
pub(crate) fn dispatch(always: bool) -> Result<(), Thrown> {
    if are_watched() && SEEN.swap(false, SeqCst) { run_handlers(always) } else { Ok(()) }
}

#[cold]
fn run_handlers(always: bool) -> Result<(), Thrown> {
    if !always {
        let Some(wanted) = Callable::new(&string(b"pcntl_async_signals")) else { return Ok(()) };
        if wanted.call(&mut [])?.bool() != Some(true) {
            return Ok(());
        }
    }
    match Callable::new(&string(b"pcntl_signal_dispatch")) {
        Some(dispatch) => dispatch.call(&mut []).map(drop),
        None => Ok(()),
    }
}

/// What a stop signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Drain.
    Stop,
    /// Cut what is left: it is the second one, and more than a second after the first.
    Again,
}

/// SIGTERM and SIGINT make the server drain while this lives.
pub(crate) struct StopSignals {
    restore: Vec<(i32, libc::sigaction)>,
    first: Cell<Option<Instant>>,
    generation: u32,
}

impl StopSignals {
    /// Starts catching those for which PHP code has no handler. The system's table does not tell: PHP puts a handler of
    /// its own in place of the default action. So PHP is asked.
    ///
    /// # Errors
    ///
    /// What PHP throws when it is asked.
    pub(crate) fn catch() -> Result<Self, Thrown> {
        hook();
        let ask = Callable::new(&string(b"pcntl_signal_get_handler"));
        // Dropped where PHP throws, which restores what has been changed by then.
        let mut caught = Self { restore: Vec::new(), first: Cell::new(None), generation: generation() };
        TOLD.store(0, SeqCst);
        for signal in STOP {
            if let Some(ask) = &ask {
                let mut number = Zval::new();
                number.set_long(i64::from(signal));
                // 0 is SIG_DFL.
                if ask.call(&mut [number])?.long() != Some(0) {
                    continue;
                }
            }
            let Some(before) = installed(signal).filter(|action| action.sa_sigaction != libc::SIG_IGN) else {
                continue;
            };
            if let Some(slot) = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n)) {
                slot.store(0, SeqCst);
            }
            STOPPING.fetch_or(1u64 << (signal & 63), SeqCst);
            // SAFETY: a struct of numbers and a set, for which zeros are values.
            let mut ours = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
            ours.sa_sigaction = on_signal as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            if install(signal, &ours) {
                caught.restore.push((signal, before));
            }
        }
        Ok(caught)
    }

    /// For a task that waits beside the loop. To be called on the reactor.
    pub(crate) fn watch(&self) -> Watch {
        Watch(with_event(Arc::clone))
    }

    /// Whether a signal has told the server to stop since this was last asked. To be called on the reactor, by the future
    /// that is driven.
    pub(crate) fn poll_told(&self, cx: &mut Context<'_>) -> Option<Told> {
        poll_event(cx);
        if TOLD.load(SeqCst) == 0 || TOLD.swap(0, SeqCst) == 0 {
            return None;
        }
        match self.first.get() {
            None => {
                self.first.set(Some(Instant::now()));
                Some(Told::Stop)
            }
            Some(first) => (first.elapsed() >= SAME).then_some(Told::Again),
        }
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        if self.generation != generation() {
            return;
        }
        STOPPING.store(0, SeqCst);
        for (signal, before) in &self.restore {
            let handled = usize::try_from(*signal).ok().and_then(|n| BEFORE.get(n));
            let ours =
                installed(*signal).is_some_and(|now| now.sa_sigaction == on_signal as *const () as usize);
            // Where PHP code has installed a handler meanwhile, it stays.
            if ours && handled.is_some_and(|slot| slot.load(SeqCst) == 0) {
                install(*signal, before);
            }
        }
    }
}
