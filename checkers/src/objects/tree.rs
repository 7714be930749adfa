//! Numbers in a row: add to a stretch of them, find the first small one of a stretch. Both in O(log n).

/// A segment tree of minima.
#[derive(Debug)]
pub(crate) struct Tree {
    size: usize,
    /// By node: the least of what is below it, without what was added above it.
    least: Vec<i64>,
    /// By node: what was added to all below it.
    added: Vec<i64>,
}

/// More than any number in a tree.
pub(crate) const HUGE: i64 = i64::MAX / 4;

impl Tree {
    /// A tree of these numbers.
    pub fn of(numbers: &[i64]) -> Tree {
        let size = numbers.len().next_power_of_two().max(1);
        let mut least = vec![HUGE; 2 * size];
        least[size..size + numbers.len()].copy_from_slice(numbers);
        for node in (1..size).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Tree { size, least, added: vec![0; 2 * size] }
    }

    /// Replaces a number of a tree to which nothing was ever added.
    pub fn set(&mut self, at: usize, number: i64) {
        let mut node = self.size + at;
        self.least[node] = number;
        while node > 1 {
            node /= 2;
            self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]);
        }
    }

    /// Adds to all numbers in `from..to`.
    pub fn add(&mut self, from: usize, to: usize, by: i64) {
        self.add_below(1, 0, self.size, (from, to), by);
    }

    fn add_below(&mut self, node: usize, begin: usize, end: usize, (from, to): (usize, usize), by: i64) {
        if to <= begin || end <= from {
            return;
        }
        if from <= begin && end <= to {
            self.least[node] += by;
            self.added[node] += by;
            return;
        }
        let middle = (begin + end) / 2;
        self.add_below(2 * node, begin, middle, (from, to), by);
        self.add_below(2 * node + 1, middle, end, (from, to), by);
        self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
    }

    /// The first place in `from..to` whose number is at most `limit`.
    pub fn first(&self, from: usize, to: usize, limit: i64) -> Option<usize> {
        self.first_below(1, 0, self.size, (from, to), limit)
    }

    fn first_below(
        &self,
        node: usize,
        begin: usize,
        end: usize,
        (from, to): (usize, usize),
        limit: i64,
    ) -> Option<usize> {
        if to <= begin || end <= from || self.least[node] > limit {
            return None;
        }
        if node >= self.size {
            return Some(begin);
        }
        let (middle, limit) = ((begin + end) / 2, limit - self.added[node]);
        self.first_below(2 * node, begin, middle, (from, to), limit)
            .or_else(|| self.first_below(2 * node + 1, middle, end, (from, to), limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::Chance;

    #[test]
    fn a_tree_is_a_row_of_numbers() {
        let mut chance = Chance::new(1);
        for _ in 0..200 {
            let len = chance.between(1, 20) as usize;
            let mut row: Vec<i64> = (0..len).map(|_| chance.below(9) as i64).collect();
            let mut tree = Tree::of(&row);
            for _ in 0..50 {
                let from = chance.below(len as u64) as usize;
                let to = chance.between(from as u64, len as u64) as usize;
                let by = chance.below(7) as i64 - 3;
                row[from..to].iter_mut().for_each(|number| *number += by);
                tree.add(from, to, by);
                let from = chance.below(len as u64) as usize;
                let to = chance.between(from as u64, len as u64) as usize;
                let limit = chance.below(12) as i64 - 3;
                assert_eq!(tree.first(from, to, limit), (from..to).find(|at| row[*at] <= limit));
            }
        }
    }
}
