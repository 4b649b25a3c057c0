//! Digits of a double: the Grisu2 algorithm (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", PLDI 2010).
//!
//! Redis since 7.2 prints doubles with it, by way of the fpconv library. Its digits always read back as the same number and
//! are the shortest that do for 99.9 % of all doubles; for the rest one or more digits longer. The standard library's always
//! shortest digits would therefore differ from Redis once in a thousand scores.

/// Room for the digits. Grisu2 makes at most 17.
pub(super) type Digits = [u8; 20];

/// Bits of a double's fraction.
const FRACTION_BITS: u32 = 52;

/// The bit above the fraction, implied in every normal double.
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;

/// Exponent of the lowest fraction bit of a double whose exponent field is 0.
const EXPONENT_BIAS: i32 = 1023 + FRACTION_BITS as i32;

/// A scaled number's exponent lies in this range, so that its whole part has at most 32 bits and its fraction can be multiplied by ten.
const SCALED_EXPONENTS: std::ops::RangeInclusive<i32> = -60..=-32;

/// `significand * 2^exponent`, without a sign.
#[derive(Clone, Copy)]
struct Float {
    significand: u64,
    exponent: i32,
}

impl Float {
    /// The highest bit of the significand set.
    const fn normalized(self) -> Float {
        let shift = self.significand.leading_zeros();
        Float { significand: self.significand << shift, exponent: self.exponent - shift as i32 }
    }

    /// The product, its significand rounded to 64 bits.
    fn times(self, other: Float) -> Float {
        let product = u128::from(self.significand) * u128::from(other.significand);
        let rounded = (product + (1 << 63)) >> 64;
        Float { significand: rounded as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// The digits of a positive, finite number: how many, and the decimal exponent of the last one.
pub(super) fn shortest_digits(value: f64, digits: &mut Digits) -> (usize, i32) {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & (HIDDEN_BIT - 1), (bits >> FRACTION_BITS) as i32);
    let number = if biased == 0 {
        Float { significand: fraction, exponent: 1 - EXPONENT_BIAS }
    } else {
        Float { significand: fraction | HIDDEN_BIT, exponent: biased - EXPONENT_BIAS }
    };
    // Halfway to the neighbours. Below a power of two the neighbour is half as far away.
    let upper =
        Float { significand: (number.significand << 1) + 1, exponent: number.exponent - 1 }.normalized();
    let closer = if number.significand == HIDDEN_BIT { 2 } else { 1 };
    let lower = Float { significand: (number.significand << closer) - 1, exponent: number.exponent - closer };
    let lower_significand = lower.significand << (lower.exponent - upper.exponent);

    let (power, decimal) = scaling_power(upper.exponent);
    let scaled = number.normalized().times(power);
    let upper = upper.times(power);
    let lower = Float { significand: lower_significand, exponent: lower.exponent }.times(power);
    // One unit towards each other: the products are off by less than that.
    let (upper_significand, lower_significand) = (upper.significand - 1, lower.significand + 1);
    let interval = Interval {
        upper: upper_significand,
        width: upper_significand - lower_significand,
        distance: upper_significand - scaled.significand,
        fraction_bits: -upper.exponent as u32,
    };
    let (count, exponent) = interval.generate(digits);
    (count, exponent - decimal)
}

/// The numbers that read back as the one to print, in units of `2^-fraction_bits`.
struct Interval {
    upper: u64,
    width: u64,
    /// From the number itself to `upper`.
    distance: u64,
    fraction_bits: u32,
}

impl Interval {
    /// Digits of `upper`, until what is left lies within the interval; then the last one is moved towards the number itself.
    fn generate(&self, digits: &mut Digits) -> (usize, i32) {
        let one = 1u64 << self.fraction_bits;
        // Thirty-two bits or fewer, and not zero: see SCALED_EXPONENTS.
        let mut whole = (self.upper >> self.fraction_bits) as u32;
        let mut fraction = self.upper & (one - 1);
        let mut count = 0;
        for exponent in (0..=whole.ilog10()).rev() {
            let unit = 10u32.pow(exponent);
            digits[count] = b'0' + (whole / unit) as u8;
            count += 1;
            whole %= unit;
            let rest = (u64::from(whole) << self.fraction_bits) + fraction;
            if rest <= self.width {
                let unit = u64::from(unit) << self.fraction_bits;
                approach(&mut digits[count - 1], rest, unit, self.width, self.distance);
                return (count, exponent as i32);
            }
        }
        let (mut width, mut distance, mut exponent) = (self.width, self.distance, 0);
        loop {
            fraction *= 10;
            width *= 10;
            distance *= 10;
            exponent -= 1;
            digits[count] = b'0' + (fraction >> self.fraction_bits) as u8;
            count += 1;
            fraction &= one - 1;
            if fraction < width {
                approach(&mut digits[count - 1], fraction, one, width, distance);
                return (count, exponent);
            }
        }
    }
}

/// Lowers the last digit, worth `unit`, while that brings the digits, now `rest` below the upper bound, closer to the number,
/// `distance` below it, and keeps them in the interval.
fn approach(last: &mut u8, mut rest: u64, unit: u64, width: u64, distance: u64) {
    while rest < distance
        && width - rest >= unit
        && (rest + unit < distance || distance - rest > rest + unit - distance)
    {
        *last -= 1;
        rest += unit;
    }
}

/// The power of ten that brings a number with this binary exponent into [`SCALED_EXPONENTS`], and its decimal exponent.
fn scaling_power(exponent: i32) -> (Float, i32) {
    // Two powers may do. Starting from this estimate picks the one fpconv picks, which decides some last digits.
    const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;
    let estimate = (-f64::from(exponent + POWERS as i32) * LOG10_OF_2) as i32;
    let mut index = ((estimate - FIRST_POWER) / POWER_STEP) as usize;
    loop {
        let scaled = exponent + CACHED_POWERS[index].exponent + 64;
        if scaled < *SCALED_EXPONENTS.start() {
            index += 1;
        } else if scaled > *SCALED_EXPONENTS.end() {
            index -= 1;
        } else {
            return (CACHED_POWERS[index], FIRST_POWER + index as i32 * POWER_STEP);
        }
    }
}

/// Decimal exponent of the first power in [`CACHED_POWERS`].
const FIRST_POWER: i32 = -348;

/// Decimal exponents from one cached power to the next.
const POWER_STEP: i32 = 8;

/// Number of cached powers, from 10^-348 to 10^340: enough for the smallest and the largest double.
const POWERS: usize = 87;

/// Index of 10^4, the first power that is an integer.
const FIRST_INTEGER: usize = 44;

/// Powers of ten, rounded to 64 bits.
static CACHED_POWERS: [Float; POWERS] = cached_powers();

/// Limbs of a number wide enough for 10^340 (1130 bits), and for 10^-348 with hundreds of bits to spare.
const LIMBS: usize = 26;

/// Bits below one in the fixed-point numbers that negative powers are computed with.
const FIXED_POINT: i32 = (LIMBS as i32 - 1) * 64;

/// Computes [`CACHED_POWERS`], at compile time.
const fn cached_powers() -> [Float; POWERS] {
    let mut powers = [Float { significand: 0, exponent: 0 }; POWERS];
    let mut wide = [0u64; LIMBS];
    wide[0] = 10_000;
    let mut index = FIRST_INTEGER;
    while index < POWERS {
        powers[index] = rounded(&wide, 0);
        multiply(&mut wide, 100_000_000);
        index += 1;
    }
    let mut wide = [0u64; LIMBS];
    wide[LIMBS - 1] = 1;
    divide(&mut wide, 10_000);
    let mut index = FIRST_INTEGER;
    while index > 0 {
        index -= 1;
        powers[index] = rounded(&wide, FIXED_POINT);
        divide(&mut wide, 100_000_000);
    }
    powers
}

/// Multiplies a wide number, lowest limb first.
const fn multiply(wide: &mut [u64; LIMBS], factor: u64) {
    let mut carry = 0u128;
    let mut index = 0;
    while index < LIMBS {
        let product = wide[index] as u128 * factor as u128 + carry;
        wide[index] = product as u64;
        carry = product >> 64;
        index += 1;
    }
}

/// Divides a wide number, lowest limb first, dropping the remainder.
const fn divide(wide: &mut [u64; LIMBS], divisor: u64) {
    let mut remainder = 0u128;
    let mut index = LIMBS;
    while index > 0 {
        index -= 1;
        let dividend = remainder << 64 | wide[index] as u128;
        wide[index] = (dividend / divisor as u128) as u64;
        remainder = dividend % divisor as u128;
    }
}

/// The upper 64 bits of a wide number with `fraction_bits` bits below one, rounded to nearest.
const fn rounded(wide: &[u64; LIMBS], fraction_bits: i32) -> Float {
    let mut top = LIMBS - 1;
    while wide[top] == 0 {
        top -= 1;
    }
    let below = if top > 0 { wide[top - 1] } else { 0 };
    let shift = wide[top].leading_zeros();
    let both = ((wide[top] as u128) << 64 | below as u128) << shift;
    let significand = (both >> 64) as u64;
    let round_up = both as u64 >> 63 == 1;
    Float {
        // No power of ten rounds up to a power of two.
        significand: significand + round_up as u64,
        exponent: top as i32 * 64 - shift as i32 - fraction_bits,
    }
}

#[cfg(test)]
mod tests {
    use super::{CACHED_POWERS, Digits, FIRST_POWER, POWER_STEP, shortest_digits};

    #[test]
    fn cached_powers_are_powers_of_ten() {
        for (index, power) in CACHED_POWERS.iter().enumerate() {
            let decimal = FIRST_POWER + index as i32 * POWER_STEP;
            assert_eq!(power.significand.leading_zeros(), 0);
            // Exact where 64 bits hold the whole number.
            if (0..=19).contains(&decimal) {
                let exact = u128::from(power.significand) >> -power.exponent;
                assert_eq!(exact, 10u128.pow(decimal as u32));
            }
            let log2 = (power.significand as f64).log2() + f64::from(power.exponent);
            assert!((log2 - f64::from(decimal) * std::f64::consts::LOG2_10).abs() < 1e-9);
        }
    }

    #[test]
    fn extremes_have_digits() {
        let mut digits: Digits = [0; 20];
        for (value, text, exponent) in [
            (f64::MAX, "17976931348623157", 292),
            (f64::MIN_POSITIVE, "22250738585072014", -324),
            (5e-324, "5", -324),
            (1.0, "1", 0),
            (0.1, "1", -1),
        ] {
            let (count, last) = shortest_digits(value, &mut digits);
            assert_eq!((&digits[..count], last), (text.as_bytes(), exponent));
        }
    }
}
