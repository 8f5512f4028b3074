//! Threads of ours may outlive `dlclose`, so the library must stay mapped. And `phpinfo()` names the
//! libraries under us, which do not tell their versions themselves.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    println!("cargo::rerun-if-changed={lock}");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    for name in ["h2", "rustls", "tokio"] {
        println!("cargo::rustc-env=VERSION_OF_{}={}", name.to_uppercase(), version(&lock, name));
    }
}

/// The version of a package in the text of a Cargo.lock.
fn version<'a>(lock: &'a str, name: &str) -> &'a str {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let line = lines.nth(1).unwrap_or_default();
    line.strip_prefix("version = \"").and_then(|rest| rest.strip_suffix('"')).unwrap_or("unknown")
}
