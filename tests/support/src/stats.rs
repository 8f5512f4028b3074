//! What a peer saw.

use std::collections::BTreeMap;
use std::fmt;

use crate::frame::{Frame, flag, kind};

/// Counts since the peer started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Calls: streams that were opened.
    pub streams: u64,
    /// The most streams that were open at once on one connection.
    pub most_streams: u64,
    /// PINGs sent.
    pub pings: u64,
    /// PINGs of ours that were acknowledged.
    pub pongs: u64,
    /// PINGs the client sent.
    pub pings_received: u64,
    /// SETTINGS of ours that were acknowledged.
    pub settings_acks: u64,
    /// Streams the client reset.
    pub resets: u64,
    /// GOAWAYs the client sent.
    pub goaways: u64,
    /// Connections dropped because a PING was not acknowledged in time.
    pub dropped: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { connections, open, streams, most_streams, pings, pongs, .. } = self;
        let Stats { pings_received, settings_acks, resets, goaways, dropped, .. } = self;
        write!(
            f,
            "connections={connections} open={open} streams={streams} most_streams={most_streams} pings={pings} \
             pongs={pongs} pings_received={pings_received} settings_acks={settings_acks} resets={resets} \
             goaways={goaways} dropped={dropped}"
        )
    }
}

/// The frames a client sent on one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamFrames {
    /// Which connection, from 1 in the order they came.
    pub connection: u64,
    /// The stream's identifier.
    pub stream: u32,
    /// HEADERS
    pub headers: u32,
    /// CONTINUATION
    pub continuation: u32,
    /// DATA, empty ones included.
    pub data: u32,
    /// DATA without payload.
    pub empty_data: u32,
    /// The payloads of DATA together.
    pub data_bytes: u64,
    /// WINDOW_UPDATE
    pub window_update: u32,
    /// RST_STREAM
    pub rst_stream: u32,
    /// Frames of any other type.
    pub other: u32,
    /// Whether the client half-closed.
    pub half_closed: bool,
}

impl fmt::Display for StreamFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamFrames { connection, stream, headers, continuation, data, empty_data, .. } = self;
        let StreamFrames { data_bytes, window_update, rst_stream, other, half_closed, .. } = self;
        write!(
            f,
            "connection={connection} stream={stream} headers={headers} continuation={continuation} data={data} \
             empty_data={empty_data} data_bytes={data_bytes} window_update={window_update} \
             rst_stream={rst_stream} other={other} half_closed={half_closed}"
        )
    }
}

/// How many streams are remembered: enough for any test, too few to fill memory in a long run.
const REMEMBERED: usize = 10_000;

/// Counts, and frames by stream.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) stats: Stats,
    frames: BTreeMap<(u64, u32), StreamFrames>,
}

impl Record {
    pub(crate) fn frame(&mut self, connection: u64, frame: &Frame) {
        let key = (connection, frame.stream);
        if frame.stream == 0 || (self.frames.len() >= REMEMBERED && !self.frames.contains_key(&key)) {
            return;
        }
        let of = self.frames.entry(key).or_default();
        (of.connection, of.stream) = key;
        match frame.kind {
            kind::DATA => {
                of.data += 1;
                of.empty_data += u32::from(frame.payload.is_empty());
                of.data_bytes += frame.payload.len() as u64;
            }
            kind::HEADERS => of.headers += 1,
            kind::CONTINUATION => of.continuation += 1,
            kind::WINDOW_UPDATE => of.window_update += 1,
            kind::RST_STREAM => of.rst_stream += 1,
            _ => of.other += 1,
        }
        of.half_closed |= matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM);
    }

    pub(crate) fn frames(&self) -> Vec<StreamFrames> {
        self.frames.values().copied().collect()
    }
}
