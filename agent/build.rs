//! Flags for the linker of the agent's program.

#[allow(
    clippy::disallowed_methods,
    reason = "how Cargo tells what is built for"
)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if linux {
        // The program is position-independent, and every start reads where it has to be adjusted. The short form of that list (`DT_RELR`: glibc 2.36, musl 1.2.4)
        // takes a megabyte less of the agent's memory. Its linkers: binutils 2.38, LLVM 15, mold 1.7.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
