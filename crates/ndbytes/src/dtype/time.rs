//! The units of datetime64 and timedelta64.

use std::fmt;

/// Whether a time is a point or a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// `datetime64`, kind `M`.
    Datetime,
    /// `timedelta64`, kind `m`.
    Timedelta,
}

/// A unit of time as NumPy names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "NumPy's own units")]
pub enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Picosecond,
    Femtosecond,
    Attosecond,
}

const UNITS: [(Unit, &str); 13] = [
    (Unit::Year, "Y"),
    (Unit::Month, "M"),
    (Unit::Week, "W"),
    (Unit::Day, "D"),
    (Unit::Hour, "h"),
    (Unit::Minute, "m"),
    (Unit::Second, "s"),
    (Unit::Millisecond, "ms"),
    (Unit::Microsecond, "us"),
    (Unit::Nanosecond, "ns"),
    (Unit::Picosecond, "ps"),
    (Unit::Femtosecond, "fs"),
    (Unit::Attosecond, "as"),
];

/// A unit with its multiplier, as in `[25s]`, or none at all (NumPy's *generic*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// No unit: NumPy prints nothing.
    Generic,
    /// `count` units each; 1 is not printed.
    Of {
        /// Between 1 and 2³¹ − 1.
        count: u32,
        /// The unit itself.
        unit: Unit,
    },
}

impl Unit {
    /// Attoseconds in one of it; months in one of the two calendar units.
    ///
    /// One `u128` holds every one of them times 2³¹, the largest multiplier.
    #[must_use]
    pub fn smallest(self) -> u128 {
        const SECOND: u128 = 1_000_000_000_000_000_000;
        match self {
            Self::Year => 12,
            Self::Month | Self::Attosecond => 1,
            Self::Week => 7 * 86_400 * SECOND,
            Self::Day => 86_400 * SECOND,
            Self::Hour => 3_600 * SECOND,
            Self::Minute => 60 * SECOND,
            Self::Second => SECOND,
            Self::Millisecond => SECOND / 1_000,
            Self::Microsecond => SECOND / 1_000_000,
            Self::Nanosecond => SECOND / 1_000_000_000,
            Self::Picosecond => 1_000_000,
            Self::Femtosecond => 1_000,
        }
    }
}

impl TimeUnit {
    /// One of `unit`.
    #[must_use]
    pub const fn one(unit: Unit) -> Self {
        Self::Of { count: 1, unit }
    }

    /// Reads what stands between the brackets of `M8[25s]`; `None` if it is no unit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, name) = text.split_at_checked(digits)?;
        let unit = UNITS.iter().find(|(_, n)| *n == name)?.0;
        let count = match count {
            "" => 1,
            digits if digits.starts_with('0') => return None,
            digits => digits.parse().ok().filter(|&n: &u32| i32::try_from(n).is_ok())?,
        };
        Some(Self::Of { count, unit })
    }
}

impl Unit {
    /// NumPy's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        UNITS[self as usize].1
    }
}

impl fmt::Display for TimeUnit {
    /// As NumPy prints it, brackets included; nothing for generic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Generic => Ok(()),
            Self::Of { count: 1, unit } => write!(f, "[{}]", unit.name()),
            Self::Of { count, unit } => write!(f, "[{count}{}]", unit.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn print_and_parse_are_inverse() {
        for (index, (unit, name)) in UNITS.iter().enumerate() {
            assert_eq!(*unit as usize, index);
            for count in [1, 2, 25, 2_147_483_647] {
                let time = TimeUnit::Of { count, unit: *unit };
                let text = time.to_string();
                assert_eq!(TimeUnit::parse(&text[1..text.len() - 1]), Some(time));
            }
            assert_eq!(TimeUnit::parse(name), Some(TimeUnit::one(*unit)));
        }
        for bad in ["", "0s", "01s", "2147483648s", "x", "s ", "-1s", "mss"] {
            assert_eq!(TimeUnit::parse(bad), None, "{bad:?}");
        }
    }
}
