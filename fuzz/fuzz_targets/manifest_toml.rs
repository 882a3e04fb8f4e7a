//! Any text as a manifest in TOML.
#![no_main]

mod manifest;

use podinit::spec::Syntax;

libfuzzer_sys::fuzz_target!(|data: &[u8]| manifest::check(data, Syntax::Toml));
