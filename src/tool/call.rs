//! `viaduct call`: a method of any kind, with JSON in and out.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::Value;
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::json::{self, Style};
use super::schema::Schema;
use super::server::{Server, ServerArguments, lines, read};
use super::{Failure, print};
use crate::client::{Call, Method};
use crate::status::decode_details;

/// Requests from the standard input that wait to be sent.
const WAITING: usize = 16;

/// Call a method, with requests and responses as JSON
///
/// The types come from the server's reflection. Exit code 0 where the call ends OK; 64 and the gRPC status'
/// number where it does not (78 for UNAVAILABLE); 2 for wrong arguments and wrong JSON; 1 where the output
/// cannot be written.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// package.Service/Method
    #[arg(value_name = "METHOD")]
    method: String,
    /// The request as JSON, @FILE to read it from a file, - for the standard input; several values, one
    /// after the other, for a method that streams requests. Without it: the empty message, or no requests
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// One line for each response
    #[arg(long)]
    json_lines: bool,
    /// Write the fields that have no value, too
    #[arg(long)]
    defaults: bool,
    /// Take the types from this file (protoc --descriptor_set_out=FILE --include_imports) and not from
    /// the server
    #[arg(long, value_name = "FILE")]
    protoset: Option<PathBuf>,
    /// Write headers and trailers to the standard error; the values of keys that end in -bin are base64
    #[arg(short, long)]
    verbose: bool,
}

/// Runs it.
///
/// # Errors
///
/// What went wrong.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = arguments.server.open()?;
    // What is wrong on this side is said before anybody is asked.
    let data = Data::read(arguments.data.as_deref())?;
    let mut schema = match &arguments.protoset {
        Some(path) => Schema::from_file(path)?,
        None => Schema::of(&server)?,
    };
    let method = schema.method(&arguments.method).await?;
    let requests = Requests::new(data, &method)?;
    let path = Method::parse(&format!("/{}/{}", method.parent_service().full_name(), method.name()))?;
    let first = match &requests {
        Requests::One(message) => Some(frame(&server, message)?),
        _ => None,
    };
    let call = server.channel.call(path, first, server.options()).await;
    let style = Style { compact: arguments.json_lines, defaults: arguments.defaults };
    let responses = {
        let mut sending = pin!(send(&server, &call, requests));
        let mut receiving = pin!(receive(&call, &mut schema, &method, style, arguments.verbose));
        let mut sent = false;
        loop {
            tokio::select! {
                biased;
                done = &mut sending, if !sent => {
                    done?;
                    sent = true;
                }
                done = &mut receiving => break done?,
            }
        }
    };
    let (status, trailers) = call.wait_end().await;
    if arguments.verbose {
        lines(&trailers).iter().for_each(|line| eprintln!("trailer {line}"));
    }
    ended(&mut schema, &method, status, responses, style).await
}

/// What the end of the call means for the command.
async fn ended(
    schema: &mut Schema,
    method: &MethodDescriptor,
    status: Status,
    responses: u64,
    style: Style,
) -> Result<(), Failure> {
    if status.code() == Code::Ok {
        if responses == 0 && !method.is_server_streaming() {
            let status = Status::internal("the server ended the call with OK but sent no response");
            return Err(Failure::ended("the call ended", &status));
        }
        return Ok(());
    }
    let mut described = Vec::new();
    for detail in decode_details(status.details()) {
        let detail = prost_types::Any { type_url: detail.type_url, value: detail.value };
        described.push(schema.detail(&detail, style).await);
    }
    match Failure::ended("the call ended", &status) {
        Failure::Status { code, text, .. } => Err(Failure::Status { code, text, details: described }),
        other => Err(other),
    }
}

/// Sends what there is to send.
async fn send(server: &Server, call: &Call, mut requests: Requests) -> Result<(), Failure> {
    loop {
        let next = match requests.next().await {
            Some(Ok(message)) => frame(server, &message),
            Some(Err(failure)) => Err(failure),
            None => {
                call.half_close();
                return Ok(());
            }
        };
        match next {
            // Where nothing more can be sent, the call's end says why.
            Ok(framed) => {
                if call.send(framed).await.is_err() {
                    return Ok(());
                }
            }
            Err(failure) => {
                call.cancel();
                return Err(failure);
            }
        }
    }
}

/// Writes the responses; how many there were.
async fn receive(
    call: &Call,
    schema: &mut Schema,
    method: &MethodDescriptor,
    style: Style,
    verbose: bool,
) -> Result<u64, Failure> {
    let written = async {
        if verbose {
            lines(&call.wait_headers().await).iter().for_each(|line| eprintln!("header {line}"));
        }
        let mut responses = 0;
        while let Some(message) = call.recv().await {
            responses += 1;
            print(&schema.json(&method.output(), &message.into_bytes(), style).await?)?;
        }
        Ok(responses)
    };
    let written = written.await;
    if written.is_err() {
        call.cancel();
    }
    written
}

fn frame(server: &Server, message: &DynamicMessage) -> Result<Bytes, Failure> {
    let framed = server.channel.frame(&message.encode_to_vec(), None);
    framed.map_err(|status| Failure::ended("the request was not sent:", &status))
}

/// What `--data` says.
enum Data {
    Nothing,
    Values(Vec<Value>),
    Input,
}

impl Data {
    fn read(text: Option<&str>) -> Result<Self, Failure> {
        let values = match text {
            None => return Ok(Self::Nothing),
            Some("-") => return Ok(Self::Input),
            Some(text) => match text.strip_prefix('@') {
                Some(file) => all(&*read(Path::new(file))?)?,
                None => all(text.as_bytes())?,
            },
        };
        Ok(Self::Values(values))
    }
}

/// The requests of a call.
enum Requests {
    /// The only one, which goes out with the call's head.
    One(Box<DynamicMessage>),
    /// Those that were given.
    Given(std::vec::IntoIter<DynamicMessage>),
    /// Those that come from the standard input, as they come.
    Input { input: MessageDescriptor, values: mpsc::Receiver<Result<Value, String>>, number: u64 },
}

impl Requests {
    fn new(data: Data, method: &MethodDescriptor) -> Result<Self, Failure> {
        let input = method.input();
        let streams = method.is_client_streaming();
        let values = match data {
            Data::Nothing if streams => return Ok(Self::Given(Vec::new().into_iter())),
            Data::Nothing => return Ok(Self::One(Box::new(DynamicMessage::new(input)))),
            Data::Input if streams => return Ok(Self::Input { input, values: standard_input(), number: 0 }),
            Data::Input => all(std::io::stdin().lock())?,
            Data::Values(values) => values,
        };
        let only = values.len() == 1;
        let mut messages = Vec::new();
        for (n, value) in values.iter().enumerate() {
            let place = if only { String::new() } else { format!(", value {}", n + 1) };
            let message = json::read(&input, value);
            messages.push(message.map_err(|why| Failure::Usage(format!("--data{place}: {why}")))?);
        }
        if streams {
            return Ok(Self::Given(messages.into_iter()));
        }
        match (messages.pop(), messages.len()) {
            (Some(only), 0) => Ok(Self::One(Box::new(only))),
            (_, rest) => Err(Failure::Usage(format!(
                "--data has {} JSON values; expected one, as {} takes one request",
                if rest == 0 { "no".to_owned() } else { (rest + 1).to_string() },
                method.full_name()
            ))),
        }
    }

    async fn next(&mut self) -> Option<Result<DynamicMessage, Failure>> {
        match self {
            Self::One(_) => None,
            Self::Given(messages) => messages.next().map(Ok),
            Self::Input { input, values, number } => {
                let value = values.recv().await?;
                *number += 1;
                let message = value.and_then(|value| json::read(input, &value));
                Some(
                    message
                        .map_err(|why| Failure::Usage(format!("the standard input, value {number}: {why}"))),
                )
            }
        }
    }
}

/// All JSON values of a text.
fn all(text: impl Read) -> Result<Vec<Value>, Failure> {
    let values = serde_json::Deserializer::from_reader(BufReader::new(text)).into_iter();
    values.collect::<Result<_, _>>().map_err(|error| Failure::Usage(format!("--data: {}", not_json(&error))))
}

fn not_json(error: &serde_json::Error) -> String {
    format!("it is not JSON: {error}")
}

/// The JSON values of the standard input, each as soon as it is there.
fn standard_input() -> mpsc::Receiver<Result<Value, String>> {
    let (to, values) = mpsc::channel(WAITING);
    // A thread that is not waited for: reading cannot be interrupted.
    std::thread::spawn(move || {
        let input = BufReader::new(std::io::stdin());
        for value in serde_json::Deserializer::from_reader(input).into_iter() {
            let wrong = value.is_err();
            if to.blocking_send(value.map_err(|error| not_json(&error))).is_err() || wrong {
                return;
            }
        }
    });
    values
}
