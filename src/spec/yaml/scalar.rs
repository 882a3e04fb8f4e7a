//! What a scalar of YAML means, as Kubernetes reads it: YAML 1.1 the way sigs.k8s.io/yaml does.
//! Knows the text of one scalar only.

use super::super::tree::Value;
use saphyr_parser::{ScalarStyle, Tag};

/// The value of a scalar without a tag. Quoted and block scalars are strings, and so are timestamps.
pub(super) fn resolve(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Boolean(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Boolean(false);
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value of a scalar with a tag; `None` where the tag is unknown or does not fit.
pub(super) fn resolve_tagged(text: &str, tag: &Tag) -> Option<Value> {
    let wanted = match core_name(tag)? {
        "!" | "str" => return Some(Value::String(text.to_owned())),
        wanted => wanted,
    };
    match resolve(text, ScalarStyle::Plain) {
        Value::Integer(value) if wanted == "float" => Some(Value::Float(value as f64)),
        value @ Value::Null if wanted == "null" => Some(value),
        value @ Value::Boolean(_) if wanted == "bool" => Some(value),
        value @ Value::Integer(_) if wanted == "int" => Some(value),
        value @ Value::Float(_) if wanted == "float" => Some(value),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => None,
        Value::String(_) | Value::Date | Value::List(_) | Value::Mapping(_) | Value::Unreadable => None,
    }
}

/// `str` of `!!str` and `!<tag:yaml.org,2002:str>`, `!` of the tag `!`.
pub(super) fn core_name(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    match tag.handle.as_str() {
        CORE => Some(&tag.suffix),
        "" if tag.suffix == "!" => Some("!"),
        "" => tag.suffix.strip_prefix(CORE),
        _ => None,
    }
}

/// A number of go-yaml: underscores anywhere but in front, `0777` octal, `0x`, `0o` and `0b`, signs.
/// What fits neither 64-bit integer is a float.
fn number(text: &str) -> Option<Value> {
    let first = text.chars().next()?;
    if first == '.' {
        return float(text);
    }
    if !first.is_ascii_digit() && first != '-' && first != '+' {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, plain.get(1..)?),
        b'+' => (false, plain.get(1..)?),
        _ => (false, plain.as_str()),
    };
    integer(digits)
        .map(|value| if negative { -value } else { value })
        .filter(|value| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(value))
        .map(Value::Integer)
        .or_else(|| float(&plain))
}

fn integer(digits: &str) -> Option<i128> {
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..)?, 16),
        [b'0', b'o' | b'O', ..] => (digits.get(2..)?, 8),
        [b'0', b'b' | b'B', ..] => (digits.get(2..)?, 2),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // A second sign is none.
    digits.starts_with(|c: char| c.is_ascii_hexdigit()).then(|| i128::from_str_radix(digits, radix).ok())?
}

/// A decimal float; one too large for 64 bits is none, and its scalar a string.
fn float(text: &str) -> Option<Value> {
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !text.chars().all(decimal) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Value {
        resolve(text, ScalarStyle::Plain)
    }

    #[test]
    fn words_are_booleans_as_in_yaml_1_1() {
        for text in ["yes", "On", "TRUE", "y"] {
            assert_eq!(plain(text), Value::Boolean(true), "{text}");
        }
        for text in ["no", "Off", "FALSE", "N"] {
            assert_eq!(plain(text), Value::Boolean(false), "{text}");
        }
        for text in ["yEs", "truee", "o", "nO"] {
            assert_eq!(plain(text), Value::String(text.to_owned()));
        }
    }

    #[test]
    fn integers_have_all_of_gos_notations() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("0777", 511),
            ("0o17", 15),
            ("0x1f", 31),
            ("0b1", 1),
            ("-0b10", -2),
            ("1_000", 1000),
            ("+12", 12),
            ("-0x10", -16),
            ("9223372036854775807", i128::from(i64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("18446744073709551615", i128::from(u64::MAX)),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Value::Integer(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_integer_may_be_a_float() {
        let cases = [
            ("1e3", 1e3),
            ("1.5", 1.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("08", 8.0),
            ("18446744073709551616", 18446744073709551616.0),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Value::Float(value), "{text}");
        }
    }

    #[test]
    fn everything_else_is_a_string() {
        for text in [
            "-",
            "+",
            "--1",
            "+-1",
            "0x",
            "0xg",
            "0x-1",
            "1e999",
            "2024-01-01",
            "1:30",
            "0b2",
            ".",
            "..",
            "e5",
            "_1",
            "0x1p3",
        ] {
            assert_eq!(plain(text), Value::String(text.to_owned()));
        }
        for style in [ScalarStyle::SingleQuoted, ScalarStyle::DoubleQuoted, ScalarStyle::Literal] {
            assert_eq!(resolve("5", style), Value::String("5".to_owned()));
        }
    }
}
