//! A callable that answers calls of one method.

use ext_php_rs::types::Zval;

use super::signature::Signature;
use crate::api::method_kind::MethodKind;
use crate::callable::Callable;
use crate::errors::{self, Thrown};
use crate::message::Decoder;

/// A handler. It belongs into the request in which it was made.
pub(crate) struct Handler {
    pub(crate) method: String,
    pub(super) kind: MethodKind,
    pub(super) callable: Callable,
    pub(super) parameters: Vec<Parameter>,
    pub(super) decoder: Decoder,
    /// File and line, for messages.
    pub(crate) place: String,
}

/// What a handler is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// The request, or the stream of requests.
    Request,
    Context,
}

impl Handler {
    /// Reads a callable's signature.
    ///
    /// # Errors
    ///
    /// InvalidArgumentException with file and line, where it cannot be a handler's.
    pub(crate) fn new(method: &str, callable: &Zval, kind: Option<MethodKind>) -> Result<Self, Thrown> {
        let signature = Signature::of(callable)?;
        let wrong = |why: String| {
            errors::invalid_argument(format!("the handler of {method} ({}): {why}", signature.place))
        };
        let kind = kind.map_or_else(|| signature.kind().map_err(wrong), Ok)?;
        signature.check(kind).map_err(wrong)?;
        let decoder = Decoder::for_class(signature.request_class(), "the request's class")?;
        let callable = Callable::new(callable).ok_or_else(|| wrong("it cannot be called".into()))?;
        Ok(Self {
            method: method.to_owned(),
            kind,
            callable,
            parameters: signature.parameters(),
            decoder,
            place: signature.place,
        })
    }

    /// What is called, as PHP gave it.
    pub(crate) fn callable(&self) -> &Zval {
        self.callable.value()
    }

    /// Whether the handler takes a stream of requests.
    pub(crate) fn takes_stream(&self) -> bool {
        matches!(self.kind, MethodKind::ClientStream | MethodKind::Bidi)
    }
}
