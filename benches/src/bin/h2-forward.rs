//! The floor of the proxy bench: forwards every call to one backend, on bare h2 and one thread, with flow control
//! coupled from end to end. It routes, maps, counts and times nothing.

use std::env;
use std::future::poll_fn;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::TcpStream;
use viaduct_bench::{Failure, peer};

/// For each stream, on both sides; and for each connection.
const WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let port: u16 = env::args().nth(1).ok_or("usage: h2-forward BACKEND_PORT")?.parse()?;
    let socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let (backend, connection) = builder.handshake(socket).await?;
    // How the connection ends is seen by the calls on it.
    tokio::spawn(async move { connection.await.ok() });

    let listener = peer::listen().await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let backend = backend.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(socket, backend).await {
                eprintln!("h2-forward: {error}");
            }
        });
    }
}

async fn serve(socket: TcpStream, backend: SendRequest<Bytes>) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let mut connection = builder.handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        // A client that leaves ends its connection as it likes.
        let Ok((request, respond)) = call else { return Ok(()) };
        let backend = backend.clone();
        tokio::spawn(async move {
            // An end of one call, in whatever way, is the end of that call.
            forward(request, respond, backend).await.ok();
        });
    }
    Ok(())
}

async fn forward(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    mut backend: SendRequest<Bytes>,
) -> Result<(), Failure> {
    let (head, body) = request.into_parts();
    let ended = body.is_end_stream();
    poll_fn(|context| backend.poll_ready(context)).await?;
    let (response, to_backend) = backend.send_request(Request::from_parts(head, ()), ended)?;
    let upload = async {
        if !ended {
            copy(body, to_backend).await?;
        }
        Ok::<_, Failure>(())
    };
    let download = async {
        let (head, body) = response.await?.into_parts();
        let ended = body.is_end_stream();
        let to_client = respond.send_response(Response::from_parts(head, ()), ended)?;
        if !ended {
            copy(body, to_client).await?;
        }
        Ok(())
    };
    tokio::try_join!(upload, download)?;
    Ok(())
}

/// Takes from one side only what the other has room for.
async fn copy(mut from: RecvStream, mut to: SendStream<Bytes>) -> Result<(), Failure> {
    while let Some(bytes) = from.data().await {
        let mut bytes = bytes?;
        // An end in a frame of its own is one frame more, and h2 takes only so many that are empty.
        let last = from.is_end_stream();
        while !bytes.is_empty() {
            to.reserve_capacity(bytes.len());
            while to.capacity() == 0 {
                poll_fn(|context| to.poll_capacity(context)).await.ok_or("the stream was closed")??;
            }
            let part = bytes.split_to(to.capacity().min(bytes.len()));
            let size = part.len();
            to.send_data(part, last && bytes.is_empty())?;
            from.flow_control().release_capacity(size)?;
            if last && bytes.is_empty() {
                return Ok(());
            }
        }
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers)?,
        None => to.send_data(Bytes::new(), true)?,
    }
    Ok(())
}
