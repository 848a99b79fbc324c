//! Freezes: what they stop, what passes, who lifts them, and how what waited comes back.

mod lift;
mod release;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use lift::{FreezeEvent, FreezeRefused, LIFTERS};
pub use release::{Release, Spacing, release};

use crate::ids::{AccountId, Actor, Brand, Campaign, FreezeId, Label, PersonId, PostId};

/// What is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum Scope {
    /// Everything.
    Org,
    /// A brand and those below.
    Brand(Brand),
    /// An account.
    Account(AccountId),
    /// A campaign.
    Campaign(Campaign),
}

/// Statements that were prepared for this and pass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statements {
    /// Posts with one of these labels, if their version was approved before the freeze began.
    pub labels: BTreeSet<Label>,
    /// These versions of these posts, once they are approved.
    pub posts: BTreeMap<PostId, u32>,
}

/// One freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Its id.
    pub id: FreezeId,
    /// What it stops.
    pub scope: Scope,
    /// What passes.
    pub statements: Statements,
    /// Since when.
    pub since: Timestamp,
    /// Who.
    pub by: Actor,
    /// Why.
    pub why: String,
    /// Who wants it lifted.
    pub lifting: BTreeSet<PersonId>,
}

/// The freezes that are on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freezes {
    on: Vec<Freeze>,
}

/// What an effect would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// It changes nothing.
    Read,
    /// It deletes what the account published itself.
    DeleteOwn,
    /// Anything else.
    Change,
}

/// An effect, as far as a freeze is concerned. A native call or a reply has no post.
#[derive(Debug, Clone, Copy)]
pub struct Effect<'a> {
    /// What it would do.
    pub kind: EffectKind,
    /// On which account.
    pub account: &'a AccountId,
    /// Whose account.
    pub brand: &'a Brand,
    /// For which campaign.
    pub campaign: Option<&'a Campaign>,
    /// For which post.
    pub post: Option<PostEffect<'a>>,
}

/// The post of an effect.
#[derive(Debug, Clone, Copy)]
pub struct PostEffect<'a> {
    /// Its id.
    pub id: &'a PostId,
    /// Its version.
    pub version: u32,
    /// Its labels.
    pub labels: &'a BTreeSet<Label>,
    /// When this version was approved.
    pub approved_at: Option<Timestamp>,
}

impl Freezes {
    /// Every freeze that is on.
    pub fn on(&self) -> &[Freeze] {
        &self.on
    }

    /// The freeze that stops the effect, if one does. Asked before a claim and before every effect.
    pub fn stops(&self, effect: &Effect<'_>) -> Option<&Freeze> {
        if effect.kind != EffectKind::Change {
            return None;
        }
        self.on.iter().find(|freeze| freeze.covers(effect) && !freeze.lets_pass(effect.post.as_ref()))
    }
}

impl Freeze {
    fn covers(&self, effect: &Effect<'_>) -> bool {
        match &self.scope {
            Scope::Org => true,
            Scope::Brand(brand) => brand.covers(effect.brand),
            Scope::Account(account) => account == effect.account,
            Scope::Campaign(campaign) => effect.campaign == Some(campaign),
        }
    }

    fn lets_pass(&self, post: Option<&PostEffect<'_>>) -> bool {
        let Some(post) = post else { return false };
        let Some(approved_at) = post.approved_at else { return false };
        // A label that is put on during the crisis makes a new version, which was not approved before.
        let prepared =
            approved_at < self.since && post.labels.iter().any(|label| self.statements.labels.contains(label));
        prepared || self.statements.posts.get(post.id) == Some(&post.version)
    }
}

/// May the effect leave?
///
/// # Errors
/// The freeze that stops it.
pub fn may_send<'a>(freezes: &'a Freezes, effect: &Effect<'_>) -> Result<(), &'a Freeze> {
    freezes.stops(effect).map_or(Ok(()), Err)
}
