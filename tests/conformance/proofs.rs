//! The rows that tests elsewhere prove: tests of the real program, for what the machine does not do itself.

use std::fs;
use std::path::Path;

/// A row, the file of its test, and the test.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[];

/// Fails where the test does not exist or would not be run.
pub fn check((row, file, test): (&str, &str, &str)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{row}: {file}: {error}"));
    assert!(text.contains(&format!("#[test]\nfn {test}()")), "{row}: {file} has no test {test}");
    let folder = path.parent().unwrap();
    if !folder.ends_with("tests") {
        let main = fs::read_to_string(folder.join("main.rs")).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        assert!(main.contains(&format!("\nmod {module};\n")), "{row}: {file} is not compiled");
    }
}
