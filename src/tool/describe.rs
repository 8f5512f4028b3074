//! `viaduct describe`: services, methods, messages and enums as text.

use super::schema::Schema;
use super::server::ServerArguments;
use super::{Failure, print, text};
use crate::error::quote;

/// Describe a service, a method, a message, a field or an enum, as a .proto file does
///
/// By the server's reflection. Without a symbol: all services. Exit codes as with `list`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The full name: package.Service, package.Service/Method, package.Message, package.Message.field
    #[arg(value_name = "SYMBOL")]
    symbol: Option<String>,
}

/// Runs it.
///
/// # Errors
///
/// What went wrong.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = arguments.server.open()?;
    let mut schema = Schema::of(&server)?;
    let symbols = match arguments.symbol {
        Some(symbol) => vec![symbol.trim_start_matches(['.', '/']).replace('/', ".")],
        None => schema.services().await?,
    };
    for (n, symbol) in symbols.iter().enumerate() {
        let pool = schema.with_part(symbol).await?;
        let Some(text) = text::describe(pool, symbol) else {
            return Err(Failure::not_found(format!(
                "the server at {} has no symbol {}",
                server.name(),
                quote(symbol)
            )));
        };
        print(&if n > 0 { format!("\n{text}") } else { text })?;
    }
    Ok(())
}
