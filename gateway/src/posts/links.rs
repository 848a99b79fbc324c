//! Links by which outside parties vote: made when their stage opens or somebody asks, good once, for one version, until their time is over.
//!
//! The secret is in the address alone; the records have its SHA-256. The id begins with the voice that the link is of: a keyed digest of the
//! address that it went to, so that of two links for one address only the newer works, and nobody learns the address from the log.

use std::{collections::BTreeSet, fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest as hash};
use jiff::{SignedDuration, Timestamp};
use pressgate_workflow::{
    Command, Facts, Life,
    approval::{Voter, Who, explain, part_in},
    decide::SAID_MAX,
    ids::{External, LinkId},
    life::{Link, Wait},
};
use zeroize::Zeroizing;

use super::{
    life::{self, By, Extra, Turn, refusal},
    not_found, read,
    recall::is_partly_out,
    sight::{is_asked, may_write, sees},
    unavailable,
};
use crate::{
    call::{Caller, digest, journey::Journey, record},
    config::EmailAddress,
    gateway::Gateway,
    model::{PostId, Principal},
    notices::{Address, Kind, Notice},
    records::{LinkRecord, PostRecord},
    refusal::{Refusal, Stage, problem},
};

/// How long a link works where nobody says otherwise.
pub const VALID_FOR: SignedDuration = SignedDuration::from_hours(48);
/// How long one may work.
pub const VALID_FOR_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So many links one address gets for a version without anybody's asking: the first, and three when its time is over.
const MADE_MAX: usize = 4;
/// Characters of a link's id that tell the voice.
const VOICE_CHARS: usize = 24;

/// A new link, with what opens it: for the one it is sent to.
pub struct Made {
    /// Its public id.
    pub id: LinkId,
    /// The post.
    pub post: PostId,
    /// The version that it is for.
    pub version: u32,
    /// The party.
    pub party: External,
    /// Where it goes.
    pub address: EmailAddress,
    /// First instant at which it no longer works.
    pub expires_at: Timestamp,
    /// When it was made.
    pub at: Timestamp,
    secret: Zeroizing<String>,
}

impl Made {
    /// Its path below the gateway's public address. It opens the link: it goes to the address and nowhere else.
    pub fn path(&self) -> String {
        format!("/approve/{}", *self.secret)
    }

    fn record(&self) -> LinkRecord {
        LinkRecord {
            secret: hashed(&self.secret),
            id: self.id.to_string(),
            post: self.post.clone(),
            party: self.party.to_string(),
            expires_at: self.expires_at,
        }
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Made").field("id", &self.id).field("post", &self.post).finish_non_exhaustive()
    }
}

/// A link that works, with what it shows.
#[derive(Debug)]
pub struct Opened {
    /// The post.
    pub post: PostRecord,
    /// Its life.
    pub life: Life,
    /// The link.
    pub link: Link,
}

/// Why a link shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotOpen {
    /// There is no such link.
    #[error("There is no such link. Copy the whole address from the mail, or ask whoever sent it for another.")]
    Unknown,
    /// It was used.
    #[error("This link was used. It works once; what you decided then was counted.")]
    Used,
    /// Its time is over.
    #[error("This link worked until {}. Ask whoever sent it for another.", .0.strftime("%Y-%m-%d %H:%M UTC"))]
    Expired(Timestamp),
    /// The post has another version.
    #[error(
        "The post was changed after you were asked, so this link works no longer. If you are still needed, another one comes."
    )]
    Changed,
    /// A newer link went to the same address.
    #[error("A newer link was sent to you for this post. Use that one.")]
    Replaced,
    /// The address is no longer one of the party's.
    #[error("You are no longer asked about this post.")]
    Withdrawn,
    /// It was decided, or is waited for no more.
    #[error("This post waits for nobody's agreement any more. There is nothing to do.")]
    Over,
    /// A store can't be used.
    #[error("This can't be looked up now. Try again in a minute; the link was not used up.")]
    Unavailable(Refusal),
}

/// Why a vote by a link was not counted.
#[derive(Debug)]
pub enum NotCounted {
    /// The link shows nothing any more.
    NotOpen(NotOpen),
    /// The rules say no; the link was not used up.
    Refused(Refusal),
}

impl From<Refusal> for NotCounted {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is kept of new links: their digests, and the notices that hand them to those they are for. Only here does a link's secret leave the
/// gateway by itself.
pub(super) fn kept(gateway: &Gateway, links: &[Made]) -> Extra {
    let governance = gateway.governance.load();
    let place = |link: &Made| {
        let addresses = governance.externals.get(&link.party).into_iter().flatten();
        addresses.take_while(|address| **address != link.address).count().saturating_add(1)
    };
    let notices = links.iter().map(|link| Notice {
        to: Address::External {
            party: link.party.to_string(),
            place: place(link),
            address: link.address.as_str().to_owned(),
            link: link.path(),
        },
        kind: Kind::VoteWanted,
        post: Some(link.post.clone()),
        account: None,
        about: format!("{}/v{}/link/{}", link.post, link.version, link.id),
        line: format!("Your agreement to a post is wanted until {}.", link.expires_at),
        link_path: String::new(),
        at: link.at,
    });
    let notices = gateway.notices.prepared(notices.collect());
    Extra { links: links.iter().map(Made::record).collect(), notices, ..Extra::default() }
}

/// Makes links for a party: one for each of its addresses that has not voted on this version. A link that went to the same address before
/// works no longer. A refusal is in the log when this returns.
///
/// # Errors
/// No right, another version, a post that waits for no votes, a party that is not there.
pub async fn invite(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    party: &str,
    valid_for: SignedDuration,
    saw: Option<u32>,
) -> Result<(PostRecord, Vec<Made>), Refusal> {
    let journey = Journey::begin(caller).trying("post.invite", Some(id));
    match go(gateway, caller, id, party, valid_for, saw).await {
        Ok(made) => Ok(made),
        Err(refusal) => Err(journey.refuse(gateway, refusal).await),
    }
}

async fn go(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    id: &PostId,
    party: &str,
    valid_for: SignedDuration,
    saw: Option<u32>,
) -> Result<(PostRecord, Vec<Made>), Refusal> {
    record::log_is_writable(gateway)?;
    let alone = gateway.lives.alone(id).await;
    let post = read(gateway, id).await?;
    if !sees(gateway, caller, &post) {
        return Err(not_found(id));
    }
    if !may_write(gateway, caller, &post) && !is_asked(gateway, caller, &post) {
        let detail = "Only who may write the post, or is asked to approve it, invites somebody from outside.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Authorise, detail));
    }
    if !mailed(gateway) && !carries(gateway, caller, &post) {
        let detail = "This gateway sends no mail, so whoever invites carries the link, and could use it: a person without a part in the post invites, with a key of their own.";
        return Err(Refusal::new(problem::NO_GRANT, Stage::Approve, detail));
    }
    let mut turn = Turn::begin(gateway, post, By::Caller(caller));
    let saw = saw.unwrap_or_else(|| turn.life().version().number);
    let party = External::from(party);
    let addresses = gateway.governance.load().externals.get(&party).cloned().unwrap_or_default();
    if addresses.is_empty() {
        let detail = "There is no such outside party in approvals.toml.";
        return Err(Refusal::new(problem::INVALID, Stage::Door, detail));
    }
    let made = make(&mut turn, &party, &addresses, valid_for, saw)?;
    if made.is_empty() {
        let detail = "Every address of this party has voted on this version.";
        return Err(Refusal::new(problem::ALREADY_VOTED, Stage::Approve, detail));
    }
    turn.keep(kept(gateway, &made)).await?;
    drop(alone);
    Ok((read(gateway, id).await?, made))
}

/// A link for each address that has not voted.
fn make(
    turn: &mut Turn<'_>,
    party: &External,
    addresses: &[EmailAddress],
    valid_for: SignedDuration,
    saw: u32,
) -> Result<Vec<Made>, Refusal> {
    let at = turn.facts().now;
    let expires_at = at.checked_add(valid_for).unwrap_or(at);
    let mut made = Vec::new();
    for address in addresses {
        let voice = voice(&turn.post().salt, address);
        let of_voice = |link: &&Link| voice_of(&link.id) == voice;
        if turn.life().links().iter().filter(of_voice).any(|link| link.used && stands(turn.life(), link)) {
            continue;
        }
        let number = turn.life().links().iter().filter(of_voice).count() + 1;
        let link = LinkId::from(format!("link_{voice}_{number}"));
        let command = Command::Invite { saw, link: link.clone(), external: party.clone(), expires_at };
        turn.decide(command, None).map_err(|refused| refusal(&refused))?;
        made.push(Made {
            id: link,
            post: turn.post().id.clone(),
            version: saw,
            party: party.clone(),
            address: address.clone(),
            expires_at,
            at,
            secret: Zeroizing::new(digest::random_hex()?),
        });
    }
    Ok(made)
}

/// Outside parties whose stage is open and who have not got their links, or whose links' time is over.
pub(super) fn wanting(life: &Life, facts: &Facts<'_>) -> Vec<External> {
    if !life.targets().iter().any(|target| target.wait() == Some(Wait::Votes)) {
        return Vec::new();
    }
    let mut parties = Vec::new();
    for stage in explain(life, facts).rules.iter().flat_map(|rule| &rule.stages).filter(|stage| stage.open) {
        let Who::External(party) = &stage.who else { continue };
        let addresses = facts.governance.rules.externals.get(party).map_or(0, |known| known.addresses as usize);
        let links: Vec<&Link> = life.links().iter().filter(|link| link.external == *party).collect();
        let asked = served(life, &links, facts.now);
        let room = life.links().len() + addresses <= SAID_MAX;
        if asked.len() < addresses && room && !parties.contains(party) {
            parties.push(party.clone());
        }
    }
    parties
}

/// Voices that need no link made for them: theirs works still or was voted with, or they got enough of them for this version.
fn served<'a>(life: &Life, links: &[&'a Link], now: Timestamp) -> BTreeSet<&'a str> {
    let current = life.version().number;
    let got = |voice: &str| {
        links.iter().filter(|link| link.version == current && voice_of(&link.id) == voice).count() >= MADE_MAX
    };
    let works = |link: &Link| link.used || now < link.expires_at;
    let standing = links.iter().copied().filter(|link| stands(life, link));
    standing.filter(|link| works(link) || got(voice_of(&link.id))).map(|link| voice_of(&link.id)).collect()
}

/// Makes what [`wanting`] says, for those who have none yet.
pub(super) fn make_wanted(turn: &mut Turn<'_>, gateway: &Gateway) -> Result<Vec<Made>, Refusal> {
    let governance = gateway.governance.load_full();
    let mut made = Vec::new();
    let parties = wanting(turn.life(), &turn.facts());
    for party in parties {
        let salt = turn.post().salt.clone();
        let (life, saw) = (turn.life(), turn.life().version().number);
        let links: Vec<&Link> = life.links().iter().collect();
        let asked = served(life, &links, turn.facts().now);
        let fresh = |address: &&EmailAddress| !asked.contains(&voice(&salt, address).as_str());
        let addresses: Vec<EmailAddress> =
            governance.externals.get(&party).into_iter().flatten().filter(fresh).cloned().collect();
        made.extend(make(turn, &party, &addresses, VALID_FOR, saw)?);
    }
    Ok(made)
}

/// What a link shows. Nothing is used up by looking, so that whatever opens links in mails does no harm.
///
/// # Errors
/// [`NotOpen`].
pub async fn open(gateway: &Gateway, secret: &str) -> Result<Opened, NotOpen> {
    let down = |error| NotOpen::Unavailable(unavailable(&error));
    let record = gateway.records.link(hashed(secret)).await.map_err(down)?.ok_or(NotOpen::Unknown)?;
    let post = gateway.records.post(record.post).await.map_err(down)?.ok_or(NotOpen::Unknown)?;
    let life = life::of(&post);
    let link = works(gateway, &post, &life, &LinkId::from(record.id))?;
    Ok(Opened { post, life, link })
}

/// The link where it works now.
fn works(gateway: &Gateway, post: &PostRecord, life: &Life, id: &LinkId) -> Result<Link, NotOpen> {
    let link = life.link(id).ok_or(NotOpen::Unknown)?;
    let voice_of_link = voice_of(id);
    let governance = gateway.governance.load();
    let mut addresses = governance.externals.get(&link.external).into_iter().flatten();
    if link.used {
        Err(NotOpen::Used)
    } else if gateway.clock.now() >= link.expires_at {
        Err(NotOpen::Expired(link.expires_at))
    } else if link.version != life.version().number {
        Err(NotOpen::Changed)
    } else if !addresses.any(|address| voice(&post.salt, address) == voice_of_link) {
        Err(NotOpen::Withdrawn)
    } else if life.links().iter().rfind(|other| voice_of(&other.id) == voice_of_link).is_some_and(|last| last.id != *id)
    {
        Err(NotOpen::Replaced)
    } else if !life.targets().iter().any(|target| target.wait() == Some(Wait::Votes)) {
        Err(NotOpen::Over)
    } else {
        Ok(link.clone())
    }
}

/// Counts the vote of an outside party, for the version that its page showed. The link is used up with it and not otherwise.
///
/// # Errors
/// [`NotCounted`].
pub async fn vote(
    gateway: &Arc<Gateway>,
    secret: &str,
    approve: bool,
    saw: u32,
    why: Option<&str>,
) -> Result<(), NotCounted> {
    let Opened { post, link, .. } = open(gateway, secret).await.map_err(NotCounted::NotOpen)?;
    record::log_is_writable(gateway)?;
    let _alone = gateway.lives.alone(&post.id).await;
    let post = read(gateway, &post.id).await?;
    let mut turn = Turn::begin(gateway, post, By::Link(&link.id));
    works(gateway, turn.post(), turn.life(), &link.id).map_err(NotCounted::NotOpen)?;
    if !approve && is_partly_out(turn.post()) {
        let detail = "A part of it is published already, so it can't be stopped by this vote. Tell whoever asked you.";
        return Err(Refusal::new(problem::NOT_RECALLABLE, Stage::Approve, detail).into());
    }
    turn.decide(Command::Vote { saw, approve }, why).map_err(|refused| refusal(&refused))?;
    turn.settle();
    turn.keep(Extra::default()).await?;
    Ok(())
}

/// May the caller see links that it asked for? Only where nobody is mailed, so that somebody must carry them; and then only a person who has
/// no part in the post, since whoever has a link can use it.
pub fn carries(gateway: &Gateway, caller: &Caller, post: &PostRecord) -> bool {
    let Principal::Person(person) = caller.principal() else { return false };
    let life = life::of(post);
    let known = life::Known::of(gateway, post, &life);
    let facts = known.facts(&pressgate_workflow::ids::Actor::Gate);
    !mailed(gateway) && part_in(&life, &facts, &person.as_str().into()).is_none()
}

/// Somebody is mailed, so that nobody has to carry a link.
fn mailed(gateway: &Gateway) -> bool {
    gateway.config.notices.as_ref().is_some_and(|notices| notices.mail.is_some())
}

/// Where the links of a post went that were voted with, by their public ids; of addresses that are the party's still.
pub fn addresses(gateway: &Gateway, post: &PostRecord) -> Vec<(String, String)> {
    let Some(kept) = &post.life else { return Vec::new() };
    let governance = gateway.governance.load();
    let of = |link: &Link| {
        let mut known = governance.externals.get(&link.external)?.iter();
        let address = known.find(|address| voice(&post.salt, address) == voice_of(&link.id))?;
        Some((link.id.to_string(), address.as_str().to_owned()))
    };
    kept.life.links().iter().filter(|link| link.used).filter_map(of).collect()
}

/// It is for the current version, and either still to be used or its approval counts.
fn stands(life: &Life, link: &Link) -> bool {
    let counts = |vote: &pressgate_workflow::life::Vote| {
        vote.approve && !vote.void && vote.version == link.version && vote.voter == Voter::Link(link.id.clone())
    };
    link.version == life.version().number && (!link.used || life.votes().iter().any(counts))
}

/// Whose voice an address is, in one post.
fn voice(salt: &str, address: &EmailAddress) -> String {
    digest::keyed(salt, &format!("link to {}", address.as_str())).chars().take(VOICE_CHARS).collect()
}

fn voice_of(id: &LinkId) -> &str {
    let id = id.as_str();
    id.strip_prefix("link_").and_then(|rest| rest.split_once('_')).map_or(id, |(voice, _)| voice)
}

fn hashed(secret: &str) -> [u8; 32] {
    hash(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap_or([0; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_tells_no_address_and_is_one_posts() {
        let address = |text| EmailAddress::parse(text).unwrap();
        let (one, other) = (address("a@agency-x.example"), address("b@agency-x.example"));
        assert_eq!(voice("salt", &one), voice("salt", &one));
        assert_ne!(voice("salt", &one), voice("salt", &other));
        assert_ne!(voice("salt", &one), voice("other", &one));
        let id = LinkId::from(format!("link_{}_12", voice("salt", &one)));
        assert_eq!(voice_of(&id), voice("salt", &one));
    }
}
