//! The forward door: has it a certificate authority, and is that for the hosts of the accounts?

use super::Findings;
use crate::{config::Config, operator::authority::AuthorityView};

/// How the authority is. Without the door nobody needs one.
pub fn authority(config: &Config, found: Result<Option<AuthorityView>, String>, findings: &mut Findings) {
    if config.forward.addr.is_none() && matches!(found, Ok(None)) {
        return;
    }
    findings.add("forward ca", found.and_then(|view| one(view.as_ref())));
}

fn one(view: Option<&AuthorityView>) -> Result<String, String> {
    let Some(view) = view else {
        return Err(
            "the forward door has no certificate authority, so it opens no tunnel: `pressgate ca init`".to_owned()
        );
    };
    if !view.notes.is_empty() {
        return Err(view.notes.join("\n"));
    }
    Ok(format!("{}, until {}, for {}", view.name, view.until, view.hosts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_to_be_renewed_is_a_fault() {
        let mut view = AuthorityView {
            name: "Pressgate forward CA 00000000".into(),
            certificate: String::new(),
            digest: String::new(),
            hosts: vec!["social.example".into()],
            until: "2030-01-01T00:00:00Z".parse().unwrap(),
            notes: Vec::new(),
        };
        assert!(one(None).unwrap_err().contains("ca init"));
        assert!(one(Some(&view)).unwrap().ends_with("for social.example"));
        view.notes.push("renew it".into());
        assert_eq!(one(Some(&view)), Err("renew it".into()));
    }
}
