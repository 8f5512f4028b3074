//! A peer that speaks HTTP/2 wrong on purpose, for tests that are no Rust.
//!
//! Prints `port N` once it listens. A line `stats` on stdin is answered with one line of counts, `frames` with one
//! line for each stream and an empty one; at the end of stdin, or at SIGTERM, it prints the counts and ends.

use std::error::Error;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, thread};

use tokio::signal::unix::{SignalKind, signal};
use viaduct_testkit::{Behaviour, WrongServer};

const USAGE: &str = "usage: wrong-server BEHAVIOUR [--port N] [--connections-file FILE]
       wrong-server --list
FILE holds how many connections there have been; the port is of the system's choice unless given.";

#[derive(Default)]
struct Options {
    behaviour: Option<Behaviour>,
    port: u16,
    connections_file: Option<PathBuf>,
    list: bool,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => options.list = true,
            "--port" => options.port = arguments.next().ok_or(USAGE)?.parse()?,
            "--connections-file" => options.connections_file = Some(arguments.next().ok_or(USAGE)?.into()),
            "--help" | "-h" => return Err(USAGE.into()),
            name => options.behaviour = Some(name.parse()?),
        }
    }
    Ok(options)
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    if options.list {
        return list();
    }
    let behaviour = options.behaviour.ok_or(USAGE)?;
    let accepted = move |count: u64| {
        if let Some(file) = &options.connections_file
            && let Err(error) = fs::write(file, format!("{count}\n"))
        {
            eprintln!("{}: {error}", file.display());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _guard = runtime.enter();
    // Before the port is known: from then on the signal may come.
    let mut terminated = signal(SignalKind::terminate())?;
    let server = WrongServer::start_on((Ipv4Addr::LOCALHOST, options.port).into(), behaviour, accepted)?;
    say(&format!("port {}", server.addr.port()))?;

    let server = Arc::new(server);
    let of_stdin = server.clone();
    let (closed, stdin_closed) = tokio::sync::oneshot::channel::<()>();
    thread::spawn(move || {
        // Dropped with the thread, and that is the message.
        let _closed = closed;
        answer_stdin(&of_stdin)
    });

    runtime.block_on(async {
        tokio::select! {
            _ = terminated.recv() => (),
            _ = stdin_closed => (),
        }
    });
    say(&server.stats().to_string())?;
    Ok(())
}

fn list() -> Result<(), Box<dyn Error>> {
    for behaviour in Behaviour::all() {
        say(&behaviour.to_string())?;
    }
    Ok(())
}

fn answer_stdin(server: &WrongServer) -> io::Result<()> {
    for line in io::stdin().lines() {
        match line?.trim() {
            "stats" => say(&server.stats().to_string())?,
            "frames" => {
                for stream in server.frames() {
                    say(&stream.to_string())?;
                }
                say("")?;
            }
            other => eprintln!("not a question: {other:?} (stats, frames)"),
        }
    }
    Ok(())
}

/// A line on stdout, at once: it is a pipe as a rule.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
