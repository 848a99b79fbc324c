//! Uploads: begun, filled piece by piece, ended, awaited and described. <https://docs.x.com/x-api/media/quickstart/media-upload-chunked>

use pressgate_sdk::http::{FormField, Kind, Request, Safety};
use pressgate_sdk::{Failure, MediaRef};
use serde_json::{Value, json};

use crate::{TOKEN, answer, perform};

/// Length of a piece; the network takes at most 5 MB at once.
pub const PIECE_BYTES: u64 = 4 * 1024 * 1024;
/// Seconds until a medium is asked for again where the network does not say.
const POLL_S: u64 = 1;

/// What the network makes of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// A still picture.
    Image,
    /// An animated picture.
    Gif,
    /// A video.
    Video,
}

impl Category {
    fn as_str(self) -> &'static str {
        match self {
            Self::Image => "tweet_image",
            Self::Gif => "tweet_gif",
            Self::Video => "tweet_video",
        }
    }

    /// Size of a medium: <https://docs.x.com/x-api/media/quickstart/best-practices>
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Image => 5 * 1024 * 1024,
            Self::Gif => 15 * 1024 * 1024,
            Self::Video => 512 * 1024 * 1024,
        }
    }
}

/// None for what the network does not show in a post.
pub fn category(medium: &MediaRef) -> Option<Category> {
    Some(match medium.media_type.as_str() {
        "image/gif" => Category::Gif,
        "image/jpeg" | "image/png" | "image/webp" => Category::Image,
        "video/mp4" | "video/quicktime" | "video/webm" => Category::Video,
        _ => return None,
    })
}

/// Uploads a medium and waits until it can be shown; gives its id.
pub fn upload(step: &str, medium: &MediaRef) -> Result<String, Failure> {
    let category = category(medium).ok_or_else(|| {
        perform::rejected("media-type", format!("This network takes no media of the type {}.", medium.media_type))
    })?;
    let begin = json!({
        "media_type": medium.media_type, "media_category": category.as_str(), "total_bytes": medium.size_bytes,
    });
    let request = Request::post("/2/media/upload/initialize").json(begin.to_string()).credential(TOKEN);
    let response = answer::send(&format!("{step}-begin"), Kind::Prepare(Safety::None), &request)?;
    let id = answer::id(&response, &answer::success(&response)?)?;
    for (index, offset) in (0..medium.size_bytes).step_by(PIECE_BYTES as usize).enumerate() {
        let length = PIECE_BYTES.min(medium.size_bytes - offset);
        let request = Request::post(format!("/2/media/upload/{id}/append"))
            .multipart(vec![
                FormField::text("segment_index", index.to_string()),
                FormField::slice("media", "piece", &medium.id, offset, length),
            ])
            .credential(TOKEN);
        // The same piece of the same upload, so a repetition changes nothing.
        let response = answer::send(&format!("{step}-piece-{index}"), Kind::Prepare(Safety::ClientId), &request)?;
        answer::success(&response)?;
    }
    let request = Request::post(format!("/2/media/upload/{id}/finalize")).credential(TOKEN);
    let response = answer::send(&format!("{step}-end"), Kind::Prepare(Safety::TwoPhase), &request)?;
    await_processing(step, &id, answer::success(&response)?)?;
    if let Some(alt) = medium.alt.as_deref().filter(|alt| !alt.is_empty()) {
        let body = json!({ "id": id, "metadata": { "alt_text": { "text": alt } } });
        let request = Request::post("/2/media/metadata").json(body.to_string()).credential(TOKEN);
        let response = answer::send(&format!("{step}-alt"), Kind::Prepare(Safety::ClientId), &request)?;
        answer::success(&response)?;
    }
    Ok(id)
}

/// Has the network made of the upload what it shows? Asks once where it was not done at once.
fn await_processing(step: &str, id: &str, mut answered: Value) -> Result<(), Failure> {
    if is_processed(&answered)? {
        return Ok(());
    }
    let request = Request::get("/2/media/upload").query("command", "STATUS").query("media_id", id).credential(TOKEN);
    let response = answer::send(&format!("{step}-poll"), Kind::Read, &request)?;
    answered = answer::success(&response)?;
    if is_processed(&answered)? {
        return Ok(());
    }
    let wait_s = answered["data"]["processing_info"]["check_after_secs"].as_u64().unwrap_or(POLL_S);
    let message = "The network is still processing a medium.";
    Err(Failure::not_yet(response.status, "media-processing", message, wait_s.saturating_mul(1000)))
}

fn is_processed(answered: &Value) -> Result<bool, Failure> {
    match answered["data"]["processing_info"]["state"].as_str() {
        None | Some("succeeded") => Ok(true),
        Some("failed") => Err(perform::rejected("media-unusable", "The network could not make anything of a medium.")),
        Some(_) => Ok(false),
    }
}
