//! Signals that come while PHP waits for a call to serve.
//!
//! PHP runs the handlers of `pcntl_signal()` between its own instructions, and a thread that waits in
//! here comes to none. So the functions that are installed for signals are called by one of ours,
//! which makes the wait end. Signals that have their default action, or are ignored, are left alone.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{IntoRawFd as _, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};

use tokio::net::UnixStream;
use viaduct::reactor::fork::{Bound, Tracked};

use crate::callable::Callable;
use crate::errors::Thrown;
use crate::scheduler::Scheduler;
use crate::zend::string;

/// Those that PHP programs handle.
const SIGNALS: [i32; 8] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCHLD,
    libc::SIGALRM,
];

/// Written to by the handler; −1: nobody has waited yet.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that the pipe belongs to.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// Whether a signal has come since this was last asked.
static SEEN: AtomicBool = AtomicBool::new(false);
/// The functions that are called, by signal number.
static BEFORE: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

thread_local! {
    static READER: RefCell<Option<Rc<Bound<Reader>>>> = const { RefCell::new(None) };
}

/// The other end of the pipe.
struct Reader {
    stream: UnixStream,
    writer: RawFd,
    _tracked: [Tracked; 2],
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n)) else { return };
    let before = before.load(SeqCst);
    if before > libc::SIG_IGN {
        // SAFETY: the address of a function that was installed for this signal. Those of one parameter
        // do not look at the others.
        unsafe {
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(before);
            handler(signal, info, context);
        }
    }
    SEEN.store(true, SeqCst);
    let pipe = PIPE.load(SeqCst);
    // SAFETY: both may be called in a signal handler; one byte that is there is written. A full pipe
    // wakes the thread, too.
    unsafe {
        if pipe >= 0 && OWNER.load(SeqCst) == libc::getpid() {
            let errno = libc::__errno_location();
            let saved = *errno;
            libc::send(pipe, ptr::from_ref(&1u8).cast(), 1, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
            *errno = saved;
        }
    }
}

/// A look out for signals.
pub(crate) struct Interrupts(Option<Rc<Bound<Reader>>>);

impl Interrupts {
    /// Begins to look out, for as long as the process lives or until [`restore`].
    pub(crate) fn watch(scheduler: &Scheduler) -> Self {
        let caught = SIGNALS.into_iter().filter(|signal| install(*signal)).count();
        Self(if caught == 0 { None } else { reader(scheduler) })
    }

    /// Waits for `work`, or for a signal.
    pub(crate) async fn unless(self, work: impl Future<Output = ()>) {
        match self.0.as_ref().and_then(|reader| reader.get()) {
            None => work.await,
            Some(reader) => tokio::select! {
                biased;
                () = work => {}
                () = reader.read() => {}
            },
        }
    }
}

impl Reader {
    fn new(scheduler: &Scheduler) -> io::Result<Self> {
        let (reader, writer) = StdStream::pair()?;
        reader.set_nonblocking(true)?;
        let handle = scheduler.reactor.handle().ok_or(ErrorKind::NotConnected)?;
        let _inside = handle.enter();
        let tracked = [Tracked::new(&reader), Tracked::new(&writer)];
        let reader =
            Self { stream: UnixStream::from_std(reader)?, writer: writer.into_raw_fd(), _tracked: tracked };
        OWNER.store(std::process::id().cast_signed(), SeqCst);
        PIPE.store(reader.writer, SeqCst);
        Ok(reader)
    }

    async fn read(&self) {
        let mut bytes = [0; 16];
        loop {
            if self.stream.readable().await.is_err() {
                return std::future::pending().await;
            }
            match self.stream.try_read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // All of them would not say more than one.
                _ => return,
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let ours = self.writer;
        let _ = PIPE.compare_exchange(ours, -1, SeqCst, SeqCst);
        // SAFETY: the descriptor is ours, and no handler uses it any more.
        unsafe {
            libc::close(ours);
        }
    }
}

/// The reader of this process; `None` where the system gives none.
fn reader(scheduler: &Scheduler) -> Option<Rc<Bound<Reader>>> {
    let known = READER.with_borrow(|reader| reader.as_ref().filter(|r| r.get().is_some()).map(Rc::clone));
    known.or_else(|| {
        let reader = Rc::new(Bound::new(Reader::new(scheduler).ok()?));
        let before = READER.replace(Some(Rc::clone(&reader)));
        drop(before);
        Some(reader)
    })
}

/// Puts our handler before a function. Whether there is one.
fn install(signal: i32) -> bool {
    // SAFETY: the structs are read and written by these calls only; the handler does what handlers may.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(signal, ptr::null(), &raw mut action) != 0 {
            return false;
        }
        let known = action.sa_sigaction;
        if known == on_signal as *const () as usize {
            return true;
        }
        let place = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n));
        let Some(place) = place.filter(|_| known > libc::SIG_IGN) else { return false };
        place.store(known, SeqCst);
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags |= libc::SA_SIGINFO;
        libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0
    }
}

/// Takes our handler away again, where nobody has put another before it.
pub(crate) fn restore() {
    for signal in SIGNALS {
        // SAFETY: as in `install`.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            let known = libc::sigaction(signal, ptr::null(), &raw mut action) == 0
                && action.sa_sigaction == on_signal as *const () as usize;
            let place = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n));
            if let Some(place) = place.filter(|_| known) {
                action.sa_sigaction = place.load(SeqCst);
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
    let reader = READER.take();
    drop(reader);
}

/// Lets PHP's handlers run where a signal has come and the program wants them run at once
/// (`pcntl_async_signals`).
pub(crate) fn dispatch() -> Result<(), Thrown> {
    if !SEEN.swap(false, SeqCst) {
        return Ok(());
    }
    let Some(wanted) = Callable::new(&string(b"pcntl_async_signals")) else { return Ok(()) };
    if wanted.call(&mut [])?.bool() != Some(true) {
        return Ok(());
    }
    match Callable::new(&string(b"pcntl_signal_dispatch")) {
        Some(dispatch) => dispatch.call(&mut []).map(drop),
        None => Ok(()),
    }
}
