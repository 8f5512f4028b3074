use super::*;

const RETRY: &str = r#"{"maxAttempts": 4, "initialBackoff": ".1s", "maxBackoff": "1s", "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", 10]}"#;

fn method(json: &str) -> MethodConfig {
    let text = format!(r#"{{"methodConfig": [{{"name": [{{}}], {json}}}]}}"#);
    let config = ServiceConfig::parse(&text).unwrap_or_else(|error| panic!("{json}: {error}"));
    MethodConfig::clone(config.method("/any.Service/Method").unwrap())
}

#[test]
fn the_most_specific_name_wins() {
    let config = ServiceConfig::parse(
        r#"{"methodConfig": [
            {"name": [{}], "timeout": "1s"},
            {"name": [{"service": "a.B"}, {"service": "a.C", "method": null}], "timeout": "2s"},
            {"name": [{"service": "a.B", "method": "D"}, {"service": "a.E", "method": "F"}], "timeout": "3s"},
            {"timeout": "4s"}
        ]}"#,
    )
    .unwrap();
    for (path, seconds) in
        [("/a.B/D", 3), ("/a.E/F", 3), ("/a.B/X", 2), ("/a.C/D", 2), ("/a.E/X", 1), ("/x.Y/Z", 1)]
    {
        assert_eq!(config.method(path).unwrap().timeout, Some(Duration::from_secs(seconds)), "{path}");
    }
    let without_default = r#"{"methodConfig": [{"name": [{"service": "a.B"}]}]}"#;
    assert_eq!(ServiceConfig::parse(without_default).unwrap().method("/a.C/D"), None);
}

#[test]
fn what_a_method_config_says() {
    let all = method(
        r#""timeout": "1.000000001s", "waitForReady": true, "maxRequestMessageBytes": "10",
           "maxResponseMessageBytes": 0, "somethingNew": {"x": 1}"#,
    );
    assert_eq!(all.timeout, Some(Duration::new(1, 1)));
    assert_eq!((all.wait_for_ready, all.max_request, all.max_response), (Some(true), Some(10), Some(0)));
    assert_eq!(method(r#""timeout": null, "retryPolicy": null"#), MethodConfig::default());

    let Some(Policy::Retry(retry)) = method(&format!(r#""retryPolicy": {RETRY}"#)).policy else { panic!() };
    assert_eq!((retry.max_attempts, retry.multiplier), (4, 2.0));
    let millis = Duration::from_millis;
    assert_eq!((retry.initial_backoff, retry.max_backoff), (millis(100), millis(1000)));
    assert!(retry.retryable.contains(Code::Unavailable) && retry.retryable.contains(Code::Aborted));
    assert!(!retry.retryable.contains(Code::Ok) && !retry.retryable.contains(Code::Unauthenticated));

    let hedging =
        r#""hedgingPolicy": {"maxAttempts": 99, "hedgingDelay": "0.5s", "nonFatalStatusCodes": [13]}"#;
    let Some(Policy::Hedging(hedging)) = method(hedging).policy else { panic!() };
    assert_eq!((hedging.max_attempts, hedging.delay), (5, millis(500)));
    assert!(hedging.non_fatal.contains(Code::Internal) && !hedging.non_fatal.contains(Code::Unavailable));
    let Some(Policy::Hedging(least)) = method(r#""hedgingPolicy": {"maxAttempts": 2}"#).policy else {
        panic!()
    };
    assert_eq!((least.delay, least.non_fatal), (Duration::ZERO, Codes::default()));
}

#[test]
fn throttling_and_balancing() {
    let config =
        ServiceConfig::parse(r#"{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1239}}"#).unwrap();
    assert_eq!(config.throttling(), Some(RetryThrottling { max_tokens: 10_000, token_ratio: 123 }));
    for (json, expected) in [
        ("{}", None),
        (r#"{"loadBalancingConfig": []}"#, None),
        (r#"{"loadBalancingConfig": [{"round_robin": {}}]}"#, Some(LoadBalancing::RoundRobin)),
        (r#"{"loadBalancingConfig": [{"new": {}}, {"pick_first": {}}]}"#, Some(LoadBalancing::PickFirst)),
        (r#"{"loadBalancingPolicy": "ROUND_ROBIN"}"#, Some(LoadBalancing::RoundRobin)),
        (
            r#"{"loadBalancingPolicy": "round_robin", "loadBalancingConfig": [{"pick_first": {}}]}"#,
            Some(LoadBalancing::PickFirst),
        ),
    ] {
        assert_eq!(ServiceConfig::parse(json).unwrap().load_balancing(), expected, "{json}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    let one = |json: &str| format!(r#"{{"methodConfig": [{{"name": [{{}}]}}, {{{json}}}]}}"#);
    let retry = |from: &str, to: &str| {
        assert!(RETRY.contains(from), "{from}");
        one(&format!(r#""retryPolicy": {}"#, RETRY.replace(from, to)))
    };
    for (json, expected) in [
        ("{".to_owned(), "the service config is not JSON: EOF while parsing an object at line 1 column 1"),
        ("[]".to_owned(), "the service config is an empty list; expected an object"),
        (
            r#"{"methodConfig": {}}"#.to_owned(),
            r#"the service config at methodConfig is the object "{}"; expected a list"#,
        ),
        (
            r#"{"methodConfig": [1]}"#.to_owned(),
            "the service config at methodConfig[0] is 1; expected an object",
        ),
        (
            one(r#""name": [{}]"#),
            "at methodConfig[1].name[0] is the object \"{}\"; expected a name that no other methodConfig has",
        ),
        (one(r#""name": [{"method": "x"}]"#), "expected a service wherever there is a method"),
        (one(r#""name": [{"service": 1}]"#), "at methodConfig[1].name[0].service is 1; expected a text"),
        (
            one(r#""timeout": 1"#),
            r#"at methodConfig[1].timeout is 1; expected a span like "0.5s", 0 or more"#,
        ),
        (one(r#""timeout": "-1s""#), r#"timeout is "-1s"; expected a span"#),
        (one(r#""timeout": "1""#), r#"timeout is "1"; expected a span"#),
        (one(r#""timeout": ".s""#), r#"timeout is ".s"; expected a span"#),
        (one(r#""timeout": "0.0000000001s""#), "expected a span"),
        (one(r#""timeout": "999999999999s""#), "expected a span"),
        (
            one(r#""waitForReady": "yes""#),
            r#"at methodConfig[1].waitForReady is "yes"; expected true or false"#,
        ),
        (
            one(r#""maxRequestMessageBytes": -1"#),
            "maxRequestMessageBytes is -1; expected an integer of 0 or more",
        ),
        (one(r#""maxResponseMessageBytes": 0.5"#), "is 0.5; expected an integer of 0 or more"),
        (
            retry("4", "1"),
            "at methodConfig[1].retryPolicy.maxAttempts is 1; expected an integer of 2 or more",
        ),
        (
            retry(r#""maxAttempts": 4,"#, ""),
            "at methodConfig[1].retryPolicy has no maxAttempts; expected one",
        ),
        (retry(r#"".1s""#, r#""0s""#), r#"initialBackoff is "0s"; expected a span like "0.5s", more than 0"#),
        (retry(r#""1s""#, "true"), "maxBackoff is true; expected a span"),
        (retry(": 2", ": 0"), "backoffMultiplier is 0; expected a number that is more than 0"),
        (
            retry(r#"["UNAVAILABLE", 10]"#, "[]"),
            "retryableStatusCodes is an empty list; expected at least one status code",
        ),
        (
            retry("10", r#""unavailable""#),
            r#"retryableStatusCodes[1] is "unavailable"; expected a status code"#,
        ),
        (retry("10", "17"), "retryableStatusCodes[1] is 17; expected a status code"),
        (
            one(&format!(r#""retryPolicy": {RETRY}, "hedgingPolicy": {{"maxAttempts": 2}}"#)),
            "expected either retryPolicy or hedgingPolicy, not both",
        ),
        (one(r#""hedgingPolicy": {}"#), "at methodConfig[1].hedgingPolicy has no maxAttempts"),
        (r#"{"retryThrottling": {"tokenRatio": 1}}"#.to_owned(), "at retryThrottling has no maxTokens"),
        (
            r#"{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 1}}"#.to_owned(),
            "at retryThrottling.maxTokens is 1001; expected an integer from 1 to 1000",
        ),
        (
            r#"{"retryThrottling": {"maxTokens": 1, "tokenRatio": 0.0001}}"#.to_owned(),
            "expected a number of at least 0.001",
        ),
        (
            r#"{"loadBalancingPolicy": "random"}"#.to_owned(),
            r#"is "random"; expected pick_first or round_robin"#,
        ),
        (
            r#"{"loadBalancingConfig": [{"new": {}}]}"#.to_owned(),
            "expected a list with a policy that is known",
        ),
        (r#"{"loadBalancingConfig": [{}]}"#.to_owned(), "expected an object with one field"),
    ] {
        let error = ServiceConfig::parse(&json).expect_err(&json).to_string();
        assert!(error.contains(expected), "{json}\n  {error}\n  {expected}");
    }
}
