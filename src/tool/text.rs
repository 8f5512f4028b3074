//! Types as text, as a `.proto` file has them, with full names.

use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// What `symbol` is; `None` where the pool has no such thing.
pub(super) fn describe(pool: &DescriptorPool, symbol: &str) -> Option<String> {
    let mut text = Text::default();
    if let Some(service) = pool.get_service_by_name(symbol) {
        text.origin(symbol, service.parent_file_descriptor_proto());
        text.service(service.service_descriptor_proto());
    } else if let Some(message) = pool.get_message_by_name(symbol) {
        text.origin(symbol, message.parent_file_descriptor_proto());
        text.message(message.descriptor_proto(), is_proto2(message.parent_file_descriptor_proto()));
    } else if let Some(one) = pool.get_enum_by_name(symbol) {
        text.origin(symbol, one.parent_file_descriptor_proto());
        text.enumeration(one.enum_descriptor_proto());
    } else if let Some(extension) = pool.get_extension_by_name(symbol) {
        let file = extension.parent_file_descriptor_proto();
        text.origin(symbol, file);
        text.extensions(&[extension.field_descriptor_proto()], &[], is_proto2(file));
    } else {
        text.part(pool, symbol)?;
    }
    Some(text.out.trim_end().to_owned())
}

#[derive(Default)]
struct Text {
    out: String,
    depth: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn block(&mut self, head: &str, content: impl FnOnce(&mut Self)) {
        let from = self.out.len();
        self.line(&format!("{head} {{"));
        let inside = self.out.len();
        self.depth += 1;
        content(self);
        self.depth -= 1;
        if self.out.len() > inside {
            self.line("}");
        } else {
            self.out.truncate(from);
            self.line(&format!("{head} {{}}"));
        }
    }

    fn origin(&mut self, symbol: &str, file: &FileDescriptorProto) {
        self.line(&format!("// {symbol}, in {}", file.name()));
    }

    /// A method, a field or an enum's value.
    fn part(&mut self, pool: &DescriptorPool, symbol: &str) -> Option<()> {
        let (parent, name) = symbol.rsplit_once('.').unwrap_or(("", symbol));
        if let Some(service) = pool.get_service_by_name(parent) {
            let proto = service.service_descriptor_proto();
            let method = proto.method.iter().find(|method| method.name() == name)?;
            self.origin(symbol, service.parent_file_descriptor_proto());
            self.method(method);
            return Some(());
        }
        if let Some(message) = pool.get_message_by_name(parent) {
            let (proto, file) = (message.descriptor_proto(), message.parent_file_descriptor_proto());
            if let Some(field) = proto.field.iter().find(|field| field.name() == name) {
                self.origin(symbol, file);
                self.field(field, &proto.nested_type, is_proto2(file));
                return Some(());
            }
        }
        // Values are named beside their enum, not in it.
        let value =
            pool.all_enums().find_map(|one| one.values().find(|value| value.full_name() == symbol))?;
        self.origin(symbol, value.parent_enum().parent_file_descriptor_proto());
        self.line(&format!(
            "{} = {}; // of enum {}",
            value.name(),
            value.number(),
            value.parent_enum().full_name()
        ));
        Some(())
    }

    fn service(&mut self, service: &ServiceDescriptorProto) {
        self.block(&format!("service {}", service.name()), |text| {
            if service.options.as_ref().is_some_and(|options| options.deprecated()) {
                text.line("option deprecated = true;");
            }
            service.method.iter().for_each(|method| text.method(method));
        });
    }

    fn method(&mut self, method: &MethodDescriptorProto) {
        let side =
            |streams: bool, name: &str| format!("({}{})", if streams { "stream " } else { "" }, full(name));
        let input = side(method.client_streaming(), method.input_type());
        let output = side(method.server_streaming(), method.output_type());
        let head = format!("rpc {}{input} returns {output}", method.name());
        if method.options.as_ref().is_some_and(|options| options.deprecated()) {
            self.block(&head, |text| text.line("option deprecated = true;"));
        } else {
            self.line(&format!("{head};"));
        }
    }

    fn message(&mut self, message: &DescriptorProto, proto2: bool) {
        self.block(&format!("message {}", message.name()), |text| text.content(message, proto2));
    }

    fn content(&mut self, message: &DescriptorProto, proto2: bool) {
        if message.options.as_ref().is_some_and(|options| options.deprecated()) {
            self.line("option deprecated = true;");
        }
        for one in &message.enum_type {
            self.enumeration(one);
        }
        for inner in &message.nested_type {
            let shown_elsewhere = is_map_entry(inner) || message.field.iter().any(|f| is_group_of(f, inner));
            if !shown_elsewhere {
                self.message(inner, proto2);
            }
        }
        let mut begun = Vec::new();
        for field in &message.field {
            let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
            let Some(index) = oneof else {
                self.field(field, &message.nested_type, proto2);
                continue;
            };
            if begun.contains(&index) {
                continue;
            }
            begun.push(index);
            let name =
                usize::try_from(index).ok().and_then(|n| message.oneof_decl.get(n)).map_or("", |o| o.name());
            self.block(&format!("oneof {name}"), |text| {
                let members = message.field.iter().filter(|field| field.oneof_index == Some(index));
                members.for_each(|field| text.labelled("", field, &message.nested_type, proto2));
            });
        }
        for range in &message.extension_range {
            self.line(&format!(
                "extensions {};",
                span(range.start(), range.end().saturating_sub(1), 536_870_911)
            ));
        }
        for range in &message.reserved_range {
            self.line(&format!(
                "reserved {};",
                span(range.start(), range.end().saturating_sub(1), 536_870_911)
            ));
        }
        for name in &message.reserved_name {
            self.line(&format!("reserved \"{name}\";"));
        }
        let extensions: Vec<_> = message.extension.iter().collect();
        self.extensions(&extensions, &message.nested_type, proto2);
    }

    fn extensions(&mut self, fields: &[&FieldDescriptorProto], nested: &[DescriptorProto], proto2: bool) {
        for field in fields {
            self.block(&format!("extend {}", full(field.extendee())), |text| {
                text.field(field, nested, proto2)
            });
        }
    }

    fn field(&mut self, field: &FieldDescriptorProto, nested: &[DescriptorProto], proto2: bool) {
        let label = match field.label() {
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Optional if proto2 || field.proto3_optional() => "optional ",
            Label::Optional => "",
        };
        self.labelled(label, field, nested, proto2);
    }

    fn labelled(
        &mut self,
        label: &str,
        field: &FieldDescriptorProto,
        nested: &[DescriptorProto],
        proto2: bool,
    ) {
        let of_type = nested.iter().find(|inner| is_named(field, inner));
        if let Some(entry) = of_type.filter(|inner| is_map_entry(inner))
            && let [key, value] = &*entry.field
        {
            let head = format!("map<{}, {}> {}", kind(key), kind(value), field.name());
            return self.line(&format!("{head} = {}{};", field.number(), options(field)));
        }
        if let Some(group) = of_type.filter(|inner| is_group_of(field, inner)) {
            let head = format!("{label}group {} = {}{}", group.name(), field.number(), options(field));
            return self.block(&head, |text| text.content(group, proto2));
        }
        self.line(&format!(
            "{label}{} {} = {}{};",
            kind(field),
            field.name(),
            field.number(),
            options(field)
        ));
    }

    fn enumeration(&mut self, one: &EnumDescriptorProto) {
        self.block(&format!("enum {}", one.name()), |text| {
            let has = |of: fn(&prost_types::EnumOptions) -> bool| one.options.as_ref().is_some_and(of);
            if has(prost_types::EnumOptions::allow_alias) {
                text.line("option allow_alias = true;");
            }
            if has(prost_types::EnumOptions::deprecated) {
                text.line("option deprecated = true;");
            }
            for value in &one.value {
                let deprecated = value.options.as_ref().is_some_and(|options| options.deprecated());
                let options = if deprecated { " [deprecated = true]" } else { "" };
                text.line(&format!("{} = {}{options};", value.name(), value.number()));
            }
            for range in &one.reserved_range {
                text.line(&format!("reserved {};", span(range.start(), range.end(), i32::MAX)));
            }
            for name in &one.reserved_name {
                text.line(&format!("reserved \"{name}\";"));
            }
        });
    }
}

fn is_proto2(file: &FileDescriptorProto) -> bool {
    matches!(file.syntax(), "" | "proto2")
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

/// Whether the field's type is `inner`, one of the types in the field's message.
fn is_named(field: &FieldDescriptorProto, inner: &DescriptorProto) -> bool {
    field.type_name().rsplit('.').next() == Some(inner.name())
        && matches!(field.r#type(), Type::Message | Type::Group)
        && (field.r#type() == Type::Group || is_map_entry(inner))
}

fn is_group_of(field: &FieldDescriptorProto, inner: &DescriptorProto) -> bool {
    field.r#type() == Type::Group && is_named(field, inner)
}

/// A full name as it stands in a descriptor begins with a dot.
fn full(name: &str) -> &str {
    name.strip_prefix('.').unwrap_or(name)
}

/// The type of a field; of a list or map that of what is in it.
pub(super) fn kind(field: &FieldDescriptorProto) -> &str {
    match field.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Group | Type::Message | Type::Enum => full(field.type_name()),
    }
}

/// ` [default = 1, deprecated = true]`, where there is something of the kind.
fn options(field: &FieldDescriptorProto) -> String {
    let mut all = Vec::new();
    if let Some(default) = &field.default_value {
        all.push(match field.r#type() {
            Type::String | Type::Bytes => format!("default = \"{}\"", default.escape_debug()),
            _ => format!("default = {default}"),
        });
    }
    if field.options.as_ref().is_some_and(|options| options.deprecated()) {
        all.push("deprecated = true".to_owned());
    }
    if let Some(name) = field.json_name.as_deref().filter(|name| *name != lower_camel(field.name())) {
        all.push(format!("json_name = \"{name}\""));
    }
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join(", ")) }
}

/// The name that a field has in JSON where its file does not say another.
fn lower_camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

/// `2`, `2 to 5` or `2 to max`; both ends belong to it.
fn span(from: i32, to: i32, max: i32) -> String {
    match to {
        to if to == from => from.to_string(),
        to if to >= max => format!("{from} to max"),
        to => format!("{from} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_as_in_their_files() {
        let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
        let text = |symbol| describe(&pool, symbol).unwrap();
        let info = text("google.rpc.ErrorInfo");
        assert!(info.starts_with("// google.rpc.ErrorInfo, in "), "{info}");
        assert!(
            info.ends_with(
                "\nmessage ErrorInfo {\n  string reason = 1;\n  string domain = 2;\n  map<string, string> \
                 metadata = 3;\n}"
            ),
            "{info}"
        );
        let quota = text("google.rpc.QuotaFailure");
        assert!(quota.contains("\n  message Violation {\n    string subject = 1;\n"), "{quota}");
        assert!(
            quota.contains("\n  repeated google.rpc.QuotaFailure.Violation violations = 1;\n}"),
            "{quota}"
        );
        assert!(text("google.rpc.ErrorInfo.reason").ends_with("\nstring reason = 1;"));
        assert_eq!(describe(&pool, "google.rpc.ErrorInfo.nothing"), None);
        assert_eq!(describe(&pool, "nothing"), None);
    }

    #[test]
    fn descriptors_of_descriptors_are_proto2() {
        let pool = DescriptorPool::global();
        let text = describe(&pool, "google.protobuf.FieldOptions").unwrap();
        for part in [
            "  optional bool packed = 2;\n",
            "  optional google.protobuf.FieldOptions.CType ctype = 1 [default = STRING];\n",
            "  enum CType {\n    STRING = 0;\n",
            "  extensions 1000 to max;\n",
            "  reserved 4;\n",
            "  repeated google.protobuf.UninterpretedOption uninterpreted_option = 999;\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let value = describe(&pool, "google.protobuf.Value").unwrap();
        assert!(value.contains("  oneof kind {\n    google.protobuf.NullValue null_value = 1;\n"), "{value}");
        assert!(describe(&pool, "google.protobuf.Empty").unwrap().ends_with("\nmessage Empty {}"));
        assert!(
            describe(&pool, "google.protobuf.NULL_VALUE").unwrap().contains("NULL_VALUE = 0; // of enum")
        );
    }
}
