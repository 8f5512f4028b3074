//! The client of gRPC server reflection, v1 and v1alpha.
//!
//! The two versions have the same messages under two names. The method is a stream of questions and
//! answers; here each question is a stream of its own, so that whatever can make a unary call can ask.
//!
//! ```text
//! encode(Question) ──▶ path(version) ──▶ decode() = Answer
//! ```
//!
//! [`Client`] does the rest: it finds the version out and follows imports.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Status};

use super::{OverChannel, Unary, unreadable};
use crate::client::{CallOptions, Channel};
use crate::deadline::Deadline;
use crate::error::quote;

/// More files than any service has; a server that invents imports must come to an end.
const MAX_FILES: usize = 4096;

/// Which of the two services is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `grpc.reflection.v1`
    V1,
    /// `grpc.reflection.v1alpha`, which older servers have.
    V1Alpha,
}

impl Version {
    /// The service.
    pub fn service(self) -> &'static str {
        match self {
            Self::V1 => "grpc.reflection.v1.ServerReflection",
            Self::V1Alpha => "grpc.reflection.v1alpha.ServerReflection",
        }
    }

    /// The path of its one method.
    pub fn path(self) -> &'static str {
        match self {
            Self::V1 => "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            Self::V1Alpha => "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        }
    }
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Which services there are.
    Services,
    /// The file that declares a service, a method, a type or a field, by its full name.
    Symbol(&'a str),
    /// A file, by the name that others import it by.
    File(&'a str),
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The full names of the services.
    Services(Vec<String>),
    /// The file, and perhaps others that it imports.
    Files(Vec<FileDescriptorProto>),
    /// The server understood and cannot say: NOT_FOUND for a symbol that it does not know.
    Refused(Status),
}

/// The request that asks `question`.
pub fn encode(question: Question<'_>) -> Vec<u8> {
    let asked = match question {
        Question::Services => wire::Asked::ListServices(String::new()),
        Question::Symbol(name) => wire::Asked::FileContainingSymbol(name.to_owned()),
        Question::File(name) => wire::Asked::FileByFilename(name.to_owned()),
    };
    wire::Request { host: String::new(), asked: Some(asked) }.encode_to_vec()
}

/// Reads a response.
///
/// # Errors
///
/// INTERNAL where it is none, or none to a question that can be asked here.
pub fn decode(response: &[u8]) -> Result<Answer, Status> {
    let response =
        wire::Response::decode(response).map_err(|e| unreadable("ServerReflectionResponse", &e))?;
    match response.answered {
        Some(wire::Answered::Services(list)) => {
            Ok(Answer::Services(list.service.into_iter().map(|service| service.name).collect()))
        }
        Some(wire::Answered::Files(files)) => files
            .file_descriptor_proto
            .iter()
            .map(|file| FileDescriptorProto::decode(&**file))
            .collect::<Result<_, _>>()
            .map(Answer::Files)
            .map_err(|e| unreadable("FileDescriptorProto", &e)),
        Some(wire::Answered::Error(error)) => {
            let code = match Code::from(error.error_code) {
                Code::Ok => Code::Unknown,
                code => code,
            };
            Ok(Answer::Refused(Status::new(code, error.error_message)))
        }
        None => Err(Status::internal(
            "the server's answer to a question of reflection is empty; expected services, files or an error",
        )),
    }
}

/// Reads a request, for a server: none where it asks for something else than what is known here.
///
/// # Errors
///
/// INVALID_ARGUMENT where it is no request.
pub(crate) fn asked(request: &[u8]) -> Result<Option<Asked>, Status> {
    let request = wire::Request::decode(request).map_err(|error| {
        Status::invalid_argument(format!("the question is no ServerReflectionRequest: {error}"))
    })?;
    Ok(request.asked.map(|asked| match asked {
        wire::Asked::ListServices(_) => Asked::Services,
        wire::Asked::FileContainingSymbol(name) => Asked::Symbol(name),
        wire::Asked::FileByFilename(_) => Asked::File,
    }))
}

/// The response to `request` that lists these services.
pub(crate) fn listed(request: &Bytes, services: &[&str]) -> Vec<u8> {
    let service = services.iter().map(|name| wire::Service { name: (*name).to_owned() }).collect();
    let answered = Some(wire::Answered::Services(wire::Services { service }));
    let mut response = Vec::new();
    // original_request
    prost::encoding::bytes::encode(2, request, &mut response);
    response.extend(wire::Response { answered }.encode_to_vec());
    response
}

/// What was asked.
#[derive(Debug)]
pub(crate) enum Asked {
    /// See [`Question`].
    Services,
    /// See [`Question`].
    Symbol(String),
    /// See [`Question`].
    File,
}

/// Asks one server.
#[derive(Debug)]
pub struct Client<U> {
    over: U,
    /// The version that the server has answered in.
    version: Option<Version>,
}

impl<U: Unary> Client<U> {
    /// A client that asks by `over`.
    pub fn new(over: U) -> Self {
        Self { over, version: None }
    }

    /// The version that the server has, once it has answered.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Asks, in v1 first, and in v1alpha where v1 is UNIMPLEMENTED.
    ///
    /// # Errors
    ///
    /// The call's status; UNIMPLEMENTED where the server has neither.
    pub async fn ask(&mut self, question: Question<'_>) -> Result<Answer, Status> {
        let request = encode(question);
        let first = self.version.unwrap_or(Version::V1);
        match self.over.unary(first.path(), request.clone()).await {
            Ok(response) => self.answered(first, &response),
            Err(status) if status.code() == Code::Unimplemented && self.version.is_none() => {
                match self.over.unary(Version::V1Alpha.path(), request).await {
                    Ok(response) => self.answered(Version::V1Alpha, &response),
                    Err(second) if second.code() == Code::Unimplemented => {
                        Err(Status::unimplemented(format!(
                            "the server has no reflection service, neither v1 nor v1alpha ({})",
                            status.message()
                        )))
                    }
                    Err(second) => Err(second),
                }
            }
            Err(status) => Err(status),
        }
    }

    fn answered(&mut self, version: Version, response: &Bytes) -> Result<Answer, Status> {
        self.version = Some(version);
        decode(response)
    }

    /// The full names of the server's services, as the server orders them.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), or what the server refuses with.
    pub async fn list_services(&mut self) -> Result<Vec<String>, Status> {
        match self.ask(Question::Services).await? {
            Answer::Services(services) => Ok(services),
            Answer::Refused(status) => Err(status),
            Answer::Files(_) => Err(beside("services", "files")),
        }
    }

    /// The file that declares `symbol`, and all that it imports, each once.
    ///
    /// An import that the server does not have is left out: the well-known types are, by some.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), or what the server refuses with: NOT_FOUND where it has no such symbol.
    pub async fn files_for_symbol(&mut self, symbol: &str) -> Result<FileDescriptorSet, Status> {
        let mut new = match self.ask(Question::Symbol(symbol)).await? {
            Answer::Files(files) => files,
            Answer::Refused(status) => return Err(status),
            Answer::Services(_) => return Err(beside("files", "services")),
        };
        let mut set = FileDescriptorSet::default();
        let mut seen = HashSet::new();
        let mut wanted = VecDeque::new();
        loop {
            for file in new {
                seen.insert(file.name().to_owned());
                wanted.extend(file.dependency.iter().cloned());
                if !set.file.iter().any(|known| known.name() == file.name()) {
                    set.file.push(file);
                }
            }
            let Some(name) = std::iter::from_fn(|| wanted.pop_front()).find(|name| !seen.contains(name))
            else {
                return Ok(set);
            };
            if seen.len() >= MAX_FILES {
                return Err(Status::resource_exhausted(format!(
                    "the server names more than {MAX_FILES} files that {} needs",
                    quote(symbol)
                )));
            }
            new = match self.ask(Question::File(&name)).await? {
                Answer::Files(files) => files,
                Answer::Refused(_) => Vec::new(),
                Answer::Services(_) => return Err(beside("files", "services")),
            };
            seen.insert(name);
        }
    }
}

/// The full names of the services behind `channel`, asked within `timeout`.
///
/// # Errors
///
/// As [`Client::list_services`].
pub async fn list_services(channel: &Channel, timeout: Duration) -> Result<Vec<String>, Status> {
    Client::new(within(channel, timeout)).list_services().await
}

/// The file that declares `symbol` behind `channel`, and all that it imports, asked within
/// `timeout`.
///
/// # Errors
///
/// As [`Client::files_for_symbol`].
pub async fn files_for_symbol(
    channel: &Channel,
    symbol: &str,
    timeout: Duration,
) -> Result<FileDescriptorSet, Status> {
    Client::new(within(channel, timeout)).files_for_symbol(symbol).await
}

fn within(channel: &Channel, timeout: Duration) -> OverChannel {
    let options = CallOptions { deadline: Some(Deadline::after(timeout)), ..CallOptions::default() };
    OverChannel { channel: channel.clone(), options, timeout: None }
}

fn beside(asked: &str, answered: &str) -> Status {
    Status::internal(format!("the server was asked for {asked} and answered with {answered}"))
}

/// The messages of `grpc/reflection/v1/reflection.proto`, as far as they are used here.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(string, tag = "1")]
        pub(super) host: String,
        #[prost(oneof = "Asked", tags = "3, 4, 7")]
        pub(super) asked: Option<Asked>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Asked {
        #[prost(string, tag = "3")]
        FileByFilename(String),
        #[prost(string, tag = "4")]
        FileContainingSymbol(String),
        #[prost(string, tag = "7")]
        ListServices(String),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Response {
        #[prost(oneof = "Answered", tags = "4, 6, 7")]
        pub(super) answered: Option<Answered>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Answered {
        #[prost(message, tag = "4")]
        Files(Files),
        #[prost(message, tag = "6")]
        Services(Services),
        #[prost(message, tag = "7")]
        Error(Error),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Files {
        #[prost(bytes = "bytes", repeated, tag = "1")]
        pub(super) file_descriptor_proto: Vec<bytes::Bytes>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Services {
        #[prost(message, repeated, tag = "1")]
        pub(super) service: Vec<Service>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Service {
        #[prost(string, tag = "1")]
        pub(super) name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Error {
        #[prost(int32, tag = "1")]
        pub(super) error_code: i32,
        #[prost(string, tag = "2")]
        pub(super) error_message: String,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A server that knows some files, and has one version or none.
    struct Fake {
        version: Option<Version>,
        files: Vec<(&'static str, Vec<&'static str>)>,
        asked: Mutex<Vec<String>>,
    }

    impl Fake {
        fn new(version: Option<Version>, files: &[(&'static str, &[&'static str])]) -> Self {
            let files = files.iter().map(|(name, imports)| (*name, imports.to_vec())).collect();
            Self { version, files, asked: Mutex::default() }
        }
    }

    impl Unary for &Fake {
        async fn unary(&self, path: &str, request: Vec<u8>) -> Result<Bytes, Status> {
            if self.version.map(Version::path) != Some(path) {
                return Err(Status::unimplemented("no such method"));
            }
            let name = match wire::Request::decode(&*request).unwrap().asked.unwrap() {
                wire::Asked::ListServices(_) => {
                    let service = ["b.B", "a.A"].map(|name| wire::Service { name: name.into() }).to_vec();
                    let answered = Some(wire::Answered::Services(wire::Services { service }));
                    return Ok(wire::Response { answered }.encode_to_vec().into());
                }
                wire::Asked::FileContainingSymbol(name) if name == "endless.Symbol" => "0".into(),
                wire::Asked::FileContainingSymbol(name) => format!("{name}.proto"),
                wire::Asked::FileByFilename(name) => name,
            };
            self.asked.lock().unwrap().push(name.clone());
            let known = self.files.iter().find(|(file, _)| *file == name);
            let imports: Option<Vec<String>> = match (known, name.parse::<u32>()) {
                (Some((_, imports)), _) => Some(imports.iter().map(|i| (*i).to_owned()).collect()),
                (None, Ok(n)) => Some(vec![(n + 1).to_string()]),
                (None, Err(_)) => None,
            };
            let answered = match imports {
                Some(dependency) => {
                    let file = FileDescriptorProto { name: Some(name), dependency, ..Default::default() };
                    let file_descriptor_proto = vec![file.encode_to_vec().into()];
                    wire::Answered::Files(wire::Files { file_descriptor_proto })
                }
                None => wire::Answered::Error(wire::Error { error_code: 5, error_message: name }),
            };
            Ok(wire::Response { answered: Some(answered) }.encode_to_vec().into())
        }
    }

    fn names(set: &FileDescriptorSet) -> Vec<&str> {
        set.file.iter().map(FileDescriptorProto::name).collect()
    }

    #[tokio::test]
    async fn the_version_is_found_out_once() {
        for version in [Version::V1, Version::V1Alpha] {
            let fake = Fake::new(Some(version), &[("a.A.proto", &[])]);
            let mut client = Client::new(&fake);
            assert_eq!(client.version(), None);
            assert_eq!(client.list_services().await.unwrap(), ["b.B", "a.A"]);
            assert_eq!(client.version(), Some(version));
            assert_eq!(names(&client.files_for_symbol("a.A").await.unwrap()), ["a.A.proto"]);
        }
        let status = Client::new(&Fake::new(None, &[])).list_services().await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("neither v1 nor v1alpha"), "{status:?}");
    }

    #[tokio::test]
    async fn imports_are_followed_each_once() {
        let files: [(&str, &[&str]); 4] = [
            ("x.proto", &["left", "right"]),
            ("left", &["base"]),
            ("right", &["base", "missing"]),
            ("base", &["x.proto"]),
        ];
        let fake = Fake::new(Some(Version::V1), &files);
        let set = Client::new(&fake).files_for_symbol("x").await.unwrap();
        assert_eq!(names(&set), ["x.proto", "left", "right", "base"]);
        assert_eq!(*fake.asked.lock().unwrap(), ["x.proto", "left", "right", "base", "missing"]);
    }

    #[tokio::test]
    async fn unknown_symbols_and_endless_imports_end() {
        let fake = Fake::new(Some(Version::V1), &[]);
        let status = Client::new(&fake).files_for_symbol("no.Such").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no.Such.proto"));
        let status = Client::new(&fake).files_for_symbol("endless.Symbol").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(decode(b"").unwrap_err().code(), Code::Internal);
        assert!(decode(&[0x22, 0xff]).unwrap_err().message().contains("not a ServerReflectionResponse"));
        let file_descriptor_proto = vec![Bytes::from_static(&[0x0a, 0xff])];
        let answered = Some(wire::Answered::Files(wire::Files { file_descriptor_proto }));
        let bad = wire::Response { answered }.encode_to_vec();
        assert!(decode(&bad).unwrap_err().message().contains("not a FileDescriptorProto"));
        let ok = wire::Answered::Error(wire::Error { error_code: 0, error_message: "odd".into() });
        let Answer::Refused(status) = decode(&wire::Response { answered: Some(ok) }.encode_to_vec()).unwrap()
        else {
            panic!("an error is a refusal");
        };
        assert_eq!(status.code(), Code::Unknown);
    }

    #[test]
    fn questions_are_what_the_specification_says() {
        assert_eq!(encode(Question::Services), [0x3a, 0]);
        assert_eq!(encode(Question::Symbol("a")), [0x22, 1, b'a']);
        assert_eq!(encode(Question::File("a")), [0x1a, 1, b'a']);
    }
}
