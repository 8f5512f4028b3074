//! `c/server.c` in Rust: the unary echo on Viaduct's server, answered on the reactor's own thread.

use viaduct::codec::frame;
use viaduct::reactor::{self, Reactor};
use viaduct::server::{Inbox, Listener, RequestShape, Router, Server, ServerConfig};
use viaduct_bench::{Failure, peer};

/// Handlers between two turns of the reactor, as in the C API.
const HANDLERS_A_TURN: usize = 64;

fn main() -> Result<(), Failure> {
    let reactor = Reactor::threaded()?;
    let mut router = Router::new();
    router.add("/bench.Echo/Unary", RequestShape::One)?;
    let listener = Listener::bind("http://127.0.0.1:0", None)?;
    let port = listener.target().rsplit(':').next().unwrap_or_default().to_owned();
    let inbox = Inbox::new(ServerConfig::default().max_queued);
    let handle = reactor.handle().ok_or("the reactor has gone")?;
    let server = {
        let _inside = handle.enter();
        Server::start(ServerConfig::default(), router, vec![listener], inbox.clone())?
    };
    handle.spawn(async move {
        loop {
            inbox.ready().await;
            for _ in 0..HANDLERS_A_TURN {
                let Some(incoming) = inbox.pop() else { break };
                let message = incoming.message.unwrap_or_default().into_bytes();
                if let Ok(framed) = frame(&message, incoming.call.encoding()) {
                    // The client may have gone.
                    let _ = incoming.call.reply(framed, Default::default());
                }
            }
            reactor::turn().await;
        }
    });
    peer::say(&format!("port {port}"))?;
    reactor.block_on(server.drained());
    Ok(())
}
