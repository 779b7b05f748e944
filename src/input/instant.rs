//! Date-times as traces and access logs write them, to nanoseconds since 1970 (UTC, without leap seconds, as POSIX counts).
//! Sources: RFC 3339 section 5.6; the time field of Apache's common log format (mod_log_config, `%t`).

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NS_PER_S: i64 = 1_000_000_000;
/// Years whose nanoseconds since 1970 fit into 64 bits, with room.
const YEARS: std::ops::RangeInclusive<u32> = 1700..=2200;

/// Nanoseconds since 1970 of `2023-11-16T18:17:03.97996Z`. A space may stand for the `T`, a comma for the point; digits
/// beyond the ninth are dropped; without a zone it is UTC. The second 60 (a leap second) is the next minute's first.
pub(super) fn date_time(text: &[u8]) -> Result<i64, String> {
    let mut rest = Cursor(text);
    let form = || "expected a form such as `2023-11-16 18:17:03.98` or `2023-11-16T18:17:03Z`".to_owned();
    let date = rest.date().ok_or_else(form)?;
    rest.one_of(b"Tt ").ok_or_else(form)?;
    let clock = rest.clock().ok_or_else(form)?;
    let fraction_ns = if rest.one_of(b".,").is_some() { rest.fraction().ok_or_else(form)? } else { 0 };
    let offset_s = rest.zone().ok_or_else(form)?;
    if !rest.0.is_empty() {
        return Err(form());
    }
    Ok((seconds(date, clock)? - offset_s) * NS_PER_S + fraction_ns)
}

/// Seconds since 1970 of `17/May/2015:10:05:03 +0000`.
pub(super) fn log_time(text: &[u8]) -> Result<i64, String> {
    let mut rest = Cursor(text);
    let form = || "expected a time such as `[17/May/2015:10:05:03 +0000]`".to_owned();
    let mut read = || {
        let day = rest.number(2)?;
        rest.one_of(b"/")?;
        let month = rest.month()?;
        rest.one_of(b"/")?;
        let year = rest.number(4)?;
        rest.one_of(b":")?;
        let clock = rest.clock()?;
        rest.one_of(b" ")?;
        let offset_s = rest.zone()?;
        rest.0.is_empty().then_some(((year, month, day), clock, offset_s))
    };
    let (date, clock, offset_s) = read().ok_or_else(form)?;
    Ok(seconds(date, clock)? - offset_s)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Exactly `n` digits.
    fn number(&mut self, n: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(n)?;
        let value = digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))?;
        self.0 = rest;
        Some(value)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        bytes.contains(&first).then(|| self.0 = rest).map(|()| first)
    }

    /// `2023-11-16` as (year, month, day).
    fn date(&mut self) -> Option<(u32, u32, u32)> {
        let year = self.number(4)?;
        self.one_of(b"-")?;
        let month = self.number(2)?;
        self.one_of(b"-")?;
        Some((year, month, self.number(2)?))
    }

    /// `18:17:03` as (hour, minute, second).
    fn clock(&mut self) -> Option<(u32, u32, u32)> {
        let hour = self.number(2)?;
        self.one_of(b":")?;
        let minute = self.number(2)?;
        self.one_of(b":")?;
        Some((hour, minute, self.number(2)?))
    }

    /// Digits behind the point, at least one, as nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        let n = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let digits = self.0[..n].iter().copied().chain(std::iter::repeat(b'0')).take(9);
        let ns = digits.fold(0, |sum, b| sum * 10 + i64::from(b - b'0'));
        self.0 = &self.0[n..];
        (n > 0).then_some(ns)
    }

    fn month(&mut self) -> Option<u32> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let month = MONTHS.iter().position(|month| month.as_bytes() == name)?;
        self.0 = rest;
        Some(month as u32 + 1)
    }

    /// Seconds east of UTC: nothing, `Z`, ` UTC`, `+02:00`, `+0200` or `+02`.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || [&b"Z"[..], b"z", b" UTC"].contains(&self.0) {
            self.0 = &[];
            return Some(0);
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2)?;
        let has_colon = self.one_of(b":").is_some();
        let minutes = if self.0.is_empty() && !has_colon { 0 } else { self.number(2)? };
        (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
    }
}

/// Seconds since 1970 of a date and a time of day in UTC, if they exist.
fn seconds((year, month, day): (u32, u32, u32), (hour, minute, second): (u32, u32, u32)) -> Result<i64, String> {
    if !YEARS.contains(&year) {
        return Err(format!("the year {year} is not between {} and {}", YEARS.start(), YEARS.end()));
    }
    if !(1..=12).contains(&month) {
        return Err(format!("there is no month {month}"));
    }
    let days = days_in_month(year, month);
    if day < 1 || day > days {
        return Err(format!("there is no day {day} in {} {year}, which has {days}", MONTHS[month as usize - 1]));
    }
    if hour > 23 || minute > 59 || second > 60 {
        return Err(format!("there is no time {hour:02}:{minute:02}:{second:02}"));
    }
    let of_day = i64::from(hour * 3600 + minute * 60 + second);
    Ok((days_before_year(year) - days_before_year(1970) + days_before_month(year, month) + i64::from(day - 1)) * 86_400 + of_day)
}

/// The Gregorian rule: every fourth year, but not every hundredth, but every four-hundredth.
fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_month(year: u32, month: u32) -> i64 {
    (1..month).map(|month| i64::from(days_in_month(year, month))).sum()
}

/// Days from the year 1 to the start of `year`, in the Gregorian calendar extended backwards.
fn days_before_year(year: u32) -> i64 {
    let past = i64::from(year) - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

#[cfg(test)]
mod tests {
    use super::*;

    // Reference values: `date -u -d <text> +%s` of GNU coreutils 9.1.
    #[test]
    fn date_times_agree_with_gnu_date() {
        for (text, s) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2023-11-16 18:17:03", 1_700_158_623),
            ("2000-02-29 23:59:59", 951_868_799),
            ("2100-03-01 00:00:00", 4_107_542_400),
            ("1969-12-31 23:59:59", -1),
            ("1900-03-01 00:00:00", -2_203_891_200),
        ] {
            assert_eq!(date_time(text.as_bytes()), Ok(s * NS_PER_S), "{text}");
        }
        assert_eq!(log_time(b"17/May/2015:10:05:03 +0000"), Ok(1_431_857_103));
    }

    #[test]
    fn fractions_keep_nine_digits() {
        let at = |text: &str| date_time(text.as_bytes()).map(|ns| ns.rem_euclid(NS_PER_S));
        assert_eq!(at("2023-11-16 18:17:03.9799600"), Ok(979_960_000));
        assert_eq!(at("2023-11-16 18:17:03.1"), Ok(100_000_000));
        assert_eq!(at("2023-11-16 18:17:03,123456789999"), Ok(123_456_789));
        assert!(at("2023-11-16 18:17:03.").is_err());
    }

    #[test]
    fn zones_shift_to_utc() {
        let utc = date_time(b"2024-05-10T00:00:00Z");
        for text in [
            "2024-05-10 00:00:00+00:00",
            "2024-05-10T02:00:00+02:00",
            "2024-05-09t18:30:00-0530",
            "2024-05-10 01:00:00+01",
            "2024-05-10 00:00:00 UTC",
        ] {
            assert_eq!(date_time(text.as_bytes()), utc, "{text}");
        }
        assert_eq!(log_time(b"17/May/2015:12:05:03 +0200"), log_time(b"17/May/2015:10:05:03 +0000"));
    }

    #[test]
    fn dates_that_do_not_exist_are_refused_with_the_reason() {
        for (text, why) in [
            ("2023-02-29 00:00:00", "Feb 2023, which has 28"),
            ("1900-02-29 00:00:00", "which has 28"),
            ("2023-04-31 00:00:00", "which has 30"),
            ("2023-13-01 00:00:00", "no month 13"),
            ("2023-00-01 00:00:00", "no month 0"),
            ("2023-01-00 00:00:00", "no day 0"),
            ("2023-01-01 24:00:00", "no time 24:00:00"),
            ("2023-01-01 00:60:00", "no time"),
            ("9999-01-01 00:00:00", "year 9999"),
            ("2023-01-01", "expected a form"),
            ("2023-01-01 00:00:00 PST", "expected a form"),
            ("2023-01-01 00:00:00+24:00", "expected a form"),
            ("2023-01-01 00:00:00+02:", "expected a form"),
            ("12.5", "expected a form"),
            ("", "expected a form"),
        ] {
            let error = date_time(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(log_time(b"31/Feb/2015:10:05:03 +0000").unwrap_err().contains("which has 28"));
        assert!(log_time(b"17/Mai/2015:10:05:03 +0000").unwrap_err().contains("expected a time"));
    }
}
