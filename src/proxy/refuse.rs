//! What clients are told where a request goes nowhere: one sentence for each case, and its status.

use http::StatusCode;
use tonic::{Code, Status};

use super::upstream::group::Members;
use crate::error::quote;

/// How many services are named in a message.
const NAMED: usize = 8;

/// The HTTP status that goes with a status, for requests that are not gRPC.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unimplemented | Code::NotFound => StatusCode::NOT_FOUND,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// The path is no `/package.Service/Method`.
pub(super) fn bad_path(path: &str) -> Status {
    Status::unimplemented(format!(
        "the path {} names no method; expected /package.Service/Method",
        quote(path)
    ))
}

/// `grpc-timeout` cannot be read.
pub(super) fn bad_timeout(text: &[u8]) -> Status {
    Status::internal(format!(
        "the grpc-timeout {} is none; expected up to eight digits and one of H M S m u n",
        quote(&String::from_utf8_lossy(text))
    ))
}

/// No route takes it.
pub(super) fn no_route(path: &str) -> Status {
    Status::unimplemented(format!("the proxy has no route for {}", quote(path)))
}

/// No member serves it.
pub(super) fn no_member(group: &str, service: &str, members: &Members) -> Status {
    if members.all.members.is_empty() {
        return Status::unavailable(format!("the group {} has no members now", quote(group)));
    }
    let known = members.services();
    let mut names = known.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if known.len() > NAMED {
        names.push_str(", …");
    }
    Status::unimplemented(format!(
        "no backend of the group {} serves {}; they serve {names}",
        quote(group),
        quote(service)
    ))
}

/// Members are there, and none may be asked.
pub(super) fn no_room(group: &str) -> Status {
    Status::unavailable(format!(
        "every backend of the group {} is at its limit of requests, or leads back to the proxy itself",
        quote(group)
    ))
}

/// No connection to the member.
pub(super) fn no_connection(why: &str) -> Status {
    Status::unavailable(format!("the backend cannot be reached: {why}"))
}

/// The request came in over a connection that this proxy made.
pub(super) fn looped(member: &str) -> Status {
    Status::unavailable(format!(
        "the backend {} is this proxy itself: it does not forward to itself",
        quote(member)
    ))
}

/// The deadline has passed.
pub(super) fn late(begun: bool) -> Status {
    Status::deadline_exceeded(if begun {
        "the deadline passed at the proxy while the answer was under way"
    } else {
        "the deadline passed at the proxy before the backend answered"
    })
}

/// There is neither `:authority` nor `host`.
pub(super) fn no_authority() -> Status {
    Status::internal("the request has neither :authority nor host; expected one of them")
}
