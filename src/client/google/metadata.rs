//! Tokens from the metadata server of a machine at Google.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, Status};

use super::Token;
use crate::error::quote;
use crate::reactor::fork;
use crate::tls::try_lock;
use crate::transport::dial::{Address, dial};
use crate::transport::lookup::lookup;

const HOST: &str = "metadata.google.internal";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// How long the server may take. It is on the same machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read. A token is 1 to 2 KiB.
const LONGEST: usize = 64 << 10;

/// A metadata server. Nothing is asked before the first token is wanted.
pub(super) struct MetadataServer {
    host: String,
    /// Where else credentials were looked for.
    looked: String,
    token: Mutex<Option<Token>>,
    /// Who fetches while others wait; of the process in which it was made.
    turn: Mutex<Option<(u32, Turn)>>,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

impl fmt::Debug for MetadataServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataServer").field("host", &self.host).finish_non_exhaustive()
    }
}

impl MetadataServer {
    /// `file` is where no credentials were found.
    pub(super) fn new(host: Option<&str>, file: Option<&Path>) -> Self {
        let file = file
            .map_or(String::new(), |file| format!(", there is no file {}", quote(&file.to_string_lossy())));
        Self {
            host: host.unwrap_or(HOST).to_owned(),
            looked: format!("GOOGLE_APPLICATION_CREDENTIALS is not set{file}"),
            token: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// `Bearer …`, from memory or from the server.
    pub(super) async fn token(&self) -> Result<HeaderValue, Status> {
        if let Some(value) = self.known() {
            return Ok(value);
        }
        // Calls that begin together ask once.
        let turn = self.turn();
        let _mine = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if let Some(value) = self.known() {
            return Ok(value);
        }
        let token = self.fetch().await?;
        if let Some(mut known) = try_lock(&self.token) {
            *known = Some(token.clone());
        }
        Ok(token.value)
    }

    fn known(&self) -> Option<HeaderValue> {
        try_lock(&self.token)?.as_ref().filter(|t| t.is_fresh()).map(|t| t.value.clone())
    }

    /// A forked child does not wait for a fetch of its parent's.
    fn turn(&self) -> Option<Turn> {
        let mut turn = try_lock(&self.turn)?;
        let generation = fork::generation();
        match &*turn {
            Some((of, turn)) if *of == generation => Some(Arc::clone(turn)),
            _ => Some(Arc::clone(&turn.insert((generation, Turn::default())).1)),
        }
    }

    async fn fetch(&self) -> Result<Token, Status> {
        let asked = SystemTime::now();
        let answer = match tokio::time::timeout(PATIENCE, get(&self.host, PATH)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(self.failed(Code::Unavailable, &why)),
            Err(_) => {
                return Err(self.failed(Code::Unavailable, &format!("it did not answer within {PATIENCE:?}")));
            }
        };
        match answer.status {
            200 => {}
            404 => {
                return Err(
                    self.failed(Code::Unauthenticated, "the machine has no service account (HTTP 404)")
                );
            }
            status @ 400..=428 => {
                return Err(self.failed(Code::Unauthenticated, &format!("it answered HTTP {status}")));
            }
            status => return Err(self.failed(Code::Unavailable, &format!("it answered HTTP {status}"))),
        }
        token(&answer.body, asked).ok_or_else(|| {
            let why = "its answer is no token; expected JSON with \"access_token\" and \"expires_in\"";
            self.failed(Code::Unavailable, why)
        })
    }

    fn failed(&self, code: Code, why: &str) -> Status {
        let Self { host, looked, .. } = self;
        Status::new(
            code,
            format!("no Google credentials: {looked}, and the metadata server {host} failed: {why}"),
        )
    }
}

/// The token in an answer.
fn token(body: &[u8], asked: SystemTime) -> Option<Token> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let text = json.get("access_token").and_then(Value::as_str).filter(|text| !text.is_empty())?;
    let lifetime = Duration::from_secs(json.get("expires_in").and_then(Value::as_u64)?);
    Token::new(text, asked.checked_add(lifetime)?)
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// One GET over HTTP/1.1 (RFC 9112).
async fn get(host: &str, path: &str) -> Result<Answer, String> {
    let bare_v6 = host.matches(':').count() > 1 && !host.ends_with(']') && !host.starts_with('[');
    let (name, port) = match host.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) if !bare_v6 => (name, port),
        _ => (host, 80),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let unreachable = |why| format!("it cannot be reached: {why}");
    let found = lookup(name, port).await.map_err(|error| unreachable(error.to_string()))?;
    let found: Vec<_> = found.into_iter().map(Address::Tcp).collect();
    let (mut socket, _) = dial(&found).await.map_err(unreachable)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nMetadata-Flavor: Google\r\nAccept: application/json\r\n\
         Connection: close\r\n\r\n"
    );
    let broken = |e: std::io::Error| format!("the connection broke: {e}");
    socket.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut text = Vec::new();
    loop {
        let over = socket.read_buf(&mut text).await.map_err(broken)? == 0;
        match parse(&text, over) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if over => return Err("it closed the connection before its answer was complete".into()),
            Ok(None) if text.len() > LONGEST => return Err("its answer is too long".into()),
            Ok(None) => {}
            Err(()) => return Err("its answer is not HTTP/1.1".into()),
        }
    }
}

/// The answer in `text`; `None` while it is not complete. `over` says that nothing more comes.
fn parse(text: &[u8], over: bool) -> Result<Option<Answer>, ()> {
    let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = text.split_at(end);
    let body = body.get(4..).unwrap_or_default();
    let mut lines = std::str::from_utf8(head).map_err(|_| ())?.split("\r\n");
    let first = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).ok_or(())?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(())?;
    let (mut length, mut chunked) = (None, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>().map_err(|_| ())?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    let body = match length {
        _ if chunked => unchunk(body)?,
        Some(length) => body.get(..length).map(<[u8]>::to_vec),
        None => over.then(|| body.to_vec()),
    };
    Ok(body.map(|body| Answer { status, body }))
}

/// The content of chunks (RFC 9112, section 7.1).
fn unchunk(mut body: &[u8]) -> Result<Option<Vec<u8>>, ()> {
    let mut content = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|w| w == b"\r\n") else { return Ok(None) };
        let (line, rest) = body.split_at(end);
        let line = std::str::from_utf8(line).map_err(|_| ())?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| ())?;
        if size == 0 {
            return Ok(Some(content));
        }
        let rest = rest.get(2..).unwrap_or_default();
        let Some(chunk) = rest.get(..size) else { return Ok(None) };
        content.extend_from_slice(chunk);
        match rest.get(size..).and_then(|rest| rest.split_at_checked(2)) {
            Some((b"\r\n", next)) => body = next,
            Some(_) => return Err(()),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(text: &str, over: bool) -> Option<(u16, String)> {
        let answer = parse(text.as_bytes(), over).unwrap()?;
        Some((answer.status, String::from_utf8(answer.body).unwrap()))
    }

    #[test]
    fn answers_of_all_shapes() {
        let known = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
        assert_eq!(complete(&format!("{known}abcd more"), false), Some((200, "abcd".into())));
        let closed = "HTTP/1.0 404 Not Found\r\n\r\nno";
        assert_eq!(complete(closed, false), None);
        assert_eq!(complete(closed, true), Some((404, "no".into())));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(complete(chunks, false), Some((200, "abc0123456789".into())));
        for whole in [format!("{known}abcd"), chunks.trim_end().to_owned()] {
            for end in 0..whole.len() {
                let _ = parse(&whole.as_bytes()[..end], false).unwrap();
                assert_eq!(complete(&whole[..end], true), None, "{:?}", &whole[..end]);
            }
        }
        for wrong in [
            "SSH-2.0 x\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        ] {
            assert_eq!(parse(wrong.as_bytes(), true), Err(()), "{wrong}");
        }
    }
}
