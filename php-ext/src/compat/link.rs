//! What a `Grpc\Channel` refers to.

use std::rc::Rc;

use viaduct::client::Channel;

use super::call_credentials::CallCredentialsValue;

/// A channel of the core. Several PHP objects share it where it comes from the pool.
pub(crate) struct Link {
    pub(crate) core: Channel,
    /// As it was given.
    pub(crate) target: String,
    /// Whether the connection is TLS.
    pub(crate) secure: bool,
    /// Those of composite channel credentials. A link that has some is never pooled: they belong to
    /// the request.
    pub(crate) call_credentials: Option<Rc<CallCredentialsValue>>,
}
