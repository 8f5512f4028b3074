//! The namespace `Viaduct`: one file per class, as in `stubs/`.

pub(crate) mod arguments;
pub(crate) mod bidi_stream;
pub(crate) mod channel;
pub(crate) mod channel_options;
pub(crate) mod client_stream;
pub(crate) mod compression;
pub(crate) mod connectivity_state;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod details;
pub(crate) mod exceptions;
pub(crate) mod functions;
pub(crate) mod interfaces;
pub(crate) mod iteration;
pub(crate) mod method_kind;
pub(crate) mod proxy;
pub(crate) mod range;
pub(crate) mod request_stream;
pub(crate) mod server;
pub(crate) mod server_credentials;
pub(crate) mod server_options;
pub(crate) mod server_stream;
pub(crate) mod status;
pub(crate) mod status_code;
pub(crate) mod stream;
pub(crate) mod task;
pub(crate) mod testing;
pub(crate) mod unary_call;

use crate::errors::startup_failure;
use crate::zend::call::panic_message;
use crate::zend::class::{hide, register_enum, register_here};
use crate::zend::collect;

/// MINIT, for `#[php(startup = …)]`: the enums, and the classes without Rust data, which
/// `ModuleBuilder` would not register as the stubs have them. 0 is success.
pub(crate) extern "C" fn startup(_: i32, module: i32) -> i32 {
    let failure = match std::panic::catch_unwind(|| register(module)) {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic_message(&*panic),
    };
    startup_failure(&format!("cannot register the classes: {failure}"));
    -1
}

fn register(module: i32) -> ext_php_rs::error::Result<()> {
    register_enum::<status_code::StatusCode>()?;
    register_enum::<method_kind::MethodKind>()?;
    register_enum::<connectivity_state::ConnectivityState>()?;
    register_enum::<compression::Compression>()?;
    exceptions::register()?;
    status::register()?;
    interfaces::register()?;
    register_here::<credentials::Credentials>()?;
    register_here::<server_credentials::ServerCredentials>()?;
    hide::<credentials::Credentials>("tls", &[2]);
    hide::<server_credentials::ServerCredentials>("tls", &[1, 3]);
    collect::install::<task::Task>();
    collect::install::<server::Server>();
    crate::signals::hook();
    crate::compat::register(module)
}
