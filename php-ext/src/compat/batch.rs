//! The argument of `Grpc\Call::startBatch()`, and its result.

use ext_php_rs::types::{ZendHashTable, Zval};
use http::HeaderMap;
use viaduct::codec::{Encoding, Message};
use viaduct::{Code, Status};

use super::exceptions::{invalid_argument, logic};
use super::fields::{Fields, Name};
use super::metadata;
use crate::errors::Thrown;
use crate::message;
use crate::zend::array::{Entries, Key};
use crate::zend::class::empty_array;
use crate::zend::object::ObjectBox;
use crate::zend::string;

/// `CALL_ERROR_…`
pub(crate) mod error {
    pub(crate) const NOT_ON_SERVER: i64 = 2;
    pub(crate) const NOT_ON_CLIENT: i64 = 3;
    pub(crate) const ALREADY_INVOKED: i64 = 5;
    pub(crate) const NOT_INVOKED: i64 = 6;
    pub(crate) const ALREADY_FINISHED: i64 = 7;
    pub(crate) const TOO_MANY_OPERATIONS: i64 = 8;
    pub(crate) const INVALID_FLAGS: i64 = 9;
}

/// `WRITE_NO_COMPRESS`
const NO_COMPRESS: i64 = 2;
/// All that a message may have: `WRITE_BUFFER_HINT`, `WRITE_NO_COMPRESS` and gRPC's `GRPC_WRITE_THROUGH`.
const FLAGS: i64 = 7;

/// The operations, `OP_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    SendInitialMetadata,
    SendMessage,
    SendClose,
    SendStatus,
    RecvInitialMetadata,
    RecvMessage,
    RecvStatus,
    RecvClose,
}

/// What a batch asks for. Messages are still where PHP has them.
#[derive(Default)]
pub(crate) struct Ops<'a> {
    pub(crate) initial: Option<HeaderMap>,
    pub(crate) message: Option<Outgoing<'a>>,
    pub(crate) close: bool,
    pub(crate) status: Option<(Status, HeaderMap)>,
    pub(crate) recv_initial: bool,
    pub(crate) recv_message: bool,
    pub(crate) recv_status: bool,
    pub(crate) recv_close: bool,
    /// All of them, in the order in which they were given and are answered. No key is there twice.
    order: [Option<Op>; 8],
}

/// A message that is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) bytes: &'a [u8],
    plain: bool,
}

impl Outgoing<'_> {
    /// How the message is compressed on a call that compresses as `encoding` says.
    pub(crate) fn encoding(self, encoding: Encoding) -> Encoding {
        if self.plain { Encoding::Identity } else { encoding }
    }
}

/// What the receiving operations brought.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) initial: Option<HeaderMap>,
    pub(crate) message: Option<Message>,
    pub(crate) status: Option<(Status, HeaderMap)>,
    pub(crate) cancelled: bool,
}

/// The exception for a batch that does not fit the call.
#[cold]
pub(crate) fn misuse(code: i64) -> Thrown {
    logic("start_batch was called incorrectly", code)
}

impl<'a> Ops<'a> {
    /// Reads the batch.
    ///
    /// # Errors
    ///
    /// An `\InvalidArgumentException` that says which of the values is wrong.
    pub(crate) fn read(batch: &'a ZendHashTable) -> Result<Self, Thrown> {
        let mut ops = Self::default();
        for (count, (key, value)) in Entries::of(batch).enumerate() {
            let Key::Number(number) = key else {
                return Err(invalid_argument("batch keys must be integers"));
            };
            let op = ops.add(number, value)?;
            if let Some(place) = ops.order.get_mut(count) {
                *place = Some(op);
            }
        }
        Ok(ops)
    }

    fn add(&mut self, number: i64, value: &'a Zval) -> Result<Op, Thrown> {
        Ok(match number {
            0 => {
                let read = metadata::from_php(value);
                self.initial = Some(read.ok_or_else(|| invalid_argument("Bad metadata value given"))?);
                Op::SendInitialMetadata
            }
            1 => {
                self.message = Some(outgoing(value)?);
                Op::SendMessage
            }
            2 => {
                self.close = true;
                Op::SendClose
            }
            3 => {
                self.status = Some(status(value)?);
                Op::SendStatus
            }
            4 => {
                self.recv_initial = true;
                Op::RecvInitialMetadata
            }
            5 => {
                self.recv_message = true;
                Op::RecvMessage
            }
            6 => {
                self.recv_status = true;
                Op::RecvStatus
            }
            7 => {
                self.recv_close = true;
                Op::RecvClose
            }
            _ => return Err(invalid_argument("Unrecognized key in batch")),
        })
    }

    /// The object that `startBatch()` returns.
    pub(crate) fn result(&self, received: Received) -> Result<ObjectBox, Thrown> {
        let mut result = Fields::new();
        let Received { initial, message, mut status, cancelled } = received;
        for op in self.order.iter().map_while(Option::as_ref) {
            match op {
                Op::SendInitialMetadata => result.set(Name::SendMetadata, boolean(true)),
                Op::SendMessage => result.set(Name::SendMessage, boolean(true)),
                Op::SendClose => result.set(Name::SendClose, boolean(true)),
                Op::SendStatus => result.set(Name::SendStatus, boolean(true)),
                Op::RecvInitialMetadata => {
                    let initial = initial.as_ref().map_or_else(empty_array, metadata::to_php);
                    result.set(Name::Metadata, initial);
                }
                Op::RecvMessage => {
                    result.set(Name::Message, message.as_ref().map_or_else(Zval::null, message::to_string));
                }
                Op::RecvStatus => {
                    let (status, trailers) = status.take().unwrap_or_else(no_status);
                    result.set(Name::Status, status_object(&status, &trailers)?.into_value());
                }
                Op::RecvClose => result.set(Name::Cancelled, boolean(cancelled)),
            }
        }
        result.into_object()
    }
}

/// What a batch returns that asked for a message, and for nothing else.
pub(crate) fn message_alone(message: &Message) -> Result<ObjectBox, Thrown> {
    let mut result = Fields::new();
    result.set(Name::Message, message::to_string(message));
    result.into_object()
}

/// Whether a batch asks for a message, and for nothing else: the one that streams are read with.
pub(crate) fn asks_for_message(batch: &ZendHashTable) -> bool {
    batch.len() == 1 && batch.get_index(5).is_some()
}

fn no_status() -> (Status, HeaderMap) {
    (Status::unknown("the call has no status"), HeaderMap::new())
}

/// A status as the libraries on top read it.
fn status_object(status: &Status, trailers: &HeaderMap) -> Result<ObjectBox, Thrown> {
    let mut object = Fields::new();
    object.set(Name::Metadata, metadata::to_php(trailers));
    let mut code = Zval::new();
    code.set_long(status.code() as i64);
    object.set(Name::Code, code);
    object.set(Name::Details, string(status.message().as_bytes()));
    object.into_object()
}

fn boolean(value: bool) -> Zval {
    let mut zval = Zval::new();
    zval.set_bool(value);
    zval
}

fn outgoing(value: &Zval) -> Result<Outgoing<'_>, Thrown> {
    let Some(array) = value.array() else {
        return Err(invalid_argument("Expected an array for send message"));
    };
    let flags = match field(array, "flags") {
        None => 0,
        Some(flags) => flags.long().ok_or_else(|| invalid_argument("Expected an int for message flags"))?,
    };
    match field(array, "message").and_then(Zval::zend_str) {
        Some(_) if flags & !FLAGS != 0 => Err(misuse(error::INVALID_FLAGS)),
        Some(text) => Ok(Outgoing { bytes: text.as_bytes(), plain: flags & NO_COMPRESS != 0 }),
        None => Err(invalid_argument("Expected a string for send message")),
    }
}

fn status(value: &Zval) -> Result<(Status, HeaderMap), Thrown> {
    let Some(array) = value.array() else {
        return Err(invalid_argument("Integer status code is required"));
    };
    let trailers = match field(array, "metadata") {
        None => HeaderMap::new(),
        Some(value) => {
            metadata::from_php(value).ok_or_else(|| invalid_argument("Bad trailing metadata value given"))?
        }
    };
    let code = field(array, "code").ok_or_else(|| invalid_argument("Integer status code is required"))?;
    let code = code.long().ok_or_else(|| invalid_argument("Status code must be an integer"))?;
    let details =
        field(array, "details").ok_or_else(|| invalid_argument("String status details is required"))?;
    let details = details.zend_str().ok_or_else(|| invalid_argument("Status details must be a string"))?;
    let code = i32::try_from(code).map_or(Code::Unknown, Code::from_i32);
    Ok((Status::new(code, String::from_utf8_lossy(details.as_bytes())), trailers))
}

/// An element by its name; references are followed.
fn field<'a>(array: &'a ZendHashTable, name: &str) -> Option<&'a Zval> {
    array.get(name).map(Zval::dereference)
}
