//! `Grpc\Channel`

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use viaduct::client::{Channel as Core, Connectivity, Target};
use viaduct::reactor::poll_now;

use super::arguments;
use super::call_credentials::CallCredentialsValue;
use super::channel_credentials::ChannelCredentials;
use super::exceptions::{expecting, invalid_argument, runtime};
use super::link::{Link, Namespace, Tls};
use super::pool;
use super::timeval::Timeval;
use crate::errors::Thrown;
use crate::ini;
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::Object;

/// The reactor's clock knows nothing shorter.
const CLOCK: Duration = Duration::from_millis(1);

/// A reference to a channel, until it is closed.
pub(crate) struct Channel {
    link: Rc<RefCell<Option<Rc<Link>>>>,
    /// Those of composite channel credentials. The link of a channel that has some is never pooled: they
    /// belong to the request.
    call_credentials: Option<CallCredentialsValue>,
}

rust_class!(Channel, "Grpc\\Channel");

impl Holds for Channel {
    fn show(&self, to: &mut Collector<'_>) {
        if let Some(credentials) = &self.call_credentials {
            credentials.show(to);
        }
    }
}

impl Channel {
    /// What the object refers to; `None` once it is closed.
    pub(crate) fn link(&self) -> Option<Rc<Link>> {
        self.link.borrow().clone()
    }

    /// What its calls send beside their own.
    pub(crate) fn call_credentials(&self) -> Option<CallCredentialsValue> {
        self.call_credentials.clone()
    }

    /// Where it says so once it is closed.
    pub(crate) fn slot(&self) -> Rc<RefCell<Option<Rc<Link>>>> {
        Rc::clone(&self.link)
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
        let (target, array) = expecting("Channel expects a string and an array", read())?;
        let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
        ini::first_use();
        let credentials = credentials(array)?;
        let link = open(target, credentials, array)?;
        let call_credentials = credentials.and_then(|c| c.call_credentials.clone());
        Ok(Self { link: Rc::new(RefCell::new(Some(link))), call_credentials })
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        vec![
            (FunctionBuilder::new("getTarget", handler!(get_target)), public),
            (
                FunctionBuilder::new("getConnectivityState", handler!(get_connectivity_state))
                    .arg(untyped("try_to_connect").default("false"))
                    .required_args(0),
                public,
            ),
            (
                FunctionBuilder::new("watchConnectivityState", handler!(watch_connectivity_state))
                    .arg(untyped("last_state"))
                    .arg(untyped("deadline")),
                public,
            ),
            (FunctionBuilder::new("close", handler!(close)), public),
        ]
    }
}

/// The channel to `target`: from the pool, where it may be.
fn open(
    target: String,
    credentials: Option<&ChannelCredentials>,
    array: &ZendHashTable,
) -> Result<Rc<Link>, Thrown> {
    let force_new = array.get("force_new").is_some_and(is_true);
    let bound = match array.get("grpc_target_persist_bound").map(Zval::dereference) {
        None => None,
        Some(bound) => {
            let bound = bound.long().ok_or_else(|| invalid_argument("plist_bound must be a number"))?;
            // −1 is the official extension's "not given".
            usize::try_from(bound).ok()
        }
    };
    let given = arguments::read(array)?;
    let settings = arguments::settings(&given)?;
    let key = pool::Key {
        target: target.clone(),
        terms: pool::Terms::Grpc {
            arguments: given,
            credentials: credentials.map(|c| Rc::clone(&c.material)),
            xds: credentials.is_some_and(|c| c.xds),
        },
    };
    let poolable = !force_new && credentials.is_none_or(|c| c.call_credentials.is_none());
    let make = || {
        let tls = credentials.map(|c| Tls::new(Rc::clone(&c.material), settings.server_name));
        let leads = Target::grpc(&target);
        let core = match tls {
            None => Core::new(leads, None, settings.options),
            Some(_) => Core::with_deferred_tls(leads, settings.options),
        };
        let core = core.map_err(|error| invalid_argument(&error.to_string()))?;
        Ok(Link::new(Namespace::Grpc, core, target, tls))
    };
    if poolable { pool::get(key, bound, make) } else { make() }
}

/// The credentials in the array; none, and null, are plaintext.
fn credentials(array: &ZendHashTable) -> Result<Option<&ChannelCredentials>, Thrown> {
    let Some(value) = array.get("credentials").map(Zval::dereference).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    Object::of(value)
        .and_then(Object::rust::<ChannelCredentials>)
        .map(Some)
        .ok_or_else(|| invalid_argument("credentials must be a ChannelCredentials object"))
}

fn is_true(value: &Zval) -> bool {
    let value = value.dereference();
    value.bool().or_else(|| value.long().map(|n| n != 0)).unwrap_or(false)
}

/// The state's number: one of the `CHANNEL_…`.
fn number(state: Connectivity) -> i64 {
    match state {
        Connectivity::Idle => 0,
        Connectivity::Connecting => 1,
        Connectivity::Ready => 2,
        Connectivity::TransientFailure => 3,
        Connectivity::Shutdown => 4,
    }
}

/// The state of a number. Numbers of no state are those of a state that has gone.
fn state(number: i64) -> Option<Connectivity> {
    use Connectivity::{Connecting, Idle, Ready, Shutdown, TransientFailure};
    [Idle, Connecting, Ready, TransientFailure, Shutdown]
        .into_iter()
        .find(|state| self::number(*state) == number)
}

/// The link of the object whose method is called. The message is the official extension's, to the
/// missing spaces.
fn link(call: Call<'_>, what: &str) -> Result<Rc<Link>, Thrown> {
    // A subclass may have made none.
    let link = call.object()?.rust::<Channel>().and_then(Channel::link);
    link.ok_or_else(|| runtime(&format!("{what}Channel is already closed.")))
}

fn get_target(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(crate::zend::string(link(call, "getTarget error.")?.target.as_bytes()))
}

fn get_connectivity_state(call: Call<'_>) -> Result<i64, Thrown> {
    let link = link(call, "getConnectivityState error.")?;
    let read = || call.arguments(0..=1)?.get_or(0, false);
    let connect = expecting("getConnectivityState expects a bool", read())?;
    if !connect {
        return Ok(number(link.peek().state(false)));
    }
    let core = link.core();
    let state = scheduler::scheduler()?.reactor.block_on(async { core.state(true) });
    Ok(number(state))
}

fn watch_connectivity_state(call: Call<'_>) -> Result<bool, Thrown> {
    let link = link(call, "watchConnectivityState error")?;
    let read = || {
        let a = call.arguments(2..=2)?;
        Ok((a.get::<i64>(0)?, *a.get::<Instance<'_, Timeval>>(1)?))
    };
    let (last, deadline) = expecting("watchConnectivityState expects 1 long 1 timeval", read())?;
    let Some(last) = state(last) else { return Ok(true) };
    if deadline.remaining().is_some_and(|left| left.is_zero()) {
        // Nothing happens in no time: not even a connection to this machine.
        return Ok(link.peek().state(false) != last);
    }
    let core = link.core().clone();
    let scheduler = scheduler::scheduler()?;
    if deadline.remaining().is_some_and(|left| left < CLOCK) {
        // The clock would make a millisecond of it, in which a connection may come about: one turn.
        let changed = scheduler.reactor.block_on(async { poll_now(core.changed(last)).is_ready() });
        scheduler.reactor.turn();
        return Ok(changed);
    }
    wait(&scheduler, async move {
        let changed = core.changed(last);
        match deadline.remaining() {
            None => {
                changed.await;
                true
            }
            Some(left) => tokio::time::timeout(left, changed).await.is_ok(),
        }
    })
}

fn close(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    if let Some(channel) = call.object()?.rust::<Channel>() {
        // Dropped after the borrow has ended.
        let link = channel.link.take();
        drop(link);
    }
    Ok(())
}
