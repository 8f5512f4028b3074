//! Writes `include/viaduct.h` from `src/ffi`, and only where it differs; names the shared library.

use std::path::PathBuf;

/// The header's order: what a reader needs first. Files that are not here come after these.
const ORDER: [&str; 18] = [
    "version",
    "error",
    "input",
    "buffer",
    "log",
    "metadata",
    "status",
    "credentials",
    "runtime",
    "queue",
    "completion",
    "options",
    "channel",
    "call",
    "server_options",
    "server",
    "server_call",
    "proxy",
];

/// The results that were once named without "RESULT".
const EARLIER: [&str; 18] = [
    "OK",
    "NULL",
    "WRONG_HANDLE",
    "FREED",
    "FORKED",
    "POISONED",
    "PANIC",
    "INVALID_ARGUMENT",
    "NOT_UTF8",
    "TOO_LONG",
    "INSIDE_CALLBACK",
    "BUSY",
    "WRONG_STATE",
    "TIMEOUT",
    "END",
    "CLOSED",
    "FAILED",
    "SYSTEM",
];

fn main() {
    println!("cargo::rerun-if-changed=src/ffi");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-env-changed=CARGO_FEATURE_CAPI");
    if std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        return;
    }
    // Programs ask for this name at run time. Its number changes when they would have to be built anew.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libviaduct.so.0");
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let mut config =
        cbindgen::Config::from_file(format!("{root}/cbindgen.toml")).expect("cbindgen.toml reads");
    config.after_includes = Some(macros());
    let mut builder = cbindgen::Builder::new().with_config(config);
    // cbindgen follows `mod` lines; each file is given once, by itself.
    for file in files(&root) {
        builder = builder.with_src(file);
    }
    match builder.generate() {
        // `write_to_file` leaves a file alone that says the same already.
        Ok(bindings) => {
            bindings.write_to_file(format!("{root}/include/viaduct.h"));
        }
        Err(error) => println!("cargo::error=the C header cannot be generated: {error}"),
    }
}

/// What the preprocessor is told: the version, and names of earlier versions.
fn macros() -> String {
    let part = |name: &str| -> u32 {
        let value = std::env::var(format!("CARGO_PKG_VERSION_{name}")).expect("cargo sets the version");
        value.parse().expect("a version has numbers")
    };
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    let mut text = format!(
        "\n// The version of this header; viaduct_version() tells that of the library that runs. Programs that were built\n\
         // with a header run with every later library whose name is the same (libviaduct.so.0).\n\
         #define VIADUCT_VERSION \"{major}.{minor}.{patch}\"\n\
         #define VIADUCT_VERSION_MAJOR {major}\n\
         #define VIADUCT_VERSION_MINOR {minor}\n\
         #define VIADUCT_VERSION_PATCH {patch}\n\
         #define VIADUCT_VERSION_NUMBER {}\n\
         #define VIADUCT_VERSION_AT_LEAST(major, minor, patch) (VIADUCT_VERSION_NUMBER >= (major) * 1000000 + (minor) * \
         1000 + (patch))\n\n\
         // What results were called before they had a prefix of their own.\n",
        major * 1_000_000 + minor * 1000 + patch
    );
    for name in EARLIER {
        text.push_str(&format!("#define VIADUCT_{name} VIADUCT_RESULT_{name}\n"));
    }
    text
}

/// The files of the C API in the header's order.
fn files(root: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("{root}/src/ffi")).expect("src/ffi is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("src/ffi reads").path()).collect();
    files.retain(|path| !path.ends_with("mod.rs"));
    files.sort_by_key(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        (ORDER.iter().position(|first| *first == name).unwrap_or(ORDER.len()), name)
    });
    files
}
