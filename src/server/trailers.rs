//! Trailers that are no longer than the client accepts.
//!
//! Clients say what they take (SETTINGS_MAX_HEADER_LIST_SIZE), and end a call whose trailers are longer with a status of
//! their own, so that the handler's is lost. gRPC's cores say 16 KiB, and refuse some lists from 8 KiB on. So a status'
//! message is cut, and details are left out, where all would be longer than half of what the client accepts. The metadata of
//! a handler goes as it is; where the client would not take it, the call ends RESOURCE_EXHAUSTED.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use tonic::{Code, Status};

use crate::codec::ACCEPTED;
use crate::metadata::{self, ENTRY};
use crate::status;

/// `:status: 200`.
pub(super) const STATUS: usize = 7 + 3 + ENTRY;

/// `:status`, `content-type`, `grpc-encoding` and `grpc-accept-encoding`, as HTTP/2 counts them: they stand in headers, and
/// in trailers without headers before them.
const BESIDE: usize = STATUS + (12 + 16 + ENTRY) + (13 + 8 + ENTRY) + (20 + ACCEPTED.len() + ENTRY);

/// `grpc-status: 16`.
const CODE: usize = 11 + 2 + ENTRY;

/// `grpc-message` and `grpc-status-details-bin` without values.
const MESSAGE: usize = 12 + ENTRY;
const DETAILS: usize = 23 + ENTRY;

/// A message is not made shorter than this for the sake of details.
const SHORT: usize = 256;

/// `trailers` with `status`, for a client that takes lists of `limit` bytes; and the code that they say.
pub(super) fn with_status(status: &Status, mut trailers: HeaderMap, limit: usize) -> (HeaderMap, Code) {
    let given = metadata::size(&trailers) + BESIDE + CODE;
    let mut fitting = Cow::Borrowed(status);
    if given > limit && !trailers.is_empty() {
        trailers.clear();
        fitting = Cow::Owned(Status::resource_exhausted(format!(
            "the response's trailers are {given} bytes; the client accepts {limit} (SETTINGS_MAX_HEADER_LIST_SIZE)"
        )));
    } else if !status.message().is_empty() || !status.details().is_empty() {
        fitting = cut(status, (limit / 2).saturating_sub(given));
    }
    status::to_headers(&fitting, &mut trailers);
    (trailers, fitting.code())
}

/// `status` with as much of its message and details as fits into so many bytes.
fn cut(status: &Status, room: usize) -> Cow<'_, Status> {
    let message = MESSAGE + status::encoded_length(status.message());
    let details = match status.details().len() {
        0 => 0,
        length => DETAILS + length.div_ceil(3) * 4,
    };
    if message + details <= room {
        return Cow::Borrowed(status);
    }
    // A part of the details would be none.
    let (kept, room) = if details + message.min(SHORT) <= room {
        (Bytes::copy_from_slice(status.details()), room - details)
    } else {
        (Bytes::new(), room)
    };
    let message = status::cut_message(status.message(), room.saturating_sub(MESSAGE));
    Cow::Owned(Status::with_details(status.code(), message, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(headers: &HeaderMap) -> usize {
        metadata::size(headers) + BESIDE
    }

    #[test]
    fn a_status_is_cut_to_half_of_what_the_client_takes() {
        for (message, details) in [
            ("x".repeat(100_000), 0),
            ("ü".repeat(5000), 0),
            ("x".repeat(9000), 300),
            ("short".into(), 100_000),
        ] {
            let status = Status::with_details(Code::Aborted, message.clone(), vec![7; details].into());
            let (whole, _) = with_status(&status, HeaderMap::new(), usize::MAX);
            assert_eq!(status::from_headers(&whole).unwrap().message(), message);

            let mut metadata = HeaderMap::new();
            metadata.insert("kept", "value".parse().unwrap());
            let (fits, _) = with_status(&status, metadata, 16 << 10);
            assert!(size(&fits) <= 8 << 10, "{}", size(&fits));
            assert_eq!(fits["kept"], "value");
            let read = status::from_headers(&fits).unwrap();
            assert_eq!(read.code(), Code::Aborted);
            if details == 100_000 {
                assert_eq!((read.message(), read.details()), ("short", &[][..]));
            } else {
                assert!(size(&fits) > 8000, "{}", size(&fits));
                assert!(read.message().ends_with("… (cut)"), "{}", read.message());
                assert_eq!(read.details().len(), details);
            }
        }
    }

    #[test]
    fn metadata_goes_as_it_is_or_ends_the_call() {
        let metadata =
            |length| HeaderMap::from_iter([("a".parse().unwrap(), "x".repeat(length).parse().unwrap())]);
        let (sent, _) = with_status(&Status::ok(""), metadata(10_000), 16 << 10);
        assert_eq!((sent["a"].len(), &sent["grpc-status"]), (10_000, &"0".parse().unwrap()));
        // No room is left in the half: of the text only that it was cut.
        let (sent, _) = with_status(&Status::aborted("why"), metadata(10_000), 16 << 10);
        assert_eq!(status::from_headers(&sent).unwrap().message(), "… (cut)");
        let (sent, code) = with_status(&Status::ok(""), metadata(17_000), 16 << 10);
        let read = status::from_headers(&sent).unwrap();
        assert_eq!(code, Code::ResourceExhausted);
        assert_eq!((read.code(), sent.len()), (Code::ResourceExhausted, 2));
        assert!(read.message().contains("16384"), "{}", read.message());
    }
}
