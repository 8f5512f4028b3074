//! Methods: `/package.Service/Method`.

use http::uri::PathAndQuery;

use crate::error::{InvalidArgument, quote};

/// A method's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(PathAndQuery);

impl Method {
    /// Reads `/package.Service/Method`.
    ///
    /// # Errors
    ///
    /// Where it has not exactly two slashes, an empty part, or a character that a path cannot have.
    pub fn parse(text: &str) -> Result<Self, InvalidArgument> {
        check(text)?;
        PathAndQuery::try_from(text)
            .map(Self)
            .map_err(|_| refusal(text, "it has a character that no path has"))
    }

    /// Reads any path, as a client does that leaves it to the server what a method is. A slash is put
    /// in front where there is none.
    ///
    /// # Errors
    ///
    /// Where it is empty or has a character that a path cannot have.
    pub fn lenient(text: &str) -> Result<Self, InvalidArgument> {
        let path = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
        let legal =
            !text.is_empty() && path.bytes().all(|b| (0x21..=0x7e).contains(&b) && !matches!(b, b'?' | b'#'));
        PathAndQuery::try_from(path)
            .ok()
            .filter(|_| legal)
            .map(Self)
            .ok_or_else(|| refusal(text, "it is empty or has a character that no path has"))
    }

    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        &self.0
    }
}

/// Whether `text` is a method's path.
///
/// # Errors
///
/// As [`Method::parse`].
pub fn check(text: &str) -> Result<(), InvalidArgument> {
    if let Some(bad) = text.bytes().find(|b| !(0x21..=0x7e).contains(b) || matches!(b, b'?' | b'#')) {
        return Err(refusal(text, &format!("it has the byte 0x{bad:02x}")));
    }
    let well_formed = text
        .strip_prefix('/')
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(service, method)| !service.is_empty() && !method.is_empty() && !method.contains('/'));
    if well_formed { Ok(()) } else { Err(refusal(text, "it has not the two slashes with a name after each")) }
}

fn refusal(text: &str, why: &str) -> InvalidArgument {
    InvalidArgument::new(format!(
        "{} is not a method: {why}; expected \"/package.Service/Method\"",
        quote(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_taken_where_the_server_decides() {
        assert_eq!(Method::lenient("/a.B/C").unwrap().as_str(), "/a.B/C");
        assert_eq!(Method::lenient("plain").unwrap().as_str(), "/plain");
        for bad in ["", "/a b", "/a?b", "/a#b", "/a\0", "/é"] {
            assert!(Method::lenient(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_two_slashes_with_names_are_a_method() {
        assert_eq!(Method::parse("/a.B/C").unwrap().as_str(), "/a.B/C");
        for bad in ["", "a.B/C", "/a.B", "/a.B/", "//C", "/a/b/c", "/a/b\0", "/a b/c", "/a/b?x=1", "/a/é"] {
            let error = Method::parse(bad).unwrap_err().to_string();
            assert!(error.contains("expected \"/package.Service/Method\""), "{bad:?}: {error}");
        }
    }
}
