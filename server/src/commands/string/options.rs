//! The options that SET and GETEX share, and the expiry that they, SETEX and PSETEX give.

use crate::commands::{Args, Entry, Error};

/// Which command's options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Set,
    Getex,
}

/// Under which condition SET sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// NX
    IfMissing,
    /// XX
    IfPresent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
}

/// What shall become of the key's expiry. The number is an argument that is only looked at when the command gets
/// that far; `at` is its position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Nothing said: SET removes it, GETEX leaves it.
    Unsaid,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Persist,
    /// EX, PX: so long from now.
    In { unit: Unit, at: usize },
    /// EXAT, PXAT: at this unix time.
    At { unit: Unit, at: usize },
}

pub(super) struct Options {
    pub condition: Condition,
    /// Reply with the old value.
    pub get: bool,
    pub expiry: Expiry,
}

/// Reads the options from argument `first` on.
pub(super) fn parse(args: Args<'_>, first: usize, command: For) -> Result<Options, Error> {
    let mut options = Options { condition: Condition::Always, get: false, expiry: Expiry::Unsaid };
    let mut i = first;
    while i < args.len() {
        if !parse_flag(args, i, command, &mut options) {
            options.expiry = parse_expiry(args, i, options.expiry).ok_or(Error::Syntax)?;
            i += 1;
        }
        i += 1;
    }
    Ok(options)
}

/// An option without a value. Repeating one is allowed, contradicting one is not.
fn parse_flag(args: Args<'_>, i: usize, command: For, options: &mut Options) -> bool {
    let set = command == For::Set;
    let may = |condition| options.condition == Condition::Always || options.condition == condition;
    let may_expire = |expiry| options.expiry == Expiry::Unsaid || options.expiry == expiry;
    if set && args.is(i, "NX") && may(Condition::IfMissing) {
        options.condition = Condition::IfMissing;
    } else if set && args.is(i, "XX") && may(Condition::IfPresent) {
        options.condition = Condition::IfPresent;
    } else if set && args.is(i, "GET") {
        options.get = true;
    } else if set && args.is(i, "KEEPTTL") && may_expire(Expiry::Keep) {
        options.expiry = Expiry::Keep;
    } else if !set && args.is(i, "PERSIST") && may_expire(Expiry::Persist) {
        options.expiry = Expiry::Persist;
    } else {
        return false;
    }
    true
}

/// EX, PX, EXAT or PXAT and the number after it. One may be repeated, then the last one counts; two different ones
/// contradict each other.
fn parse_expiry(args: Args<'_>, i: usize, said: Expiry) -> Option<Expiry> {
    let at = i + 1;
    let expiry = [
        ("EX", Expiry::In { unit: Unit::Seconds, at }),
        ("PX", Expiry::In { unit: Unit::Millis, at }),
        ("EXAT", Expiry::At { unit: Unit::Seconds, at }),
        ("PXAT", Expiry::At { unit: Unit::Millis, at }),
    ]
    .into_iter()
    .find_map(|(word, expiry)| args.is(i, word).then_some(expiry))?;
    let agrees = match (said, expiry) {
        (Expiry::Unsaid, _) => true,
        (Expiry::In { unit: a, .. }, Expiry::In { unit: b, .. })
        | (Expiry::At { unit: a, .. }, Expiry::At { unit: b, .. }) => a == b,
        _ => false,
    };
    (agrees && at < args.len()).then_some(expiry)
}

impl Expiry {
    /// The moment in unix milliseconds, if one is given.
    ///
    /// # Errors
    /// When the number is none, not positive, or too large to be a moment.
    pub(super) fn at_ms(self, args: Args<'_>, now_ms: i64, command: &Entry) -> Result<Option<i64>, Error> {
        let (unit, at, from_ms) = match self {
            Self::Unsaid | Self::Keep | Self::Persist => return Ok(None),
            Self::In { unit, at } => (unit, at, now_ms),
            Self::At { unit, at } => (unit, at, 0),
        };
        let number = args.integer(at)?;
        let millis = match unit {
            Unit::Seconds => number.checked_mul(1000),
            Unit::Millis => Some(number),
        };
        let moment = millis.filter(|&millis| millis > 0).and_then(|millis| millis.checked_add(from_ms));
        moment.map(Some).ok_or_else(|| invalid_expire_time(command))
    }
}

/// `ERR invalid expire time in '...' command`
#[cold]
pub(super) fn invalid_expire_time(command: &Entry) -> Error {
    format!("ERR invalid expire time in '{}' command", command.name).into()
}
