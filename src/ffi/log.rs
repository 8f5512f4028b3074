//! Log lines, for who asks for them.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Level, Metadata};

use super::callback::{Userdata, call_out};
use super::error::{
    Error, VIADUCT_RESULT_INSIDE_CALLBACK, VIADUCT_RESULT_WRONG_STATE, c_string, viaduct_result,
};
use super::fence::fenced;
use super::input::invalid;

/// How grave a log line is.
// C gives its numbers.
#[allow(dead_code)]
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum viaduct_log_level {
    /// Nothing.
    VIADUCT_LOG_OFF = 0,
    /// Something does not work.
    VIADUCT_LOG_ERROR = 1,
    /// Something does not work as it should.
    VIADUCT_LOG_WARN = 2,
    /// Something worth knowing.
    VIADUCT_LOG_INFO = 3,
    /// What happens inside.
    VIADUCT_LOG_DEBUG = 4,
    /// Every step. Release builds with the command's feature, which the default ones have, leave these lines
    /// out: there it is what VIADUCT_LOG_DEBUG is.
    VIADUCT_LOG_TRACE = 5,
}

/// A function that gets log lines, from any thread, one at a time. `level` is a `viaduct_log_level`.
/// The strings are the library's, and go after the call. It must be quick and must not call this
/// library.
pub type viaduct_log_callback = Option<
    unsafe extern "C" fn(userdata: *mut c_void, level: i32, module: *const c_char, message: *const c_char),
>;

#[derive(Debug, Clone, Copy)]
struct Sink {
    callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char),
    userdata: Userdata,
}

static SINK: Mutex<Option<Sink>> = Mutex::new(None);
static LEVEL: AtomicI32 = AtomicI32::new(0);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Sends the log lines of this process to a function: those up to `level`, a `viaduct_log_level`. NULL
/// for `callback` ends it. After it has returned, the function that was set before is not called any
/// more.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_INVALID_ARGUMENT for an invalid level, VIADUCT_RESULT_INSIDE_CALLBACK
/// inside the function itself, or VIADUCT_RESULT_WRONG_STATE where another part of the process collects the lines of
/// Rust's `tracing`.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_log_set(
    level: i32,
    callback: viaduct_log_callback,
    userdata: *mut c_void,
) -> viaduct_result {
    fenced(|| {
        if !(0..=5).contains(&level) {
            return Err(invalid(format!("{level} is no viaduct_log_level; expected 0 to 5")));
        }
        if INSIDE.get() {
            return Err(Error::new(
                VIADUCT_RESULT_INSIDE_CALLBACK,
                "the log cannot be set inside its own function",
            ));
        }
        if callback.is_some() && !listens() {
            let message = "another part of the process collects Rust's log lines already";
            return Err(Error::new(VIADUCT_RESULT_WRONG_STATE, message));
        }
        let sink = callback.map(|callback| Sink { callback, userdata: Userdata(userdata) });
        let mut slot = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        LEVEL.store(if sink.is_some() { level } else { 0 }, Relaxed);
        *slot = sink;
        drop(slot);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    })
}

/// Whether the lines come to us.
fn listens() -> bool {
    static ONCE: Once = Once::new();
    static OURS: AtomicI32 = AtomicI32::new(0);
    ONCE.call_once(|| {
        OURS.store(i32::from(tracing::subscriber::set_global_default(Lines).is_ok()), Relaxed);
    });
    OURS.load(Relaxed) == 1
}

struct Lines;

fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Ours only: the libraries under us say a lot.
        let ours = metadata.target().split("::").next() == Some("viaduct");
        ours && metadata.is_event() && number(*metadata.level()) <= LEVEL.load(Relaxed)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        // A line about what the function itself does would wait for the function.
        if INSIDE.replace(true) {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let level = number(*event.metadata().level());
        let (module, message) = (c_string(event.metadata().target()), c_string(text.0.trim_start()));
        if let Some(sink) = *SINK.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: the C program gave function and pointer for each other; the strings live on.
            call_out(|| unsafe {
                (sink.callback)(sink.userdata.0, level, module.as_ptr(), message.as_ptr());
            });
        }
        INSIDE.set(false);
    }
}

/// An event's message and fields as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
