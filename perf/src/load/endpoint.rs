//! Where the server listens, and one ready connection to it.

use super::LoadError;
use nix::errno::Errno;
use socket2::{Domain, Protocol as Transport, SockAddr, Socket, Type};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// How long a connection may take to be accepted, and the greeting to be answered. Generous: ten thousand
/// connections knock at once, and a server that loads its data answers late.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A HELLO reply is below 300 bytes with today's servers.
const MAX_GREETING: usize = 16 * 1024;

/// Asks for RESP3.
pub(super) const HELLO: &[u8] = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Resolves `host` (a name or an address) and takes its first address.
    pub fn resolve(host: &str, port: u16) -> Result<Endpoint, LoadError> {
        let failed = |source| LoadError::Resolve { host: host.to_owned(), source };
        let mut addresses = (host, port).to_socket_addrs().map_err(failed)?;
        let none = || failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        Ok(Endpoint::Tcp(addresses.next().ok_or_else(none)?))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "{address}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Version of RESP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// What a connection speaks when nobody asks.
    Resp2,
    /// Asked for by HELLO 3.
    Resp3,
}

/// Connects and greets.
pub(super) fn connect(endpoint: &Endpoint, protocol: Protocol) -> Result<Socket, LoadError> {
    let failed = |source: io::Error| LoadError::Connect { endpoint: endpoint.clone(), source };
    let socket = open(endpoint).map_err(failed)?;
    if protocol == Protocol::Resp3 {
        greet(&socket, endpoint)?;
    }
    Ok(socket)
}

/// Begins to connect once more: over TCP it may still be under way when this returns, and what is sent meanwhile waits.
/// Nobody has greeted.
pub(super) fn reconnect(endpoint: &Endpoint) -> Result<Socket, LoadError> {
    let failed = |source: io::Error| LoadError::Connect { endpoint: endpoint.clone(), source };
    let begin = || match endpoint {
        Endpoint::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Transport::TCP))?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            match socket.connect(&SockAddr::from(*address)) {
                Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
                _ => Ok(socket),
            }
        }
        Endpoint::Unix(_) => open(endpoint),
    };
    begin().map_err(failed)
}

fn open(endpoint: &Endpoint) -> io::Result<Socket> {
    match endpoint {
        Endpoint::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Transport::TCP))?;
            socket.set_tcp_nodelay(true)?;
            socket.connect_timeout(&SockAddr::from(*address), CONNECT_TIMEOUT)?;
            Ok(socket)
        }
        Endpoint::Unix(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // A full backlog makes connect(2) on a unix socket wait as long as the send timeout says.
            socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(socket)
        }
    }
}

/// Asks for RESP3 and reads the reply, which is a map (or an error, told to the user).
fn greet(mut socket: &Socket, endpoint: &Endpoint) -> Result<(), LoadError> {
    let failed = |source: io::Error| LoadError::Connect { endpoint: endpoint.clone(), source };
    let refused =
        |reply: &[u8]| LoadError::Greeting { reply: String::from_utf8_lossy(reply).trim_end().to_owned() };
    socket.set_read_timeout(Some(CONNECT_TIMEOUT)).map_err(failed)?;
    socket.write_all(HELLO).map_err(failed)?;
    let mut replies = super::replies::Replies::new(None);
    let (mut greeting, mut counter) = (Vec::new(), Answered(false));
    while !counter.0 {
        let mut piece = [0; 1024];
        let count = match socket.read(&mut piece) {
            Ok(0) => return Err(LoadError::Closed { endpoint: endpoint.clone() }),
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => continue,
            Err(error) => return Err(failed(error)),
        };
        greeting.extend_from_slice(&piece[..count]);
        if greeting.len() > MAX_GREETING || replies.feed(&piece[..count], &mut counter).is_err() {
            return Err(refused(&greeting));
        }
    }
    if greeting.first() == Some(&b'%') { Ok(()) } else { Err(refused(&greeting)) }
}

struct Answered(bool);

impl super::replies::Sink for Answered {
    fn expected(&mut self, _values: u32, _statuses: u32) {
        self.0 = true;
    }
    fn piece(&mut self, _size: usize, _offset: usize, _piece: &[u8]) {}
    fn reply(&mut self, _reply: super::replies::Reply<'_>) {
        self.0 = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn greeted_with(reply: &'static [u8]) -> Result<Socket, LoadError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 22];
            socket.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
            socket.write_all(reply).unwrap();
        });
        let outcome = connect(&endpoint, Protocol::Resp3);
        server.join().unwrap();
        outcome
    }

    #[test]
    fn resp3_is_asked_for() {
        assert!(greeted_with(b"%1\r\n$5\r\nproto\r\n:3\r\n").is_ok());
        let refused = greeted_with(b"-ERR unknown command 'HELLO'\r\n").unwrap_err().to_string();
        assert!(refused.contains("unknown command 'HELLO'"), "{refused}");
        assert!(matches!(greeted_with(b"%1\r\n$5"), Err(LoadError::Closed { .. })));
    }

    #[test]
    fn nobody_listening_is_named() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = Endpoint::resolve("127.0.0.1", port).unwrap();
        let error = connect(&endpoint, Protocol::Resp2).unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("refused"), "{error}");
    }
}
