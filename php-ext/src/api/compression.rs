//! `Viaduct\Compression`

use ext_php_rs::prelude::*;
use viaduct::codec::Encoding;

/// How messages that are sent are compressed.
#[php_enum]
#[php(name = "Viaduct\\Compression")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of RFC 9110.
pub(crate) enum Compression {
    #[php(value = 0)]
    None,
    #[php(value = 1)]
    Gzip,
    #[php(value = 2)]
    Deflate,
}

impl From<Compression> for Encoding {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::Identity,
            Compression::Gzip => Self::Gzip,
            Compression::Deflate => Self::Deflate,
        }
    }
}
