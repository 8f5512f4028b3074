//! The PHP extension `grpc.so`: the list of classes; nothing else.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The classes of channels, calls and servers, which read the rest, are still to come.
#![allow(dead_code)]
// Nothing here is public but the function that `php_module` writes.
#![allow(missing_docs)]

mod api;
mod errors;
mod message;
mod metadata;
#[cfg(feature = "probe")]
mod probe;
mod zend;

use ext_php_rs::prelude::*;

use api::channel_options::ChannelOptions;
use api::credentials::Credentials;
use api::server_credentials::ServerCredentials;
use api::server_options::ServerOptions;
use api::startup;

// `startup` registers the enums, the exceptions and Status.
#[php_module]
#[php(startup = startup)]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    let module = module
        .name("grpc")
        .class::<Credentials>()
        .class::<ServerCredentials>()
        .class::<ChannelOptions>()
        .class::<ServerOptions>();
    #[cfg(feature = "probe")]
    let module = probe::register(module);
    module
}
