//! What an operator should know of which services are served where: logged once, and kept for the admin page as long
//! as it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::super::plan::Plan;
use super::super::settings::{Match, Pattern, Route};
use super::super::upstream::lock;
use crate::error::quote;

/// How many services that have gone are remembered.
const MAX_GONE: usize = 1000;

/// What is noteworthy now.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Findings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By group and service: what members served, and none serves now.
    gone: BTreeSet<(String, String)>,
    conflicts: BTreeSet<String>,
}

impl Findings {
    /// All notes, in sentences.
    pub(in crate::proxy) fn list(&self) -> Vec<String> {
        let kept = lock(&self.0);
        let gone = kept.gone.iter().map(|(group, service)| {
            format!("no member of the group {} serves {} any more", quote(group), quote(service))
        });
        kept.conflicts.iter().cloned().chain(gone).collect()
    }

    /// The members of `group` served `before`, and serve `now`.
    pub(super) fn served(&self, group: &str, before: &BTreeSet<String>, now: &BTreeSet<String>) {
        let mut kept = lock(&self.0);
        for service in now.difference(before) {
            kept.gone.remove(&(group.to_owned(), service.clone()));
            tracing::info!(group, service, "is served now");
        }
        for service in before.difference(now) {
            tracing::warn!(group, service, "is served by no member any more");
            if kept.gone.len() < MAX_GONE {
                kept.gone.insert((group.to_owned(), service.clone()));
            }
        }
    }

    /// Forgets what is about groups that have gone, and looks for conflicts anew.
    pub(in crate::proxy) fn compare(&self, plan: &Plan) {
        let serving = plan.groups.iter().map(|group| {
            let members = group.members();
            let services = members.services().into_iter().map(str::to_owned).collect();
            (group.name().to_owned(), Serving { services, sorted: members.is_sorted() })
        });
        let now = conflicts(&plan.settings.routes, &serving.collect());
        let mut kept = lock(&self.0);
        kept.gone.retain(|(name, _)| plan.groups.iter().any(|group| group.name() == name));
        for conflict in now.difference(&kept.conflicts) {
            tracing::warn!("{conflict}");
        }
        kept.conflicts = now;
    }
}

/// What the members of a group serve.
struct Serving {
    services: BTreeSet<String>,
    /// Whether all members have said so.
    sorted: bool,
}

/// The conflicts between what is served and where the routes lead.
///
/// A service is in conflict where members of several groups serve it and the routes leave out one of these groups
/// altogether; or where all its routes lead to groups that do not serve it, while another does. What every server has
/// (reflection, health) is in no conflict, and neither is a service that no route takes: that is how services are kept in.
fn conflicts(routes: &[Route], serving: &BTreeMap<String, Serving>) -> BTreeSet<String> {
    let mut servers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, one) in serving {
        for service in one.services.iter().filter(|service| !service.starts_with("grpc.")) {
            servers.entry(service).or_default().push(group);
        }
    }
    let mut conflicts = BTreeSet::new();
    for (service, groups) in servers {
        let reached = reached(routes, service);
        let left_out: Vec<&str> = groups.iter().copied().filter(|group| !reached.contains(group)).collect();
        if left_out.is_empty() || reached.is_empty() {
            continue;
        }
        let names =
            |groups: &[&str]| groups.iter().map(|group| quote(group)).collect::<Vec<_>>().join(" and ");
        let open =
            |group: &&&str| serving.get(**group).is_none_or(|one| !one.sorted || one.services.is_empty());
        if groups.len() > left_out.len() {
            conflicts.insert(format!(
                "the service {} is served in the groups {}, and no route leads it to {}",
                quote(service),
                names(&groups),
                names(&left_out)
            ));
        } else if !reached.iter().any(|group| open(&group)) {
            conflicts.insert(format!(
                "the routes lead the service {} to {}, where no member serves it; it is served in {}",
                quote(service),
                names(&reached),
                names(&left_out)
            ));
        }
    }
    conflicts
}

/// Whether a route takes the requests for a service.
#[derive(PartialEq, PartialOrd)]
enum Takes {
    None,
    /// It depends on something else: a method, a header.
    Some,
    All,
}

/// The groups that requests for `service` may reach.
fn reached<'a>(routes: &'a [Route], service: &str) -> Vec<&'a str> {
    let mut groups = Vec::new();
    for route in routes {
        let takes = route.matches.iter().map(|one| takes(one, service));
        let takes = takes.fold(Takes::All, |a, b| if b < a { b } else { a });
        if takes != Takes::None && !groups.contains(&route.group.as_str()) {
            groups.push(route.group.as_str());
        }
        if takes == Takes::All {
            break;
        }
    }
    groups
}

fn takes(one: &Match, service: &str) -> Takes {
    let of = |matches| if matches { Takes::All } else { Takes::None };
    match one {
        Match::Service(pattern) => of(pattern.matches(service.as_bytes())),
        Match::Package(pattern) => {
            let package = service.rsplit_once('.').map_or("", |(package, _)| package);
            of(pattern.matches(package.as_bytes()))
        }
        Match::Path(pattern) => {
            let path = format!("/{service}/");
            match pattern {
                Pattern::Present => Takes::All,
                Pattern::Prefix(start) if path.starts_with(start.as_str()) => Takes::All,
                Pattern::Prefix(text) | Pattern::Exact(text) if !text.starts_with(&path) => Takes::None,
                _ => Takes::Some,
            }
        }
        Match::Method(Pattern::Present) => Takes::All,
        Match::Method(_) | Match::Authority(_) | Match::Metadata(..) => Takes::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(group: &str, matches: Vec<Match>) -> Route {
        let (name, group) = (group.to_owned(), group.to_owned());
        Route { name, matches, group, timeout: None, authority: None, retry: None }
    }

    fn service(name: &str) -> Match {
        Match::Service(Pattern::Exact(name.to_owned()))
    }

    fn serving(groups: &[(&str, &[&str], bool)]) -> BTreeMap<String, Serving> {
        let one = |(name, services, sorted): &(&str, &[&str], bool)| {
            let services = services.iter().map(|s| (*s).to_owned()).collect();
            ((*name).to_owned(), Serving { services, sorted: *sorted })
        };
        groups.iter().map(one).collect()
    }

    #[test]
    fn a_service_in_two_groups_of_which_one_is_reached_is_a_conflict() {
        let groups = serving(&[
            ("a", &["x.X", "grpc.reflection.v1.ServerReflection"], true),
            ("b", &["x.X", "y.Y", "grpc.reflection.v1.ServerReflection"], true),
        ]);
        let all_to_a = [route("a", vec![])];
        let found: Vec<String> = conflicts(&all_to_a, &groups).into_iter().collect();
        assert_eq!(
            found,
            [
                "the routes lead the service \"y.Y\" to \"a\", where no member serves it; it is served in \"b\"",
                "the service \"x.X\" is served in the groups \"a\" and \"b\", and no route leads it to \"b\"",
            ]
        );
        // Both are reached, each by some requests.
        let by_header = Match::Metadata(http::HeaderName::from_static("x-tenant"), Pattern::Present);
        let split = [route("b", vec![by_header]), route("b", vec![service("y.Y")]), route("a", vec![])];
        assert!(conflicts(&split, &groups).is_empty());
        // What no route takes is kept in.
        assert!(conflicts(&[route("a", vec![service("z.Z")])], &groups).is_empty());
        // Where a member cannot tell, it may well serve it.
        let groups = serving(&[("a", &["x.X"], false), ("b", &["y.Y"], true)]);
        assert!(conflicts(&all_to_a, &groups).is_empty());
    }

    #[test]
    fn paths_and_packages_take_services() {
        let path = |pattern| takes(&Match::Path(pattern), "a.b.C");
        assert!(path(Pattern::Prefix("/a.b.".into())) == Takes::All);
        assert!(path(Pattern::Prefix("/a.b.C/M".into())) == Takes::Some);
        assert!(path(Pattern::Exact("/a.b.C/M".into())) == Takes::Some);
        assert!(path(Pattern::Prefix("/x".into())) == Takes::None);
        assert!(path(Pattern::regex(".*").unwrap()) == Takes::Some);
        assert!(takes(&Match::Package(Pattern::Exact("a.b".into())), "a.b.C") == Takes::All);
        assert!(takes(&Match::Method(Pattern::Exact("M".into())), "a.b.C") == Takes::Some);
    }

    #[test]
    fn what_has_gone_is_noted_until_it_is_back() {
        let notes = Findings::default();
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        notes.served("a", &set(&["x.X"]), &set(&[]));
        assert_eq!(notes.list(), ["no member of the group \"a\" serves \"x.X\" any more"]);
        notes.served("a", &set(&[]), &set(&["x.X"]));
        assert!(notes.list().is_empty());
        notes.served("a", &set(&["x.X"]), &set(&[]));
        notes.compare(&Plan::default());
        assert!(notes.list().is_empty(), "the group has gone");
    }
}
