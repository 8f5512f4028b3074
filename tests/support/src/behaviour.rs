//! The behaviours and their names.

use std::fmt;
use std::str::FromStr;

use crate::frame::ERROR_CODES;

/// What a peer does with a call or a connection.
///
/// The name of each, as `wrong-server` takes it, is its own in kebab case: `NoTrailers` is `no-trailers`,
/// `Html(404)` is `html-404`, `RstAfterMessage(8)` is `rst-after-message-cancel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers rightly: each message comes back, then status 0.
    Echo,
    /// Answers rightly, in DATA frames of one byte each.
    OneByteFrames,
    /// Answers rightly, with frames of an unknown type and a 103 before; a client must take no notice of them.
    Oddities,
    /// Answers rightly and PINGs every second; drops the connection where an ACK takes longer than a second.
    PingOrDie,
    /// SETTINGS_MAX_CONCURRENT_STREAMS is 1; answers rightly, 30 ms after the half-close.
    MaxStreamsOne,
    /// The window of each stream is 1 byte, and opens byte by byte; answers rightly.
    WindowOne,
    /// The window of each stream is 0 and never opens; answers rightly what has no body.
    WindowZero,

    /// An HTML page with this HTTP status, as a web server or a proxy sends it.
    Html(u16),
    /// HTTP 200 with content-type text/plain, one message and grpc-status 0 in the trailers.
    WrongContentType,
    /// HTTP 200 without a content-type, one message and grpc-status 0 in the trailers.
    NoContentType,
    /// HTTP/1.1 400 in answer to the preface.
    Http1,

    /// RST_STREAM with this code, before any headers.
    Rst(u32),
    /// RST_STREAM with this code, after headers and one message.
    RstAfterMessage(u32),
    /// RST_STREAM with REFUSED_STREAM for the first call; later ones are answered rightly.
    RefusedOnce,

    /// Headers that end the stream and carry this grpc-status.
    TrailersOnly(u32),
    /// Headers and a message, whose DATA ends the stream.
    NoTrailers,
    /// Headers without grpc-status that end the stream.
    HeadersOnly,
    /// Headers, a message, trailers without grpc-status.
    NoStatus,
    /// Headers, a message, and `grpc-status: abc`.
    BadStatus,
    /// Trailers with a field of 1 MiB.
    HugeHeader,

    /// A prefix that says 100 bytes more than are sent before the trailers, which say 0.
    LyingLength,
    /// A message of 5 MiB and 1 byte, all of it.
    OverLimit,
    /// The prefix of a message of 5 MiB and 1 byte, 10 bytes of it, and then nothing.
    OverLimitPrefix,
    /// A message whose compression flag is 2.
    BadFlag,
    /// A message whose compression flag is 1, and no grpc-encoding.
    FlagWithoutEncoding,
    /// A message whose compression flag is 1, and `grpc-encoding: lzma`.
    UnknownEncoding,
    /// A message that says it is gzip and is not.
    BadGzip,

    /// The connection ends as soon as the request is there.
    CutBeforeHeaders,
    /// The connection ends within a message, between two frames.
    CutMidMessage,
    /// The connection ends within a frame.
    CutMidFrame,

    /// GOAWAY with last stream 0 for the first call, which is not answered; later connections are served rightly.
    GoawayUnprocessed,
    /// GOAWAY that includes the first call, which is answered rightly 50 ms later; then the connection ends. Later
    /// connections are served rightly.
    GoawayProcessed,
    /// GOAWAY with last stream 0 for every call on every connection.
    GoawayAlways,
    /// GOAWAY with ENHANCE_YOUR_CALM and "too_many_pings" for every call; then the connection ends.
    GoawayCalm,

    /// The connection stands, PINGs and SETTINGS are acknowledged, and no call is answered.
    Silence,
    /// Headers, then nothing.
    SilenceAfterHeaders,
    /// Headers and one message, then nothing.
    SilenceAfterMessage,
    /// SETTINGS are sent; neither SETTINGS nor PINGs are acknowledged, and no call is answered.
    SilenceNoAck,
    /// Not a byte is ever sent.
    Mute,

    /// Bytes that are no HTTP at all, in answer to the preface.
    Garbage,
    /// DATA on stream 0.
    DataOnStreamZero,
    /// DATA before HEADERS.
    DataBeforeHeaders,
    /// A header block that is no HPACK.
    BadHpack,
    /// A frame whose header says 16 MiB - 1.
    FrameTooLong,
    /// WINDOW_UPDATE by 0.
    ZeroWindowUpdate,
}

use Behaviour::*;

/// Those that have no number in them.
const PLAIN: [(Behaviour, &str); 41] = [
    (Echo, "echo"),
    (OneByteFrames, "one-byte-frames"),
    (Oddities, "oddities"),
    (PingOrDie, "ping-or-die"),
    (MaxStreamsOne, "max-streams-one"),
    (WindowOne, "window-one"),
    (WindowZero, "window-zero"),
    (WrongContentType, "wrong-content-type"),
    (NoContentType, "no-content-type"),
    (Http1, "http1"),
    (RefusedOnce, "refused-once"),
    (NoTrailers, "no-trailers"),
    (HeadersOnly, "headers-only"),
    (NoStatus, "no-status"),
    (BadStatus, "bad-status"),
    (HugeHeader, "huge-header"),
    (LyingLength, "lying-length"),
    (OverLimit, "over-limit"),
    (OverLimitPrefix, "over-limit-prefix"),
    (BadFlag, "bad-flag"),
    (FlagWithoutEncoding, "flag-without-encoding"),
    (UnknownEncoding, "unknown-encoding"),
    (BadGzip, "bad-gzip"),
    (CutBeforeHeaders, "cut-before-headers"),
    (CutMidMessage, "cut-mid-message"),
    (CutMidFrame, "cut-mid-frame"),
    (GoawayUnprocessed, "goaway-unprocessed"),
    (GoawayProcessed, "goaway-processed"),
    (GoawayAlways, "goaway-always"),
    (GoawayCalm, "goaway-calm"),
    (Silence, "silence"),
    (SilenceAfterHeaders, "silence-after-headers"),
    (SilenceAfterMessage, "silence-after-message"),
    (SilenceNoAck, "silence-no-ack"),
    (Mute, "mute"),
    (Garbage, "garbage"),
    (DataOnStreamZero, "data-on-stream-zero"),
    (DataBeforeHeaders, "data-before-headers"),
    (BadHpack, "bad-hpack"),
    (FrameTooLong, "frame-too-long"),
    (ZeroWindowUpdate, "zero-window-update"),
];

const HTML: [u16; 10] = [200, 400, 401, 403, 404, 429, 500, 502, 503, 504];

impl Behaviour {
    /// All of them; HTML pages and statuses with the numbers that gRPC has rules for.
    pub fn all() -> Vec<Behaviour> {
        let codes = 0..ERROR_CODES.len() as u32;
        let plain = PLAIN.iter().map(|(behaviour, _)| *behaviour);
        let html = HTML.into_iter().map(Html);
        let rst = codes.clone().map(Rst).chain(codes.map(RstAfterMessage));
        plain.chain(html).chain((0..=17).map(TrailersOnly)).chain(rst).collect()
    }

    /// Whether calls are answered rightly from the first.
    pub fn is_right(self) -> bool {
        matches!(self, Echo | OneByteFrames | Oddities | PingOrDie | MaxStreamsOne | WindowOne | WindowZero)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |code: u32| ERROR_CODES.get(code as usize).copied().unwrap_or("unknown");
        match *self {
            Html(status) => write!(f, "html-{status}"),
            TrailersOnly(status) => write!(f, "trailers-only-{status}"),
            Rst(number) => write!(f, "rst-{}", code(number)),
            RstAfterMessage(number) => write!(f, "rst-after-message-{}", code(number)),
            plain => {
                let name = PLAIN
                    .iter()
                    .find(|(behaviour, _)| *behaviour == plain)
                    .map_or("unnamed", |(_, name)| name);
                f.write_str(name)
            }
        }
    }
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(name: &str) -> Result<Behaviour, String> {
        if let Some((behaviour, _)) = PLAIN.iter().find(|(_, plain)| *plain == name) {
            return Ok(*behaviour);
        }
        let code = |name: &str| ERROR_CODES.iter().position(|code| *code == name).map(|code| code as u32);
        let numbered = [
            name.strip_prefix("html-").and_then(|status| status.parse().ok()).map(Html),
            name.strip_prefix("trailers-only-").and_then(|status| status.parse().ok()).map(TrailersOnly),
            name.strip_prefix("rst-after-message-").and_then(code).map(RstAfterMessage),
            name.strip_prefix("rst-").and_then(code).map(Rst),
        ];
        let unknown = || format!("no behaviour is called {name:?}; wrong-server --list names them");
        numbered.into_iter().flatten().next().ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for behaviour in Behaviour::all() {
            assert_eq!(behaviour.to_string().parse(), Ok(behaviour));
        }
        assert!("rst-nothing".parse::<Behaviour>().unwrap_err().contains("\"rst-nothing\""));
    }
}
