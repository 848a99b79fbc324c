//! The governance folder, checked: who there is, what they own, what they may and which rules apply.
//!
//! A value of [`Governance`] has passed every check, so its references resolve. It never changes: an apply makes a new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use pressgate_workflow::ids::External;

use super::{Calendars, Change, EmailAddress, Fault, Files, Guidelines, auditors, check, diff, files, rights::Index};
use crate::model::{
    Account, AccountId, Action, ActionClass, AppId, Auditor, BrandPath, Deny, EventType, Grant, PersonId, PluginName,
    RoleName, hex::hex,
};

/// A node of the tree of brands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// From the root: `acme/snacks`.
    pub path: BrandPath,
    /// For people.
    pub name: String,
    /// Languages it may publish in (BCP 47): its own, else those of the nearest brand above that gives some. Empty means any.
    pub languages: Vec<String>,
}

/// An internal tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name in the gateway.
    pub id: AppId,
    /// For people.
    pub name: String,
    /// Who answers for it.
    pub owner: PersonId,
    /// Names in client certificates that are its own: a URI (SPIFFE) as it is, a host name as `dns:NAME`.
    pub certificates: Vec<String>,
    /// Access tokens that are its own.
    pub tokens: Vec<TokenIdentity>,
}

/// What an access token of an app says (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIdentity {
    /// `iss`, byte for byte.
    pub issuer: String,
    /// Permits an issuer on plain HTTP or at an address that is not on the public internet.
    pub private_issuer: bool,
    /// One of `aud`.
    pub audience: String,
    /// `sub`.
    pub subject: String,
}

/// What a person may be in the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Writes posts.
    Author,
    /// Votes on held posts of the brands in `approves`.
    Approver,
    /// Answers what comes in.
    Responder,
    /// Runs the gateway, where the role is not limited to brands.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Author, Self::Approver, Self::Responder, Self::Operator];

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Approver => "approver",
            Self::Responder => "responder",
            Self::Operator => "operator",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What a role of a company's own asks of who has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnRole {
    /// Courses, as in [`Governance::role_training`].
    pub training: BTreeSet<String>,
    /// Brands whose guidelines they have acknowledged, as in [`Governance::role_guidelines`].
    pub guidelines: BTreeSet<BrandPath>,
}

/// How a person hears that something waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notices {
    /// By e-mail.
    Email,
    /// Not at all.
    None,
}

impl Notices {
    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "email" => Some(Self::Email),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// A human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Opaque, because it is written to the log.
    pub id: PersonId,
    /// What they may be.
    pub roles: BTreeSet<Role>,
    /// Roles of the company's own, each with the brands (and those below) that it is limited to; none is all brands.
    pub own_roles: BTreeMap<RoleName, Option<Vec<BrandPath>>>,
    /// Brands (and those below) whose held posts they may vote on.
    pub approves: Vec<BrandPath>,
    /// Brands (and those below) that a role is limited to; a role that is not here, and is not `approver`, is for all.
    pub brands: BTreeMap<Role, Vec<BrandPath>>,
    /// Who they are at the company's issuer, where they may sign in.
    pub sign_in: Option<SignInIdentity>,
    /// Their address. Personal: for no log, no leaf, no error.
    pub email: Option<EmailAddress>,
    /// How they are told; by e-mail only where there is an address.
    pub notices: Notices,
}

/// A person at the company's issuer (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInIdentity {
    /// `iss`, byte for byte.
    pub issuer: String,
    /// Permits an issuer on plain HTTP or at an address that is not on the public internet.
    pub private_issuer: bool,
    /// `sub`.
    pub subject: String,
    /// Its line in `people.toml`.
    pub line: usize,
}

impl SignInIdentity {
    /// A digest of issuer and subject, lower-case hexadecimal: what was given to one identity is not another's who gets the same id.
    pub fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&self.issuer, &self.subject] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        hex(context.finish().as_ref())
    }
}

impl Person {
    /// True where the person may vote on held posts of the brand.
    pub fn may_approve(&self, brand: &BrandPath) -> bool {
        self.roles.contains(&Role::Approver) && self.approves.iter().any(|approved| approved.covers(brand))
    }

    /// True where the person has the role for the brand.
    pub fn has_role(&self, role: Role, brand: &BrandPath) -> bool {
        match (role, self.brands.get(&role)) {
            (Role::Approver, _) => self.may_approve(brand),
            (_, None) => self.roles.contains(&role),
            (_, Some(brands)) => self.roles.contains(&role) && brands.iter().any(|limit| limit.covers(brand)),
        }
    }

    /// True where the person has a role of the company's own for the brand.
    pub fn has_own_role(&self, role: &RoleName, brand: &BrandPath) -> bool {
        match self.own_roles.get(role) {
            None => false,
            Some(None) => true,
            Some(Some(brands)) => brands.iter().any(|limit| limit.covers(brand)),
        }
    }

    /// Where notices go; none for who wants none or has no address.
    pub fn notified_at(&self) -> Option<&EmailAddress> {
        self.email.as_ref().filter(|_| self.notices == Notices::Email)
    }

    /// True for an operator of the gateway as a whole. Who has the role for some brands only is none.
    pub fn is_operator(&self) -> bool {
        self.roles.contains(&Role::Operator) && !self.brands.contains_key(&Role::Operator)
    }
}

/// What a failing policy means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The call is refused.
    Deny,
}

/// One use of a policy plugin with its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRule {
    /// Its name, which verdicts cite.
    pub name: String,
    /// The plugin that judges.
    pub plugin: PluginName,
    /// Brands (and those below) that it applies to; empty means all.
    pub brands: Vec<BrandPath>,
    /// Its configuration, valid under the plugin's schema.
    pub config: serde_json::Value,
    /// What its failure means.
    pub on_failure: OnFailure,
}

impl PolicyRule {
    /// True where the rule judges posts of the brand.
    pub fn applies_to(&self, brand: &BrandPath) -> bool {
        self.brands.is_empty() || self.brands.iter().any(|covered| covered.covers(brand))
    }
}

/// How many calls one app may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Sustained calls in a minute, at least 1.
    pub calls_per_minute: u32,
    /// Calls that may come at once, at least 1; without it the process's rule applies.
    pub burst: Option<u32>,
}

/// A budget that a network gives each account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLimit {
    /// Units in the window.
    pub limit: u32,
    /// Length of the window in seconds.
    pub window_s: u32,
    /// The network counts over the time that lies behind, not in windows one after the other.
    pub rolling: bool,
    /// Spreads the calls over the window; it fits into the limit.
    pub pace: Option<Limit>,
    /// What each action costs; without it the adapter's actions cost one each.
    pub points: BTreeMap<Action, u32>,
}

/// What is kept of networks' budgets for replies and crisis messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Urgent {
    /// Of each budget, in per cent.
    pub percent: u32,
    /// Posts with one of these labels are as urgent as replies.
    pub labels: BTreeSet<String>,
    /// Apps whose labels count.
    pub apps: BTreeSet<AppId>,
}

/// Limits that differ from those of `pressgate.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LimitRules {
    /// By app.
    pub apps: BTreeMap<AppId, Limit>,
    /// By app and class of action, besides the app's own.
    pub classes: BTreeMap<(AppId, ActionClass), Limit>,
    /// By network and the name of its budget.
    pub networks: BTreeMap<(String, String), NetworkLimit>,
    /// What is kept for whom.
    pub urgent: Urgent,
    /// How long a call may wait for a network's budget where its caller says nothing.
    pub wait_s: u32,
}

/// A receiver of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub id: String,
    /// Where events are posted to.
    pub url: Url,
    /// Permits plain HTTP and addresses that are not on the public internet.
    pub private_endpoint: bool,
    /// Only events about these accounts; empty means any.
    pub accounts: BTreeSet<AccountId>,
    /// Only events about accounts of these brands and those below; empty means any.
    pub brands: Vec<BrandPath>,
    /// Only these; empty means any.
    pub types: BTreeSet<EventType>,
    /// Who answers for it.
    pub owner: PersonId,
}

/// Another system that events are handed to by a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// Its name.
    pub id: String,
    /// The plugin that speaks to it.
    pub plugin: PluginName,
    /// The system as the plugin's requests reach it. It is no account of a network, but has an endpoint and credentials as one has.
    pub system: Arc<Account>,
    /// Only events about these accounts; empty means any.
    pub accounts: BTreeSet<AccountId>,
    /// Only events about accounts of these brands and those below; empty means any.
    pub brands: Vec<BrandPath>,
    /// Only these; empty means any.
    pub types: BTreeSet<EventType>,
    /// The plugin's configuration, valid under its schema.
    pub config: serde_json::Value,
    /// Who answers for it.
    pub owner: PersonId,
}

/// The kinds of plugin that governance refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginKind {
    /// Speaks to a network.
    Adapter,
    /// Judges a call.
    Policy,
    /// Hands events to another system.
    Connector,
}

impl PluginKind {
    /// As a sentence has it.
    pub fn described(self) -> &'static str {
        match self {
            Self::Adapter => "an adapter",
            Self::Policy => "a policy",
            Self::Connector => "a connector",
        }
    }
}

/// What the checks need to know of a plugin, from its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginInfo {
    /// What it is for.
    pub kind: PluginKind,
    /// The networks that an adapter speaks.
    pub networks: Vec<String>,
    /// JSON Schema (2020-12 unless it says otherwise) of its configuration.
    pub config_schema: Option<serde_json::Value>,
}

/// The plugins there are. The plugin host implements it; a map does for tests.
pub trait Catalogue {
    /// What is known of the plugin, or none where there is no such plugin.
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo>;

    /// Why there is no such plugin, as the end of a sentence; empty where nothing more is known.
    fn absence(&self, _name: &PluginName) -> String {
        String::new()
    }

    /// Names for "did you mean"; may be empty.
    fn names(&self) -> Vec<PluginName> {
        Vec::new()
    }
}

impl Catalogue for BTreeMap<PluginName, PluginInfo> {
    fn plugin(&self, name: &PluginName) -> Option<PluginInfo> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<PluginName> {
        self.keys().cloned().collect()
    }
}

/// The governance of a moment.
#[derive(Debug, Clone)]
pub struct Governance {
    /// By path.
    pub brands: BTreeMap<BrandPath, Brand>,
    /// By id.
    pub accounts: BTreeMap<AccountId, Arc<Account>>,
    /// By id.
    pub apps: BTreeMap<AppId, App>,
    /// By id.
    pub people: BTreeMap<PersonId, Person>,
    /// Courses that who has a role must have passed, for actions with effects on its brands.
    pub role_training: BTreeMap<Role, BTreeSet<String>>,
    /// Brands whose guidelines who has a role must have acknowledged, for actions with effects on its brands.
    pub role_guidelines: BTreeMap<Role, BTreeSet<BrandPath>>,
    /// Roles of the company's own, and what they ask for, as the two above.
    pub own_roles: BTreeMap<RoleName, OwnRole>,
    /// Texts for people.
    pub guidelines: Guidelines,
    /// In the order of the file.
    pub grants: Vec<Arc<Grant>>,
    /// In the order of the file.
    pub denies: Vec<Deny>,
    /// In the order of the file.
    pub auditors: Vec<Arc<Auditor>>,
    /// In the order of the file, which is the order of judgement.
    pub policies: Vec<PolicyRule>,
    /// Limits of single apps.
    pub limits: LimitRules,
    /// Receivers of events, by id.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Other systems that events are handed to, by id.
    pub connectors: BTreeMap<String, Connector>,
    /// Who must agree to what, in the words of the life of a post: rules, people's roles, accounts, limits.
    pub workflow: Arc<pressgate_workflow::Governance>,
    /// Where links for outside parties go. Personal, as people's addresses are.
    pub externals: BTreeMap<External, Vec<EmailAddress>>,
    /// When accounts publish, and when nothing is published.
    pub calendars: Calendars,
    /// SHA-256 over the files' names and bytes, lower-case hexadecimal.
    pub digest: String,
    /// The texts that it was made of.
    pub files: Files,
    pub(super) index: Index,
    pub(super) auditor_index: auditors::Index,
}

impl Governance {
    /// Reads the folder. Files and folders whose name starts with a dot are passed over; symbolic links are followed.
    ///
    /// # Errors
    /// Every file that can't be read, is too large or is not UTF-8.
    pub fn read(dir: &Path) -> Result<Files, Vec<Fault>> {
        let (texts, faults) = files::read(dir);
        if faults.is_empty() { Ok(texts) } else { Err(faults) }
    }

    /// Checks everything. `now` decides which expiries lie in the past: a person who writes a grant that is already dead made
    /// a mistake. See [`Governance::restart`] for a start, where grants have a right to have expired.
    ///
    /// # Errors
    /// All faults, sorted by file and line.
    pub fn check(files: &Files, catalogue: &dyn Catalogue, now: Timestamp) -> Result<Self, Vec<Fault>> {
        check::check(files, &BTreeSet::new(), catalogue, now)
    }

    /// [`Governance::check`] without the rule about expiries in the past: a grant that expired overnight must not keep the
    /// gateway from starting, and [`super::decide`] refuses it anyway.
    ///
    /// # Errors
    /// All faults, sorted by file and line.
    pub fn restart(files: &Files, catalogue: &dyn Catalogue) -> Result<Self, Vec<Fault>> {
        check::check(files, &BTreeSet::new(), catalogue, Timestamp::MIN)
    }

    /// Reads and checks in one go, so that a file that can't be read does not hide the faults of the others.
    ///
    /// # Errors
    /// All faults, sorted by file and line.
    pub fn load(dir: &Path, catalogue: &dyn Catalogue, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let (texts, mut faults) = files::read(dir);
        if faults.is_empty() {
            return Self::check(&texts, catalogue, now);
        }
        let unread = faults.iter().map(|fault| fault.file.clone()).collect();
        faults.extend(check::check(&texts, &unread, catalogue, now).err().unwrap_or_default());
        faults.sort();
        Err(faults)
    }

    /// What changes from one to the other, for the person who applies it.
    pub fn diff(old: &Self, new: &Self) -> Vec<Change> {
        diff::diff(old, new)
    }

    /// What has an endpoint and credentials: accounts, and the systems of connectors.
    pub fn systems(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values().chain(self.connectors.values().map(|connector| &connector.system))
    }

    /// The account of that name, or the system of the connector of that name.
    pub fn system(&self, id: &str) -> Option<&Arc<Account>> {
        self.accounts.get(id).or_else(|| self.connectors.get(id).map(|connector| &connector.system))
    }

    /// The languages a brand may publish in; empty means any.
    pub fn languages_of(&self, brand: &BrandPath) -> &[String] {
        self.brands.get(brand).map_or(&[], |brand| brand.languages.as_slice())
    }

    /// The policies that judge posts of a brand, in order.
    pub fn policies_of(&self, brand: &BrandPath) -> impl Iterator<Item = &PolicyRule> {
        self.policies.iter().filter(move |rule| rule.applies_to(brand))
    }

    /// The person whom the company's issuer knows by this subject.
    pub fn signed_in_as(&self, issuer: &str, subject: &str) -> Option<&Person> {
        let is = |known: &SignInIdentity| known.issuer == issuer && known.subject == subject;
        self.people.values().find(|person| person.sign_in.as_ref().is_some_and(is))
    }

    /// Courses that the person's roles ask for at a brand.
    pub fn training_of_roles(&self, person: &PersonId, brand: &BrandPath) -> BTreeSet<&str> {
        let Some(person) = self.people.get(person) else { return BTreeSet::new() };
        let asked = self.role_training.iter().filter(|(role, _)| person.has_role(**role, brand));
        let own = self.own_roles.iter().filter(|(role, _)| person.has_own_role(role, brand));
        let courses = asked.map(|(_, courses)| courses).chain(own.map(|(_, role)| &role.training));
        courses.flatten().map(String::as_str).collect()
    }

    /// True where the person may vote on held posts of the brand.
    pub fn may_approve(&self, person: &PersonId, brand: &BrandPath) -> bool {
        self.people.get(person).is_some_and(|person| person.may_approve(brand))
    }
}
