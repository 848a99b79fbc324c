//! What leaves do not say of a post, from the records: its accounts, its campaign, its author.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::Event;
use crate::{
    config::Governance,
    model::{AccountId, BrandPath, PostId, Principal},
    records::{Records, RecordsError},
};

/// Posts that are remembered by one reader.
const KNOWN_MAX: usize = 1_024;

/// Posts that one reader met.
#[derive(Default)]
pub struct Posts {
    known: HashMap<PostId, Arc<Known>>,
}

/// What never changes of a post.
struct Known {
    author: Principal,
    /// The campaign by account.
    targets: BTreeMap<String, Option<String>>,
}

impl Posts {
    /// The event with what the records know; none where it is of no post that there is.
    ///
    /// # Errors
    /// The records'.
    pub async fn complete(
        &mut self,
        records: &dyn Records,
        governance: &Governance,
        mut event: Event,
    ) -> Result<Option<Event>, RecordsError> {
        let Some(id) = PostId::parse(event.post.clone()) else { return Ok(None) };
        let Some(known) = self.known(records, id).await? else {
            // These two are in the log before the post is in the records, where it ever is.
            let whole = event.author.is_some() && event.about().next().is_some();
            return Ok(whole.then_some(event));
        };
        if event.account.is_none() && event.accounts.is_empty() {
            event.accounts = known.targets.keys().cloned().collect();
            // The leaf names no account, and so no brand.
            event.brand = event.brand.or_else(|| brand(governance, &event.accounts));
        }
        event.campaign = match &event.account {
            Some(account) => known.targets.get(account).cloned().flatten(),
            None => known.targets.values().flatten().next().cloned(),
        };
        event.author = Some(known.author.clone());
        Ok(Some(event))
    }

    async fn known(&mut self, records: &dyn Records, id: PostId) -> Result<Option<Arc<Known>>, RecordsError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(post) = records.post(id.clone()).await? else { return Ok(None) };
        let targets = post.targets.into_iter().map(|target| (target.account.to_string(), target.draft.campaign));
        let known = Arc::new(Known { author: post.author.principal, targets: targets.collect() });
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(id, Arc::clone(&known));
        Ok(Some(known))
    }
}

/// The nearest brand that covers all of the accounts.
fn brand(governance: &Governance, accounts: &[String]) -> Option<String> {
    let brand = |account: &String| governance.accounts.get(&AccountId::new(account)).map(|account| &account.brand);
    let brands: Vec<&BrandPath> = accounts.iter().map(brand).collect::<Option<_>>()?;
    BrandPath::nearest_of(&brands).map(|brand| brand.to_string())
}
