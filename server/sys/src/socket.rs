//! Listening sockets, the options that accepted sockets inherit from them, and addresses printed as Redis prints them.
//!
//! Linux copies `TCP_NODELAY`, the keepalive settings and the buffer sizes of a listening socket to the sockets accepted
//! from it. Set once here, they cost no system call for each connection.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// A listener could not be made, or a socket's address not be read.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A TCP listener.
    #[error("cannot listen on {address}: {step}: {source}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A unix listener.
    #[error("cannot listen on {}: {step}: {source}", path.display())]
    Unix {
        /// Where.
        path: PathBuf,
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl SocketError {
    /// Whether another socket holds the address.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        let (SocketError::Tcp { source, .. } | SocketError::Unix { source, .. }) = self;
        source.kind() == io::ErrorKind::AddrInUse
    }
}

/// How to listen on TCP.
#[derive(Clone, Debug)]
pub struct TcpListenerOptions {
    /// Connections that may wait to be accepted. The kernel caps it at `net.core.somaxconn`.
    pub backlog: u32,
    /// `SO_REUSEPORT`: every I/O thread listens on its own socket of the same port, and the kernel spreads connections.
    pub reuse_port: bool,
    /// `TCP_NODELAY` for accepted sockets.
    pub nodelay: bool,
    /// Keepalive for accepted sockets: idle time before the first probe, three more at a third of it (Redis's
    /// tcp-keepalive). Whole seconds, at least one.
    pub keepalive: Option<Duration>,
    /// `IPV6_V6ONLY`: an IPv6 wildcard leaves IPv4 to its own listener, as Redis does.
    pub v6_only: bool,
}

impl Default for TcpListenerOptions {
    fn default() -> TcpListenerOptions {
        TcpListenerOptions {
            backlog: 511,
            reuse_port: true,
            nodelay: true,
            keepalive: Some(Duration::from_secs(300)),
            v6_only: true,
        }
    }
}

/// Opens a TCP listener. Port 0 takes a free port; see [`local_address`].
///
/// # Errors
/// The step that failed, with the kernel's reason.
pub fn tcp_listener(address: SocketAddr, options: &TcpListenerOptions) -> Result<OwnedFd, SocketError> {
    let failed = |step| move |source| SocketError::Tcp { address, step, source };
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), None).map_err(failed("socket"))?;
    socket.set_reuse_address(true).map_err(failed("SO_REUSEADDR"))?;
    if options.reuse_port {
        socket.set_reuse_port(true).map_err(failed("SO_REUSEPORT"))?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(options.v6_only).map_err(failed("IPV6_V6ONLY"))?;
    }
    if options.nodelay {
        socket.set_tcp_nodelay(true).map_err(failed("TCP_NODELAY"))?;
    }
    if let Some(idle) = options.keepalive {
        set_keepalive(&socket, idle).map_err(failed("SO_KEEPALIVE"))?;
    }
    socket.bind(&address.into()).map_err(failed("bind"))?;
    socket.listen(backlog(options.backlog)).map_err(failed("listen"))?;
    Ok(socket.into())
}

fn backlog(asked: u32) -> i32 {
    i32::try_from(asked).unwrap_or(i32::MAX)
}

fn set_keepalive(socket: &Socket, idle: Duration) -> io::Result<()> {
    let idle = Duration::from_secs(idle.as_secs().max(1));
    let interval = Duration::from_secs((idle.as_secs() / 3).max(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3))
}

/// How to listen on a unix socket.
#[derive(Clone, Debug)]
pub struct UnixListenerOptions {
    /// Connections that may wait to be accepted. The kernel caps it at `net.core.somaxconn`.
    pub backlog: u32,
    /// Permission bits of the socket file (Redis's unixsocketperm); `None` leaves them to the umask.
    pub mode: Option<u32>,
}

impl Default for UnixListenerOptions {
    fn default() -> UnixListenerOptions {
        UnixListenerOptions { backlog: 511, mode: None }
    }
}

/// Opens a unix listener. A socket file left behind by an earlier run is replaced, as Redis does; anything else at that
/// path is left alone and makes it fail.
///
/// # Errors
/// The step that failed, with the kernel's reason.
pub fn unix_listener(path: &Path, options: &UnixListenerOptions) -> Result<OwnedFd, SocketError> {
    let failed = |step| move |source| SocketError::Unix { path: path.to_owned(), step, source };
    let address = SockAddr::unix(path).map_err(failed("address"))?;
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path).map_err(failed("unlink"))?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None).map_err(failed("socket"))?;
    socket.bind(&address).map_err(failed("bind"))?;
    if let Some(mode) = options.mode {
        // Before listen(2): nobody can connect while the bits are still the umask's.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("chmod"))?;
    }
    socket.listen(backlog(options.backlog)).map_err(failed("listen"))?;
    Ok(socket.into())
}

/// The address a socket is bound to, as Redis prints it: `127.0.0.1:6379`, `[::1]:6379`, `/run/boxcar.sock:0`.
///
/// # Errors
/// What getsockname(2) says, or `Unsupported` for a socket that is neither TCP nor unix.
pub fn local_address(socket: impl AsFd) -> io::Result<String> {
    text(&SockRef::from(&socket).local_addr()?)
}

/// The other end's address. The other end of a unix connection has no name of its own; Redis then prints the
/// listener's path with a port of 0, and so does this.
///
/// # Errors
/// What getpeername(2) says (`NotConnected` when the peer is gone already), or `Unsupported` for a socket that is neither TCP nor
/// unix.
pub fn peer_address(socket: impl AsFd) -> io::Result<String> {
    let socket = SockRef::from(&socket);
    let peer = socket.peer_addr()?;
    if peer.is_unnamed() { text(&socket.local_addr()?) } else { text(&peer) }
}

/// The TCP address a socket is bound to, for a listener on port 0; `None` for a unix socket.
///
/// # Errors
/// What getsockname(2) says.
pub fn local_tcp_address(socket: impl AsFd) -> io::Result<Option<SocketAddr>> {
    Ok(SockRef::from(&socket).local_addr()?.as_socket())
}

fn text(address: &SockAddr) -> io::Result<String> {
    if let Some(address) = address.as_socket() {
        // Without the scope id that Rust's own text of an IPv6 address has; inet_ntop(3) does not print it.
        return Ok(match address {
            SocketAddr::V4(v4) => v4.to_string(),
            SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
        });
    }
    if !address.is_unix() {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    let path = address.as_pathname().map_or_else(String::new, |path| path.display().to_string());
    Ok(format!("{path}:0"))
}

/// The CPU on which the kernel last processed a packet of this connection (`SO_INCOMING_CPU`), if it knows one.
///
/// # Errors
/// What getsockopt(2) says.
pub fn incoming_cpu(socket: impl AsFd) -> io::Result<Option<usize>> {
    // The kernel answers -1 while no packet has come through a CPU of its own choosing.
    let cpu = SockRef::from(&socket).cpu_affinity()?;
    Ok(if cpu > i32::MAX as usize { None } else { Some(cpu) })
}

/// Prefers this listener of its `SO_REUSEPORT` group for connections whose packets arrive on `cpu` (Linux 6.1 and newer
/// heed it; before, it is only a score among the listeners of an address).
///
/// # Errors
/// What setsockopt(2) says.
pub fn set_incoming_cpu(listener: impl AsFd, cpu: usize) -> io::Result<()> {
    SockRef::from(&listener).set_cpu_affinity(cpu)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn connect(listener: OwnedFd) -> (TcpStream, TcpStream) {
        let address = local_tcp_address(&listener).unwrap().unwrap();
        let client = TcpStream::connect(address).unwrap();
        (client, TcpListener::from(listener).accept().unwrap().0)
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let options = TcpListenerOptions { keepalive: Some(Duration::from_secs(90)), ..Default::default() };
        let (_client, accepted) = connect(tcp_listener("127.0.0.1:0".parse().unwrap(), &options).unwrap());
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(90));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        let plain = TcpListenerOptions { keepalive: None, nodelay: false, ..Default::default() };
        let (_client, accepted) = connect(tcp_listener("127.0.0.1:0".parse().unwrap(), &plain).unwrap());
        let socket = SockRef::from(&accepted);
        assert!(!socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap());
    }

    #[test]
    fn a_port_is_shared_only_on_request() {
        let first = tcp_listener("127.0.0.1:0".parse().unwrap(), &TcpListenerOptions::default()).unwrap();
        let address = local_tcp_address(&first).unwrap().unwrap();
        assert!(tcp_listener(address, &TcpListenerOptions::default()).is_ok());
        let alone = TcpListenerOptions { reuse_port: false, ..Default::default() };
        let error = tcp_listener(address, &alone).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address}: bind: ")), "{error}");
    }

    #[test]
    fn addresses_are_printed_as_redis_prints_them() {
        let (client, accepted) =
            connect(tcp_listener("127.0.0.1:0".parse().unwrap(), &Default::default()).unwrap());
        assert_eq!(peer_address(&accepted).unwrap(), client.local_addr().unwrap().to_string());
        assert_eq!(local_address(&accepted).unwrap(), client.peer_addr().unwrap().to_string());
        if let Ok(listener) = tcp_listener("[::1]:0".parse().unwrap(), &Default::default()) {
            let (client, accepted) = connect(listener);
            let port = client.local_addr().unwrap().port();
            assert_eq!(peer_address(&accepted).unwrap(), format!("[::1]:{port}"));
        }
    }

    #[test]
    fn unix_listeners_replace_their_own_kind_only() {
        let folder = std::env::temp_dir().join(format!("boxcar-socket-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("boxcar.sock");
        let options = UnixListenerOptions { mode: Some(0o700), ..Default::default() };
        drop(unix_listener(&path, &options).unwrap());
        let listener = unix_listener(&path, &options).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let _client = UnixStream::connect(&path).unwrap();
        let accepted = UnixListener::from(listener).accept().unwrap().0;
        assert_eq!(peer_address(&accepted).unwrap(), format!("{}:0", path.display()));
        assert_eq!(local_address(&accepted).unwrap(), format!("{}:0", path.display()));
        assert_eq!(local_tcp_address(&accepted).unwrap(), None);
        let file = folder.join("precious");
        fs::write(&file, "data").unwrap();
        let error = unix_listener(&file, &options).unwrap_err().to_string();
        assert!(error.contains("precious: bind: "), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"data");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_incoming_cpu_can_be_asked_for_and_chosen() {
        let listener = tcp_listener("127.0.0.1:0".parse().unwrap(), &TcpListenerOptions::default()).unwrap();
        set_incoming_cpu(&listener, 0).unwrap();
        assert_eq!(incoming_cpu(&listener).unwrap(), Some(0));
    }
}
