//! Listening sockets, as the directives ask for them.

use crate::config::{Config, rows};
use boxcar_sys::ListenerId;
use boxcar_sys::socket::{self, SocketError, TcpListenerOptions, UnixListenerOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// What kind of connections a listener brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// TCP.
    Tcp,
    /// Unix.
    Unix,
}

/// A listening socket of one I/O thread.
#[derive(Debug)]
pub struct Listener {
    /// Its name in the driver.
    pub id: ListenerId,
    /// What it brings.
    pub kind: ListenerKind,
    /// The socket, until the driver has it.
    pub socket: Option<OwnedFd>,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An entry of `bind` is no address.
    #[error("'{0}' in bind is no IP address")]
    BadAddress(String),
    /// The system refuses.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A descriptor cannot be duplicated for another thread.
    #[error("sharing a listener between threads: {0}")]
    Share(#[from] std::io::Error),
    /// Neither `port` nor `unixsocket` is set, or no address of `bind` could be used.
    #[error("Configured to not listen anywhere, exiting.")]
    Nowhere,
}

/// The addresses of `bind`: `*` is every IPv4, `::*` every IPv6 address; a leading `-` makes one optional.
fn addresses(config: &Config) -> Result<Vec<(IpAddr, bool)>, ListenError> {
    let parse = |word: &str| {
        let (text, optional) = word.strip_prefix('-').map_or((word, false), |rest| (rest, true));
        let address = match text {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => text
                .parse()
                .or_else(|_| resolve(text))
                .map_err(|_| ListenError::BadAddress(text.to_owned()))?,
        };
        Ok((address, optional))
    };
    config.list(rows::BIND).iter().map(|word| parse(word)).collect()
}

fn resolve(name: &str) -> std::io::Result<IpAddr> {
    use std::net::ToSocketAddrs;
    let mut found = (name, 0).to_socket_addrs()?;
    found.next().map(|address| address.ip()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// Opens the listeners of `threads` I/O threads: on TCP each thread has sockets of its own in one SO_REUSEPORT group,
/// a unix socket is shared.
///
/// # Errors
/// When a required address cannot be used, or there is none at all.
pub fn open(config: &Config, threads: usize) -> Result<Vec<Vec<Listener>>, ListenError> {
    let mut listeners: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
    let port = config.int(rows::PORT) as u16;
    if port != 0 {
        let keepalive = config.int(rows::TCP_KEEPALIVE).unsigned_abs();
        let options = TcpListenerOptions {
            backlog: config.int(rows::TCP_BACKLOG) as u32,
            reuse_port: true,
            nodelay: true,
            keepalive: (keepalive > 0).then(|| Duration::from_secs(keepalive)),
            v6_only: true,
        };
        for (address, optional) in addresses(config)? {
            open_tcp(SocketAddr::new(address, port), optional, &options, &mut listeners)?;
        }
    }
    let path = config.text(rows::UNIXSOCKET);
    if !path.is_empty() {
        let mode = u32::try_from(config.int(rows::UNIXSOCKETPERM)).ok().filter(|&mode| mode != 0);
        let options = UnixListenerOptions { backlog: config.int(rows::TCP_BACKLOG) as u32, mode };
        let socket = socket::unix_listener(Path::new(&*path), &options)?;
        for thread in &mut listeners {
            add(thread, ListenerKind::Unix, socket.try_clone()?);
        }
    }
    if listeners.iter().any(Vec::is_empty) { Err(ListenError::Nowhere) } else { Ok(listeners) }
}

fn open_tcp(
    address: SocketAddr,
    optional: bool,
    options: &TcpListenerOptions,
    listeners: &mut [Vec<Listener>],
) -> Result<(), ListenError> {
    if let Err(error) = claim(address, options) {
        if optional {
            tracing::debug!("optional address: {error}");
            return Ok(());
        }
        return Err(error.into());
    }
    for thread in listeners {
        add(thread, ListenerKind::Tcp, socket::tcp_listener(address, options)?);
    }
    Ok(())
}

/// How long a busy port is tried again: the kernel takes some 200 ms to let go of the listener of a killed process
/// whose io_uring was waiting on it.
const CLAIM_TIME: Duration = Duration::from_secs(1);
const CLAIM_PAUSE: Duration = Duration::from_millis(50);

/// Makes sure that no other process holds the address, with a first socket without SO_REUSEPORT: two servers must not
/// share a port by accident.
fn claim(address: SocketAddr, options: &TcpListenerOptions) -> Result<(), SocketError> {
    let exclusive = TcpListenerOptions { reuse_port: false, ..options.clone() };
    let deadline = Instant::now() + CLAIM_TIME;
    loop {
        match socket::tcp_listener(address, &exclusive) {
            Ok(_closed_at_once) => return Ok(()),
            Err(error) if error.is_address_in_use() && Instant::now() < deadline => {
                std::thread::sleep(CLAIM_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

fn add(thread: &mut Vec<Listener>, kind: ListenerKind, socket: OwnedFd) {
    thread.push(Listener { id: ListenerId(thread.len() as u32), kind, socket: Some(socket) });
}
