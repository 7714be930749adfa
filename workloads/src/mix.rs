//! Calls of a few kinds, each so often, about keys in use: what most workloads ask.

use crate::asking::{Asker, Hand};
use history::{Call, Key, ProcessId};

/// One kind of call: how often it is drawn, as a share of all, and how it is made.
pub(crate) type Kind = (u64, fn(Key, &mut Hand<'_>) -> Call);

/// Calls of these kinds.
pub(crate) struct Mix(pub(crate) &'static [Kind]);

impl Asker for Mix {
    fn ask(&mut self, hand: &mut Hand<'_>) -> Option<(ProcessId, Call)> {
        let mut left = hand.chance.below(self.0.iter().map(|(share, _)| share).sum());
        let (_, make) = self.0.iter().find(|(share, _)| {
            let hit = left < *share;
            left = left.saturating_sub(*share);
            hit
        })?;
        let key = hand.key();
        let call = make(key, hand);
        Some((hand.somebody(), call))
    }
}
