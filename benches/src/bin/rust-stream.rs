//! The loop of `php/stream.php` in Rust, on bare h2: every message of a server stream, one after the other, each
//! counted and measured. Prints one line of JSON.

use std::env;
use std::time::Instant;

use viaduct_bench::client::Client;
use viaduct_bench::framing::frame;
use viaduct_bench::measure::{cpu_time, micros};
use viaduct_bench::{Failure, peer};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, count, size, calls] = &arguments[..] else {
        return Err("usage: rust-stream PORT COUNT SIZE CALLS".into());
    };
    let (count, size, calls): (usize, usize, usize) = (count.parse()?, size.parse()?, calls.parse()?);
    let mut client = Client::connect(port.parse()?)?;
    let uri = client.uri("ServerStream")?;
    let request = frame(format!("{count} {size}").as_bytes());
    let mut run = |calls: usize| {
        let (mut messages, mut bytes) = (0, 0);
        for _ in 0..calls {
            let mut stream = client.stream(&uri, &request)?;
            while let Some(message) = stream.receive()? {
                messages += 1;
                bytes += message.len();
            }
        }
        if (messages, bytes) != (calls * count, calls * count * size) {
            return Err(Failure::from(format!("{messages} messages of {bytes} bytes came")));
        }
        Ok(messages)
    };

    run(calls.div_ceil(10))?;
    let (cpu, start) = (cpu_time(), Instant::now());
    let messages = run(calls)? as f64;
    let (cpu, wall) = (cpu_time() - cpu, start.elapsed());
    let (rate, cpu) = (messages / wall.as_secs_f64(), micros(cpu) / messages);
    peer::say(&format!(r#"{{"messages_per_s": {rate:.0}, "cpu_us": {cpu:.4}}}"#))?;
    Ok(())
}
