//! Proxies: from a configuration's text to what runs on threads of its own.

use std::ffi::c_char;
use std::path::Path;
use std::pin::pin;

use super::callback::may_wait;
use super::completion::{
    Completion, Event, poll_once, start, viaduct_completion, viaduct_event_kind::VIADUCT_EVENT_DRAINED,
};
use super::error::{
    Error, VIADUCT_RESULT_END, VIADUCT_RESULT_FORKED, VIADUCT_RESULT_INVALID_ARGUMENT, VIADUCT_RESULT_SYSTEM,
    VIADUCT_RESULT_TIMEOUT, VIADUCT_RESULT_WRONG_STATE, c_string, viaduct_result,
};
use super::fence::{fenced, free, with};
use super::handle::{self, Object};
use super::input::{Out, invalid, patience, text, zero};
use crate::proxy::config;
use crate::proxy::settings::Settings;
use crate::proxy::{Proxy, StartError};
use crate::server::ListenError;

/// What a configuration is called in messages.
const NAME: &str = "config";

/// A proxy that runs, on threads of its own: it needs no runtime. Any number of threads may use it at once.
pub struct viaduct_proxy(Proxy);

impl Object for viaduct_proxy {
    const KIND: u8 = handle::PROXY;
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        let result = match &error {
            StartError::Invalid(_) | StartError::Listen(ListenError::Invalid(_)) => {
                VIADUCT_RESULT_INVALID_ARGUMENT
            }
            StartError::Listen(ListenError::Io { .. }) | StartError::Log { .. } | StartError::Thread(_) => {
                VIADUCT_RESULT_SYSTEM
            }
            StartError::Forked => VIADUCT_RESULT_FORKED,
            StartError::Ending => VIADUCT_RESULT_WRONG_STATE,
        };
        Self::new(result, error.to_string())
    }
}

fn read(config: *const c_char) -> Result<Settings, Error> {
    let config = text(config, "the configuration")?;
    config::parse(config, NAME, Path::new("")).map_err(|error| invalid(error.to_string()))
}

/// Reads a configuration and does nothing with it but to say what it means.
///
/// `config` is the text of a TOML file, as docs/proxy-config.md describes it; paths in it begin at the
/// working directory of the process. `explanation`, which may be NULL, gets the meaning in words, with what
/// looks like a mistake; the caller frees the string with `viaduct_string_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_NOT_UTF8, or VIADUCT_RESULT_INVALID_ARGUMENT for a
/// configuration that cannot be used: the message has a line for everything that is wrong in it, such as "config:3:
/// unknown key "adress" in [[listen]]; did you mean "address"?".
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_check(
    config: *const c_char,
    explanation: *mut *mut c_char,
) -> viaduct_result {
    zero(explanation);
    fenced(|| {
        let settings = read(config)?;
        if let Some(place) = Out::optional(explanation) {
            place.set(c_string(&config::explain(&settings)).into_raw());
        }
        Ok(())
    })
}

/// Starts a proxy: it listens, and forwards what comes, when this returns. The caller frees it with
/// `viaduct_proxy_free`. `config` is as in `viaduct_proxy_check`; what looks like a mistake in it goes to the
/// log (`viaduct_log_set`).
///
/// Gives what `viaduct_proxy_check` does, VIADUCT_RESULT_SYSTEM where the system refuses an address, a file or a
/// thread, or VIADUCT_RESULT_INSIDE_CALLBACK. Nothing runs then.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_start(
    config: *const c_char,
    proxy: *mut *mut viaduct_proxy,
) -> viaduct_result {
    zero(proxy);
    fenced(|| {
        let place = Out::new(proxy, "the proxy")?;
        let settings = read(config)?;
        may_wait()?;
        config::log_warnings(&settings);
        place.set(handle::give(viaduct_proxy(Proxy::start(settings)?)));
        Ok(())
    })
}

/// Where it listens: the address number `index`, from 0 on, in the order of the configuration, as clients
/// would dial it, with the port that was taken. The caller frees the string with `viaduct_string_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where there are not so many.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_address(
    proxy: *const viaduct_proxy,
    index: usize,
    address: *mut *mut c_char,
) -> viaduct_result {
    zero(address);
    with(proxy, |proxy| {
        let place = Out::new(address, "the address")?;
        let all = proxy.0.targets();
        let found = all.get(index).ok_or_else(|| {
            Error::new(VIADUCT_RESULT_END, format!("the proxy has no address number {index}"))
        })?;
        place.set(c_string(found).into_raw());
        Ok(())
    })
}

/// Where its admin port listens. The caller frees the string with `viaduct_string_free`.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_END where the configuration has no `[admin]`.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_admin_address(
    proxy: *const viaduct_proxy,
    address: *mut *mut c_char,
) -> viaduct_result {
    zero(address);
    with(proxy, |proxy| {
        let place = Out::new(address, "the address")?;
        let found =
            proxy.0.admin().ok_or_else(|| Error::new(VIADUCT_RESULT_END, "the proxy has no admin port"))?;
        place.set(c_string(&found).into_raw());
        Ok(())
    })
}

/// Takes another configuration: all of it, or, where this gives an error, nothing. `config` is as in
/// `viaduct_proxy_start`. Requests that run are not disturbed; backends and addresses that stay the same keep
/// their connections. Another number of `workers` takes effect at the next start only.
///
/// Gives what `viaduct_proxy_start` does, or VIADUCT_RESULT_WRONG_STATE after `viaduct_proxy_shutdown`. The old
/// configuration holds on then.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_reload(proxy: *mut viaduct_proxy, config: *const c_char) -> viaduct_result {
    with(proxy, |proxy| {
        let settings = read(config).inspect_err(|error| proxy.0.refused(error.message()))?;
        may_wait()?;
        config::log_warnings(&settings);
        Ok(proxy.0.reload(settings)?)
    })
}

/// Begins to end: for `drain.notice` of the configuration new connections are still taken, then none are,
/// clients are told to go away, and what runs may finish within `drain.grace`. It does not wait; the second
/// time it does nothing.
///
/// Gives VIADUCT_RESULT_OK or VIADUCT_RESULT_NULL.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_shutdown(proxy: *mut viaduct_proxy) -> viaduct_result {
    with(proxy, |proxy| {
        proxy.0.drain();
        Ok(())
    })
}

/// Waits until a proxy that was shut down, or will be, serves nothing any more. Up to `timeout_ms`, for ever
/// where that is negative; what still runs then goes on, and `viaduct_proxy_free` cuts it.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, VIADUCT_RESULT_TIMEOUT, or VIADUCT_RESULT_INSIDE_CALLBACK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_wait(proxy: *mut viaduct_proxy, timeout_ms: i64) -> viaduct_result {
    with(proxy, |proxy| {
        if poll_once(pin!(proxy.0.ended())).is_ready() {
            return Ok(());
        }
        let patience = patience(timeout_ms);
        if patience.is_none_or(|span| !span.is_zero()) {
            may_wait()?;
        }
        let ended = match patience {
            None => {
                proxy.0.wait();
                true
            }
            Some(span) => !span.is_zero() && proxy.0.wait_for(span),
        };
        match ended {
            true => Ok(()),
            false => Err(Error::new(VIADUCT_RESULT_TIMEOUT, "the proxy did not end within the given time")),
        }
    })
}

/// Starts `viaduct_proxy_wait`. The event is VIADUCT_EVENT_DRAINED; its result is VIADUCT_RESULT_OK, or
/// VIADUCT_RESULT_CLOSED where the proxy was freed before it had ended. A function is told on a thread that carries
/// traffic.
///
/// Gives VIADUCT_RESULT_OK, VIADUCT_RESULT_NULL, or VIADUCT_RESULT_INVALID_ARGUMENT for an invalid completion.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_wait_start(
    proxy: *mut viaduct_proxy,
    completion: viaduct_completion,
) -> viaduct_result {
    with(proxy, |proxy| {
        let completion = Completion::new(completion, VIADUCT_EVENT_DRAINED)?;
        let ended = proxy.0.ended();
        let Some(handle) = proxy.0.handle() else {
            completion.forget();
            return Err(StartError::Forked.into());
        };
        start(handle, completion, async move {
            ended.await;
            Event::new(VIADUCT_EVENT_DRAINED)
        });
        Ok(())
    })
}

/// Frees a proxy. NULL is fine. What still runs is cut: shut it down and wait before, where requests are to
/// be finished. It waits for the proxy's threads, which is short, and up to 1 s for the access log to be
/// written.
///
/// Gives VIADUCT_RESULT_OK.
#[unsafe(no_mangle)]
pub extern "C" fn viaduct_proxy_free(proxy: *mut viaduct_proxy) -> viaduct_result {
    free(proxy)
}
