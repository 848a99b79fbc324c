//! What a start would find in the data folder. Nothing in it is changed.

use std::path::Path;

use super::{Findings, credentials, forward, free, same};
use crate::{
    cli::{context::Context, outcome::counted},
    config::Governance,
    model::Principal,
    operator::{
        credentials::Wants,
        keys::is_operator,
        standing::{self, ACCOUNTS, PRINCIPALS},
    },
    plugins::Shelf,
    records::Records,
    start::{self, Look},
    vault::Vault,
};

/// Looks into the data folder while no gateway has it.
pub async fn offline(context: &Context, look: &Look, kek_is_good: bool, shelf: &Shelf, findings: &mut Findings) {
    findings.add("log", look.log.as_ref().map(log).map_err(Clone::clone));
    let records = match &look.records {
        Ok(records) => {
            findings.add("records", Ok("they open".to_owned()));
            records.as_ref()
        }
        Err(why) if context.config.records_dir().exists() => return findings.add("records", Err(why.clone())),
        Err(why) => return findings.skip("records", why),
    };
    let applied = records.governance().await.map_err(|error| error.to_string());
    findings.add(
        "applied",
        applied.as_ref().map_err(Clone::clone).and_then(|applied| match applied {
            Some(applied) => same(context, &applied.digest),
            None => Ok("nothing yet; the first start applies the governance folder".to_owned()),
        }),
    );
    match &look.vault {
        Ok((vault, _)) => {
            findings.add("vault", Ok("it opens".to_owned()));
            let files = match applied {
                Ok(Some(applied)) => Ok(applied.files),
                _ => Governance::read(&context.config.governance).map_err(|_| ()),
            };
            match files.and_then(|files| Governance::restart(&files, shelf).map_err(|_| ())) {
                Ok(standing) => findings.add("loading", load(context, vault, shelf, &standing)),
                Err(()) => findings.skip("loading", "the governance that a start would use does not hold"),
            }
            match standing::standing(&context.config, records, shelf, ACCOUNTS).await {
                Ok(governance) => {
                    let wants = Wants { governance: &governance, shelf };
                    let all = wants.listed(vault).await.map_err(|error| error.to_string());
                    findings.add("credentials", all.and_then(|all| credentials(&all)));
                    let authority =
                        wants.authority(vault, context.clock.now()).await.map_err(|error| error.to_string());
                    forward::authority(&context.config, authority, findings);
                }
                Err(error) => findings.skip("credentials", error.to_string()),
            }
        }
        Err(why) if kek_is_good => findings.add("vault", Err(why.clone())),
        Err(_) => findings.skip("vault", "it does not open without the key-encryption key"),
    }
    findings.add("operator key", operator_key(context, records, shelf).await);
    let listen = &context.config.listen;
    let proxy = context.config.forward.addr.map(|addr| ("forward.addr", addr));
    for (key, address) in
        [("listen.address", listen.address), ("listen.operator", listen.operator)].into_iter().chain(proxy)
    {
        findings.add(key, free(address));
    }
}

fn log(log: &start::LogLook) -> String {
    let mut told = vec![format!("no gateway runs; {} leaves, whole", log.leaves)];
    if let Some(torn) = &log.torn {
        told.push(format!(
            "a start will cut a torn tail of {} bytes from {} (what a crash left of a batch that nobody was told about)",
            torn.bytes, torn.segment
        ));
    }
    if log.open > 0 {
        told.push(format!("a start will close {} intents that a crash left open; each is looked up", log.open));
    }
    if log.unapplied > 0 {
        told.push(format!("a start will read the last {} leaves into the records", log.unapplied));
    }
    told.join("\n")
}

/// Every plugin that the governance names, compiled as a start would, and not kept.
fn load(context: &Context, vault: &Vault, shelf: &Shelf, governance: &Governance) -> Result<String, String> {
    let host = start::host_without_cache(vault, &context.clock).map_err(|error| error.to_string())?;
    let serving = shelf.load(&host, governance, None).map_err(|error| error.to_string())?;
    let adapters = counted(serving.adapters.len(), "adapter", "adapters");
    Ok(format!("{adapters} and {} load", counted(serving.policies.len(), "policy", "policies")))
}

async fn operator_key(context: &Context, records: &dyn Records, shelf: &Shelf) -> Result<String, String> {
    let governance = standing::standing(&context.config, records, shelf, PRINCIPALS).await;
    let governance = governance.map_err(|error| error.to_string())?;
    let keys = records.keys().await.map_err(|error| error.to_string())?;
    let now = context.clock.now();
    let opens =
        |holder: &Principal| matches!(holder, Principal::Person(person) if is_operator(&governance, person.as_str()));
    let lives = |key: &crate::records::KeyRecord| {
        key.revoked_at.is_none() && key.expires_at.is_none_or(|expires| now < expires)
    };
    match keys.iter().filter(|key| lives(key) && opens(&key.holder)).count() {
        0 => Err("no operator has a live key: `pressgate key create --person PERSON`".to_owned()),
        live => Ok(format!("{live} live")),
    }
}

/// Whether the log's disk takes the next segment.
pub fn room(dir: &Path, segment_bytes: u64) -> Result<String, String> {
    // Before the first start the folder is not there; what it will be made in is.
    let Some(there) = dir.ancestors().find(|folder| folder.exists()) else { return Ok("not there yet".to_owned()) };
    let facts = rustix::fs::statvfs(there).map_err(|error| format!("{}: {error}", there.display()))?;
    let shown = dir.display();
    if facts.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(format!(
            "{shown} lies on a file system that is mounted read-only, so nothing may be sent; remount it"
        ));
    }
    let free_bytes = facts.f_bavail.saturating_mul(facts.f_frsize);
    if free_bytes < segment_bytes {
        return Err(format!(
            "{shown}: {free_bytes} bytes are free, and the log's next segment needs {segment_bytes}; make room, or nothing may \
             be sent soon"
        ));
    }
    Ok(format!("{} MiB are free for the log", free_bytes >> 20))
}
