//! A table of wrong files, and what is said about each.

use super::{GROUP, LISTEN, said};

/// What is wrong, and how it is told: `LISTEN` and `GROUP` may stand in the text as `{L}` and `{G}`, one line each.
const WRONG: &[(&str, &[&str])] = &[
    ("listen = [", &["proxy.toml:1: this is no TOML: "]),
    ("a = 1\na = 2", &["proxy.toml:2: this is no TOML: duplicate key"]),
    ("", &["there is no [[listen]]; expected at least one", "there is no [[group]]; expected at least one"]),
    // Keys.
    ("wrkers = 2\n{L}{G}", &["proxy.toml:1: unknown key \"wrkers\" in the file; did you mean \"workers\"?"]),
    (
        "{L}adress = 1\n{G}",
        &["proxy.toml:3: unknown key \"adress\" in [[listen]]; did you mean \"address\"?"],
    ),
    ("{L}{G}colour = 1", &["proxy.toml:6: unknown key \"colour\" in [[group]]"]),
    (
        "{L}{G}eject = { failure = 1 }",
        &["proxy.toml:6: unknown key \"failure\" in eject; did you mean \"failures\"?"],
    ),
    (
        "{L}{G}[[route]]\nmetdata = {}",
        &["proxy.toml:7: unknown key \"metdata\" in [[route]]; did you mean \"metadata\"?"],
    ),
    (
        "{L}{G}[admin]\nport = 1",
        &["proxy.toml:6: [admin] has no \"address\"", "proxy.toml:7: unknown key \"port\" in [admin]"],
    ),
    (
        "[listen]\naddress = \"http://a:1\"\n{G}",
        &["proxy.toml:1: \"listen\" in the file is a table; expected tables, each under [[listen]]"],
    ),
    ("{L}{G}[[drain]]\ngrace = 1", &["\"drain\" in the file is a list; expected a table [drain]"]),
    // Values.
    (
        "workers = 0\n{L}{G}",
        &["proxy.toml:1: \"workers\" in the file is 0; expected a whole number from 1 to 256"],
    ),
    ("workers = \"2\"\n{L}{G}", &["\"workers\" in the file is \"2\"; expected a whole number"]),
    ("trace = 1\n{L}{G}", &["\"trace\" in the file is 1; expected true or false"]),
    (
        "{L}keepalive = \"10 apples\"\n{G}",
        &["proxy.toml:3: \"keepalive\" in [[listen]] is \"10 apples\"; expected a duration such as \"10s\""],
    ),
    ("{L}handshake_timeout = 0\n{G}", &["is 0; expected a duration that is longer than 0"]),
    ("{L}handshake_timeout = -1\n{G}", &["is -1; expected a duration"]),
    ("{L}handshake_timeout = nan\n{G}", &["is nan; expected a duration"]),
    (
        "{L}keepalive = true\n{G}",
        &[
            "is true; expected a duration such as \"10s\", \"250ms\" or \"1m\", or a number of seconds, or false",
        ],
    ),
    ("{L}max_headers = \"64KB\"\n{G}", &["is \"64KB\"; expected a size such as \"64KiB\""]),
    ("{L}max_headers = \"1GiB\"\n{G}", &["is \"1GiB\"; expected a size from 1024 to 16777216 bytes"]),
    ("{L}{G}panic_threshold = 50", &["is 50; expected a share, a number from 0 to 1"]),
    ("{L}{G}retry_budget = nan", &["is nan; expected a share"]),
    (
        "dns = \"ns.example\"\n{L}{G}",
        &["\"dns\" in the file is \"ns.example\"; expected the IP address of a name server"],
    ),
    // Listeners.
    ("[[listen]]\n{G}", &["proxy.toml:1: [[listen]] has no \"address\""]),
    (
        "[[listen]]\naddress = \":8080\"\n{G}",
        &["proxy.toml:2: \"address\" in [[listen]] is \":8080\"; expected \"http://host:port\""],
    ),
    ("[[listen]]\naddress = \"localhost:8080\"\n{G}", &["did you mean \"http://localhost:8080\"?"]),
    ("[[listen]]\naddress = \"http://localhost\"\n{G}", &["it has no port"]),
    (
        "[[listen]]\naddress = \"https://a:1\"\n{G}",
        &["\"https://a:1\" needs certificate = \"…\" and key = \"…\""],
    ),
    ("{L}{L}{G}", &["proxy.toml:3: there are two listeners at \"http://127.0.0.1:0\""]),
    ("{L}group = \"echo\"\n{G}", &["\"group\" goes with tcp://host:port"]),
    ("[[listen]]\naddress = \"tcp://a:1\"\n{G}", &["\"tcp://a:1\" carries bytes; expected group"]),
    (
        "[[listen]]\naddress = \"tcp://a:1\"\ngroup = \"eco\"\n{G}",
        &["proxy.toml:1: there is no group \"eco\"; did you mean \"echo\"?"],
    ),
    (
        "[[listen]]\naddress = \"tcp://a:1\"\ngroup = \"echo\"\ntranslate = []\n{G}",
        &["proxy.toml:4: \"translate\" in [[listen]] has no meaning for \"tcp://a:1\""],
    ),
    (
        "{L}client_ca = \"x\"\n{G}",
        &["proxy.toml:3: \"client_ca\" in [[listen]] has no meaning without a certificate"],
    ),
    ("{L}key = \"x\"\n{G}", &["proxy.toml:3: \"key\" in [[listen]] stands without \"certificate\""]),
    (
        "{L}certificate = \"x\"\n{G}",
        &["\"certificate\" in [[listen]] stands without \"key\"", "is plaintext, but a certificate is given"],
    ),
    (
        "[[listen]]\naddress = \"https://a:1\"\ncertificates = []\n{G}",
        &["proxy.toml:1: \"certificates\" is empty"],
    ),
    (
        "[[listen]]\naddress = \"https://a:1\"\ncertificates = [{}]\n{G}",
        &["an entry of \"certificates\" has no \"certificate\""],
    ),
    (
        "[[listen]]\naddress = \"https://a:1\"\ncertificate = \"gone\"\nkey = \"gone\"\n{G}",
        &[
            "proxy.toml:3: \"certificate\" in [[listen]] names \"gone\", which cannot be read: No such file",
            "proxy.toml:4: \"key\" in [[listen]] names \"gone\"",
        ],
    ),
    (
        "{L}translate = [\"grpcweb\"]\n{G}",
        &["is \"grpcweb\"; expected \"grpc-web\"; did you mean \"grpc-web\"?"],
    ),
    ("{L}translate = \"grpc-web\"\n{G}", &["expected a list: [\"grpc-web\"]"]),
    ("{L}cors_origins = [\"*\"]\n{G}", &["\"cors_origins\" in [[listen]] has no meaning without translate"]),
    (
        "{L}translate = [\"grpc-web\"]\ncors_origins = [\"app\"]\n{G}",
        &["is \"app\"; expected a list of origins"],
    ),
    (
        "{L}forwarded = [\"forwarded-for\"]\n{G}",
        &[
            "expected \"x-forwarded-for\", \"forwarded\" or \"x-request-id\"; did you mean \"x-forwarded-for\"?",
        ],
    ),
    // Groups.
    ("{L}[[group]]\nmembers = [\"a:1\"]", &["proxy.toml:3: [[group]] has no \"name\""]),
    (
        "{L}[[group]]\nname = \"\"\nmembers = [\"a:1\"]",
        &["proxy.toml:4: \"name\" in [[group]] is \"\"; expected a name"],
    ),
    ("{L}[[group]]\nname = \"a\"", &["proxy.toml:3: the group \"a\" has no members"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = []", &["the group \"a\" has no members"]),
    ("{L}{G}{G}[[route]]\ngroup = \"echo\"", &["proxy.toml:6: there are two groups with the name \"echo\""]),
    (
        "{L}[[group]]\nname = \"a\"\nmembers = [\n\"a:1\",\n\"b\"]",
        &[
            "proxy.toml:7: \"members\" in [[group]] is \"b\"; expected \"host:port\", \"unix:/path\" or { address = \"…\", weight = 1 }: it has no port",
        ],
    ),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"http://b:1\"]", &["without \"http://\" it is \"b:1\""]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"b:0\"]", &["its port is not a number from 1 to 65535"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"127.0.0.1:0\"]", &["0 is no port to connect to"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"127.0.0.300:1\"]", &["looks like an IP address, but is none"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"::1\"]", &["it has no port"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"a b:1\"]", &["no name that can be resolved"]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [\"unix:a\"]", &["begins with \"/\""]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [7]", &["is 7; expected \"host:port\""]),
    ("{L}[[group]]\nname = \"a\"\nmembers = [{ weight = 2 }]", &["a member has no \"address\""]),
    (
        "{L}[[group]]\nname = \"a\"\nmembers = [{ address = \"b:1\", weight = 0 }]",
        &["\"weight\" in members is 0; expected a whole number from 1 to 65535"],
    ),
    (
        "{L}[[group]]\nname = \"a\"\nsrv = \"greeter.internal\"",
        &["is \"greeter.internal\"; expected the name of an SRV record"],
    ),
    ("{L}[[group]]\nname = \"a\"\nfile = 1", &["expected the path of a file"]),
    (
        "{L}{G}balance = \"round-robin\"",
        &[
            "expected \"least_request\", \"peak_ewma\", \"round_robin\" or \"weighted\"; did you mean \"round_robin\"?",
        ],
    ),
    ("{L}{G}balance = \"ring_hash\"", &["expected { ring_hash = \"x-user\" }"]),
    (
        "{L}{G}balance = { ring_hash = \"x user\" }",
        &["\"ring_hash\" in balance is \"x user\"; expected the name of a header"],
    ),
    ("{L}{G}health = \"yes\"", &["is \"yes\"; expected true, false or a table"]),
    (
        "{L}{G}eject = { pause = \"9s\", max_pause = \"1s\" }",
        &["\"max_pause\" in eject is \"1s\"; expected a duration that is not shorter than \"pause\""],
    ),
    ("{L}{G}tls = { key = \"x\" }", &["\"key\" in tls stands without \"certificate\""]),
    ("{L}{G}tls = { ca = \"gone\" }", &["\"ca\" in tls names \"gone\", which cannot be read"]),
    ("{L}{G}tls = 1", &["is 1; expected true, false, or a table such as"]),
    // Routes.
    (
        "{L}{G}[[route]]\ngroup = \"eco\"",
        &["proxy.toml:7: there is no group \"eco\"; did you mean \"echo\"?"],
    ),
    (
        "{L}{G}[[group]]\nname = \"b\"\nmembers = [\"b:1\"]",
        &["there is no [[route]], and more than one group"],
    ),
    (
        "{L}{G}[[group]]\nname = \"b\"\nmembers = [\"b:1\"]\n[[route]]",
        &["proxy.toml:9: the route \"route 1\" has no \"group\""],
    ),
    (
        "{L}{G}[[route]]\nservice = \"a.B/C\"",
        &["proxy.toml:7: \"service\" in [[route]] is \"a.B/C\", which no request has"],
    ),
    ("{L}{G}[[route]]\npath = \"a\"", &["a path begins with \"/\""]),
    ("{L}{G}[[route]]\nauthority = \"a:80\"", &["the port is left out"]),
    (
        "{L}{G}[[route]]\nservice = { regex = \"(\" }",
        &["\"regex\" in the pattern is \"(\", no regular expression"],
    ),
    (
        "{L}{G}[[route]]\nservice = { regex = \"a\", prefix = \"b\" }",
        &["has not just one of \"prefix\", \"regex\" and \"exact\""],
    ),
    ("{L}{G}[[route]]\nservice = {}", &["has not just one of"]),
    (
        "{L}{G}[[route]]\nservice = { prefx = \"a\" }",
        &["unknown key \"prefx\" in the pattern; did you mean \"prefix\"?"],
    ),
    ("{L}{G}[[route]]\nservice = 1", &["is 1; expected a text, which is exact"]),
    ("{L}{G}[[route]]\nmetadata = { \"x y\" = \"a\" }", &["asks for \"x y\", which is no header's name"]),
    ("{L}{G}[[route]]\nmetadata = { x = false }", &["is false; expected true for a header that is there"]),
    ("{L}{G}[[route]]\nrewrite_authority = \"a b\"", &["expected an authority"]),
    ("{L}{G}[[route]]\nretry = { codes = [] }", &["\"retry\" has no \"attempts\""]),
    ("{L}{G}[[route]]\nretry = { attempts = 1 }", &["is 1; expected a whole number from 2 to 10"]),
    (
        "{L}{G}[[route]]\nretry = { attempts = 2, codes = [\"UNAVAILBLE\"] }",
        &["did you mean \"UNAVAILABLE\"?"],
    ),
    // The rest.
    ("{L}{G}[admin]\naddress = \"https://a:1\"", &["expected \"http://host:port\" or \"unix:/path\""]),
    ("{L}{G}[access_log]\nformat = \"jsno\"", &["expected \"text\" or \"json\"; did you mean \"json\"?"]),
    ("{L}{G}[access_log]\nheaders = [\"a b\"]", &["is \"a b\"; expected the name of a header"]),
    ("{L}{G}[drain]\ngrace = \"soon\"", &["\"grace\" in [drain] is \"soon\"; expected a duration"]),
];

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let mut off = Vec::new();
    for (text, parts) in WRONG {
        let text = text.replace("{L}", LISTEN).replace("{G}", GROUP);
        let error = said(&text);
        if error.lines().count() != parts.len() || parts.iter().any(|part| !error.contains(part)) {
            off.push(format!("in\n{text}\nexpected\n{}\nsaid\n{error}\n", parts.join("\n")));
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}
