//! `Viaduct\ConnectivityState`

use ext_php_rs::prelude::*;

/// What a channel's connection is doing.
#[php_enum]
#[php(name = "Viaduct\\ConnectivityState")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectivityState {
    /// No connection, and none is being made.
    #[php(value = 0)]
    Idle,
    /// A connection is being made.
    #[php(value = 1)]
    Connecting,
    /// The connection stands.
    #[php(value = 2)]
    Ready,
    /// The last attempt failed.
    #[php(value = 3)]
    TransientFailure,
    /// The channel was closed.
    #[php(value = 4)]
    Shutdown,
}
