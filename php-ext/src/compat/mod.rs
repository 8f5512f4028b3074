//! The namespace `Grpc`: what the official extension shows, one file per class, thin over the core.
//!
//! The classes are open, their methods show no types, and their exceptions are those of SPL, because
//! the libraries on top extend and override them so. A class' constructor may therefore never run:
//! methods of such an object throw.

pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod call_credentials;
pub(crate) mod channel;
pub(crate) mod client_call;
pub(crate) mod constants;
pub(crate) mod exceptions;
pub(crate) mod interrupts;
pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod outgoing;
pub(crate) mod server;
pub(crate) mod server_args;
pub(crate) mod server_call;
pub(crate) mod server_credentials;
pub(crate) mod timeval;

use crate::zend::class::register_open;

/// Registers the classes; in MINIT.
pub(crate) fn register() -> ext_php_rs::error::Result<()> {
    register_open::<timeval::Timeval>()?;
    register_open::<call_credentials::CallCredentials>()?;
    register_open::<channel::Channel>()?;
    register_open::<call::Call>()?;
    register_open::<server_credentials::ServerCredentials>()?;
    register_open::<server::Server>()
}
