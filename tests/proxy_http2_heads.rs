//! Clients whose requests are malformed (RFC 9113, section 8), or whose header blocks are (RFC 7541).

mod proxy_kit;

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use proxy_kit::calls::block;
use proxy_kit::raw::{Backend, OK_HEAD, POST, Peer, shape};
use proxy_kit::wire::{
    HEADER_TABLE_SIZE, Headers, Random, Watched, code, encoded, goaway, header_block, told,
};
use proxy_kit::{Running, eventually};
use viaduct_testkit::frame::{Frame, flag, kind, setting};
use viaduct_testkit::hpack::{self, Field};
use viaduct_testkit::{Behaviour, WrongServer};

const METHOD: Field<'_> = (":method", "POST");
const SCHEME: Field<'_> = (":scheme", "http");
const PATH: Field<'_> = (":path", "/test.Echo/Unary");
const AUTHORITY: Field<'_> = (":authority", "front.example");

/// What each of these does is an error of its stream, and its connection stays.
fn each_is_malformed(cases: &[(&str, Vec<Field<'_>>)]) {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let mut client = Peer::connect(proxy.addr());
    let mut wrong = Vec::new();
    for (stream, (case, fields)) in (1..).step_by(2).zip(cases) {
        client.headers(stream, fields, true);
        let said = shape(&client.said());
        if said != ["RST 1"] {
            wrong.push(format!("{case}: {said:?}"));
            client.stream(stream);
        }
    }
    assert!(wrong.is_empty(), "these were taken: {wrong:#?}");
    client.headers(1001, &POST, true);
    assert_eq!(shape(&client.stream(1001)), ["HEADERS", "HEADERS end"]);
    proxy.serves();
    proxy.counts("malformed_total", cases.len() as u64);
    assert_eq!(server.stats().streams, 2, "only what was right has come to the backend");
    client.cut();
    proxy.settles();
}

fn with<'a>(field: Field<'a>) -> Vec<Field<'a>> {
    let mut fields = POST.to_vec();
    fields.push(field);
    fields
}

#[test]
fn names_and_values_that_may_not_be_are_malformed() {
    each_is_malformed(&[
        ("upper case (8.2.1)", with(("X-Upper", "1"))),
        ("a space in a name (8.2.1)", with(("x y", "1"))),
        ("a name beyond ASCII (8.2.1)", with(("x-\u{e4}", "1"))),
        ("a colon within a name (8.2.1)", with(("x:y", "1"))),
        ("no name (8.2.1)", with(("", "1"))),
        ("NUL in a value (8.2.1)", with(("x", "a\0b"))),
        ("CR in a value (8.2.1)", with(("x", "a\rb"))),
        ("LF in a value (8.2.1)", with(("x", "a\nb"))),
    ]);
}

#[test]
fn values_with_space_around_them_pass_as_they_are() {
    // Against 8.2.1, and on purpose: a grpc-message may end with a space.
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let mut connected: Option<Peer> = None;
    for (stream, value) in [(1, " a"), (3, "a "), (5, "\ta"), (7, "a\t")] {
        client.headers(stream, &with(("x", value)), true);
        let backend = connected.get_or_insert_with(|| listener.accept());
        let there = backend.next().unwrap().stream;
        let end = [OK_HEAD[0], OK_HEAD[1], ("grpc-status", "2"), ("grpc-message", value)];
        backend.headers(there, &end, true);
        let frames = client.stream(stream);
        assert_eq!(shape(&frames), ["HEADERS end"]);
        assert!(frames[0].payload.windows(value.len()).any(|part| part == value.as_bytes()), "{value:?}");
    }
}

#[test]
fn fields_of_http1_connections_are_malformed() {
    let te = |value| {
        let mut fields = POST.to_vec();
        fields.retain(|(name, _)| *name != "te");
        fields.push(("te", value));
        fields
    };
    each_is_malformed(&[
        ("connection (8.2.2)", with(("connection", "close"))),
        ("keep-alive (8.2.2)", with(("keep-alive", "timeout=5"))),
        ("proxy-connection (8.2.2)", with(("proxy-connection", "close"))),
        ("transfer-encoding (8.2.2)", with(("transfer-encoding", "chunked"))),
        ("upgrade (8.2.2)", with(("upgrade", "websocket"))),
        ("te (8.2.2)", te("gzip")),
        ("te with more (8.2.2)", te("trailers, gzip")),
    ]);
}

#[test]
fn pseudo_headers_out_of_order_are_malformed() {
    each_is_malformed(&[
        ("no :method (8.3.1)", vec![SCHEME, PATH, AUTHORITY]),
        ("no :scheme (8.3.1)", vec![METHOD, PATH, AUTHORITY]),
        ("no :path (8.3.1)", vec![METHOD, SCHEME, AUTHORITY]),
        ("nothing at all (8.3.1)", vec![]),
        ("an empty :path (8.3.1)", vec![METHOD, SCHEME, (":path", ""), AUTHORITY]),
        ("a relative :path (8.3.1)", vec![METHOD, SCHEME, (":path", "a/b"), AUTHORITY]),
        (":method twice (8.3)", vec![METHOD, METHOD, SCHEME, PATH, AUTHORITY]),
        (":scheme twice (8.3)", vec![METHOD, SCHEME, SCHEME, PATH, AUTHORITY]),
        (":path twice (8.3)", vec![METHOD, SCHEME, PATH, PATH, AUTHORITY]),
        (":authority twice (8.3)", vec![METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY]),
        (":status (8.3)", vec![METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]),
        ("an unknown one (8.3)", vec![METHOD, SCHEME, PATH, AUTHORITY, (":unknown", "1")]),
        (":protocol that nobody has allowed (8.5)", vec![METHOD, SCHEME, PATH, (":protocol", "websocket")]),
        ("one behind a header (8.3)", vec![METHOD, SCHEME, ("te", "trailers"), PATH, AUTHORITY]),
        ("an unknown one behind a header (8.3)", with((":unknown", "1"))),
        ("CONNECT with a :path (8.5)", vec![(":method", "CONNECT"), SCHEME, PATH, AUTHORITY]),
    ]);
}

#[test]
fn lengths_that_are_none_are_malformed() {
    each_is_malformed(&[
        ("no number (8.1.1)", with(("content-length", "x"))),
        ("below nothing (8.1.1)", with(("content-length", "-1"))),
        ("empty (8.1.1)", with(("content-length", ""))),
        ("beyond 64 bits (8.1.1)", with(("content-length", "18446744073709551616"))),
        ("a length and nothing (8.1.1)", with(("content-length", "5"))),
        ("two that differ (8.1.1)", [with(("content-length", "0")), vec![("content-length", "1")]].concat()),
    ]);
}

#[test]
fn a_length_has_nothing_but_digits() {
    // RFC 9110, section 8.6.
    each_is_malformed(&[("a sign", with(("content-length", "+0")))]);
}

#[test]
fn bodies_that_are_not_as_long_as_they_say_are_reset() {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let fields = with(("content-length", "10"));
    let data = |flags, length| Frame::new(kind::DATA, flags, 0, vec![0; length]);
    let trailers = Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 0, hpack::block(&[]));
    let cases = [
        ("too much", vec![data(0, 11)]),
        ("too much, in two", vec![data(0, 10), data(0, 1)]),
        ("too little", vec![data(flag::END_STREAM, 9)]),
        ("too little before trailers", vec![data(0, 9), trailers]),
    ];
    let mut connected = None;
    for (stream, (case, frames)) in (1..).step_by(2).zip(cases) {
        client.headers(stream, &fields, false);
        let there = proxy_kit::wire::backend_of(&listener, &mut connected);
        let frames: Vec<_> = frames.into_iter().map(|frame| Frame { stream, ..frame }).collect();
        client.send(&frames);
        assert_eq!(shape(&client.stream(stream)), ["RST 1"], "{case} (8.1.1)");
        // The backend takes it for no whole request.
        let there = connected.as_mut().unwrap().stream(there);
        assert_eq!(shape(&there).last().unwrap(), "RST 8", "{case}");
    }
}

#[test]
fn answers_without_a_body_may_name_a_length() {
    for (method, status) in [("HEAD", "200"), ("GET", "304")] {
        let get = [(":method", method), SCHEME, (":path", "/"), AUTHORITY];
        let mut j = proxy_kit::raw::joined_by(&get, true);
        // RFC 9110, section 8.6.
        j.backend.headers(j.there, &[(":status", status), ("content-length", "1000")], true);
        let frames = j.client.stream(1);
        assert_eq!(shape(&frames), ["HEADERS end"], "{method}");
        let fields = Headers::new(4096).read(&header_block(&frames));
        assert!(fields.contains(&("#28".to_owned(), "1000".to_owned())), "{fields:?}");
    }
}

#[test]
fn what_the_proxy_itself_says_waits_for_no_window() {
    let proxy = Running::before(&[proxy_kit::nobody()]);
    let get = [(":method", "GET"), SCHEME, (":path", "/"), AUTHORITY];
    let connect = [(":method", "CONNECT"), AUTHORITY];
    for fields in [&get[..], &connect] {
        for (window, expected) in [(0, &["HEADERS end"][..]), (5000, &["HEADERS", "DATA end"])] {
            let mut client = Peer::connect_with(proxy.addr, &[(setting::INITIAL_WINDOW_SIZE, window)], 0);
            client.headers(1, fields, true);
            let frames = client.stream(1);
            let said = frames.iter().zip(shape(&frames));
            let said: Vec<_> =
                said.map(|(frame, said)| said.replace(&format!(" {}", frame.payload.len()), "")).collect();
            assert_eq!(said, expected, "{fields:?}");
        }
    }
}

#[test]
fn trailers_with_pseudo_headers_are_malformed() {
    for field in
        [METHOD, PATH, (":status", "200"), (":unknown", "1"), ("Upper", "1"), ("connection", "close")]
    {
        let mut j = proxy_kit::raw::joined(false);
        j.client.headers(1, &[("x-sum", "1"), field], true);
        assert_eq!(shape(&j.client.stream(1)), ["RST 1"], "{field:?} (8.1)");
        assert_eq!(shape(&j.backend.stream(j.there)), ["RST 8"]);
    }
}

#[test]
fn header_lists_over_the_limit_are_counted() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let mut client = Peer::connect(proxy.addr());
    let long = "h".repeat(70 << 10);
    client.headers(1, &with(("x-long", &long)), false);
    let mut headers = Headers::new(4096);
    let frames = client.stream(1);
    assert_eq!(headers.read(&header_block(&frames)), [("#8".to_owned(), "431".to_owned())]);
    // Nobody reads the rest (8.1).
    assert_eq!(shape(&[client.next().unwrap()]), ["RST 0"]);
    client.data(1, &[0; 100], true);
    client.headers(3, &POST, true);
    assert_eq!(shape(&client.stream(3)), ["HEADERS", "HEADERS end"]);
    proxy.counts("headers_too_long_total", 1);
    assert_eq!(proxy.count("malformed_total"), 0);
}

#[test]
fn header_blocks_that_cannot_be_decoded_end_the_connection() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let cases: &[(&str, &[u8])] = &[
        ("index 0 (6.1)", &[0x80]),
        ("an index beyond the tables (2.3.3)", &[0xbe]),
        ("a number without end (5.1)", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a string that is cut off (5.2)", &[0x40, 5, b'a']),
        ("Huffman with the end's code (5.2)", &[0x41, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("Huffman with padding of noughts (5.2)", &[0x41, 0x81, 0x00]),
        ("a table beyond 4,096 (4.2)", &[0x3f, 0xe2, 0x1f, 0x82]),
        ("a size within the block (4.2)", &[0x82, 0x20]),
    ];
    for (case, block) in cases {
        let head = Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, *block);
        let frames = told(proxy.addr(), &encoded(&[Frame::settings(&[]), head]), false);
        assert_eq!(goaway(&frames), Some(code::COMPRESSION), "{case}");
    }
    // Trailers, too, and blocks of streams that are over.
    let bad = Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, [0x80]);
    let mut client = Peer::connect(proxy.addr());
    client.headers(1, &POST, false);
    client.reset(1, 8);
    client.send(&[bad]);
    assert_eq!(client.ends(), Some(code::COMPRESSION));
    proxy.counts("protocol_errors_total", cases.len() as u64 + 1);
    proxy.serves();
    proxy.settles();
}

/// A backend on h2 that sends the headers of each request back, those that begin with `x-`.
async fn mirror() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let mut answer = Response::new(());
                    *answer.headers_mut() = fields_of(request.headers());
                    answer.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
                    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
                    respond.send_response(answer, true).unwrap();
                }
            });
        }
    });
    addr
}

fn fields_of(headers: &HeaderMap) -> HeaderMap {
    let fields = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-"));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Requests with many different headers come back as they were, through tables of this size at the client.
async fn reflected(table: u32, seed: u64) {
    let proxy = Running::before(&[mirror().await]);
    let socket = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let made = builder.header_table_size(table).handshake::<_, bytes::Bytes>(socket).await;
    let (mut client, connection) = made.unwrap();
    tokio::spawn(connection);
    let mut random = Random::new(seed);
    for _ in 0..300 {
        let mut request = Request::post("http://front/test.Echo/Unary")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let fields = request.headers_mut();
        for _ in 0..random.below(8) {
            let name = HeaderName::try_from(format!("x-{}", random.below(40))).unwrap();
            // Some come again and again, some never; some are larger than a table.
            let value = match random.below(8) {
                0 => "v".repeat(random.below(5000) as usize),
                1 | 2 => random.next().to_string().repeat(random.below(20) as usize),
                _ => random.below(10).to_string(),
            };
            fields.append(name, value.try_into().unwrap());
        }
        let sent = fields_of(fields);
        client = client.ready().await.unwrap();
        let answer = client.send_request(request, true).unwrap().0.await.unwrap();
        assert_eq!(fields_of(answer.headers()), sent);
    }
}

#[test]
fn tables_are_kept_in_step_as_their_entries_go() {
    block(async {
        for (table, seed) in [(4096, 1), (0, 2), (100, 3), (1 << 20, 4)] {
            reflected(table, seed).await;
        }
    });
}

/// The sizes that answers announce, each after a client has sent such SETTINGS: frames, each with its sizes.
fn announced(steps: &[&[&[u32]]]) -> Vec<Vec<usize>> {
    let (listener, addr) = Backend::listen();
    let proxy = Running::before(&[addr]);
    let mut client = Peer::connect(proxy.addr);
    let mut headers = Headers::new(4096);
    let mut connected = None;
    let mut all = Vec::new();
    for (stream, frames) in (1..).step_by(2).zip(steps) {
        for sizes in *frames {
            let sizes: Vec<_> = sizes.iter().map(|size| (HEADER_TABLE_SIZE, *size)).collect();
            client.send(&[Frame::settings(&sizes)]);
        }
        client.headers(stream, &POST, true);
        let there = proxy_kit::wire::backend_of(&listener, &mut connected);
        let [status, kind] = OK_HEAD;
        let fields = [status, kind, ("grpc-status", "0"), ("x-same", "same")];
        connected.as_mut().unwrap().headers(there, &fields, true);
        let frames = client.stream(stream);
        headers.sizes.clear();
        let fields = headers.read(&header_block(&frames));
        assert!(fields.contains(&("x-same".to_owned(), "same".to_owned())), "{fields:?}");
        all.push(headers.sizes.clone());
    }
    all
}

#[test]
fn the_size_of_a_table_may_change_and_change_again() {
    // RFC 7541, section 4.2: the least in between is told, and the last.
    let steps: [&[&[u32]]; 6] = [&[], &[&[0]], &[], &[&[4096]], &[&[0], &[4096]], &[&[100], &[50], &[200]]];
    let expected: [&[usize]; 6] = [&[], &[0], &[], &[4096], &[0, 4096], &[50, 200]];
    assert_eq!(announced(&steps), expected);
}

#[test]
fn the_size_of_a_table_may_change_twice_in_one_frame() {
    // Its values are taken in their order (RFC 9113, section 6.5.3).
    assert_eq!(announced(&[&[], &[&[0, 4096]]]), [&[][..], &[0, 4096]]);
}

#[test]
fn a_client_that_has_many_malformed_requests_stays_a_client() {
    let server = WrongServer::start(Behaviour::Echo).unwrap();
    let proxy = Watched::before(&[server.addr]);
    let mut client = Peer::connect(proxy.addr());
    let mut bytes = Vec::new();
    for stream in (1..4001).step_by(2) {
        let block = hpack::block(&with(("connection", "close")));
        Frame::new(kind::HEADERS, flag::END_HEADERS, stream, block).encode(&mut bytes);
    }
    client.write(&bytes);
    let resets = client.said();
    assert!(resets.iter().all(|frame| frame.kind == kind::RST_STREAM));
    assert_eq!(resets.len(), 2000);
    eventually(|| proxy.count("malformed_total") == 2000);
    client.headers(4001, &POST, true);
    assert_eq!(shape(&client.stream(4001)), ["HEADERS", "HEADERS end"]);
}
