//! What is asked and told of freezes, at both listeners and by the command line.

use jiff::Timestamp;
use pressgate_workflow::{freeze::Freeze, ids::Actor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::written;
use crate::records::FreezeRecord;

/// What is to be frozen, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeRequest {
    /// `org`, `brand:acme/snacks`, `account:acme-example` or `campaign:spring`.
    #[schema(min_length = 3, max_length = 300)]
    pub scope: String,
    /// Why, as one word that the log keeps: `data-leak`. Lower-case letters, digits and `-`; never what somebody said.
    #[schema(min_length = 1, max_length = 64)]
    pub reason: String,
    /// Posts with one of these labels pass, where they were approved before, or their app may use the label as an urgent one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub permit_labels: Vec<String>,
}

/// The wish to end a freeze. The first person's is kept; another person's ends it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftRequest {
    /// Why, as one word that the log keeps; `over` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub reason: Option<String>,
    /// Of the one who ends it: posts that were stopped go out by themselves, so many seconds apart. Without it each waits for a person's
    /// word: `confirm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub release_every_s: Option<u32>,
}

/// A post that is to pass a freeze.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermitRequest {
    /// The post.
    #[schema(max_length = 64)]
    pub post: String,
    /// The version that was seen. Without it the one that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// A post that passes a freeze, in one version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PermittedPost {
    /// The post.
    pub post: String,
    /// The version.
    pub version: u32,
}

/// A freeze as it stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FreezeView {
    /// Its id.
    pub id: String,
    /// `org`, or kind and name of what is frozen.
    pub scope: String,
    /// `on`, `lift-asked` (and still on) or `lifted`.
    pub state: String,
    /// The reason's word.
    pub reason: String,
    /// Labels of statements that pass.
    pub permit_labels: Vec<String>,
    /// Posts that pass by name.
    #[serde(default)]
    pub permit_posts: Vec<PermittedPost>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Who began it.
    pub by: String,
    /// Who wants it lifted.
    pub lift_asked_by: Vec<String>,
    /// Who lifted it, as the second.
    #[schema(required = true)]
    pub lifted_by: Option<String>,
    /// When.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub lifted_at: Option<Timestamp>,
    /// In the answer to a begin: it was frozen already, by this freeze. Nothing was added to it; the log has who wanted it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already: Option<bool>,
    /// In the answers to its begin and its lift: other freezes that are on and stop all that this one covers. What it covers goes on
    /// only when those are lifted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_frozen_by: Vec<String>,
    /// In the answer to its begin: effects that had left before and are not answered yet. Nothing else can leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<usize>,
    /// In the answer to its end: posts that go out one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<usize>,
}

/// Freezes, the newest first: all that are on, and the last that were lifted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FreezesView {
    /// Those that the caller may have a say in.
    pub freezes: Vec<FreezeView>,
}

impl FreezeView {
    /// Of a record.
    pub fn of(record: &FreezeRecord) -> Self {
        let Freeze { id, scope, statements, since, by, why, lifting } = &record.freeze;
        let state = match (&record.lifted, lifting.is_empty()) {
            (Some(_), _) => "lifted",
            (None, false) => "lift-asked",
            (None, true) => "on",
        };
        Self {
            id: id.to_string(),
            scope: written(scope),
            state: state.to_owned(),
            reason: why.clone(),
            permit_labels: statements.labels.iter().map(ToString::to_string).collect(),
            permit_posts: statements
                .posts
                .iter()
                .map(|(post, version)| PermittedPost { post: post.to_string(), version: *version })
                .collect(),
            since: *since,
            by: match by {
                Actor::Person { person } => person.to_string(),
                _ => "local".to_owned(),
            },
            lift_asked_by: lifting.iter().map(ToString::to_string).collect(),
            lifted_by: record.lifted.as_ref().map(|lifted| lifted.by.to_string()),
            lifted_at: record.lifted.as_ref().map(|lifted| lifted.at),
            already: None,
            still_frozen_by: Vec::new(),
            under_way: None,
            released: None,
        }
    }
}
