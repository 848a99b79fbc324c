//! Where a command works: on the stores, while no gateway has them; else through the running gateway.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    client::Client,
    context::Context,
    outcome::{Failure, Report},
};
use crate::{
    config::Config,
    operator::{Ops, OpsError, standing},
    plugins::Shelf,
    start::{self, StartError, Stores},
};

/// The environment variable with an operator's key.
pub const OPERATOR_KEY: &str = "PRESSGATE_OPERATOR_KEY";

/// Where a command works.
pub enum Reach<'a> {
    /// On the stores of the data folder.
    Folder(Box<Folder<'a>>),
    /// Through the operator listener of the running gateway.
    Gateway(Client),
}

/// The stores of a data folder that no gateway uses.
pub struct Folder<'a> {
    /// The command's context.
    pub context: &'a Context,
    /// The stores; the folder is locked as long as they are open.
    pub stores: Stores,
}

impl Folder<'_> {
    /// The operations on these stores.
    pub fn ops(&self) -> Ops<'_> {
        Ops::offline(&self.stores, self.context.clock.as_ref())
    }

    /// The part of the governance that a start would use.
    pub async fn standing(&self, shelf: &Shelf, only: &[&str]) -> Result<crate::config::Governance, Failure> {
        Ok(standing::standing(&self.context.config, self.stores.records.as_ref(), shelf, only).await?)
    }

    /// What a person must know where nothing was applied yet: what was made rests on a folder that is not in force. The first
    /// set-up needs that, because the first start applies the folder.
    pub async fn unapplied(&self) -> Result<Option<String>, Failure> {
        if self.stores.records.governance().await.map_err(OpsError::from)?.is_some() {
            return Ok(None);
        }
        Ok(Some(format!(
            "no governance was applied yet: this rests on the folder {}, which the first `pressgate apply` or start applies",
            self.context.config.governance.display()
        )))
    }

    /// A report that says so too.
    pub async fn noted(&self, report: Report) -> Result<Report, Failure> {
        let Some(note) = self.unapplied().await? else { return Ok(report) };
        let Report { mut text, mut json, holds } = report;
        text.push_str(&format!("\nnote: {note}"));
        if let Some(fields) = json.as_object_mut() {
            fields.insert("note".to_owned(), note.into());
        }
        Ok(Report { text, json, holds })
    }

    /// A refusal that says so too: what is missing is missing in the folder.
    pub async fn refused(&self, error: OpsError) -> Failure {
        match (&error, self.unapplied().await) {
            (OpsError::Missing(text), Ok(Some(note))) => Failure::refused(format!("{text} ({note})")),
            _ => error.into(),
        }
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        self.stores.audit.close();
    }
}

impl<'a> Reach<'a> {
    /// The stores of the data folder, where no gateway has them.
    pub async fn unused(context: &'a Context) -> Result<Option<Box<Folder<'a>>>, Failure> {
        match start::open_stores(&context.parts()).await {
            Ok(stores) => Ok(Some(Box::new(Folder { context, stores }))),
            Err(StartError::Locked(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Opens the stores, or finds the gateway that has them.
    pub async fn open(context: &'a Context) -> Result<Self, Failure> {
        let data = &context.config.data;
        if !data.is_dir() {
            return Err(Failure::Unreachable(format!(
                "there is no data folder {}. Run `pressgate init` first",
                data.display()
            )));
        }
        if let Some(folder) = Self::unused(context).await? {
            return Ok(Self::Folder(folder));
        }
        let key = context.key(OPERATOR_KEY)?.ok_or_else(|| {
            Failure::refused(format!(
                "a gateway runs on {}, so an operator's key is needed: give --key-file or {OPERATOR_KEY}",
                data.display()
            ))
        })?;
        Ok(Self::Gateway(Client::new(operator_address(&context.config), Some(key))))
    }
}

/// Where a running gateway says that it listens: with port 0 the configuration does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// For apps.
    pub address: SocketAddr,
    /// For operators.
    pub operator: SocketAddr,
    /// For clients of single accounts, by account.
    #[serde(default)]
    pub native: BTreeMap<String, SocketAddr>,
    /// For tunnels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<SocketAddr>,
}

impl Listening {
    fn path(data: &Path) -> PathBuf {
        data.join("listening.json")
    }

    /// Leaves word in the data folder; whole or not at all.
    pub fn write(&self, data: &Path) -> std::io::Result<()> {
        let unfinished = data.join("listening.json.new");
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(unfinished, Self::path(data))
    }

    /// What a gateway left. Worth something only while one runs.
    pub fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(data)).ok()?).ok()
    }

    /// Takes the word away.
    pub fn remove(data: &Path) {
        // A word that stays says where nobody listens; commands look at the lock first.
        let _ = std::fs::remove_file(Self::path(data));
    }
}

/// The operator listener of the gateway on this data folder.
pub fn operator_address(config: &Config) -> SocketAddr {
    local(Listening::read(&config.data).map_or(config.listen.operator, |listening| listening.operator))
}

/// The public listener of the gateway on this data folder.
pub fn public_address(config: &Config) -> SocketAddr {
    local(Listening::read(&config.data).map_or(config.listen.address, |listening| listening.address))
}

/// A listener on every address is reached on the loopback.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_a_gateway_left_is_read_and_garbage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let listening = Listening {
            address: "127.0.0.1:4000".parse().unwrap(),
            operator: "[::]:4001".parse().unwrap(),
            native: BTreeMap::from([("acme".to_owned(), "127.0.0.1:4002".parse().unwrap())]),
            forward: None,
        };
        assert_eq!(Listening::read(folder.path()), None);
        listening.write(folder.path()).unwrap();
        assert_eq!(Listening::read(folder.path()), Some(listening.clone()));
        assert_eq!(local(listening.operator).to_string(), "[::1]:4001");
        std::fs::write(folder.path().join("listening.json"), "{").unwrap();
        assert_eq!(Listening::read(folder.path()), None);
        Listening::remove(folder.path());
        assert!(!folder.path().join("listening.json").exists());
    }
}
