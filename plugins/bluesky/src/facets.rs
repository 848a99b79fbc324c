//! Facets: which bytes of a text are links, mentions and tags (`app.bsky.richtext.facet`).

use std::collections::BTreeMap;

use pressgate_sdk::Failure;
use pressgate_sdk::http::{Kind, Request};
use pressgate_sdk::text::{Entity, EntityKind, Measure, entities};
use serde_json::{Value, json};

use crate::{SESSION, answer, uri};

/// Length of a tag (`maxLength`, `maxGraphemes`); a longer one stays text.
const TAG_BYTES_MAX: usize = 640;
const TAG_GRAPHEMES_MAX: usize = 64;

/// The DIDs of handles, each asked once in a call. None for a handle that nobody has.
#[derive(Debug, Default)]
pub struct Handles(BTreeMap<String, Option<String>>);

impl Handles {
    fn did(&mut self, handle: &str) -> Result<Option<String>, Failure> {
        let handle = handle.to_ascii_lowercase();
        if let Some(known) = self.0.get(&handle) {
            return Ok(known.clone());
        }
        let request = Request::get("/xrpc/com.atproto.identity.resolveHandle").query("handle", &handle);
        let response = answer::send(&format!("handle-{handle}"), Kind::Read, &request.credential(SESSION))?;
        let did = if answer::is_unknown_handle(&response) {
            None
        } else {
            let body = answer::success(&response)?;
            let did = body["did"].as_str().filter(|did| did.starts_with("did:") && uri::is_segment(did));
            Some(did.ok_or_else(|| answer::garbage(&response))?.to_owned())
        };
        self.0.insert(handle, did.clone());
        Ok(did)
    }
}

/// The facets of a text, in order. A mention that nobody answers to stays text.
pub fn facets(text: &str, handles: &mut Handles) -> Result<Vec<Value>, Failure> {
    let mut facets = Vec::new();
    for entity in entities(text) {
        if let Some(feature) = feature(&entity, handles)? {
            let index = json!({ "byteStart": entity.range.start, "byteEnd": entity.range.end });
            facets.push(json!({ "index": index, "features": [feature] }));
        }
    }
    Ok(facets)
}

fn feature(entity: &Entity<'_>, handles: &mut Handles) -> Result<Option<Value>, Failure> {
    let value = entity.value();
    Ok(match entity.kind {
        EntityKind::Link => Some(json!({ "$type": "app.bsky.richtext.facet#link", "uri": value })),
        EntityKind::Tag if value.len() <= TAG_BYTES_MAX && Measure::graphemes().of(value) <= TAG_GRAPHEMES_MAX => {
            Some(json!({ "$type": "app.bsky.richtext.facet#tag", "tag": value }))
        }
        EntityKind::Mention if uri::is_handle(value) => {
            let did = handles.did(value)?;
            did.map(|did| json!({ "$type": "app.bsky.richtext.facet#mention", "did": did }))
        }
        _ => None,
    })
}
