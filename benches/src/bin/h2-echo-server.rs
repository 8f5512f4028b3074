//! The echo service on bare h2, on one thread: the peer of the client benches, so that it is never the slower side.
//!
//! Answers a call with as few writes as there can be: headers, messages and trailers are queued before the connection
//! is polled again. Streams go out in full DATA frames.

use std::future::poll_fn;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use viaduct_bench::framing::{Deframer, frame};
use viaduct_bench::{Failure, StreamSpec, peer};

const WINDOW: u32 = 16 << 20;
/// How much of a stream is framed at once.
const BLOCK: usize = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let listener = peer::listen().await?;
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(socket).await {
                eprintln!("h2-echo-server: {error}");
            }
        });
    }
}

async fn serve(socket: TcpStream) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(4 * BLOCK);
    let mut connection = builder.handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        // A client that leaves ends its connection as it likes.
        let Ok((request, respond)) = call else { return Ok(()) };
        tokio::spawn(async move {
            if let Err(error) = answer(request, respond).await {
                eprintln!("h2-echo-server: {error}");
            }
        });
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), Failure> {
    let (head, mut body) = request.into_parts();
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));

    match head.uri.path() {
        "/bench.Echo/Unary" => {
            let mut chunks = Vec::new();
            while let Some(chunk) = next(&mut body).await? {
                chunks.push(chunk);
            }
            let mut out = respond.send_response(response, false)?;
            for chunk in chunks {
                out.send_data(chunk, false)?;
            }
            out.send_trailers(trailers)?;
        }
        "/bench.Echo/ServerStream" => {
            let request = first_message(&mut body).await?;
            let spec: StreamSpec = String::from_utf8_lossy(&request).parse()?;
            let mut out = respond.send_response(response, false)?;
            stream(spec, &mut out).await?;
            out.send_trailers(trailers)?;
        }
        "/bench.Echo/ClientStream" => {
            let mut deframer = Deframer::default();
            let mut count = 0u64;
            while let Some(chunk) = next(&mut body).await? {
                deframer.push(chunk);
                while deframer.next_message().is_some() {
                    count += 1;
                }
            }
            let mut out = respond.send_response(response, false)?;
            out.send_data(frame(count.to_string().as_bytes()), false)?;
            out.send_trailers(trailers)?;
        }
        "/bench.Echo/Bidi" => {
            let mut out = respond.send_response(response, false)?;
            while let Some(chunk) = next(&mut body).await? {
                send(chunk, &mut out).await?;
            }
            out.send_trailers(trailers)?;
        }
        _ => {
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("12"));
            respond.send_response(response, true)?;
        }
    }
    Ok(())
}

async fn next(body: &mut RecvStream) -> Result<Option<Bytes>, Failure> {
    let Some(chunk) = body.data().await else { return Ok(None) };
    let chunk = chunk?;
    body.flow_control().release_capacity(chunk.len())?;
    Ok(Some(chunk))
}

async fn first_message(body: &mut RecvStream) -> Result<Bytes, Failure> {
    let mut deframer = Deframer::default();
    while let Some(chunk) = next(body).await? {
        deframer.push(chunk);
        if let Some(message) = deframer.next_message() {
            return Ok(message);
        }
    }
    Err("a call without a message".into())
}

async fn stream(spec: StreamSpec, out: &mut SendStream<Bytes>) -> Result<(), Failure> {
    let in_block = (BLOCK / (5 + spec.size)).clamp(1, spec.count.max(1));
    let block = spec.framed(in_block);
    let mut left = spec.count;
    while left > 0 {
        let messages = left.min(in_block);
        send(block.slice(..messages * (5 + spec.size)), out).await?;
        left -= messages;
    }
    Ok(())
}

/// Sends bytes as far as the client takes them.
async fn send(mut bytes: Bytes, out: &mut SendStream<Bytes>) -> Result<(), Failure> {
    while !bytes.is_empty() {
        out.reserve_capacity(bytes.len());
        while out.capacity() == 0 {
            poll_fn(|context| out.poll_capacity(context)).await.ok_or("the client closed the stream")??;
        }
        let now = out.capacity().min(bytes.len());
        out.send_data(bytes.split_to(now), false)?;
    }
    Ok(())
}
