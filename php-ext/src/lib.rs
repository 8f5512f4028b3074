//! The PHP extension `grpc.so`: the list of classes; nothing else.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Nothing here is public but the function that `php_module` writes.
#![allow(missing_docs)]

mod api;
mod batch;
mod callable;
mod compat;
mod ended;
mod errors;
mod fiber;
mod ini;
mod lifecycle;
mod log;
mod message;
mod metadata;
#[cfg(feature = "probe")]
mod probe;
mod scheduler;
mod serve;
mod signals;
mod zend;

use ext_php_rs::prelude::*;

use api::bidi_stream::BidiStream;
use api::channel::Channel;
use api::channel_options::ChannelOptions;
use api::client_stream::ClientStream;
use api::context::Context;
use api::proxy::Proxy;
use api::request_stream::RequestStream;
use api::server::Server;
use api::server_options::ServerOptions;
use api::server_stream::ServerStream;
use api::startup;
use api::task::Task;
use api::testing::Testing;
use api::unary_call::UnaryCall;

// `startup` registers the enums, the exceptions, the interfaces, Status and credentials, and the classes of `Grpc`.
#[php_module]
#[php(startup = startup)]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    let module = module
        .name("grpc")
        .version(compat::constants::VERSION)
        .request_shutdown_function(lifecycle::request_shutdown)
        .shutdown_function(lifecycle::module_shutdown)
        .info_function(compat::info::print)
        .class::<ChannelOptions>()
        .class::<ServerOptions>()
        .class::<UnaryCall>()
        .class::<ServerStream>()
        .class::<ClientStream>()
        .class::<BidiStream>()
        // Behind those that its methods return: they are narrower than its interface says.
        .class::<Channel>()
        .class::<Task>()
        .class::<Server>()
        .class::<Proxy>()
        .class::<Context>()
        .class::<RequestStream>()
        .class::<Testing>();
    #[cfg(feature = "probe")]
    let module = probe::register(module);
    let module = compat::constants::register(module);
    api::functions::functions().into_iter().fold(module, ModuleBuilder::function)
}
