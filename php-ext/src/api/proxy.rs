//! `Viaduct\Proxy`

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ext_php_rs::args::Arg;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{DataType, MethodFlags};
use ext_php_rs::types::{ZendClassObject, ZendHashTable};
use viaduct::error::quote;
use viaduct::proxy::config::{self, ConfigError};
use viaduct::proxy::settings::Settings;
use viaduct::proxy::{Proxy as Core, StartError};
use viaduct::server::ListenError;

use super::range::seconds;
use crate::errors::{self, Thrown};
use crate::scheduler::{self, wait};
use crate::serve::forwarding;
use crate::zend::call::{Call, handler};
use crate::zend::class::{Class, Methods, rust_class};
use crate::zend::string;

/// What a configuration that came from no file is called in messages.
const NAME: &str = "config";

/// A proxy: before it listens, while it does, and after.
pub(crate) struct Proxy {
    /// What its configuration is called in messages.
    name: String,
    /// Where relative paths in it begin.
    base: PathBuf,
    state: RefCell<State>,
    has_run: Cell<bool>,
    /// `run()` waits for the end.
    is_running: Cell<bool>,
}

enum State {
    Ready(Box<Settings>),
    Listening(Rc<Core>),
    Ended,
}

rust_class!(Proxy, "Viaduct\\Proxy");

impl Class for Proxy {
    const CONSTRUCTOR: MethodFlags = MethodFlags::Public;

    fn signature(constructor: FunctionBuilder<'_>) -> FunctionBuilder<'_> {
        constructor.arg(Arg::new("config", DataType::String))
    }

    fn construct(call: Call<'_>) -> Result<Self, Thrown> {
        let a = call.arguments(1..=1)?;
        let (name, base) = (NAME.to_owned(), PathBuf::new());
        let settings = read(a.get(0)?, &name, &base)?;
        Ok(Self::of(name, base, settings))
    }

    fn methods() -> Methods {
        let public = MethodFlags::Public;
        let method = |name, handler, of| FunctionBuilder::new(name, handler).returns(of, false, false);
        vec![
            (
                FunctionBuilder::new("fromFile", handler!(from_file))
                    .arg(Arg::new("path", DataType::String))
                    .returns(DataType::object("Viaduct\\Proxy"), false, false),
                public | MethodFlags::Static,
            ),
            (method("listen", handler!(listen), DataType::Array), public),
            (method("addresses", handler!(addresses), DataType::Array), public),
            (method("run", handler!(run), DataType::Void), public),
            (
                method("reload", handler!(reload), DataType::Void).arg(Arg::new("config", DataType::String)),
                public,
            ),
            (
                method("stop", handler!(stop), DataType::Void)
                    .arg(Arg::new("drainTimeout", DataType::Double).allow_null().default("null"))
                    .required_args(0),
                public,
            ),
        ]
    }
}

impl Proxy {
    fn of(name: String, base: PathBuf, settings: Settings) -> Self {
        Self {
            name,
            base,
            state: RefCell::new(State::Ready(Box::new(settings))),
            has_run: Cell::new(false),
            is_running: Cell::new(false),
        }
    }

    /// What runs. `None` before and after.
    fn listening(&self) -> Result<Option<Rc<Core>>, Thrown> {
        match &*self.state.borrow() {
            State::Listening(core) if core.is_stale() => Err(thrown(StartError::Forked)),
            State::Listening(core) => Ok(Some(Rc::clone(core))),
            State::Ready(_) | State::Ended => Ok(None),
        }
    }

    /// Listens, where it does not yet. `None` where it has ended.
    fn begin(&self) -> Result<Option<Rc<Core>>, Thrown> {
        let settings = match &*self.state.borrow() {
            State::Ready(settings) => (**settings).clone(),
            _ => return self.listening(),
        };
        config::log_warnings(&settings);
        let core = Rc::new(Core::start(settings).map_err(thrown)?);
        self.state.replace(State::Listening(Rc::clone(&core)));
        Ok(Some(core))
    }

    /// Nothing is served any more: its threads go.
    fn end(&self) {
        let gone = self.state.replace(State::Ended);
        drop(gone);
    }
}

fn read(text: &[u8], name: &str, base: &Path) -> Result<Settings, Thrown> {
    let text = str::from_utf8(text).map_err(|error| {
        errors::invalid_argument(format!("{name} is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    config::parse(text, name, base).map_err(wrong)
}

fn wrong(error: ConfigError) -> Thrown {
    errors::invalid_argument(error.to_string())
}

fn thrown(error: StartError) -> Thrown {
    let message = error.to_string();
    match error {
        StartError::Invalid(_) | StartError::Listen(ListenError::Invalid(_)) => {
            errors::invalid_argument(message)
        }
        StartError::Forked | StartError::Ending => errors::logic(message),
        StartError::Listen(ListenError::Io { .. }) | StartError::Log { .. } | StartError::Thread(_) => {
            errors::runtime(message)
        }
    }
}

fn list_of(core: Option<&Core>) -> Result<ZBox<ZendHashTable>, Thrown> {
    let mut list = ZendHashTable::new();
    for target in core.map(Core::targets).unwrap_or_default() {
        list.push(string(target.as_bytes())).map_err(|e| errors::error(e.to_string()))?;
    }
    Ok(list)
}

fn from_file(call: Call<'_>) -> Result<ZBox<ZendClassObject<Proxy>>, Thrown> {
    let path: &[u8] = call.arguments(1..=1)?.get(0)?;
    if path.is_empty() || path.contains(&0) {
        let shown = quote(&String::from_utf8_lossy(path));
        return Err(errors::invalid_argument(format!("path is {shown}; expected that of a file")));
    }
    let path = Path::new(OsStr::from_bytes(path));
    let settings = config::load(path).map_err(wrong)?.settings;
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Proxy::of(path.display().to_string(), base, settings).into_object())
}

fn listen(call: Call<'_>) -> Result<ZBox<ZendHashTable>, Thrown> {
    call.no_arguments()?;
    let this = call.this::<Proxy>()?;
    if this.listening()?.is_some() {
        return Err(errors::logic("listen() once more: the proxy listens already"));
    }
    let core = this.begin()?.ok_or_else(|| errors::logic("listen() after the end: make a new proxy"))?;
    list_of(Some(&core))
}

fn addresses(call: Call<'_>) -> Result<ZBox<ZendHashTable>, Thrown> {
    call.no_arguments()?;
    list_of(call.this::<Proxy>()?.listening()?.as_deref())
}

fn run(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    let this = call.this::<Proxy>()?;
    if this.has_run.get() {
        return Err(errors::logic("run() once more: a proxy runs once"));
    }
    let scheduler = scheduler::scheduler()?;
    if !scheduler.may_serve() {
        return Err(errors::logic("run() inside a fiber or another run(): it belongs on the main stack"));
    }
    // One that was told to end before ends at once.
    let Some(core) = this.begin()? else { return Ok(()) };
    this.has_run.set(true);
    this.is_running.set(true);
    let outcome = forwarding::run(&scheduler, &core);
    this.is_running.set(false);
    // A forked child that came back here keeps what is its parent's, and says so.
    if !core.is_stale() {
        drop(core);
        this.end();
    }
    outcome
}

fn reload(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(1..=1)?;
    let text: &[u8] = a.get(0)?;
    let this = call.this::<Proxy>()?;
    if matches!(&*this.state.borrow(), State::Ended) {
        return Err(thrown(StartError::Ending));
    }
    let core = this.listening()?;
    let settings = match (read(text, &this.name, &this.base), &core) {
        (Err(Thrown::Object(exception)), Some(core)) => {
            core.refused(&errors::message_of(exception.get()));
            return Err(Thrown::Object(exception));
        }
        (outcome, _) => outcome?,
    };
    match core {
        Some(core) => {
            config::log_warnings(&settings);
            core.reload(settings).map_err(thrown)
        }
        None => {
            this.state.replace(State::Ready(Box::new(settings)));
            Ok(())
        }
    }
}

fn stop(call: Call<'_>) -> Result<(), Thrown> {
    let a = call.arguments(0..=1)?;
    let grace = a.nullable(0)?.map(|span| seconds("drainTimeout", span)).transpose()?;
    let this = call.this::<Proxy>()?;
    let Some(core) = this.listening()? else {
        this.end();
        return Ok(());
    };
    match grace {
        None => core.drain(),
        Some(grace) => core.drain_within(grace),
    };
    // Where run() waits for the end, this need not.
    if !this.is_running.get() {
        wait(&scheduler::scheduler()?, core.ended())?;
        drop(core);
        this.end();
    }
    Ok(())
}
