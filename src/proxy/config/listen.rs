//! `[[listen]]`: where it listens, and the admin port.

use super::read::{Table, Value, set};
use crate::error::quote;
use crate::proxy::accept::ListenPlan;
use crate::proxy::settings::{Admin, Cors, Forwarded, Listen, ListenKind, ListenTls};
use crate::server::address::{Address, everywhere};

/// Reads one table.
pub(super) fn listen(table: Table<'_>) -> Option<Listen> {
    let mut listen = Listen::default();
    let address = table.get("address");
    let group = table.get("group").and_then(|v| v.text("the name of a group"));
    let (certificate, key, more) = (table.get("certificate"), table.get("key"), table.get("certificates"));
    let tls = identities(&table, certificate, key, more);
    let client_ca = table.get("client_ca");
    let optional = table.get("client_optional");
    let plaintext = table.get("plaintext");
    let (translate, origins) = (table.get("translate"), table.get("cors_origins"));
    let forwarded = table.get("forwarded");
    set(
        &mut listen.max_connections,
        table.get("max_connections").and_then(|v| v.count(1..=10_000_000)).map(|n| n as usize),
    );
    set(&mut listen.max_streams, table.get("max_streams").and_then(|v| v.count(1..=1_000_000)));
    set(&mut listen.max_headers, table.get("max_headers").and_then(|v| v.size(1024..=16 << 20)));
    set(&mut listen.handshake_timeout, table.get("handshake_timeout").and_then(|v| v.duration()));
    set(&mut listen.keepalive, table.get("keepalive").and_then(|v| v.duration_or_never()));
    set(&mut listen.keepalive_timeout, table.get("keepalive_timeout").and_then(|v| v.duration()));

    if address.is_none() {
        table.wrong::<()>(format!("[[listen]] has no \"address\"; expected {EXPECTED}"));
    }
    table.finish();
    let address = address?;
    let (text, scheme) = address_of(&address)?;
    listen.address = text;
    let here = quote(&listen.address);
    match (scheme, group) {
        (Scheme::Tcp, Some(group)) => listen.kind = ListenKind::Tcp { group: group.to_owned() },
        (Scheme::Tcp, None) => {
            address.wrong::<()>(format!(
                "{here} carries bytes; expected group = \"…\" beside it, the group that takes them"
            ));
        }
        (_, Some(_)) => {
            address.wrong::<()>(format!(
                "{here} speaks HTTP, and routes say where requests go; \"group\" goes with tcp://host:port"
            ));
        }
        (_, None) => {}
    }
    let of_http = [client_ca, optional, plaintext, translate, origins, forwarded];
    let of_tls = [client_ca, optional, plaintext];
    if scheme == Scheme::Tcp {
        for value in [certificate, key, more].into_iter().chain(of_http).flatten() {
            value.wrong::<()>(format!(
                "{} has no meaning for {here}, which carries bytes as they are",
                value.name()
            ));
        }
    } else if certificate.or(more).is_none() {
        for value in of_tls.into_iter().flatten() {
            value.wrong::<()>(format!("{} has no meaning without a certificate", value.name()));
        }
        if scheme == Scheme::Https && key.is_none() {
            address.wrong::<()>(format!(
                "{here} needs certificate = \"…\" and key = \"…\", the paths of PEM files"
            ));
        }
    } else if scheme == Scheme::Http {
        address
            .wrong::<()>(format!("{here} is plaintext, but a certificate is given; expected \"https://\""));
    }
    if let Some(identities) = tls {
        listen.tls = Some(ListenTls {
            identities,
            client_ca: client_ca.and_then(|v| v.read()),
            client_optional: optional.and_then(|v| v.flag()).unwrap_or_default(),
        });
        if let (None, Some(optional)) = (client_ca, optional) {
            optional.wrong::<()>(format!("{} has no meaning without \"client_ca\"", optional.name()));
        }
    }
    set(&mut listen.plaintext, plaintext.and_then(|v| v.flag()));
    listen.translate_web = web(translate, origins);
    if let Some(value) = forwarded {
        listen.forwarded = read_forwarded(value);
    }
    // What the files hold is checked by who will use it.
    if let Some(Err(error)) = listen.tls.is_some().then(|| ListenPlan::new(listen.clone())) {
        address.wrong::<()>(format!("the TLS of {here} cannot be used: {error}"));
    }
    Some(listen)
}

const EXPECTED: &str = "\"http://host:port\", \"https://host:port\", \"tcp://host:port\", \"unix:/path\" or \"unix-abstract:name\"";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Tcp,
    Unix,
}

/// The address that `text` is; else what was expected.
fn read_address(text: &str) -> Result<(Address, Scheme), String> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("tcp", rest)) => (Scheme::Tcp, rest),
        _ if text.starts_with("unix") => (Scheme::Unix, text),
        _ => {
            let hint = match Address::parse(&format!("http://{text}")) {
                Ok(_) => format!("; did you mean \"http://{text}\"?"),
                Err(_) => String::new(),
            };
            return Err(format!("expected {EXPECTED}{hint}"));
        }
    };
    let checked = if scheme == Scheme::Tcp { format!("http://{rest}") } else { text.to_owned() };
    Address::parse(&checked).map(|address| (address, scheme)).map_err(|error| error.to_string())
}

/// The address that a value is. The path of a Unix socket is relative to the file.
fn address_of(value: &Value<'_>) -> Option<(String, Scheme)> {
    let text = value.text(EXPECTED)?;
    match read_address(text) {
        Ok((Address::Unix(path), scheme)) => {
            let path = value.file.resolve(&path.to_string_lossy());
            Some((format!("unix:{}", path.display()), scheme))
        }
        Ok((_, scheme)) => Some((text.strip_suffix('/').unwrap_or(text).to_owned(), scheme)),
        Err(why) => value.wrong(format!("{} is {}; {why}", value.name(), quote(text))),
    }
}

/// A listener from an argument of the command: `:8080` or `host:port`, which is plaintext, or as in a file.
pub(super) fn flag(given: &str) -> Result<Listen, String> {
    let text = match given.strip_prefix(':') {
        _ if given.contains("://") || given.starts_with("unix") => given.to_owned(),
        Some(port) => everywhere("http", port),
        None => format!("http://{given}"),
    };
    let (_, scheme) = read_address(&text).map_err(|why| format!("{} is no address: {why}", quote(given)))?;
    match scheme {
        Scheme::Https => Err(format!("{} needs a certificate, which only a file can name", quote(given))),
        Scheme::Tcp => Err(format!("{} needs a group, which only a file can name", quote(given))),
        Scheme::Http | Scheme::Unix => Ok(Listen { address: text, ..Listen::default() }),
    }
}

/// Chains and their keys.
fn identities(
    table: &Table<'_>,
    certificate: Option<Value<'_>>,
    key: Option<Value<'_>>,
    more: Option<Value<'_>>,
) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    const LIST: &str = "a list such as [{ certificate = \"cert.pem\", key = \"key.pem\" }]";
    let mut all = Vec::new();
    let mut whole = true;
    match pair(certificate, key) {
        Ok(Some(identity)) => all.push(identity),
        Ok(None) => {}
        Err(()) => whole = false,
    }
    if let (None, Some(key)) = (certificate, key) {
        key.wrong::<()>(format!("{} stands without \"certificate\"", key.name()));
    }
    if let Some(more) = more {
        let list = more.list(LIST)?;
        for one in list {
            let Some(table) = one.table("certificates", LIST) else {
                whole = false;
                continue;
            };
            let (certificate, key) = (table.get("certificate"), table.get("key"));
            match pair(certificate, key) {
                Ok(Some(identity)) => all.push(identity),
                Ok(None) => {
                    whole = false;
                    table.wrong::<()>("an entry of \"certificates\" has no \"certificate\"");
                }
                Err(()) => whole = false,
            }
            table.finish();
        }
        if all.is_empty() && whole {
            table.wrong::<()>("\"certificates\" is empty; expected at least one");
        }
    }
    (whole && !all.is_empty()).then_some(all)
}

/// A certificate's chain and its key.
type Pair = (Vec<u8>, Vec<u8>);

/// A certificate and its key; an error has been reported.
pub(super) fn pair(certificate: Option<Value<'_>>, key: Option<Value<'_>>) -> Result<Option<Pair>, ()> {
    match (certificate, key) {
        (None, _) => Ok(None),
        (Some(certificate), None) => {
            certificate.wrong::<()>(format!("{} stands without \"key\"", certificate.name()));
            Err(())
        }
        (Some(certificate), Some(key)) => match (certificate.read(), key.read()) {
            (Some(chain), Some(secret)) => match crate::tls::Identity::new(&chain, &secret) {
                Ok(_) => Ok(Some((chain, secret))),
                Err(error) => {
                    certificate.wrong::<()>(format!("{} cannot be used: {error}", certificate.name()));
                    Err(())
                }
            },
            _ => Err(()),
        },
    }
}

fn web(translate: Option<Value<'_>>, origins: Option<Value<'_>>) -> Option<Cors> {
    const ORIGINS: &str = "a list of origins such as [\"https://app.example.com\"], or [\"*\"]";
    let Some(translate) = translate else {
        return origins.and_then(|v| {
            v.wrong(format!("{} has no meaning without translate = [\"grpc-web\"]", v.name()))
        });
    };
    let mut web = None;
    for one in translate.list("a list: [\"grpc-web\"]").unwrap_or_default() {
        if one.word(&[("grpc-web", ())]).is_some() {
            web = Some(Cors::default());
        }
    }
    let given = origins.and_then(|v| v.texts(ORIGINS)).unwrap_or_default();
    for value in given {
        let Some(text) = value.as_text() else { continue };
        let host = text.split_once("://").map(|(_, host)| host);
        if text != "*" && host.is_none_or(|host| host.is_empty() || host.contains(['/', '*', ' '])) {
            value.expected::<()>(ORIGINS);
        } else if let Some(cors) = &mut web {
            cors.origins.push(text.to_owned());
        }
    }
    web
}

fn read_forwarded(value: Value<'_>) -> Forwarded {
    let mut forwarded = Forwarded::default();
    type Place = fn(&mut Forwarded) -> &mut bool;
    let words: &[(&str, Place)] = &[
        ("x-forwarded-for", |f| &mut f.x_forwarded_for),
        ("forwarded", |f| &mut f.forwarded),
        ("x-request-id", |f| &mut f.request_id),
    ];
    for one in
        value.list("a list of \"x-forwarded-for\", \"forwarded\" and \"x-request-id\"").unwrap_or_default()
    {
        if let Some(field) = one.word(words) {
            *field(&mut forwarded) = true;
        }
    }
    forwarded
}

/// `[admin]`.
pub(super) fn admin(table: Table<'_>) -> Option<Admin> {
    const EXPECTED: &str = "\"http://host:port\" or \"unix:/path\"";
    let address = table.get("address");
    let read = match address {
        None => table.wrong(format!("[admin] has no \"address\"; expected {EXPECTED}")),
        Some(value) => address_of(&value).and_then(|(address, scheme)| match scheme {
            Scheme::Https | Scheme::Tcp => value.expected(EXPECTED),
            Scheme::Http | Scheme::Unix => Some(Admin { address }),
        }),
    };
    table.finish();
    read
}
