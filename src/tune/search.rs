//! The search: doubling until the answer is passed, then bisection down to a step. It takes for granted that the goal holds on one side of the
//! answer and not on the other; the end of the range is looked at, too, and [`broken`] tells where what was seen contradicts that.

use std::collections::BTreeMap;

/// Which of the values that meet the goal is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Lowest,
    Highest,
}

/// Looks for the number of a value, from 0 to `last`. `double` gives the number of twice the value; `meets` tries a value, each once at most.
/// `None` where the answer is not in the range. An error of `meets` ends it.
pub fn search<E>(
    last: u64,
    wanted: Wanted,
    double: impl Fn(u64) -> u64,
    mut meets: impl FnMut(u64) -> Result<bool, E>,
) -> Result<Option<u64>, E> {
    let mut tried = BTreeMap::new();
    let mut try_once = |number: u64| match tried.get(&number) {
        Some(is_met) => Ok(*is_met),
        None => {
            let is_met = meets(number)?;
            tried.insert(number, is_met);
            Ok(is_met)
        }
    };
    // With the lowest the first that meets the goal is looked for, with the highest the first that does not.
    let turns = |is_met: bool| is_met == (wanted == Wanted::Lowest);
    let mut below = None;
    let mut next = 0;
    let turned = loop {
        if turns(try_once(next)?) {
            break Some(next);
        }
        below = Some(next);
        if next == last {
            break None;
        }
        next = double(next).clamp(next + 1, last);
    };
    if let (Some(mut low), Some(mut high)) = (below, turned) {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if turns(try_once(middle)?) { high = middle } else { low = middle }
        }
        try_once(last)?;
        return Ok(Some(if wanted == Wanted::Lowest { high } else { low }));
    }
    // The first value turns already, or none does.
    try_once(last)?;
    Ok(match wanted {
        Wanted::Lowest => turned,
        Wanted::Highest => below,
    })
}

/// Two neighbours among the values that were looked at, the smaller first, that are the wrong way round: with the lowest wanted the
/// smaller meets the goal and the larger does not, with the highest the larger does and the smaller does not.
pub fn broken(tried: &[(u64, bool)], wanted: Wanted) -> Option<(u64, u64)> {
    let mut tried = tried.to_vec();
    tried.sort_unstable();
    let is_wrong = |pair: &&[(u64, bool)]| pair[0].1 == (wanted == Wanted::Lowest) && pair[1].1 != pair[0].1;
    tried.windows(2).find(is_wrong).map(|pair| (pair[0].0, pair[1].0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// What is found, and what was tried on the way.
    fn find(last: u64, wanted: Wanted, is_met: impl Fn(u64) -> bool) -> (Option<u64>, Vec<(u64, bool)>) {
        let mut tried = Vec::new();
        let found = search(
            last,
            wanted,
            |number| 2 * number,
            |number| {
                assert!(number <= last && tried.iter().all(|(known, _)| *known != number), "{number} of {tried:?}");
                tried.push((number, is_met(number)));
                Ok::<bool, Infallible>(is_met(number))
            },
        );
        (found.unwrap_or_else(|never| match never {}), tried)
    }

    #[test]
    fn the_answer_is_found_wherever_it_is() {
        for last in [0, 1, 2, 3, 7, 8, 9, 100] {
            for answer in 0..=last + 1 {
                let (found, tried) = find(last, Wanted::Lowest, |number| number >= answer);
                assert_eq!(found, (answer <= last).then_some(answer), "{answer} of {last}");
                // Its neighbour below was looked at, so that it is the lowest for sure; and the end was.
                assert!(
                    found.is_none_or(|found| found == 0 || tried.contains(&(found - 1, false))) && tried.iter().any(|(n, _)| *n == last)
                );
                let (found, tried) = find(last, Wanted::Highest, |number| number < answer);
                assert_eq!(found, answer.checked_sub(1), "{answer} of {last}");
                assert!(found.is_none_or(|found| found == last || tried.contains(&(found + 1, false))));
                assert_eq!(broken(&tried, Wanted::Highest), None);
            }
        }
    }

    #[test]
    fn it_costs_two_logarithms() {
        for answer in [0, 1, 17, 500_000, 999_999, 1_000_000] {
            let (_, tried) = find(1_000_000, Wanted::Lowest, |number| number >= answer);
            assert!(tried.len() <= 42, "{} for {answer}", tried.len());
        }
    }

    #[test]
    fn what_contradicts_the_order_is_seen_at_the_end_of_the_range() {
        let (found, tried) = find(100, Wanted::Lowest, |number| (5..90).contains(&number));
        assert_eq!(found, Some(5));
        assert_eq!(broken(&tried, Wanted::Lowest), Some((8, 100)));
        let (found, tried) = find(100, Wanted::Highest, |number| !(5..90).contains(&number));
        assert_eq!((found, broken(&tried, Wanted::Highest)), (Some(4), Some((8, 100))));
        assert_eq!(broken(&[(3, true), (1, false), (2, false)], Wanted::Lowest), None);
    }

    #[test]
    fn an_error_ends_it() {
        let mut left = 3;
        let stopped = search(
            100,
            Wanted::Lowest,
            |number| 2 * number,
            |_| {
                left -= 1;
                if left == 0 { Err("enough") } else { Ok(false) }
            },
        );
        assert_eq!((stopped, left), (Err("enough"), 0));
    }
}
