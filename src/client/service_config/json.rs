//! JSON values that know where they stand, for errors that say it.

use std::time::Duration;

use serde_json::{Map, Value};
use tonic::Code;

use super::Codes;
use crate::error::{InvalidArgument, quote};
use crate::status::NAMES;

/// The longest span that protobuf's Duration can say, in seconds.
const LONGEST: u64 = 315_576_000_000;

/// A value and its path.
pub(super) struct Place<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Place<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// The error: what stands here, and what should.
    pub(super) fn refuse(&self, expected: &str) -> InvalidArgument {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => quote(text),
            Value::Array(list) if list.is_empty() => "an empty list".to_owned(),
            Value::Array(_) => format!("the list {}", quote(&self.value.to_string())),
            Value::Object(_) => format!("the object {}", quote(&self.value.to_string())),
        };
        let (space, path) = if self.path.is_empty() { ("", "") } else { (" at ", self.path.as_str()) };
        InvalidArgument::new(format!("the service config{space}{path} is {found}; expected {expected}"))
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, InvalidArgument> {
        self.value.as_object().ok_or_else(|| self.refuse("an object"))
    }

    /// A field that is there and not null.
    pub(super) fn field(&self, name: &str) -> Option<Place<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let dot = if self.path.is_empty() { "" } else { "." };
        Some(Place { value, path: format!("{}{dot}{name}", self.path) })
    }

    pub(super) fn required(&self, name: &str) -> Result<Place<'a>, InvalidArgument> {
        self.field(name).ok_or_else(|| {
            InvalidArgument::new(format!(
                "the service config at {} has no {name}; expected one, as it is required",
                self.path
            ))
        })
    }

    pub(super) fn items(&self) -> Result<Vec<Place<'a>>, InvalidArgument> {
        let list = self.value.as_array().ok_or_else(|| self.refuse("a list"))?;
        let item = |(n, value)| Place { value, path: format!("{}[{n}]", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    pub(super) fn text(&self, expected: &str) -> Result<&'a str, InvalidArgument> {
        self.value.as_str().ok_or_else(|| self.refuse(expected))
    }

    pub(super) fn boolean(&self) -> Result<bool, InvalidArgument> {
        self.value.as_bool().ok_or_else(|| self.refuse("true or false"))
    }

    /// A number; protobuf's JSON has them in texts, too.
    fn number(&self) -> Option<f64> {
        match self.value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        }
        .filter(|number: &f64| number.is_finite())
    }

    pub(super) fn positive_number(&self) -> Result<f64, InvalidArgument> {
        self.number().filter(|n| *n > 0.0).ok_or_else(|| self.refuse("a number that is more than 0"))
    }

    pub(super) fn integer(&self, least: u32, most: u32) -> Result<u32, InvalidArgument> {
        self.number()
            .filter(|n| n.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(n))
            .map(|n| {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range, as was seen
                let n = n as u32;
                n
            })
            .ok_or_else(|| {
                self.refuse(&match most {
                    u32::MAX => format!("an integer of {least} or more"),
                    most => format!("an integer from {least} to {most}"),
                })
            })
    }

    /// Protobuf's Duration in JSON, 0 or more.
    pub(super) fn duration(&self) -> Result<Duration, InvalidArgument> {
        self.value.as_str().and_then(span).ok_or_else(|| self.refuse("a span like \"0.5s\", 0 or more"))
    }

    pub(super) fn positive_duration(&self) -> Result<Duration, InvalidArgument> {
        let span = self.value.as_str().and_then(span).filter(|span| !span.is_zero());
        span.ok_or_else(|| self.refuse("a span like \"0.5s\", more than 0"))
    }

    pub(super) fn codes(&self) -> Result<Codes, InvalidArgument> {
        let code = |place: &Place<'_>| {
            let number = match place.value {
                Value::String(name) => NAMES.iter().position(|known| known == name),
                number => number.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < NAMES.len()),
            };
            number.and_then(|n| i32::try_from(n).ok()).map(Code::from_i32).ok_or_else(|| {
                place.refuse("a status code: a name like \"UNAVAILABLE\" or a number from 0 to 16")
            })
        };
        self.items()?.iter().map(code).collect()
    }
}

fn span(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 || whole.len() + part.len() == 0 {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse().ok().filter(|s| *s <= LONGEST)? };
    Some(Duration::new(seconds, format!("{part:0<9}").parse().ok()?))
}
