//! Messages: payload bytes to PHP values and back.
//!
//! A string is the payload as it is. An object is a google/protobuf message, of either runtime: it
//! is known by its methods `serializeToString` and `mergeFromString`.

use std::alloc::Layout;
use std::ptr;

use ext_php_rs::alloc::emalloc;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::types::{ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ce};
use viaduct::Status;
use viaduct::codec::Message;
use viaduct::error::quote;

use crate::errors::{self, Thrown};
use crate::zend::object::{Method, Object, ObjectBox};
use crate::zend::{class_name, find_class, type_name};

/// The bytes of a message that is to be sent.
pub(crate) enum Payload<'a> {
    /// The string that PHP gave.
    Given(&'a ZendStr),
    /// What `serializeToString` returned: a string.
    Serialized(Zval),
}

impl Payload<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Given(text) => text.as_bytes(),
            Self::Serialized(value) => value.zend_str().map_or(&[], |text| text.as_bytes()),
        }
    }
}

/// The payload of a message. `what` names it in messages: `"request"`, `"message"`.
///
/// Calls PHP where the message is an object; what that throws is passed on.
pub(crate) fn payload<'a>(value: &'a Zval, what: &str) -> Result<Payload<'a>, Thrown> {
    let value = value.dereference();
    if let Some(text) = value.zend_str() {
        return Ok(Payload::Given(text));
    }
    let method = Object::of(value)
        .and_then(|object| Some((object, Method::find(object.class(), "serializetostring")?)));
    let Some((message, method)) = method else {
        return Err(errors::invalid_argument(format!(
            "{what} is of type {}; expected a string (the payload as it is) or a google/protobuf object \
             (with a method serializeToString)",
            type_name(value)
        )));
    };
    let result = method.call(message, &mut [])?;
    if !result.is_string() {
        return Err(errors::invalid_argument(format!(
            "{}::serializeToString() returned a value of type {}; expected a string",
            class_name(message.class()),
            type_name(&result)
        )));
    }
    Ok(Payload::Serialized(result))
}

/// A message as a PHP string: one copy.
pub(crate) fn to_string(message: &Message) -> Zval {
    let mut value = Zval::new();
    value.set_zend_string(to_zend_string(message));
    value
}

fn to_zend_string(message: &Message) -> ZBox<ZendStr> {
    let mut pieces = message.pieces();
    let first = pieces.next().unwrap_or_default();
    if first.len() == message.len() {
        return ZendStr::new(first, false);
    }
    let length = message.len();
    // `zend_string_alloc`: the head, the bytes, a NUL; the size is rounded up to 8.
    let head = std::mem::offset_of!(ZendStr, val);
    let size = (head + length + 1).next_multiple_of(8);
    let Ok(layout) = Layout::from_size_align(size, 8) else { return ZendStr::new(b"", false) };
    // IS_STRING | GC_NOT_COLLECTABLE << GC_FLAGS_SHIFT
    const TYPE: u32 = 0x16;
    // SAFETY: `emalloc` returns `size` bytes or ends the request; the head is written whole, then
    // exactly `length` bytes (the pieces' sum) and the NUL.
    unsafe {
        let text = emalloc(layout).cast::<ZendStr>();
        (*text).gc.refcount = 1;
        (*text).gc.u.type_info = TYPE;
        (*text).h = 0;
        (*text).len = length;
        let mut to = (&raw mut (*text).val).cast::<u8>();
        for piece in message.pieces() {
            ptr::copy_nonoverlapping(piece.as_ptr(), to, piece.len());
            to = to.add(piece.len());
        }
        *to = 0;
        ZBox::from_raw(text)
    }
}

/// What messages that arrive become.
#[derive(Clone, Copy)]
pub(crate) enum Decoder {
    /// Strings.
    Strings,
    /// Objects of a class.
    Objects(MessageClass),
}

/// A google/protobuf class. Classes of PHP code live until the request ends, and so may this: it
/// belongs into a call or a handler, and not into what outlives the request.
#[derive(Clone, Copy)]
pub(crate) struct MessageClass {
    class: &'static ClassEntry,
    constructor: Option<Method>,
    merge: Method,
}

impl Decoder {
    /// A decoder for `?string $responseClass`. `what` is the parameter's name.
    pub(crate) fn for_class(name: Option<&ZendStr>, what: &str) -> Result<Self, Thrown> {
        name.map_or(Ok(Self::Strings), |name| MessageClass::named(name, what).map(Self::Objects))
    }

    /// The value for a message that arrived. `what` names it ("response", "request").
    ///
    /// Calls PHP where messages become objects. What a payload that does not parse throws becomes a
    /// `RpcException` (Internal), which has it as the previous exception; an `\Error` is passed on.
    pub(crate) fn decode(&self, message: &Message, what: &str) -> Result<Zval, Thrown> {
        match self {
            Self::Strings => Ok(to_string(message)),
            Self::Objects(class) => class.decode(message).map_err(|thrown| class.broken(thrown, what)),
        }
    }
}

impl MessageClass {
    /// Looks the class up, loading it if need be. `what` is the parameter's name.
    pub(crate) fn named(name: &ZendStr, what: &str) -> Result<Self, Thrown> {
        let class = find_class(name)?;
        class.and_then(Self::of).ok_or_else(|| {
            let is = match class {
                None => "which cannot be loaded: no autoloader finds it (composer dump-autoload, vendor/autoload.php)",
                Some(class) if Method::find(class, "mergefromstring").is_none() => {
                    "which has no method mergeFromString"
                }
                Some(_) => "which cannot be instantiated",
            };
            // Quoting doubles backslashes.
            let name = quote(&String::from_utf8_lossy(name.as_bytes())).replace("\\\\", "\\");
            errors::invalid_argument(format!("{what} is {name}, {is}; expected a google/protobuf class"))
        })
    }

    /// The class, if it can be used for messages.
    pub(crate) fn of(class: &'static ClassEntry) -> Option<Self> {
        let abstracts = ClassFlags::Interface
            .union(ClassFlags::Trait)
            .union(ClassFlags::Abstract)
            .union(ClassFlags::ImplicitAbstractClass)
            .union(ClassFlags::Enum);
        if class.flags().intersects(abstracts) {
            return None;
        }
        let constructor = Method::constructor(class)?;
        Some(Self { class, constructor, merge: Method::find(class, "mergefromstring")? })
    }

    /// `$message = new $class(); $message->mergeFromString($bytes);` What that throws is passed on.
    pub(crate) fn decode(&self, message: &Message) -> Result<Zval, Thrown> {
        let object = ObjectBox::new(self.class)?;
        if let Some(constructor) = self.constructor {
            constructor.call(object.get(), &mut [])?;
        }
        self.merge.call(object.get(), &mut [to_string(message)])?;
        Ok(object.into_value())
    }

    #[cold]
    fn broken(&self, thrown: Thrown, what: &str) -> Thrown {
        let previous = match thrown.catch() {
            Ok(previous) => previous,
            Err(thrown) => return thrown,
        };
        if !previous.get().is_a(ce::exception()) {
            return Thrown::Object(previous);
        }
        let status = Status::internal(format!(
            "the {what} does not parse as {}: {}",
            class_name(self.class),
            errors::message_of(previous.get())
        ));
        errors::rpc_exception_from(&status, previous)
    }
}
