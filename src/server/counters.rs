//! What a server has seen, by what it is.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one server. They only grow, but for the two `*_open`.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        /// The counters of one server at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Connections accepted, those refused at once included.
    connections,
    /// Connections open now.
    connections_open,
    /// Connections closed at once because of `max_connections`.
    connections_refused,
    /// Connections whose TLS handshake failed.
    tls_failed,
    /// Connections that did not get through the HTTP/2 preface, or not in time.
    handshakes_failed,
    /// Connections that ended by an error of HTTP/2.
    protocol_errors,
    /// Connections cut because a PING was not answered.
    keepalive_timeouts,
    /// Connections told to go away because they were idle, or old.
    retired,
    /// Of those, the ones that were still there when their time after that was over, and were cut.
    outlived,
    /// Times that accepting failed (out of descriptors, mostly).
    accept_errors,
    /// Requests that arrived, in whatever shape.
    requests,
    /// Calls under way now: arrived and not answered.
    calls_open,
    /// Calls answered by the consumer.
    answered,
    /// Calls answered DEADLINE_EXCEEDED by the engine.
    deadlines,
    /// Calls whose client went away or reset them.
    cancelled,
    /// Requests refused because they are no gRPC (method, content-type, timeout, encoding).
    bad_requests,
    /// Requests for a method or service that is not there.
    unknown_methods,
    /// Calls that broke the framing, a limit, or the number of messages.
    bad_messages,
    /// Calls refused because `max_queued` calls were waiting.
    queue_full,
}

/// One number that many may count.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn sub(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
