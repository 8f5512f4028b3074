//! What a caller got wrong, said in a sentence.

/// An argument that cannot be used. It is raised before anything is sent.
///
/// The message is one sentence: what was given, what was expected, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidArgument(String);

impl InvalidArgument {
    /// An error with `message` as its text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Quotes `text` for an error message: at most 80 characters, control characters escaped.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(80) + 2);
    out.push('"');
    for (n, c) in text.chars().enumerate() {
        if n == 80 {
            out.push('…');
            break;
        }
        out.extend(c.escape_debug());
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_escapes_and_shortens() {
        assert_eq!(quote("a\0b"), "\"a\\0b\"");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), 83);
    }
}
