//! What is counted. The hot path touches atomics that it found once; everything else is the reader's work.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tonic::Code;

/// The upper bounds of the latency histogram, in microseconds.
pub(super) const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// The requests of one method at one member.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// By gRPC status; requests that are not gRPC by what their HTTP status stands for.
    codes: [AtomicU64; 17],
    /// By time; the last is for what is beyond all bounds.
    times: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    /// Bytes of the requests' bodies.
    received: AtomicU64,
    /// Bytes of the answers' bodies.
    returned: AtomicU64,
    /// Attempts after the first.
    pub(super) retries: AtomicU64,
}

impl Series {
    /// A request has ended.
    pub(super) fn ended(&self, code: Code, took: Duration, (received, returned): (u64, u64)) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.codes.get(code as usize) {
            count.fetch_add(1, Relaxed);
        }
        let slot = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.times.get(slot) {
            count.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(micros, Relaxed);
        self.received.fetch_add(received, Relaxed);
        self.returned.fetch_add(returned, Relaxed);
    }

    /// How many ended with each status.
    pub(super) fn codes(&self) -> [u64; 17] {
        std::array::from_fn(|n| self.codes.get(n).map_or(0, |c| c.load(Relaxed)))
    }

    /// How many took how long; not cumulative.
    pub(super) fn times(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|n| self.times.get(n).map_or(0, |c| c.load(Relaxed)))
    }

    /// Bytes of all bodies: of requests, and of answers.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.received.load(Relaxed), self.returned.load(Relaxed))
    }

    /// The time of all of them together.
    pub(super) fn micros(&self) -> u64 {
        self.micros.load(Relaxed)
    }
}

macro_rules! counters {
    ($(#[$type_doc:meta])* $type:ident { $($(#[doc = $doc:literal])* $name:ident,)* }) => {
        $(#[$type_doc])*
        #[derive(Debug, Default)]
        pub(super) struct $type { $($(#[doc = $doc])* pub(super) $name: AtomicU64,)* }

        impl $type {
            /// Name, meaning and value of each.
            pub(super) fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),*), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// What is counted for a proxy as a whole.
    Counters {
        /// Connections accepted.
        connections,
        /// Connections open now.
        connections_open,
        /// Connections closed at once, as there were too many.
        connections_refused,
        /// TLS handshakes with clients that failed.
        tls_failed,
        /// Connections on which no protocol was found, or not in time.
        unknown_protocol,
        /// Connections that ended by an error of HTTP.
        protocol_errors,
        /// Requests whose headers are longer than is taken: answered 431, or 414.
        headers_too_long,
        /// Requests over HTTP/2 that break a rule of HTTP: reset with PROTOCOL_ERROR.
        malformed,
        /// Streams beyond what a connection may have at once: reset with REFUSED_STREAM.
        streams_refused,
        /// Connections cut because a PING was not answered.
        keepalive_timeouts,
        /// Times that accepting failed.
        accept_errors,
        /// Requests, of all protocols.
        requests,
        /// Requests under way now.
        requests_open,
        /// Requests that no route takes.
        no_route,
        /// Requests whose path is no /package.Service/Method.
        bad_path,
        /// Requests for which no backend was there.
        no_backend,
        /// Requests that came in over a connection of the proxy's own.
        loops,
        /// Requests whose deadline passed here.
        deadlines,
        /// Requests that the client gave up.
        cancelled,
        /// Answers to gRPC requests that were not gRPC.
        not_grpc,
        /// Answers that ended without trailers.
        no_trailers,
        /// Streams that backends reset.
        resets,
        /// Streams that were cut with their connection.
        cut,
        /// Requests sent again.
        retries,
        /// Requests that were not sent again for want of budget.
        retries_denied,
        /// Reloads that took effect.
        reloads,
        /// Reloads that were refused.
        reloads_failed,
        /// Raw TCP connections carried.
        tcp_connections,
        /// HTTP/1.1 requests carried.
        http1_requests,
        /// Connections handed over by an upgrade (WebSocket).
        upgrades,
        /// gRPC-Web requests translated.
        web_translated,
    }
}

counters! {
    /// What is counted for a group.
    GroupCounters {
        /// Connections made to members.
        connections,
        /// Attempts to connect that failed.
        connect_failures,
        /// Times that a member was left out for its failures.
        ejections,
        /// Times that too few members were well, and all were used.
        panics,
        /// Health checks that failed.
        health_failures,
        /// Times that members were asked for their services.
        discoveries,
        /// Times that the answer could not be had.
        discovery_failures,
    }
}

impl Counters {
    /// One more.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_counted_by_status_and_time() {
        let series = Series::default();
        series.ended(Code::Ok, Duration::from_micros(100), (1, 2));
        series.ended(Code::Unavailable, Duration::from_secs(60), (3, 5));
        assert_eq!((series.codes()[0], series.codes()[14]), (1, 1));
        assert_eq!((series.times()[0], series.times()[BOUNDS.len()]), (1, 1));
        assert_eq!(series.micros(), 60_000_100);
        assert_eq!(series.bytes(), (4, 7));
        let counters = Counters::default();
        Counters::add(&counters.loops);
        assert!(counters.all().contains(&(
            "loops",
            " Requests that came in over a connection of the proxy's own.",
            1
        )));
    }
}
