//! `pressgate audit receipt` and `verify-receipt`: what the log says of one post, in a file that is checked without the log.

use std::{collections::BTreeMap, path::PathBuf};

use pressgate_audit::{
    Event, Leaf,
    leaf::KeyHandover,
    receipt::{Effect, HandedOver, Receipt, Summary, post_of},
    tile::{Kind, TILE_WIDTH},
    tree::TreeFiles,
};
use serde_json::{Value, json};

use super::{
    super::{
        context::Context,
        outcome::{Failure, Report, counted},
    },
    prove, verify,
};

/// How the leaves about the signing key begin, after their time.
const KEY_KINDS: &str = "\"kind\":\"key-";

/// `audit receipt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Post id.
    post: String,
    /// The log's folder; else that of the configuration.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// `audit verify-receipt`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The receipt.
    file: PathBuf,
    /// The log's verifier key, or a file that holds it. An older one does too, where the receipt hands over from it.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// The key of a witness that must have cosigned the receipt's checkpoint, or a file that holds it. May be given more than
    /// once.
    #[arg(long, value_name = "KEY|FILE")]
    witness: Vec<String>,
}

/// Prints the receipt of a post.
pub fn make(context: &Context, args: &Args) -> Result<Report, Failure> {
    let (mut tree, note) = prove::tree(context, args.dir.as_deref())?;
    let Logged { leaves, gone, handovers } = logged(&tree, &args.post)?;
    if leaves.is_empty() {
        let gone = match gone {
            0 => String::new(),
            _ => format!(", and {} are gone by retention", counted(gone, "entry bundle", "entry bundles")),
        };
        let size = tree.size();
        return Err(Failure::refused(format!(
            "no leaf of the post `{}` among the {size} leaves that the newest checkpoint covers{gone}",
            args.post
        )));
    }
    let refused = |error: &dyn std::fmt::Display| Failure::refused(error.to_string());
    let receipt = Receipt::make(&mut tree, &args.post, &leaves, &note).map_err(|error| refused(&error))?;
    let mut receipt = receipt.map_err(|error| refused(&error))?;
    let size = tree.size();
    for (change, handover) in handovers {
        let made = HandedOver::make(&mut tree, &change, &handover, size).map_err(|error| refused(&error))?;
        receipt.handovers.push(made.map_err(|error| refused(&error))?);
    }
    let json = serde_json::to_value(&receipt).map_err(|error| refused(&error))?;
    Ok(Report::good(format!("{json:#}"), json))
}

/// What a log says of a post, and of changes of its key.
#[derive(Default)]
struct Logged {
    /// The leaves of the post: index and bytes.
    leaves: Vec<(u64, Vec<u8>)>,
    /// Bundles that are gone.
    gone: usize,
    /// Changes of the signing key: the leaf that states it, and what was kept of the handover.
    handovers: Vec<(Vec<u8>, KeyHandover)>,
}

fn logged(tree: &TreeFiles, post: &str) -> Result<Logged, Failure> {
    let mut logged = Logged::default();
    let mut changes = BTreeMap::new();
    for index in 0..tree.size().div_ceil(TILE_WIDTH) {
        let bundle = match tree.leaves(index) {
            Ok(bundle) => bundle,
            Err(error) => {
                let path = tree.tile_at(Kind::Entries, index).map(|tile| tree.path(tile));
                if path.is_some_and(|path| path.exists()) {
                    return Err(Failure::refused(error.to_string()));
                }
                logged.gone += 1;
                continue;
            }
        };
        for (at, bytes) in (index * TILE_WIDTH..).zip(bundle) {
            // Most leaves are of other posts, and need not be read.
            let names = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(post) || text.contains(KEY_KINDS));
            let leaf = if names { Leaf::from_bytes(&bytes).ok() } else { None };
            match leaf.map(|leaf| leaf.event) {
                Some(Event::KeyChange(_)) => drop(changes.insert(at, bytes)),
                Some(Event::KeyHandover(handover)) => {
                    let change = changes.get(&handover.change).cloned();
                    logged.handovers.extend(change.map(|change| (change, handover)));
                }
                Some(event) if post_of(&event) == Some(post) => logged.leaves.push((at, bytes)),
                _ => {}
            }
        }
    }
    Ok(logged)
}

/// Checks a receipt.
pub fn check(args: &VerifyArgs) -> Result<Report, Failure> {
    let key = verify::key(&args.key)?;
    let witnesses = args.witness.iter().map(|text| verify::witness_key(text)).collect::<Result<Vec<_>, _>>()?;
    let bytes = verify::read(&args.file)?;
    let held = Receipt::parse(&bytes).and_then(|receipt| {
        let checkpoint = receipt.verify(&key, &witnesses)?;
        let signed = receipt.signing_key(&key)?;
        Ok((receipt, checkpoint, signed))
    });
    Ok(match held {
        Ok((receipt, checkpoint, (signed, handovers))) => {
            let json = json!({
                "holds": true,
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "post": receipt.post,
                "key": signed.to_string(),
                "handovers": handovers,
                "says": receipt.says,
            });
            let mut text = text(&receipt, checkpoint.size);
            for leaf in handovers {
                text.push_str(&format!(
                    "\nyour key was changed in leaf {leaf}; its successor signed that checkpoint too"
                ));
            }
            Report::good(text, json)
        }
        Err(error) => {
            let json = json!({ "holds": false, "error": error.to_string() });
            Report::bad(format!("the receipt does not hold: {error}"), json)
        }
    })
}

fn text(receipt: &Receipt, size: u64) -> String {
    let (leaves, origin) = (counted(receipt.leaves.len(), "leaf", "leaves"), &receipt.origin);
    let mut lines =
        vec![format!("the receipt of {} holds: {leaves} of the log {origin}, which has {size}", receipt.post)];
    lines.extend(said(&receipt.says));
    for (intent, person, _) in receipt.says.unsupported() {
        lines.push(format!("not shown: the vote of {person}, on which leaf {intent} rests; it is not in the receipt"));
    }
    lines.push("not shown: that the log has no other leaf of this post".to_owned());
    lines.join("\n")
}

/// Who agreed to what was sent, and where they said so.
fn approved(effect: &Effect) -> String {
    let people = effect.approvals.join(", ");
    match (&effect.post_digest, effect.approvals.is_empty()) {
        (_, true) => "approved by nobody".to_owned(),
        (None, false) => format!("approved by {people}"),
        (Some(digest), false) => {
            let votes: String = effect.votes.iter().map(|leaf| format!(", leaf {leaf}")).collect();
            format!("of the post {digest}, which {people} approved{votes}")
        }
    }
}

fn said(says: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for vote in &says.votes {
        lines.push(format!("leaf {}: {} voted `{}` on {}", vote.leaf, vote.person, vote.decision, vote.content_digest));
    }
    for refusal in &says.refusals {
        lines.push(format!("leaf {}: refused in `{}`, {}", refusal.leaf, refusal.stage, refusal.problem));
    }
    for effect in &says.effects {
        let who =
            [&effect.app, &effect.person, &effect.on_behalf_of].into_iter().flatten().cloned().collect::<Vec<_>>();
        lines.push(format!(
            "leaf {}: {} by {} on {}, grant {}, content {}, {}",
            effect.intent,
            effect.action,
            who.join(" for "),
            effect.account,
            effect.grant,
            effect.content_digest,
            approved(effect),
        ));
        for verdict in &effect.verdicts {
            lines.push(format!("  the policy {} said `{}`", verdict.policy, verdict.outcome));
        }
        let Some(ended) = &effect.outcome else { continue };
        let result = serde_json::to_value(ended.result).ok().and_then(|value| Value::as_str(&value).map(str::to_owned));
        lines.push(format!(
            "  leaf {}: {}{}{}",
            ended.leaf,
            result.unwrap_or_default(),
            ended.status.map_or_else(String::new, |status| format!(", status {status}")),
            ended.platform_ids.iter().map(|id| format!(", id {id}")).collect::<String>(),
        ));
    }
    lines
}
