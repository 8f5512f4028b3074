//! Both echo servers answer all four kinds alike, and the forwarder changes nothing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use viaduct_bench::client::Client;
use viaduct_bench::framing::frame;
use viaduct_bench::{Failure, StreamSpec};

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(program: &str, arguments: &[String]) -> Server {
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("port ").unwrap().parse().unwrap();
    Server(child, port)
}

fn messages(client: &mut Client, method: &str, request: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let uri = client.uri(method)?;
    let mut stream = client.stream(&uri, &request.to_vec().into())?;
    let mut messages = Vec::new();
    while let Some(message) = stream.receive()? {
        messages.push(message.to_vec());
    }
    Ok(messages)
}

fn all_kinds(program: &str) {
    through(&start(program, &[]));
}

fn through(server: &Server) {
    let mut client = Client::connect(server.1).unwrap();
    let x100 = vec![b'x'; 100];
    let three = StreamSpec { count: 3, size: 100 }.framed(3);
    for size in [0, 100, 1 << 20] {
        let message = vec![b'x'; size];
        assert_eq!(messages(&mut client, "Unary", &frame(&message)).unwrap(), [message]);
    }
    let spec = frame(b"30000 100");
    let got = messages(&mut client, "ServerStream", &spec).unwrap();
    assert!(got.len() == 30_000 && got.iter().all(|message| *message == x100));
    assert_eq!(messages(&mut client, "ServerStream", &frame(b"0 7")).unwrap().len(), 0);
    assert_eq!(messages(&mut client, "ClientStream", &three).unwrap(), [b"3".to_vec()]);
    assert_eq!(messages(&mut client, "Bidi", &three).unwrap(), vec![x100; 3]);
    assert!(messages(&mut client, "Nothing", &three).is_err());
}

#[test]
fn h2() {
    all_kinds(env!("CARGO_BIN_EXE_h2-echo-server"));
}

#[test]
fn forwarded() {
    let backend = start(env!("CARGO_BIN_EXE_h2-echo-server"), &[]);
    through(&start(env!("CARGO_BIN_EXE_h2-forward"), &[backend.1.to_string()]));
}

#[test]
fn tonic() {
    all_kinds(env!("CARGO_BIN_EXE_echo-server"));
}
