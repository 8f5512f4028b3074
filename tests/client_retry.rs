//! Retries, hedging and what else a service config says of calls.

mod client_kit;

use std::sync::Arc;
use std::time::Duration;

use client_kit::script::{Act, Server};
use client_kit::*;
use viaduct::Code;
use viaduct::client::{Call, CallOptions, Channel, ChannelOptions, Outcome, ServiceConfig};
use viaduct::deadline::parse_timeout;
use viaduct_testkit::{Behaviour, WrongServer};

const UNAVAILABLE: Act = Act::Fail(Code::Unavailable, 0);

fn options(json: &str) -> ChannelOptions {
    ChannelOptions { service_config: Some(Arc::new(ServiceConfig::parse(json).unwrap())), ..impatient() }
}

fn by_method(json: &str) -> ChannelOptions {
    options(&format!(r#"{{"methodConfig": [{{"name": [{{"service": "test.Echo"}}], {json}}}]}}"#))
}

fn retry(attempts: u32, backoff: &str) -> String {
    format!(
        r#""retryPolicy": {{"maxAttempts": {attempts}, "initialBackoff": "{backoff}", "maxBackoff": "{backoff}",
            "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE", "ABORTED"]}}"#
    )
}

fn hedging(attempts: u32, delay: &str) -> String {
    format!(
        r#""hedgingPolicy": {{"maxAttempts": {attempts}, "hedgingDelay": "{delay}",
            "nonFatalStatusCodes": ["UNAVAILABLE"]}}"#
    )
}

/// Retries after 5 ms.
fn quick(attempts: u32) -> ChannelOptions {
    by_method(&retry(attempts, "0.005s"))
}

async fn stream(channel: &Channel) -> Call {
    channel.call(method(), None, within(20.0)).await
}

/// The messages and the code.
async fn rest(call: &Call) -> (Vec<Vec<u8>>, Code) {
    let mut messages = Vec::new();
    while let Some(message) = call.recv().await {
        messages.push(message.into_bytes().to_vec());
    }
    (messages, call.wait_end().await.0.code())
}

fn is_unavailable(outcome: &Outcome) -> bool {
    outcome.status.code() == Code::Unavailable && outcome.status.message() == "on purpose"
}

#[tokio::test]
async fn a_call_is_retried_until_it_succeeds() {
    let server = Server::start(&[UNAVAILABLE, Act::Fail(Code::Aborted, 1)], Act::Echo).await;
    let channel = channel(&server.target(), quick(4));
    assert!(is_hello(&hello(&channel).await));
    assert_eq!(server.previous(), [None, Some("1".into()), Some("2".into())]);
    assert!(server.seen()[2].messages == [b"hello"]);
    // The next call begins anew, and so does one that streams its answer.
    server.then(&[UNAVAILABLE, Act::Chat]);
    let call = channel.call(method(), Some(framed(b"one")), within(20.0)).await;
    assert_eq!(rest(&call).await, (vec![b"one".to_vec()], Code::Ok));
    assert_eq!(server.previous()[3..], [None, Some("1".into())]);
    assert!(call.headers().is_some() && call.is_half_closed());
}

#[tokio::test]
async fn what_is_not_retried() {
    for (acts, attempts, code, channel_options) in [
        (vec![UNAVAILABLE; 9], 3, Code::Unavailable, quick(3)),
        (vec![UNAVAILABLE; 9], 5, Code::Unavailable, quick(99)),
        (vec![Act::FailLate(Code::Unavailable)], 1, Code::Unavailable, quick(3)),
        (vec![Act::Fail(Code::NotFound, 0)], 1, Code::NotFound, quick(3)),
        (vec![UNAVAILABLE, Act::Fail(Code::NotFound, 0)], 2, Code::NotFound, quick(3)),
        (vec![UNAVAILABLE], 1, Code::Unavailable, ChannelOptions { retries: false, ..quick(3) }),
        (vec![UNAVAILABLE], 1, Code::Unavailable, ChannelOptions { retry_buffer: 9, ..quick(3) }),
        (
            vec![UNAVAILABLE],
            1,
            Code::Unavailable,
            options(
                &r#"{"methodConfig": [{"name": [{"service": "x"}], R}]}"#.replace('R', &retry(3, "0.005s")),
            ),
        ),
    ] {
        let server = Server::start(&acts, Act::Echo).await;
        let outcome = hello(&channel(&server.target(), channel_options)).await;
        assert_eq!((server.attempts(), outcome.status.code()), (attempts, code), "{acts:?}");
    }
}

#[tokio::test]
async fn failures_of_connections_and_proxies_are_retried() {
    for (behaviour, streams) in
        [(Behaviour::Html(503), 3), (Behaviour::CutBeforeHeaders, 3), (Behaviour::Html(404), 1)]
    {
        let server = WrongServer::start(behaviour).unwrap();
        let outcome = hello(&channel(&format!("http://{}", server.addr), quick(3))).await;
        assert_ne!(outcome.status.code(), Code::Ok);
        assert_eq!(server.stats().streams, streams, "{behaviour}: {:?}", outcome.status);
    }
}

#[tokio::test]
async fn nobody_there_is_a_failure_like_others_but_a_closed_channel_is_the_end() {
    for policy in [retry(5, "0.2s"), hedging(5, "0.2s")] {
        let addr = nobody();
        let channel = channel(&format!("http://{addr}"), by_method(&policy));
        let calling = tokio::spawn({
            let channel = channel.clone();
            async move { hello(&channel).await }
        });
        eventually(|| channel.state(false) == viaduct::client::Connectivity::TransientFailure).await;
        let _server = Server::on(tokio::net::TcpListener::bind(addr).await.unwrap(), &[], Act::Echo);
        let outcome = calling.await.unwrap();
        // Hedges that fail start the next one at once, most likely within the channel's own pause.
        assert!(is_hello(&outcome) || policy.contains("hedging"), "{:?}", outcome.status);
        channel.close();
        assert_eq!(hello(&channel).await.status.message(), "the channel is closed");
    }
}

#[tokio::test]
async fn the_server_says_when_or_never() {
    // Our own pause would be longer than the call may take.
    let slow = by_method(&retry(3, "100s"));
    let server = Server::start(&[Act::Push(Code::Unavailable, "20")], Act::Echo).await;
    assert!(is_hello(&hello(&channel(&server.target(), slow)).await));
    assert_eq!(server.attempts(), 2);
    for never in ["-1", "soon"] {
        let server = Server::start(&[Act::Push(Code::Unavailable, never)], Act::Echo).await;
        let outcome = hello(&channel(&server.target(), quick(3))).await;
        assert!(is_unavailable(&outcome), "{:?}", outcome.status);
        assert_eq!(server.attempts(), 1, "{never}");
    }
}

#[tokio::test]
async fn too_many_failures_stop_retries_and_successes_bring_them_back() {
    let json = format!(
        r#"{{"methodConfig": [{{"name": [{{}}], {}}}], "retryThrottling": {{"maxTokens": 4, "tokenRatio": 1}}}}"#,
        retry(5, "0.005s")
    );
    let server = Server::start(&[UNAVAILABLE; 3], Act::Echo).await;
    let channel = channel(&server.target(), options(&json));
    // 4 tokens, then 3: once more; then 2, which is not more than half of them.
    assert!(is_unavailable(&hello(&channel).await));
    assert_eq!(server.attempts(), 2);
    assert!(is_unavailable(&hello(&channel).await));
    assert_eq!(server.attempts(), 3);
    // One is left; codes that no attempt would mend do not count.
    server.then(&[Act::Fail(Code::NotFound, 0)]);
    assert_eq!(hello(&channel).await.status.code(), Code::NotFound);
    for _ in 0..3 {
        assert!(is_hello(&hello(&channel).await));
    }
    server.then(&[UNAVAILABLE]);
    assert!(is_hello(&hello(&channel).await));
    assert_eq!(server.attempts(), 9);
}

#[tokio::test]
async fn a_client_stream_is_replayed() {
    let server = Server::start(&[Act::Fail(Code::Unavailable, 2)], Act::Echo).await;
    let call = stream(&channel(&server.target(), quick(3))).await;
    call.send(framed(b"one")).await.unwrap();
    call.send(framed(b"two")).await.unwrap();
    // Nobody reads, and yet it is sent again.
    eventually(|| server.attempts() == 2).await;
    call.send(framed(b"three")).await.unwrap();
    assert_eq!(call.try_send(framed(b"four")), Ok(None));
    call.half_close();
    let all = [&b"one"[..], b"two", b"three", b"four"].map(<[u8]>::to_vec);
    assert_eq!(rest(&call).await, (all.to_vec(), Code::Ok));
    let seen = server.seen();
    assert_eq!((seen[1].messages.as_slice(), seen[1].ended), (all.as_slice(), true));
    assert_eq!((seen.len(), seen[1].previous()), (2, Some("1")));
}

#[tokio::test]
async fn a_half_closed_stream_is_replayed_whole() {
    // Refused only after the half-close, with and without messages.
    for messages in [0, 3] {
        let server = Server::start(&[Act::Fail(Code::Unavailable, 99)], Act::Echo).await;
        let call = stream(&channel(&server.target(), quick(3))).await;
        for _ in 0..messages {
            call.send(framed(b"x")).await.unwrap();
        }
        call.half_close();
        assert_eq!(rest(&call).await, (vec![b"x".to_vec(); messages], Code::Ok));
        let seen = server.seen();
        assert!(seen.len() == 2 && seen.iter().all(|seen| seen.ended && seen.messages.len() == messages));
    }
}

#[tokio::test]
async fn a_bidi_stream_is_replayed_until_its_answer_begins() {
    let server = Server::start(&[Act::Fail(Code::Unavailable, 1)], Act::Chat).await;
    let channel = channel(&server.target(), quick(3));
    let call = stream(&channel).await;
    for text in [&b"one"[..], b"two", b"three"] {
        call.send(framed(text)).await.unwrap();
        assert_eq!(&call.recv().await.unwrap().into_bytes()[..], text);
    }
    assert_eq!(server.previous(), [None, Some("1".into())]);
    call.half_close();
    assert_eq!(rest(&call).await, (vec![], Code::Ok));
}

#[tokio::test]
async fn what_is_too_much_to_keep_is_sent_once() {
    for (buffer, attempts, messages, code) in [(1214, 1, 0, Code::Unavailable), (1215, 2, 3, Code::Ok)] {
        let server = Server::start(&[Act::Fail(Code::Unavailable, 3)], Act::Echo).await;
        let channel = channel(&server.target(), ChannelOptions { retry_buffer: buffer, ..quick(3) });
        let call = stream(&channel).await;
        for length in [600, 600, 0] {
            call.send(framed(&vec![7; length])).await.unwrap();
        }
        call.half_close();
        let (received, ended) = rest(&call).await;
        assert_eq!((server.attempts(), received.len(), ended), (attempts, messages, code), "{buffer}");
    }
    // Between two attempts it waits for the next one, and makes it the last.
    let server = Server::start(&[Act::Push(Code::Unavailable, "1000")], Act::Echo).await;
    let call = stream(&channel(&server.target(), ChannelOptions { retry_buffer: 1000, ..quick(3) })).await;
    eventually(|| server.attempts() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.send(framed(&[1; 600])).await.unwrap();
    assert!(call.try_send(framed(&[2; 600])).unwrap().is_some());
    call.send(framed(&[2; 600])).await.unwrap();
    eventually(|| server.attempts() == 2).await;
    call.half_close();
    assert_eq!(rest(&call).await, (vec![vec![1; 600], vec![2; 600]], Code::Ok));
    // Far more than the buffer arrives whole.
    let server = Server::start(&[], Act::Echo).await;
    let call = stream(&channel(&server.target(), quick(3))).await;
    for _ in 0..40 {
        call.send(framed(&[7; 20_000])).await.unwrap();
    }
    call.half_close();
    let (messages, code) = rest(&call).await;
    assert_eq!((messages.len(), code, server.attempts()), (40, Code::Ok, 1));
}

#[tokio::test]
async fn the_deadline_ends_pauses() {
    let server = Server::start(&[], UNAVAILABLE).await;
    let channel = channel(&server.target(), by_method(&retry(3, "100s")));
    let outcome = channel.unary(method(), framed(b"x"), within(0.3)).await;
    assert_eq!(outcome.status.code(), Code::DeadlineExceeded);
    assert!(outcome.status.message().contains("ended with Unavailable: on purpose"), "{:?}", outcome.status);
    let call = channel.call(method(), None, within(0.3)).await;
    assert_eq!(call.wait_end().await.0.code(), Code::DeadlineExceeded);
    assert_eq!(server.attempts(), 2);
}

#[tokio::test]
async fn cancelling_ends_pauses() {
    let server = Server::start(&[], UNAVAILABLE).await;
    let channel = channel(&server.target(), by_method(&retry(3, "0.3s")));
    let call = stream(&channel).await;
    let reader = tokio::spawn({
        let call = call.clone();
        async move { call.recv().await.is_none() }
    });
    eventually(|| server.attempts() == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.cancel();
    assert!(tokio::time::timeout(Duration::from_secs(10), reader).await.unwrap().unwrap());
    assert_eq!(call.end().unwrap().0.code(), Code::Cancelled);
    assert!(call.send(framed(b"x")).await.is_err() && call.is_over());
    // Nor is a call sent again that nobody has any more.
    drop(stream(&channel).await);
    let unread = hello(&channel);
    assert!(tokio::time::timeout(Duration::from_millis(100), unread).await.is_err());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(server.previous().iter().all(Option::is_none), "{:?}", server.previous());
}

#[tokio::test]
async fn whoever_cancels_before_they_were_told_of_the_end_is_told_cancelled() {
    let server = Server::start(&[], UNAVAILABLE).await;
    let channel = channel(&server.target(), by_method(&retry(2, "0.01s")));
    // The engine has ended it, and nobody has asked.
    let call = stream(&channel).await;
    eventually(|| call.end().is_some()).await;
    call.cancel();
    let (status, trailers) = call.wait_end().await;
    assert_eq!((status.code(), trailers.len()), (Code::Cancelled, 0));
    assert!(call.recv().await.is_none());
    // What was told stays.
    let call = stream(&channel).await;
    assert_eq!(call.wait_end().await.0.code(), Code::Unavailable);
    call.cancel();
    assert_eq!(call.tell().unwrap().0.code(), Code::Unavailable);
    assert_eq!(call.wait_end().await.0.code(), Code::Unavailable);
    // Also where the end is the deadline's.
    server.then(&[Act::Hang]);
    let call = channel.call(method(), None, within(0.2)).await;
    eventually(|| call.end().is_some()).await;
    call.cancel();
    assert_eq!(call.response().await.status.code(), Code::Cancelled);
}

#[tokio::test]
async fn the_first_hedge_that_answers_wins() {
    let server = Server::start(&[Act::Hang, Act::Hang], Act::Echo).await;
    let channel = channel(&server.target(), by_method(&hedging(3, "0.02s")));
    assert!(is_hello(&hello(&channel).await));
    assert_eq!(server.previous(), [None, Some("1".into()), Some("2".into())]);
    eventually(|| server.seen()[..2].iter().all(|seen| seen.reset == Some(h2::Reason::CANCEL))).await;
    assert_eq!(server.seen()[2].reset, None);
    // All at once, without a delay; what is streamed goes to each of them.
    server.then(&[Act::Hang, Act::Chat, Act::Hang]);
    let at_once = client_kit::channel(&server.target(), by_method(&hedging(3, "0s")));
    let call = stream(&at_once).await;
    eventually(|| server.attempts() == 6).await;
    call.send(framed(b"one")).await.unwrap();
    assert_eq!(&call.recv().await.unwrap().into_bytes()[..], b"one");
    call.send(framed(b"two")).await.unwrap();
    call.half_close();
    assert_eq!(rest(&call).await, (vec![b"two".to_vec()], Code::Ok));
    eventually(|| [3, 5].into_iter().all(|n: usize| server.seen()[n].reset == Some(h2::Reason::CANCEL)))
        .await;
    assert_eq!(server.seen()[3].messages, [b"one"]);
}

#[tokio::test]
async fn failures_of_hedges() {
    // One that is not fatal starts the next at once, however long the delay.
    let server = Server::start(&[UNAVAILABLE], Act::Echo).await;
    assert!(is_hello(&hello(&channel(&server.target(), by_method(&hedging(3, "100s")))).await));
    assert_eq!(server.attempts(), 2);
    // One that is fatal ends them all.
    let server = Server::start(&[Act::Hang], Act::Fail(Code::InvalidArgument, 0)).await;
    let outcome = hello(&channel(&server.target(), by_method(&hedging(2, "0.02s")))).await;
    assert_eq!(outcome.status.code(), Code::InvalidArgument);
    eventually(|| server.seen()[0].reset == Some(h2::Reason::CANCEL)).await;
    // The last one that fails is the call's status.
    let server = Server::start(&[], UNAVAILABLE).await;
    assert!(is_unavailable(&hello(&channel(&server.target(), by_method(&hedging(4, "0.01s")))).await));
    assert_eq!(server.attempts(), 4);
    // Pushback says when, or never.
    let server = Server::start(&[Act::Push(Code::Unavailable, "20")], Act::Echo).await;
    assert!(is_hello(&hello(&channel(&server.target(), by_method(&hedging(3, "100s")))).await));
    let server = Server::start(&[Act::Push(Code::Unavailable, "-1")], Act::Echo).await;
    assert!(is_unavailable(&hello(&channel(&server.target(), by_method(&hedging(3, "100s")))).await));
    assert_eq!(server.attempts(), 1);
    // One that was refused unseen does not count.
    let server = Server::start(&[Act::Refuse(1), UNAVAILABLE], Act::Echo).await;
    assert!(is_hello(&hello(&channel(&server.target(), by_method(&hedging(2, "100s")))).await));
    assert_eq!(server.previous(), [None, None, Some("1".into())]);
}

#[tokio::test]
async fn hedges_are_throttled_and_end_with_their_call() {
    let json = format!(
        r#"{{"methodConfig": [{{"name": [{{}}], {}}}], "retryThrottling": {{"maxTokens": 2, "tokenRatio": 0.1}}}}"#,
        hedging(3, "0.05s")
    );
    let server = Server::start(&[UNAVAILABLE], Act::Hang).await;
    let channel = channel(&server.target(), options(&json));
    assert!(is_unavailable(&hello(&channel).await));
    assert_eq!(server.attempts(), 1);
    let outcome = channel.unary(method(), framed(b"x"), within(0.5)).await;
    assert_eq!((outcome.status.code(), server.attempts()), (Code::DeadlineExceeded, 2));
    // Cancelled, all of them are reset.
    let free = client_kit::channel(&server.target(), by_method(&hedging(3, "0s")));
    let call = stream(&free).await;
    eventually(|| server.attempts() == 5).await;
    call.cancel();
    eventually(|| server.seen()[1..].iter().all(|seen| seen.reset == Some(h2::Reason::CANCEL))).await;
    // As they are where the call is dropped.
    let call = stream(&free).await;
    eventually(|| server.attempts() == 8).await;
    drop(call);
    eventually(|| server.seen()[1..].iter().all(|seen| seen.reset == Some(h2::Reason::CANCEL))).await;
}

#[tokio::test]
async fn hedges_that_are_too_long_to_keep_are_one() {
    let server = Server::start(&[Act::Echo, Act::Echo], Act::Hang).await;
    let options = ChannelOptions { retry_buffer: 1000, ..by_method(&hedging(2, "0s")) };
    let call = stream(&channel(&server.target(), options)).await;
    eventually(|| server.attempts() == 2).await;
    call.send(framed(&[1; 600])).await.unwrap();
    call.send(framed(&[2; 600])).await.unwrap();
    call.half_close();
    assert_eq!(rest(&call).await, (vec![vec![1; 600], vec![2; 600]], Code::Ok));
    eventually(|| server.seen().iter().filter(|seen| seen.reset == Some(h2::Reason::CANCEL)).count() == 1)
        .await;
}

#[tokio::test]
async fn refused_streams_are_sent_again_once_without_a_policy() {
    for retries in [true, false] {
        let server = Server::start(&[Act::Refuse(1)], Act::Echo).await;
        let plain = channel(&server.target(), ChannelOptions { retries, ..ChannelOptions::default() });
        let call = stream(&plain).await;
        let sending = async {
            // The refusal comes at some time after the first one.
            for n in 0..50 {
                call.send(framed(&[n; 10])).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            call.half_close();
            Ok::<_, viaduct::client::call::Closed>(())
        };
        let sent = sending.await;
        let (messages, code) = rest(&call).await;
        if retries {
            assert_eq!((sent.is_ok(), messages.len(), code), (true, 50, Code::Ok));
            assert!(messages.iter().enumerate().all(|(n, message)| *message == vec![n as u8; 10]));
            assert_eq!(server.previous(), [None, None]);
        } else {
            assert_eq!((messages.len(), code, server.attempts()), (0, Code::Unavailable, 1));
            server.then(&[Act::Refuse(1)]);
            assert_eq!(hello(&plain).await.status.code(), Code::Unavailable);
            assert_eq!(server.attempts(), 2);
        }
    }
    // Twice is a failure, which a policy may mend; the refusal does not count as an attempt.
    let server = Server::start(&[Act::Refuse(1), Act::Refuse(1)], Act::Echo).await;
    assert_eq!(hello(&to(server.addr)).await.status.code(), Code::Unavailable);
    let server = Server::start(&[Act::Refuse(1), Act::Refuse(1)], Act::Echo).await;
    assert!(is_hello(&hello(&channel(&server.target(), quick(2))).await));
    assert_eq!(server.previous(), [None, None, Some("1".into())]);
    // A connection that goes away unprocessed takes no stream with it.
    let server = WrongServer::start(Behaviour::GoawayUnprocessed).unwrap();
    let call = stream(&to(server.addr)).await;
    call.send(framed(b"kept")).await.unwrap();
    eventually(|| server.stats().streams == 1).await;
    call.half_close();
    assert_eq!(rest(&call).await, (vec![b"kept".to_vec()], Code::Ok));
    assert_eq!(server.stats().connections, 2);
}

#[tokio::test]
async fn timeouts_and_limits_of_the_method_hold() {
    let server = Server::start(&[], Act::Hang).await;
    let short = channel(&server.target(), by_method(r#""timeout": "0.2s""#));
    let ended = short.unary(method(), framed(b"x"), CallOptions::default()).await;
    assert_eq!(ended.status.code(), Code::DeadlineExceeded);
    assert_eq!(
        short.unary(method(), framed(b"x"), within(100.0)).await.status.code(),
        Code::DeadlineExceeded
    );
    let call = short.call(method(), None, CallOptions::default()).await;
    assert_eq!(call.wait_end().await.0.code(), Code::DeadlineExceeded);
    let long = channel(&server.target(), by_method(r#""timeout": "100s""#));
    assert_eq!(long.unary(method(), framed(b"x"), within(0.1)).await.status.code(), Code::DeadlineExceeded);
    for (n, most) in [200, 200, 200, 100].into_iter().enumerate() {
        let said = parse_timeout(server.seen()[n].headers["grpc-timeout"].as_bytes()).unwrap();
        assert!(said <= Duration::from_millis(most), "{n}: {said:?}");
    }

    let server = Server::start(&[], Act::Echo).await;
    let small = channel(&server.target(), by_method(r#""maxRequestMessageBytes": 5"#));
    assert!(is_hello(&hello(&small).await));
    let refused = small.unary(method(), framed(b"hello!"), within(10.0)).await.status;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("6 bytes is over the limit of 5 bytes"), "{refused:?}");
    assert_eq!(server.attempts(), 1);
    let call = stream(&small).await;
    call.send([framed(b"a"), framed(b"hello")].concat().into()).await.unwrap();
    assert!(call.send([framed(b"a"), framed(b"hello!")].concat().into()).await.is_err());
    assert_eq!(rest(&call).await, (vec![], Code::ResourceExhausted));
    let taken = channel(&server.target(), by_method(r#""maxResponseMessageBytes": 4"#));
    assert_eq!(hello(&taken).await.status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn the_method_says_whether_to_wait_for_ready() {
    let addr = nobody();
    let waits = channel(&format!("http://{addr}"), by_method(r#""waitForReady": true"#));
    let refused = CallOptions { wait_for_ready: Some(false), ..within(20.0) };
    assert_eq!(waits.unary(method(), framed(b"x"), refused).await.status.code(), Code::Unavailable);
    let waiting = tokio::spawn(async move { hello(&waits).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _server = Server::on(tokio::net::TcpListener::bind(addr).await.unwrap(), &[], Act::Echo);
    assert!(is_hello(&waiting.await.unwrap()));
}
