//! `Viaduct\MethodKind`

use ext_php_rs::prelude::*;

/// The four kinds of method.
#[php_enum]
#[php(name = "Viaduct\\MethodKind")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodKind {
    /// One request, one response.
    #[php(value = 0)]
    Unary,
    /// One request, many responses.
    #[php(value = 1)]
    ServerStream,
    /// Many requests, one response.
    #[php(value = 2)]
    ClientStream,
    /// Many of both.
    #[php(value = 3)]
    Bidi,
}
