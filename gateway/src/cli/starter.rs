//! What `pressgate init` writes where nothing is yet: a configuration and a governance folder to begin with.

/// `pressgate.toml`.
pub const CONFIG: &str = include_str!("starter/pressgate.toml");

/// The governance folder: file names and texts.
pub const GOVERNANCE: &[(&str, &str)] = &[
    ("brands.toml", include_str!("starter/brands.toml")),
    ("people.toml", include_str!("starter/people.toml")),
    ("apps.toml", include_str!("starter/apps.toml")),
    ("accounts.toml", include_str!("starter/accounts.toml")),
    ("grants.toml", include_str!("starter/grants.toml")),
    ("policies.toml", include_str!("starter/policies.toml")),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use jiff::Timestamp;

    use super::*;
    use crate::config::{Config, Files, Governance, PluginInfo, Role};
    use crate::model::PluginName;

    #[test]
    fn the_starter_configuration_says_the_defaults() {
        let starter = Config::parse(CONFIG, "pressgate.toml", Path::new("x")).unwrap();
        assert_eq!(starter, Config::default_in(Path::new("x")).unwrap());
    }

    #[test]
    fn the_starter_governance_holds_without_a_plugin_and_has_an_operator() {
        let files: Files = GOVERNANCE.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let no_plugins: BTreeMap<PluginName, PluginInfo> = BTreeMap::new();
        let governance = Governance::check(&files, &no_plugins, Timestamp::UNIX_EPOCH).unwrap();
        assert!(governance.people.get("ops-1").unwrap().roles.contains(&Role::Operator));
        assert!(
            governance.grants.is_empty() && governance.accounts.is_empty(),
            "nothing may leave until somebody says so"
        );
    }

    #[test]
    fn the_examples_in_the_comments_hold_too() {
        // Every line `# x` of an example is taken in; prose begins with `#:`.
        let uncommented = |text: &str| {
            let line = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned();
            text.lines().filter(|text| !text.starts_with("#:")).map(line).collect::<Vec<_>>().join("\n")
        };
        let files: Files = GOVERNANCE.iter().map(|(name, text)| ((*name).to_owned(), uncommented(text))).collect();
        let info = |kind| PluginInfo { kind, networks: vec!["example".into()], config_schema: None };
        let plugins = BTreeMap::from([
            (PluginName::new("example-adapter"), info(crate::config::PluginKind::Adapter)),
            (PluginName::new("example-policy"), info(crate::config::PluginKind::Policy)),
        ]);
        let governance = Governance::check(&files, &plugins, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((governance.accounts.len(), governance.grants.len(), governance.policies.len()), (1, 1, 1));
    }
}
