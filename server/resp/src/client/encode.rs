//! From arguments to the bytes of a command.

use crate::number::push_line;

/// Appends a command in multibulk form: its name and its arguments. An empty `args` would be no command and appends nothing.
pub fn encode_command<A: AsRef<[u8]>>(buffer: &mut Vec<u8>, args: &[A]) {
    if args.is_empty() {
        return;
    }
    push_line(buffer, b'*', args.len() as u64);
    for arg in args {
        let bytes = arg.as_ref();
        // Header (at most 23 bytes, written as 24), content and end.
        buffer.reserve(bytes.len() + 26);
        push_line(buffer, b'$', bytes.len() as u64);
        buffer.extend_from_slice(bytes);
        buffer.extend_from_slice(b"\r\n");
    }
}
