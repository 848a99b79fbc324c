//! Any bytes: the checker of heads and the HTTP library find the same requests, and parts make no difference.

#![no_main]

mod head;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    head::oracle::agree(bytes);
});
