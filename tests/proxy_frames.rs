//! The proxy, frame by frame: what arrives as it left, and what clients are told where it could not.

mod proxy_kit;

use std::time::Duration;

use http::HeaderName;
use proxy_kit::calls::{Client, block, called, message};
use proxy_kit::raw::{Backend, OK_HEAD, OK_TRAILERS, POST, Peer, joined, shape};
use proxy_kit::{Running, all_to, group, nobody, settings};
use viaduct::proxy::settings::{Match, Pattern, Retry};
use viaduct::{Code, Status};
use viaduct_testkit::frame::setting;
use viaduct_testkit::{Behaviour, WrongServer, frame};

#[test]
fn a_call_passes_as_it_is() {
    let mut j = joined(false);
    j.client.data(1, &message(b"one"), false);
    j.client.data(1, &message(b"two"), true);
    assert_eq!(shape(&j.backend.stream(j.there)), ["DATA 8", "DATA 8 end"]);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.data(j.there, &message(b"answer"), false);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "DATA 11", "HEADERS end"]);
}

#[test]
fn a_trailers_only_answer_stays_one_frame() {
    let mut j = joined(true);
    let [status, kind] = OK_HEAD;
    j.backend.headers(j.there, &[status, kind, ("grpc-status", "5")], true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS end"]);
}

#[test]
fn a_half_close_without_data_stays_one() {
    let mut j = joined(false);
    j.client.data(1, &message(b"x"), false);
    assert_eq!(shape(&[j.backend.next().unwrap()]), ["DATA 6"]);
    j.client.data(1, b"", true);
    assert_eq!(shape(&j.backend.stream(j.there)), ["DATA 0 end"]);
}

#[test]
fn an_answer_begins_before_the_request_has_ended() {
    let mut j = joined(false);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.data(j.there, &message(b"early"), false);
    assert_eq!(shape(&[j.client.next().unwrap(), j.client.next().unwrap()]), ["HEADERS", "DATA 10"]);
    j.client.data(1, &message(b"late"), true);
    assert_eq!(shape(&j.backend.stream(j.there)), ["DATA 9 end"]);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS end"]);
}

#[test]
fn an_answer_that_ends_early_ends_the_call_on_both_sides() {
    let mut j = joined(false);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "HEADERS end"]);
    // Nobody reads the rest: the client is told so without an error (RFC 9113, section 8.1), the backend that it ends.
    assert_eq!(shape(&[j.client.next().unwrap()]), ["RST 0"]);
    assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
}

#[test]
fn interim_answers_pass() {
    let mut j = joined(true);
    j.backend.headers(j.there, &[(":status", "103"), ("link", "</style.css>")], false);
    assert_eq!(shape(&[j.client.next().unwrap()]), ["HEADERS"]);
    j.backend.headers(j.there, &OK_HEAD, false);
    j.backend.headers(j.there, &OK_TRAILERS, true);
    assert_eq!(shape(&j.client.stream(1)), ["HEADERS", "HEADERS end"]);
}

#[test]
fn a_clients_cancel_reaches_the_backend() {
    for begun in [false, true] {
        let mut j = joined(true);
        if begun {
            j.backend.headers(j.there, &OK_HEAD, false);
            assert_eq!(shape(&[j.client.next().unwrap()]), ["HEADERS"]);
        }
        j.client.reset(1, 8);
        assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
    }
}

#[test]
fn a_client_that_goes_cancels_its_calls() {
    let mut j = joined(false);
    j.client.cut();
    assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
    // The connection to the backend is everybody's, and stays.
    let mut next = Peer::connect(j.proxy.addr);
    next.headers(1, &POST, true);
    let head = j.backend.next().unwrap();
    assert_eq!(shape(std::slice::from_ref(&head)), ["HEADERS end"]);
    assert!(head.stream > j.there);
}

#[test]
fn resets_of_what_is_no_call_pass_as_they_are() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    client.headers(1, &get, true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    backend.reset(there, 11);
    assert_eq!(shape(&client.stream(1)), ["RST 11"]);

    client.headers(3, &get, true);
    let there = backend.next().unwrap().stream;
    backend.headers(there, &[(":status", "200")], false);
    assert_eq!(shape(&[client.next().unwrap()]), ["HEADERS"]);
    client.reset(3, 5);
    assert_eq!(shape(&backend.stream(there)), ["RST 5"]);

    // Cut in the middle: never a clean end.
    client.headers(5, &get, true);
    let there = backend.next().unwrap().stream;
    backend.headers(there, &[(":status", "200")], false);
    backend.data(there, b"half", false);
    assert_eq!(shape(&[client.next().unwrap(), client.next().unwrap()]), ["HEADERS", "DATA 4"]);
    backend.cut();
    assert_eq!(shape(&client.stream(5)), ["RST 2"]);
}

#[test]
fn what_is_no_call_ends_as_it_ends_there() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/upload"), (":authority", "a")];
    client.headers(1, &post, false);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    // It answers whole, and yet reads on.
    backend.headers(there, &[(":status", "200")], false);
    backend.data(there, b"thanks", true);
    assert_eq!(shape(&client.stream(1)), ["HEADERS", "DATA 6 end"]);
    client.data(1, b"more", false);
    client.headers(1, &[("x-sum", "1")], true);
    assert_eq!(shape(&backend.stream(there)), ["DATA 4", "HEADERS end"]);
}

#[test]
fn a_deadline_is_kept_here() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let mut head = POST.to_vec();
    head.push(("grpc-timeout", "300m"));
    client.headers(1, &head, true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    assert_eq!(shape(&client.stream(1)), ["HEADERS end"]);
    assert_eq!(shape(&backend.stream(there)), ["RST 8"]);
}

#[test]
fn a_window_that_stays_shut_makes_the_backend_wait() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect_with(proxy.addr, &[(setting::INITIAL_WINDOW_SIZE, 1000)], 0);
    client.headers(1, &POST, true);
    let mut backend = listener.accept();
    let there = backend.next().unwrap().stream;
    backend.headers(there, &OK_HEAD, false);
    let mut sent = 0;
    // It sends as the proxy's windows allow: until nothing is opened any more.
    backend.data(there, &[0; 10_000], false);
    sent += 10_000;
    assert_eq!(shape(&[client.next().unwrap(), client.next().unwrap()]), ["HEADERS", "DATA 1000"]);
    client.send(&[frame::Frame::window_update(1, 500)]);
    assert_eq!(shape(&[client.next().unwrap()]), ["DATA 500"]);
    client.send(&[frame::Frame::window_update(1, sent - 1500)]);
    let mut rest = 0;
    while rest < sent - 1500 {
        rest += client.next().unwrap().payload.len() as u32;
    }
    assert_eq!(rest, sent - 1500);
}

/// What becomes of a call to a peer that is wrong in this way.
fn status_of(behaviour: Behaviour) -> Status {
    let server = WrongServer::start(behaviour).unwrap();
    let proxy = Running::before(&[server.addr]);
    let (_, _, status) = block(called(proxy.addr, b"hello"));
    status.unwrap_or_else(|| panic!("{behaviour}: a call ended without a status"))
}

#[test]
fn a_backend_is_given_what_is_left_of_the_deadline() {
    block(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Running::before(&[listener.local_addr().unwrap()]);
        let backend = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            let answer = http::Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "0");
            respond.send_response(answer.body(()).unwrap(), true).unwrap();
            let given = request.headers()["grpc-timeout"].clone();
            // The answer still has to leave; the connection ends with its client.
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
            viaduct::deadline::parse_timeout(given.as_bytes()).unwrap()
        });
        let mut client = Client::connect(proxy.addr).await;
        let (_, _, status) = client.call_with(b"x", &[("grpc-timeout", "30S")]).await;
        assert_eq!(status.unwrap().code(), Code::Ok);
        let left = backend.await.unwrap();
        assert!(left < Duration::from_secs(30) && left > Duration::from_secs(10), "{left:?}");
    });
}

#[test]
fn a_deadline_that_passes_is_told_wherever_the_answer_is() {
    for behaviour in [Behaviour::Silence, Behaviour::SilenceAfterHeaders, Behaviour::SilenceAfterMessage] {
        let server = WrongServer::start(behaviour).unwrap();
        let proxy = Running::before(&[server.addr]);
        let (_, _, status) = block(async {
            Client::connect(proxy.addr).await.call_with(b"x", &[("grpc-timeout", "300m")]).await
        });
        let status = status.unwrap_or_else(|| panic!("{behaviour}: a call ended without a status"));
        assert_eq!(status.code(), Code::DeadlineExceeded, "{behaviour}");
        proxy_kit::eventually(|| server.stats().resets == 1);
    }
}

#[test]
fn right_peers_answer_through_it() {
    for behaviour in Behaviour::all().into_iter().filter(|b| b.is_right() && *b != Behaviour::WindowZero) {
        let server = WrongServer::start(behaviour).unwrap();
        let proxy = Running::before(&[server.addr]);
        let (_, bytes, status) = block(called(proxy.addr, b"hello"));
        assert_eq!(bytes, message(b"hello"), "{behaviour}");
        assert_eq!(status.unwrap().code(), Code::Ok, "{behaviour}");
    }
}

#[test]
fn answers_that_are_not_grpc_become_statuses() {
    use Code::*;
    for (http, code) in [
        (200, Unknown),
        (400, Internal),
        (401, Unauthenticated),
        (403, PermissionDenied),
        (404, Unimplemented),
        (429, Unavailable),
        (500, Unknown),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ] {
        let status = status_of(Behaviour::Html(http));
        assert_eq!(status.code(), code, "{http}");
        for part in [&http.to_string(), "text/html", "<html>"] {
            assert!(status.message().contains(part), "{part}: {}", status.message());
        }
    }
    assert_eq!(status_of(Behaviour::WrongContentType).code(), Unknown);
    assert_eq!(status_of(Behaviour::NoContentType).code(), Unknown);
    assert_eq!(status_of(Behaviour::Http1).code(), Unavailable);
}

#[test]
fn resets_become_statuses_by_the_table() {
    use Code::*;
    let table = [
        Internal,
        Internal,
        Internal,
        Internal,
        Internal,
        Internal,
        Internal,
        Unavailable,
        Cancelled,
        Internal,
        Internal,
        ResourceExhausted,
        PermissionDenied,
        Internal,
    ];
    for (reason, code) in (0..).zip(table) {
        let status = status_of(Behaviour::Rst(reason));
        assert_eq!(status.code(), code, "reset {reason} before an answer: {}", status.message());
        let status = status_of(Behaviour::RstAfterMessage(reason));
        assert_eq!(status.code(), code, "reset {reason} within an answer: {}", status.message());
    }
}

#[test]
fn what_is_cut_or_has_no_end_is_never_a_clean_end() {
    use Behaviour::*;
    for behaviour in [CutBeforeHeaders, CutMidMessage, CutMidFrame] {
        assert_eq!(status_of(behaviour).code(), Code::Unavailable, "{behaviour}");
    }
    for behaviour in [NoTrailers, HeadersOnly, NoStatus] {
        let status = status_of(behaviour);
        assert_eq!(status.code(), Code::Unknown, "{behaviour}");
        assert!(status.message().contains("grpc-status"), "{}", status.message());
    }
    assert_eq!(status_of(Garbage).code(), Code::Unavailable);
}

#[test]
fn broken_http2_of_a_backend_ends_its_calls_and_nothing_else() {
    use Behaviour::*;
    for behaviour in [
        DataOnStreamZero,
        DataBeforeHeaders,
        BadHpack,
        FrameTooLong,
        ZeroWindowUpdate,
        GoawayCalm,
        HugeHeader,
    ] {
        let broken = WrongServer::start(behaviour).unwrap();
        let good = WrongServer::start(Echo).unwrap();
        let mut settings = settings(&[good.addr]);
        settings.groups.push(group("broken", &[broken.addr]));
        let mut to_broken = all_to("broken");
        to_broken.matches =
            vec![Match::Metadata(HeaderName::from_static("k-bin"), Pattern::Exact("AAAA".into()))];
        settings.routes.insert(0, to_broken);
        let proxy = Running::start(settings);
        block(async {
            let mut client = Client::connect(proxy.addr).await;
            let (_, _, status) = client.call(b"x", "AAAA").await;
            let status = status.unwrap_or_else(|| panic!("{behaviour}: a call ended without a status"));
            assert_ne!(status.code(), Code::Ok, "{behaviour}");
            // On the same connection of the client's.
            assert_eq!(client.call(b"x", "AP8K").await.2.unwrap().code(), Code::Ok, "{behaviour}");
        });
    }
}

#[test]
fn what_was_not_processed_is_sent_again() {
    for behaviour in [Behaviour::RefusedOnce, Behaviour::GoawayUnprocessed] {
        let server = WrongServer::start(behaviour).unwrap();
        let proxy = Running::before(&[server.addr]);
        let (_, bytes, status) = block(called(proxy.addr, b"again"));
        assert_eq!(status.unwrap().code(), Code::Ok, "{behaviour}");
        assert_eq!(bytes, message(b"again"));
        assert_eq!(server.stats().streams, 2, "{behaviour}");
    }
    // Not for ever.
    let server = WrongServer::start(Behaviour::Rst(7)).unwrap();
    let proxy = Running::before(&[server.addr]);
    let (_, _, status) = block(called(proxy.addr, b"never"));
    assert_eq!(status.unwrap().code(), Code::Unavailable);
    assert_eq!(server.stats().streams, 3);
}

#[test]
fn a_route_says_which_statuses_are_tried_again() {
    let refuses = WrongServer::start(Behaviour::TrailersOnly(14)).unwrap();
    let mut settings = settings(&[refuses.addr]);
    settings.routes[0].retry = Some(Retry { attempts: 3, codes: vec![Code::Unavailable] });
    let proxy = Running::start(settings);
    let (head, _, status) = block(called(proxy.addr, b"x"));
    let status = status.unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "said on purpose: 100% naïve", "the last answer is passed on as it was");
    assert!(head.headers.contains_key("grpc-status"));
    assert_eq!(refuses.stats().streams, 3);
    // Others are the last word.
    let other = WrongServer::start(Behaviour::TrailersOnly(13)).unwrap();
    let mut settings = proxy_kit::settings(&[other.addr]);
    settings.routes[0].retry = Some(Retry { attempts: 3, codes: vec![Code::Unavailable] });
    let proxy = Running::start(settings);
    assert_eq!(block(called(proxy.addr, b"x")).2.unwrap().code(), Code::Internal);
    assert_eq!(other.stats().streams, 1);
}

#[test]
fn another_backend_is_asked_where_one_is_not_there() {
    let good = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::before(&[nobody(), good.addr]);
    for _ in 0..20 {
        assert_eq!(block(called(proxy.addr, b"x")).2.unwrap().code(), Code::Ok);
    }
    let proxy = Running::before(&[nobody()]);
    let status = block(called(proxy.addr, b"x")).2.unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("refused"), "{}", status.message());
}

#[test]
fn many_calls_share_one_connection() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Running::before(&[server.addr]);
    block(async {
        let calls: Vec<_> = (0..64).map(|_| tokio::spawn(called(proxy.addr, b"x"))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().2.unwrap().code(), Code::Ok);
        }
    });
    assert_eq!(server.stats().connections, 1);
    assert_eq!(server.stats().streams, 64);
}

#[test]
fn more_connections_where_streams_are_limited() {
    let server = WrongServer::start(Behaviour::MaxStreamsOne).unwrap();
    let proxy = Running::before(&[server.addr]);
    block(async {
        let calls: Vec<_> = (0..20).map(|_| tokio::spawn(called(proxy.addr, b"x"))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().2.unwrap().code(), Code::Ok);
        }
    });
    let connections = server.stats().connections;
    assert!((2..=16).contains(&connections), "{connections} connections");
}

#[test]
fn a_backend_that_is_the_proxy_itself_is_refused() {
    let nowhere = nobody();
    let mut first = settings(&[nowhere]);
    first.listeners[0].address = format!("http://{nowhere}");
    let proxy = Running::start(first);
    let status = block(called(proxy.addr, b"x")).2.unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("this proxy itself"), "{}", status.message());
}
