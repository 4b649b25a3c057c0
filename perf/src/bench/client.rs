//! A connection for runs that look at replies: pipelines out, replies in, and INFO.

use super::ServerError;
use super::servers::Server;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module's text.
pub(super) struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// What [`Client::send`] sends.
    pub requests: Vec<u8>,
    line: Vec<u8>,
    errors: u64,
    first_error: Option<String>,
}

impl Client {
    pub fn open(server: &Server) -> io::Result<Self> {
        let writer = TcpStream::connect(server.address)?;
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 << 10, writer.try_clone()?),
            writer,
            requests: Vec::new(),
            line: Vec::new(),
            errors: 0,
            first_error: None,
        })
    }

    /// Sends what stands in `requests`, and empties it.
    pub fn send(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.requests)?;
        self.requests.clear();
        Ok(())
    }

    /// Appends a command to `requests`.
    pub fn push<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        // Writing to a Vec cannot fail.
        let _ = write!(self.requests, "*{}\r\n", words.len());
        for word in words {
            let word: &[u8] = word.as_ref();
            let _ = write!(self.requests, "${}\r\n", word.len());
            self.requests.extend_from_slice(word);
            self.requests.extend_from_slice(b"\r\n");
        }
    }

    /// Sends one command and reads its reply; the error's text if it is one, which then does not count for the verdict.
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Result<(), String>> {
        self.push(words);
        self.send()?;
        let (errors, first) = (self.errors, self.first_error.take());
        self.reply()?;
        let found = if self.errors > errors { self.first_error.take() } else { None };
        (self.errors, self.first_error) = (errors, first);
        Ok(found.map_or(Ok(()), Err))
    }

    /// Reads one reply; false for a null. Errors are counted, also those inside of an array.
    pub fn reply(&mut self) -> io::Result<bool> {
        let (mut outstanding, mut first, mut present) = (1_u64, true, true);
        while outstanding > 0 {
            outstanding -= 1;
            self.read_line()?;
            match self.line.first() {
                // A null inside of an array is not the reply's.
                Some(b'$' | b'*') if self.line[1..] == *b"-1" => present &= !first,
                Some(b'$') => {
                    let len = self.announced()?;
                    self.skip(len + 2)?;
                }
                Some(b'*') => outstanding += self.announced()?,
                Some(b'-') => {
                    self.errors += 1;
                    let text = String::from_utf8_lossy(&self.line).into_owned();
                    self.first_error.get_or_insert(text);
                }
                _ => {}
            }
            first = false;
        }
        Ok(present)
    }

    fn skip(&mut self, mut len: u64) -> io::Result<()> {
        while len > 0 {
            let available = self.reader.fill_buf()?.len() as u64;
            if available == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = available.min(len);
            self.reader.consume(taken as usize);
            len -= taken;
        }
        Ok(())
    }

    /// Whether all replies were what was asked for.
    pub fn verdict(&self) -> Result<(), ServerError> {
        match &self.first_error {
            None => Ok(()),
            Some(first) => Err(ServerError::Replies { errors: self.errors, first: first.clone() }),
        }
    }

    /// A field of INFO, `?` where the server has none of this name.
    pub fn info(&mut self, field: &str) -> io::Result<String> {
        self.info_of("default", field)
    }

    /// A field of a section of INFO, as `everything`.
    pub fn info_of(&mut self, section: &str, field: &str) -> io::Result<String> {
        self.push(&["INFO", section]);
        self.send()?;
        self.read_line()?;
        let mut text = vec![0; usize::try_from(self.announced()?).map_err(io::Error::other)? + 2];
        self.reader.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.unwrap_or("?").to_owned())
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.line.truncate(self.line.trim_ascii_end().len());
        Ok(())
    }

    fn announced(&self) -> io::Result<u64> {
        let text = String::from_utf8_lossy(self.line.get(1..).unwrap_or_default());
        text.parse().map_err(|_| io::Error::other(format!("a length was expected, not {text}")))
    }
}
