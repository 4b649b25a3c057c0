//! A blocking client: writes commands, reads replies, and never waits for ever.

use crate::value::{NotResp, Value};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take; tests run beside builds on small machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server closed the connection.
    #[error("the connection is closed")]
    Closed,
    /// Nothing, or only a part of a reply, came in time.
    #[error("no reply in time")]
    Timeout,
    /// Something came that is no reply.
    #[error(transparent)]
    NotResp(#[from] NotResp),
    /// The socket failed.
    #[error(transparent)]
    Io(io::Error),
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Bytes at the front of `received` that have been given out.
    used: usize,
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: Vec::new(), used: 0 })
    }

    /// The socket, for what only a hostile client does.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Asks for a protocol with HELLO.
    ///
    /// # Panics
    /// When the server does not agree.
    pub fn hello(&mut self, protocol: u8) {
        let reply = self.call(["HELLO", &protocol.to_string()]);
        assert!(!reply.is_error(), "HELLO {protocol}: {reply}");
    }

    /// Sends one command and reads one reply.
    ///
    /// # Panics
    /// When either fails: see [`Client::try_call`].
    pub fn call<A: AsRef<[u8]>>(&mut self, command: impl IntoIterator<Item = A>) -> Value {
        self.try_call(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends one command and reads one reply.
    ///
    /// # Errors
    /// When the connection fails or no reply comes in time.
    pub fn try_call<A: AsRef<[u8]>>(
        &mut self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Value, ReadError> {
        let mut bytes = Vec::new();
        encode(&mut bytes, command);
        self.send_raw(&bytes).map_err(ReadError::Io)?;
        self.read()
    }

    /// Sends one command.
    ///
    /// # Panics
    /// When the socket fails.
    pub fn send<A: AsRef<[u8]>>(&mut self, command: impl IntoIterator<Item = A>) {
        let mut bytes = Vec::new();
        encode(&mut bytes, command);
        self.send_raw(&bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the socket fails or takes nothing for too long.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the next reply, as long as it takes within reason.
    ///
    /// # Errors
    /// When the connection ends or no whole reply comes in time.
    pub fn read(&mut self) -> Result<Value, ReadError> {
        self.read_within(PATIENCE)
    }

    /// Reads the next reply; each receive may take this long.
    ///
    /// # Errors
    /// When the connection ends or no whole reply comes in time.
    pub fn read_within(&mut self, patience: Duration) -> Result<Value, ReadError> {
        self.read_frame(patience).map(|(value, _)| value)
    }

    /// Reads the next reply together with its bytes on the wire; each receive may take this long.
    ///
    /// # Errors
    /// When the connection ends or no whole reply comes in time.
    pub fn read_frame(&mut self, patience: Duration) -> Result<(Value, Vec<u8>), ReadError> {
        self.stream.set_read_timeout(Some(patience)).map_err(ReadError::Io)?;
        loop {
            if let Some((value, length)) = Value::decode(&self.received[self.used..])? {
                let frame = self.received[self.used..self.used + length].to_vec();
                self.used += length;
                return Ok((value, frame));
            }
            self.received.drain(..self.used);
            self.used = 0;
            self.receive()?;
        }
    }

    /// Waits until the server closes the connection, dropping what it still sends; whether it did in time.
    pub fn wait_closed(&mut self, patience: Duration) -> bool {
        let deadline = std::time::Instant::now() + patience;
        loop {
            let left =
                deadline.saturating_duration_since(std::time::Instant::now()).max(Duration::from_millis(1));
            if self.stream.set_read_timeout(Some(left)).is_err() {
                return true;
            }
            self.received.clear();
            self.used = 0;
            match self.receive() {
                Ok(()) if std::time::Instant::now() < deadline => {}
                Ok(()) | Err(ReadError::Timeout) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Sends no more; still reads.
    ///
    /// # Errors
    /// When the socket is closed already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn receive(&mut self) -> Result<(), ReadError> {
        // Grows with what is expected, so that a value of 512 MB is not read in small steps.
        let step = self.received.len().clamp(16 << 10, 4 << 20);
        let start = self.received.len();
        self.received.resize(start + step, 0);
        let result = self.stream.read(&mut self.received[start..]);
        self.received.truncate(start + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(ReadError::Closed),
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(ReadError::Timeout),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Err(ReadError::Closed),
            Err(e) => Err(ReadError::Io(e)),
        }
    }
}

/// Appends a command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, command: impl IntoIterator<Item = A>) {
    let arguments: Vec<A> = command.into_iter().collect();
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        let argument = argument.as_ref();
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}
