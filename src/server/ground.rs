//! What every call stands on: configuration, counters, and headers made once.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::answer::Refused;
use super::config::ServerConfig;
use super::counters::Counters;
use crate::codec::{ACCEPTED, Encoding, PREFIX};

pub(super) static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) static GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

pub(super) struct Ground {
    pub(super) config: ServerConfig,
    pub(super) counters: Counters,
    plain: HeaderMap,
    listing: HeaderMap,
    compressed: HeaderMap,
}

impl Ground {
    pub(super) fn new(config: ServerConfig) -> Self {
        let made = |encoding, listing| {
            let mut headers = HeaderMap::with_capacity(3);
            insert(&mut headers, encoding, listing);
            headers
        };
        Self {
            plain: made(Encoding::Identity, false),
            listing: made(Encoding::Identity, true),
            compressed: made(config.encoding, true),
            config,
            counters: Counters::default(),
        }
    }

    /// The headers of a response without metadata; `listing` says which encodings requests may have.
    pub(super) fn headers(&self, encoding: Encoding, listing: bool) -> HeaderMap {
        match (encoding, listing) {
            (Encoding::Identity, false) => self.plain.clone(),
            (Encoding::Identity, true) => self.listing.clone(),
            _ => self.compressed.clone(),
        }
    }

    /// The headers of a response with `metadata`, which may name an encoding of its own.
    pub(super) fn with_headers(
        &self,
        mut metadata: HeaderMap,
        encoding: Encoding,
        listing: bool,
    ) -> HeaderMap {
        insert(&mut metadata, encoding, listing);
        metadata
    }

    /// Whether a framed message may be sent.
    pub(super) fn check_length(&self, framed: &Bytes) -> Result<(), Refused> {
        let length = framed.len().saturating_sub(PREFIX);
        match self.config.max_send {
            Some(limit) if length > limit => Err(Refused::TooLong { length, limit }),
            _ => Ok(()),
        }
    }
}

fn insert(headers: &mut HeaderMap, encoding: Encoding, listing: bool) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if encoding != Encoding::Identity && !headers.contains_key(&GRPC_ENCODING) {
        headers.insert(&GRPC_ENCODING, HeaderValue::from_static(encoding.name()));
    }
    if listing {
        headers.insert(&GRPC_ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    }
}
