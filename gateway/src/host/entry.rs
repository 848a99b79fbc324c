//! What a plugin exports, found once. A call looks up the one function that it calls, and checks the types of that one: the others
//! were checked when the plugin was loaded.

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower};

use super::bindings::{AdapterPre, ConnectorPre, PolicyPre};
use super::contract::CONTRACT;
use super::imports::CallState;

/// Functions of an adapter that are called after it was loaded, by their names in `wit/adapter.wit`.
const ADAPTER: [&str; 8] =
    ["discover", "check", "classify", "perform", "reconcile", "observe", "render-session", "render-refusal"];
/// The same of a policy, in `wit/policy.wit`.
const POLICY: [&str; 1] = ["review"];
/// The same of a connector, in `wit/connector.wit`.
const CONNECTOR: [&str; 2] = ["deliver", "reconcile"];

/// The world that a plugin implements, with names resolved and types checked.
pub(super) enum Entry {
    Adapter(AdapterPre<CallState>, Functions),
    Policy(PolicyPre<CallState>, Functions),
    Connector(ConnectorPre<CallState>, Functions),
}

/// What a call runs in.
pub(super) struct Ready {
    pub(super) store: Store<CallState>,
    /// The instance, where it was made ahead of the call.
    pub(super) instance: Option<Instance>,
}

/// Where the functions of one interface are.
pub(super) struct Functions(Vec<(&'static str, ComponentExportIndex)>);

impl Entry {
    pub(super) fn adapter(pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        let functions = Functions::find(&pre, "adapter-api", &ADAPTER)?;
        Ok(Self::Adapter(AdapterPre::new(pre)?, functions))
    }

    pub(super) fn policy(pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        let functions = Functions::find(&pre, "policy-api", &POLICY)?;
        Ok(Self::Policy(PolicyPre::new(pre)?, functions))
    }

    pub(super) fn connector(pre: InstancePre<CallState>) -> wasmtime::Result<Self> {
        let functions = Functions::find(&pre, "connector-api", &CONNECTOR)?;
        Ok(Self::Connector(ConnectorPre::new(pre)?, functions))
    }

    /// Why it can't be asked for a function, or none.
    pub(super) fn lacks(&self, function: &str) -> Option<&'static str> {
        let (functions, other) = match self {
            Self::Adapter(_, functions) => (functions, "the plugin is an adapter, which is not asked this"),
            Self::Policy(_, functions) => (functions, "the plugin is a policy, which is not asked this"),
            Self::Connector(_, functions) => (functions, "the plugin is a connector, which is not asked this"),
        };
        functions.0.iter().all(|(name, _)| *name != function).then_some(other)
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// The guest failed.
    pub(super) async fn instance(&self, store: &mut Store<CallState>) -> wasmtime::Result<Instance> {
        let pre = match self {
            Self::Adapter(pre, _) => pre.instance_pre(),
            Self::Policy(pre, _) => pre.instance_pre(),
            Self::Connector(pre, _) => pre.instance_pre(),
        };
        pre.instantiate_async(store).await
    }

    /// Calls a function in an instance that nobody called before. `Answer` is a tuple of one.
    ///
    /// # Errors
    /// The guest failed, or has no such function.
    pub(super) async fn call<Params, Answer>(
        &self,
        ready: &mut Ready,
        function: &str,
        params: Params,
    ) -> wasmtime::Result<Answer>
    where
        Params: ComponentNamedList + Lower,
        Answer: ComponentNamedList + Lift + 'static,
    {
        let (Self::Adapter(_, functions) | Self::Policy(_, functions) | Self::Connector(_, functions)) = self;
        let found = functions.0.iter().find(|(name, _)| *name == function);
        let (_, place) = found.ok_or_else(|| wasmtime::Error::msg(format!("it has no function `{function}`")))?;
        let instance = match ready.instance.take() {
            Some(instance) => instance,
            None => self.instance(&mut ready.store).await?,
        };
        let called = instance.get_typed_func::<Params, Answer>(&mut ready.store, place)?;
        called.call_async(&mut ready.store, params).await
    }
}

impl Functions {
    fn find(pre: &InstancePre<CallState>, interface: &str, names: &[&'static str]) -> wasmtime::Result<Self> {
        let missing = |name: &str| wasmtime::Error::msg(format!("it does not export `{name}`"));
        let component = pre.component();
        // The engine finds an older version of it by this name too.
        let name = format!("pressgate:plugin/{interface}@{CONTRACT}");
        let interface = component.get_export_index(None, &name).ok_or_else(|| missing(&name))?;
        let place = |name: &&'static str| {
            let place = component.get_export_index(Some(&interface), *name).ok_or_else(|| missing(name))?;
            Ok((*name, place))
        };
        names.iter().map(place).collect::<wasmtime::Result<_>>().map(Self)
    }
}
