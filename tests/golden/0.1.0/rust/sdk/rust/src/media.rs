//! Media of the call. The bytes stay in the gateway; requests name a medium by its id.

use crate::MediaRef;

/// What is known of a medium of this call, or none where the call has no such medium.
pub fn info(id: &str) -> Option<MediaRef> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::media::info(id);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.medium(id).map(|(medium, _)| medium.clone()));
}

/// Bytes `offset .. offset + length_bytes` (at most 64 KiB at once); shorter at the end, none for an unknown medium.
pub fn read(id: &str, offset: u64, length_bytes: u32) -> Option<Vec<u8>> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::media::read(id, offset, length_bytes);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| {
        let (_, bytes) = script.medium(id)?;
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let length = rest.len().min(length_bytes as usize).min(64 * 1024);
        rest.get(..length).map(<[u8]>::to_vec)
    });
}

/// An address from which the network can fetch the medium, for networks that take no bytes: the same at each attempt. It goes into
/// a request as it is or percent-encoded, and the gateway puts an expiring signature in its place as the request leaves. The sentence
/// of an error says what an operator must set.
pub fn public_url(id: &str) -> Result<String, String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::adapter::pressgate::plugin::media::public_url(id);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::with(|script| script.public_url(id));
}
