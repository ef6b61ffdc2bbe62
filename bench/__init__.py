"""ndbytes and its peers side by side; see README.md in this folder, and run it as `cargo xtask bench`."""
