//! What Redis asks of a command before it is executed, in its order, and what it answers when it refuses.

use crate::clients::Session;
use crate::clients::pause::PauseMode;
use crate::commands::row::Flags;
use crate::commands::table::Lookup;
use crate::commands::{Args, Entry, Error, Locks, Server};

/// Finds the command and refuses what may not be executed; the error comes with the row if there is one.
pub fn check<'k>(
    server: &'k Server,
    args: Args<'_>,
    session: &Session,
) -> Result<&'k Entry, (Option<&'k Entry>, Error)> {
    let entry = match server.table.lookup(args) {
        Lookup::Found(entry) => entry,
        Lookup::Unknown => return Err((None, unknown_command(args))),
        Lookup::UnknownSubcommand(container) => {
            return Err((Some(container), unknown_subcommand(container, args)));
        }
    };
    let refuse = |error: Error| Err((Some(entry), error));
    if !entry.accepts(args.len()) {
        return refuse(Error::WrongArity(entry.name.clone()));
    }
    if !session.authenticated && !entry.flags.contains(Flags::NO_AUTH) {
        return refuse(Error::text("NOAUTH Authentication required."));
    }
    if server.budget.refuses() && needs_memory(entry, session) {
        return refuse(Error::text("OOM command not allowed when used memory > 'maxmemory'."));
    }
    if session.only_listens() && !entry.flags.contains(Flags::WHILE_LISTENING) {
        return refuse(not_while_listening(entry));
    }
    if session.reserved && !open_to_reserved(server, entry) {
        return refuse(Error::text("ERR max number of clients reached"));
    }
    if session.transaction.is_some()
        && entry.flags.contains(Flags::NO_MULTI)
        && !entry.flags.contains(Flags::NOT_QUEUED)
    {
        return refuse(Error::text("ERR Command not allowed inside a transaction"));
    }
    Ok(entry)
}

/// The command's flags; for EXEC together with those of all commands that it would execute.
pub fn flags_of(entry: &Entry, session: &Session) -> Flags {
    match &session.transaction {
        Some(transaction) if entry.locks == Locks::Transaction => {
            entry.flags | Flags::from_bits_retain(transaction.flags)
        }
        _ => entry.flags,
    }
}

/// Whether the command, or one that it would execute, may use more memory.
fn needs_memory(entry: &Entry, session: &Session) -> bool {
    // Like Redis, nothing at all is queued: the queue itself takes memory.
    let would_queue = session.transaction.is_some() && !entry.flags.contains(Flags::NOT_QUEUED);
    would_queue || flags_of(entry, session).contains(Flags::DENYOOM)
}

fn not_while_listening(entry: &Entry) -> Error {
    let name = &entry.name;
    format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context"
    )
    .into()
}

/// Whether a connection that was let in above `maxclients` may run this: administration only, so that the
/// reserve cannot be used up by ordinary work.
fn open_to_reserved(server: &Server, entry: &Entry) -> bool {
    let top = entry.parent.map_or(entry, |parent| server.table.entry(parent));
    entry.flags.intersects(Flags::ADMIN | Flags::NO_AUTH)
        || ["client", "info", "command", "memory", "latency", "dbsize"].contains(&top.command.name)
}

pub fn is_paused(server: &Server, entry: &Entry, session: &Session, now_ms: i64) -> bool {
    match server.pause.mode(now_ms) {
        PauseMode::None => false,
        PauseMode::All => true,
        PauseMode::Write => flags_of(entry, session).contains(Flags::WRITE),
    }
}

/// Whether this is the beginning of an HTTP request, which a browser was tricked into sending.
pub fn is_cross_protocol(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// What a refused EXEC answers: the transaction is gone.
pub fn exec_abort(error: &Error) -> Error {
    let message = error.message();
    let reason = message.strip_prefix(b"ERR ").unwrap_or(&message);
    Error::Bytes([b"EXECABORT Transaction discarded because of: ".as_slice(), reason].concat())
}

/// Redis quotes at most this many bytes of the name and of the arguments.
const QUOTED_MAX: usize = 128;

fn unknown_command(args: Args<'_>) -> Error {
    let name = Error::quotable(args.at(0));
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&name[..name.len().min(QUOTED_MAX)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let begin = text.len();
    for arg in args.from(1) {
        let room = QUOTED_MAX.saturating_sub(text.len() - begin);
        if room == 0 {
            break;
        }
        text.push(b'\'');
        let arg = Error::quotable(arg);
        text.extend_from_slice(&arg[..arg.len().min(room)]);
        text.extend_from_slice(b"' ");
    }
    Error::Bytes(text)
}

fn unknown_subcommand(container: &Entry, args: Args<'_>) -> Error {
    let name = Error::quotable(args.get(1).unwrap_or_default());
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(&name[..name.len().min(QUOTED_MAX)]);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(container.command.name.to_ascii_uppercase().as_bytes());
    text.extend_from_slice(b" HELP.");
    Error::Bytes(text)
}
