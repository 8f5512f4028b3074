//! Threads of ours may outlive `dlclose`, so the library must stay mapped. `phpinfo()` names the
//! libraries under us, which do not tell their versions themselves. And ext-php-rs does not bind the
//! structs of fibers, whose layout is that of the PHP we are built for.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    println!("cargo::rerun-if-changed={lock}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PHP_CONFIG");
    println!("cargo::rerun-if-env-changed=PATH");
    let lock = std::fs::read_to_string(lock).unwrap_or_default();
    for name in ["h2", "rustls", "tokio"] {
        println!("cargo::rustc-env=VERSION_OF_{}={}", name.to_uppercase(), version(&lock, name));
    }
    bind_fibers();
}

/// The version of a package in the text of a Cargo.lock.
fn version<'a>(lock: &'a str, name: &str) -> &'a str {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let line = lines.nth(1).unwrap_or_default();
    line.strip_prefix("version = \"").and_then(|rest| rest.strip_suffix('"')).unwrap_or("unknown")
}

/// Writes the bindings of zend_fibers.h; what the structs are made of is ext-php-rs' to bind.
fn bind_fibers() {
    let config = std::env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".to_owned());
    let includes = Command::new(&config).arg("--includes").output();
    let includes = includes.unwrap_or_else(|error| panic!("cannot run {config}: {error}"));
    let includes = String::from_utf8_lossy(&includes.stdout).into_owned();
    let bindings = bindgen::Builder::default()
        .header_contents("fibers.h", "#include <php.h>\n#include <Zend/zend_fibers.h>\n")
        .clang_args(includes.split_whitespace())
        .allowlist_recursively(false)
        .allowlist_type("_?zend_fiber(_context|_transfer|_coroutine|_clean|_status|_stack)?")
        .allowlist_function("zend_fiber_(switch_context|destroy_context|switch_blocked)")
        .layout_tests(false)
        .derive_debug(false)
        .no_copy("_zend_fiber|_zend_fiber_transfer")
        .raw_line("use ext_php_rs::ffi::*;")
        .raw_line("use ext_php_rs::types::Zval as zval;")
        .generate()
        .expect("the structs of fibers cannot be read from PHP's headers");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("fibers.rs");
    bindings.write_to_file(out).expect("the bindings of fibers cannot be written");
}
