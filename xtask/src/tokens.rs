//! A Rust source file as tokens: what the tidy checks look at, so that comments and strings never mislead them.

use anyhow::{Context, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::path::Path;

/// A path of the crate that a file names: `crate::store::…`, or as many `super::` as lead to the crate's root.
#[derive(Debug, PartialEq, Eq)]
pub struct CratePath {
    /// The first name below the crate's root.
    pub first: String,
    /// The line it stands in.
    pub line: usize,
}

/// A `mod name;`: a module whose text is in a file of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct FileModule {
    /// The modules of this file around it, outermost first.
    pub within: Vec<String>,
    /// The module's name.
    pub name: String,
    /// The file named by a `#[path = "…"]` before it.
    pub path: Option<String>,
}

/// What one walk over a file's tokens finds.
#[derive(Debug, Default)]
pub struct Found {
    /// Names below the crate's root.
    pub crate_paths: Vec<CratePath>,
    /// Modules in files of their own.
    pub modules: Vec<FileModule>,
    /// Lines with an `unsafe` block or an `unsafe impl`.
    pub unsafe_sites: Vec<usize>,
    /// Lines with any other `unsafe`.
    pub unsafe_declarations: Vec<usize>,
}

/// Tokenises a file and walks it. `depth` is how many modules the file's own module is below the crate's root.
///
/// # Errors
/// When the text is not made of Rust tokens.
pub fn walk(path: &Path, text: &str, depth: usize) -> anyhow::Result<Found> {
    let stream: TokenStream = text
        .parse()
        .map_err(|e| anyhow!("{e}"))
        .with_context(|| format!("{} does not tokenise", path.display()))?;
    let mut walker = Walker { depth, within: Vec::new(), found: Found::default() };
    walker.stream(stream);
    Ok(walker.found)
}

struct Walker {
    depth: usize,
    within: Vec<String>,
    found: Found,
}

impl Walker {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "unsafe" => self.unsafe_word(&tokens[at..]),
                TokenTree::Ident(word) if word == "crate" && colons(&tokens, at + 1) => {
                    self.names_below_root(&tokens[at + 3..]);
                }
                TokenTree::Ident(word) if word == "super" && !after_colons(&tokens, at) => {
                    self.upwards(&tokens[at..]);
                }
                TokenTree::Ident(word) if word == "mod" => at += self.module(&tokens, at),
                TokenTree::Group(group) => self.stream(group.stream()),
                _ => {}
            }
            at += 1;
        }
    }

    fn unsafe_word(&mut self, tokens: &[TokenTree]) {
        let line = tokens[0].span().start().line;
        let is_site = match tokens.get(1) {
            Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
            Some(TokenTree::Ident(word)) => word == "impl",
            _ => false,
        };
        if is_site { self.found.unsafe_sites.push(line) } else { self.found.unsafe_declarations.push(line) }
    }

    /// A chain of `super::`: only one that leads to the crate's root names a room.
    fn upwards(&mut self, tokens: &[TokenTree]) {
        let mut steps = 0;
        let mut at = 0;
        while matches!(&tokens.get(at), Some(TokenTree::Ident(word)) if *word == "super")
            && colons(tokens, at + 1)
        {
            steps += 1;
            at += 3;
        }
        if steps > 0 && steps == self.depth + self.within.len() {
            self.names_below_root(&tokens[at..]);
        }
    }

    /// `name…`, or `{name…, name…}`.
    fn names_below_root(&mut self, tokens: &[TokenTree]) {
        match tokens.first() {
            Some(TokenTree::Ident(name)) => {
                let line = name.span().start().line;
                self.found.crate_paths.push(CratePath { first: name.to_string(), line });
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                self.names_in_braces(group);
            }
            _ => {}
        }
    }

    fn names_in_braces(&mut self, group: &Group) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        for part in tokens.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
            self.names_below_root(part);
        }
    }

    /// `mod name;` or `mod name {…}`; gives how many tokens beyond `mod` it has dealt with.
    fn module(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return 0 };
        match tokens.get(at + 2) {
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                self.within.push(name.to_string());
                self.stream(body.stream());
                self.within.pop();
                2
            }
            Some(TokenTree::Punct(end)) if end.as_char() == ';' => {
                let path = path_attribute(&tokens[..at]);
                self.found.modules.push(FileModule {
                    within: self.within.clone(),
                    name: name.to_string(),
                    path,
                });
                2
            }
            _ => 0,
        }
    }
}

fn colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn after_colons(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && colons(tokens, at - 2)
}

/// The value of a `#[path = "…"]` among the attributes that end the given tokens.
fn path_attribute(before: &[TokenTree]) -> Option<String> {
    let mut end = before.len();
    while end > 0 {
        match &before[end - 1] {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                if let [TokenTree::Ident(word), _, TokenTree::Literal(value)] = inner.as_slice()
                    && word == "path"
                {
                    return Some(value.to_string().trim_matches('"').to_owned());
                }
                end = end.saturating_sub(2);
            }
            // `pub`, `pub(crate)`: between the attributes and `mod`.
            TokenTree::Ident(word) if word == "pub" => end -= 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => end -= 1,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(text: &str, depth: usize) -> Found {
        walk(Path::new("test.rs"), text, depth).unwrap()
    }

    fn rooms(text: &str, depth: usize) -> Vec<String> {
        walked(text, depth).crate_paths.into_iter().map(|p| p.first).collect()
    }

    #[test]
    fn every_form_of_a_crate_path_is_seen() {
        let text = "use crate::net::Loop; use crate::{config::{self, Row}, shard}; pub(crate) fn f() { crate::acl::g() }";
        assert_eq!(rooms(text, 1), ["net", "config", "shard", "acl"]);
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        assert!(rooms("// use crate::net;\nconst A: &str = \"crate::net::x unsafe {}\";", 1).is_empty());
    }

    #[test]
    fn super_counts_when_it_reaches_the_root() {
        assert_eq!(rooms("use super::super::net::Loop; use super::own::Thing;", 2), ["net"]);
        assert_eq!(rooms("mod tests { use super::*; use super::super::net; }", 1), ["net"]);
    }

    #[test]
    fn modules_in_files_are_told_from_modules_in_place() {
        let found = walked("#[cfg(test)] #[path = \"x/y.rs\"] mod a; mod b { pub(crate) mod c; }", 0);
        let flat: Vec<_> =
            found.modules.iter().map(|m| (m.within.join("/"), m.name.as_str(), m.path.as_deref())).collect();
        assert_eq!(flat, [(String::new(), "a", Some("x/y.rs")), ("b".to_owned(), "c", None)]);
    }

    #[test]
    fn unsafe_blocks_are_told_from_declarations() {
        let found = walked("unsafe fn f() {}\nfn g() { unsafe { f() } }\nunsafe impl Send for X {}", 0);
        assert_eq!((found.unsafe_sites, found.unsafe_declarations), (vec![2, 3], vec![1]));
    }
}
