//! Writes `include/viaduct.h` from `src/ffi`, and only where it differs.

fn main() {
    println!("cargo::rerun-if-changed=src/ffi");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-env-changed=CARGO_FEATURE_CAPI");
    if std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        return;
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let config = cbindgen::Config::from_file(format!("{root}/cbindgen.toml")).expect("cbindgen.toml reads");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for entry in std::fs::read_dir(format!("{root}/src/ffi")).expect("src/ffi is there") {
        let path = entry.expect("src/ffi reads").path();
        // cbindgen follows `mod` lines; each file is given once, by itself.
        if !path.ends_with("mod.rs") {
            builder = builder.with_src(path);
        }
    }
    match builder.generate() {
        // `write_to_file` leaves a file alone that says the same already.
        Ok(bindings) => {
            bindings.write_to_file(format!("{root}/include/viaduct.h"));
        }
        Err(error) => println!("cargo::error=the C header cannot be generated: {error}"),
    }
}
