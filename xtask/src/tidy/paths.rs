//! The paths that a file's tokens name, as seen from the root of its crate.

use super::tokens::Token;

/// The modules that a file under `src` is: `format/npy/mod.rs` is `format`, `npy`; `lib.rs` is none.
pub(super) fn modules(inner: &str) -> Vec<&str> {
    let mut modules: Vec<_> = inner.trim_end_matches(".rs").split('/').collect();
    modules.pop_if(|last| matches!(*last, "mod" | "lib"));
    modules
}

pub(super) struct Path<'t> {
    pub(super) segments: Vec<&'t str>,
    /// The name it brings in: the last segment, or what stands after `as`.
    pub(super) name: &'t str,
    pub(super) line: usize,
}

/// Every path that starts with `std`, or with `crate`, `super` or `self`, which all come out as from `crate`.
pub(super) fn paths<'t>(tokens: &[Token<'t>], modules: &[&'t str]) -> Vec<Path<'t>> {
    let mut out = Vec::new();
    // Modules written out in the file, each with the depth of its brace: `super` climbs out of them first.
    let mut inline = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        let before = |back| at.checked_sub(back).map_or("", |at: usize| tokens[at].text);
        match tokens[at].text {
            "{" => {
                depth += 1;
                if before(2) == "mod" {
                    inline.push((before(1), depth));
                }
            }
            "}" => {
                inline.pop_if(|(_, opened)| *opened == depth);
                depth = depth.saturating_sub(1);
            }
            start @ ("crate" | "super" | "self" | "std") => {
                let mut found = Vec::new();
                let next = tree(tokens, at, &[], &mut found);
                if start != "std" {
                    let here = modules.iter().copied().chain(inline.iter().map(|(name, _)| *name));
                    let here: Vec<_> = here.collect();
                    found.iter_mut().for_each(|path| absolute(path, &here));
                }
                out.extend(found);
                at = next;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// Turns `self::` and `super::` into what they mean in the module `here`.
fn absolute<'t>(path: &mut Path<'t>, here: &[&'t str]) {
    if path.segments.first() == Some(&"crate") {
        return;
    }
    let own = path.segments.iter().take_while(|name| matches!(**name, "self" | "super")).count();
    let climbs = path.segments[..own].iter().filter(|name| **name == "super").count();
    let kept = &here[..here.len().saturating_sub(climbs)];
    let mut segments = vec!["crate"];
    segments.extend(kept);
    segments.extend(&path.segments[own..]);
    path.segments = segments;
}

/// Reads a path, or a tree of paths in braces, from `at`; says where it ends.
pub(super) fn tree<'t>(
    tokens: &[Token<'t>],
    mut at: usize,
    prefix: &[&'t str],
    out: &mut Vec<Path<'t>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut segments = prefix.to_vec();
    loop {
        let this = text(at);
        if this == "{" {
            at += 1;
            while !matches!(text(at), "}" | "") {
                at = match text(at) {
                    "," => at + 1,
                    _ => tree(tokens, at, &segments, out).max(at + 1),
                };
            }
            return at + 1;
        }
        let is_name = this == "*" || this.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_name {
            segments.push(this);
            if text(at + 1) == "::" {
                at += 2;
                continue;
            }
        }
        // The end, also at what is no name: the `<` of `size_of::<T>`.
        let mut end = if is_name { at + 1 } else { at };
        let mut name = segments.last().copied().unwrap_or_default();
        if text(end) == "as" && is_name {
            name = text(end + 1);
            end += 2;
        }
        let line = tokens.get(at).or_else(|| tokens.last()).map_or(1, |token| token.line);
        out.push(Path { segments, name, line });
        return end;
    }
}
