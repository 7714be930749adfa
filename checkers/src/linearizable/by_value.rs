//! Something about each of some values.

use history::Value;
use rustc_hash::FxHashMap;

/// A table of up to so many bytes is made however few values there are: it stays in the cache.
const TABLE: usize = 1 << 17;

/// Values are usually counted up from somewhere, and then a plain table is several times faster.
pub(crate) enum ByValue<T> {
    /// From `low` on.
    Dense {
        /// The least value.
        low: i64,
        /// What is known of it and of those after it.
        table: Vec<T>,
    },
    /// Anywhere.
    Sparse {
        /// What is known.
        map: FxHashMap<Value, T>,
        /// What is known at first.
        blank: T,
    },
}

impl<T: Copy> ByValue<T> {
    /// Knows nothing but `blank` of any of `values`, which are about `count`.
    pub fn new(values: impl Iterator<Item = Value>, count: usize, blank: T) -> ByValue<T> {
        let (low, high) =
            values.fold((i64::MAX, i64::MIN), |(low, high), Value(v)| (low.min(v), high.max(v)));
        let span = high.checked_sub(low).and_then(|span| usize::try_from(span).ok());
        match span.filter(|span| *span <= (4 * count).max(TABLE / size_of::<T>())) {
            Some(span) => ByValue::Dense { low, table: vec![blank; span + 1] },
            None => ByValue::Sparse { map: FxHashMap::default(), blank },
        }
    }

    /// What is known of one of the values.
    pub fn known(&mut self, value: Value) -> &mut T {
        match self {
            ByValue::Dense { low, table } => &mut table[(value.0 - *low) as usize],
            ByValue::Sparse { map, blank } => map.entry(value).or_insert(*blank),
        }
    }

    /// The same of a value that need not be one of them.
    pub fn find(&mut self, value: Value) -> Option<&mut T> {
        match self {
            ByValue::Dense { low, table } => {
                let at = value.0.checked_sub(*low).and_then(|at| usize::try_from(at).ok())?;
                table.get_mut(at)
            }
            ByValue::Sparse { map, .. } => map.get_mut(&value),
        }
    }

    /// Everything that is known.
    pub fn all(&self) -> impl Iterator<Item = (Value, T)> {
        let (table, low, map) = match self {
            ByValue::Dense { low, table } => (&table[..], *low, None),
            ByValue::Sparse { map, .. } => (&[][..], 0, Some(map)),
        };
        let dense = table.iter().enumerate().map(move |(at, known)| (Value(low + at as i64), *known));
        dense.chain(map.into_iter().flatten().map(|(value, known)| (*value, *known)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows of every value how often it comes; whether a plain table was enough.
    fn counts(values: &[i64]) -> bool {
        let mut counts = ByValue::new(values.iter().map(|value| Value(*value)), values.len(), 0u32);
        values.iter().for_each(|value| *counts.known(Value(*value)) += 1);
        let often = |value: i64| values.iter().filter(|other| **other == value).count() as u32;
        for value in
            values.iter().flat_map(|value| [value.saturating_sub(1), *value, value.saturating_add(1)])
        {
            assert_eq!(
                counts.find(Value(value)).copied().unwrap_or(0),
                often(value),
                "{value} of {values:?}"
            );
        }
        for (value, count) in counts.all() {
            assert_eq!(count, often(value.0));
        }
        assert_eq!(counts.all().map(|(_, count)| count).sum::<u32>() as usize, values.len());
        matches!(counts, ByValue::Dense { .. })
    }

    #[test]
    fn values_are_known_wherever_they_lie() {
        assert!(counts(&[1, 2, 3, 2]) && counts(&[-7]) && counts(&[i64::MAX, i64::MAX - 5]));
        assert!(!counts(&[]) && !counts(&[i64::MIN, 0, i64::MAX, 0]) && !counts(&[0, 1 << 40, 1 << 40]));
    }
}
