//! What transactions need of objects, and what they leave.

use super::notes::NONE;

/// Numbers in rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Rows {
    /// So many rows, of pairs of a row and what is in it.
    pub fn of(rows: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Rows {
        let mut starts = vec![0u32; rows + 2];
        pairs.clone().for_each(|(row, _)| starts[row as usize + 2] += 1);
        for row in 2..starts.len() {
            starts[row] += starts[row - 1];
        }
        let mut items = vec![0; starts[rows + 1] as usize];
        for (row, item) in pairs {
            let place = &mut starts[row as usize + 1];
            items[*place as usize] = item;
            *place += 1;
        }
        starts.pop();
        Rows { starts, items }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// What is in a row, in the order in which it came.
    pub fn row(&self, row: u32) -> &[u32] {
        let (from, to) = (self.starts[row as usize], self.starts[row as usize + 1]);
        &self.items[from as usize..to as usize]
    }
}

/// Who reads which versions, and who leaves them.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    /// The versions that each transaction reads, each once, but its own.
    pub reads: Rows,
    /// The transactions that read each version.
    pub readers: Rows,
    /// The versions that each transaction leaves: the last that it wrote of each object.
    pub leaves: Rows,
    /// The object of each version.
    pub object: Vec<u32>,
    /// Who wrote each version, or [`NONE`] if it was there in the beginning.
    pub writer: Vec<u32>,
    /// What each object holds in the beginning, or [`NONE`] if nobody ever saw that.
    pub held: Vec<u32>,
}

impl Needs {
    /// From whom a transaction read.
    pub fn sources(&self, txn: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        let writers = self.reads.row(txn).iter().map(|version| self.writer[*version as usize]);
        writers.filter(|writer| *writer != NONE)
    }

    /// The versions that a transaction leaves, with their objects.
    pub fn changes(&self, txn: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> + Clone + '_ {
        self.leaves.row(txn).iter().map(|version| (*version, self.object[*version as usize]))
    }

    /// How many read each version.
    pub fn counts(&self) -> Vec<u32> {
        (0..self.object.len() as u32).map(|version| self.readers.row(version).len() as u32).collect()
    }
}
