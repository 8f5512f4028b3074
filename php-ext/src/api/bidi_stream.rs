//! `Viaduct\BidiStream`

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::Zval;

use super::interfaces::BIDI_STREAM_INTERFACE;
use super::iteration::{HasMessages, Iteration, iterator_methods};
use super::stream::{HasStream, Stream, common_methods};
use crate::errors::{self, Thrown};
use crate::scheduler;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::iterator::Installed;

/// A call with many requests and many responses.
pub(crate) struct BidiStream(pub(crate) Stream);

rust_class!(BidiStream, "Viaduct\\BidiStream", implements(BIDI_STREAM_INTERFACE));

impl HasStream for BidiStream {
    fn stream<'a>(call: Call<'a>) -> Result<&'a Stream, Thrown> {
        Ok(&call.this::<Self>()?.0)
    }
}

impl HasMessages for BidiStream {
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

impl Class for BidiStream {
    fn methods() -> Methods {
        let mut methods = vec![
            (
                FunctionBuilder::new("send", handler!(send))
                    .arg(Arg::new("message", DataType::Mixed))
                    .returns(DataType::Void, false, false),
                MethodFlags::Public,
            ),
            (
                FunctionBuilder::new("halfClose", handler!(half_close)).returns(DataType::Void, false, false),
                MethodFlags::Public,
            ),
        ];
        methods.extend(iterator_methods!(BidiStream));
        methods.extend(common_methods!(BidiStream));
        methods
    }
}

fn send(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let stream = BidiStream::stream(call)?;
    if stream.core()?.is_half_closed() {
        return Err(errors::logic("send() after halfClose(): no more messages can be sent on this stream"));
    }
    stream.send(a.get::<&Zval>(0)?)
}

fn half_close(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    BidiStream::stream(call)?.half_close()?;
    scheduler::scheduler()?.nudge();
    Ok(())
}
