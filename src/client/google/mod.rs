//! Google's application default credentials (AIP-4110), as far as servers need them.
//!
//! Looked for in this order: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, the file that
//! `gcloud` writes (`~/.config/gcloud/application_default_credentials.json`), and the metadata server
//! of the machine. A service account's key signs its own tokens (AIP-4111); the metadata
//! server is asked for them. Both are kept until shortly before they expire.

mod jwt;
mod metadata;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tonic::Status;

use crate::error::{InvalidArgument, quote};
use jwt::ServiceAccount;
use metadata::MetadataServer;

/// A token is not used any more when it has less than this to live.
const MARGIN: Duration = Duration::from_secs(60);

/// Where to look: what the process' environment says.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`: a file.
    pub credentials: Option<PathBuf>,
    /// `HOME`: the directory under which `gcloud` keeps its file.
    pub home: Option<PathBuf>,
    /// `GCE_METADATA_HOST`: the metadata server, `host` or `host:port`.
    pub metadata_host: Option<String>,
}

impl Environment {
    /// The process' environment as it is now. An empty variable is none.
    pub fn current() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self {
            credentials: variable("GOOGLE_APPLICATION_CREDENTIALS").map(Into::into),
            home: variable("HOME").map(Into::into),
            metadata_host: variable("GCE_METADATA_HOST").map(|v| v.to_string_lossy().into_owned()),
        }
    }
}

/// Application default credentials. Cheap to clone; clones share their tokens.
#[derive(Clone)]
pub struct GoogleDefault(Arc<Source>);

enum Source {
    Account(ServiceAccount),
    Metadata(MetadataServer),
    /// Credentials of a kind that we have no way for: what is said at their use.
    Unsupported(String),
}

impl fmt::Debug for GoogleDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Source::Account(account) => f.debug_tuple("GoogleDefault").field(account).finish(),
            Source::Metadata(server) => f.debug_tuple("GoogleDefault").field(server).finish(),
            Source::Unsupported(why) => f.debug_tuple("GoogleDefault").field(why).finish(),
        }
    }
}

impl GoogleDefault {
    /// The credentials of this process. Reads files, and nothing from the network.
    ///
    /// # Errors
    ///
    /// As [`find_in`](Self::find_in).
    pub fn find() -> Result<Self, InvalidArgument> {
        Self::find_in(&Environment::current())
    }

    /// The credentials that `environment` leads to.
    ///
    /// # Errors
    ///
    /// The file that `GOOGLE_APPLICATION_CREDENTIALS` names cannot be read, or a file that is there
    /// holds no credentials.
    pub fn find_in(environment: &Environment) -> Result<Self, InvalidArgument> {
        if let Some(path) = &environment.credentials {
            let text = std::fs::read(path).map_err(|error| {
                InvalidArgument::new(format!(
                    "GOOGLE_APPLICATION_CREDENTIALS names {}, which cannot be read: {error}",
                    quote(&path.to_string_lossy())
                ))
            })?;
            return Self::from_json(&text, path);
        }
        let file = environment
            .home
            .as_ref()
            .map(|home| home.join(".config/gcloud/application_default_credentials.json"));
        // What cannot be read is taken as not there: it is nothing that the user has asked for.
        if let Some(path) = &file
            && let Ok(text) = std::fs::read(path)
        {
            return Self::from_json(&text, path);
        }
        let server = MetadataServer::new(environment.metadata_host.as_deref(), file.as_deref());
        Ok(Self(Arc::new(Source::Metadata(server))))
    }

    fn from_json(text: &[u8], path: &Path) -> Result<Self, InvalidArgument> {
        let file = quote(&path.to_string_lossy());
        // The parser's own message could quote the content, which is a key.
        let json: Value = serde_json::from_slice(text).map_err(|error| {
            InvalidArgument::new(format!(
                "{file} holds no Google credentials: it is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        let source = match json.get("type").and_then(Value::as_str) {
            Some("service_account") => Source::Account(ServiceAccount::new(&json, &file)?),
            Some(kind @ ("authorized_user" | "external_account" | "impersonated_service_account")) => {
                Source::Unsupported(format!(
                    "the Google credentials in {file} are of the type {}, which is not supported; expected \
                     \"service_account\", or no file on a machine with a metadata server",
                    quote(kind)
                ))
            }
            other => {
                let got = other.map_or("none".to_owned(), quote);
                return Err(InvalidArgument::new(format!(
                    "{file} holds no Google credentials: its \"type\" is {got}; expected \"service_account\""
                )));
            }
        };
        Ok(Self(Arc::new(source)))
    }

    /// The header `authorization` for a call to `service_url`, `https://host/package.Service`.
    ///
    /// It comes from memory, or is signed or fetched now.
    ///
    /// # Errors
    ///
    /// UNAUTHENTICATED where the credentials cannot be used: their type is not supported, the machine
    /// has no service account, `service_url` is none. UNAVAILABLE where the metadata server does not
    /// answer, or not with a token.
    pub async fn authorization(&self, service_url: &str) -> Result<HeaderMap, Status> {
        let value = match &*self.0 {
            Source::Account(account) => account.token(service_url)?,
            Source::Metadata(server) => server.token().await?,
            Source::Unsupported(why) => return Err(Status::unauthenticated(why)),
        };
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(AUTHORIZATION, value);
        Ok(headers)
    }
}

/// A token as it is sent.
#[derive(Clone)]
struct Token {
    value: HeaderValue,
    expires: SystemTime,
}

impl Token {
    /// `None` where `token` cannot stand in a header.
    fn new(token: &str, expires: SystemTime) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self { value, expires })
    }

    fn is_fresh(&self) -> bool {
        self.expires.duration_since(SystemTime::now()).is_ok_and(|left| left > MARGIN)
    }
}
