//! The rows: what goes wrong meanwhile.

use std::time::Duration;

use pressgate::audit::{Fault, Space};
use pressgate::host::Snapshot;
use rusqlite::{Connection, OpenFlags};
use sample_network::{Plan, Silence};
use tests::harness::until;

use super::{Bench, ROOMY};

/// How long another program holds the record store's lock.
const LOCK_HELD: Duration = Duration::from_millis(700);
/// Little room.
const LOW: Option<Space> = Some(Space { free_bytes: 49 << 20, total_bytes: 1000 << 20 });

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    LogFull,
    LogFullForNew,
    LogReadOnly,
    LogWrite,
    LogSync,
    LogHangs,
    LogSlow,
    LogLow,
    RecordsLocked,
    RecordsBroken,
    NoPlugin,
    NetDown,
    NetBusy,
    NetFails,
    NetSlow,
    NetSilent,
    NetSilentDone,
}

pub(super) const TROUBLES: [Trouble; 18] = [
    // The two that take longest come first.
    Trouble::LogLow,
    Trouble::NetDown,
    Trouble::None,
    Trouble::LogFull,
    Trouble::LogFullForNew,
    Trouble::LogReadOnly,
    Trouble::LogWrite,
    Trouble::LogSync,
    Trouble::LogHangs,
    Trouble::LogSlow,
    Trouble::RecordsLocked,
    Trouble::RecordsBroken,
    Trouble::NoPlugin,
    Trouble::NetBusy,
    Trouble::NetFails,
    Trouble::NetSlow,
    Trouble::NetSilent,
    Trouble::NetSilentDone,
];

/// How the trouble ends.
pub(super) enum Relief {
    Nothing,
    Disk,
    Line,
    Network,
    Records(Connection),
    Plugins(std::sync::Arc<pressgate::host::Snapshot>),
}

impl Trouble {
    /// Whether nothing at all may leave under it.
    pub(super) fn stops_all(self) -> bool {
        let disk = [Self::LogFull, Self::LogReadOnly, Self::LogWrite, Self::LogSync, Self::LogHangs, Self::LogLow];
        disk.contains(&self) || [Self::RecordsBroken, Self::NoPlugin, Self::NetDown].contains(&self)
    }

    fn disk(self) -> Option<Fault> {
        Some(match self {
            Self::LogFull => Fault::Full,
            Self::LogFullForNew => Fault::FullForNew,
            Self::LogReadOnly => Fault::ReadOnly,
            Self::LogWrite => Fault::WriteError,
            Self::LogSync => Fault::SyncError,
            Self::LogHangs => Fault::Hang,
            Self::LogSlow => Fault::Slow,
            _ => return None,
        })
    }

    fn network(self) -> Option<sample_network::Fault> {
        Some(match self {
            Self::NetBusy => sample_network::Fault::RateLimited { retry_after_s: Some(1) },
            Self::NetFails => sample_network::Fault::Status { status: 500, stored: false },
            Self::NetSlow => sample_network::Fault::Late { ms: 300 },
            Self::NetSilent => sample_network::Fault::NoAnswer { stored: false, how: Silence::Close },
            Self::NetSilentDone => sample_network::Fault::NoAnswer { stored: true, how: Silence::Close },
            _ => return None,
        })
    }

    pub(super) async fn begin(self, bench: &Bench) -> Relief {
        if let Some(fault) = self.disk() {
            bench.disk.set(fault);
            return Relief::Disk;
        }
        if let Some(fault) = self.network() {
            for method in ["POST", "DELETE"] {
                bench.net.set_fault(Plan::next(1, method, "/api/", fault.clone())).await;
            }
            return Relief::Network;
        }
        match self {
            Self::LogLow => {
                bench.disk.set_space(LOW);
                until("the log knows", || async {
                    (bench.gate.gateway().audit.health().word() == "low-disk").then_some(())
                })
                .await;
                Relief::Disk
            }
            Self::RecordsLocked => {
                let lock = records(bench);
                lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
                tokio::task::spawn_blocking(move || {
                    std::thread::sleep(LOCK_HELD);
                    lock.execute_batch("ROLLBACK").expect("free again");
                });
                Relief::Nothing
            }
            Self::RecordsBroken => {
                let store = records(bench);
                store.execute_batch("ALTER TABLE targets RENAME TO targets_away").expect("renamed");
                Relief::Records(store)
            }
            Self::NoPlugin => {
                let registry = &bench.gate.gateway().registry;
                let before = registry.snapshot();
                registry.replace(Snapshot { policies: before.policies.clone(), ..Snapshot::default() });
                Relief::Plugins(before)
            }
            Self::NetDown => {
                bench.line.cut();
                Relief::Line
            }
            _ => Relief::Nothing,
        }
    }
}

impl Relief {
    pub(super) async fn end(self, bench: &Bench) {
        match self {
            Self::Nothing => {}
            Self::Disk => {
                bench.disk.set(Fault::None);
                bench.disk.set_space(ROOMY);
            }
            Self::Line => bench.line.mend().await,
            Self::Network => bench.net.clear_faults().await,
            Self::Records(store) => {
                store.execute_batch("ALTER TABLE targets_away RENAME TO targets").expect("renamed back");
            }
            Self::Plugins(before) => {
                bench.gate.gateway().registry.replace(Snapshot::clone(&before));
            }
        }
    }
}

fn records(bench: &Bench) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let store = Connection::open_with_flags(bench.gate.site.config().records_dir(), flags).expect("opened");
    store.busy_timeout(Duration::from_secs(5)).expect("set");
    store
}
