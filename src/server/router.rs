//! Paths to methods.

use std::collections::{HashMap, HashSet};

use tonic::Status;

use crate::error::{InvalidArgument, quote};

/// How many messages a method's request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestShape {
    /// Exactly one: unary and server-streaming methods. It arrives with the call.
    One,
    /// Any number: client-streaming and bidirectional methods. They are received one by one.
    Many,
}

/// The methods that a server has, by their exact path.
#[derive(Debug, Clone, Default)]
pub struct Router {
    methods: HashMap<Box<str>, (u32, RequestShape)>,
    services: HashSet<Box<str>>,
    rest: Option<RequestShape>,
}

impl Router {
    /// The id of what [`take_rest`](Self::take_rest) takes.
    pub const REST: u32 = u32::MAX;

    /// A router without methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the method at `path` and returns its id: 0, 1, 2 … in the order of addition.
    ///
    /// # Errors
    ///
    /// The path is not of the form `/package.Service/Method`, or it is there already.
    pub fn add(&mut self, path: &str, shape: RequestShape) -> Result<u32, InvalidArgument> {
        let (service, _) = split(path).ok_or_else(|| {
            InvalidArgument::new(format!(
                "the path {} is not a method's; expected \"/package.Service/Method\": a leading slash, \
                 exactly two slashes, no empty part, no control characters or spaces",
                quote(path)
            ))
        })?;
        if self.methods.contains_key(path) {
            return Err(InvalidArgument::new(format!(
                "the method {} has a handler already; expected each path once",
                quote(path)
            )));
        }
        let id = u32::try_from(self.methods.len())
            .map_err(|_| InvalidArgument::new("a server cannot have that many methods"))?;
        self.methods.insert(path.into(), (id, shape));
        self.services.insert(service.into());
        Ok(id)
    }

    /// Takes every path that no method has, legal or not, as [`REST`](Self::REST): the consumer
    /// decides what is a method.
    pub fn take_rest(&mut self, shape: RequestShape) {
        self.rest = Some(shape);
    }

    /// How many methods there are.
    pub fn len(&self) -> usize {
        self.methods.len()
    }

    /// Whether there are no methods.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// The method at `path`, or what takes the rest.
    pub fn find(&self, path: &str) -> Option<(u32, RequestShape)> {
        self.methods.get(path).copied().or_else(|| Some((Self::REST, self.rest?)))
    }

    /// UNIMPLEMENTED, with what about `path` is not known.
    pub fn unknown(&self, path: &str) -> Status {
        Status::unimplemented(match split(path) {
            Some((service, method)) if self.services.contains(service) => {
                format!("unknown method {method} of service {service}")
            }
            Some((service, _)) => format!("unknown service {service}"),
            None => format!("{} is no path of a method", quote(path)),
        })
    }
}

/// `/package.Service/Method` in its two parts.
fn split(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let legal = |part: &str| {
        !part.is_empty() && !part.contains(['/', ' ', '?', '#']) && !part.chars().any(char::is_control)
    };
    (legal(service) && legal(method)).then_some((service, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_their_exact_path() {
        let mut router = Router::new();
        assert_eq!(router.add("/a.B/C", RequestShape::One).unwrap(), 0);
        assert_eq!(router.add("/a.B/D", RequestShape::Many).unwrap(), 1);
        assert_eq!(router.find("/a.B/D"), Some((1, RequestShape::Many)));
        assert_eq!(router.find("/a.b/C"), None);
        assert_eq!(router.unknown("/a.B/X").message(), "unknown method X of service a.B");
        assert_eq!(router.unknown("/x.Y/Z").message(), "unknown service x.Y");
        assert!(router.unknown("/").message().contains("no path"));
    }

    #[test]
    fn the_rest_goes_to_whoever_takes_it() {
        let mut router = Router::new();
        router.add("/a.B/C", RequestShape::One).unwrap();
        router.take_rest(RequestShape::Many);
        assert_eq!(router.find("/a.B/C"), Some((0, RequestShape::One)));
        assert_eq!(router.find("/x"), Some((Router::REST, RequestShape::Many)));
    }

    #[test]
    fn illegal_and_repeated_paths_are_refused() {
        let mut router = Router::new();
        for bad in ["", "/", "a.B/C", "/a.B", "/a.B/", "//C", "/a/b/c", "/a.B/C\0", "/a.B/C\n", "/a B/C"] {
            let said = router.add(bad, RequestShape::One).unwrap_err().to_string();
            assert!(said.contains(&quote(bad)) && said.contains("/package.Service/Method"), "{said}");
        }
        router.add("/a.B/C", RequestShape::One).unwrap();
        let said = router.add("/a.B/C", RequestShape::Many).unwrap_err().to_string();
        assert!(said.contains("\"/a.B/C\" has a handler already"));
    }
}
