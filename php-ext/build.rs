//! Threads of ours may outlive `dlclose`, so the library must stay mapped.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
