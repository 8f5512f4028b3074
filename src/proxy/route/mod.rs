//! Which requests go where.

pub(super) mod index;

use std::sync::Arc;

use http::request::Parts;

use self::index::Index;
use super::settings::{self, Match};
use super::upstream::Group;

/// A route and the group that it leads to.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) settings: settings::Route,
    pub(super) group: Arc<Group>,
}

/// All routes. The first that matches wins.
#[derive(Debug, Default)]
pub(super) struct Routes {
    all: Vec<Arc<Route>>,
    index: Index,
}

/// What a gRPC path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// `helloworld.Greeter`.
    pub(super) service: &'a str,
    /// `SayHello`.
    pub(super) method: &'a str,
}

impl<'a> Path<'a> {
    /// Reads `/package.Service/Method` (gRPC over HTTP/2, "Requests").
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        let legal = !service.is_empty() && !method.is_empty() && !service.starts_with('/');
        legal.then_some(Self { service, method })
    }

    /// `helloworld` of `helloworld.Greeter`; empty where there is no package.
    fn package(self) -> &'a str {
        self.service.rsplit_once('.').map_or("", |(package, _)| package)
    }
}

impl Routes {
    pub(super) fn new(all: Vec<Arc<Route>>) -> Self {
        let index = Index::new(all.iter().map(|route| &*route.settings.matches));
        Self { all, index }
    }

    /// In their order.
    pub(super) fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    /// The route for a request.
    pub(super) fn find(&self, head: &Parts, path: Option<Path<'_>>) -> Option<&Arc<Route>> {
        let is_met = |number: u32| {
            let route = self.all.get(number as usize);
            route.is_some_and(|route| route.settings.matches.iter().all(|one| is_met(one, head, path)))
        };
        self.all.get(self.index.find(head, path, is_met)? as usize)
    }
}

fn is_met(one: &Match, head: &Parts, path: Option<Path<'_>>) -> bool {
    match one {
        Match::Package(p) => path.is_some_and(|path| p.matches(path.package().as_bytes())),
        Match::Service(p) => path.is_some_and(|path| p.matches(path.service.as_bytes())),
        Match::Method(p) => path.is_some_and(|path| p.matches(path.method.as_bytes())),
        Match::Path(p) => p.matches(head.uri.path().as_bytes()),
        Match::Authority(p) => authority(head).is_some_and(|name| p.matches(host_only(name).as_bytes())),
        Match::Metadata(name, p) => {
            head.headers.get_all(name).iter().any(|value| p.matches(value.as_bytes()))
        }
    }
}

/// `:authority`, or `host` in its place (RFC 9113, section 8.3.1).
pub(super) fn authority(head: &Parts) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(http::header::HOST)?.to_str().ok(),
    }
}

/// Without port and user.
fn host_only(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::settings::Pattern;
    use http::{HeaderName, Request};

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn paths_name_service_and_method() {
        let path = Path::parse("/helloworld.v1.Greeter/SayHello").unwrap();
        assert_eq!((path.service, path.method), ("helloworld.v1.Greeter", "SayHello"));
        assert_eq!(path.package(), "helloworld.v1");
        assert_eq!(Path::parse("/Greeter/Hi").unwrap().package(), "");
        for bad in ["", "/", "/a", "a/b", "//b", "/a/", "*", "/helloworld.Greeter"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_part_of_a_request_can_be_asked_for() {
        let head = head("http://API.example:8080/a.B/C", &[("x-tenant", "red"), ("x-tenant", "blue")]);
        let met = |one: Match| is_met(&one, &head, Path::parse("/a.B/C"));
        let exact = |text: &str| Pattern::Exact(text.into());
        assert!(met(Match::Package(exact("a"))) && !met(Match::Package(exact("a.B"))));
        assert!(met(Match::Service(exact("a.B"))) && met(Match::Service(Pattern::Prefix("a.".into()))));
        assert!(met(Match::Method(Pattern::regex("C|D").unwrap())));
        assert!(!met(Match::Method(Pattern::regex("CC|D").unwrap())));
        assert!(met(Match::Authority(exact("API.example"))));
        let tenant = HeaderName::from_static("x-tenant");
        assert!(
            met(Match::Metadata(tenant.clone(), exact("blue")))
                && met(Match::Metadata(tenant.clone(), Pattern::Present))
        );
        assert!(!met(Match::Metadata(tenant, exact("green"))));
        assert!(!met(Match::Metadata(HeaderName::from_static("x-other"), Pattern::Present)));
    }

    #[test]
    fn a_port_is_no_part_of_a_host() {
        assert_eq!(host_only("a:1"), "a");
        assert_eq!(host_only("u@a:1"), "a");
        assert_eq!(host_only("[::1]:80"), "[::1]");
        assert_eq!(host_only("[::1]"), "[::1]");
    }
}
