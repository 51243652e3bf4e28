//! Keeps the daemon small: identical functions are folded and relocations packed, 0.6 MB of 8.5.
//!
//! Only where the toolchain links with LLD by itself; packed relocations need glibc 2.36 (Debian 12)
//! on the host that runs it.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu") {
        println!("cargo::rustc-link-arg-bin=capture=-Wl,--icf=all,-z,pack-relative-relocs");
    }
}
