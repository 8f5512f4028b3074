//! Google's application default credentials: tokens checked with openssl, and a metadata server on
//! loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use viaduct::Code;
use viaduct::client::google::{Environment, GoogleDefault};
use viaduct_testkit::openssl::{self, Scratch};

const URL: &str = "https://pubsub.test/google.pubsub.v1.Publisher";

fn key_file(scratch: &Scratch, change: impl FnOnce(&mut Value)) -> PathBuf {
    let key = openssl::run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    scratch.write("key.pem", &key);
    let mut json = json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": key,
        "client_email": "robot@p.iam.gserviceaccount.test",
    });
    change(&mut json);
    scratch.write("account.json", &json.to_string())
}

fn given(file: PathBuf) -> Environment {
    Environment { credentials: Some(file), ..Environment::default() }
}

async fn token(found: &GoogleDefault, url: &str) -> String {
    let headers = found.authorization(url).await.unwrap();
    assert_eq!(headers.len(), 1);
    assert!(headers["authorization"].is_sensitive());
    headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_account_signs_for_each_service() {
    let scratch = Scratch::new();
    let found = GoogleDefault::find_in(&given(key_file(&scratch, |_| {}))).unwrap();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    let text = token(&found, URL).await;
    let [header, claims, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(decoded(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
    let claims_json = decoded(claims);
    let issued = claims_json["iat"].as_u64().unwrap();
    assert!((before..=now()).contains(&issued));
    let email = "robot@p.iam.gserviceaccount.test";
    assert_eq!(
        claims_json,
        json!({
            "iss": email, "sub": email, "aud": "https://pubsub.test/", "iat": issued, "exp": issued + 3600,
        })
    );
    // openssl finds the signature good, and another text's not.
    std::fs::write(scratch.path("signature"), URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let path = |name| scratch.path(name).to_str().unwrap().to_owned();
    openssl::run(&["pkey", "-in", &path("key.pem"), "-pubout", "-out", &path("public.pem")]);
    scratch.write("signed", &format!("{header}.{claims}"));
    let (public, signature) = (path("public.pem"), path("signature"));
    let verify = |file: &str| {
        let words = ["dgst", "-sha256", "-verify", &public, "-signature", &signature, file];
        std::process::Command::new("openssl").args(words).output().unwrap().status.success()
    };
    assert!(verify(&path("signed")));
    scratch.write("other", &format!("{header}.{claims}x"));
    assert!(!verify(&path("other")));
    // Kept for the host, whatever the service, and shared by clones.
    assert_eq!(token(&found.clone(), "https://pubsub.test/google.pubsub.v1.Subscriber").await, text);
    let other = token(&found, "https://spanner.test/google.spanner.v1.Spanner").await;
    assert_eq!(decoded(other.split('.').nth(1).unwrap())["aud"], "https://spanner.test/");
    assert_eq!(found.authorization("pubsub").await.unwrap_err().code(), Code::Unauthenticated);
    let shown = format!("{found:?}");
    assert!(shown.contains(email) && shown.len() < 120, "{shown}");
}

#[tokio::test]
async fn files_are_found_in_order_and_mistakes_are_named() {
    let scratch = Scratch::new();
    let file = key_file(&scratch, |_| {});
    let home = scratch.path("home");
    let gcloud = home.join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let default = gcloud.join("application_default_credentials.json");
    std::fs::write(&default, json!({ "type": "authorized_user", "refresh_token": "secret" }).to_string())
        .unwrap();
    let mut environment = Environment { home: Some(home), ..Environment::default() };
    // The type is said at the first use, as nothing may be wrong with the program until then.
    let user = GoogleDefault::find_in(&environment).unwrap();
    let status = user.authorization(URL).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let text = status.message();
    assert!(
        text.contains("\"authorized_user\", which is not supported") && !text.contains("secret"),
        "{text}"
    );
    environment.credentials = Some(file.clone());
    token(&GoogleDefault::find_in(&environment).unwrap(), URL).await;

    let said = |content: &str| {
        let file = scratch.write("wrong.json", content);
        GoogleDefault::find_in(&given(file)).unwrap_err().to_string()
    };
    assert!(said("{").contains("wrong.json\" holds no Google credentials: it is not JSON (line 1"));
    assert!(said("{}").contains("\"type\" is none; expected \"service_account\""));
    assert!(said(r#"{"type":"x"}"#).contains("\"type\" is \"x\""));
    assert!(said(r#"{"type":"service_account"}"#).contains("it has no \"client_email\""));
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for key in ["x".to_owned(), rcgen::KeyPair::generate().unwrap().serialize_pem()] {
        let mut json = whole.clone();
        json["private_key"] = key.into();
        assert!(said(&json.to_string()).contains("\"private_key\""));
    }
    let missing = GoogleDefault::find_in(&given(scratch.path("none.json"))).unwrap_err().to_string();
    assert!(missing.contains("none.json\", which cannot be read: No such file"), "{missing}");
}

/// A metadata server that gives these answers, one a connection, and keeps the requests.
fn metadata_server(answers: &[String]) -> (Environment, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, answers) = (Arc::clone(&requests), answers.to_vec());
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap());
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    (Environment { metadata_host: Some(host), ..Environment::default() }, requests)
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn fresh(token: &str, lifetime: u32) -> String {
    answer(
        "200 OK",
        &json!({ "access_token": token, "expires_in": lifetime, "token_type": "Bearer" }).to_string(),
    )
}

#[tokio::test]
async fn the_metadata_server_is_asked_when_a_token_is_due() {
    // The first token is as good as expired when it comes.
    let (environment, requests) = metadata_server(&[fresh("short", 30), fresh("long", 3599)]);
    let found = GoogleDefault::find_in(&environment).unwrap();
    assert!(requests.lock().unwrap().is_empty(), "nothing is asked before it is needed");
    assert_eq!(token(&found, URL).await, "short");
    // Those that begin together ask once.
    let (a, b) = tokio::join!(token(&found, URL), token(&found, "https://other.test/p.S"));
    assert_eq!([a, b, token(&found, URL).await], ["long", "long", "long"]);
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    let path = "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n";
    assert!(requests[0].starts_with(path) && requests[0].contains("\r\nMetadata-Flavor: Google\r\n"));
    let host = environment.metadata_host.unwrap();
    assert!(requests[0].contains(&format!("\r\nHost: {host}\r\n")), "{}", requests[0]);
}

#[tokio::test]
async fn a_metadata_server_that_fails_is_a_status() {
    let answers = [
        (answer("404 Not Found", ""), Code::Unauthenticated, "no service account"),
        (answer("403 Forbidden", ""), Code::Unauthenticated, "HTTP 403"),
        (answer("503 Service Unavailable", ""), Code::Unavailable, "HTTP 503"),
        (answer("200 OK", "<html>"), Code::Unavailable, "no token"),
        (answer("200 OK", r#"{"access_token":"a\nb","expires_in":9}"#), Code::Unavailable, "no token"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".into(),
            Code::Unavailable,
            "before its answer was complete",
        ),
        ("SSH-2.0-x\r\n\r\n".into(), Code::Unavailable, "not HTTP/1.1"),
    ];
    let texts: Vec<String> = answers.iter().map(|(text, ..)| text.clone()).collect();
    let (environment, _requests) = metadata_server(&texts);
    let found = GoogleDefault::find_in(&environment).unwrap();
    for (_, code, part) in answers {
        let status = found.authorization(URL).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(part), "{status:?}");
        assert!(
            status.message().starts_with("no Google credentials: GOOGLE_APPLICATION_CREDENTIALS is not set")
        );
    }
    // And one that is not there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let environment = Environment { metadata_host: Some(nobody.to_string()), ..environment };
    let status = GoogleDefault::find_in(&environment).unwrap().authorization(URL).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("cannot be reached"), "{status:?}");
}
