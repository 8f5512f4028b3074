//! `Grpc\CallCredentials`

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendClassObject, Zval};
use ext_php_rs::zend::ce;
use http::HeaderMap;
use viaduct::Status;
use viaduct::client::google::GoogleDefault;
use viaduct::error::quote;

use super::exceptions::{expecting, invalid_argument};
use crate::callable::Callable;
use crate::errors::{self, Thrown};
use crate::scheduler::{scheduler, wait};
use crate::zend::array::{Entries, Key};
use crate::zend::call::{self, Call, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};
use crate::zend::collect::{Collector, Holds};
use crate::zend::object::ObjectBox;
use crate::zend::{class_name, string, type_name};

/// The most values that a plugin may give: `HeaderMap` panics at 24,576, peers refuse long before.
const MOST: usize = 4096;

/// Credentials that belong to calls.
pub(crate) struct CallCredentials {
    pub(crate) value: CallCredentialsValue,
}

rust_class!(CallCredentials, "Grpc\\CallCredentials");

/// What `Grpc\CallCredentials` stand for: a source of metadata after the other. It belongs to the request.
///
/// Each PHP object that has some has references of its own to the plugins, so that the collector sees
/// circles through any of them.
#[derive(Clone)]
pub(crate) struct CallCredentialsValue(Vec<Source>);

#[derive(Clone)]
enum Source {
    Plugin(Callable),
    /// What a file or the machine's metadata server says.
    Google(GoogleDefault),
}

impl Holds for CallCredentials {
    fn show(&self, to: &mut Collector<'_>) {
        self.value.show(to);
    }
}

impl Class for CallCredentials {
    const FLAGS: ClassFlags = OPEN;

    fn methods() -> Methods {
        let on_class = MethodFlags::Public | MethodFlags::Static;
        vec![
            (
                FunctionBuilder::new("createComposite", handler!(create_composite))
                    .arg(untyped("creds1"))
                    .arg(untyped("creds2")),
                on_class,
            ),
            (
                FunctionBuilder::new("createFromPlugin", handler!(create_from_plugin))
                    .arg(untyped("callback")),
                on_class,
            ),
        ]
    }
}

type Object = ZBox<ZendClassObject<CallCredentials>>;

fn create_composite(call: Call<'_>) -> Result<Object, Thrown> {
    let read = || {
        let a = call.arguments(2..=2)?;
        Ok((a.get::<Instance<'_, CallCredentials>>(0)?, a.get::<Instance<'_, CallCredentials>>(1)?))
    };
    let (one, other) = expecting("createComposite expects 2 CallCredentials", read())?;
    Ok(CallCredentials { value: one.value.and(&other.value) }.into_object())
}

fn create_from_plugin(call: Call<'_>) -> Result<Object, Thrown> {
    const EXPECTED: &str = "createFromPlugin expects 1 callback";
    let read = || call.arguments(1..=1)?.get::<call::Callable<'_>>(0);
    let call::Callable(callback) = expecting(EXPECTED, read())?;
    let callback = Callable::new(callback).ok_or_else(|| invalid_argument(EXPECTED))?;
    Ok(CallCredentials { value: CallCredentialsValue(vec![Source::Plugin(callback)]) }.into_object())
}

impl CallCredentialsValue {
    pub(crate) fn google(found: GoogleDefault) -> Self {
        Self(vec![Source::Google(found)])
    }

    /// The credentials of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Shows the plugins, for the object that this is in.
    pub(crate) fn show(&self, to: &mut Collector<'_>) {
        for source in &self.0 {
            if let Source::Plugin(callback) = source {
                to.see(callback.value());
            }
        }
    }

    /// The metadata that the credentials add to a call of `service_url`'s method `method`.
    ///
    /// Calls PHP code: on the thread that runs PHP, while nothing is borrowed. Where that code calls
    /// `exit()`, a status comes back too, and the exception of the engine's is pending.
    pub(crate) fn metadata(&self, service_url: &str, method: &str) -> Result<HeaderMap, Status> {
        let mut map = HeaderMap::new();
        for source in &self.0 {
            source.add(&mut map, service_url, method)?;
        }
        Ok(map)
    }
}

impl Source {
    fn add(&self, map: &mut HeaderMap, service_url: &str, method: &str) -> Result<(), Status> {
        match self {
            Self::Plugin(callback) => {
                let answer = context(service_url, method)
                    .and_then(|context| callback.call(&mut [context]))
                    .map_err(failed)?;
                read(map, &answer)
            }
            Self::Google(google) => {
                let (google, url) = (google.clone(), service_url.to_owned());
                let found = scheduler()
                    .and_then(|scheduler| wait(&scheduler, async move { google.authorization(&url).await }))
                    .map_err(failed)??;
                map.extend(found);
                Ok(())
            }
        }
    }
}

/// What a plugin is given.
fn context(service_url: &str, method: &str) -> Result<Zval, Thrown> {
    let context = ObjectBox::new(ce::stdclass())?;
    context.get().write(ce::stdclass(), "service_url", string(service_url.as_bytes()));
    context.get().write(ce::stdclass(), "method_name", string(method.as_bytes()));
    Ok(context.into_value())
}

/// The status of a call whose plugin threw. The code is that of gRPC's core: trying again may help.
#[cold]
fn failed(thrown: Thrown) -> Status {
    let why = match thrown.catch() {
        Ok(exception) => {
            let exception = exception.get();
            format!("{}: {}", class_name(exception.class()), errors::message_of(exception))
        }
        Err(_) => "the script ends".to_owned(),
    };
    Status::unavailable(format!("Getting metadata from plugin failed with error: {why}"))
}

/// Reads what a plugin returned: `array<string, string[]>`.
fn read(map: &mut HeaderMap, answer: &Zval) -> Result<(), Status> {
    let refused = |why: &dyn std::fmt::Display| {
        Status::unavailable(format!("Getting metadata from plugin failed with error: {why}"))
    };
    let wrong = |what: String| refused(&format_args!("{what}; expected array<string, string[]>"));
    let Some(array) = answer.dereference().array() else {
        return Err(wrong(format!("it returned a value of type {}", type_name(answer))));
    };
    for (key, list) in Entries::of(array) {
        let Key::Text(_) = key else {
            return Err(wrong(format!("the key {} is a number", key.text())));
        };
        let name = key.text();
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refused(&format_args!("the key {} is not legal: it has upper case", quote(&name))));
        }
        let Some(list) = list.array() else {
            return Err(wrong(format!("the value of {} is of type {}", quote(&name), type_name(list))));
        };
        for (_, value) in Entries::of(list) {
            let Some(text) = value.zend_str() else {
                return Err(wrong(format!("a value of {} is of type {}", quote(&name), type_name(value))));
            };
            if map.len() >= MOST {
                return Err(refused(&format_args!("there are more than {MOST} values")));
            }
            viaduct::metadata::append(map, &name, text.as_bytes()).map_err(|e| refused(&e))?;
        }
    }
    Ok(())
}
