//! The echo service on tonic, on one thread: what a server in PHP is measured against.
//!
//! `echo-server` listens on a TCP port of the system's choice, `echo-server --unix PATH` on a socket.

use std::convert::Infallible;
use std::env;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::UnixListener;
use tonic::body::Body;
use tonic::codegen::tokio_stream::wrappers::UnixListenerStream;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt};
use tonic::codegen::{Service, http};
use tonic::server::{
    ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use viaduct_bench::codec::Raw;
use viaduct_bench::{Failure, StreamSpec, peer};

#[derive(Clone)]
struct Echo;

struct Unary;
struct ServerStream;
struct ClientStream;
struct Bidi;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl ServerStreamingService<Bytes> for ServerStream {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let request = request.into_inner();
        ready(match String::from_utf8_lossy(&request).parse::<StreamSpec>() {
            Ok(spec) => {
                let message = Bytes::from(vec![b'x'; spec.size]);
                let messages = std::iter::repeat_n(Ok(message), spec.count);
                Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
            }
            Err(error) => Err(Status::invalid_argument(error)),
        })
    }
}

impl ClientStreamingService<Bytes> for ClientStream {
    type Response = Bytes;
    type Future = Boxed<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut count = 0u64;
            while let Some(message) = messages.next().await {
                message?;
                count += 1;
            }
            Ok(Response::new(count.to_string().into()))
        })
    }
}

impl StreamingService<Bytes> for Bidi {
    type Response = Bytes;
    type ResponseStream = Streaming<Bytes>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl NamedService for Echo {
    const NAME: &str = "bench.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/bench.Echo/Unary" => grpc.unary(Unary, request).await,
                "/bench.Echo/ServerStream" => grpc.server_streaming(ServerStream, request).await,
                "/bench.Echo/ClientStream" => grpc.client_streaming(ClientStream, request).await,
                "/bench.Echo/Bidi" => grpc.streaming(Bidi, request).await,
                path => Status::unimplemented(format!("no method is called {path:?}")).into_http(),
            })
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let server = Server::builder().add_service(Echo);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let incoming = TcpIncoming::from(peer::listen().await?).with_nodelay(Some(true));
            server.serve_with_incoming(incoming).await?;
        }
        ["--unix", path] => {
            let listener = UnixListener::bind(path)?;
            peer::say(&format!("unix {path}"))?;
            server.serve_with_incoming(UnixListenerStream::new(listener)).await?;
        }
        _ => return Err("usage: echo-server [--unix PATH]".into()),
    }
    Ok(())
}
