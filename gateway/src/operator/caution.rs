//! What an apply does not do by accident, and what it says beside the difference.

use std::sync::Arc;

use jiff::Timestamp;

use super::{By, Ops, OpsError, credentials::Wants, keys::is_operator, ops::leaf_of};
use crate::{
    audit::leaf::Changed,
    config::{Fault, Files, Governance, TOP_FILES, process::SignIn},
    model::{Auditor, Principal},
    plugins::Shelf,
    records::KeyRecord,
};

/// Files of the applied governance that are missing or empty now: a save that broke off looks like that, and takes rules away
/// without a fault.
pub fn removals(old: &Files, new: &Files) -> Vec<String> {
    let holds = |text: &String| !text.trim().is_empty();
    let lost = |(name, text): (&String, &String)| {
        let known = TOP_FILES.contains(&name.as_str());
        match new.get(name) {
            _ if !holds(text) => None,
            None if known => Some(format!("{name} is missing, and what is applied has it")),
            Some(now) if !holds(now) => Some(format!("{name} is empty, and what is applied has it with content")),
            _ => None,
        }
    };
    old.iter().filter_map(lost).collect()
}

/// Refuses what only a person who means it may do.
///
/// # Errors
/// [`OpsError::Invalid`] where files were lost and nobody said that they should be, and always where no operator would be left.
pub fn check(old: &Governance, new: &Governance, allow_removal: bool) -> Result<(), OpsError> {
    check_files(&old.files, &new.files, allow_removal)?;
    let has_operator = |of: &Governance| of.people.keys().any(|person| is_operator(of, person.as_str()));
    if has_operator(old) && !has_operator(new) {
        return Err(OpsError::Invalid(
            "nobody in people.toml would have the role `operator` any more; nothing was changed. Give it to somebody first".into(),
        ));
    }
    Ok(())
}

/// Refuses files that were lost, unless somebody said that they should be.
///
/// # Errors
/// [`OpsError::Invalid`], which names them.
pub fn check_files(old: &Files, new: &Files, allow_removal: bool) -> Result<(), OpsError> {
    let lost = removals(old, new);
    if lost.is_empty() || allow_removal {
        return Ok(());
    }
    Err(OpsError::Invalid(format!(
        "{}; nothing was changed. If that is meant, run `pressgate apply --allow-removal`",
        lost.join("; ")
    )))
}

/// Accounts whose posts no policy would judge, in a sentence.
pub fn unjudged(governance: &Governance) -> Option<String> {
    let accounts = governance.accounts.values();
    let without: Vec<_> = accounts
        .filter(|account| governance.policies_of(&account.brand).next().is_none())
        .map(|account| account.id.to_string())
        .collect();
    let (which, has) = if without.len() == 1 { ("account", "has") } else { ("accounts", "have") };
    (!without.is_empty())
        .then(|| format!("{which} {} {has} no policy: whatever is granted is sent", without.join(", ")))
}

/// Entries for auditors that have ended: they give no right any more. One sentence for each.
pub fn ended(governance: &Governance, now: Timestamp) -> Vec<String> {
    let ended = governance.auditors.iter().filter(|auditor| !auditor.is_live(now));
    let told = |auditor: &Arc<Auditor>| {
        let (id, end, owner) = (&auditor.id, auditor.expires, &auditor.owner);
        format!("the auditor entry {id} ended at {end} and gives no right; have {owner} renew it, or delete it")
    };
    ended.map(told).collect()
}

/// People who can't sign in, because `[sign_in]` of pressgate.toml names another issuer, or none is there.
pub fn issuers(governance: &Governance, sign_in: Option<&SignIn>) -> Vec<Fault> {
    let identities = governance.people.values().filter_map(|person| Some((person, person.sign_in.as_ref()?)));
    let strange = identities.filter_map(|(person, identity)| {
        let id = &person.id;
        let what = match sign_in {
            None => format!("person `{id}`: `sign_in` has no use: pressgate.toml has no `[sign_in]`"),
            Some(known) if known.issuer != identity.issuer => {
                format!("person `{id}`: `issuer` is not the one of `[sign_in]` in pressgate.toml, {}", known.issuer)
            }
            Some(known) if known.private_issuer && !identity.private_issuer => {
                format!(
                    "person `{id}`: the issuer is private by pressgate.toml; write `private_issuer = true` here too"
                )
            }
            Some(_) => return None,
        };
        Some(Fault::new("people.toml", identity.line, what))
    });
    strange.collect()
}

/// What an apply from `old` to `new` means beyond its difference.
///
/// # Errors
/// The stores'.
pub async fn notes(
    ops: &Ops<'_>,
    old: Option<&Governance>,
    new: &Governance,
    shelf: &Shelf,
) -> Result<Vec<String>, OpsError> {
    let mut notes: Vec<String> = unjudged(new).into_iter().collect();
    notes.extend(ended(new, ops.clock.now()));
    notes.extend(ops.credentials_to_set_again(Wants { governance: new, shelf }).await?);
    notes.extend(ops.authority_notes(Wants { governance: new, shelf }).await?);
    for key in ops.ownerless(old, new).await? {
        notes.push(format!("the key {} of {} is revoked: its holder is not in the governance", key.id, key.holder));
    }
    Ok(notes)
}

fn knows(governance: &Governance, holder: &Principal) -> bool {
    match holder {
        Principal::App(app) => governance.apps.contains_key(app),
        Principal::Person(person) => governance.people.contains_key(person),
    }
}

impl Ops<'_> {
    /// Live keys whose holder the new governance does not know, or the one before did not: left over where an earlier apply broke
    /// off, they must not open again when somebody gets the same id.
    async fn ownerless(&self, old: Option<&Governance>, new: &Governance) -> Result<Vec<KeyRecord>, OpsError> {
        let stays = |key: &KeyRecord| knows(new, &key.holder) && old.is_none_or(|old| knows(old, &key.holder));
        let keys = self.records.keys().await?;
        Ok(keys.into_iter().filter(|key| key.revoked_at.is_none() && !stays(key)).collect())
    }

    /// Ends the keys of holders that are no more, each with its leaf.
    ///
    /// # Errors
    /// The stores'. What is left then opens nothing while its holder is unknown, and goes with the next apply.
    pub async fn revoke_ownerless(&self, by: &By, old: Option<&Governance>, new: &Governance) -> Result<(), OpsError> {
        for key in self.ownerless(old, new).await? {
            let change = leaf_of(Changed::Key, "revoke", format!("{}/{}", key.holder, key.id), None, by);
            self.change(change, self.keys.revoke(self.records, &key.id, self.clock.now())).await?;
        }
        Ok(())
    }
}
