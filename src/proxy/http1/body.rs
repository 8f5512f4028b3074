//! Bodies of HTTP/1.1 messages: where they end, and their bytes without what divides them.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::field;

/// How a body ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Fixed(u64),
    /// With an empty chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// The longest line that tells a chunk's size, and the longest trailers.
const MAX_LINE: usize = 4 << 10;
const MAX_TRAILERS: usize = 16 << 10;

/// How many trailers there may be.
const MAX_FIELDS: usize = 64;

/// Takes a body off what is received.
#[derive(Debug)]
pub(super) struct Decoder(State);

#[derive(Debug)]
enum State {
    Ended,
    Fixed(u64),
    Close,
    Size,
    Chunk(u64),
    /// The line end behind a chunk.
    Behind,
    Trailers,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// Nothing, before more is received.
    More,
    /// The end; with trailers, where there are any.
    End(Option<HeaderMap>),
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None | Framing::Fixed(0) => State::Ended,
            Framing::Fixed(length) => State::Fixed(length),
            Framing::Chunked => State::Size,
            Framing::Close => State::Close,
        })
    }

    /// The next piece of what is in `buf`.
    ///
    /// # Errors
    ///
    /// A sentence: why the body cannot be read.
    pub(super) fn next(&mut self, buf: &mut BytesMut) -> Result<Piece, &'static str> {
        loop {
            match &mut self.0 {
                State::Ended => return Ok(Piece::End(None)),
                _ if buf.is_empty() => return Ok(Piece::More),
                State::Close => return Ok(Piece::Data(buf.split().freeze())),
                State::Fixed(left) => {
                    let data = take(buf, left);
                    if *left == 0 {
                        self.0 = State::Ended;
                    }
                    return Ok(Piece::Data(data));
                }
                State::Chunk(left) => {
                    let data = take(buf, left);
                    if *left == 0 {
                        self.0 = State::Behind;
                    }
                    return Ok(Piece::Data(data));
                }
                State::Behind => match buf.get(..2) {
                    Some(b"\r\n") => {
                        buf.advance(2);
                        self.0 = State::Size;
                    }
                    None if buf.first() == Some(&b'\r') => return Ok(Piece::More),
                    _ => return Err("a chunk is longer than its size"),
                },
                State::Size => {
                    let Some(end) = buf.iter().position(|byte| *byte == b'\n') else {
                        let long = buf.len() > MAX_LINE;
                        return if long { Err("a chunk's size has no end") } else { Ok(Piece::More) };
                    };
                    let line = buf.split_to(end + 1);
                    self.0 = match size(&line)? {
                        0 => State::Trailers,
                        size => State::Chunk(size),
                    };
                }
                State::Trailers => {
                    let Some(end) = trailers_end(buf)? else {
                        let long = buf.len() > MAX_TRAILERS;
                        return if long { Err("the trailers are too long") } else { Ok(Piece::More) };
                    };
                    let block = buf.split_to(end);
                    self.0 = State::Ended;
                    let trailers = if block.len() > 2 { Some(trailers(&block)?) } else { None };
                    return Ok(Piece::End(trailers));
                }
            }
        }
    }

    /// How many bytes of the body are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self.0 {
            State::Ended => Some(0),
            State::Fixed(left) => Some(left),
            State::Close | State::Size | State::Chunk(_) | State::Behind | State::Trailers => None,
        }
    }

    /// Whether the end of the connection is the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self.0, State::Close)
    }
}

fn take(buf: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = buf.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= length as u64;
    buf.split_to(length).freeze()
}

/// The size of a chunk. An extension is of no meaning to anybody, and goes.
fn size(line: &[u8]) -> Result<u64, &'static str> {
    let line = line.strip_suffix(b"\r\n").ok_or("a chunk's size does not end with CR LF")?;
    let (number, extension) = match line.iter().position(|byte| *byte == b';') {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    // No other white space, and no line end: others would find the size, or the line, somewhere else.
    let padding = number.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let number = number.get(..number.len() - padding).unwrap_or_default();
    if extension.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err("a chunk's extension has a control character");
    }
    if number.is_empty() || number.len() > 16 || !number.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk's size is none; expected a hexadecimal number");
    }
    let digits = std::str::from_utf8(number).unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_| "a chunk's size is none; expected a hexadecimal number")
}

/// Where the trailers end, if their end is there. Every line ends with CR LF, as in heads it need not (RFC 9112, section
/// 2.2): what follows an end that others do not see would be a request that they do not see.
fn trailers_end(buf: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut begin = 0;
    while let Some(length) =
        buf.get(begin..).and_then(|rest| rest.iter().position(|b| matches!(b, b'\r' | b'\n')))
    {
        let end = begin + length;
        match buf.get(end..end + 2) {
            Some(b"\r\n") if length == 0 => return Ok(Some(end + 2)),
            Some(b"\r\n") => begin = end + 2,
            None if buf.get(end) == Some(&b'\r') => return Ok(None),
            _ => return Err("a line of the trailers does not end with CR LF"),
        }
    }
    Ok(None)
}

fn trailers(block: &[u8]) -> Result<HeaderMap, &'static str> {
    let wrong = "the trailers cannot be read";
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(block, &mut fields) else {
        return Err(wrong);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for one in fields {
        let name = HeaderName::from_bytes(one.name.as_bytes()).map_err(|_| wrong)?;
        // RFC 9110, section 6.5.1: what frames or routes a message is no trailer.
        if matches!(
            name.as_str(),
            "content-length" | "transfer-encoding" | "host" | "connection" | "te" | "upgrade"
        ) {
            return Err("the trailers have a header that must not be there");
        }
        trailers.append(name, HeaderValue::from_bytes(one.value).map_err(|_| wrong)?);
    }
    Ok(trailers)
}

/// What stands before a chunk of `length` bytes.
pub(super) fn chunk_head(length: usize, out: &mut BytesMut) {
    out.put_slice(format!("{length:x}\r\n").as_bytes());
}

/// What ends a body in chunks.
pub(super) fn chunks_end(trailers: Option<&HeaderMap>, out: &mut BytesMut) {
    out.put_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        field(out, name.as_str(), value.as_bytes());
    }
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the end with its trailers where there was one, and what was left over.
    type Decoded = (Vec<u8>, Option<Option<HeaderMap>>, Vec<u8>);

    /// All of a body that comes `step` bytes at a time, and what is left.
    fn decode(framing: Framing, text: &[u8], step: usize) -> Result<Decoded, &'static str> {
        let mut decoder = Decoder::new(framing);
        let (mut buf, mut data) = (BytesMut::new(), Vec::new());
        let mut pieces = text.chunks(step);
        loop {
            match decoder.next(&mut buf)? {
                Piece::Data(piece) => data.extend_from_slice(&piece),
                Piece::End(trailers) => {
                    let mut left = buf.to_vec();
                    left.extend(pieces.flatten());
                    return Ok((data, Some(trailers), left));
                }
                Piece::More => match pieces.next() {
                    Some(piece) => buf.extend_from_slice(piece),
                    None => return Ok((data, None, Vec::new())),
                },
            }
        }
    }

    #[test]
    fn bodies_end_where_they_say() {
        for step in 1..20 {
            let chunks = b"3 \r\nabc\r\n00A \t; ext=\"1\"\r\n0123456789\r\n0\r\nX-T: v\r\n\r\nNEXT";
            let (data, end, left) = decode(Framing::Chunked, chunks, step).unwrap();
            assert_eq!((&data[..], &left[..]), (&b"abc0123456789"[..], &b"NEXT"[..]));
            assert_eq!(end.unwrap().unwrap()["x-t"], "v");
            let (data, end, left) = decode(Framing::Chunked, b"0\r\n\r\nNEXT", step).unwrap();
            assert_eq!((data.len(), end, &left[..]), (0, Some(None), &b"NEXT"[..]));
            let (data, end, left) = decode(Framing::Fixed(3), b"abcdef", step).unwrap();
            assert_eq!((&data[..], end, &left[..]), (&b"abc"[..], Some(None), &b"def"[..]));
            assert_eq!(decode(Framing::Close, b"abc", step).unwrap(), (b"abc".to_vec(), None, vec![]));
            assert_eq!(decode(Framing::None, b"abc", step).unwrap().2, b"abc");
        }
    }

    #[test]
    fn chunks_that_can_be_read_in_two_ways_are_refused() {
        for bad in [
            &b"3\nabc\r\n"[..],
            b"\r\n",
            b"-1\r\n",
            b"0x3\r\n",
            b"+3\r\n",
            b" 3\r\n",
            b"3 3\r\n",
            b"3;a\rb\r\n",
            b"11111111111111111\r\n",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n",
            b"0\r\nContent-Length: 3\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n\nGET /swallowed HTTP/1.1\r\nHost: a\r\n\r\n",
            b"0\r\n\r\r\n\r\n",
            b"0\r\nX: 1\nY: 2\r\n\r\n",
            b"0\r\nX: 1\rY: 2\r\n\r\n",
            b"0\r\nX: 1\n\r\n",
            b"0\r\nX: 1\r\n\n\r\n\r\n",
            b"0\n\r\n",
            b"0\r\r\n\r\n",
            b"0\x0c\r\n\r\n",
            b"0\x0b\r\n\r\n",
            b"3\x0c\r\nabc\r\n",
            b"3\x0c;a\r\nabc\r\n",
            b"3\r;a\r\nabc\r\n",
            b"3\xa0\r\nabc\r\n",
            b"3\0\r\nabc\r\n",
            b"3;a\nb\r\nabc\r\n",
            &[b'1'; MAX_LINE + 2],
        ] {
            for step in [1, 3, bad.len()] {
                assert!(decode(Framing::Chunked, bad, step).is_err(), "{:?}", String::from_utf8_lossy(bad));
            }
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = BytesMut::new();
        chunk_head(300, &mut out);
        out.put_slice(&[b'x'; 300]);
        out.put_slice(b"\r\n");
        let mut trailers = HeaderMap::new();
        trailers.insert("a", HeaderValue::from_static("b"));
        chunks_end(Some(&trailers), &mut out);
        let (data, end, left) = decode(Framing::Chunked, &out, 7).unwrap();
        assert_eq!((data.len(), end, left.len()), (300, Some(Some(trailers)), 0));
    }
}
