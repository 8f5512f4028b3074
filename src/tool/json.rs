//! Messages as JSON, both ways, as Protobuf's "ProtoJSON Format" has it.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use super::text;
use crate::error::quote;

/// How messages are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    /// One line a message.
    pub(super) compact: bool,
    /// With the fields that have no value.
    pub(super) defaults: bool,
}

/// Writes a message.
pub(super) fn write(message: &DynamicMessage, style: Style) -> Result<String, serde_json::Error> {
    let options = SerializeOptions::new().skip_default_fields(!style.defaults);
    let mut out = Vec::new();
    if style.compact {
        message.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &options)?;
    } else {
        message.serialize_with_options(&mut serde_json::Serializer::pretty(&mut out), &options)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Reads a message. The error names the field that is wrong.
pub(super) fn read(message: &MessageDescriptor, value: &Value) -> Result<DynamicMessage, String> {
    DynamicMessage::deserialize(message.clone(), value).map_err(|error| {
        explain(message, value, "").unwrap_or_else(|| format!("it is not a {}: {error}", message.full_name()))
    })
}

/// Names at most a dozen, for a sentence.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names if names.len() > 12 => format!("{}, …", names.get(..12).unwrap_or(names).join(", ")),
        names => names.join(", "),
    }
}

/// What is wrong with `value`, where one of its fields is. `path` leads to it.
fn explain(message: &MessageDescriptor, value: &Value, path: &str) -> Option<String> {
    // Their JSON is not an object of their fields.
    if message.full_name().starts_with("google.protobuf.") {
        return None;
    }
    for (key, inner) in value.as_object()? {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let field = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key));
        let Some(field) = field else {
            // An extension.
            if key.starts_with('[') {
                continue;
            }
            let names: Vec<_> = message.fields().map(|field| field.json_name().to_owned()).collect();
            return Some(format!(
                "the field {} is not known: {} has {}",
                quote(&here),
                message.full_name(),
                listed(&names)
            ));
        };
        // Alone, so that it is this one that is wrong.
        let alone = |inner: &Value| Value::Object([(key.clone(), inner.clone())].into_iter().collect());
        let test = |inner: &Value| DynamicMessage::deserialize(message.clone(), &alone(inner)).err();
        if let Some(error) = test(inner) {
            let deeper = deeper(&field, inner, &here, &|inner| test(inner).map(|e| e.to_string()));
            return Some(deeper.unwrap_or_else(|| wrong(&field, &here, inner, &error.to_string())));
        }
    }
    None
}

/// `value` is wrong for the field, as `error` says.
fn wrong(field: &FieldDescriptor, path: &str, value: &Value, error: &str) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => format!("the field {}: {error}", quote(path)),
        scalar => {
            let kind = text::kind(field.field_descriptor_proto());
            format!("the field {} ({kind}) cannot be {scalar}: {error}", quote(path))
        }
    }
}

/// What is wrong with the value of a field, where a part of it is. `test` has the error of such a value.
fn deeper(
    field: &FieldDescriptor,
    value: &Value,
    path: &str,
    test: &dyn Fn(&Value) -> Option<String>,
) -> Option<String> {
    let part = |field: &FieldDescriptor, inner: &Value, path: &str, whole: &Value| {
        let error = test(whole)?;
        let deeper = field.kind().as_message().and_then(|message| explain(message, inner, path));
        Some(deeper.unwrap_or_else(|| wrong(field, path, inner, &error)))
    };
    if field.is_map() {
        let entry = field.kind();
        let value_field = entry.as_message()?.map_entry_value_field();
        return value.as_object()?.iter().find_map(|(key, inner)| {
            let whole = Value::Object([(key.clone(), inner.clone())].into_iter().collect());
            part(&value_field, inner, &format!("{path}.{key}"), &whole)
        });
    }
    if field.is_list() {
        return value.as_array()?.iter().enumerate().find_map(|(n, inner)| {
            part(field, inner, &format!("{path}[{n}]"), &Value::Array(vec![inner.clone()]))
        });
    }
    field.kind().as_message().and_then(|message| explain(message, value, path))
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;
    use serde_json::json;

    use super::*;

    fn message(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |name: &str, value: Value| read(&message(name), &value).unwrap_err();
        for (value, part) in [
            (json!({"violation": []}), "\"violation\" is not known: google.rpc.QuotaFailure has violations"),
            (json!({"violations": 5}), "the field \"violations\" "),
            (
                json!({"violations": [{"subject": "ok"}, {"subject": 5}]}),
                "the field \"violations[1].subject\" (string) cannot be 5: ",
            ),
            (json!({"violations": [{"x": 1}]}), "the field \"violations[0].x\" is not known: "),
            (json!({"violations": [[]]}), "the field \"violations[0]\": "),
            (json!([]), "it is not a google.rpc.QuotaFailure: "),
        ] {
            let text = error("google.rpc.QuotaFailure", value.clone());
            assert!(text.contains(part), "{value}: {text}");
        }
        let text = error("google.rpc.ErrorInfo", json!({"reason": "r", "metadata": {"a": "b", "c": 1}}));
        assert!(text.starts_with("the field \"metadata.c\" (string) cannot be 1: "), "{text}");
        let text = error("google.rpc.RetryInfo", json!({"retryDelay": "soon"}));
        assert!(text.contains("\"retryDelay\""), "{text}");
    }

    #[test]
    fn messages_go_both_ways() {
        let value = json!({"reason": "r", "metadata": {"a": "b"}});
        let read = read(&message("google.rpc.ErrorInfo"), &value).unwrap();
        let compact = Style { compact: true, ..Style::default() };
        assert_eq!(write(&read, compact).unwrap(), r#"{"reason":"r","metadata":{"a":"b"}}"#);
        assert!(write(&read, Style { compact: true, defaults: true }).unwrap().contains(r#""domain":"""#));
        assert!(write(&read, Style::default()).unwrap().contains("\n  \"reason\": \"r\""));
    }

    #[test]
    fn lists_are_cut() {
        let names: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert!(listed(&names).ends_with("11, …"));
        assert_eq!(listed(&[]), "none");
    }
}
