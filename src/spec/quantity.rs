//! Kubernetes' quantities: `500m`, `1.5`, `64Mi`, `1e3`. Knows the notation, not what is counted.

use std::fmt;

/// An amount, in billionths; Kubernetes is no finer. Not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u128);

const UNIT: u128 = 1_000_000_000;

/// What a suffix multiplies by, in billionths; from the smallest.
const DECIMAL: [(&str, u128); 9] = [
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", UNIT * 1_000),
    ("M", UNIT * 1_000_000),
    ("G", UNIT * 1_000_000_000),
    ("T", UNIT * 1_000_000_000_000),
    ("P", UNIT * 1_000_000_000_000_000),
    ("E", UNIT * 1_000_000_000_000_000_000),
];
const BINARY: [(&str, u128); 6] = [
    ("Ki", UNIT << 10),
    ("Mi", UNIT << 20),
    ("Gi", UNIT << 30),
    ("Ti", UNIT << 40),
    ("Pi", UNIT << 50),
    ("Ei", UNIT << 60),
];

/// 2^63 - 1, where Kubernetes' own type ends.
const MOST: u128 = (i64::MAX as u128) * UNIT;

impl Quantity {
    /// Reads a quantity as Kubernetes does: what is finer than a billionth is rounded up, what is more than
    /// 2^63 - 1 counts as that. `None` where it is none, or negative.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let digits: String = [whole, fraction].concat();
        let digits = digits.trim_start_matches('0');
        let mut tens = -i64::try_from(fraction.len()).ok()?;
        let scale = match suffix {
            "" => UNIT,
            suffix => match DECIMAL.iter().chain(&BINARY).find(|(known, _)| *known == suffix) {
                Some((_, scale)) => *scale,
                None => {
                    tens += exponent(suffix)?;
                    UNIT
                }
            },
        };
        Some(Self(scaled(digits, tens, scale)))
    }

    /// So many whole units.
    pub fn whole(units: u64) -> Self {
        Self(u128::from(units) * UNIT)
    }

    /// In units, rounded up: bytes of memory.
    pub fn units(self) -> u64 {
        u64::try_from(self.0.div_ceil(UNIT)).unwrap_or(u64::MAX)
    }

    /// In thousandths, rounded up: Kubernetes' milliCPU.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.div_ceil(UNIT / 1000)).unwrap_or(u64::MAX)
    }

    /// So many of these units, rounded up. Of no unit there are none.
    pub fn in_units_of(self, unit: Self) -> u64 {
        let count = if unit.is_zero() { 0 } else { self.0.div_ceil(unit.0) };
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// `e3`, `E-2`: a power of ten.
fn exponent(suffix: &str) -> Option<i64> {
    let power = suffix.strip_prefix(['e', 'E'])?;
    // More changes nothing: it is all or nothing of a quantity.
    power.parse::<i32>().ok().map(|power| i64::from(power).clamp(-400, 400))
}

/// `digits` times ten to the power of `tens` times `scale`, rounded up and at most [`MOST`].
fn scaled(digits: &str, mut tens: i64, scale: u128) -> u128 {
    if digits.is_empty() {
        return 0;
    }
    // What is beyond these digits only rounds up.
    const KEPT: usize = 19;
    let (kept, dropped) = digits.split_at_checked(KEPT).unwrap_or((digits, ""));
    tens += i64::try_from(dropped.len()).unwrap_or(i64::MAX);
    let mut value = kept.parse::<u128>().unwrap_or(0);
    value += u128::from(dropped.bytes().any(|digit| digit != b'0'));
    let mut scale = scale;
    while tens > 0 && value < MOST {
        value = value.saturating_mul(10);
        tens -= 1;
    }
    while tens < 0 {
        if scale.is_multiple_of(10) {
            scale /= 10;
        } else {
            value = value.div_ceil(10);
        }
        tens += 1;
        if value == 1 && scale < 10 {
            break;
        }
    }
    value.saturating_mul(scale).min(MOST)
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(MOST))
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::default(), |sum, quantity| sum + quantity)
    }
}

/// As people write it, which is as short as it is exact: `64Mi`, `1500m`, `2`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = ("", UNIT);
        let scales = [plain].into_iter().chain(BINARY).chain(DECIMAL);
        let exact = scales.filter(|(_, scale)| self.0.is_multiple_of(*scale));
        let written = exact.map(|(suffix, scale)| format!("{}{suffix}", self.0 / scale));
        f.write_str(&written.min_by_key(String::len).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Quantity::parse(text).map_or("none".to_owned(), |quantity| quantity.to_string())
    }

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        let cases = [
            ("0", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("500m", "500m"),
            ("1500m", "1500m"),
            ("64Mi", "64Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1k", "1k"),
            ("128974848", "123Mi"),
            ("129e6", "129M"),
            ("129M", "129M"),
            ("1E3", "1k"),
            ("2E", "2E"),
            ("1e-3", "1m"),
            ("0.1n", "1n"),
            ("1e-400", "1n"),
            ("100n", "100n"),
            ("0.0000000001", "1n"),
            ("12345678901234567890123", "9223372036854775807"),
            ("1e30", "9223372036854775807"),
            ("00012", "12"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_not_taken_for_one() {
        for text in
            ["", ".", "m", "-1", "1 Gi", "1gi", "1KI", "1.2.3", "0x10", "1e", "1e1.5", "1_000", "NaN", "1Mi "]
        {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn parts_round_up() {
        assert_eq!(Quantity::parse("100m").map(Quantity::units), Some(1));
        assert_eq!(Quantity::parse("1500u").map(Quantity::millis), Some(2));
        assert_eq!(Quantity::parse("9Ei").map(Quantity::units), Some(i64::MAX.unsigned_abs()));
    }
}
