//! Memory of one instance: the sum of all its memories and tables.

use wasmtime::ResourceLimiter;

/// A table slot on a 64-bit machine.
const TABLE_SLOT_BYTES: usize = 8;

/// Counts what an instance holds and refuses what goes beyond its limit.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit_bytes: usize,
    held_bytes: usize,
    refused: bool,
}

impl MemoryBudget {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, held_bytes: 0, refused: false }
    }

    /// What an instance may hold.
    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// What the instance holds. Nothing of it is ever given back before its end.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// True after something was refused.
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, current_bytes: usize, desired_bytes: usize) -> bool {
        let more = desired_bytes.saturating_sub(current_bytes);
        match self.held_bytes.checked_add(more).filter(|held| *held <= self.limit_bytes) {
            Some(held) => {
                self.held_bytes = held;
                true
            }
            None => {
                self.refused = true;
                false
            }
        }
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current.saturating_mul(TABLE_SLOT_BYTES), desired.saturating_mul(TABLE_SLOT_BYTES)))
    }

    fn instances(&self) -> usize {
        8
    }

    fn memories(&self) -> usize {
        4
    }

    fn tables(&self) -> usize {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 400, None).unwrap());
        assert!(budget.memory_growing(0, 300, None).unwrap());
        assert!(budget.table_growing(0, 30, None).unwrap());
        assert!(!budget.was_refused());
        assert!(!budget.memory_growing(300, 361, None).unwrap());
        assert!(budget.was_refused());
        assert!(budget.memory_growing(300, 360, None).unwrap());
        assert!(!budget.table_growing(30, 31, None).unwrap());
        assert!(!budget.memory_growing(360, usize::MAX, None).unwrap());
    }
}
