//! SETTINGS (RFC 9113, section 6.5): what this side wants, and what the peer does.

use super::core::Role;
use super::error::Fault;
use super::frame::{DEFAULT_MAX_FRAME, DEFAULT_WINDOW, MAX_WINDOW, kind, put};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What this side wants.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Config {
    /// What one stream may send us before it is taken.
    pub(in crate::proxy) window: u32,
    /// The same for all streams of the connection together.
    pub(in crate::proxy) connection_window: u32,
    /// The longest frame that we take.
    pub(in crate::proxy) max_frame: usize,
    /// How many streams the peer may have at once.
    pub(in crate::proxy) max_streams: u32,
    /// The longest list of headers, in bytes as HTTP/2 counts them.
    pub(in crate::proxy) max_headers: usize,
    /// Whether the peer is on a unix socket, where an `:authority` may be a path.
    pub(in crate::proxy) local: bool,
}

impl Config {
    /// Writes them. A client takes no pushes, and is not asked for streams.
    pub(super) fn put(&self, is_client: bool, out: &mut Vec<u8>) {
        let streams = if is_client { (ENABLE_PUSH, 0) } else { (MAX_CONCURRENT_STREAMS, self.max_streams) };
        let max_headers = u32::try_from(self.max_headers).unwrap_or(u32::MAX);
        let list = [
            streams,
            (INITIAL_WINDOW_SIZE, self.window),
            (MAX_FRAME_SIZE, self.max_frame as u32),
            (MAX_HEADER_LIST_SIZE, max_headers),
        ];
        let mut payload = Vec::with_capacity(6 * list.len());
        for (id, value) in list {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        put(out, kind::SETTINGS, 0, 0, &payload);
    }
}

/// What the peer wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peers {
    pub(super) window: i64,
    pub(super) max_frame: usize,
    pub(super) max_streams: u32,
    /// The size of its HPACK table, where it has said something of that: the least since it was asked, and the last.
    pub(super) table: Option<(usize, usize)>,
}

impl Default for Peers {
    fn default() -> Self {
        let window = i64::from(DEFAULT_WINDOW);
        Self { window, max_frame: DEFAULT_MAX_FRAME, max_streams: u32::MAX, table: None }
    }
}

impl Peers {
    /// Takes what a SETTINGS frame says.
    pub(super) fn read(&mut self, payload: &[u8], role: Role) -> Result<(), Fault> {
        // RFC 9113, section 6.5.2: a server that asks for pushes is wrong.
        let pushes = u32::from(role == Role::Server);

        if !payload.len().is_multiple_of(6) {
            return Err(Fault::size("SETTINGS are six bytes each"));
        }
        for entry in payload.chunks_exact(6) {
            let &[i0, i1, v0, v1, v2, v3] = entry else { continue };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => {
                    let size = value as usize;
                    self.table = Some((self.table.map_or(size, |(least, _)| least.min(size)), size));
                }
                ENABLE_PUSH if value > pushes => return Err(Fault::protocol("ENABLE_PUSH is out of range")),
                MAX_CONCURRENT_STREAMS => self.max_streams = value,
                INITIAL_WINDOW_SIZE if i64::from(value) > MAX_WINDOW => {
                    return Err(Fault::flow("INITIAL_WINDOW_SIZE is over 2^31 - 1"));
                }
                INITIAL_WINDOW_SIZE => self.window = i64::from(value),
                MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                    return Err(Fault::protocol("MAX_FRAME_SIZE is not between 2^14 and 2^24 - 1"));
                }
                MAX_FRAME_SIZE => self.max_frame = value as usize,
                _ => {}
            }
        }
        Ok(())
    }
}
