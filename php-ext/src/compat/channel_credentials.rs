//! `Grpc\ChannelCredentials`

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendClassObject, Zval};
use viaduct::client::google::GoogleDefault;
use viaduct::error::{InvalidArgument, quote};
use viaduct::tls::ClientTls;

use super::call_credentials::{CallCredentials, CallCredentialsValue};
use super::exceptions::{expecting, invalid_argument};
use crate::errors::Thrown;
use crate::ini;
use crate::zend::call::{Call, Instance, handler};
use crate::zend::class::{Class, Methods, OPEN, rust_class, untyped};
use crate::zend::collect::{Collector, Holds};

/// What a channel proves and demands of its peer. (No `Debug`: a key must not reach a log.)
#[derive(Clone)]
pub(crate) struct ChannelCredentials {
    pub(crate) material: Rc<Material>,
    pub(crate) call_credentials: Option<CallCredentialsValue>,
    /// Whether they are those of `createXds()`.
    pub(crate) xds: bool,
}

/// PEM texts, as they were given: a channel reads them when it is first used.
#[derive(PartialEq, Eq)]
pub(crate) struct Material {
    /// `None`: those of the process, see [`roots`].
    roots: Option<Arc<[u8]>>,
    /// Chain and key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

rust_class!(ChannelCredentials, "Grpc\\ChannelCredentials");

impl Holds for ChannelCredentials {
    fn show(&self, to: &mut Collector<'_>) {
        if let Some(credentials) = &self.call_credentials {
            credentials.show(to);
        }
    }
}

impl Class for ChannelCredentials {
    const FLAGS: ClassFlags = OPEN;

    fn methods() -> Methods {
        let on_class = MethodFlags::Public | MethodFlags::Static;
        vec![
            (
                FunctionBuilder::new("setDefaultRootsPem", handler!(set_default_roots_pem))
                    .arg(untyped("pem_roots")),
                on_class,
            ),
            (FunctionBuilder::new("isDefaultRootsPemSet", handler!(is_default_roots_pem_set)), on_class),
            (
                FunctionBuilder::new("invalidateDefaultRootsPem", handler!(invalidate_default_roots_pem)),
                on_class,
            ),
            (FunctionBuilder::new("createDefault", handler!(create_default)), on_class),
            (
                FunctionBuilder::new("createSsl", handler!(create_ssl))
                    .arg(untyped("pem_root_certs").default("null"))
                    .arg(untyped("pem_private_key").default("null"))
                    .arg(untyped("pem_cert_chain").default("null"))
                    .required_args(0),
                on_class,
            ),
            (
                FunctionBuilder::new("createComposite", handler!(create_composite))
                    .arg(untyped("channel_creds"))
                    .arg(untyped("call_creds")),
                on_class,
            ),
            (FunctionBuilder::new("createInsecure", handler!(create_insecure)), on_class),
            (
                FunctionBuilder::new("createXds", handler!(create_xds)).arg(untyped("fallback_creds")),
                on_class,
            ),
        ]
    }
}

type Object = ZBox<ZendClassObject<ChannelCredentials>>;

impl ChannelCredentials {
    fn new(roots: Option<Arc<[u8]>>, identity: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        Self { material: Rc::new(Material { roots, identity }), call_credentials: None, xds: false }
    }
}

impl Material {
    /// TLS, with `name` in the place of the target's name if there is one.
    ///
    /// # Errors
    ///
    /// As [`ClientTls::new`].
    pub(crate) fn tls(&self, name: Option<&str>) -> Result<ClientTls, InvalidArgument> {
        let roots = self.roots.clone().or_else(roots);
        match (&self.identity, name) {
            (None, None) => anonymous(roots),
            (None, _) => ClientTls::new(roots.as_deref(), None, name),
            (Some((chain, key)), _) => ClientTls::new(roots.as_deref(), Some((chain, key)), name),
        }
    }
}

/// What `setDefaultRootsPem()` has set, for the whole process.
static DEFAULT_ROOTS: Mutex<Option<Arc<[u8]>>> = Mutex::new(None);

fn default_roots() -> Option<Arc<[u8]>> {
    DEFAULT_ROOTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set_default_roots(roots: Option<Arc<[u8]>>) {
    *DEFAULT_ROOTS.lock().unwrap_or_else(PoisonError::into_inner) = roots;
}

fn set_default_roots_pem(call: Call<'_>) -> Result<(), Thrown> {
    let read = || call.arguments(1..=1)?.get::<&[u8]>(0);
    let roots = expecting("setDefaultRootsPem expects 1 string", read())?;
    // The libraries on top set the same text in every request.
    if default_roots().as_deref() != Some(roots) {
        set_default_roots(Some(roots.into()));
    }
    Ok(())
}

fn is_default_roots_pem_set(call: Call<'_>) -> Result<bool, Thrown> {
    call.no_arguments()?;
    Ok(default_roots().is_some())
}

fn invalidate_default_roots_pem(call: Call<'_>) -> Result<(), Thrown> {
    call.no_arguments()?;
    set_default_roots(None);
    Ok(())
}

/// The roots where none are given: those in the file that GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names, else those of
/// `setDefaultRootsPem()`; none for the system's.
fn roots() -> Option<Arc<[u8]>> {
    let path = std::env::var_os("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH").filter(|path| !path.is_empty());
    let read = path.and_then(|path| match std::fs::read(&path) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(
                "the root certificates cannot be read from {} (GRPC_DEFAULT_SSL_ROOTS_FILE_PATH), the others are \
                 used: {error}",
                quote(&path.to_string_lossy())
            );
            None
        }
    });
    read.or_else(default_roots)
}

/// TLS without a certificate of our own. The last one is kept: roots are some hundred certificates, and most programs
/// make a channel with the same in every request.
fn anonymous(roots: Option<Arc<[u8]>>) -> Result<ClientTls, InvalidArgument> {
    type Made = (Option<Arc<[u8]>>, ClientTls);
    thread_local! {
        static LAST: RefCell<Option<Made>> = const { RefCell::new(None) };
    }
    let known =
        LAST.with_borrow(|last| last.as_ref().filter(|(of, _)| *of == roots).map(|(_, tls)| tls.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let made = ClientTls::new(roots.as_deref(), None, None)?;
    let before = LAST.replace(Some((roots, made.clone())));
    drop(before);
    Ok(made)
}

fn create_ssl(call: Call<'_>) -> Result<Object, Thrown> {
    let read = || {
        let a = call.arguments(0..=3)?;
        // An empty text is as good as none in the official extension.
        let text = |n| a.nullable::<&[u8]>(n).map(Option::unwrap_or_default);
        Ok((text(0)?, text(1)?, text(2)?))
    };
    let (given, key, chain) = expecting("createSsl expects 3 optional strings", read())?;
    ini::first_use();
    let roots = (!given.is_empty()).then(|| given.into());
    let identity = match (key, chain) {
        ([], []) => None,
        ([_, ..], [_, ..]) => Some((chain.to_vec(), key.to_vec())),
        (_, []) => {
            return Err(invalid_argument(
                "createSsl: pem_private_key is given without pem_cert_chain; expected both, or neither",
            ));
        }
        ([], _) => {
            return Err(invalid_argument(
                "createSsl: pem_cert_chain is given without pem_private_key; expected both, or neither",
            ));
        }
    };
    Ok(ChannelCredentials::new(roots, identity).into_object())
}

fn create_default(call: Call<'_>) -> Result<Object, Thrown> {
    call.no_arguments()?;
    ini::first_use();
    application_default(ChannelCredentials::new(None, None)).map(Class::into_object)
}

/// Adds Google's application default credentials to TLS. Reads files at the most.
fn application_default(mut credentials: ChannelCredentials) -> Result<ChannelCredentials, Thrown> {
    let found = GoogleDefault::find().map_err(|e| invalid_argument(&format!("createDefault: {e}")))?;
    credentials.call_credentials = Some(CallCredentialsValue::google(found));
    Ok(credentials)
}

fn create_composite(call: Call<'_>) -> Result<Object, Thrown> {
    let read = || {
        let a = call.arguments(2..=2)?;
        Ok((a.get::<Instance<'_, ChannelCredentials>>(0)?, a.get::<Instance<'_, CallCredentials>>(1)?))
    };
    let (channel, call) = expecting("createComposite expects 2 Credentials", read())?;
    let mut credentials = channel.clone();
    credentials.call_credentials = Some(match &channel.call_credentials {
        Some(first) => first.and(&call.value),
        None => call.value.clone(),
    });
    Ok(credentials.into_object())
}

fn create_insecure(call: Call<'_>) -> Result<Zval, Thrown> {
    call.no_arguments()?;
    Ok(Zval::null())
}

/// There are no targets of ours for which the fallback would not be taken.
fn create_xds(call: Call<'_>) -> Result<Object, Thrown> {
    let read = || call.arguments(1..=1)?.get::<Instance<'_, ChannelCredentials>>(0);
    let fallback = expecting("createXds expects a fallback credentials", read())?;
    Ok(ChannelCredentials { xds: true, ..fallback.clone() }.into_object())
}
