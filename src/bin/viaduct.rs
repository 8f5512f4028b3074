//! The command `viaduct`: the forwarding proxy, and tools around gRPC servers.
//!
//! Each subcommand is a struct of arguments and a function that runs it, in [`viaduct::tool`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use viaduct::tool::{self, call, describe, health, list, proxy};

/// Forwards gRPC, calls gRPC servers and looks at them.
#[derive(Debug, Parser)]
#[command(name = "viaduct", version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

// What the command can do: a subcommand has one line here and one in `main`.
#[derive(Debug, Subcommand)]
enum Command {
    Call(call::Arguments),
    List(list::Arguments),
    Describe(describe::Arguments),
    Health(health::Arguments),
    Proxy(proxy::Arguments),
}

fn main() -> ExitCode {
    match Line::parse().command {
        Command::Call(arguments) => tool::run(call::run(arguments)),
        Command::List(arguments) => tool::run(list::run(arguments)),
        Command::Describe(arguments) => tool::run(describe::run(arguments)),
        Command::Health(arguments) => tool::run(health::run(arguments)),
        Command::Proxy(arguments) => tool::run(proxy::run(arguments)),
    }
}
