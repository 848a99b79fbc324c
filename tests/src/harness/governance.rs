//! Governance for tests: a cast that is always there, and what a test adds to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Actions that the standard grant allows.
pub const USUAL_ACTIONS: [&str; 5] = ["post.create", "post.read", "post.delete", "comment.create", "media.upload"];
/// An expiry that no test reaches.
pub const FAR: &str = "2099-01-01T00:00:00Z";

/// The apps of the cast.
pub const APPS: [&str; 3] = ["newsroom", "careers", "agency"];
/// The people of the cast: two authors, two approvers, an operator.
pub const PEOPLE: [&str; 5] = ["editor-7", "editor-8", "chief-1", "chief-drinks", "ops-1"];

/// Budgets that no test uses up.
const WIDE: &str = "[network.mastodon]\n\
    api = { limit = 1000000, window_s = 300 }\n\
    media = { limit = 1000000, window_s = 1800 }\n\
    deletes = { limit = 1000000, window_s = 1800 }\n";

/// Texts by file name.
pub type Files = BTreeMap<String, String>;

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name in the gateway.
    pub id: String,
    /// Network and plugin.
    pub network: String,
    /// Where the network is.
    pub endpoint: String,
    /// The brand that owns it.
    pub brand: String,
}

/// The governance folder of a test.
///
/// The brands are `acme`, `acme/snacks` and `acme/drinks`. `chief-1` approves for `acme`, `chief-drinks` for `acme/drinks`.
/// The app `newsroom` may do everything on `acme` until [`Governance::without_grants`] is called.
#[derive(Debug, Clone, Default)]
pub struct Governance {
    accounts: Vec<Account>,
    rights: Vec<(String, String)>,
    policies: Vec<(String, String)>,
    more: Files,
    each_account: String,
}

impl Governance {
    /// The cast with the standard grant.
    pub fn new() -> Self {
        let mut governance = Self::default();
        // The sample network's own; no test but those of the limits meets them.
        governance.file("limits.toml", WIDE);
        governance.grant("newsroom-all", "app:newsroom", "brand:acme", &USUAL_ACTIONS);
        governance
    }

    /// Takes every grant, deny entry and auditor away.
    pub fn without_grants(&mut self) -> &mut Self {
        self.rights.clear();
        self
    }

    /// Takes one grant, deny entry or auditor away.
    ///
    /// # Panics
    /// When there is none of that id.
    pub fn revoke(&mut self, id: &str) -> &mut Self {
        let before = self.rights.len();
        self.rights.retain(|(known, _)| known != id);
        assert_ne!(before, self.rights.len(), "no grant `{id}`");
        self
    }

    /// Adds an account.
    pub fn account(&mut self, account: Account) -> &mut Self {
        self.accounts.push(account);
        self
    }

    /// Takes an account away.
    ///
    /// # Panics
    /// When there is none of that id.
    pub fn without_account(&mut self, id: &str) -> &mut Self {
        let before = self.accounts.len();
        self.accounts.retain(|account| account.id != id);
        assert_ne!(before, self.accounts.len(), "no account `{id}`");
        self
    }

    /// Adds a grant until [`FAR`]. `holder` is `app:…` or `person:…`, `place` is `account:…` or `brand:…`.
    pub fn grant(&mut self, id: &str, holder: &str, place: &str, actions: &[&str]) -> &mut Self {
        self.grant_until(id, holder, place, actions, FAR, &[])
    }

    /// Adds a grant with its expiry and the people for whom an app may act.
    pub fn grant_until(
        &mut self,
        id: &str,
        holder: &str,
        place: &str,
        actions: &[&str],
        expires: &str,
        act_for: &[&str],
    ) -> &mut Self {
        let mut text = format!("[[grant]]\nid = {id:?}\n{}\n{}\nactions = {actions:?}\n", field(holder), field(place));
        if !act_for.is_empty() {
            writeln!(text, "act_for = {act_for:?}").expect("a string takes it");
        }
        write!(text, "owner = \"chief-1\"\nexpires = {expires}\n\n").expect("a string takes it");
        self.rights.push((id.to_owned(), text));
        self
    }

    /// Adds a deny entry. `whom` is `everyone`, `app:…` or `person:…`; no actions mean every action.
    pub fn deny(&mut self, id: &str, whom: &str, place: &str, actions: &[&str]) -> &mut Self {
        let whom = if whom == "everyone" { "everyone = true".to_owned() } else { field(whom) };
        let actions = if actions.is_empty() { String::new() } else { format!("actions = {actions:?}\n") };
        let text =
            format!("[[deny]]\nid = {id:?}\n{whom}\n{}\n{actions}reason = \"the test says so\"\n\n", field(place));
        self.rights.push((id.to_owned(), text));
        self
    }

    /// Adds rights on the audit log until [`FAR`], for a brand and those below, or for the whole log.
    pub fn auditor(&mut self, id: &str, holder: &str, rights: &[&str], brand: Option<&str>) -> &mut Self {
        self.auditor_until(id, holder, rights, brand, FAR)
    }

    /// The same with its expiry.
    pub fn auditor_until(
        &mut self,
        id: &str,
        holder: &str,
        rights: &[&str],
        brand: Option<&str>,
        expires: &str,
    ) -> &mut Self {
        let brand = brand.map(|brand| format!("brand = {brand:?}\n")).unwrap_or_default();
        let holder = field(holder);
        let text = format!(
            "[[auditor]]\nid = {id:?}\n{holder}\nrights = {rights:?}\n{brand}owner = \"chief-1\"\nexpires = {expires}\n\n"
        );
        self.rights.push((id.to_owned(), text));
        self
    }

    /// Adds a policy of all brands with its configuration.
    pub fn policy(&mut self, name: &str, plugin: &str, config: &Value) -> &mut Self {
        let file = format!("policies/{name}.json");
        let text = format!("[[policy]]\nname = {name:?}\nplugin = {plugin:?}\nconfig_file = {file:?}\n\n");
        self.policies.push((name.to_owned(), text));
        self.more.insert(file, config.to_string());
        self
    }

    /// A line that every account has.
    pub fn each_account(&mut self, line: &str) -> &mut Self {
        line.clone_into(&mut self.each_account);
        self
    }

    /// Puts a file in place of whatever would be there.
    pub fn file(&mut self, name: &str, text: &str) -> &mut Self {
        self.more.insert(name.to_owned(), text.to_owned());
        self
    }

    /// The folder's files.
    pub fn files(&self) -> Files {
        let accounts = self.accounts.iter().map(|account| {
            let Account { id, network, endpoint, brand } = account;
            format!(
                "[[account]]\nid = {id:?}\nnetwork = {network:?}\nadapter = {network:?}\nendpoint = {endpoint:?}\n\
                 private_endpoint = true\nbrand = {brand:?}\n{}\n\n",
                self.each_account
            )
        });
        let apps = APPS.map(|app| format!("[[app]]\nid = {app:?}\nowner = \"ops-1\"\n\n"));
        let mut files = Files::from([
            ("brands.toml".to_owned(), BRANDS.to_owned()),
            ("people.toml".to_owned(), people()),
            ("apps.toml".to_owned(), apps.concat()),
            ("accounts.toml".to_owned(), accounts.collect()),
            // Not empty even without rules: that would be taken for a save that broke off.
            ("grants.toml".to_owned(), commented(&self.rights)),
            ("policies.toml".to_owned(), commented(&self.policies)),
        ]);
        files.extend(self.more.clone());
        files
    }
}

fn commented(entries: &[(String, String)]) -> String {
    entries.iter().fold("# Of a test.\n\n".to_owned(), |text, (_, entry)| text + entry)
}

const BRANDS: &str = r#"
[[brand]]
id = "acme"

[[brand]]
id = "snacks"
parent = "acme"

[[brand]]
id = "drinks"
parent = "acme"
"#;

fn people() -> String {
    let person = |id: &str| match id {
        "chief-1" => "roles = [\"approver\"]\napproves = [\"acme\"]",
        "chief-drinks" => "roles = [\"approver\"]\napproves = [\"acme/drinks\"]",
        "ops-1" => "roles = [\"operator\"]",
        _ => "roles = [\"author\"]",
    };
    PEOPLE.map(|id| format!("[[person]]\nid = {id:?}\n{}\n\n", person(id))).concat()
}

/// `app:newsroom` as `app = "newsroom"`.
fn field(of: &str) -> String {
    let (name, value) = of.split_once(':').unwrap_or_else(|| panic!("`{of}` is not of the form `app:newsroom`"));
    format!("{name} = {value:?}")
}
