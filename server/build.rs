//! Embeds the kernel-side programs, if they were built: `cargo xtask ebpf` puts them into `ebpf/object`, and
//! `BOXCAR_EBPF_OBJECT` names another file. Without either the server is built all the same, and says so where it is
//! asked for XDP.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=BOXCAR_EBPF_OBJECT");
    let folder =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../ebpf/object");
    println!("cargo::rerun-if-changed={}", folder.display());
    let object = match env::var_os("BOXCAR_EBPF_OBJECT") {
        Some(named) => {
            fs::read(&named).unwrap_or_else(|error| panic!("BOXCAR_EBPF_OBJECT {named:?}: {error}"))
        }
        None => fs::read(folder.join("boxcar.o")).unwrap_or_default(),
    };
    let embedded = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("boxcar-ebpf.o");
    fs::write(&embedded, object).expect("the build's own folder can be written");
    println!("cargo::rustc-env=BOXCAR_EBPF_EMBEDDED={}", embedded.display());
}
