//! The namespace `Grpc`: what the official extension shows, one file per class, thin over the core.
//!
//! The classes are open, their methods show no types, and their exceptions are those of SPL, because
//! the libraries on top extend and override them so. A class' constructor may therefore never run:
//! methods of such an object throw.
//!
//! Several objects of `Grpc\Channel` may refer to one [`link`], which the [`pool`] keeps beyond the
//! request.

pub(crate) mod arguments;
pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod call_credentials;
pub(crate) mod channel;
pub(crate) mod channel_credentials;
pub(crate) mod client_call;
pub(crate) mod constants;
pub(crate) mod exceptions;
pub(crate) mod fields;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod outgoing;
pub(crate) mod pool;
pub(crate) mod server;
pub(crate) mod server_args;
pub(crate) mod server_call;
pub(crate) mod server_credentials;
pub(crate) mod timeval;

use crate::zend::class::{hide, register_here};
use crate::zend::collect;

/// Registers the classes and the settings; in MINIT.
pub(crate) fn register(module: i32) -> ext_php_rs::error::Result<()> {
    crate::ini::register(module);
    fields::register();
    register_here::<timeval::Timeval>()?;
    register_here::<call_credentials::CallCredentials>()?;
    register_here::<channel_credentials::ChannelCredentials>()?;
    register_here::<channel::Channel>()?;
    register_here::<call::Call>()?;
    register_here::<server_credentials::ServerCredentials>()?;
    register_here::<server::Server>()?;
    hide::<channel_credentials::ChannelCredentials>("createssl", &[1]);
    hide::<server_credentials::ServerCredentials>("createssl", &[1, 3]);
    collect::install::<call_credentials::CallCredentials>();
    collect::install::<channel_credentials::ChannelCredentials>();
    collect::install::<channel::Channel>();
    collect::install::<call::Call>();
    Ok(())
}
