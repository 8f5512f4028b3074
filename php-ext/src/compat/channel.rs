//! `Grpc\Channel`

use std::cell::RefCell;
use std::rc::Rc;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr};
use viaduct::client::{Channel as Core, ChannelOptions, Target};

use super::exceptions::{expecting, invalid_argument};
use super::link::Link;
use crate::errors::Thrown;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};

/// A reference to a channel, until it is closed.
pub(crate) struct Channel {
    link: RefCell<Option<Rc<Link>>>,
}

rust_class!(Channel, "Grpc\\Channel");

impl Channel {
    /// What the object refers to; `None` once it is closed.
    pub(crate) fn link(&self) -> Option<Rc<Link>> {
        self.link.borrow().clone()
    }
}

impl Class for Channel {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;
    const FLAGS: ClassFlags = OPEN;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor.arg(untyped("target")).arg(untyped("args"))
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let read = || {
            let a = call.arguments(2..=2)?;
            Ok((a.get::<&ZendStr>(0)?, a.get::<&ZendHashTable>(1)?))
        };
        let (target, _) = expecting("Channel expects a string and an array", read())?;
        let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
        let parsed = parse(&target).map_err(|e| invalid_argument(&e.to_string()))?;
        let core = Core::new(parsed, None, ChannelOptions::default())
            .map_err(|e| invalid_argument(&e.to_string()))?;
        let link = Link { core, target, secure: false, call_credentials: None };
        Ok(Self { link: RefCell::new(Some(Rc::new(link))) })
    }

    fn methods() -> Methods {
        vec![(FunctionBuilder::new("close", handler!(close)), MethodFlags::Public)]
    }
}

/// Reads a target as gRPC does: without a scheme it is a name to resolve.
fn parse(text: &str) -> Result<Target, viaduct::error::InvalidArgument> {
    let known = ["dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:"];
    if known.iter().any(|scheme| text.starts_with(scheme)) {
        return Target::parse(text);
    }
    Target::parse(&format!("dns:///{text}"))
}

fn close(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    // Dropped after the borrow has ended.
    let link = call.this::<Channel>()?.link.take();
    drop(link);
    Ok(())
}
