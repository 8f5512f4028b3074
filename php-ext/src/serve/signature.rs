//! What a handler's signature says: its kind, and what it wants to be called with.
//!
//! It is read through PHP's own Reflection, once, when the handler is registered.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::{ZendStr, Zval};

use super::handler::Parameter;
use crate::api::method_kind::MethodKind;
use crate::errors::{self, Thrown};
use crate::zend::object::{Method, Object, ObjectBox};
use crate::zend::{class_name, find_class, string};

/// A callable's parameters and return type, as far as they matter.
pub(crate) struct Signature {
    /// File and line.
    pub(crate) place: String,
    taken: Vec<Taken>,
    returned: Type,
    is_generator: bool,
}

/// One parameter.
struct Taken {
    name: String,
    of: Type,
    optional: bool,
    variadic: bool,
}

/// What a type says.
enum Type {
    /// There is none, or it is `mixed`.
    Any,
    Text,
    Context,
    RequestStream,
    /// What `foreach` takes.
    Iterable,
    /// A class with `mergeFromString`.
    Message(ZBox<ZendStr>),
    /// A class that is not there.
    Missing(String),
    Other(String),
}

impl Signature {
    pub(crate) fn of(callable: &Zval) -> Result<Self, Thrown> {
        let reflection = reflect(callable)?;
        let is_generator = method(reflection.get(), "isgenerator")?.bool().unwrap_or(false);
        let returned = read_type(&method(reflection.get(), "getreturntype")?)?;
        let mut taken = Vec::new();
        let list = method(reflection.get(), "getparameters")?;
        for (_, parameter) in list.array().into_iter().flat_map(crate::zend::array::Entries::of) {
            let Some(parameter) = Object::of(parameter) else { continue };
            taken.push(Taken {
                name: text(&method(parameter, "getname")?),
                of: read_type(&method(parameter, "gettype")?)?,
                optional: method(parameter, "isoptional")?.bool().unwrap_or(false),
                variadic: method(parameter, "isvariadic")?.bool().unwrap_or(false),
            });
        }
        if is_magic(reflection.get(), &taken)? {
            taken.clear();
            taken.extend(["request", "context"].map(|name| Taken {
                name: name.to_owned(),
                of: Type::Any,
                optional: false,
                variadic: false,
            }));
        }
        let file = method(reflection.get(), "getfilename")?;
        let line = method(reflection.get(), "getstartline")?;
        let place = match (file.zend_str(), line.long()) {
            (Some(_), Some(line)) => format!("{}:{line}", text(&file)),
            _ => format!("the function {} of PHP's", text(&method(reflection.get(), "getname")?)),
        };
        Ok(Self { place, taken, returned, is_generator })
    }

    /// The kind that the signature tells.
    pub(crate) fn kind(&self) -> Result<MethodKind, String> {
        let many_in = self.taken.iter().any(|p| matches!(p.of, Type::RequestStream));
        let many_out = match &self.returned {
            Type::Iterable => true,
            Type::Any => self.is_generator,
            Type::Text | Type::Message(_) => false,
            Type::Context | Type::RequestStream => {
                return Err(
                    "its return type is not that of a handler; expected a message or an iterable".into()
                );
            }
            Type::Missing(name) | Type::Other(name) => {
                return Err(format!(
                    "its return type is {name}; expected string or a google/protobuf class (one response), or \
                     iterable (many); where the type cannot say it, pass a MethodKind"
                ));
            }
        };
        Ok(match (many_in, many_out) {
            (false, false) => MethodKind::Unary,
            (false, true) => MethodKind::ServerStream,
            (true, false) => MethodKind::ClientStream,
            (true, true) => MethodKind::Bidi,
        })
    }

    /// Whether a handler of `kind` can have this signature.
    pub(crate) fn check(&self, kind: MethodKind) -> Result<(), String> {
        let stream = matches!(kind, MethodKind::ClientStream | MethodKind::Bidi);
        if self.is_generator && matches!(kind, MethodKind::Unary | MethodKind::ClientStream) {
            return Err(
                "it is a generator (it has yield), and the kind has one response; expected it to return the \
                        response, or MethodKind::ServerStream or MethodKind::Bidi"
                    .into(),
            );
        }
        let mut requests = 0;
        let mut contexts = 0;
        for (parameter, role) in self.taken.iter().zip(self.roles()) {
            let name = &parameter.name;
            match (role, &parameter.of) {
                (Some(Parameter::Context), _) => contexts += 1,
                (Some(Parameter::Request), of) => {
                    requests += 1;
                    match of {
                        Type::RequestStream | Type::Iterable if !stream => {
                            return Err(format!(
                                "parameter ${name} is a stream of requests, but the kind has one request"
                            ));
                        }
                        Type::Text | Type::Message(_) if stream => {
                            return Err(format!(
                                "parameter ${name} is one request; expected Viaduct\\RequestStream for this kind"
                            ));
                        }
                        Type::Missing(of) => {
                            return Err(format!(
                                "parameter ${name} is of type {of}, a class that cannot be loaded: no autoloader finds it \
                                 (composer dump-autoload, vendor/autoload.php)"
                            ));
                        }
                        Type::Other(of) => {
                            return Err(format!(
                                "parameter ${name} is of type {of}; expected string, a google/protobuf class, \
                                 Viaduct\\RequestStream or Viaduct\\Context"
                            ));
                        }
                        _ => {}
                    }
                }
                (None, _) if parameter.optional => {}
                (None, _) => {
                    return Err(format!(
                        "parameter ${name} is one too many; expected a request and at most a Viaduct\\Context"
                    ));
                }
            }
        }
        if requests > 1 || contexts > 1 {
            return Err("expected one request and at most one Viaduct\\Context".into());
        }
        Ok(())
    }

    /// What the parameters stand for, in their order: the context is found by its type, or is the
    /// second one that has no type.
    fn roles(&self) -> Vec<Option<Parameter>> {
        let typed = self.taken.iter().any(|p| matches!(p.of, Type::Context));
        let mut request = false;
        let mut context = typed;
        self.taken
            .iter()
            .map(|p| match p.of {
                Type::Context => Some(Parameter::Context),
                _ if !request => {
                    request = true;
                    Some(Parameter::Request)
                }
                Type::Any if !context && !p.optional => {
                    context = true;
                    Some(Parameter::Context)
                }
                _ => None,
            })
            .collect()
    }

    /// What the handler is called with.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        self.roles().into_iter().map_while(|role| role).collect()
    }

    /// Whether the first parameter (but a context) is a message or a stream of them, by its type: nothing but a handler has
    /// that.
    pub(crate) fn is_of_a_service(&self) -> bool {
        let first = self.taken.iter().map(|parameter| &parameter.of).find(|of| !matches!(of, Type::Context));
        matches!(first, Some(Type::Message(_) | Type::RequestStream))
    }

    /// The google/protobuf class of the request.
    pub(crate) fn request_class(&self) -> Option<&ZendStr> {
        self.taken.iter().find_map(|p| match &p.of {
            Type::Message(class) => Some(&**class),
            _ => None,
        })
    }
}

/// `new ReflectionFunction(Closure::fromCallable($callable))`
fn reflect(callable: &Zval) -> Result<ObjectBox, Thrown> {
    let class = |name: &str| -> Result<_, Thrown> {
        find_class(&ZendStr::new(name, false))?
            .ok_or_else(|| errors::error(format!("PHP has no class {name}")))
    };
    let mut closure = Zval::new();
    if Object::of(callable).is_some_and(|o| class_name(o.class()) == "Closure") {
        closure = callable.shallow_clone();
    } else {
        let from = crate::callable::Callable::new(&array_of(&["Closure", "fromCallable"])?);
        if let Some(from) = from {
            closure = from.call(&mut [callable.shallow_clone()])?;
        }
    }
    let reflection = ObjectBox::new(class("ReflectionFunction")?)?;
    if let Some(Some(constructor)) = Method::constructor(reflection.get().class()) {
        constructor.call(reflection.get(), &mut [closure])?;
    }
    Ok(reflection)
}

/// Whether it is a method that `__call` or `__callStatic` answers, which takes whatever it is given:
/// to Reflection that is a function of PHP's own without parameters (since 8.3 with a variadic one) and
/// without a type.
fn is_magic(reflection: Object<'_>, taken: &[Taken]) -> Result<bool, Thrown> {
    let any = match taken {
        [] => true,
        [only] => only.variadic,
        _ => false,
    };
    Ok(any
        && method(reflection, "isinternal")?.bool() == Some(true)
        && method(reflection, "hasreturntype")?.bool() == Some(false)
        && method(reflection, "hastentativereturntype")?.bool() == Some(false))
}

fn array_of(texts: &[&str]) -> Result<Zval, Thrown> {
    let mut list = ext_php_rs::types::ZendHashTable::new();
    for text in texts {
        list.push(string(text.as_bytes())).map_err(|e| errors::error(e.to_string()))?;
    }
    let mut value = Zval::new();
    value.set_hashtable(list);
    Ok(value)
}

/// Calls a method without arguments.
fn method(object: Object<'_>, lower_name: &str) -> Result<Zval, Thrown> {
    match Method::find(object.class(), lower_name) {
        Some(method) => method.call(object, &mut []),
        None => Err(errors::error(format!("Reflection has no method {lower_name}"))),
    }
}

fn text(value: &Zval) -> String {
    value.zend_str().map(|t| String::from_utf8_lossy(t.as_bytes()).into_owned()).unwrap_or_default()
}

/// What a `ReflectionType`, or null, says.
fn read_type(value: &Zval) -> Result<Type, Thrown> {
    let Some(of) = Object::of(value) else { return Ok(Type::Any) };
    let Some(name) = Method::find(of.class(), "getname") else {
        // A union or an intersection.
        let shown = Method::find(of.class(), "__tostring");
        let shown = shown.map(|m| m.call(of, &mut [])).transpose()?;
        let shown = shown.map(|s| text(&s)).unwrap_or_default();
        // `iterable` is the union Traversable|array since PHP 8.2.
        let many = ["Traversable|array", "array|Traversable", "iterable"].contains(&shown.as_str());
        return Ok(if many { Type::Iterable } else { Type::Other(shown) });
    };
    let name = text(&name.call(of, &mut [])?);
    Ok(match name.as_str() {
        "mixed" => Type::Any,
        "string" => Type::Text,
        "iterable" | "Traversable" | "Iterator" | "IteratorAggregate" | "Generator" => Type::Iterable,
        "Viaduct\\Context" | "Viaduct\\ContextInterface" => Type::Context,
        "Viaduct\\RequestStream" | "Viaduct\\RequestStreamInterface" => Type::RequestStream,
        _ => {
            let class = ZendStr::new(&name, false);
            match find_class(&class)? {
                Some(found) if Method::find(found, "mergefromstring").is_some() => Type::Message(class),
                None if !method(of, "isbuiltin")?.bool().unwrap_or(true) => Type::Missing(name),
                Some(_) | None => Type::Other(name),
            }
        }
    })
}
