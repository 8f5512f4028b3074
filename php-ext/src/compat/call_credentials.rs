//! `Grpc\CallCredentials`

use ext_php_rs::flags::ClassFlags;
use http::HeaderMap;
use viaduct::Status;

use crate::zend::class::{Class, OPEN, rust_class};

/// Credentials that belong to calls.
pub(crate) struct CallCredentials {
    pub(crate) value: std::rc::Rc<CallCredentialsValue>,
}

rust_class!(CallCredentials, "Grpc\\CallCredentials");

impl Class for CallCredentials {
    const FLAGS: ClassFlags = OPEN;
}

/// What `Grpc\CallCredentials` stand for.
pub(crate) struct CallCredentialsValue {}

impl CallCredentialsValue {
    /// The metadata that the credentials add to a call. Calls PHP code: nothing may be borrowed, and
    /// this thread runs PHP.
    pub(crate) fn metadata(&self, _service_url: &str, _method: &str) -> Result<HeaderMap, Status> {
        Ok(HeaderMap::new())
    }
}
