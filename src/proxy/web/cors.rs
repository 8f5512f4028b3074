//! Which pages may call: cross-origin resource sharing, as the Fetch standard has it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use crate::proxy::settings::Cors;

/// What scripts may read of every answer, beside the headers that it has.
const EXPOSED: &str = "grpc-status,grpc-message,grpc-status-details-bin";

/// How long a browser may remember what it was allowed: as long as browsers do at most.
const REMEMBERED: &str = "7200";

/// Whether a browser asks if a page may make a gRPC-Web call. A preflight for anything else is the backend's.
pub(in crate::proxy) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let listed = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let mut listed = listed.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && is(ACCESS_CONTROL_REQUEST_METHOD, "POST")
        && listed.any(|name| name.trim().eq_ignore_ascii_case("x-grpc-web"))
}

/// The answer to a preflight; `None` where the page may not call.
pub(in crate::proxy) fn preflight(cors: &Cors, headers: &HeaderMap) -> Option<HeaderMap> {
    let mut answer = HeaderMap::new();
    if !allow(cors, headers, &mut answer) {
        return None;
    }
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    // Whatever the call carries (PROTOCOL-WEB.md, "CORS preflight").
    for listed in headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.append(ACCESS_CONTROL_ALLOW_HEADERS, listed.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    Some(answer)
}

/// Marks the answer to a call.
pub(super) fn mark(cors: &Cors, asked: &HeaderMap, answer: &mut HeaderMap) {
    for said in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS]
    {
        // Here the proxy speaks.
        answer.remove(said);
    }
    let mut exposed = EXPOSED.to_owned();
    for name in
        answer.keys().map(http::HeaderName::as_str).filter(|name| !EXPOSED.split(',').any(|e| e == *name))
    {
        exposed.push(',');
        exposed.push_str(name);
    }
    if allow(cors, asked, answer)
        && let Ok(exposed) = HeaderValue::try_from(exposed)
    {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Names the origin, where it may call. To pages of all origins no credentials are allowed: a page that nobody knows
/// must not act for whoever is logged in.
fn allow(cors: &Cors, asked: &HeaderMap, answer: &mut HeaderMap) -> bool {
    let Some(origin) = asked.get(ORIGIN) else { return false };
    answer.append(VARY, HeaderValue::from_static("origin"));
    if cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        return true;
    }
    if cors.origins.iter().any(|allowed| allowed == "*") {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asked(origin: &str, headers: &str) -> HeaderMap {
        let request = Request::options("/a.B/C")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", headers);
        request.body(()).unwrap().into_parts().0.headers
    }

    #[test]
    fn a_preflight_for_a_call_is_answered_by_the_list_of_origins() {
        let cors = Cors { origins: vec!["https://a.test".into()] };
        let head = asked("https://a.test", "content-type, X-Grpc-Web,authorization");
        assert!(is_preflight(&Method::OPTIONS, &head) && !is_preflight(&Method::GET, &head));
        let answer = preflight(&cors, &head).unwrap();
        assert_eq!(answer["access-control-allow-origin"], "https://a.test");
        assert_eq!(answer["access-control-allow-headers"], "content-type, X-Grpc-Web,authorization");
        assert_eq!(answer["access-control-allow-credentials"], "true");
        assert!(preflight(&cors, &asked("https://b.test", "x-grpc-web")).is_none());
        assert!(
            !is_preflight(&Method::OPTIONS, &asked("https://a.test", "content-type")),
            "it is another service's"
        );
        let all = Cors { origins: vec!["*".into()] };
        let answer = preflight(&all, &asked("https://b.test", "x-grpc-web")).unwrap();
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert!(!answer.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn scripts_may_read_what_the_answer_has() {
        let cors = Cors { origins: vec!["*".into()] };
        let mut answer = HeaderMap::new();
        answer.insert("x-mine", HeaderValue::from_static("1"));
        answer.insert("access-control-allow-origin", HeaderValue::from_static("https://evil.test"));
        mark(&cors, &asked("https://a.test", ""), &mut answer);
        assert_eq!(answer["access-control-allow-origin"], "*");
        let exposed = answer["access-control-expose-headers"].to_str().unwrap();
        assert_eq!(exposed, "grpc-status,grpc-message,grpc-status-details-bin,x-mine");
        let mut same_origin = HeaderMap::new();
        mark(&cors, &HeaderMap::new(), &mut same_origin);
        assert!(same_origin.is_empty());
    }
}
