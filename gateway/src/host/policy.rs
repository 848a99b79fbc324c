//! What policies are told about a call besides the draft.

use std::sync::Arc;

use crate::model::{Account, AppId, PersonId};

/// Who asks, and where it will appear. The brands come from the account, the campaign from the draft.
#[derive(Debug, Clone)]
pub struct ReviewContext {
    /// The account that will speak.
    pub account: Arc<Account>,
    /// The brand's languages, BCP 47; empty where the brand does not say.
    pub languages: Vec<String>,
    /// The app, or none for a person with a key of their own.
    pub app: Option<AppId>,
    /// The person, where one acts.
    pub person: Option<PersonId>,
}
