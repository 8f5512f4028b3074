//! How a stream ends before its time.

use std::sync::Arc;

use h2::Reason;
use tonic::Status;

use crate::status::{self, HERE, PEER};

/// Why nothing more comes on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Error {
    /// The peer reset it.
    Reset(Reason),
    /// This side reset it: the peer broke a rule that holds for one stream, or nobody wants it any more.
    ResetHere(Reason),
    /// The peer goes away (GOAWAY) and does not process it.
    GoAway(Reason),
    /// This side has closed the connection: the peer broke a rule that holds for all of it.
    Closed(Reason),
    /// The peer closed the connection.
    Ended,
    /// The connection broke; what the system says of it.
    Broken(Arc<str>),
    /// The connection is over for a reason that is a sentence of its own.
    Told(Arc<str>),
}

impl Error {
    /// The reason with which the peer reset the stream.
    pub(in crate::proxy) fn reset(&self) -> Option<Reason> {
        match self {
            Self::Reset(reason) => Some(*reason),
            _ => None,
        }
    }

    /// Whether the peer has certainly not processed the stream (RFC 9113, sections 6.8 and 8.7).
    pub(in crate::proxy) fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Reset(Reason::REFUSED_STREAM) | Self::GoAway(Reason::NO_ERROR))
    }

    /// The status that it stands for. `doing` completes "…while …".
    pub(in crate::proxy) fn status(&self, doing: &str) -> Status {
        match self {
            Self::Reset(reason) => status::reset(PEER, *reason, doing),
            Self::ResetHere(reason) => status::reset(HERE, *reason, doing),
            Self::GoAway(reason) => status::closed(PEER, *reason, doing),
            Self::Closed(reason) => status::closed(HERE, *reason, doing),
            Self::Ended => status::ended(doing),
            Self::Broken(why) => status::broken(why, doing),
            Self::Told(sentence) => Status::unavailable(&**sentence),
        }
    }
}

/// What the peer did that ends the connection: told to it by GOAWAY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// A few words for whoever reads the peer's log.
    pub(super) why: &'static str,
}

impl Fault {
    pub(super) fn new(reason: Reason, why: &'static str) -> Self {
        Self { reason, why }
    }

    pub(super) fn protocol(why: &'static str) -> Self {
        Self::new(Reason::PROTOCOL_ERROR, why)
    }

    pub(super) fn size(why: &'static str) -> Self {
        Self::new(Reason::FRAME_SIZE_ERROR, why)
    }

    pub(super) fn flow(why: &'static str) -> Self {
        Self::new(Reason::FLOW_CONTROL_ERROR, why)
    }

    pub(super) fn calm(why: &'static str) -> Self {
        Self::new(Reason::ENHANCE_YOUR_CALM, why)
    }
}
