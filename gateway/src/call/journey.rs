//! The journey of a call: opened in memory at the start, always closed with an outcome or a refusal in the log.

use super::{Caller, committed, record};
use crate::{
    audit::{Leaf, leaf},
    gateway::Gateway,
    model::{AccountId, Action, BrandPath, PostId, Principal, Verdict},
    openings::Committed,
    records::{Commitment, Opening},
    refusal::{Refusal, problem},
    telemetry::spans,
};

/// Longer methods, and those that are no words, are not written down.
const METHOD_BYTES_MAX: usize = 16;
const OTHER_METHOD: &str = "OTHER";

/// What is known of a call so far, for the leaf that closes it.
#[derive(Debug, Clone, Default)]
pub struct Journey {
    caller: Option<Caller>,
    action: Option<&'static str>,
    post: Option<PostId>,
    said: Option<String>,
    asked: Option<(String, String)>,
}

/// The caller's identities as leaves name them.
#[derive(Debug, Default)]
pub(crate) struct Who {
    pub app: Option<String>,
    pub person: Option<String>,
    pub on_behalf_of: Option<String>,
}

impl Journey {
    /// Begins with an authenticated caller.
    pub fn begin(caller: &Caller) -> Self {
        Self { caller: Some(caller.clone()), ..Self::default() }
    }

    /// Notes what the caller wants.
    #[must_use]
    pub fn wanting(self, action: Action, post: Option<&PostId>) -> Self {
        self.trying(action.as_str(), post)
    }

    /// Notes which step the caller tries on a post, where that is no action of its own: `post.approve`.
    #[must_use]
    pub fn trying(mut self, step: &'static str, post: Option<&PostId>) -> Self {
        self.action = Some(step);
        self.post = post.cloned();
        self
    }

    /// Notes what the caller says, which the leaf of a refusal commits to.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        self.said = Some(text.to_owned());
        self
    }

    /// Notes method and path of a request that nobody may understand; the path has no content.
    #[must_use]
    pub fn asking(mut self, method: &str, path: String) -> Self {
        let usual = method.len() <= METHOD_BYTES_MAX && method.bytes().all(|byte| byte.is_ascii_uppercase());
        self.asked = Some((if usual { method } else { OTHER_METHOD }.to_owned(), path));
        self
    }

    /// Closes with a refusal: one leaf for each account that was refused, durable before the caller hears. Where the log can't
    /// be written, or what it commits to can't be kept, that becomes the answer.
    pub async fn refuse(self, gateway: &Gateway, refusal: Refusal) -> Refusal {
        spans::refused(refusal.problem.slug, refusal.problem.status);
        if let Some(caller) = self.caller.as_ref().filter(|_| refusal.problem == problem::RATE_LIMITED) {
            // Summed, so that who exceeds a limit does not fill the log.
            gateway.counters.denied.add(1);
            gateway.strangers.count_limited(caller, gateway.clock.now());
            return refusal;
        }
        let at_ms = gateway.clock.now().as_millisecond();
        let mut accounts: Vec<Option<String>> = Vec::new();
        for account in refusal.faults.iter().map(|fault| fault.account.clone()) {
            if account.is_some() && !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        if accounts.is_empty() {
            accounts.push(None);
        }
        let (commitments, openings, fault) = self.commit(gateway).await;
        let governance = gateway.governance.load_full();
        let leaf = |account| {
            let leaf = self.leaf(&refusal, account);
            let brand = leaf.account.as_deref().and_then(|id| governance.accounts.get(id));
            let brand = brand.map(|account| account.brand.to_string());
            leaf::Refused { commitments: commitments.clone(), brand, ..leaf }
        };
        let leaves: Vec<leaf::Refused> = accounts.into_iter().map(leaf).collect();
        for leaf in &leaves {
            tell(leaf, &refusal);
        }
        let denied = leaves.len() as u64;
        let leaves = leaves.into_iter().map(|leaf| Leaf::new(at_ms, leaf)).collect();
        let (beside, unkept) = match gateway.openings.beside(openings).await {
            Ok(beside) => (beside, None),
            Err(error) => (Vec::new(), Some(committed::unavailable(&error))),
        };
        let logged = gateway.audit.append_beside(leaves, beside).await;
        if logged.is_ok() {
            gateway.counters.denied.add(denied);
        }
        let fault = fault.or(unkept);
        match (logged, fault) {
            (Err(error), _) => record::unavailable(&error),
            (Ok(_), Some(fault)) if refusal.problem != problem::STATE_UNAVAILABLE => fault,
            (Ok(_), _) => refusal,
        }
    }

    /// What the leaves commit to, what is to be kept of it, and why there is nothing.
    async fn commit(&self, gateway: &Gateway) -> (Vec<Commitment>, Vec<Opening>, Option<Refusal>) {
        let Some(caller) = &self.caller else { return Default::default() };
        if !caller.kept().is_empty() {
            return (caller.kept().to_vec(), Vec::new(), None);
        }
        if record::log_is_writable(gateway).is_err() {
            return Default::default();
        }
        let call = self.post.as_ref().map(PostId::as_str).unwrap_or_default();
        match committed::of_caller(gateway, caller, call, self.said.as_deref()).await {
            Ok(Committed { commitments, openings }) => (commitments, openings, None),
            Err(error) => (Vec::new(), Vec::new(), Some(committed::unavailable(&error))),
        }
    }

    fn leaf(&self, refusal: &Refusal, account: Option<String>) -> leaf::Refused {
        let who = self.caller.as_ref().map(who).unwrap_or_default();
        let mut codes: Vec<String> = refusal
            .faults
            .iter()
            .filter(|fault| fault.account == account)
            .map(|fault| fault.code.clone())
            .chain(refusal.verdicts.iter().flat_map(|verdict| &verdict.findings).map(|finding| finding.code.clone()))
            .collect();
        codes.sort();
        codes.dedup();
        // A known account and no other value of the caller's may stand in the log.
        let account = account.filter(|_| refusal.problem != problem::UNKNOWN_ACCOUNT);
        let (method, path) = match &self.asked {
            Some((method, path)) if refusal.problem == problem::NOT_CLASSIFIED => {
                (Some(method.clone()), Some(path.clone()))
            }
            _ => (None, None),
        };
        leaf::Refused {
            stage: format!("{:?}", refusal.stage).to_lowercase(),
            problem: refusal.problem.slug.to_owned(),
            app: who.app,
            person: who.person,
            on_behalf_of: who.on_behalf_of,
            key: self.caller.as_ref().map(|caller| caller.key().to_string()),
            account,
            action: self.action.map(str::to_owned),
            post: self.post.as_ref().map(ToString::to_string),
            codes,
            door: self.caller.as_ref().map(|caller| caller.door().to_owned()),
            session: self.caller.as_ref().and_then(session),
            method,
            path,
            ..leaf::Refused::default()
        }
    }
}

/// The process's own log says what the leaf says: who and which, as ids.
fn tell(leaf: &leaf::Refused, refusal: &Refusal) {
    tracing::info!(
        problem = leaf.problem,
        stage = leaf.stage,
        app = leaf.app,
        person = leaf.person,
        on_behalf_of = leaf.on_behalf_of,
        key = leaf.key,
        account = leaf.account,
        action = leaf.action,
        post = leaf.post,
        cause = refusal.cause.as_deref(),
        "refused"
    );
}

/// The caller as leaves name it.
pub(crate) fn who(caller: &Caller) -> Who {
    let on_behalf_of = caller.on_behalf_of().map(ToString::to_string);
    match caller.principal() {
        Principal::App(app) => Who { app: Some(app.to_string()), person: None, on_behalf_of },
        Principal::Person(person) => Who { app: None, person: Some(person.to_string()), on_behalf_of },
    }
}

/// The session that a caller shows, as leaves name it.
pub(crate) fn session(caller: &Caller) -> Option<String> {
    caller.session().map(|session| session.id.clone())
}

/// Verdicts as leaves note them: codes, never texts.
pub(crate) fn notes(verdicts: &[Verdict]) -> Vec<leaf::VerdictNote> {
    verdicts
        .iter()
        .map(|verdict| leaf::VerdictNote {
            policy: verdict.policy.clone(),
            plugin: verdict.plugin.clone(),
            plugin_digest: verdict.plugin_digest.clone(),
            outcome: format!("{:?}", verdict.outcome).to_lowercase(),
            codes: verdict.findings.iter().map(|finding| finding.code.clone()).collect(),
        })
        .collect()
}

/// The brand of a leaf about several accounts: the nearest that covers all of them. None where there is none, or where an account
/// is not known any more.
pub(crate) fn brand<'a>(gateway: &Gateway, accounts: impl IntoIterator<Item = &'a AccountId>) -> Option<String> {
    let governance = gateway.governance.load();
    let brand = |account| governance.accounts.get(account).map(|account| &account.brand);
    let brands: Vec<&BrandPath> = accounts.into_iter().map(brand).collect::<Option<_>>()?;
    BrandPath::nearest_of(&brands).map(|brand| brand.to_string())
}

/// Notes that a post waits for a person.
pub async fn held(
    gateway: &Gateway,
    caller: &Caller,
    post: &PostId,
    accounts: &[AccountId],
    digest: &str,
    verdicts: &[Verdict],
) -> Result<(), Refusal> {
    let who = who(caller);
    let event = leaf::Held {
        post: post.to_string(),
        accounts: accounts.iter().map(ToString::to_string).collect(),
        brand: brand(gateway, accounts),
        app: who.app,
        person: who.person,
        key: Some(caller.key().to_string()),
        content_digest: digest.to_owned(),
        verdicts: notes(verdicts),
    };
    let leaf = Leaf::new(gateway.clock.now().as_millisecond(), event);
    gateway.audit.append(leaf).await.map(drop).map_err(|error| record::unavailable(&error))
}
