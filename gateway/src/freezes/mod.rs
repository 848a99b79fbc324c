//! Freezes: what stops every effect of an organisation, a brand, an account or a campaign at once.
//!
//! What a freeze stops and who lifts it are the pure rules of `pressgate-workflow`; here they are held in memory for every call to
//! look at, kept, and written to the log. A freeze is put in force while no effect can start (`Gateway::starts`), so once the
//! command has answered nothing starts under the old state; what was on its way is waited for.

pub mod change;
mod under_way;
pub mod view;
mod who;
mod wish;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use pressgate_workflow::{
    freeze::{self, Freeze, FreezeEvent, Freezes, Scope},
    ids::{AccountId as Account, Brand, Campaign},
};

pub use change::{begin, list};
pub use under_way::{Going, UnderWay};
pub use who::may_lift;

use crate::{
    config::Governance,
    model::{AccountId, BrandPath},
    records::{FreezeRecord, Records, RecordsError},
};

/// The freezes that are on, as every call looks at them.
pub struct FreezeBook {
    on: ArcSwap<Freezes>,
    /// Effects that are being sent.
    pub under_way: Arc<UnderWay>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl FreezeBook {
    /// Those that are kept.
    ///
    /// # Errors
    /// The records'.
    pub async fn load(records: &dyn Records) -> Result<Self, RecordsError> {
        Ok(Self {
            on: ArcSwap::from_pointee(of(&records.freezes().await?)),
            under_way: Arc::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// The freezes of this moment.
    pub fn on(&self) -> Arc<Freezes> {
        self.on.load_full()
    }

    /// True where nothing is frozen, which is nearly always: then nobody has to look closer.
    pub fn is_quiet(&self) -> bool {
        self.on.load().on().is_empty()
    }
}

/// The freezes of these records that are on, the oldest first.
pub(crate) fn of(records: &[FreezeRecord]) -> Freezes {
    let mut freezes = Freezes::default();
    for record in records.iter().rev().filter(|record| record.lifted.is_none()) {
        freezes.apply(&FreezeEvent::Began { freeze: record.freeze.clone() });
    }
    freezes
}

/// An effect, in the words of the rules, with its own memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// On which account.
    pub account: Account,
    /// Whose account.
    pub brand: Brand,
    /// For which campaign.
    pub campaign: Option<Campaign>,
}

impl Place {
    /// Of an account and the campaign that the author named.
    pub fn new(account: &AccountId, brand: &BrandPath, campaign: Option<&str>) -> Self {
        Self { account: account.as_str().into(), brand: brand.as_str().into(), campaign: campaign.map(Campaign::from) }
    }

    /// The effect of that kind there.
    pub fn effect<'a>(&'a self, kind: freeze::EffectKind, post: Option<freeze::PostEffect<'a>>) -> freeze::Effect<'a> {
        freeze::Effect { kind, account: &self.account, brand: &self.brand, campaign: self.campaign.as_ref(), post }
    }

    /// True where the scope covers it.
    pub fn is_in(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Org => true,
            Scope::Brand(brand) => brand.covers(&self.brand),
            Scope::Account(account) => *account == self.account,
            Scope::Campaign(campaign) => self.campaign.as_ref() == Some(campaign),
        }
    }
}

/// Other freezes that are on and stop everything of a scope, by their ids.
fn beside(governance: &Governance, freezes: &Freezes, freeze: &Freeze) -> Vec<String> {
    let others = freezes.on().iter().filter(|other| other.id != freeze.id);
    others.filter(|other| covers(governance, &other.scope, &freeze.scope)).map(|other| other.id.to_string()).collect()
}

/// True where all that `inner` covers is covered by `outer` too.
fn covers(governance: &Governance, outer: &Scope, inner: &Scope) -> bool {
    match (outer, inner) {
        (Scope::Org, _) => true,
        (Scope::Brand(brand), Scope::Brand(below)) => brand.covers(below),
        (Scope::Brand(brand), Scope::Account(account)) => {
            let account = governance.accounts.get(account.as_str());
            account.is_some_and(|account| brand.covers(&account.brand.as_str().into()))
        }
        (outer, inner) => outer == inner,
    }
}

/// A scope as it is written: `org`, `brand:acme/snacks`, `account:acme-example`, `campaign:spring`.
pub fn written(scope: &Scope) -> String {
    match scope {
        Scope::Org => "org".to_owned(),
        Scope::Brand(brand) => format!("brand:{brand}"),
        Scope::Account(account) => format!("account:{account}"),
        Scope::Campaign(campaign) => format!("campaign:{campaign}"),
    }
}

/// The scope that is written so.
pub fn read(text: &str) -> Option<Scope> {
    if text == "org" {
        return Some(Scope::Org);
    }
    let (kind, id) = text.split_once(':').filter(|(_, id)| !id.is_empty())?;
    match kind {
        "brand" => Some(Scope::Brand(id.into())),
        "account" => Some(Scope::Account(id.into())),
        "campaign" => Some(Scope::Campaign(id.into())),
        _ => None,
    }
}

/// What a caller is told of a freeze: the scope in its way, since when, the reason's word, and whom to ask.
pub fn told(freeze: &Freeze, ask: &[String]) -> String {
    let since: Timestamp = freeze.since.round(jiff::Unit::Second).unwrap_or(freeze.since);
    let scope = match &freeze.scope {
        Scope::Org => "Everything".to_owned(),
        Scope::Brand(brand) => format!("The brand `{brand}`"),
        Scope::Account(account) => format!("The account `{account}`"),
        Scope::Campaign(_) => "The campaign".to_owned(),
    };
    let ask = match ask {
        [] => "Ask an operator.".to_owned(),
        names => format!("Ask {}.", names.join(", ")),
    };
    format!(
        "{scope} is frozen since {since} (`{}`): only reads, deletions and approved statements pass. {ask}",
        freeze.why
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in ["org", "brand:acme/snacks", "account:a", "campaign:spring: one"] {
            assert_eq!(read(text).map(|scope| written(&scope)).as_deref(), Some(text));
        }
        for text in ["", "brand", "brand:", "orga", "post:x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_scope_has_what_the_rules_cover() {
        let place = Place::new(&AccountId::new("a"), &BrandPath::new("acme/snacks"), Some("spring"));
        for (scope, inside) in [
            ("org", true),
            ("brand:acme", true),
            ("brand:acme/drinks", false),
            ("account:a", true),
            ("account:b", false),
            ("campaign:spring", true),
            ("campaign:autumn", false),
        ] {
            let scope = read(scope).unwrap();
            assert_eq!(place.is_in(&scope), inside, "{scope:?}");
            let mut freezes = Freezes::default();
            let by = pressgate_workflow::ids::Actor::Gate;
            let began =
                freezes.begin("f".into(), scope, Default::default(), (&by, Timestamp::UNIX_EPOCH, "x")).unwrap();
            freezes.apply(&began);
            let effect = place.effect(freeze::EffectKind::Change, None);
            assert_eq!(freezes.stops(&effect).is_some(), inside, "the rules agree");
        }
    }
}
