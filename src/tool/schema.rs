//! What a server's messages are made of.
//!
//! The types come from the server's reflection, as they are needed, or from a file that `protoc` wrote.
//! Types of Google's that servers leave out or put into details are known here: the well-known types
//! and `google.rpc`.

use std::path::Path;

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};
use prost_types::{Any, DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Status};

use super::failure::{Failure, named};
use super::server::Server;
use super::{json, server};
use crate::discovery::OverChannel;
use crate::discovery::reflection::Client;
use crate::error::quote;

/// An `Any` in an `Any` in …: further down than this nobody looks.
const MAX_DEPTH: usize = 32;

const ANY: &str = "google.protobuf.Any";

/// The types, and where to ask for more.
#[derive(Debug)]
pub(super) struct Schema {
    pool: DescriptorPool,
    known: DescriptorPool,
    source: Source,
    /// Types that nobody describes.
    placeholders: usize,
}

#[derive(Debug)]
enum Source {
    Server(Box<Client<OverChannel>>, String),
    File(String),
}

impl Schema {
    /// The types of a server, by its reflection.
    pub(super) fn of(server: &Server) -> Result<Self, Failure> {
        let client = Box::new(Client::new(server.questions()));
        Self::new(Source::Server(client, server.name().to_owned()))
    }

    /// The types in a file that `protoc --descriptor_set_out --include_imports` wrote.
    pub(super) fn from_file(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let set = FileDescriptorSet::decode(&*server::read(path)?).map_err(|error| {
            Failure::Usage(format!(
                "the file {} has no descriptors: {error}; expected what protoc writes with \
                 --descriptor_set_out and --include_imports",
                quote(&name)
            ))
        })?;
        let mut schema = Self::new(Source::File(name.clone()))?;
        schema.add(set.file).map_err(|why| {
            Failure::Usage(format!("the descriptors in {} do not fit together: {why}", quote(&name)))
        })?;
        Ok(schema)
    }

    fn new(source: Source) -> Result<Self, Failure> {
        Ok(Self { pool: DescriptorPool::new(), known: known()?, source, placeholders: 0 })
    }

    /// The server's services; all that the file has, where there is one.
    pub(super) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        match &mut self.source {
            Source::Server(client, name) => {
                client.list_services().await.map_err(|status| not_described(name, &status))
            }
            Source::File(_) => {
                Ok(self.pool.services().map(|service| service.full_name().to_owned()).collect())
            }
        }
    }

    /// The types as far as they are known, with that of `symbol`.
    pub(super) async fn with(&mut self, symbol: &str) -> Result<&DescriptorPool, Failure> {
        if !has(&self.pool, symbol) {
            self.fetch(symbol).await?;
        }
        Ok(&self.pool)
    }

    /// As [`with`](Self::with), for what may be a part of something: not every server finds methods and
    /// fields by their names.
    pub(super) async fn with_part(&mut self, symbol: &str) -> Result<&DescriptorPool, Failure> {
        if !has(&self.pool, symbol)
            && let Err(failure) = self.fetch(symbol).await
        {
            let missing = matches!(&failure, Failure::Status { code: Code::NotFound, .. });
            let Some((whole, _)) = symbol.rsplit_once('.').filter(|_| missing) else { return Err(failure) };
            if self.fetch(whole).await.is_err() {
                return Err(failure);
            }
        }
        Ok(&self.pool)
    }

    /// The method that `package.Service/Method` names.
    pub(super) async fn method(&mut self, text: &str) -> Result<MethodDescriptor, Failure> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let Some((service_name, method_name)) =
            path.split_once('/').filter(|(s, m)| !s.is_empty() && !m.is_empty())
        else {
            return Err(Failure::Usage(format!(
                "{} is not a method; expected package.Service/Method",
                quote(text)
            )));
        };
        let Some(service) = self.with(service_name).await?.get_service_by_name(service_name) else {
            return Err(Failure::not_found(format!("{service_name} is not a service")));
        };
        let method = service.methods().find(|method| method.name() == method_name);
        method.ok_or_else(|| {
            let names: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
            Failure::not_found(format!(
                "{service_name} has no method {}; it has {}",
                quote(method_name),
                json::listed(&names)
            ))
        })
    }

    async fn fetch(&mut self, symbol: &str) -> Result<(), Failure> {
        let (set, name) = match &mut self.source {
            Source::Server(client, name) => match client.files_for_symbol(symbol).await {
                Ok(set) => (set, name.clone()),
                Err(status) if status.code() == Code::NotFound => {
                    return Err(Failure::not_found(format!(
                        "the server at {name} has no symbol {}: {}",
                        quote(symbol),
                        named(&status)
                    )));
                }
                Err(status) => return Err(not_described(name, &status)),
            },
            Source::File(name) => {
                return Err(Failure::not_found(format!(
                    "the file {} does not declare {}",
                    quote(name),
                    quote(symbol)
                )));
            }
        };
        self.add(set.file).map_err(|why| Failure::Status {
            code: Code::Internal,
            text: format!("what the server at {name} says of {} does not fit together: {why}", quote(symbol)),
            details: Vec::new(),
        })
    }

    /// Adds files, and those that they import and that are known here only.
    fn add(&mut self, files: Vec<FileDescriptorProto>) -> Result<(), String> {
        let new = |pool: &DescriptorPool, name: &str| pool.get_file_by_name(name).is_none();
        let mut files: Vec<_> = files.into_iter().filter(|file| new(&self.pool, file.name())).collect();
        let mut at = 0;
        while let Some(file) = files.get(at) {
            let mut missing: Vec<_> = file.dependency.clone();
            missing.retain(|name| new(&self.pool, name) && !files.iter().any(|file| file.name() == name));
            files.extend(
                missing
                    .iter()
                    .filter_map(|name| self.known.get_file_by_name(name))
                    .map(|file| file.file_descriptor_proto().clone()),
            );
            at += 1;
        }
        self.pool.add_file_descriptor_protos(files).map_err(|error| error.to_string())
    }

    /// A serialized message as JSON.
    pub(super) async fn json(
        &mut self,
        message: &MessageDescriptor,
        bytes: &[u8],
        style: json::Style,
    ) -> Result<String, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| Failure::Status {
            code: Code::Internal,
            text: format!("the server's message is not a {}: {error}", message.full_name()),
            details: Vec::new(),
        };
        let mut decoded = DynamicMessage::decode(message.clone(), bytes).map_err(|e| unreadable(&e))?;
        // What is in an Any may have others in it, so that each round may find more.
        for _ in 0..MAX_DEPTH {
            let mut missing = Vec::new();
            contents(&decoded, MAX_DEPTH, &mut missing).map_err(|why| unreadable(&why))?;
            if missing.is_empty() {
                break;
            }
            for name in missing {
                self.provide(&name).await;
            }
            // Descriptors are of the pool as it was when they were taken.
            let Some(message) = self.pool.get_message_by_name(message.full_name()) else { break };
            decoded = DynamicMessage::decode(message, bytes).map_err(|e| unreadable(&e))?;
        }
        json::write(&decoded, style).map_err(|why| Failure::Status {
            code: Code::Internal,
            text: format!("a {} of the server's cannot be written as JSON: {why}", message.full_name()),
            details: Vec::new(),
        })
    }

    /// A status' detail as JSON; what it is and its length where that cannot be done.
    pub(super) async fn detail(&mut self, detail: &Any, style: json::Style) -> String {
        self.provide(ANY).await;
        if let Some(any) = self.pool.get_message_by_name(ANY)
            && let Ok(text) = self.json(&any, &detail.encode_to_vec(), style).await
        {
            return text;
        }
        format!("{} ({} bytes)", quote(&detail.type_url), detail.value.len())
    }

    /// Makes a type known, from wherever it can be had. One that nobody describes has no fields.
    async fn provide(&mut self, name: &str) {
        if has(&self.pool, name) {
            return;
        }
        if let Some(message) = self.known.get_message_by_name(name) {
            let file = message.parent_file_descriptor_proto().clone();
            if self.add(vec![file]).is_ok() && has(&self.pool, name) {
                return;
            }
        }
        if self.fetch(name).await.is_ok() && has(&self.pool, name) {
            return;
        }
        let (package, short) = name.rsplit_once('.').unwrap_or(("", name));
        self.placeholders += 1;
        let placeholder = FileDescriptorProto {
            name: Some(format!("not described {}.proto", self.placeholders)),
            package: Some(package.to_owned()).filter(|package| !package.is_empty()),
            message_type: vec![DescriptorProto {
                name: Some(short.to_owned()),
                ..DescriptorProto::default()
            }],
            syntax: Some("proto3".to_owned()),
            ..FileDescriptorProto::default()
        };
        // Where even that is not legal, writing the message says so.
        let _ = self.add(vec![placeholder]);
    }
}

/// The well-known types and those of `google.rpc`.
fn known() -> Result<DescriptorPool, Failure> {
    let odd = |error: prost_reflect::DescriptorError| {
        Failure::Io(format!("the types that are built in do not fit together: {error}"))
    };
    let mut pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).map_err(odd)?;
    let global = DescriptorPool::global();
    let rest: Vec<_> = global
        .file_descriptor_protos()
        .filter(|file| pool.get_file_by_name(file.name()).is_none())
        .cloned()
        .collect();
    pool.add_file_descriptor_protos(rest).map_err(odd)?;
    Ok(pool)
}

/// Whether the pool has a service or a type of that name, or something in one.
fn has(pool: &DescriptorPool, symbol: &str) -> bool {
    let named = |name: &str| {
        pool.get_service_by_name(name).is_some()
            || pool.get_message_by_name(name).is_some()
            || pool.get_enum_by_name(name).is_some()
            || pool.get_extension_by_name(name).is_some()
    };
    named(symbol) || symbol.rsplit_once('.').is_some_and(|(parent, _)| named(parent))
}

/// Finds the types of what is in Anys, as far as `message`'s pool lacks them.
fn contents(message: &DynamicMessage, depth: usize, missing: &mut Vec<String>) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("it has an Any in an Any, {MAX_DEPTH} of them"));
    };
    if message.descriptor().full_name() != ANY {
        return message.fields().try_for_each(|(_, value)| contents_of_value(value, depth, missing));
    }
    let any: Any = message.transcode_to().map_err(|error| error.to_string())?;
    let name = any.type_url.rsplit_once('/').map_or("", |(_, name)| name);
    match message.descriptor().parent_pool().get_message_by_name(name) {
        Some(inner) => {
            let inner = DynamicMessage::decode(inner, &*any.value).map_err(|error| error.to_string())?;
            contents(&inner, depth, missing)
        }
        None if name.is_empty() => Ok(()),
        None => {
            missing.push(name.to_owned());
            Ok(())
        }
    }
}

fn contents_of_value(value: &Value, depth: usize, missing: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Message(message) => contents(message, depth, missing),
        Value::List(list) => list.iter().try_for_each(|value| contents_of_value(value, depth, missing)),
        Value::Map(map) => map.values().try_for_each(|value| contents_of_value(value, depth, missing)),
        _ => Ok(()),
    }
}

fn not_described(name: &str, status: &Status) -> Failure {
    let what = match status.code() {
        Code::Unimplemented => format!(
            "the server at {name} does not describe its services; `call` can take the types from a file, with \
             --protoset:"
        ),
        _ => format!("asking the server at {name} about its services ended"),
    };
    Failure::ended(&what, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_in_any(levels: usize) -> DynamicMessage {
        let mut any = Any { type_url: "type.googleapis.com/no.Body".into(), value: Vec::new() };
        for _ in 0..levels {
            any = Any { type_url: format!("type.googleapis.com/{ANY}"), value: any.encode_to_vec() };
        }
        let message = DescriptorPool::global().get_message_by_name(ANY).unwrap();
        DynamicMessage::decode(message, &*any.encode_to_vec()).unwrap()
    }

    #[test]
    fn anys_are_looked_into_but_not_for_ever() {
        let mut missing = Vec::new();
        contents(&any_in_any(10), MAX_DEPTH, &mut missing).unwrap();
        assert_eq!(missing, ["no.Body"]);
        let why = contents(&any_in_any(5000), MAX_DEPTH, &mut missing).unwrap_err();
        assert!(why.contains("an Any in an Any"), "{why}");
    }

    #[test]
    fn what_is_built_in_fits_together() {
        let known = known().unwrap();
        for name in [ANY, "google.rpc.BadRequest", "google.protobuf.Struct", "google.protobuf.FieldMask"] {
            assert!(known.get_message_by_name(name).is_some(), "{name}");
        }
    }
}
