//! Names of functions, those that the compiler has inlined among them.
//!
//! A release of the server is one large function for each thread; what matters was inlined into it. perf names the large one only,
//! so the frames of the server's own binary are looked up in its line tables here.

use super::script::Frame;
use addr2line::Loader;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A part of a file that is loaded: where in the file, how long, and at which address the linker wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    offset: u64,
    length: u64,
    address: u64,
}

/// A part of a file in memory.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    start: u64,
    length: u64,
    offset: u64,
}

/// A function in a call chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The function, as it is shown: `name`, for the kernel's `name_[k]`. Of a function that was inlined it is the whole path only in
    /// builds with more than line tables.
    pub name: String,
    /// The source file, if the binary's line tables tell.
    pub file: Option<String>,
}

/// Looks names up. What was looked up once is remembered.
pub struct Symbols {
    binary: PathBuf,
    loader: Loader,
    segments: Vec<Segment>,
    mappings: Vec<Mapping>,
    known: HashMap<u64, Vec<Place>>,
}

impl Symbols {
    /// For the frames of this binary.
    ///
    /// # Errors
    /// It cannot be read, or is no 64-bit ELF file.
    pub fn of(binary: &Path) -> io::Result<Symbols> {
        let loader = Loader::new(binary).map_err(|error| io::Error::other(error.to_string()))?;
        let segments = segments(&fs::read(binary)?)
            .ok_or_else(|| io::Error::other(format!("{} is not a 64-bit ELF file", binary.display())))?;
        Ok(Symbols {
            binary: binary.to_owned(),
            loader,
            segments,
            mappings: Vec::new(),
            known: HashMap::new(),
        })
    }

    /// The binary was mapped there.
    pub fn mapped(&mut self, path: &str, start: u64, length: u64, offset: u64) {
        if Path::new(path) == self.binary {
            self.mappings.push(Mapping { start, length, offset });
        }
    }

    /// The names of a call chain's functions, innermost first: see [`Place::name`].
    pub fn names(&mut self, frames: &[Frame]) -> Vec<String> {
        self.places(frames).into_iter().map(|place| place.name).collect()
    }

    /// The functions of a call chain, innermost first.
    pub fn places(&mut self, frames: &[Frame]) -> Vec<Place> {
        let mut places = Vec::with_capacity(frames.len());
        for (depth, frame) in frames.iter().enumerate() {
            if Path::new(&frame.object) == self.binary {
                places.extend_from_slice(self.functions(frame, depth > 0));
            } else {
                places.push(Place { name: shown(frame), file: None });
            }
        }
        places
    }

    /// What stands at a frame of the binary, the innermost inlined function first. A frame that called another one holds the
    /// address to return to, which may belong to the next function already: `called`.
    fn functions(&mut self, frame: &Frame, called: bool) -> &[Place] {
        let offset = self.file_offset(frame.address);
        let segment =
            self.segments.iter().find(|part| (part.offset..part.offset + part.length).contains(&offset));
        let address = segment.map_or(offset, |part| offset - part.offset + part.address);
        let address = address.saturating_sub(u64::from(called));
        let loader = &self.loader;
        self.known.entry(address).or_insert_with(|| {
            let mut places = inlined(loader, address).unwrap_or_default();
            if places.is_empty() {
                places.push(Place { name: shown(frame), file: None });
            }
            places
        })
    }

    /// Newer versions of perf give addresses within the file, older ones those in memory, which are far beyond any file.
    fn file_offset(&self, address: u64) -> u64 {
        let inside = |mapping: &&Mapping| (mapping.start..mapping.start + mapping.length).contains(&address);
        match self.mappings.iter().find(inside) {
            Some(mapping) => address - mapping.start + mapping.offset,
            None => address,
        }
    }
}

fn inlined(loader: &Loader, address: u64) -> Option<Vec<Place>> {
    let mut frames = loader.find_frames(address).ok()?;
    let mut places = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        let file = frame.location.and_then(|location| location.file).map(str::to_owned);
        if let Some(name) = frame.function.and_then(|name| Some(name.demangle().ok()?.into_owned())) {
            places.push(Place { name: clean(&name), file });
        }
    }
    Some(places)
}

fn shown(frame: &Frame) -> String {
    let name = match frame.symbol.as_str() {
        "[unknown]" => match frame.object.rsplit('/').next() {
            Some(file) if file != "[unknown]" => format!("[{}]", file.trim_matches(['[', ']'])),
            _ => "[unknown]".to_owned(),
        },
        symbol => clean(symbol),
    };
    if frame.in_kernel() { format!("{name}_[k]") } else { name }
}

/// A name as it may stand in a folded stack, where a semicolon ends a frame; without the hash of older manglings.
fn clean(name: &str) -> String {
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => name,
    };
    name.replace("; ", ", ").replace(';', ",")
}

/// The loaded segments of a 64-bit ELF file, from its program headers (elf(5)).
fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    const LOAD: u32 = 1;
    if file.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    let little = file[5] == 1;
    let number = |at: usize, length: usize| {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(file.get(at..at + length)?);
        if !little {
            bytes[..length].reverse();
        }
        Some(u64::from_le_bytes(bytes))
    };
    let (headers, size, count) = (number(32, 8)? as usize, number(54, 2)? as usize, number(56, 2)? as usize);
    let mut segments = Vec::new();
    for index in 0..count {
        let header = headers.checked_add(index * size)?;
        if number(header, 4)? == u64::from(LOAD) {
            let (offset, address, length) =
                (number(header + 8, 8)?, number(header + 16, 8)?, number(header + 32, 8)?);
            segments.push(Segment { offset, length, address });
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(address: u64, symbol: &str, object: &str) -> Frame {
        Frame { address, symbol: symbol.to_owned(), object: object.to_owned() }
    }

    #[inline(never)]
    fn a_function_to_be_found() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn functions_of_this_binary_are_found_in_memory_and_in_the_file() {
        let binary = std::env::current_exe().unwrap();
        let mut symbols = Symbols::of(&binary).unwrap();
        let address = a_function_to_be_found as fn() -> u64 as usize as u64;
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let path = binary.to_str().unwrap();
        let mut offset_in_file = None;
        for line in maps.lines().filter(|line| line.ends_with(path)) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = words[0].split_once('-').unwrap();
            let hex = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end, offset) = (hex(start), hex(end), hex(words[2]));
            symbols.mapped(path, start, end - start, offset);
            if (start..end).contains(&address) {
                offset_in_file = Some(address - start + offset);
            }
        }
        for address in [address, offset_in_file.unwrap()] {
            let names = symbols.names(&[frame(address, "[unknown]", path)]);
            assert!(names.iter().any(|name| name.ends_with("a_function_to_be_found")), "{names:?}");
            let places = symbols.places(&[frame(address, "[unknown]", path)]);
            let ours = |place: &Place| {
                place.file.as_ref().is_some_and(|file| file.ends_with("perf/src/profile/symbols.rs"))
            };
            assert!(places.iter().any(ours), "{places:?}");
        }
    }

    #[test]
    fn names_fit_into_folded_stacks() {
        assert_eq!(clean("core::array::<[u8; 4]>::f::h0123456789abcdef"), "core::array::<[u8, 4]>::f");
        assert_eq!(shown(&frame(1, "__schedule", "[kernel.kallsyms]")), "__schedule_[k]");
        assert_eq!(shown(&frame(1, "[unknown]", "/lib/libc.so.6")), "[libc.so.6]");
        assert_eq!(shown(&frame(1, "[unknown]", "[unknown]")), "[unknown]");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(segments(b"#!/bin/sh").is_none());
        assert!(segments(b"\x7fELF\x02\x01").is_none());
    }
}
