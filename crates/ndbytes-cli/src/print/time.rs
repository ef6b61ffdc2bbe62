//! datetime64 and timedelta64 as NumPy prints them: ISO 8601 in the proleptic Gregorian calendar.

use ndbytes::{TimeUnit, Unit};

/// The count that means "not a time".
pub(super) const NAT: i64 = i64::MIN;

/// The point in time that a count means, without quotes.
pub(super) fn datetime(count: i64, unit: TimeUnit) -> String {
    if count == NAT {
        return String::from("NaT");
    }
    let TimeUnit::Of { count: multiplier, unit } = unit else {
        // NumPy refuses to print these.
        return count.to_string();
    };
    let count = i128::from(count) * i128::from(multiplier);
    match unit {
        Unit::Year => year(1970 + count),
        Unit::Month => {
            format!("{}-{:02}", year(1970 + count.div_euclid(12)), count.rem_euclid(12) + 1)
        }
        Unit::Week => date(count * 7),
        Unit::Day => date(count),
        _ => clock(count, unit),
    }
}

fn year(year: i128) -> String {
    format!("{year:04}")
}

/// A day, counted from 1970-01-01.
fn date(days: i128) -> String {
    // Years that begin in March end with the leap day; 400 of them are a whole number of days.
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{}-{month:02}-{day:02}", year(of_era + era * 400 + next))
}

fn clock(count: i128, unit: Unit) -> String {
    let size = unit.smallest().cast_signed();
    let per_day = Unit::Day.smallest().cast_signed() / size;
    let (days, rest) = (count.div_euclid(per_day), count.rem_euclid(per_day));
    let part = |unit: Unit, of: i128| {
        let each = unit.smallest().cast_signed();
        if each < size { 0 } else { rest / (each / size) % of }
    };
    let mut text = format!("{}T{:02}", date(days), part(Unit::Hour, 24));
    if unit == Unit::Hour {
        return text;
    }
    text += &format!(":{:02}", part(Unit::Minute, 60));
    if unit == Unit::Minute {
        return text;
    }
    text += &format!(":{:02}", part(Unit::Second, 60));
    let per_second = Unit::Second.smallest().cast_signed() / size;
    if per_second > 1 {
        let digits = per_second.to_string().len() - 1;
        text += &format!(".{:0digits$}", rest % per_second);
    }
    text
}

/// A span, as `str(x)` prints the scalar.
pub(super) fn timedelta(count: i64, unit: TimeUnit) -> String {
    if count == NAT {
        return String::from("NaT");
    }
    match unit {
        TimeUnit::Generic => format!("{count} generic time units"),
        TimeUnit::Of { count: multiplier, unit } => {
            let total = i128::from(count) * i128::from(multiplier);
            format!("{total} {}s", name(unit))
        }
    }
}

fn name(unit: Unit) -> &'static str {
    match unit {
        Unit::Year => "year",
        Unit::Month => "month",
        Unit::Week => "week",
        Unit::Day => "day",
        Unit::Hour => "hour",
        Unit::Minute => "minute",
        Unit::Second => "second",
        Unit::Millisecond => "millisecond",
        Unit::Microsecond => "microsecond",
        Unit::Nanosecond => "nanosecond",
        Unit::Picosecond => "picosecond",
        Unit::Femtosecond => "femtosecond",
        Unit::Attosecond => "attosecond",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        for (count, unit, text) in [
            (12345, "Y", "14315"),
            (-1971, "Y", "-001"),
            (-20000, "M", "0303-05"),
            (12345, "W", "2206-08-07"),
            (-4000, "D", "1959-01-19"),
            (11016, "D", "2000-02-29"),
            (i64::MAX, "D", "25252734927768524-07-27"),
            (-1, "h", "1969-12-31T23"),
            (3, "25m", "1970-01-01T01:15"),
            (-7, "25s", "1969-12-31T23:57:05"),
            (i64::MAX, "ns", "2262-04-11T23:47:16.854775807"),
            (-1, "as", "1969-12-31T23:59:59.999999999999999999"),
            (i64::MIN, "s", "NaT"),
        ] {
            assert_eq!(datetime(count, TimeUnit::parse(unit).unwrap()), text);
        }
    }

    #[test]
    fn spans() {
        assert_eq!(timedelta(3, TimeUnit::parse("7D").unwrap()), "21 days");
        assert_eq!(timedelta(1, TimeUnit::one(Unit::Attosecond)), "1 attoseconds");
        assert_eq!(timedelta(5, TimeUnit::Generic), "5 generic time units");
    }
}
