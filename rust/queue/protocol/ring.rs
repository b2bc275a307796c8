//! The ring: one producer, one consumer, records of any length, over any [`Memory`].
//!
//! Positions count bytes since the ring was made and never wrap (2^64 bytes at 10 GB/s last 58 years); the byte at a
//! position lies at `position % capacity`. `head <= tail <= head + capacity` at all times. A payload that reaches the
//! end of the data area goes on at its start; a record header never does, since it is as long as the alignment.

use crate::queue::protocol::layout::{self, RECORD_HEADER_BYTES};
use crate::queue::protocol::memory::{Memory, Word};
use crate::sync::{Arc, Ordering};

/// The memory contradicts itself: somebody else has written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// Why an entry was not pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// No room now.
    Full,
    Corrupt,
}

/// Makes the two ends of an empty ring in zeroed memory.
pub fn ring<M: Memory>(memory: M) -> (Producer<M>, Consumer<M>) {
    let memory = Arc::new(memory);
    let producer = Producer {
        memory: Arc::clone(&memory),
        tail: 0,
        head: 0,
    };
    (producer, Consumer { memory, head: 0 })
}

/// The writing end.
pub struct Producer<M> {
    memory: Arc<M>,
    /// What `Word::Tail` holds: only this end stores it, so it need not be read back.
    tail: u64,
    /// `Word::Head` as last seen; the true one is never behind it.
    head: u64,
}

impl<M: Memory> Producer<M> {
    /// Appends `entry` and returns the bytes it takes in the ring.
    ///
    /// The entry exists from the one store of `Word::Tail` on. If the process is killed before that store, it leaves bytes beyond
    /// `tail`, which nobody reads; if it is killed after, it leaves a whole record.
    pub fn push(&mut self, entry: &[u8]) -> Result<u64, PushError> {
        let need = layout::record_bytes(entry.len()).ok_or(PushError::Full)?;
        if need > self.free() {
            // SYNC POINT (head: released bytes are reused): Acquire pairs with the Release in `Consumer::release`. The
            // consumer's reads of these bytes happen before our writes to them.
            let head = self.memory.load(Word::Head, Ordering::Acquire);
            if head < self.head || head > self.tail || !head.is_multiple_of(layout::ALIGNMENT) {
                return Err(PushError::Corrupt);
            }
            self.head = head;
            if need > self.free() {
                return Err(PushError::Full);
            }
        }
        self.write(
            self.tail,
            &layout::record_header(self.tail, entry.len() as u64).to_le_bytes(),
        );
        self.write(self.tail + RECORD_HEADER_BYTES, entry);
        self.tail += need;
        // SYNC POINT (tail: committed bytes are read): Release pairs with the Acquire in `Consumer::waiting`. The record's
        // bytes are written before anyone who sees this tail reads them.
        self.memory.store(Word::Tail, self.tail, Ordering::Release);
        Ok(need)
    }

    /// The memory of the ring, for its other fields.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Continues in `memory`, a copy of the old one. To be called for both ends, while nothing is pushed, read or released.
    pub fn move_to(&mut self, memory: Arc<M>) {
        self.memory = memory;
    }

    fn free(&self) -> u64 {
        debug_assert!(self.head <= self.tail && self.tail - self.head <= self.memory.capacity());
        self.memory.capacity() - (self.tail - self.head)
    }

    fn write(&self, position: u64, bytes: &[u8]) {
        let offset = position % self.memory.capacity();
        let (first, rest) = bytes.split_at(
            bytes
                .len()
                .min(layout::index(self.memory.capacity() - offset)),
        );
        // SAFETY: both ranges end within the capacity (`split_at`; a record is never longer than the ring). They lie
        // between `tail` and `head + capacity`: the consumer reads only below `tail`, and there is one producer, since
        // `ring` makes one and pushing takes `&mut self`.
        unsafe {
            self.memory.write(offset, first);
            self.memory.write(0, rest);
        }
    }
}

/// The reading end.
pub struct Consumer<M> {
    memory: Arc<M>,
    /// What `Word::Head` holds: only this end stores it.
    head: u64,
}

impl<M: Memory> Consumer<M> {
    /// The reading end of a ring whose process is dead. Checks nothing: [`Consumer::records`] checks the positions.
    pub fn attach(memory: M) -> Consumer<M> {
        // Acquire: an adopter before us may have released records; the kernel's lock orders its stores before our load.
        Consumer::attach_to(Arc::new(memory))
    }

    /// The reading end of a ring in shared memory, from the released position on.
    pub fn attach_to(memory: Arc<M>) -> Consumer<M> {
        let head = memory.load(Word::Head, Ordering::Acquire);
        Consumer { memory, head }
    }

    /// The waiting records, oldest first, as of now.
    pub fn records(&self) -> Result<Records<'_, M>, Corrupt> {
        // SYNC POINT (tail: committed bytes are read): Acquire pairs with the Release in `Producer::push`. Whoever sees
        // this tail sees the bytes before it.
        let tail = self.memory.load(Word::Tail, Ordering::Acquire);
        // Relaxed: our own last store, compared only to find out whether somebody else has written to it.
        let untouched = self.memory.load(Word::Head, Ordering::Relaxed) == self.head;
        let aligned =
            self.head.is_multiple_of(layout::ALIGNMENT) && tail.is_multiple_of(layout::ALIGNMENT);
        // The bound keeps every sum of a position and a length from overflowing.
        let bounded = tail <= u64::MAX / 2
            && tail
                .checked_sub(self.head)
                .is_some_and(|bytes| bytes <= self.memory.capacity());
        if untouched && aligned && bounded {
            Ok(Records {
                consumer: self,
                position: self.head,
                tail,
            })
        } else {
            Err(Corrupt)
        }
    }

    /// Gives the bytes before `position`, the end of a record, back to the producer. If the process is killed before the one store,
    /// the records are read again; if it is killed after, they are gone.
    pub fn release(&mut self, position: u64) {
        if position <= self.head {
            return; // released before, by another peek at the same records
        }
        self.head = position;
        // SYNC POINT (head: released bytes are reused): Release pairs with the Acquire in `Producer::push`. Our reads of
        // these bytes happen before the producer writes to them.
        self.memory.store(Word::Head, position, Ordering::Release);
    }

    /// Makes `position`, the end of the last sound record, the end of the ring. Only for a ring whose producer is dead.
    pub fn cut(&mut self, position: u64) {
        self.memory.store(Word::Tail, position, Ordering::Release);
    }

    /// The memory of the ring, for its other fields.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The released position, as this end knows it.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The memory, for another end of the ring.
    pub fn shared_memory(&self) -> Arc<M> {
        Arc::clone(&self.memory)
    }

    /// Continues in `memory`, a copy of the old one in which everything before `head` is released.
    pub fn move_to(&mut self, memory: Arc<M>, head: u64) {
        self.memory = memory;
        self.head = head;
    }
}

/// The records that waited when this was made. Borrows the consumer, so that none of them is released meanwhile.
pub struct Records<'a, M> {
    consumer: &'a Consumer<M>,
    position: u64,
    tail: u64,
}

impl<M> Clone for Records<'_, M> {
    fn clone(&self) -> Self {
        Records { ..*self }
    }
}

impl<'a, M: Memory> Records<'a, M> {
    /// Where the next record starts; after an error, where the damaged record starts.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The bytes from here to the end, record headers included.
    pub fn bytes(&self) -> u64 {
        self.tail - self.position
    }

    /// The next record; `None` at the end. After an error, each further call returns the same error.
    pub fn next_record(&mut self) -> Result<Option<Record<'a, M>>, Corrupt> {
        let (position, room) = (self.position, self.bytes());
        if room == 0 {
            return Ok(None);
        }
        let mut header = [0; 8];
        if room < RECORD_HEADER_BYTES || !read(&*self.consumer.memory, position, &mut header) {
            return Err(Corrupt);
        }
        let payload =
            layout::payload_length(position, u64::from_le_bytes(header)).ok_or(Corrupt)?;
        let bytes = layout::record_bytes(payload)
            .filter(|&bytes| bytes <= room)
            .ok_or(Corrupt)?;
        self.position += bytes;
        Ok(Some(Record {
            consumer: self.consumer,
            position,
            payload,
            end: self.position,
        }))
    }
}

/// One waiting record: its header is sound and it ends before the tail.
pub struct Record<'a, M> {
    consumer: &'a Consumer<M>,
    position: u64,
    payload: usize,
    end: u64,
}

impl<M: Memory> Record<'_, M> {
    /// What to release once the record is done with.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Makes `out` a copy of the payload.
    pub fn copy_to(&self, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        out.resize(self.payload, 0);
        let start = self.position + RECORD_HEADER_BYTES;
        if read(&*self.consumer.memory, start, out) {
            Ok(())
        } else {
            Err(Corrupt)
        }
    }
}

/// Reads bytes that `Records` has found to lie between head and tail.
fn read<M: Memory>(memory: &M, position: u64, bytes: &mut [u8]) -> bool {
    let offset = position % memory.capacity();
    let split = bytes.len().min(layout::index(memory.capacity() - offset));
    let (first, rest) = bytes.split_at_mut(split);
    // SAFETY: both ranges end within the capacity (`split_at_mut`; head and tail are at most one capacity apart). They lie
    // between head and tail, where the producer does not write: it stays below the head, which cannot move while the
    // callers borrow the consumer.
    unsafe { memory.read(offset, first) && memory.read(0, rest) }
}
