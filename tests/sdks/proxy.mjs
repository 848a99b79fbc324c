// Node's `fetch` by way of the proxy that the environment names: `node --import ./proxy.mjs …`, as docs/forward.md says.
import { EnvHttpProxyAgent, setGlobalDispatcher } from 'undici'

setGlobalDispatcher(new EnvHttpProxyAgent())
