//! The values of a field that are looked at: what kind of quantity it is, from where to where, in which steps. Numbers are kept in the
//! kind's own unit (durations in nanoseconds) and written as the scenario file writes them.

use crate::units::{Rate, Share, Span, plain};

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Duration,
    Rate,
    Share,
    Whole,
    Float,
    /// A number with any other unit, such as the size `64KiB`: whole numbers of it.
    Amount(String),
}

/// A number, and whether more is known of its kind than that it is one.
fn quantity(text: &str) -> Option<(Kind, f64)> {
    let text = text.trim();
    if let Ok(number) = text.replace('_', "").parse::<f64>() {
        return (number.is_finite() && number >= 0.0).then_some((Kind::Float, number));
    }
    if let Ok(span) = text.parse::<Span>() {
        return Some((Kind::Duration, span.0 as f64));
    }
    if let Ok(rate) = text.parse::<Rate>() {
        return Some((Kind::Rate, rate.0));
    }
    if text.ends_with('%') {
        return text.parse::<Share>().ok().map(|share| (Kind::Share, share.0));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let (number, unit) = (text[..end].replace('_', "").parse::<f64>().ok()?, text[end..].trim());
    unit.chars().all(char::is_alphabetic).then(|| (Kind::Amount(unit.to_owned()), number))
}

impl Kind {
    /// The kind of a field: that of what the file has, else of what was wished for, else of what `accepts` lets through. `None` where it
    /// takes no quantity.
    pub fn find(written: Option<&str>, wishes: Wishes, accepts: impl Fn(&str) -> bool) -> Option<Kind> {
        let known = written.into_iter().chain([wishes.from, wishes.to, wishes.step].into_iter().flatten()).find_map(quantity);
        match known {
            // A number may be a whole one for good.
            Some((Kind::Float, number)) => {
                let near = [number.floor() + 0.5, number.floor() - 0.5];
                Some(if near.iter().any(|near| *near > 0.0 && accepts(&plain(*near))) { Kind::Float } else { Kind::Whole })
            }
            Some((kind, _)) => Some(kind),
            // A field that takes any word is a name.
            None if accepts("no-quantity") => None,
            None => {
                let samples = [
                    ("50%", Kind::Share),
                    ("1s", Kind::Duration),
                    ("1/s", Kind::Rate),
                    ("1MiB", Kind::Amount("MiB".to_owned())),
                    ("0.5", Kind::Float),
                    ("1", Kind::Whole),
                ];
                samples.into_iter().find(|(sample, _)| accepts(sample)).map(|(_, kind)| kind)
            }
        }
    }

    /// The number that a text stands for; what is wrong with it in words.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        let number = match (self, quantity(text)) {
            (Kind::Duration, _) => return text.parse::<Span>().map(|span| span.0 as f64),
            (Kind::Rate, _) => return text.parse::<Rate>().map(|rate| rate.0),
            (Kind::Share, _) => return text.parse::<Share>().map(|share| share.0),
            (Kind::Whole, Some((Kind::Float, number))) => Some(number).filter(|number| number.fract() == 0.0 && *number < 1e15),
            (Kind::Float, Some((Kind::Float, number))) => Some(number),
            (Kind::Amount(own), Some((Kind::Amount(unit), number))) => Some(number).filter(|_| *own == unit),
            _ => None,
        };
        number.ok_or_else(|| match self {
            Kind::Whole => format!("`{text}` is not a whole number from 0 up"),
            Kind::Amount(unit) => format!("`{text}` is not a number with the unit `{unit}`, as the field has it"),
            _ => format!("`{text}` is not a number from 0 up"),
        })
    }

    /// As the scenario file writes it.
    pub fn write(&self, number: f64) -> String {
        match self {
            Kind::Duration => Span(number as u64).to_string(),
            Kind::Rate => Rate(number).to_string(),
            Kind::Share => Share(number).to_string(),
            Kind::Whole => format!("{number:.0}"),
            Kind::Float => plain(number),
            Kind::Amount(unit) => format!("{}{unit}", plain(number)),
        }
    }

    /// Without the last bits of sums.
    fn tidy(&self, number: f64) -> f64 {
        match self {
            Kind::Duration | Kind::Whole => number.round(),
            _ => format!("{number:.11e}").parse().unwrap_or(number),
        }
    }

    /// The second digit of a number: 90/s goes by 1/s, 5s by 100ms. Durations go by one second at most, shares by 1 %; whole numbers by one.
    fn step(&self, number: f64) -> f64 {
        let exponent: i32 = format!("{number:e}").rsplit('e').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let second = if exponent > 0 { 10f64.powi(exponent - 1) } else { 1.0 / 10f64.powi(1 - exponent) };
        match self {
            Kind::Duration => second.clamp(1.0, 1e9),
            Kind::Share => second.min(0.01),
            Kind::Rate | Kind::Float => second,
            Kind::Whole | Kind::Amount(_) => 1.0,
        }
    }

    /// The end of the range where nothing tells how large the field is.
    fn usual_end(&self) -> Option<f64> {
        match self {
            Kind::Duration => Some(60e9),
            Kind::Share => Some(1.0),
            Kind::Whole | Kind::Amount(_) => Some(100.0),
            Kind::Rate | Kind::Float => None,
        }
    }
}

/// What the user asks of the range, as text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub step: Option<&'a str>,
}

/// Values from the first to the last, a step apart; the last may be nearer.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub kind: Kind,
    from: f64,
    to: f64,
    step: f64,
    /// Nothing smaller is possible.
    pub is_first_least: bool,
    /// Nothing larger is possible.
    pub is_last_most: bool,
}

/// Nobody bisects a range that needs more.
const STEPS_MAX: f64 = 1e9;

impl Range {
    /// The range that is wished for. What is left open follows from the value that the file has: it ends at ten times that (shares: at 100 %),
    /// and begins at zero (rates and numbers with a point: at a tenth).
    pub fn new(kind: Kind, written: Option<&str>, wishes: Wishes) -> Result<Range, String> {
        let read = |option: &str, text: Option<&str>| {
            text.map(|text| kind.read(text).map_err(|reason| format!("--{option}: {reason}"))).transpose()
        };
        let (from, to, step) = (read("from", wishes.from)?, read("to", wishes.to)?, read("step", wishes.step)?);
        // Zero tells nothing of how large it may be.
        let written = written.and_then(|text| kind.read(text).ok()).filter(|number| *number > 0.0);
        let open = || "the file gives the field no value to start from: give --from and --to".to_owned();
        let known = written.into_iter().chain(from).reduce(f64::max).filter(|number| *number > 0.0);
        let to = match (to, &kind, known) {
            (Some(to), ..) => to,
            (None, Kind::Share, _) => 1.0,
            (None, _, Some(known)) => 10.0 * known,
            (None, ..) => kind.usual_end().ok_or_else(open)?,
        };
        let step = step.unwrap_or_else(|| kind.step(written.unwrap_or(to)));
        let from = match (from, &kind) {
            (Some(from), _) => from,
            (None, Kind::Rate | Kind::Float) => (written.ok_or_else(open)? / 10.0 / step).ceil() * step,
            (None, _) => 0.0,
        };
        if step <= 0.0 {
            return Err("--step: a step is more than nothing".to_owned());
        }
        let is_last_most = kind == Kind::Share && to == 1.0;
        let range = Range { from: kind.tidy(from), to: kind.tidy(to), step, kind, is_first_least: from == 0.0, is_last_most };
        if range.from >= range.to {
            let [from, to] = [range.from, range.to].map(|end| range.kind.write(end));
            return Err(format!("the range from {from} to {to} is empty; --from and --to set its ends"));
        }
        if (range.to - range.from) / range.step > STEPS_MAX {
            return Err(format!("--step: so many steps of {} are too many", range.step()));
        }
        Ok(range)
    }

    /// The number of the last value; the first has 0.
    pub fn last(&self) -> u64 {
        ((self.to - self.from) / self.step - 1e-9).ceil() as u64
    }

    fn number(&self, index: u64) -> f64 {
        self.kind.tidy((self.from + index as f64 * self.step).min(self.to))
    }

    /// A value by its number, as the file writes it.
    pub fn value(&self, index: u64) -> String {
        self.kind.write(self.number(index))
    }

    pub fn step(&self) -> String {
        self.kind.write(self.step)
    }

    /// The number of twice a value.
    pub fn double(&self, index: u64) -> u64 {
        index + ((self.number(index) / self.step) as u64).max(1)
    }

    /// The range without the values at its ends that the scenario refuses, where they were not wished for: 0 servers, a check that takes
    /// longer than its interval. What it lets through is taken to be one piece. `None` where it is nothing.
    pub fn within(&self, written: Option<&str>, wishes: Wishes, accepts: impl Fn(u64) -> bool) -> Option<Range> {
        let last = self.last();
        let own =
            written.and_then(|text| self.kind.read(text).ok()).map(|number| ((number - self.from) / self.step).ceil().max(0.0) as u64);
        let near = own.into_iter().flat_map(|own| [Some(own), own.checked_sub(1)]).flatten().filter(|own| *own <= last);
        let doubled = (0..40).map(|power| 1 << power).take_while(|index| *index < last);
        let inside = near.chain([0]).chain(doubled).chain([last]).find(|index| accepts(*index))?;
        let end = |wish: Option<&str>, end: u64| {
            let (mut good, mut bad) = (inside, end);
            if wish.is_some() || accepts(end) {
                return end;
            }
            while good.abs_diff(bad) > 1 {
                let middle = good.min(bad) + good.abs_diff(bad) / 2;
                if accepts(middle) { good = middle } else { bad = middle }
            }
            good
        };
        let (first, end) = (end(wishes.from, 0), end(wishes.to, last));
        let (is_first_least, is_last_most) = (self.is_first_least || first > 0, self.is_last_most || end < last);
        Some(Range { from: self.number(first), to: self.number(end), is_first_least, is_last_most, ..self.clone() })
    }
}

/// `3s to 40s in steps of 1s`.
pub fn shown(range: &Range) -> String {
    format!("{} to {} in steps of {}", range.value(0), range.value(range.last()), range.step())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(kind: Kind, written: Option<&str>, [from, to, step]: [&str; 3]) -> Result<String, String> {
        let given = [from, to, step].map(|text| (!text.is_empty()).then(|| text.to_owned()));
        let wishes = Wishes { from: given[0].as_deref(), to: given[1].as_deref(), step: given[2].as_deref() };
        Range::new(kind, written, wishes).map(|range| shown(&range))
    }

    #[test]
    fn what_is_left_open_follows_from_the_value_in_the_file() {
        for (kind, written, given, told) in [
            (Kind::Duration, Some("5s"), ["", "", ""], "0s to 50s in steps of 100ms"),
            (Kind::Duration, Some("10m"), ["", "", ""], "0s to 100m in steps of 1s"),
            (Kind::Duration, Some("15ms"), ["", "", ""], "0s to 150ms in steps of 1ms"),
            (Kind::Duration, None, ["", "", ""], "0s to 1m in steps of 1s"),
            (Kind::Duration, Some("0s"), ["", "20s", ""], "0s to 20s in steps of 1s"),
            (Kind::Whole, Some("4"), ["", "", ""], "0 to 40 in steps of 1"),
            (Kind::Whole, Some("unbounded"), ["", "", ""], "0 to 100 in steps of 1"),
            (Kind::Whole, Some("4"), ["100", "", "7"], "100 to 1000 in steps of 7"),
            (Kind::Rate, Some("90/s"), ["", "", ""], "9/s to 900/s in steps of 1/s"),
            (Kind::Share, Some("5%"), ["", "", ""], "0% to 100% in steps of 0.1%"),
            (Kind::Share, None, ["", "", ""], "0% to 100% in steps of 1%"),
            (Kind::Float, Some("1"), ["", "", ""], "0.1 to 10 in steps of 0.1"),
            (Kind::Amount("KiB".to_owned()), Some("64KiB"), ["", "", ""], "0KiB to 640KiB in steps of 1KiB"),
        ] {
            assert_eq!(range(kind.clone(), written, given).as_deref(), Ok(told), "{kind:?} {written:?}");
        }
        for (kind, given, why) in [
            (Kind::Rate, ["", "", ""], "give --from and --to"),
            (Kind::Duration, ["10s", "5s", ""], "is empty"),
            (Kind::Duration, ["10", "", ""], "has no unit"),
            (Kind::Whole, ["1.5", "", ""], "not a whole number"),
            (Kind::Whole, ["1", "2", "0"], "more than nothing"),
            (Kind::Duration, ["0s", "1d", "1ns"], "too many"),
        ] {
            assert!(range(kind, None, given).is_err_and(|told| told.contains(why)), "{given:?}");
        }
    }

    #[test]
    fn values_have_no_bits_of_sums_and_the_last_is_the_end() {
        let wishes = Wishes { from: Some("0.1"), to: Some("1"), step: Some("0.1") };
        let range = Range::new(Kind::Float, None, wishes).unwrap();
        let values: Vec<String> = (0..=range.last()).map(|index| range.value(index)).collect();
        assert_eq!(values, ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]);
        let uneven = Range::new(Kind::Whole, None, Wishes { from: Some("0"), to: Some("10"), step: Some("4") }).unwrap();
        assert_eq!([0, 1, 2, 3].map(|index| uneven.value(index)), ["0", "4", "8", "10"]);
        assert_eq!((uneven.last(), uneven.double(0), uneven.double(1)), (3, 1, 2));
    }

    #[test]
    fn the_kind_is_that_of_the_value_or_of_what_is_accepted() {
        let none = Wishes::default();
        let never = |_: &str| false;
        assert_eq!(Kind::find(Some("10ms"), none, never), Some(Kind::Duration));
        assert_eq!(Kind::find(Some("64KiB"), none, never), Some(Kind::Amount("KiB".to_owned())));
        assert_eq!(Kind::find(Some("4"), none, never), Some(Kind::Whole));
        assert_eq!(Kind::find(Some("1"), none, |text| text == "1.5"), Some(Kind::Float));
        assert_eq!(Kind::find(Some("1"), none, |text| text == "0.5"), Some(Kind::Float));
        assert_eq!(Kind::find(Some("unbounded"), none, |text| text == "1"), Some(Kind::Whole));
        assert_eq!(Kind::find(None, Wishes { to: Some("3/s"), ..none }, never), Some(Kind::Rate));
        assert_eq!(Kind::find(None, none, |text| text == "1s"), Some(Kind::Duration));
        assert_eq!(Kind::find(None, none, |_| true), None);
        assert_eq!(Kind::find(None, none, never), None);
    }

    #[test]
    fn the_ends_that_the_scenario_refuses_are_left_out() {
        let range = Range::new(Kind::Whole, Some("4"), Wishes::default()).unwrap();
        let within = |wishes, accepts: &dyn Fn(u64) -> bool| range.within(Some("4"), wishes, accepts).map(|range| shown(&range));
        let none = Wishes::default();
        assert_eq!(within(none, &|count| (1..=7).contains(&count)).as_deref(), Some("1 to 7 in steps of 1"));
        assert_eq!(within(none, &|count| (8..=40).contains(&count)).as_deref(), Some("8 to 40 in steps of 1"));
        assert_eq!(within(Wishes { from: Some("0"), ..none }, &|count| count > 0).as_deref(), Some("0 to 40 in steps of 1"));
        assert_eq!(within(none, &|_| false), None);
        let cut = range.within(Some("4"), none, |count| (1..=7).contains(&count)).unwrap();
        assert!(cut.is_first_least && cut.is_last_most);
        let wished = range.within(Some("4"), Wishes { to: Some("40"), ..none }, |_| true).unwrap();
        assert!(wished.is_first_least && !wished.is_last_most);
    }
}
