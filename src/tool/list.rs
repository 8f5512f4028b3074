//! `viaduct list`: which services a server has, and which methods a service has.

use super::schema::Schema;
use super::server::ServerArguments;
use super::{Failure, print};

/// List a server's services, or a service's methods
///
/// By the server's reflection. Exit code 0; 2 for wrong arguments; 64 and a gRPC status' number where
/// the server cannot be asked (69 for a service it does not have).
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// package.Service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
}

/// Runs it.
///
/// # Errors
///
/// What went wrong.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = arguments.server.open()?;
    let mut schema = Schema::of(&server)?;
    let Some(name) = arguments.service else {
        let services = schema.services().await?;
        return services.iter().try_for_each(|service| print(service));
    };
    let Some(service) = schema.with(&name).await?.get_service_by_name(&name) else {
        return Err(Failure::not_found(format!("{name} is not a service")));
    };
    let mut methods = service.methods();
    methods.try_for_each(|method| print(&format!("{}/{}", service.full_name(), method.name())))
}
