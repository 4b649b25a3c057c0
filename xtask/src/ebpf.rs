//! `cargo xtask ebpf`: builds the kernel-side programs into one object, `ebpf/object/boxcar.o`, which the server's build embeds.
//!
//! Rust has no prebuilt `core` for the kernel's virtual machine. It is built from its source, which needs three things that
//! fit together: a compiler, the source of its standard library, and bpf-linker with an LLVM at least as new as the
//! compiler's. They are looked for in this order:
//!
//! 1. a nightly of rustup's, or the pinned toolchain, with the component rust-src, and a bpf-linker on the PATH;
//! 2. Debian's compiler with its source, and a bpf-linker that this command has built for it.

use crate::machine;
use crate::workspace::{self, cargo, output, root, run};
use anyhow::{Context, bail};
use object::build::elf::{Builder, SectionData};
use object::elf;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "bpfel-unknown-none";
/// The version of bpf-linker that is built when there is none.
const LINKER_VERSION: &str = "0.13.0";
/// The toolchain of rust-toolchain.toml, for which rustup has no prebuilt `core` either.
const PINNED: &str = "1.95.0";
/// Debian's compiler, beside rustup's.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What builds the programs.
struct Toolchain {
    rustc: PathBuf,
    /// The folder of bpf-linker.
    linker: PathBuf,
}

/// The subcommand: installs what is missing when it may, and builds.
pub fn run_subcommand() -> anyhow::Result<()> {
    prepare()?;
    println!("{}", build()?.display());
    Ok(())
}

/// Installs what building the programs needs, unless it is there; only root on a Debian can.
pub fn prepare() -> anyhow::Result<()> {
    if toolchain()?.is_some() {
        return Ok(());
    }
    let without = machine::meet(machine::EBPF)?;
    if !without.is_empty() {
        bail!("the kernel-side programs cannot be built: {}", how_to_get_it());
    }
    install_linker()
}

/// Builds the object, or says in one line why it cannot be built here.
///
/// # Errors
/// When the build itself fails.
pub fn build_if_possible() -> anyhow::Result<Result<PathBuf, String>> {
    if toolchain()?.is_none() {
        return Ok(Err(how_to_get_it()));
    }
    build().map(Ok)
}

fn how_to_get_it() -> String {
    "no compiler for the kernel's virtual machine; `cargo xtask ebpf` as root installs it on Debian, elsewhere: \
     rustup toolchain install nightly --component rust-src, and a bpf-linker on the PATH"
        .to_owned()
}

/// Builds the object and puts it where the server's build looks for it.
fn build() -> anyhow::Result<PathBuf> {
    let toolchain = toolchain()?.with_context(how_to_get_it)?;
    let target = target_directory()?;
    let mut path = OsString::from(&toolchain.linker);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let flags = ["-Ctarget-cpu=v3", "-Clink-arg=--btf"].join("\u{1f}");
    let mut build = cargo();
    build
        .current_dir(root().join("ebpf"))
        .args(["build", "--quiet", "--locked", "--release", "-Z", "build-std=core", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .env("PATH", path)
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    run(&mut build)?;
    let object = root().join("ebpf/object/boxcar.o");
    let built = std::fs::read(target.join(TARGET).join("release/boxcar")).context("cargo built no object")?;
    let built = without_debug_information(&built).context("the object that cargo built")?;
    // Left alone when it is the same, so that the server is not built again.
    if std::fs::read(&object).ok().as_ref() != Some(&built) {
        std::fs::write(&object, built).with_context(|| format!("cannot write {}", object.display()))?;
    }
    Ok(object)
}

/// The object without DWARF. That is five sixths of it, and was wanted only while the linker made BTF of it, which stays: the kernel
/// and bpftool know types and fields by BTF alone.
fn without_debug_information(built: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut object = Builder::read(built)?;
    for section in &mut object.sections {
        // `.rel` and the rest are the relocations of a section.
        let of = section.name.strip_prefix(b".rel").unwrap_or(&section.name);
        section.delete = of.starts_with(b".debug_");
    }
    object.delete_orphans();
    if !object.sections.iter().any(|section| section.name.as_slice() == b".BTF") {
        bail!("the linker has made no BTF");
    }
    // LLVM keeps the names of sections and symbols in one table, the writer in two.
    if !object.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        let names = object.sections.add();
        names.name = b".shstrtab"[..].into();
        names.sh_type = elf::SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    let mut left = Vec::new();
    object.write(&mut left)?;
    Ok(left)
}

/// Where the programs and the linker are built.
fn target_directory() -> anyhow::Result<PathBuf> {
    Ok(workspace::target_directory()?.join("ebpf"))
}

fn toolchain() -> anyhow::Result<Option<Toolchain>> {
    let on_path = machine::find_on_path("bpf-linker").and_then(|file| file.parent().map(Path::to_owned));
    if let Some(linker) = &on_path {
        for name in ["nightly", PINNED] {
            let which = Command::new("rustup").args(["which", "--toolchain", name, "rustc"]).output();
            let Ok(found) = which else { break };
            let rustc = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
            if found.status.success() && has_source(&rustc) {
                return Ok(Some(Toolchain { rustc, linker: linker.clone() }));
            }
        }
    }
    let own = target_directory()?.join("bin");
    let linker = if own.join("bpf-linker").is_file() { Some(own) } else { on_path };
    let rustc = PathBuf::from(DEBIAN_RUSTC);
    Ok(linker.filter(|_| has_source(&rustc)).map(|linker| Toolchain { rustc, linker }))
}

/// Whether a compiler has the source of its standard library.
fn has_source(rustc: &Path) -> bool {
    let Ok(sysroot) = Command::new(rustc).args(["--print", "sysroot"]).output() else { return false };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
}

/// Whether Debian's compiler is there with its source.
pub fn debian_compiler_has_source() -> bool {
    has_source(Path::new(DEBIAN_RUSTC))
}

/// Builds bpf-linker against the LLVM of Debian's compiler.
fn install_linker() -> anyhow::Result<()> {
    let version = output(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = llvm.and_then(|llvm| llvm.split('.').next()).context("Debian's rustc names no LLVM")?;
    let target = target_directory()?;
    eprintln!("xtask: building bpf-linker {LINKER_VERSION}");
    let mut install = cargo();
    install
        .args(["install", "bpf-linker", "--locked", "--version", LINKER_VERSION, "--no-default-features"])
        .args(["--features", &format!("llvm-{major}"), "--root"])
        .arg(&target)
        .arg("--target-dir")
        .arg(target.join("linker"))
        .env("LLVM_PREFIX", format!("/usr/lib/llvm-{major}"));
    run(&mut install)
}
