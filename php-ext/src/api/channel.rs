//! `Viaduct\Channel`

use std::cell::RefCell;
use std::rc::Rc;

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendStr, Zval};
use viaduct::Code;
use viaduct::client::target::Scheme;
use viaduct::client::{Channel as Core, Connectivity, Method, Outcome, Target};
use viaduct::error::quote;
use viaduct::tls::ClientTls;

use super::arguments::{self, CallArguments};
use super::bidi_stream::BidiStream;
use super::channel_options::ChannelOptions;
use super::client_stream::ClientStream;
use super::connectivity_state::ConnectivityState;
use super::credentials::{Credentials, CredentialsKind};
use super::interfaces::CHANNEL_INTERFACE;
use super::iteration::HasMessages as _;
use super::range::seconds;
use super::server_stream::ServerStream;
use super::stream::Stream;
use super::unary_call::UnaryCall;
use crate::compat::link::{Link, Namespace};
use crate::compat::pool;
use crate::errors::{self, Thrown};
use crate::message::{Decoder, payload};
use crate::scheduler::{self, Scheduler, wait};
use crate::zend::call::{Call, Instance, handler};
use crate::zend::class::{Class, Methods, rust_class};

/// A connection to a service, alone or with others. In a forked child the core makes one anew.
pub(crate) struct Channel {
    link: RefCell<Rc<Link>>,
}

impl Channel {
    fn core(&self) -> Core {
        self.link.borrow().peek().clone()
    }
}

rust_class!(Channel, "Viaduct\\Channel", implements(CHANNEL_INTERFACE));

impl Class for Channel {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        let nullable = |name, class| Arg::new(name, DataType::object(class)).allow_null().default("null");
        constructor
            .arg(Arg::new("target", DataType::String))
            .arg(nullable("credentials", "Viaduct\\Credentials"))
            .arg(nullable("options", "Viaduct\\ChannelOptions"))
            .required_args(1)
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let a = call.arguments(1..=3)?;
        let text: &ZendStr = a.get(0)?;
        let target = Target::parse(&String::from_utf8_lossy(text.as_bytes()))?;
        let credentials = a.nullable::<Instance<'_, Credentials>>(1)?;
        let tls = tls_for(&target, credentials.as_ref().map(|c| &c.kind))?;
        let options = a.nullable::<Instance<'_, ChannelOptions>>(2)?;
        let persistent = options.as_ref().is_none_or(|o| o.persistent);
        let options = options.map(|o| o.values.clone()).unwrap_or_default();
        let terms = pool::Terms::Viaduct { options: Box::new(options.clone()), tls: tls.clone() };
        let key = pool::Key { target: target.text.clone(), terms };
        let make = || -> Result<_, Thrown> {
            let text = target.text.clone();
            Ok(Link::new(Namespace::Viaduct, Core::new(target, tls, options)?, text, None))
        };
        let link = if persistent { pool::get(key, None, make)? } else { make()? };
        Ok(Self { link: RefCell::new(link) })
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        let call =
            |name, handler, request| arguments::parameters(FunctionBuilder::new(name, handler), request);
        let object = |class| DataType::object(class);
        vec![
            (call("unary", handler!(unary), true).returns(DataType::Mixed, false, false), public),
            (
                call("start", handler!(start), true).returns(object("Viaduct\\UnaryCall"), false, false),
                public,
            ),
            (
                call("serverStream", handler!(server_stream), true).returns(
                    object("Viaduct\\ServerStream"),
                    false,
                    false,
                ),
                public,
            ),
            (
                call("clientStream", handler!(client_stream), false).returns(
                    object("Viaduct\\ClientStream"),
                    false,
                    false,
                ),
                public,
            ),
            (
                call("bidi", handler!(bidi), false).returns(object("Viaduct\\BidiStream"), false, false),
                public,
            ),
            (
                FunctionBuilder::new("target", handler!(target)).returns(DataType::String, false, false),
                public,
            ),
            (
                FunctionBuilder::new("state", handler!(state))
                    .arg(Arg::new("connect", DataType::Bool).default("false"))
                    .required_args(0)
                    .returns(object("Viaduct\\ConnectivityState"), false, false),
                public,
            ),
            (
                FunctionBuilder::new("waitForReady", handler!(wait_for_ready))
                    .arg(Arg::new("timeout", DataType::Double).allow_null().default("null"))
                    .required_args(0)
                    .returns(DataType::Bool, false, false),
                public,
            ),
            (FunctionBuilder::new("close", handler!(close)).returns(DataType::Void, false, false), public),
        ]
    }
}

/// What the target and the credentials together say about TLS.
fn tls_for(target: &Target, given: Option<&CredentialsKind>) -> Result<Option<ClientTls>, Thrown> {
    match (given, target.tls) {
        (Some(CredentialsKind::Insecure), Scheme::Tls) => Err(errors::invalid_argument(format!(
            "target {} does not go with Credentials::insecure(): https:// means TLS; expected http:// for \
             plaintext",
            quote(&target.text)
        ))),
        (Some(CredentialsKind::Tls(tls)), _) => Ok(Some(tls.clone())),
        (None, Scheme::Tls | Scheme::Open) => Ok(Some(ClientTls::new(None, None, None)?)),
        (Some(CredentialsKind::Insecure), _) | (None, Scheme::Plaintext | Scheme::Local) => Ok(None),
    }
}

/// The response of a call that ended, or the exception for its status.
pub(crate) fn response(method: &Method, outcome: &Outcome, decoder: Decoder) -> Result<Zval, Thrown> {
    match &outcome.message {
        Some(message) if outcome.status.code() == Code::Ok => decoder.decode(message, "response"),
        _ => Err(errors::call_exception(method.as_str(), &outcome.status, &outcome.trailers)),
    }
}

/// What `unary` and `start` do alike.
fn request(call: Call<'_>, scheduler: &Scheduler) -> Result<(Core, CallArguments, bytes::Bytes), Thrown> {
    let a = call.arguments(2..=7)?;
    let arguments = arguments::read(scheduler, a, 2)?;
    let message: &Zval = a.get(1)?;
    // Serializing calls PHP code, which may close the channel: nothing of it is borrowed.
    let message = payload(message, "request")?;
    let channel = call.this::<Channel>()?.core();
    let framed =
        arguments::frame(&channel, &arguments.method, message.as_bytes(), arguments.options.encoding)?;
    Ok((channel, arguments, framed))
}

fn unary(call: Call<'_>) -> Result<Zval, Thrown> {
    let scheduler = scheduler::scheduler()?;
    let (channel, arguments, framed) = request(call, &scheduler)?;
    let CallArguments { method, decoder, options } = arguments;
    // The wait keeps the method, not the stack: after a fatal error nobody comes back to it.
    let outcome = wait(&scheduler, async move {
        let outcome = channel.unary(method.clone(), framed, options).await;
        (method, outcome)
    });
    let (method, outcome) = outcome?;
    response(&method, &outcome, decoder)
}

fn start(call: Call<'_>) -> Result<ZBox<ZendClassObject<UnaryCall>>, Thrown> {
    let scheduler = scheduler::scheduler()?;
    let (channel, arguments, framed) = request(call, &scheduler)?;
    Ok(UnaryCall::start(&scheduler, channel, arguments, framed).into_object())
}

fn server_stream(call: Call<'_>) -> Result<ZBox<ZendClassObject<ServerStream>>, Thrown> {
    let scheduler = scheduler::scheduler()?;
    let (channel, arguments, framed) = request(call, &scheduler)?;
    Ok(ServerStream(open(&scheduler, channel, arguments, Some(framed))?).into_iterator())
}

fn client_stream(call: Call<'_>) -> Result<ZBox<ZendClassObject<ClientStream>>, Thrown> {
    Ok(ClientStream::new(open_without_request(call)?).into_object())
}

fn bidi(call: Call<'_>) -> Result<ZBox<ZendClassObject<BidiStream>>, Thrown> {
    Ok(BidiStream(open_without_request(call)?).into_iterator())
}

fn open_without_request(call: Call<'_>) -> Result<Stream, Thrown> {
    let scheduler = scheduler::scheduler()?;
    let a = call.arguments(1..=6)?;
    let arguments = arguments::read(&scheduler, a, 1)?;
    let channel = call.this::<Channel>()?.core();
    open(&scheduler, channel, arguments, None)
}

fn open(
    scheduler: &Rc<Scheduler>,
    channel: Core,
    arguments: CallArguments,
    request: Option<bytes::Bytes>,
) -> Result<Stream, Thrown> {
    let CallArguments { method, decoder, options } = arguments;
    let encoding = options.encoding;
    let theirs = channel.clone();
    let call = wait(scheduler, async move { theirs.call(method, request, options).await })?;
    scheduler.nudge();
    Ok(Stream::new(channel, call, decoder, encoding))
}

fn target(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(crate::zend::string(call.this::<Channel>()?.core().target().text.as_bytes()))
}

fn state(call: Call<'_>) -> Result<ConnectivityState, Thrown> {
    let a = call.arguments(0..=1)?;
    let connect = a.get_or(0, false)?;
    let channel = call.this::<Channel>()?.core();
    let state = if connect {
        scheduler::scheduler()?.reactor.block_on(async { channel.state(true) })
    } else {
        channel.state(false)
    };
    Ok(match state {
        Connectivity::Idle => ConnectivityState::Idle,
        Connectivity::Connecting => ConnectivityState::Connecting,
        Connectivity::Ready => ConnectivityState::Ready,
        Connectivity::TransientFailure => ConnectivityState::TransientFailure,
        Connectivity::Shutdown => ConnectivityState::Shutdown,
    })
}

fn wait_for_ready(call: Call<'_>) -> Result<bool, Thrown> {
    let a = call.arguments(0..=1)?;
    let timeout: Option<f64> = a.nullable(0)?;
    let timeout = timeout.map(|t| seconds("timeout", t)).transpose()?;
    let channel = call.this::<Channel>()?.core();
    let scheduler = scheduler::scheduler()?;
    wait(&scheduler, async move {
        let ready = channel.wait_for_ready();
        match timeout {
            None => ready.await.is_ok(),
            Some(timeout) => matches!(tokio::time::timeout(timeout, ready).await, Ok(Ok(()))),
        }
    })
}

fn close(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<Channel>()?;
    let link = Rc::clone(&this.link.borrow());
    // This object's reference, and the one here.
    if pool::take_alone(&link, 2) {
        link.peek().close();
    } else {
        // Others use the connection: only this object is closed.
        let closed = link.peek().closed();
        this.link.replace(Link::new(Namespace::Viaduct, closed, link.target.clone(), None));
    }
    Ok(())
}
