//! `Grpc\Call`, of a client and of a server.

use std::borrow::Cow;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::ffi::ZEND_ACC_PROTECTED;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ce};
use http::uri::Authority;
use viaduct::client::Method;
use viaduct::error::quote;

use super::batch::{Ops, asks_for_message, error, message_alone};
use super::call_credentials::CallCredentials;
use super::channel::Channel;
use super::client_call::ClientCall;
use super::exceptions::{expecting, invalid_argument, runtime};
use super::server_call::ServerCall;
use super::timeval::Timeval;
use crate::errors::Thrown;
use crate::zend::call::{self, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, Type, declare, rust_class, untyped};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::ObjectBox;
use crate::zend::string;

/// The property that refers to the channel.
const CHANNEL: &str = "channel";

/// A call.
pub(crate) enum Call {
    Client(Box<ClientCall>),
    Server(ServerCall),
}

rust_class!(Call, "Grpc\\Call");

impl Holds for Call {
    fn show(&self, to: &mut Collector<'_>) {
        if let Self::Client(call) = self {
            call.show(to);
        }
    }
}

impl Class for Call {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;
    const FLAGS: ClassFlags = OPEN;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor
            .arg(untyped("channel"))
            .arg(untyped("method"))
            .arg(untyped("deadline"))
            .arg(untyped("host_override").default("''"))
            .required_args(3)
    }

    fn construct(call: call::Call<'_>) -> Result<Self, Thrown> {
        let read = || {
            let a = call.arguments(3..=4)?;
            let channel: Instance<'_, Channel> = a.get(0)?;
            let method: &ZendStr = a.get(1)?;
            let deadline: Instance<'_, Timeval> = a.get(2)?;
            Ok((a, channel, method, deadline, a.nullable::<&ZendStr>(3)?))
        };
        let expected = "Call expects a Channel, a String, a Timeval and an optional String";
        let (a, channel, method, deadline, host) = expecting(expected, read())?;
        let Some(link) = channel.link() else {
            return Err(invalid_argument("Call cannot be constructed from a closed Channel"));
        };
        let given = String::from_utf8_lossy(method.as_bytes());
        let method = Method::lenient(&given).map_err(|error| invalid_argument(&error.to_string()))?;
        let bare = !given.starts_with('/');
        let authority = authority(host)?;
        let given: &Zval = a.get(0)?;
        // SAFETY: `$channel` is what the class declares first, see below.
        unsafe { call.object()?.write_first(given.shallow_clone()) };
        let client = ClientCall::new(link, &channel, (method, bare), authority, deadline.deadline());
        Ok(Self::Client(Box::new(client)))
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        vec![
            (FunctionBuilder::new("startBatch", handler!(start_batch)).arg(untyped("ops")), public),
            (FunctionBuilder::new("getPeer", handler!(get_peer)), public),
            (FunctionBuilder::new("cancel", handler!(cancel)), public),
            (
                FunctionBuilder::new("setCredentials", handler!(set_credentials)).arg(untyped("credentials")),
                public,
            ),
        ]
    }

    fn properties(class: &mut ClassEntry) {
        // Subclasses read it.
        let flags = i32::try_from(ZEND_ACC_PROTECTED).unwrap_or_default();
        declare(class, CHANNEL, &Type::Any, flags, Some(Zval::null()));
    }
}

/// What stands in `:authority` in the channel's place.
fn authority(host: Option<&ZendStr>) -> Result<Option<Authority>, Thrown> {
    match host.map(ZendStr::as_bytes) {
        None | Some(b"") => Ok(None),
        Some(host) => Authority::try_from(host).map(Some).map_err(|_| {
            invalid_argument(&format!(
                "the host override {} is not legal; expected a host name or address, with or without a port",
                quote(&String::from_utf8_lossy(host))
            ))
        }),
    }
}

fn start_batch(call: call::Call<'_>) -> Result<ObjectBox, Thrown> {
    let this = call.this::<Call>()?;
    let batch: Result<&ZendHashTable, _> = call.arguments(1..=1).and_then(|a| a.get(0));
    let batch = expecting("start_batch expects an array", batch);
    if let Call::Client(client) = this {
        if client.is_closed() {
            return Err(runtime("startBatch Error. Channel is closed"));
        }
        if let Ok(batch) = batch
            && asks_for_message(batch)
            && let Some(message) = client.next_message()
        {
            return message_alone(&message);
        }
    }
    let batch = batch?;
    if batch.is_empty() {
        // Nothing is asked of the call, whatever it is doing.
        return ObjectBox::new(ce::stdclass());
    }
    let mut ops = Ops::read(batch)?;
    let received = match this {
        Call::Client(client) => client.run(&mut ops)?,
        Call::Server(server) => server.run(&mut ops)?,
    };
    ops.result(received)
}

fn get_peer(call: call::Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(match call.this::<Call>()? {
        Call::Client(client) => string(client.peer().as_bytes()),
        Call::Server(server) => string(uri(server.peer()).as_bytes()),
    })
}

/// An address as the official extension shows it: a URI, in whose path brackets may not stand.
pub(super) fn uri(peer: &str) -> Cow<'_, str> {
    match peer.strip_prefix("ipv6:") {
        Some(address) => format!("ipv6:{}", address.replace('[', "%5B").replace(']', "%5D")).into(),
        None => peer.into(),
    }
}

fn cancel(call: call::Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    match call.this::<Call>()? {
        Call::Client(client) => client.cancel(),
        Call::Server(server) => server.cancel(),
    }
    Ok(())
}

fn set_credentials(call: call::Call<'_>) -> Result<i64, Thrown> {
    let read = call.arguments(1..=1).and_then(|a| a.get::<Instance<'_, CallCredentials>>(0));
    let credentials = expecting("setCredentials expects 1 CallCredentials", read)?;
    Ok(match call.this::<Call>()? {
        Call::Client(client) => client.set_credentials(credentials.value.clone()),
        Call::Server(_) => error::NOT_ON_SERVER,
    })
}
