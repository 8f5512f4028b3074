//! Which routes a request may be for, without asking them all.
//!
//! Each route is filed under one of its conditions: the one that the fewest other routes have. A request looks up what it
//! has, and finds a few lists of routes; the first of those whose conditions all hold is its route. What that costs
//! depends on how many routes are filed under the same text, and not on how many there are.
//!
//! - Exact texts are looked up by their hash.
//! - Prefixes are sorted, and each knows the longest other one that it begins with. Of what stands before a text, the last
//!   one begins with every prefix of that text: they all lie on its way up.
//! - What has neither (regular expressions, headers that only have to be there) is asked one after the other.

use std::collections::HashMap;

use http::HeaderName;
use http::request::Parts;

use super::{Path, authority, host_only};
use crate::proxy::settings::{Match, Pattern};

/// The numbers of routes, ascending.
type List = Vec<u32>;

/// What one header is looked for.
type Values = HashMap<Box<[u8]>, List>;

/// What a request has one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Field {
    Package,
    Service,
    Method,
    Path,
    Authority,
}

const FIELDS: [Field; 5] = [Field::Service, Field::Path, Field::Package, Field::Authority, Field::Method];

impl Field {
    fn of<'a>(self, head: &'a Parts, path: Option<Path<'a>>) -> Option<&'a str> {
        match self {
            Self::Package => path.map(Path::package),
            Self::Service => path.map(|path| path.service),
            Self::Method => path.map(|path| path.method),
            Self::Path => Some(head.uri.path()),
            Self::Authority => authority(head).map(host_only),
        }
    }
}

/// What a route can be filed under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key<'a> {
    Exact(Field, &'a str),
    Prefix(Field, &'a str),
    Header(&'a HeaderName, &'a str),
}

fn key(one: &Match) -> Option<Key<'_>> {
    let (field, pattern) = match one {
        Match::Package(pattern) => (Field::Package, pattern),
        Match::Service(pattern) => (Field::Service, pattern),
        Match::Method(pattern) => (Field::Method, pattern),
        Match::Path(pattern) => (Field::Path, pattern),
        Match::Authority(pattern) => (Field::Authority, pattern),
        Match::Metadata(name, Pattern::Exact(text)) => return Some(Key::Header(name, text)),
        Match::Metadata(..) => return None,
    };
    match pattern {
        Pattern::Exact(text) => Some(Key::Exact(field, text)),
        // Everything begins with nothing.
        Pattern::Prefix(text) if !text.is_empty() => Some(Key::Prefix(field, text)),
        Pattern::Prefix(_) | Pattern::Regex(_) | Pattern::Present => None,
    }
}

/// All routes, filed.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Index {
    fields: Vec<(Field, Texts)>,
    headers: Vec<(HeaderName, Values)>,
    others: List,
}

/// The texts that one field is looked for.
#[derive(Debug, Default)]
struct Texts {
    exact: HashMap<Box<str>, List>,
    prefixes: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    /// The longest other prefix that it begins with.
    above: Option<usize>,
    routes: List,
}

impl Index {
    pub(in crate::proxy) fn new<'a>(routes: impl Iterator<Item = &'a [Match]> + Clone) -> Self {
        let mut known: HashMap<Key<'_>, u32> = HashMap::new();
        for key in routes.clone().flatten().filter_map(key) {
            *known.entry(key).or_default() += 1;
        }
        let mut filed: HashMap<Key<'_>, List> = HashMap::new();
        let mut index = Self::default();
        for (number, conditions) in (0..).zip(routes) {
            // An exact text before a prefix, where they are as rare.
            let rarest = conditions
                .iter()
                .filter_map(key)
                .min_by_key(|key| (known.get(key).copied(), matches!(key, Key::Prefix(..))));
            match rarest {
                Some(key) => filed.entry(key).or_default().push(number),
                None => index.others.push(number),
            }
        }
        let mut prefixes: HashMap<Field, Vec<Prefix>> = HashMap::new();
        let mut fields: HashMap<Field, Texts> = HashMap::new();
        for (key, routes) in filed {
            match key {
                Key::Exact(field, text) => {
                    fields.entry(field).or_default().exact.insert(text.into(), routes);
                }
                Key::Prefix(field, text) => {
                    prefixes.entry(field).or_default().push(Prefix {
                        text: text.into(),
                        above: None,
                        routes,
                    });
                }
                Key::Header(name, text) => {
                    index.header(name).insert(text.as_bytes().into(), routes).map_or((), drop)
                }
            }
        }
        for (field, list) in prefixes {
            fields.entry(field).or_default().prefixes = sorted(list);
        }
        index.fields = FIELDS.into_iter().filter_map(|field| Some((field, fields.remove(&field)?))).collect();
        index
    }

    /// The first route for which `is_wider` holds, of those that may take all that meets `conditions`.
    pub(in crate::proxy) fn find_wider(
        &self,
        conditions: &[Match],
        is_wider: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut first = First::new(is_wider);
        for condition in conditions {
            match condition {
                Match::Package(pattern) => self.wider(Field::Package, pattern, &mut first),
                Match::Service(pattern) => {
                    self.wider(Field::Service, pattern, &mut first);
                    if let Pattern::Exact(service) = pattern {
                        let package = Pattern::Exact(Path { service, method: "" }.package().to_owned());
                        self.wider(Field::Package, &package, &mut first);
                    }
                }
                Match::Method(pattern) => self.wider(Field::Method, pattern, &mut first),
                Match::Path(pattern) => self.wider(Field::Path, pattern, &mut first),
                Match::Authority(pattern) => self.wider(Field::Authority, pattern, &mut first),
                Match::Metadata(name, Pattern::Exact(text)) => {
                    let values = self.headers.iter().find(|(known, _)| known == name);
                    if let Some(routes) = values.and_then(|(_, values)| values.get(text.as_bytes())) {
                        first.look(routes);
                    }
                }
                Match::Metadata(..) => {}
            }
        }
        first.look(&self.others);
        first.found
    }

    fn wider(&self, field: Field, pattern: &Pattern, first: &mut First<impl FnMut(u32) -> bool>) {
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = pattern else { return };
        let Some((_, texts)) = self.fields.iter().find(|(known, _)| *known == field) else { return };
        if let (Pattern::Exact(_), Some(routes)) = (pattern, texts.exact.get(text.as_str())) {
            first.look(routes);
        }
        texts.prefixes_of(text, first);
    }

    fn header(&mut self, name: &HeaderName) -> &mut Values {
        let at = self.headers.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.headers.push((name.clone(), Values::new()));
            self.headers.len() - 1
        });
        &mut self.headers[at].1
    }

    /// The first route for which `is_met` holds.
    pub(super) fn find(
        &self,
        head: &Parts,
        path: Option<Path<'_>>,
        is_met: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut first = First::new(is_met);
        for (field, texts) in &self.fields {
            let Some(text) = field.of(head, path) else { continue };
            if let Some(routes) = texts.exact.get(text) {
                first.look(routes);
            }
            texts.prefixes_of(text, &mut first);
        }
        for (name, values) in &self.headers {
            for value in head.headers.get_all(name) {
                if let Some(routes) = values.get(value.as_bytes()) {
                    first.look(routes);
                }
            }
        }
        first.look(&self.others);
        first.found
    }
}

/// The first of several lists of routes for which something holds.
struct First<F> {
    holds: F,
    found: Option<u32>,
}

impl<F: FnMut(u32) -> bool> First<F> {
    fn new(holds: F) -> Self {
        Self { holds, found: None }
    }

    fn look(&mut self, routes: &[u32]) {
        for number in routes {
            if self.found.is_some_and(|found| found <= *number) {
                return;
            }
            if (self.holds)(*number) {
                self.found = Some(*number);
                return;
            }
        }
    }
}

impl Texts {
    fn prefixes_of(&self, text: &str, first: &mut First<impl FnMut(u32) -> bool>) {
        let after = self.prefixes.partition_point(|prefix| &*prefix.text <= text);
        let mut at = after.checked_sub(1);
        while let Some(prefix) = at.and_then(|at| self.prefixes.get(at)) {
            if text.starts_with(&*prefix.text) {
                first.look(&prefix.routes);
            }
            at = prefix.above;
        }
    }
}

fn sorted(mut prefixes: Vec<Prefix>) -> Vec<Prefix> {
    prefixes.sort_unstable_by(|a, b| a.text.cmp(&b.text));
    // Those that the one before begins with, the shortest first.
    let mut above: Vec<usize> = Vec::new();
    for at in 0..prefixes.len() {
        let text = prefixes[at].text.clone();
        while above.last().is_some_and(|last| !text.starts_with(&*prefixes[*last].text)) {
            above.pop();
        }
        prefixes[at].above = above.last().copied();
        above.push(at);
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::super::is_met;
    use super::*;
    use http::Request;

    /// Numbers that look random, the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }

        fn text(&mut self) -> String {
            let length = self.below(4) + 1;
            (0..length).map(|_| ['a', 'b', '.'][self.below(3) as usize]).collect()
        }

        fn pattern(&mut self) -> Pattern {
            match self.below(8) {
                0..4 => Pattern::Exact(self.text()),
                4..6 => Pattern::Prefix(self.text()),
                6 => Pattern::regex(&format!("{}.*", self.text().replace('.', "b"))).unwrap(),
                _ => Pattern::Prefix(String::new()),
            }
        }

        fn condition(&mut self) -> Match {
            let pattern = self.pattern();
            match self.below(7) {
                0 => Match::Package(pattern),
                1 | 2 => Match::Service(pattern),
                3 => Match::Method(pattern),
                4 => Match::Path(match pattern {
                    Pattern::Exact(text) => Pattern::Exact(format!("/{text}")),
                    Pattern::Prefix(text) => Pattern::Prefix(format!("/{text}")),
                    other => other,
                }),
                5 => Match::Authority(pattern),
                _ if self.below(4) == 0 => Match::Metadata(HeaderName::from_static("x-b"), Pattern::Present),
                _ => Match::Metadata(HeaderName::from_static("x-a"), pattern),
            }
        }

        fn head(&mut self) -> Parts {
            let path = if self.below(5) == 0 {
                format!("/{}", self.text())
            } else {
                format!("/{}/{}", self.text(), self.text())
            };
            let mut request = Request::builder().uri(path).header("host", self.text());
            for _ in 0..self.below(3) {
                request = request.header("x-a", self.text());
            }
            if self.below(2) == 0 {
                request = request.header("x-b", "1");
            }
            request.body(()).unwrap().into_parts().0
        }
    }

    #[test]
    fn the_first_route_that_matches_is_the_same_as_asking_all_in_turn() {
        let mut numbers = Numbers(7);
        for size in [0, 1, 2, 5, 20, 200] {
            for _ in 0..30 {
                let routes: Vec<Vec<Match>> = (0..size)
                    .map(|_| {
                        let conditions = numbers.below(4);
                        (0..conditions).map(|_| numbers.condition()).collect()
                    })
                    .collect();
                let index = Index::new(routes.iter().map(Vec::as_slice));
                for _ in 0..100 {
                    let head = numbers.head();
                    let path = Path::parse(head.uri.path());
                    let met = |route: &Vec<Match>| route.iter().all(|one| is_met(one, &head, path));
                    let found = index.find(&head, path, |number| met(&routes[number as usize]));
                    assert_eq!(found.map(|n| n as usize), routes.iter().position(met), "{routes:?} {head:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_asked_does_not_grow_with_the_number_of_routes() {
        let routes: Vec<Vec<Match>> = (0..10_000)
            .map(|n| match n % 4 {
                0 => vec![Match::Service(Pattern::Exact(format!("s{n}.S")))],
                1 => vec![Match::Path(Pattern::Prefix(format!("/p{n}/")))],
                2 => vec![
                    // The same for all, and one that is not.
                    Match::Authority(Pattern::Exact("api".into())),
                    Match::Metadata(HeaderName::from_static("x-tenant"), Pattern::Exact(n.to_string())),
                ],
                _ => vec![Match::Service(Pattern::Prefix(format!("q{n}.")))],
            })
            .collect();
        let index = Index::new(routes.iter().map(Vec::as_slice));
        for (uri, tenant, wanted) in [
            ("/s5000.S/M", "none", Some(5000)),
            ("/p5001/x", "none", Some(5001)),
            ("/any.S/M", "5002", Some(5002)),
            ("/q5003.S/M", "none", Some(5003)),
            ("/nobody.S/M", "none", None),
        ] {
            let request = Request::builder().uri(uri).header("host", "api").header("x-tenant", tenant);
            let (head, ()) = request.body(()).unwrap().into_parts();
            let path = Path::parse(uri);
            let mut asked = 0;
            let found = index.find(&head, path, |number| {
                asked += 1;
                routes[number as usize].iter().all(|one| is_met(one, &head, path))
            });
            assert_eq!((found, asked <= 1), (wanted, true), "{uri}: {asked} were asked");
        }
    }
}
