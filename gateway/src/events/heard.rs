//! Which events a receiver of the governance hears of.

use std::collections::BTreeSet;

use super::{Event, EventView};
use crate::{
    config::Governance,
    model::{AccountId, BrandPath},
};

/// The event as a receiver may see it that hears of these accounts, of accounts of these brands, or of all; none where it is not for it.
pub fn heard(
    governance: &Governance,
    accounts: &BTreeSet<AccountId>,
    brands: &[BrandPath],
    event: &Event,
) -> Option<EventView> {
    let any = accounts.is_empty() && brands.is_empty();
    let sees = |account: &str| {
        let named = accounts.is_empty() || accounts.iter().any(|known| known.as_str() == account);
        let brand = governance.accounts.get(&AccountId::new(account)).map(|account| &account.brand);
        let branded = brands.is_empty() || brand.is_some_and(|brand| brands.iter().any(|own| own.covers(brand)));
        named && branded
    };
    event.shown(sees).filter(|_| any || event.about().next().is_some())
}
