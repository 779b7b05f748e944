//! Slots that are used again, told apart by a generation number: memory follows what is open, not what has been.

use super::event::Ref;

/// Items by index. A free slot keeps its item and its generation.
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

/// The generation stands beside the item: both are wanted together. Aligned, so that what fits into a cache line touches one.
#[repr(align(64))]
struct Slot<T> {
    item: T,
    generation: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts an item into a free slot.
    #[inline(always)]
    pub fn insert(&mut self, item: T) -> u32 {
        self.insert_at(item).index
    }

    /// The same, with its generation, for an event.
    #[inline(always)]
    pub fn insert_at(&mut self, item: T) -> Ref {
        match self.free.pop() {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                slot.item = item;
                Ref { index, generation: slot.generation }
            }
            None => {
                self.slots.push(Slot { item, generation: 0 });
                Ref { index: (self.slots.len() - 1) as u32, generation: 0 }
            }
        }
    }

    /// Frees a slot; events scheduled for it are stale from now on. Its item stays.
    #[inline]
    pub fn remove(&mut self, index: u32) -> &mut T {
        let Slot { item, generation } = &mut self.slots[index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(index);
        item
    }

    /// Makes events scheduled so far for this slot stale.
    #[inline]
    pub fn retire(&mut self, index: u32) -> &mut T {
        let Slot { item, generation } = &mut self.slots[index as usize];
        *generation = generation.wrapping_add(1);
        item
    }

    /// The slot with its generation, for an event.
    #[inline]
    pub fn at(&self, index: u32) -> Ref {
        Ref { index, generation: self.slots[index as usize].generation }
    }

    /// The item, and its slot with the generation, looked up once.
    #[inline]
    pub fn open(&mut self, index: u32) -> (&mut T, Ref) {
        let Slot { item, generation } = &mut self.slots[index as usize];
        (item, Ref { index, generation: *generation })
    }

    #[inline]
    pub fn is_current(&self, slot: Ref) -> bool {
        self.slots[slot.index as usize].generation == slot.generation
    }

    /// Number of slots, free ones included.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.slots.len() as u32
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.slots[index as usize].item
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize].item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_does_not_answer_to_its_old_reference() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        let old = slab.at(first);
        slab.remove(first);
        let second = slab.insert("b");
        assert_eq!((first, slab[second]), (second, "b"));
        assert!(!slab.is_current(old) && slab.is_current(slab.at(second)));
    }
}
