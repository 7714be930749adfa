//! Several threads at one work. They are threads of their own and not of a pool: whoever judges within a budget of time
//! does not wait there for others, who may be busy for long.

use std::panic::resume_unwind;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

/// As many threads as run at once here.
pub(crate) fn all() -> usize {
    static ALL: OnceLock<usize> = OnceLock::new();
    *ALL.get_or_init(|| available_parallelism().map_or(1, usize::from))
}

/// Lets so many threads do something, each with its number.
pub(crate) fn each<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|number| scope.spawn(move || work(number))).collect();
        let others =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(work(0)).chain(others).collect()
    })
}

/// A thread takes so much of a list at once at most, and of a short list one thing at a time.
const HANDFUL: usize = 16;

/// So many times a thread comes back for more, if the list is long enough.
const TIMES: usize = 64;

/// Lets so many threads do a list of work, whoever is free the next of it; what came of each, in the order of the list.
pub(crate) fn share<T: Send, R: Send>(threads: usize, list: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    if threads <= 1 {
        return list.into_iter().map(work).collect();
    }
    let handful = (list.len() / (threads * TIMES)).clamp(1, HANDFUL);
    let rest = Mutex::new(list.into_iter().enumerate());
    let mut done: Vec<(usize, R)> = each(threads, |_| {
        let mut done = Vec::new();
        loop {
            let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
            let mine: Vec<(usize, T)> = rest.by_ref().take(handful).collect();
            drop(rest);
            if mine.is_empty() {
                return done;
            }
            done.extend(mine.into_iter().map(|(place, one)| (place, work(one))));
        }
    })
    .into_iter()
    .flatten()
    .collect();
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_in_order() {
        for threads in [1, 2, 5] {
            for count in [0, 1, 2, 17, 1_000] {
                let double = share(threads, (0..count).collect(), |number: i32| 2 * number);
                assert_eq!(double, (0..count).map(|number| 2 * number).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_panic_reaches_who_asked() {
        let asked = std::panic::catch_unwind(|| share(2, vec![1, 2, 3], |number| assert_ne!(number, 2)));
        assert!(asked.is_err());
    }
}
