//! `Grpc\Server`
//!
//! The engine's server with one method that takes every path: calls wait in its inbox until PHP asks
//! for one. It lives on while PHP is elsewhere, and ends with its object.

use std::cell::RefCell;
use std::net::{IpAddr, ToSocketAddrs as _};

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::convert::IntoZval as _;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::ce;
use viaduct::reactor::fork::Bound;
use viaduct::server::{
    Inbox, Listener, RequestShape, Router, Server as Core, ServerCall as CoreCall, ServerHandle,
};
use viaduct::tls::ServerTls;

use super::call::Call as GrpcCall;
use super::exceptions::{expecting, logic, runtime};
use super::metadata::{self, GIVEN_PATH};
use super::server_args::ServerArgs;
use super::server_call::ServerCall;
use super::server_credentials::ServerCredentials;
use super::timeval::Timeval;
use crate::errors::{self, Thrown};
use crate::ini;
use crate::scheduler::{self, wait};
use crate::zend::call::{Call, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};
use crate::zend::object::ObjectBox;
use crate::zend::string;

/// `CALL_ERROR`
const CALL_ERROR: i64 = 1;

/// A server.
pub(crate) struct Server {
    args: ServerArgs,
    listeners: RefCell<Vec<Listener>>,
    running: RefCell<Option<Bound<Running>>>,
}

/// A server that was started. In a forked child it is the parent's.
struct Running {
    inbox: Inbox,
    /// `None` for a server without ports.
    handle: Option<ServerHandle>,
}

rust_class!(Server, "Grpc\\Server");

impl Class for Server {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;
    const FLAGS: ClassFlags = OPEN;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor.arg(untyped("args").default("null")).required_args(0)
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let args: Result<Option<&ZendHashTable>, _> = call.arguments(0..=1).and_then(|a| a.nullable(0));
        let args = expecting("Server expects an array", args)?;
        ini::first_use();
        let args = args.map(ServerArgs::read).transpose()?.unwrap_or_default();
        Ok(Self { args, listeners: RefCell::default(), running: RefCell::default() })
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        vec![
            (FunctionBuilder::new("requestCall", handler!(request_call)), public),
            (FunctionBuilder::new("addHttp2Port", handler!(add_http2_port)).arg(untyped("addr")), public),
            (
                FunctionBuilder::new("addSecureHttp2Port", handler!(add_secure_http2_port))
                    .arg(untyped("addr"))
                    .arg(untyped("server_creds")),
                public,
            ),
            (FunctionBuilder::new("start", handler!(start)), public),
        ]
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
        if let Some(scheduler) = scheduler::running() {
            // The port is free when the object is gone.
            scheduler.reactor.turn();
        }
    }
}

impl Server {
    /// Binds `address`; the port, or 0 where that is not possible.
    fn add_port(&self, address: &ZendStr, tls: Option<&ServerTls>) -> Result<i64, Thrown> {
        if self.running.borrow().is_some() {
            return Err(logic("a port cannot be added to a server that was started", CALL_ERROR));
        }
        let Ok(address) = address.as_str() else { return Ok(0) };
        let mut bound = Vec::new();
        let port = bind(address, tls, self.args.share_ports, &mut bound).unwrap_or(0);
        self.listeners.borrow_mut().append(&mut bound);
        Ok(i64::from(port))
    }
}

/// Binds all that an address of gRPC's stands for. A Unix socket has the port 1.
fn bind(address: &str, tls: Option<&ServerTls>, share: bool, to: &mut Vec<Listener>) -> Option<u16> {
    let one = |address: &str| Listener::bind_shared(address, tls.cloned(), share).ok();
    if address.starts_with("unix:") || address.starts_with("unix-abstract:") {
        to.push(one(address)?);
        return Some(1);
    }
    let address = ["dns:///", "dns:", "ipv4:", "ipv6:"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .unwrap_or(address);
    let (host, port) = address.rsplit_once(':')?;
    let mut port: u16 = port.parse().ok()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let mut add = |host: &str, port: &mut u16| {
        let Some(listener) = one(&format!("{scheme}://{host}:{port}")) else { return false };
        let Some(bound) = listener.target().rsplit_once(':').and_then(|(_, port)| port.parse().ok()) else {
            return false;
        };
        *port = bound;
        to.push(listener);
        true
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let done = match bare.parse::<IpAddr>() {
        // Both protocols in one socket, where the system has both.
        Ok(ip) if ip.is_unspecified() => add("[::]", &mut port) || add("0.0.0.0", &mut port),
        Ok(IpAddr::V6(ip)) => add(&format!("[{ip}]"), &mut port),
        Ok(IpAddr::V4(ip)) => add(&ip.to_string(), &mut port),
        Err(_) => {
            // A name, and every address that it has: clients try them all.
            let mut done = false;
            for address in (bare, 0).to_socket_addrs().ok()? {
                done |= match address.ip() {
                    IpAddr::V6(ip) => add(&format!("[{ip}]"), &mut port),
                    IpAddr::V4(ip) => add(&ip.to_string(), &mut port),
                };
            }
            done
        }
    };
    done.then_some(port)
}

fn add_http2_port(call: Call<'_>) -> Result<i64, Thrown> {
    let address = call.arguments(1..=1).and_then(|a| a.get::<&ZendStr>(0));
    let address = expecting("add_http2_port expects a string", address)?;
    call.this::<Server>()?.add_port(address, None)
}

fn add_secure_http2_port(call: Call<'_>) -> Result<i64, Thrown> {
    let read = || {
        let a = call.arguments(2..=2)?;
        Ok((a.get::<&ZendStr>(0)?, a.get::<Instance<'_, ServerCredentials>>(1)?))
    };
    let (address, credentials) =
        expecting("add_http2_port expects a string and a ServerCredentials", read())?;
    call.this::<Server>()?.add_port(address, Some(&credentials.tls))
}

fn start(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<Server>()?;
    if this.running.borrow().is_some() {
        return Err(logic("the server was started before", CALL_ERROR));
    }
    let listeners = this.listeners.take();
    let inbox = Inbox::new(this.args.config.max_queued);
    let handle = if listeners.is_empty() {
        None
    } else {
        let mut router = Router::new();
        router.take_rest(RequestShape::Many);
        let (config, theirs) = (this.args.config.clone(), inbox.clone());
        let started = scheduler::scheduler()?
            .reactor
            .block_on(async { Core::start(config, router, listeners, theirs) });
        Some(started.map_err(|why| runtime(&format!("the server cannot be started: {why}")))?)
    };
    *this.running.borrow_mut() = Some(Bound::new(Running { inbox, handle }));
    Ok(())
}

fn request_call(call: Call<'_>) -> Result<ObjectBox, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Server>()?;
    let inbox = match &*this.running.borrow() {
        None => return Err(logic("request_call failed", CALL_ERROR)),
        Some(running) => running.get().map(|running| running.inbox.clone()),
    };
    let Some(inbox) = inbox else {
        return Err(runtime("the server was started before the fork and belongs to the parent process"));
    };
    loop {
        if let Some(incoming) = inbox.pop() {
            return described(incoming.call, this.args.config.max_send);
        }
        let waiting = inbox.clone();
        wait(&scheduler::scheduler()?, async move { waiting.ready().await })?;
    }
}

/// What `requestCall()` returns.
fn described(call: CoreCall, max_send: Option<usize>) -> Result<ObjectBox, Thrown> {
    let result = ObjectBox::new(ce::stdclass())?;
    let set = |name, value| result.get().write(ce::stdclass(), name, value);
    set("method", string(method_of(&call).as_bytes()));
    set("host", string(call.authority().as_bytes()));
    let deadline = Timeval::of_deadline(call.deadline()).into_object();
    set("absolute_deadline", value(deadline.into_zval(false))?);
    set("metadata", metadata::to_php(call.headers()));
    let call = GrpcCall::Server(ServerCall::new(call, max_send)).into_object();
    set("call", value(call.into_zval(false))?);
    Ok(result)
}

fn value(value: ext_php_rs::error::Result<Zval>) -> Result<Zval, Thrown> {
    value.map_err(|error| errors::error(error.to_string()))
}

/// The path as the client gave it. HTTP/2 wants a slash in front; a client of ours that was given none says so.
fn method_of(call: &CoreCall) -> &str {
    let path = call.path();
    let given = call.headers().get(GIVEN_PATH).and_then(|given| given.to_str().ok());
    given.filter(|given| path.strip_prefix('/') == Some(given)).unwrap_or(path)
}
