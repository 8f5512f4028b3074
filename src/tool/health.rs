//! `viaduct health`: whether a server wants to be called.

use tonic::{Code, Status};

use super::server::{Server, ServerArguments};
use super::{Failure, print};
use crate::discovery::health::{Health, Watch, check};

/// Ask a server whether it is serving (grpc.health.v1)
///
/// Prints SERVING and the like. Exit code 0 where it is SERVING; 1 where it is not; 2 for wrong arguments; 64
/// and a gRPC status' number where the server cannot be asked (69 for a service it does not have).
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// package.Service; the whole server where nothing is given
    #[arg(value_name = "SERVICE", default_value = "", hide_default_value = true)]
    service: String,
    /// Print every change, until the server or the --timeout ends it
    #[arg(long)]
    watch: bool,
}

/// Runs it.
///
/// # Errors
///
/// What went wrong, or [`Failure::NotServing`].
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = arguments.server.open()?;
    if !arguments.watch {
        let health = check(&server.questions(), &arguments.service)
            .await
            .map_err(|status| failed(&server, &status))?;
        print(health.name())?;
        return if health == Health::Serving { Ok(()) } else { Err(Failure::NotServing) };
    }
    let watch = Watch::start(&server.channel, &arguments.service, server.options()).await;
    let mut watch = watch.map_err(|status| failed(&server, &status))?;
    loop {
        let health = watch.next().await.map_err(|status| failed(&server, &status))?;
        print(health.name())?;
    }
}

fn failed(server: &Server, status: &Status) -> Failure {
    match status.code() {
        Code::Unimplemented => {
            Failure::ended(&format!("the server at {} has no health service:", server.name()), status)
        }
        _ => Failure::ended(&format!("asking {} for its health ended", server.name()), status),
    }
}
