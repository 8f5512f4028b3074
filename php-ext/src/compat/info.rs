//! The section of `phpinfo()`.

use std::ffi::CString;
use std::panic::catch_unwind;

use ext_php_rs::ffi::{php_info_print_table_end, php_info_print_table_row, php_info_print_table_start};
use ext_php_rs::zend::ModuleEntry;

use super::constants::VERSION;
use super::link::Namespace;
use super::pool;
use crate::scheduler;
use crate::zend::sys;

/// MINFO.
pub(crate) unsafe extern "C" fn print(module: *mut ModuleEntry) {
    let rows = catch_unwind(rows).unwrap_or_default();
    // SAFETY: the texts live until the functions return, which print them; the module is ours.
    unsafe {
        php_info_print_table_start();
        for (name, value) in rows {
            let [name, value] = [name.to_owned(), value].map(|text| CString::new(text).unwrap_or_default());
            php_info_print_table_row(2, name.as_ptr(), value.as_ptr());
        }
        php_info_print_table_end();
        sys::display_ini_entries(module);
    }
}

fn rows() -> Vec<(&'static str, String)> {
    let channels = |namespace| {
        let pool::Counts { open, pooled, used } = pool::counts(namespace);
        format!("{open} open, {pooled} of them pooled, {used} of these in use")
    };
    vec![
        ("gRPC support", "enabled".to_owned()),
        ("Viaduct version", viaduct::VERSION.to_owned()),
        ("Compatible with ext-grpc", VERSION.to_owned()),
        ("h2 version", env!("VERSION_OF_H2").to_owned()),
        ("rustls version", env!("VERSION_OF_RUSTLS").to_owned()),
        ("tokio version", env!("VERSION_OF_TOKIO").to_owned()),
        ("Grpc\\Channel connections", channels(Namespace::Grpc)),
        ("Viaduct\\Channel connections", channels(Namespace::Viaduct)),
        ("Reactor", reactor()),
    ]
}

fn reactor() -> String {
    let Some(scheduler) = scheduler::running() else { return "not started".to_owned() };
    let reactor = &scheduler.reactor;
    if !reactor.is_inline() {
        return "runs on a thread of its own".to_owned();
    }
    let counts = reactor.janitor();
    format!(
        "driven by the thread that waits; the janitor has woken up {} times and taken over {} times",
        counts.wakeups, counts.takeovers
    )
}
