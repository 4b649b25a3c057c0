//! Distances on the earth, taken for a sphere; the shapes that are searched, and the cells that cover them.

use super::grid::{Area, Cell, FINEST, LATITUDE_MAX, Point};

/// The earth's radius in meters, as Redis has it: distances agree to the last digit.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Half the equator's length on the web's map of the world, in meters.
const HALF_EQUATOR: f64 = 20_037_726.37;

const RADIANS: f64 = std::f64::consts::PI / 180.0;

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS
}

fn distance_along_meridian(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

/// The distance of two places in meters (haversine).
pub(super) fn distance(a: Point, b: Point) -> f64 {
    let east = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if east == 0.0 {
        return distance_along_meridian(a.latitude, b.latitude);
    }
    let (south, north) = (radians(a.latitude), radians(b.latitude));
    let up = ((north - south) / 2.0).sin();
    let chord = up * up + south.cos() * north.cos() * east * east;
    2.0 * EARTH_RADIUS * chord.sqrt().asin()
}

/// What is searched around a center.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Extent {
    /// Everything within a distance, in units of the query.
    Circle { radius: f64 },
    /// Everything in a box of this width and height.
    Box { width: f64, height: f64 },
}

/// A shape on the earth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub center: Point,
    pub extent: Extent,
    /// Meters of a unit.
    pub unit: f64,
}

impl Shape {
    /// The distance of a place from the center in meters, if the place is inside.
    pub(super) fn distance_within(&self, place: Point) -> Option<f64> {
        match self.extent {
            Extent::Circle { radius } => {
                let distance = distance(self.center, place);
                (distance <= radius * self.unit).then_some(distance)
            }
            Extent::Box { width, height } => {
                let up = distance_along_meridian(place.latitude, self.center.latitude);
                if up > height * self.unit / 2.0 {
                    return None;
                }
                let across = distance(place, Point { latitude: place.latitude, ..self.center });
                (across <= width * self.unit / 2.0).then(|| distance(self.center, place))
            }
        }
    }

    /// Half of the shape's width and height, in meters.
    fn reach(&self) -> (f64, f64) {
        match self.extent {
            Extent::Circle { radius } => (self.unit * radius, self.unit * radius),
            Extent::Box { width, height } => (self.unit * (width / 2.0), self.unit * (height / 2.0)),
        }
    }

    /// The meridians and parallels around the shape.
    fn bounds(&self) -> Area {
        let Point { longitude, latitude } = self.center;
        let (across, up) = self.reach();
        let up = degrees(up / EARTH_RADIUS);
        // A degree of longitude is shortest at the edge that is nearer to a pole.
        let nearest_pole = if latitude < 0.0 { latitude - up } else { latitude + up };
        let across = degrees(across / EARTH_RADIUS / radians(nearest_pole).cos());
        Area {
            west: longitude - across,
            east: longitude + across,
            south: latitude - up,
            north: latitude + up,
        }
    }

    /// From the center to the farthest point, in meters.
    fn radius(&self) -> f64 {
        let radius = match self.extent {
            Extent::Circle { radius } => radius,
            Extent::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        radius * self.unit
    }

    /// The cells that cover the shape, in the order in which Redis visits them: that of the center, then its
    /// neighbours, as far as they are needed.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        let bounds = self.bounds();
        let mut step = step_for(self.radius(), self.center.latitude);
        let mut middle = Cell::of(self.center, step, LATITUDE_MAX);
        let too_fine = middle.neighbour(0, 1).area().north < bounds.north
            || middle.neighbour(0, -1).area().south > bounds.south
            || middle.neighbour(1, 0).area().east < bounds.east
            || middle.neighbour(-1, 0).area().west > bounds.west;
        if step > 1 && too_fine {
            step -= 1;
            middle = Cell::of(self.center, step, LATITUDE_MAX);
        }
        let area = middle.area();
        let needed = move |(east, north): &(i32, i32)| {
            step < 2
                || !((*north < 0 && area.south < bounds.south)
                    || (*north > 0 && area.north > bounds.north)
                    || (*east < 0 && area.west < bounds.west)
                    || (*east > 0 && area.east > bounds.east))
        };
        let mut before = None;
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
            .into_iter()
            .filter(needed)
            .map(move |(east, north)| (middle.neighbour(east, north), (east, north) == (0, 0)))
            .filter(move |(cell, is_middle)| {
                // On a coarse grid a neighbour may be the one that was visited last, around the map.
                let again = before == Some(*cell);
                if !again && !is_middle {
                    before = Some(*cell);
                }
                !again
            })
            .map(|(cell, _)| cell)
    }
}

/// The finest grid in which nine cells cover a circle of this radius.
fn step_for(mut radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return FINEST;
    }
    let mut step = 1;
    while radius < HALF_EQUATOR {
        radius *= 2.0;
        step += 1;
    }
    // Room for a center that lies at the edge of its cell, and for the narrow cells towards the poles.
    step -= 2;
    if latitude.abs() > 66.0 {
        step -= 1;
        if latitude.abs() > 80.0 {
            step -= 1;
        }
    }
    step.clamp(1, FINEST as i32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { longitude: 13.361_389, latitude: 38.115_556 };
    const CATANIA: Point = Point { longitude: 15.087_269, latitude: 37.502_669 };

    #[test]
    fn distances_are_those_of_a_sphere() {
        assert!((distance(PALERMO, CATANIA) - 166_274.15).abs() < 1.0);
        assert_eq!(distance(PALERMO, PALERMO), 0.0);
        let south = Point { latitude: 37.115_556, ..PALERMO };
        assert!((distance(PALERMO, south) - 111_226.3).abs() < 1.0);
    }

    #[test]
    fn shapes_hold_what_is_inside() {
        let circle = |radius| Shape { center: PALERMO, extent: Extent::Circle { radius }, unit: 1000.0 };
        assert!(circle(167.0).distance_within(CATANIA).is_some());
        assert!(circle(166.0).distance_within(CATANIA).is_none());
        let extent = |width, height| Extent::Box { width, height };
        let boxed = |width, height| Shape { center: PALERMO, extent: extent(width, height), unit: 1000.0 };
        assert!(boxed(310.0, 140.0).distance_within(CATANIA).is_some());
        assert!(boxed(300.0, 140.0).distance_within(CATANIA).is_none());
        assert!(boxed(310.0, 130.0).distance_within(CATANIA).is_none());
    }

    #[test]
    fn the_cells_of_a_shape_cover_it() {
        for radius in [0.0, 1.0, 1000.0, 50_000.0, 5_000_000.0, 3e7] {
            for latitude in [-84.0, -70.0, 0.0, 38.0, 84.0] {
                let center = Point { longitude: 13.0, latitude };
                let shape = Shape { center, extent: Extent::Circle { radius }, unit: 1.0 };
                let score = center.score();
                let inside = |cell: Cell| (cell.scores().0..cell.scores().1).contains(&score);
                assert!(shape.cells().any(inside), "{radius} {latitude}");
            }
        }
    }

    #[test]
    fn a_huge_number_is_a_radius_too() {
        let shape = Shape { center: PALERMO, extent: Extent::Circle { radius: f64::INFINITY }, unit: 1.0 };
        assert!(shape.cells().count() > 0 && shape.distance_within(CATANIA).is_some());
        assert_eq!(step_for(f64::MIN_POSITIVE, 0.0), FINEST);
    }
}
