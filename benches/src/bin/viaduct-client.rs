//! `c/client.c` in Rust: unary calls on Viaduct, on a reactor with a thread of its own. Prints one line of JSON.

use std::env;
use std::time::{Duration, Instant};

use viaduct::client::{CallOptions, Channel, ChannelOptions, Method, Target};
use viaduct::reactor::Reactor;
use viaduct_bench::measure::{cpu_time, micros, percentile};
use viaduct_bench::{Failure, peer};

/// Calls before the clock starts.
const WARM_UP: usize = 100;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, size, calls] = &arguments[..] else {
        return Err("usage: viaduct-client PORT SIZE CALLS".into());
    };
    let (size, calls): (usize, usize) = (size.parse()?, calls.parse()?);
    let reactor = Reactor::threaded()?;
    let target = Target::parse(&format!("http://127.0.0.1:{port}"))?;
    let channel = Channel::new(target, None, ChannelOptions::default())?;
    let (method, message) = (Method::parse("/bench.Echo/Unary")?, vec![b'x'; size]);
    let call = || {
        let request = channel.frame(&message, None)?;
        let outcome = reactor.block_on(channel.unary(method.clone(), request, CallOptions::default()));
        match outcome.message {
            Some(response) if response.len() == size => Ok::<(), Failure>(()),
            _ => Err(outcome.status.into()),
        }
    };
    for _ in 0..WARM_UP {
        call()?;
    }
    let mut times: Vec<Duration> = Vec::with_capacity(calls);
    let (cpu, start) = (cpu_time(), Instant::now());
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    let (cpu, wall) = (cpu_time() - cpu, start.elapsed());
    times.sort_unstable();
    let (p50, cpu) = (micros(percentile(&times, 0.5)), micros(cpu) / calls as f64);
    let rate = calls as f64 / wall.as_secs_f64();
    peer::say(&format!(r#"{{"p50_us": {p50:.2}, "cpu_us": {cpu:.2}, "calls_per_s": {rate:.0}}}"#))?;
    Ok(())
}
