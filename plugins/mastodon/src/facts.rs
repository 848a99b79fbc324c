//! What an instance allows, as it says itself.

use pressgate_sdk::Facts;
use pressgate_sdk::http::{self, Kind, Request};
use pressgate_sdk::text::Measure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TOKEN;

/// Limits change with a server's settings, so they are asked again every six hours.
const FRESH_S: u32 = 6 * 60 * 60;

/// Limits of an instance; where it says nothing, those of Mastodon's own defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Length of a status with its content warning.
    pub characters_max: usize,
    /// What a link counts, whatever its length.
    pub characters_per_link: usize,
    /// Media of one status.
    pub media_max: usize,
    /// Media types that can be uploaded; empty where the instance does not say.
    pub media_types: Vec<String>,
    /// Size of an image.
    pub image_bytes_max: Option<u64>,
    /// Size of a video or sound.
    pub video_bytes_max: Option<u64>,
    /// Length of a description.
    pub description_characters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            characters_max: 500,
            characters_per_link: 23,
            media_max: 4,
            media_types: Vec::new(),
            image_bytes_max: None,
            video_bytes_max: None,
            description_characters_max: 1500,
        }
    }
}

impl Limits {
    /// Reads what [`discover`] wrote.
    pub fn from_facts(facts: Option<&Facts>) -> Self {
        facts.and_then(|facts| serde_json::from_str(&facts.json).ok()).unwrap_or_default()
    }

    /// How this instance counts a text: graphemes, links at a fixed length, mentions without their server.
    pub fn measure(&self) -> Measure {
        Measure::graphemes().links_as(self.characters_per_link).without_mention_servers()
    }

    /// Reads the entity `Instance`: <https://docs.joinmastodon.org/entities/Instance/#configuration>
    fn from_instance(instance: &Value) -> Option<Self> {
        let statuses = instance.pointer("/configuration/statuses")?;
        let media = instance.pointer("/configuration/media_attachments").unwrap_or(&Value::Null);
        let or_default = |value: &Value, default: usize| {
            value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
        };
        let defaults = Self::default();
        Some(Self {
            characters_max: or_default(&statuses["max_characters"], defaults.characters_max),
            characters_per_link: or_default(&statuses["characters_reserved_per_url"], defaults.characters_per_link),
            media_max: or_default(&statuses["max_media_attachments"], defaults.media_max),
            media_types: media["supported_mime_types"]
                .as_array()
                .map(|types| types.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
            image_bytes_max: media["image_size_limit"].as_u64(),
            video_bytes_max: media["video_size_limit"].as_u64(),
            description_characters_max: or_default(&media["description_limit"], defaults.description_characters_max),
        })
    }
}

/// Asks the instance.
pub fn discover() -> Result<Facts, String> {
    let request = Request::get("/api/v2/instance").credential(TOKEN);
    let response = http::send("instance", Kind::Read, &request)
        .map_err(|error| format!("the instance did not tell its limits: {error:?}"))?;
    if response.status != 200 {
        return Err(format!("the instance answered {} to GET /api/v2/instance", response.status));
    }
    let instance: Value = serde_json::from_slice(&response.body)
        .map_err(|_| "the instance answered GET /api/v2/instance with something that is not JSON".to_owned())?;
    let limits = Limits::from_instance(&instance).ok_or(
        "the instance's answer has no `configuration.statuses`: is it a Mastodon server of version 4 or later?",
    )?;
    let json = serde_json::to_string(&limits).map_err(|error| error.to_string())?;
    Ok(Facts::new(json, FRESH_S))
}
