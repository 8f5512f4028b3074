//! SIGTERM and SIGINT while the server runs, and the signals for which PHP code has handlers.
//!
//! A signal that has its default action makes the server drain. One for which PHP code has installed
//! a handler (pcntl) is left to it; it only makes the loop come round, so that the handler runs now
//! and not at the next call. What was installed before is restored afterwards.
//!
//! The system's table does not tell the two apart: PHP puts a handler of its own in place of the default
//! action. So PHP is asked.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::IntoRawFd as _;
use std::os::unix::net::UnixStream as StdStream;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use ext_php_rs::types::Zval;
use tokio::net::UnixStream;
use viaduct::reactor::fork::{Tracked, generation};

use crate::callable::Callable;
use crate::errors::Thrown;
use crate::zend::string;

/// Those that make the server drain.
const STOP: [i32; 2] = [libc::SIGTERM, libc::SIGINT];
/// Those that only wake the loop, where PHP code wants them.
const WAKE: [i32; 5] = [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCHLD, libc::SIGALRM];

/// Written to by the handler; −1 while no server runs.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process in which the handler was installed. Not its `fork::generation`: a signal may reach a forked
/// child before that is counted up there.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// Bits of signals that have come: those to drain for, and those of PHP code.
static TOLD: AtomicU32 = AtomicU32::new(0);
static FOREIGN: AtomicU32 = AtomicU32::new(0);
/// The handlers that were there before, by signal number; 0: the default action.
static BEFORE: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// The signals are caught while this lives.
pub(crate) struct Signals {
    restore: Vec<(i32, libc::sigaction)>,
    reader: Arc<UnixStream>,
    _tracked: Tracked,
    generation: u32,
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = usize::try_from(signal).ok().and_then(|n| BEFORE.get(n)) else { return };
    let before = before.load(SeqCst);
    // SAFETY: may be called in a signal handler.
    let is_owner = OWNER.load(SeqCst) == unsafe { libc::getpid() };
    if !is_owner && before == 0 {
        // A forked child: it is not the server, and ends as processes do.
        // SAFETY: both may be called in a signal handler.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        return;
    }
    let bits = if before == 0 { &TOLD } else { &FOREIGN };
    bits.fetch_or(1 << signal, SeqCst);
    if before != 0 {
        // SAFETY: the address of a handler of this form, which was installed for this signal.
        unsafe {
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(before);
            handler(signal, info, context);
        }
    }
    let pipe = PIPE.load(SeqCst);
    if pipe >= 0 && is_owner {
        // SAFETY: writes one byte that is there. A full pipe wakes the loop, too.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            libc::send(pipe, ptr::from_ref(&1u8).cast(), 1, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
            *errno = saved;
        }
    }
}

/// What PHP code wants to happen at a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Default,
    Ignore,
    Handle,
}

/// What PHP code wants to happen at the signals that matter here.
pub(crate) fn wishes() -> Result<Wishes, Thrown> {
    let ask = Callable::new(&string(b"pcntl_signal_get_handler"));
    let mut wishes = Vec::new();
    for signal in STOP.into_iter().chain(WAKE) {
        let wish = match &ask {
            // Without pcntl there is nobody to have wishes.
            None => Wish::Default,
            Some(ask) => {
                let mut number = Zval::new();
                number.set_long(i64::from(signal));
                match ask.call(&mut [number])?.long() {
                    Some(0) => Wish::Default,
                    Some(_) => Wish::Ignore,
                    None => Wish::Handle,
                }
            }
        };
        wishes.push((signal, wish));
    }
    Ok(Wishes(wishes))
}

/// See [`wishes`].
pub(crate) struct Wishes(Vec<(i32, Wish)>);

impl Signals {
    /// Starts catching. To be called on the reactor.
    pub(crate) fn catch(wishes: &Wishes) -> io::Result<Self> {
        let (reader, writer) = StdStream::pair()?;
        reader.set_nonblocking(true)?;
        let reader = Arc::new(UnixStream::from_std(reader)?);
        let old = PIPE.swap(writer.into_raw_fd(), SeqCst);
        debug_assert!(old < 0, "one server runs at a time");
        OWNER.store(std::process::id().cast_signed(), SeqCst);
        TOLD.store(0, SeqCst);
        // PHP may have noted a signal before, and nothing would have made it look: so it looks once. No signal has bit 0.
        FOREIGN.store(u32::from(wishes.0.iter().any(|(_, wish)| *wish == Wish::Handle)), SeqCst);
        let taken = wishes.0.iter().filter(|(signal, wish)| match wish {
            Wish::Default => STOP.contains(signal),
            Wish::Handle => true,
            Wish::Ignore => false,
        });
        let restore = taken.filter_map(|(signal, wish)| Some((*signal, install(*signal, *wish)?))).collect();
        Ok(Self { restore, _tracked: Tracked::new(&*reader), reader, generation: generation() })
    }

    /// For a task that waits beside the loop.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.reader))
    }

    /// Whether a signal has told the server to stop since this was last asked.
    pub(crate) fn poll_told(&self, cx: &mut Context<'_>) -> bool {
        let mut bytes = [0; 16];
        while let Poll::Ready(Ok(())) = self.reader.poll_read_ready(cx) {
            match self.reader.try_read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        TOLD.swap(0, SeqCst) != 0
    }

    /// Whether a signal has come that PHP code wants to see, and has not been taken.
    pub(crate) fn has_foreign(&self) -> bool {
        FOREIGN.load(SeqCst) != 0
    }

    /// Takes the signals that PHP code wants to see. Whether there were any.
    pub(crate) fn take_foreign(&self) -> bool {
        FOREIGN.swap(0, SeqCst) != 0
    }
}

/// Waits for a signal where the server's loop cannot, as PHP code does not come back to it.
pub(crate) struct Watch(Arc<UnixStream>);

impl Watch {
    /// Resolves once a signal has told the server to stop, which the loop has not seen yet. The loop sees it all the same.
    pub(crate) async fn told(&self) {
        let mut bytes = [0; 16];
        while TOLD.load(SeqCst) == 0 {
            let read = self.0.readable().await.and_then(|()| self.0.try_read(&mut bytes));
            match read {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // There is nobody to write to it any more.
                _ => std::future::pending().await,
            }
        }
    }
}

/// Puts the handler in place of what is there. `None` where that stays.
fn install(signal: i32, wish: Wish) -> Option<libc::sigaction> {
    // SAFETY: the structs are read and written by these calls only; the handler does what handlers may.
    unsafe {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(signal, ptr::null(), &raw mut before) != 0 {
            return None;
        }
        let known = match before.sa_sigaction {
            libc::SIG_IGN => return None,
            handler if wish == Wish::Handle => handler,
            _ => 0,
        };
        BEFORE.get(usize::try_from(signal).ok()?)?.store(known, SeqCst);
        let mut ours = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        ours.sa_sigaction = on_signal as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigemptyset(&raw mut ours.sa_mask);
        (libc::sigaction(signal, &raw const ours, ptr::null_mut()) == 0).then_some(before)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in &self.restore {
            // SAFETY: puts back what `sigaction` returned.
            unsafe {
                libc::sigaction(*signal, ptr::from_ref(before), ptr::null_mut());
            }
        }
        if self.generation == generation() {
            let pipe = PIPE.swap(-1, SeqCst);
            if pipe >= 0 {
                // SAFETY: the descriptor is ours, and no handler uses it any more.
                unsafe {
                    libc::close(pipe);
                }
            }
        }
    }
}
