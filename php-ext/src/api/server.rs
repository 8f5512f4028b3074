//! `Viaduct\Server`

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendStr, Zval};
use viaduct::error::quote;
use viaduct::server::{Listener, RequestShape, Router};

use super::method_kind::MethodKind;
use super::server_credentials::ServerCredentials;
use super::server_options::{ServerOptionValues, ServerOptions};
use crate::errors::{self, Thrown};
use crate::scheduler;
use crate::serve::handler::Handler;
use crate::serve::signature::Signature;
use crate::serve::{self, Parts, Stop};
use crate::zend::call::{self, Call, Case, Instance, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::{self, Object};
use crate::zend::{find_class, string};

/// A server: what it has before it runs.
pub(crate) struct Server {
    options: ServerOptionValues,
    router: RefCell<Router>,
    handlers: RefCell<Vec<Rc<Handler>>>,
    listeners: RefCell<Vec<Listener>>,
    has_run: Cell<bool>,
    stop: Rc<Stop>,
}

rust_class!(Server, "Viaduct\\Server");

impl Class for Server {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        let options = Arg::new("options", DataType::object("Viaduct\\ServerOptions"));
        constructor.arg(options.allow_null().default("null")).required_args(0)
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let a = call.arguments(0..=1)?;
        let options = a.nullable::<Instance<'_, ServerOptions>>(0)?;
        Ok(Self {
            options: options.map(|o| o.values.clone()).unwrap_or_default(),
            router: RefCell::default(),
            handlers: RefCell::default(),
            listeners: RefCell::default(),
            has_run: Cell::new(false),
            stop: Rc::default(),
        })
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        let nullable = |name, of| Arg::new(name, of).allow_null().default("null");
        vec![
            (
                FunctionBuilder::new("handle", handler!(handle))
                    .arg(Arg::new("method", DataType::String))
                    .arg(Arg::new("handler", DataType::Callable))
                    .arg(nullable("kind", DataType::object("Viaduct\\MethodKind")))
                    .required_args(2)
                    .returns(DataType::Void, false, false),
                public,
            ),
            (
                FunctionBuilder::new("register", handler!(register))
                    .arg(Arg::new("service", DataType::String))
                    .arg(Arg::new("implementation", DataType::ANY_OBJECT))
                    .returns(DataType::Void, false, false),
                public,
            ),
            (
                FunctionBuilder::new("listen", handler!(listen))
                    .arg(Arg::new("address", DataType::String))
                    .arg(nullable("credentials", DataType::object("Viaduct\\ServerCredentials")))
                    .required_args(1)
                    .returns(DataType::String, false, false),
                public,
            ),
            (FunctionBuilder::new("run", handler!(run)).returns(DataType::Void, false, false), public),
            (FunctionBuilder::new("stop", handler!(stop)).returns(DataType::Void, false, false), public),
        ]
    }
}

impl Holds for Server {
    /// The handlers, which may lead back to the server: one that never ran is collected, and its sockets with it. While
    /// it runs it is held by whoever called `run()`.
    fn show(&self, to: &mut Collector<'_>) {
        // What runs shares the handlers, and the collector counts.
        if let Ok(handlers) = self.handlers.try_borrow() {
            for handler in handlers.iter().filter(|handler| Rc::strong_count(handler) == 1) {
                to.see(handler.callable());
            }
        }
    }
}

impl Server {
    fn not_run(&self, what: &str) -> Result<(), Thrown> {
        if self.has_run.get() {
            return Err(errors::logic(format!(
                "{what} after run(): the server has its handlers and addresses"
            )));
        }
        Ok(())
    }

    fn add(&self, method: &str, callable: &Zval, kind: Option<MethodKind>) -> Result<(), Thrown> {
        self.not_run("handle()")?;
        viaduct::client::method::check(method)?;
        // Reading the signature runs PHP code (autoloaders): nothing is borrowed.
        let handler = Handler::new(method, callable, kind)?;
        if let Some(first) = self.handlers.borrow().iter().find(|known| known.method == method) {
            return Err(errors::invalid_argument(format!(
                "the handler of {method} ({}): the method has a handler already ({}); expected each path once",
                handler.place, first.place
            )));
        }
        let shape = if handler.takes_stream() { RequestShape::Many } else { RequestShape::One };
        self.router.borrow_mut().add(method, shape)?;
        self.handlers.borrow_mut().push(Rc::new(handler));
        Ok(())
    }
}

fn text(value: &ZendStr) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn handle(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(2..=3)?;
    let method = text(a.get(0)?);
    let callable: call::Callable<'_> = a.get(1)?;
    let kind = a.nullable::<Case<MethodKind>>(2)?.map(|Case(kind)| kind);
    call.this::<Server>()?.add(&method, callable.0, kind)
}

fn register(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(2..=2)?;
    let given: &ZendStr = a.get(0)?;
    let implementation: Object<'_> = a.get(1)?;
    let this = call.this::<Server>()?;
    this.not_run("register()")?;
    let Named { service, names, all } = methods_of(given, implementation)?;
    viaduct::client::method::check(&format!("/{service}/Method"))?;
    let mut found = false;
    for name in names {
        let mut callable = ext_php_rs::types::ZendHashTable::new();
        let target: &Zval = a.get(1)?;
        let pushed =
            callable.push(target.shallow_clone()).and_then(|()| callable.push(string(name.as_bytes())));
        pushed.map_err(|e| errors::error(e.to_string()))?;
        let mut value = Zval::new();
        value.set_hashtable(callable);
        // What else an object has in public (setters, helpers) is not for the network.
        if !all && !Signature::of(&value)?.is_of_a_service() {
            continue;
        }
        found = true;
        for method in spellings(&name) {
            this.add(&format!("/{service}/{method}"), &value, None)?;
        }
    }
    if found {
        return Ok(());
    }
    Err(errors::invalid_argument(format!(
        "{} has no public method that could be a handler of {service}; expected some whose first parameter is a \
         google/protobuf class or Viaduct\\RequestStream (others are for handle(), or for an interface with a constant NAME)",
        crate::zend::class_name(implementation.class())
    )))
}

/// A method's name as protobuf's style has it, and as a service may spell it that has another: PHP does not tell them apart.
fn spellings(name: &str) -> Vec<String> {
    let spelled = |change: fn(&char) -> char| -> String {
        let mut characters = name.chars();
        let first = characters.next().map(|first| change(&first));
        first.into_iter().chain(characters).collect()
    };
    let mut both = vec![spelled(char::to_ascii_uppercase), spelled(char::to_ascii_lowercase)];
    both.dedup();
    both
}

/// What `register()` is to make handlers of.
struct Named {
    service: String,
    /// As PHP names them.
    names: Vec<String>,
    /// An interface says that all of them are the service's.
    all: bool,
}

fn methods_of(given: &ZendStr, implementation: Object<'_>) -> Result<Named, Thrown> {
    let name = text(given);
    // What looks like a service and is no class is a service.
    let class = if name.contains('.') { None } else { find_class(given)? };
    let all = class.is_some();
    let (service, class) = match class {
        None if name.contains('\\') => {
            return Err(errors::invalid_argument(format!(
                "{} is neither an interface that can be loaded nor a service's name; expected \
                 \"package.Service\" or an interface with a constant NAME",
                quote(&name)
            )));
        }
        None => (name, implementation.class()),
        Some(interface) => {
            if !implementation.is_a(interface) {
                return Err(errors::invalid_argument(format!(
                    "{} does not implement {name}",
                    crate::zend::class_name(implementation.class())
                )));
            }
            match object::constant(interface, "NAME")? {
                Some(value) if value.is_string() => {
                    (value.zend_str().map(text).unwrap_or_default(), interface)
                }
                _ => {
                    return Err(errors::invalid_argument(format!(
                        "the interface {name} has no constant NAME with the service's name (\"package.Service\")"
                    )));
                }
            }
        }
    };
    let methods = object::public_methods(class);
    let names = methods.into_iter().filter(|name| !name.starts_with("__")).collect();
    Ok(Named { service, names, all })
}

fn listen(call: Call<'_>) -> Result<Zval, Thrown> {
    let a = call.arguments(1..=2)?;
    let address = text(a.get(0)?);
    let credentials = a.nullable::<Instance<'_, ServerCredentials>>(1)?;
    let this = call.this::<Server>()?;
    this.not_run("listen()")?;
    let tls = credentials.map(|c| c.tls.clone());
    let listener = Listener::bind(&address, tls).map_err(|error| match error {
        viaduct::server::ListenError::Invalid(error) => Thrown::from(error),
        error => errors::runtime(error.to_string()),
    })?;
    let target = listener.target().to_owned();
    this.listeners.borrow_mut().push(listener);
    Ok(string(target.as_bytes()))
}

fn run(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<Server>()?;
    if this.has_run.get() {
        return Err(errors::logic("run() once more: a server runs once"));
    }
    if this.listeners.borrow().is_empty() {
        return Err(errors::logic("run() without listen(): there is no address to take connections from"));
    }
    let scheduler = scheduler::scheduler()?;
    if !scheduler.may_serve() {
        return Err(errors::logic("run() inside a fiber or another run(): it belongs on the main stack"));
    }
    this.has_run.set(true);
    let parts = Parts {
        config: this.options.core(),
        router: this.router.take(),
        listeners: this.listeners.take(),
        handlers: this.handlers.borrow().clone(),
        concurrency: this.options.concurrency,
        expose_errors: this.options.expose_errors,
        max_send: this.options.max_send_bytes,
        stop: Rc::clone(&this.stop),
    };
    let outcome = serve::run(&scheduler, parts);
    // Callables may lead back to this object: the cycle ends here.
    let handlers = this.handlers.take();
    drop(handlers);
    outcome
}

fn stop(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    call.this::<Server>()?.stop.tell();
    Ok(())
}
