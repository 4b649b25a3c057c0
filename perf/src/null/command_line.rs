//! The command line of `boxcar-null`.

use super::{Listen, NullError, NullOptions, NullServer};
use boxcar_sys::affinity::CpuList;
use boxcar_sys::{Backend, DriverOptions};
use clap::{Args, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes of a reply are copied into every send; Redis's largest value by default bounds them.
const MAX_VALUE: usize = 512 * 1024 * 1024;

/// Answers every N bytes received with a fixed reply: the kernel's own limit, with no parsing and no store.
#[derive(Debug, Clone, Args)]
pub struct NullArguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// TCP port to listen on; 0 takes a free one.
    #[arg(long, short, default_value_t = 6380)]
    port: u16,
    /// Path of a unix socket to listen on, instead of address and port.
    #[arg(long, short, value_name = "PATH", conflicts_with_all = ["bind", "port"])]
    socket: Option<PathBuf>,
    /// Network backend.
    #[arg(long, value_enum, default_value_t = Network::IoUring)]
    network: Network,
    /// Threads, each with its own driver.
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// CPUs to bind the threads to, one each, as in 0,2-3.
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuList>,
    /// Bytes of a request. 36 is boxcar-load's GET, 107 its SET of 64 bytes.
    #[arg(long, value_name = "N")]
    request_bytes: NonZeroUsize,
    /// The reply: `ok` for +OK, `getN` for a value of N bytes, as in get64.
    #[arg(long, default_value = "ok", value_parser = reply)]
    reply: Reply,
}

/// The bytes of a reply, as clap wants them: one value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reply(Vec<u8>);

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Network {
    #[value(name = "io_uring")]
    IoUring,
    Epoll,
}

fn reply(text: &str) -> Result<Reply, String> {
    if text == "ok" {
        return Ok(Reply(b"+OK\r\n".to_vec()));
    }
    let size = text.strip_prefix("get").and_then(|size| size.parse::<usize>().ok());
    match size.filter(|&size| size <= MAX_VALUE) {
        Some(size) => {
            let mut reply = format!("${size}\r\n").into_bytes();
            reply.resize(reply.len() + size, b'0');
            reply.extend_from_slice(b"\r\n");
            Ok(Reply(reply))
        }
        None => Err(format!("expected ok, or get and a size of at most {MAX_VALUE} bytes, as in get64")),
    }
}

impl NullArguments {
    fn options(&self) -> NullOptions {
        NullOptions {
            listen: match &self.socket {
                Some(path) => Listen::Unix(path.clone()),
                None => Listen::Tcp(SocketAddr::new(self.bind, self.port)),
            },
            backend: match self.network {
                Network::IoUring => Backend::IoUring,
                Network::Epoll => Backend::Epoll,
            },
            driver: DriverOptions::default(),
            threads: self.threads,
            cpus: self.cpus.clone().unwrap_or_else(|| CpuList::from_iter([])),
            request_bytes: self.request_bytes,
            reply: self.reply.0.clone(),
        }
    }

    /// Serves until a signal ends the process.
    pub fn execute(&self) -> ExitCode {
        match self.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("boxcar-null: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn serve(&self) -> Result<(), NullError> {
        let options = self.options();
        let server = NullServer::start(&options)?;
        println!("Listening on {} ({})", server.address(), options.backend.name());
        for feature in server.features().iter().filter(|feature| feature.wanted && !feature.active) {
            println!("not in use: {} ({})", feature.name, feature.reason);
        }
        Ok(server.wait()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_named() {
        assert_eq!(reply("ok").unwrap().0, b"+OK\r\n");
        assert_eq!(reply("get3").unwrap().0, b"$3\r\n000\r\n");
        for wrong in ["", "get", "get-1", "set", "get99999999999"] {
            assert!(reply(wrong).is_err(), "{wrong}");
        }
    }
}
