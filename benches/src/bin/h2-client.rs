//! The floor of the client benches: bare h2 on an inline runtime. Prints one line of JSON.

use std::env;
use std::time::{Duration, Instant};

use viaduct_bench::client::Client;
use viaduct_bench::framing::frame;
use viaduct_bench::measure::{cpu_time, micros, percentile};
use viaduct_bench::{Failure, StreamSpec, peer};

const USAGE: &str = "usage: h2-client PORT unary SIZE CALLS
       h2-client PORT stream COUNT SIZE CALLS";
/// Calls before the clock starts; the PHP scripts make as many.
const WARM_UP: usize = 100;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (method, message, bytes, calls) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "unary", size, calls] => {
            let message = frame(&vec![b'x'; size.parse()?]);
            ("Unary", message.clone(), message.len(), calls.parse()?)
        }
        [_, "stream", count, size, calls] => {
            let spec = StreamSpec { count: count.parse()?, size: size.parse()? };
            let request = frame(format!("{count} {size}").as_bytes());
            ("ServerStream", request, spec.count * (5 + spec.size), calls.parse()?)
        }
        _ => return Err(USAGE.into()),
    };
    let mut client = Client::connect(arguments[0].parse()?)?;
    let uri = client.uri(method)?;
    let mut call = || match client.call(&uri, &message)? {
        got if got == bytes => Ok(()),
        got => Err(Failure::from(format!("{got} bytes came, {bytes} were expected"))),
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
    let (p50, p99) = (micros(percentile(&times, 0.5)), micros(percentile(&times, 0.99)));
    let cpu = micros(cpu) / calls as f64;
    let rate = calls as f64 / wall.as_secs_f64();
    peer::say(&format!(
        r#"{{"p50_us": {p50:.2}, "p99_us": {p99:.2}, "cpu_us": {cpu:.2}, "calls_per_s": {rate:.0}}}"#
    ))?;
    Ok(())
}
