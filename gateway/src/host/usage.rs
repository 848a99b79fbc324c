//! What a plugin's calls used up, function by function: computing time, memory, host calls, bytes to and from the network.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What calls of one function used up since the release was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Computing time in nanoseconds; waiting does not count.
    pub guest_ns: u64,
    /// The most that one call held in memories and tables, in bytes.
    pub memory_peak_bytes: u64,
    /// Calls of the contract's imports.
    pub host_calls: u64,
    /// Bytes of request bodies that were handed to the network; media that the gateway streams are not counted.
    pub sent_bytes: u64,
    /// Bytes of answers' bodies.
    pub received_bytes: u64,
}

/// The same, as it is added up.
#[derive(Debug, Default)]
pub(super) struct Usage {
    guest_ns: AtomicU64,
    memory_peak_bytes: AtomicU64,
    host_calls: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Usage {
    /// Adds one call, however it ended.
    pub(super) fn add(&self, call: &Used) {
        self.guest_ns.fetch_add(call.guest_ns, Relaxed);
        self.memory_peak_bytes.fetch_max(call.memory_peak_bytes, Relaxed);
        self.host_calls.fetch_add(call.host_calls, Relaxed);
        // Most calls speak to no network.
        if call.sent_bytes + call.received_bytes > 0 {
            self.sent_bytes.fetch_add(call.sent_bytes, Relaxed);
            self.received_bytes.fetch_add(call.received_bytes, Relaxed);
        }
    }

    pub(super) fn get(&self) -> Used {
        Used {
            guest_ns: self.guest_ns.load(Relaxed),
            memory_peak_bytes: self.memory_peak_bytes.load(Relaxed),
            host_calls: self.host_calls.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
        }
    }
}
