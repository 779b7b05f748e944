//! What was answered for a name: queries and the records in their answers.

/// Queries of a name within the window; those that a cache answers are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameRecord {
    pub queries: u64,
    /// By record: answers that had it.
    pub answers: Vec<u64>,
}

impl NameRecord {
    pub fn of(records: usize) -> NameRecord {
        NameRecord { queries: 0, answers: vec![0; records] }
    }

    pub fn answered(&mut self, records: &[usize]) {
        self.queries += 1;
        records.iter().for_each(|record| self.answers[*record] += 1);
    }
}
