//! The grid: the map between its edges is halved again and again, in turn by longitude and by latitude, and each half
//! is a bit. So a cell is a number whose bits name ever smaller halves, and cells that lie in one have numbers that
//! follow each other.

/// The northernmost latitude of the grid, where the web's map of the world becomes a square; the southernmost is its
/// opposite.
pub(super) const LATITUDE_MAX: f64 = 85.051_128_78;
pub(super) const LONGITUDE_MAX: f64 = 180.0;

/// Halvings of each coordinate in a score: 52 bits, which a double holds exactly.
pub(super) const FINEST: u32 = 26;

/// A place, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

impl Point {
    /// Whether the grid covers the place.
    pub(super) fn is_on_grid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The place that a score stands for: the middle of its cell.
    pub(super) fn of_score(score: f64) -> Self {
        // Scores of other origin may be negative; C wraps them around.
        let bits = if score < 0.0 { score as i64 as u64 } else { score as u64 };
        let Area { west, east, south, north } = Cell { bits, step: FINEST }.area();
        Self {
            longitude: f64::midpoint(west, east).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: f64::midpoint(south, north).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The score of the place.
    pub(super) fn score(self) -> f64 {
        Cell::of(self, FINEST, LATITUDE_MAX).bits as f64
    }
}

/// A cell: `step` bits of longitude and as many of latitude, in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub bits: u64,
    pub step: u32,
}

/// The edges of a cell, in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

impl Cell {
    /// The cell of a place, in a grid that ends at this latitude on both sides.
    pub(super) fn of(point: Point, step: u32, latitude_max: f64) -> Self {
        let cells = (1u64 << step) as f64;
        let column = (point.longitude + LONGITUDE_MAX) / (2.0 * LONGITUDE_MAX) * cells;
        let row = (point.latitude + latitude_max) / (2.0 * latitude_max) * cells;
        Self { bits: interleave(row as u32, column as u32), step }
    }

    fn row_and_column(self) -> (u32, u32) {
        (every_second_bit(self.bits), every_second_bit(self.bits >> 1))
    }

    /// Where the cell is.
    pub(super) fn area(self) -> Area {
        let (row, column) = self.row_and_column();
        let cells = (1u64 << self.step) as f64;
        let edge = |index: f64, max: f64| -max + (index / cells) * (2.0 * max);
        Area {
            west: edge(f64::from(column), LONGITUDE_MAX),
            east: edge(f64::from(column) + 1.0, LONGITUDE_MAX),
            south: edge(f64::from(row), LATITUDE_MAX),
            north: edge(f64::from(row) + 1.0, LATITUDE_MAX),
        }
    }

    /// The cell so many columns to the east and rows to the north, around the edges of the map. The northern and the
    /// eastern edge themselves lie in cells beyond the last ones, which stay there as long as they do not move.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Self {
        let within = (1u32 << self.step) - 1;
        let moved = |index: u32, by| if by == 0 { index } else { index.wrapping_add_signed(by) & within };
        let (row, column) = self.row_and_column();
        Self { bits: interleave(moved(row, north), moved(column, east)), step: self.step }
    }

    /// The scores of the places in the cell: from the first to before the second.
    pub(super) fn scores(self) -> (f64, f64) {
        let finer = 2 * (FINEST - self.step);
        ((self.bits << finer) as f64, ((self.bits + 1) << finer) as f64)
    }
}

/// The bits of two numbers in turn, the lowest one from `even`.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ]
    .into_iter()
    .fold(u64::from(bits), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// The reverse of [`spread`]: every second bit, from the lowest one on.
fn every_second_bit(bits: u64) -> u32 {
    let bits = [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ]
    .into_iter()
    .fold(bits & 0x5555_5555_5555_5555, |bits, (shift, mask)| (bits | bits >> shift) & mask);
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_apart_as_they_were() {
        for (even, odd) in
            [(0, 0), (1, 0), (0, 1), (u32::MAX, 0), (0x1234_5678, 0x9abc_def0), (u32::MAX, u32::MAX)]
        {
            let bits = interleave(even, odd);
            assert_eq!((every_second_bit(bits), every_second_bit(bits >> 1)), (even, odd));
        }
        assert_eq!(interleave(0b11, 0), 0b101);
    }

    #[test]
    fn a_place_survives_its_score_to_less_than_a_meter() {
        for (longitude, latitude) in
            [(13.361_389, 38.115_556), (-180.0, -85.05), (179.999, 85.05), (0.0, 0.0)]
        {
            let point = Point { longitude, latitude };
            let back = Point::of_score(point.score());
            assert!((back.longitude - longitude).abs() < 6e-6 && (back.latitude - latitude).abs() < 3e-6);
        }
        assert_eq!(Point { longitude: 13.361_389, latitude: 38.115_556 }.score(), 3_479_099_956_230_698.0);
    }

    #[test]
    fn neighbours_wrap_around_the_map() {
        let corner = Cell::of(Point { longitude: -180.0, latitude: -85.0 }, 3, LATITUDE_MAX);
        assert_eq!(corner.row_and_column(), (0, 0));
        assert_eq!(corner.neighbour(-1, -1).row_and_column(), (7, 7));
        assert_eq!(corner.neighbour(1, 2).row_and_column(), (2, 1));
        let edge = Cell::of(Point { longitude: 180.0, latitude: LATITUDE_MAX }, 3, LATITUDE_MAX);
        assert_eq!(edge.neighbour(0, 0), edge);
        assert_eq!(edge.neighbour(1, 0).row_and_column(), (8, 1));
    }
}
