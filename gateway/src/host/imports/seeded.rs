//! Random bytes that are the same at every attempt on a target.

use aws_lc_rs::digest;

const BLOCK_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// A stream of bytes: SHA-256 over a domain, the call's key, its time and a counter.
pub(crate) struct Seeded {
    key: [u8; 32],
    created_at_ms: u64,
    block: [u8; BLOCK_BYTES],
    used: usize,
    counter: u64,
}

impl Seeded {
    /// The stream of one target.
    pub(crate) fn new(key: [u8; 32], created_at_ms: u64) -> Self {
        Self { key, created_at_ms, block: [0; BLOCK_BYTES], used: BLOCK_BYTES, counter: 0 }
    }

    /// The next bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == BLOCK_BYTES {
                self.refill();
            }
            *byte = self.block.get(self.used).copied().unwrap_or(0);
            self.used += 1;
        }
    }

    fn refill(&mut self) {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"pressgate random 1");
        context.update(&self.key);
        context.update(&self.created_at_ms.to_be_bytes());
        context.update(&self.counter.to_be_bytes());
        self.block.copy_from_slice(context.finish().as_ref());
        self.counter += 1;
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: u8, time: u64, cuts: &[usize]) -> Vec<u8> {
        let mut stream = Seeded::new([key; 32], time);
        cuts.iter()
            .flat_map(|length| {
                let mut bytes = vec![0; *length];
                stream.fill(&mut bytes);
                bytes
            })
            .collect()
    }

    #[test]
    fn the_stream_depends_on_key_and_time_and_not_on_how_it_is_read() {
        let whole = bytes(1, 5, &[100]);
        assert_eq!(whole, bytes(1, 5, &[1, 31, 33, 0, 35]));
        assert_ne!(whole, bytes(2, 5, &[100]));
        assert_ne!(whole, bytes(1, 6, &[100]));
        assert_ne!(whole[..32], whole[32..64]);
    }
}
