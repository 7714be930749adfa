//! Operations whose order is known: by a version, a revision, a token, an offset.
//!
//! If every operation can be given a stage, such that those of a lower one come first and those of the same one
//! may come in any order, then some order explains everything exactly if no operation was invoked after one of a
//! higher stage had returned.

/// One operation and its place in the known order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// The index of its invocation.
    pub invoked: u32,
    /// The index of its return, or [`NEVER`](crate::NEVER).
    pub returned: u32,
    /// Its place in the known order.
    pub stage: u64,
}

/// Two operations whose known order contradicts real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The invocation of the one that comes later in the known order.
    pub later: u32,
    /// Its return.
    pub returned: u32,
    /// The invocation, after that, of the one that must come earlier.
    pub earlier: u32,
}

/// Holds the known order against real time, in O(n log n).
///
/// # Errors
/// The first operation that was invoked too late.
pub fn scan(ops: &[Staged]) -> Result<(), Late> {
    let mut by_return: Vec<&Staged> = ops.iter().collect();
    by_return.sort_unstable_by_key(|op| op.returned);
    let mut by_call: Vec<&Staged> = ops.iter().collect();
    by_call.sort_unstable_by_key(|op| op.invoked);
    let mut returned = by_return.into_iter().peekable();
    let mut highest: Option<&Staged> = None;
    for op in by_call {
        while let Some(before) = returned.next_if(|before| before.returned < op.invoked) {
            if highest.is_none_or(|highest| highest.stage < before.stage) {
                highest = Some(before);
            }
        }
        if let Some(highest) = highest.filter(|highest| op.stage < highest.stage) {
            let (later, returned) = (highest.invoked, highest.returned);
            return Err(Late { later, returned, earlier: op.invoked });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_after_the_return_of_a_higher_stage_is_late() {
        let op = |invoked, returned, stage| Staged { invoked, returned, stage };
        assert_eq!(scan(&[op(0, 1, 1), op(2, 3, 1), op(4, 5, 2)]), Ok(()));
        assert_eq!(scan(&[op(0, 3, 2), op(1, 2, 1)]), Ok(()));
        let late = Late { later: 0, returned: 1, earlier: 2 };
        assert_eq!(scan(&[op(0, 1, 2), op(2, 3, 1)]), Err(late));
        assert_eq!(scan(&[op(0, crate::NEVER, 2), op(2, 3, 1)]), Ok(()));
    }
}
