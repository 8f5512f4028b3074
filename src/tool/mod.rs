//! The tools of the command `viaduct`: call a method, list services, describe types, ask for health, run a proxy.
//!
//! - [`call`], [`list`], [`describe`], [`health`]: one subcommand each;
//! - [`proxy`]: the one that stays; its `log`, `watch` and `manager` (systemd);
//! - [`server`]: the server they talk to: target, credentials, metadata;
//! - `schema`: what the server's messages are made of, by reflection or from a file;
//! - `json`: messages as JSON, both ways; `text`: types as text;
//! - [`failure`]: what can go wrong, and the exit code of it.
//!
//! `docs/command.md` is for those who use them.

#![forbid(unsafe_code)]

pub mod call;
pub mod describe;
pub mod failure;
pub mod health;
mod json;
pub mod list;
mod log;
mod manager;
pub mod proxy;
mod schema;
pub mod server;
mod text;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

pub use failure::Failure;

/// Runs a subcommand and says what went wrong.
pub fn run(work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Io(format!("there is no reactor: {error}")).report(),
    };
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// `text` without what would move a terminal's cursor or change its colours.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes lines of output, so that they are seen now.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", printable(text)).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::Io(format!("the output cannot be written: {error}")),
    })
}
