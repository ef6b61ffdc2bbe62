//! `cargo xtask tidy`: rules of the house that no compiler holds, checked on the text of the tree.

mod imports;
mod paths;
mod tokens;

use std::fs;

use self::tokens::{Token, tokens};
use crate::workspace::Workspace;

/// The only places where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] = &[
    "crates/ndbytes/src/kernel/",
    "crates/ndbytes/src/io/map/pages.rs",
    "crates/ndbytes-py/src/array/",
    "crates/ndbytes-py/src/fd.rs",
];

/// The crate roots that must forbid it, so that no `allow` further in can bring it back.
const FORBID_UNSAFE: &[&str] = &[
    "crates/ndbytes-cli/src/main.rs",
    "crates/ndbytes-cli/src/lib.rs",
    "crates/ndbytes-net/src/lib.rs",
];

const MAX_LINES: usize = 800;
const COUNTED: &[&str] = &[".rs", ".py", ".pyi", ".js", ".mjs"];

// The needles are written in two halves, so that this file is none of its own findings.
const HOSTS: &[&str] = &[
    concat!("crates", ".io/api"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("deb.", "debian.org"),
];
const HOMES: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// One text file; its path is relative to the root, with `/` between the parts.
pub(crate) struct File {
    path: String,
    text: String,
}

/// Prints each finding as `path:line: what is wrong; what is allowed; what to do`.
pub(crate) fn tidy(workspace: &Workspace) -> bool {
    let found = match tree(workspace) {
        Ok(files) => findings(&files),
        Err(error) => vec![error],
    };
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => println!("tidy: clean"),
        n => println!("tidy: {n} to mend"),
    }
    found.is_empty()
}

/// The text files that git tracks or would track.
fn tree(workspace: &Workspace) -> Result<Vec<File>, String> {
    let output = workspace
        .command("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .map_err(|error| format!("git ls-files: {error}; tidy needs git and a clone"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files: {}; tidy needs a clone", stderr.trim()));
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        let file = workspace.root.join(path);
        // What is tracked may be deleted here, and a repository inside this one is listed as a folder.
        if path.starts_with("target/") || !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).map_err(|error| format!("{path}:1: {error}"))?;
        if !bytes.contains(&0) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn findings(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    let core = imports::Core::new(files);
    for file in files {
        names(file, &mut found);
        length(file, &mut found);
        if file.path.ends_with(".rs") {
            let tokens = tokens(&file.text);
            unsafe_words(file, &tokens, &mut found);
            forbids_unsafe(file, &tokens, &mut found);
            core.imports(file, tokens, &mut found);
        }
        if file.path.ends_with("Cargo.toml") {
            lints(file, &mut found);
        }
    }
    found
}

fn names(file: &File, found: &mut Vec<String>) {
    // The lock file is cargo's; it names where each package comes from.
    if file.path.ends_with("Cargo.lock") {
        return;
    }
    for (line, text) in (1..).zip(file.text.lines()) {
        let lower = text.to_ascii_lowercase();
        for host in HOSTS.iter().filter(|host| lower.contains(**host)) {
            found.push(format!(
                "{}:{line}: names {host}, the host of a package registry; packages are named, not hosts; \
                 leave the host to the package client",
                file.path
            ));
        }
        for home in HOMES.iter().filter(|home| text.contains(**home)) {
            found.push(format!(
                "{}:{line}: names a path under {home}, of one machine; paths are relative to the repository; \
                 use one, or a temporary folder",
                file.path
            ));
        }
    }
}

fn length(file: &File, found: &mut Vec<String>) {
    let lines = file.text.lines().count();
    if lines > MAX_LINES && COUNTED.iter().any(|ending| file.path.ends_with(ending)) {
        found.push(format!(
            "{}:{lines}: the file has {lines} lines; at most {MAX_LINES}, better 300; split it by topic",
            file.path
        ));
    }
}

fn unsafe_words(file: &File, tokens: &[Token<'_>], found: &mut Vec<String>) {
    if UNSAFE_ROOMS.iter().any(|room| file.path.starts_with(room)) {
        return;
    }
    for token in tokens.iter().filter(|token| token.text == "unsafe") {
        found.push(format!(
            "{}:{}: unsafe outside its rooms; allowed in {}; do it safely, or move it there",
            file.path,
            token.line,
            UNSAFE_ROOMS.join(", ")
        ));
    }
}

fn forbids_unsafe(file: &File, tokens: &[Token<'_>], found: &mut Vec<String>) {
    const ATTRIBUTE: [&str; 8] = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    if FORBID_UNSAFE.contains(&file.path.as_str())
        && !tokens.windows(ATTRIBUTE.len()).any(|w| w.iter().map(|t| t.text).eq(ATTRIBUTE))
    {
        found.push(format!(
            "{}:1: no #![forbid(unsafe_code)]; this crate has no unsafe; put the line under the crate's docs",
            file.path
        ));
    }
}

fn lints(file: &File, found: &mut Vec<String>) {
    let mut section = "";
    let mut is_package = false;
    for line in file.text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            section = line;
            is_package |= line == "[package]";
        }
        let line: String = line.split_whitespace().collect();
        if (section == "[lints]" && line == "workspace=true")
            || (section.is_empty() && line == "lints.workspace=true")
        {
            return;
        }
    }
    if is_package {
        found.push(format!(
            "{}:1: the workspace's lints do not hold here; every crate takes them; add [lints] workspace = true",
            file.path
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{File, HOMES, HOSTS, UNSAFE_ROOMS, findings};

    /// The findings of a tree of `(path, text)`.
    pub(super) fn tidy(files: &[(&str, &str)]) -> Vec<String> {
        let file =
            |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        findings(&files.iter().map(file).collect::<Vec<_>>())
    }

    #[test]
    fn unsafe_stands_in_its_rooms_only() {
        let text = "// unsafe here\nlet s = \"unsafe\"; /* unsafe /* */ unsafe */\n#![deny(unsafe_code)]\nunsafe { x() }\n";
        assert_eq!(
            tidy(&[("crates/ndbytes/src/codec/mod.rs", text), ("bench/a.rs", "fn f() {}")]),
            [format!(
                "crates/ndbytes/src/codec/mod.rs:4: unsafe outside its rooms; allowed in {}; do it safely, or move it there",
                UNSAFE_ROOMS.join(", ")
            )]
        );
        for room in ["crates/ndbytes/src/kernel/swap.rs", "crates/ndbytes/src/io/map/pages.rs"] {
            assert_eq!(tidy(&[(room, text)]), [""; 0]);
        }
        // A room is a whole name, not its beginning.
        assert_eq!(tidy(&[("crates/ndbytes/src/kernel.rs", text)]).len(), 1);
    }

    #[test]
    fn a_crate_root_without_forbid_is_found() {
        let good = "//! Docs\n#![forbid( unsafe_code )]\nfn main() {}\n";
        let bad = "//! #![forbid(unsafe_code)]\nfn main() {}\n";
        assert_eq!(
            tidy(&[
                ("crates/ndbytes-cli/src/main.rs", bad),
                ("crates/ndbytes-net/src/lib.rs", good),
                ("crates/ndbytes-cli/src/args.rs", bad),
            ]),
            [
                "crates/ndbytes-cli/src/main.rs:1: no #![forbid(unsafe_code)]; this crate has no unsafe; \
              put the line under the crate's docs"
            ]
        );
    }

    #[test]
    fn long_files_are_found() {
        let text = "\n".repeat(801);
        assert_eq!(
            tidy(&[("python/a.py", &text), ("python/b.py", &text[1..]), ("data/c.csv", &text)]),
            ["python/a.py:801: the file has 801 lines; at most 800, better 300; split it by topic"]
        );
    }

    #[test]
    fn hosts_and_machine_paths_are_found() {
        for host in HOSTS {
            assert_eq!(
                tidy(&[
                    ("a.md", &format!("\nsee {}\n", host.to_uppercase())),
                    ("Cargo.lock", host)
                ]),
                [format!(
                    "a.md:2: names {host}, the host of a package registry; packages are named, not hosts; \
                     leave the host to the package client"
                )]
            );
        }
        for home in HOMES {
            assert_eq!(
                tidy(&[("a.toml", &format!("p = '{home}x'"))]),
                [format!(
                    "a.toml:1: names a path under {home}, of one machine; paths are relative to the repository; \
                     use one, or a temporary folder"
                )]
            );
        }
    }

    #[test]
    fn manifests_take_the_lints() {
        let package = "[package]\nname = 'a'\n";
        let good = format!("{package}[lints]\nworkspace = true # all\n");
        let other = format!("{package}[lints]\n[dependencies.b]\nworkspace = true\n");
        assert_eq!(
            tidy(&[
                ("a/Cargo.toml", &other),
                ("b/Cargo.toml", &good),
                ("Cargo.toml", "[workspace]\n")
            ]),
            ["a/Cargo.toml:1: the workspace's lints do not hold here; every crate takes them; \
              add [lints] workspace = true"]
        );
    }
}
