//! Server reflection where the members of a group serve different things, each of which knows of itself only, or where
//! they do not name it among their services.
//!
//! Here alone the proxy reads messages. Which services there are it knows itself; for files it asks the members that
//! may have them, and passes the first answer on that is none of regret.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use tonic::{Code, Status};

use super::ask::Asking;
use super::client::Client;
use super::downstream::Line;
use super::refuse;
use super::route::Path;
use super::upstream::{Group, Member};
use crate::codec::{Deframer, Encoding, frame};
use crate::deadline::Deadline;
use crate::discovery::Unary as _;
use crate::discovery::reflection::{self, Asked, Version};
use crate::error::quote;
use crate::status;

/// The longest question that is taken.
const MAX_QUESTION: usize = 64 << 10;

/// How many members are asked for a file.
const ASKED: usize = 16;

/// Why there is no whole answer.
pub(super) enum Stop {
    Gone,
    Late,
    Failed(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

/// The version of reflection that a request asks for, where it is to be answered here.
pub(super) fn asked_for(path: Option<Path<'_>>, group: &Group) -> Option<Version> {
    let path = path?;
    let mut versions = [Version::V1, Version::V1Alpha].into_iter();
    let version = versions.find(|version| version.service() == path.service)?;
    let members = group.members();
    // Many servers do not name reflection itself among their services; who has named any has it all the same.
    let unnamed = !members.services().is_empty() && members.of(version.service()).members.is_empty();
    (Path::parse(version.path()) == Some(path) && (unnamed || members.differ())).then_some(version)
}

/// Answers one stream of questions, to its end.
pub(super) async fn answer(
    line: &Line,
    head: &Parts,
    version: Version,
    group: &Arc<Group>,
    client: &mut Client,
    deadline: Option<Deadline>,
) -> Result<(), Stop> {
    let encoding = match head.headers.get("grpc-encoding") {
        None => Encoding::Identity,
        Some(name) => Encoding::from_name(name.as_bytes()).ok_or_else(|| {
            let name = quote(&String::from_utf8_lossy(name.as_bytes())).to_string();
            Status::unimplemented(format!("grpc-encoding is {name}; expected identity, gzip or deflate"))
        })?,
    };
    let mut deframer = Deframer::new(encoding, MAX_QUESTION);
    while let Some(data) = in_time(deadline, poll_fn(|cx| client.stream.poll_data(cx))).await? {
        let data = data.map_err(|_| Stop::Gone)?;
        client.received += data.len() as u64;
        client.release(data.len());
        deframer.push(data);
        while let Some(question) = deframer.next()? {
            let question = question.into_bytes();
            let asking = one(line, version, group, &question);
            let answer = frame(&in_time(deadline, asking).await??, Encoding::Identity)?;
            in_time(deadline, send(client, answer)).await??;
        }
    }
    deframer.finish()?;
    client.ended = true;
    end(client);
    Ok(())
}

/// `work`, unless the deadline passes before.
async fn in_time<T>(deadline: Option<Deadline>, work: impl Future<Output = T>) -> Result<T, Stop> {
    match deadline {
        None => Ok(work.await),
        Some(deadline) => tokio::time::timeout(deadline.remaining(), work).await.map_err(|_| Stop::Late),
    }
}

/// The answer to one question.
async fn one(line: &Line, version: Version, group: &Arc<Group>, question: &Bytes) -> Result<Bytes, Status> {
    let members = group.members();
    let among = match reflection::asked(question)? {
        Some(Asked::Services) => return Ok(reflection::listed(question, &members.services()).into()),
        // A method has the name of its service before its own.
        Some(Asked::Symbol(name)) => {
            let service = members.services().into_iter().find(|service| {
                name.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            service.map_or(&members.all, |service| members.of(service))
        }
        Some(Asked::File) | None => &members.all,
    };
    let among = Arc::clone(&among.members);
    drop(members);
    let timeout = group.settings.discover.map_or(Duration::from_secs(5), |discover| discover.timeout);
    let mut last = Err(refuse::no_room(group.name()));
    for member in different(&among).into_iter().take(ASKED) {
        let asking = Asking { group, member, worker: line.worker, timeout };
        let mut answer = asking.unary(version.path(), question.to_vec()).await;
        if answer.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
            // The messages of both versions are the same.
            let other = if version == Version::V1 { Version::V1Alpha } else { Version::V1 };
            answer = asking.unary(other.path(), question.to_vec()).await;
        }
        let regrets = answer
            .as_ref()
            .map(|answer| matches!(reflection::decode(answer), Ok(reflection::Answer::Refused(_)) | Err(_)));
        match regrets {
            Ok(false) => return answer,
            // An answer is better than none.
            Ok(true) => last = answer,
            Err(_) if last.is_err() => last = answer,
            Err(_) => {}
        }
    }
    last
}

/// Those that are well, or all where none is; of those that serve the same one.
fn different(members: &[Arc<Member>]) -> Vec<&Arc<Member>> {
    let any_well = members.iter().any(|member| member.is_well());
    let mut chosen: Vec<&Arc<Member>> = Vec::new();
    for member in members.iter().filter(|member| !any_well || member.is_well()) {
        if member.services().is_some() && !chosen.iter().any(|other| other.services() == member.services()) {
            chosen.push(member);
        }
    }
    chosen
}

/// Sends an answer as the client's window allows, after the head where that was not sent yet.
async fn send(client: &mut Client, mut answer: Bytes) -> Result<(), Stop> {
    if !client.begun {
        client.begin(StatusCode::OK, &headers(), false).map_err(|_| Stop::Gone)?;
    }
    while !answer.is_empty() {
        let sent = poll_fn(|cx| client.stream.poll_send(&mut answer, false, cx)).await;
        client.returned += sent.map_err(|_| Stop::Gone)? as u64;
    }
    Ok(())
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers
}

/// Ends a stream in order. A client that has gone needs no end.
fn end(client: &mut Client) {
    let mut end = if client.begun { HeaderMap::new() } else { headers() };
    status::to_headers(&Status::ok(""), &mut end);
    let _ = if client.begun {
        client.stream.send_trailers(&end)
    } else {
        client.begin(StatusCode::OK, &end, true)
    };
}
