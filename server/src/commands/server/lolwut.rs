//! LOLWUT: a picture without a purpose, different every time.

use super::{BOXCAR_VERSION, REDIS_VERSION, ROW};
use crate::commands::row::{Argument, Command, Flags};
use crate::commands::{Args, CommandResult, Cx};
use boxcar_sys::clock::wall_us;

/// The row.
pub const COMMANDS: &[Command] = &[Command {
    name: "lolwut",
    arity: -1,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    since: "5.0.0",
    complexity: "",
    summary: "Draws a picture, and tells the version.",
    arguments: &[Argument::new("version", "integer").after("VERSION").optional()],
    handler: lolwut,
    ..ROW
}];

/// `VERSION` chooses a Redis release's picture; there is one here, whatever it says. The pictures of 5 and 6 take numbers
/// (columns, and squares or rows), which are checked.
fn lolwut(cx: &mut Cx<'_, '_>, args: Args<'_>) -> CommandResult {
    if args.is(1, "version") && args.len() > 2 {
        // Redis looks at the lowest 32 bits.
        let numbers = match args.integer(2)? as u32 {
            5 => 3,
            6 => 2,
            _ => 0,
        };
        for at in (3..args.len()).take(numbers) {
            args.integer(at)?;
        }
    }
    let mut text = train(&mut Dice::new(wall_us() as u64));
    text.push_str(&format!("\nBoxcar ver. {BOXCAR_VERSION}, Redis ver. {REDIS_VERSION}\n"));
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Good enough for dice (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// One die's roll, 1 to 6.
    fn roll(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % 6 + 1
    }
}

/// The spots of a die's face, three lines of three.
const FACES: [[&str; 3]; 6] = [
    ["     ", "  o  ", "     "],
    ["o    ", "     ", "    o"],
    ["o    ", "  o  ", "    o"],
    ["o   o", "     ", "o   o"],
    ["o   o", "  o  ", "o   o"],
    ["o   o", "o   o", "o   o"],
];

/// A goods train whose cars carry two dice each. It grows until a pair of sixes, boxcars, closes it, or it is too
/// long for a terminal.
fn train(dice: &mut Dice) -> String {
    const CARS_MAX: usize = 4;
    let mut lines = [
        "      ____     ".to_owned(),
        "  ___ |  |__   ".to_owned(),
        "  | |_|     \\  ".to_owned(),
        "  |__________\\ ".to_owned(),
        "=='o-o----o-o'=".to_owned(),
    ];
    let mut boxcars = false;
    for _ in 0..CARS_MAX {
        let (left, right) = (dice.roll(), dice.roll());
        lines[0].push_str(" _____________ ");
        for (line, spots) in lines[1..4].iter_mut().zip(0..3) {
            line.push_str(&format!(" |{} {}| ", FACES[left - 1][spots], FACES[right - 1][spots]));
        }
        lines[4].push_str("='oo-------oo'=");
        boxcars = (left, right) == (6, 6);
        if boxcars {
            break;
        }
    }
    let mut text = lines.join("\n");
    text.push_str(if boxcars { "\n\nBoxcars!\n" } else { "\n" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_are_straight_and_end_with_boxcars_at_times() {
        let mut closed = 0;
        for seed in 0..200 {
            let text = train(&mut Dice::new(seed * 7919));
            let widths: Vec<usize> = text.lines().take(5).map(str::len).collect();
            assert!(widths.iter().all(|width| *width == widths[0] && *width <= 80), "{text}");
            closed += usize::from(text.contains("Boxcars!"));
        }
        assert!((1..100).contains(&closed), "{closed}");
    }

    #[test]
    fn all_faces_come_up() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 6];
        for _ in 0..6000 {
            seen[dice.roll() - 1] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }
}
