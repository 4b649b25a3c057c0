//! Measuring Boxcar.
