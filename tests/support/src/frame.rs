//! Frames of HTTP/2 (RFC 9113 §4, §6), written and read by hand.

/// What the client says first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest payload that needs nobody's permission.
pub const MAX_PAYLOAD: usize = 16_384;

/// The types of frame.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 §6")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags; what a bit means depends on the type.
pub mod flag {
    /// DATA, HEADERS: nothing follows on this stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// HEADERS, CONTINUATION: the header block is whole.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS: padding.
    pub const PADDED: u8 = 0x8;
}

/// Identifiers of settings.
pub mod setting {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 §6.5.2")]
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// The error codes of RST_STREAM and GOAWAY (RFC 9113 §7), by number; the names are as in [`crate::Behaviour`].
pub const ERROR_CODES: [&str; 14] = [
    "no-error",
    "protocol-error",
    "internal-error",
    "flow-control-error",
    "settings-timeout",
    "stream-closed",
    "frame-size-error",
    "refused-stream",
    "cancel",
    "compression-error",
    "connect-error",
    "enhance-your-calm",
    "inadequate-security",
    "http-1-1-required",
];

/// REFUSED_STREAM
pub const REFUSED_STREAM: u32 = 7;

/// One frame. Nothing is checked: any type, any flags, any stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type, see [`kind`].
    pub kind: u8,
    /// Its flags, see [`flag`].
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What follows the nine bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of these parts.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// SETTINGS with these values.
    pub fn settings(values: &[(u16, u32)]) -> Frame {
        let mut payload = Vec::new();
        for (id, value) in values {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        Frame::new(kind::SETTINGS, 0, 0, payload)
    }

    /// WINDOW_UPDATE: so many more bytes may come.
    pub fn window_update(stream: u32, bytes: u32) -> Frame {
        Frame::new(kind::WINDOW_UPDATE, 0, stream, bytes.to_be_bytes())
    }

    /// RST_STREAM with an error code.
    pub fn rst_stream(stream: u32, code: u32) -> Frame {
        Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// GOAWAY: streams above `last` were not processed.
    pub fn goaway(last: u32, code: u32, debug: &str) -> Frame {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(debug.as_bytes());
        Frame::new(kind::GOAWAY, 0, 0, payload)
    }

    /// Appends the frame to a buffer.
    ///
    /// # Panics
    /// Where the payload is longer than a length field of 24 bits can say.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert!(self.payload.len() < 1 << 24, "a frame of {} bytes", self.payload.len());
        header(self.payload.len(), self.kind, self.flags, self.stream, out);
        out.extend_from_slice(&self.payload);
    }

    /// Takes the first frame off a buffer; `None` while it is not whole.
    pub fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = buffer.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = buffer.get(9..end)?.to_vec();
        buffer.drain(..end);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        Some(Frame { kind, flags, stream, payload })
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload as 32-bit numbers; what is left over is dropped.
    pub fn words(&self) -> Vec<u32> {
        self.payload.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect()
    }

    /// The payload of DATA without its padding.
    pub fn data(&self) -> &[u8] {
        if !self.has(flag::PADDED) {
            return &self.payload;
        }
        let Some((&padding, rest)) = self.payload.split_first() else { return &[] };
        &rest[..rest.len().saturating_sub(padding.into())]
    }
}

/// Appends the nine bytes before a payload, true or not.
pub fn header(length: usize, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

/// Appends a header block as HEADERS and as many CONTINUATIONs as it takes.
pub fn headers(stream: u32, block: &[u8], end_stream: bool, out: &mut Vec<u8>) {
    let mut chunks = block.chunks(MAX_PAYLOAD).peekable();
    let mut frame = Frame::new(kind::HEADERS, if end_stream { flag::END_STREAM } else { 0 }, stream, []);
    loop {
        frame.payload = chunks.next().unwrap_or_default().to_vec();
        if chunks.peek().is_none() {
            frame.flags |= flag::END_HEADERS;
            return frame.encode(out);
        }
        frame.encode(out);
        frame = Frame::new(kind::CONTINUATION, 0, stream, []);
    }
}

/// A message of gRPC behind its prefix of five bytes.
pub fn message(flag: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = message_prefix(flag, payload.len());
    out.extend_from_slice(payload);
    out
}

/// The prefix alone, true or not.
pub fn message_prefix(flag: u8, length: usize) -> Vec<u8> {
    let mut out = vec![flag];
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        let frame = Frame::goaway(5, 11, "too_many_pings");
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        let last = wire.pop().unwrap();
        assert_eq!(Frame::take(&mut wire), None);
        wire.extend([last, 0xff]);
        assert_eq!(Frame::take(&mut wire), Some(frame));
        assert_eq!(wire, [0xff]);
    }

    #[test]
    fn padding_is_no_data() {
        assert_eq!(Frame::new(kind::DATA, flag::PADDED, 1, *b"\x02abc\0\0").data(), b"abc");
        assert_eq!(Frame::new(kind::DATA, flag::PADDED, 1, *b"\x09a").data(), b"");
    }

    #[test]
    fn a_long_block_continues() {
        let mut wire = Vec::new();
        headers(1, &[0; MAX_PAYLOAD + 1], true, &mut wire);
        let (first, second) = (Frame::take(&mut wire).unwrap(), Frame::take(&mut wire).unwrap());
        assert_eq!((first.kind, first.flags), (kind::HEADERS, flag::END_STREAM));
        assert_eq!(
            (second.kind, second.flags, second.payload.len()),
            (kind::CONTINUATION, flag::END_HEADERS, 1)
        );
    }
}
