//! Record keys: timestamp identifiers (<https://atproto.com/specs/tid>) that follow from the call.

/// The alphabet of base32-sortable.
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The record key of an entry: microseconds since the epoch and a clock identifier, both partly from the call's key, so
/// that two calls of one millisecond differ and every attempt of one call agrees. Entries sort as in the thread.
pub fn record_key(key: &[u8], created_at_ms: u64, index: usize) -> String {
    let byte = |at: usize| u64::from(key.get(at).copied().unwrap_or_default());
    let within_ms = (byte(0) << 8 | byte(1)) % 900;
    let micros = created_at_ms.wrapping_mul(1000).wrapping_add(within_ms).wrapping_add(index as u64) & ((1 << 53) - 1);
    let clock_id = (byte(2) << 8 | byte(3)) & 0x3ff;
    let value = micros << 10 | clock_id;
    (0..13).rev().map(|digit| char::from(ALPHABET[(value >> (digit * 5) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_differ_by_entry_and_call_and_sort_by_time() {
        let key: Vec<u8> = (0..32).collect();
        let of = |index| record_key(&key, 1_803_891_600_000, index);
        assert_eq!(of(0), of(0));
        assert!(of(0) < of(1) && of(1) < of(99));
        assert!(of(99) < record_key(&key, 1_803_891_600_001, 0));
        assert_ne!(of(0), record_key(&[9; 32], 1_803_891_600_000, 0));
        // Worked out apart: 1_803_891_600_000_001 microseconds (key bytes 00 01), clock identifier 0x203.
        assert_eq!(of(0), "3nco6z2k323k5");
    }

    proptest! {
        #[test]
        fn every_key_has_the_form_of_a_tid(key: Vec<u8>, created_at_ms: u64, index in 0_usize..1000) {
            let tid = record_key(&key, created_at_ms, index);
            prop_assert_eq!(tid.len(), 13);
            prop_assert!("234567abcdefghij".contains(&tid[..1]));
            prop_assert!(tid.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
    }
}
