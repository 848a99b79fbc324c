//! The one account, those who talk to it, and what the network says about itself.

use serde_json::{Value, json};

use crate::clock::iso;
use crate::draft::MEDIA_MAX;
use crate::media;
use crate::state::{Network, Store};
use crate::text::URL_CHARACTERS;

/// Id of the one account.
pub(crate) const ID: &str = "1";

/// The `Account` entity of the one account.
pub(crate) fn render(network: &Network, store: &Store) -> Value {
    let last = store.statuses.values().next_back().map(|status| status.created_ms);
    entity(network, (ID, &network.config.username), (store.statuses.len(), last))
}

/// The same of somebody who said something to it.
pub(crate) fn render_other(network: &Network, store: &Store, username: &str) -> Value {
    let said = store.inbox.heard.values().filter(|heard| heard.from == username);
    let times: Vec<i64> = said.map(|heard| heard.status.created_ms).collect();
    let id = store.inbox.account_id(username).unwrap_or_default();
    entity(network, (&id, username), (times.len(), times.last().copied()))
}

fn entity(network: &Network, (id, username): (&str, &str), (statuses, last_ms): (usize, Option<i64>)) -> Value {
    let url = &network.url;
    let last = last_ms.map(|last_ms| iso(last_ms)[..10].to_owned());
    json!({
        "id": id,
        "username": username,
        "acct": username,
        "display_name": username,
        "locked": false,
        "bot": false,
        "discoverable": true,
        "indexable": true,
        "group": false,
        "created_at": iso(network.started_ms),
        "note": "<p>An account of the sample network.</p>",
        "url": format!("{url}/@{username}"),
        "uri": format!("{url}/users/{username}"),
        "avatar": format!("{url}/avatar.png"),
        "avatar_static": format!("{url}/avatar.png"),
        "header": format!("{url}/header.png"),
        "header_static": format!("{url}/header.png"),
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": statuses,
        "last_status_at": last,
        "hide_collections": false,
        "noindex": false,
        "emojis": [],
        "roles": [],
        "fields": [],
    })
}

/// The `CredentialAccount` entity.
pub(crate) fn render_own(network: &Network) -> Value {
    let mut account = render(network, &network.store());
    if let Some(object) = account.as_object_mut() {
        object.remove("roles");
        let source = json!({
            "privacy": "public",
            "sensitive": false,
            "language": null,
            "note": "An account of the sample network.",
            "fields": [],
            "follow_requests_count": 0,
            "hide_collections": false,
            "discoverable": true,
            "indexable": true,
        });
        object.insert("source".to_owned(), source);
        let role = json!({ "id": "-99", "name": "", "permissions": "65536", "color": "", "highlighted": false });
        object.insert("role".to_owned(), role);
    }
    account
}

/// The `Instance` entity.
pub(crate) fn instance(network: &Network) -> Value {
    let url = &network.url;
    let config = &network.config;
    let active = usize::from(!network.store().statuses.is_empty());
    json!({
        "domain": url.trim_start_matches("http://"),
        "title": config.page_title,
        "version": concat!("4.5.0+sample.", env!("CARGO_PKG_VERSION")),
        "source_url": url,
        "description": "A sample network: nothing here leaves this machine.",
        "usage": { "users": { "active_month": active } },
        "thumbnail": { "url": format!("{url}/header.png"), "blurhash": null },
        "icon": [{ "src": format!("{url}/avatar.png"), "size": "36x36" }],
        "languages": ["en"],
        "configuration": {
            "urls": { "streaming": null, "status": null, "about": url, "privacy_policy": null, "terms_of_service": null },
            "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5, "max_profile_fields": 4 },
            "statuses": {
                "max_characters": config.text_limit,
                "max_media_attachments": MEDIA_MAX,
                "characters_reserved_per_url": URL_CHARACTERS,
            },
            "media_attachments": {
                "supported_mime_types": media::TYPES,
                "description_limit": media::DESCRIPTION_CHARACTERS_MAX,
                "image_size_limit": media::IMAGE_BYTES_MAX,
                "image_matrix_limit": media::IMAGE_PIXELS_MAX,
                "video_size_limit": media::VIDEO_BYTES_MAX,
                "video_frame_rate_limit": 120,
                "video_matrix_limit": 8_294_400,
            },
            "polls": {
                "max_options": 4,
                "max_characters_per_option": 50,
                "min_expiration": 300,
                "max_expiration": 2_629_746,
            },
            "translation": { "enabled": false },
            "limited_federation": true,
        },
        "registrations": { "enabled": false, "approval_required": false, "message": null, "url": null },
        "api_versions": { "mastodon": 6 },
        "contact": { "email": "nobody@sample.example", "account": null },
        "rules": [],
    })
}

/// The `V1::Instance` entity.
pub(crate) fn instance_v1(network: &Network) -> Value {
    let newer = instance(network);
    let statuses = network.store().statuses.len();
    let of = |part: &str, names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), newer["configuration"][part][*name].clone())).collect::<Value>()
    };
    let media = [
        "supported_mime_types",
        "image_size_limit",
        "image_matrix_limit",
        "video_size_limit",
        "video_frame_rate_limit",
        "video_matrix_limit",
    ];
    json!({
        "uri": newer["domain"],
        "title": newer["title"],
        "short_description": newer["description"],
        "description": newer["description"],
        "email": newer["contact"]["email"],
        "version": newer["version"],
        "urls": { "streaming_api": network.url.replacen("http", "ws", 1) },
        "stats": { "user_count": 1, "status_count": statuses, "domain_count": 0 },
        "thumbnail": newer["thumbnail"]["url"],
        "languages": newer["languages"],
        "registrations": false,
        "approval_required": false,
        "invites_enabled": false,
        "configuration": {
            "accounts": of("accounts", &["max_featured_tags"]),
            "statuses": of("statuses", &["max_characters", "max_media_attachments", "characters_reserved_per_url"]),
            "media_attachments": of("media_attachments", &media),
            "polls": newer["configuration"]["polls"],
        },
        "contact_account": null,
        "rules": [],
    })
}
