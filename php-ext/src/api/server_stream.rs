//! `Viaduct\ServerStream`

use ext_php_rs::flags::DataType;
use ext_php_rs::types::Zval;

use super::interfaces::SERVER_STREAM_INTERFACE;
use super::iteration::{HasMessages, Iteration, iterator_methods};
use super::stream::{HasStream, Stream, common_methods};
use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::iterator::Installed;

/// A call with one request and many responses.
pub(crate) struct ServerStream(pub(crate) Stream);

rust_class!(ServerStream, "Viaduct\\ServerStream", implements(SERVER_STREAM_INTERFACE));

impl HasStream for ServerStream {
    fn stream<'a>(call: Call<'a>) -> Result<&'a Stream, Thrown> {
        Ok(&call.this::<Self>()?.0)
    }
}

impl HasMessages for ServerStream {
    fn of<'a>(call: Call<'a>) -> Result<&'a Self, Thrown> {
        call.this::<Self>()
    }

    fn installed() -> &'static Installed {
        static INSTALLED: Installed = Installed::new();
        &INSTALLED
    }

    fn iteration(&self) -> &Iteration {
        &self.0.iteration
    }

    fn receive(&self) -> Result<Option<Zval>, Thrown> {
        self.0.receive()
    }
}

impl Class for ServerStream {
    fn methods() -> Methods {
        let mut methods = iterator_methods!(ServerStream);
        methods.extend(common_methods!(ServerStream));
        methods
    }
}
