//! The binary, as a test that is no Rust would use it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use viaduct_testkit::Behaviour;

fn start(arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wrong-server"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn counts_on_request_and_at_the_end() {
    let file = std::env::temp_dir().join(format!("wrong-server-{}", std::process::id()));
    let (mut child, mut out) = start(&["silence", "--connections-file", file.to_str().unwrap()]);
    let port: u16 = line(&mut out).strip_prefix("port ").unwrap().parse().unwrap();
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    for _ in 0..100 {
        if fs::read_to_string(&file).is_ok_and(|text| text == "1\n") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"stats\nframes\n").unwrap();
    assert!(line(&mut out).starts_with("connections=1 open=1 streams=0 "));
    assert_eq!(line(&mut out), "");
    drop(stdin);
    assert!(line(&mut out).starts_with("connections=1 "));
    assert!(child.wait().unwrap().success());
    fs::remove_file(file).unwrap();
}

#[test]
fn sigterm_ends_it() {
    let (mut child, mut out) = start(&["echo"]);
    assert!(line(&mut out).starts_with("port "));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(line(&mut out).starts_with("connections=0 "));
    assert!(child.wait().unwrap().success());
}

#[test]
fn names() {
    let (mut child, out) = start(&["--list"]);
    let names: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert_eq!(names, Behaviour::all().iter().map(Behaviour::to_string).collect::<Vec<_>>());
    assert!(child.wait().unwrap().success());
    let (mut child, _) = start(&["no-such-thing"]);
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
