// A real OAuth 2.0 authorization server (oidc-provider) on one origin with a network's API, as social networks have it. What
// carries a good access token is passed to the network behind it; what does not is answered 401.
//
// /control belongs to the test: it counts, it makes the token endpoint misbehave, and it is the browser of the person who agrees.

import { createHash } from 'node:crypto';
import http from 'node:http';

// The first line of output is for the test; what oidc-provider says of a development setup is not.
console.info = console.warn = console.log = (...args) => console.error(...args);
const { Provider } = await import('oidc-provider');

const upstream = new URL(process.env.UPSTREAM_URL);
const upstreamToken = process.env.UPSTREAM_TOKEN;
const SCOPES = ['openid', 'offline_access', 'read', 'write'];

const state = {
  accessTtl: 3600,
  rotate: true,
  decline: false,
  // Who the person is.
  subject: 'acme',
  expiresIn: undefined,
  token: { mode: 'normal' },
};
const seen = { token: [], revocation: [], api: [], refusedApi: 0 };
const secrets = [];
const idTokens = [];
const refused = new Set();
const used = new Set();
const hash = (text) => (text ? createHash('sha256').update(text).digest('hex').slice(0, 16) : null);

const server = http.createServer(serve);
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const client = (id, method) => ({
  client_id: id,
  client_secret: method === 'none' ? undefined : process.env.CLIENT_SECRET,
  token_endpoint_auth_method: method,
  // A native client may come back to any port of the loopback (RFC 8252 section 7.3).
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  scope: SCOPES.join(' '),
});
// A machine that gets access tokens for itself, as JWTs (RFC 9068) for the resource that it names.
// People sign in at it (OpenID Connect).
const gate = { ...client('gate', 'client_secret_basic'), redirect_uris: ['http://127.0.0.1/people/callback'] };
const machine = {
  client_id: 'cms',
  client_secret: process.env.CLIENT_SECRET,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
};
const resources = {
  enabled: true,
  getResourceServerInfo: (_ctx, audience) => ({
    scope: 'read', audience, accessTokenTTL: 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
  }),
};
const provider = new Provider(origin, {
  clients: [client('pressgate', 'client_secret_basic'), client('pressgate-post', 'client_secret_post'), gate, machine],
  scopes: SCOPES,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true },
    clientCredentials: { enabled: true }, resourceIndicators: resources },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: () => true,
  rotateRefreshToken: () => state.rotate,
  ttl: { AccessToken: () => state.accessTtl, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 600 },
  cookies: { keys: ['of-a-test'] },
});
provider.use(async (ctx, next) => {
  await next();
  const params = ctx.oidc?.params;
  if (ctx.path === '/token' && ctx.method === 'POST') {
    seen.token.push({
      grant: params?.grant_type ?? null,
      refresh: hash(params?.refresh_token),
      status: ctx.status,
      error: ctx.body?.error ?? null,
      issuedRefresh: hash(ctx.body?.refresh_token),
      basic: Boolean(ctx.get('authorization')),
    });
    if (ctx.status === 200) idTokens.push(ctx.body.id_token);
    if (ctx.status === 200) secrets.push(ctx.body.access_token, ctx.body.refresh_token);
    if (ctx.status === 200 && state.expiresIn !== undefined) {
      ctx.body = { ...ctx.body, expires_in: state.expiresIn };
    }
    if (ctx.status === 200 && state.withoutRefresh) {
      const { refresh_token: _gone, ...rest } = ctx.body;
      ctx.body = rest;
    }
  }
  if (ctx.path === '/token/revocation') {
    seen.revocation.push({ hint: params?.token_type_hint ?? null, token: hash(params?.token), status: ctx.status });
  }
});
const issuer = provider.callback();

async function serve(req, res) {
  try {
    const path = req.url.split('?')[0];
    if (path.startsWith('/control/')) return await control(path, req, res);
    if (path.startsWith('/api/')) return await api(req, res);
    if (path.startsWith('/interaction/')) return await interaction(req, res);
    if (path === '/token') return await token(req, res);
    return issuer(req, res);
  } catch (error) {
    console.error(error);
    res.destroy();
  }
}

// The person agrees to everything, or declines.
async function interaction(req, res) {
  const details = await provider.interactionDetails(req, res);
  let result = { login: { accountId: state.subject } };
  if (state.decline) {
    result = { error: 'access_denied', error_description: '<script>alert(1)</script>' };
  } else if (details.prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope(SCOPES.join(' '));
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
}

async function token(req, res) {
  const plan = state.token;
  switch (plan.mode) {
    case 'normal':
      if (plan.delayMs) await new Promise((resolve) => setTimeout(resolve, plan.delayMs));
      return issuer(req, res);
    case 'cut':
      seen.token.push({ grant: 'cut' });
      return res.destroy();
    case 'raw':
      seen.token.push({ grant: 'raw' });
      res.writeHead(plan.status, { 'content-type': 'application/json', ...plan.headers });
      if (plan.endless) {
        const chunk = Buffer.alloc(65536, 'x');
        const more = () => {
          while (!res.destroyed && res.write(chunk));
          if (!res.destroyed) res.once('drain', more);
        };
        return more();
      }
      return res.end(plan.body);
    case 'kill':
      // The gateway is halted before the answer leaves and ended after: it has the answer and can't have kept it.
      state.token = { mode: 'normal' };
      await new Promise((resolve) => setTimeout(resolve, 50));
      process.kill(plan.pid, plan.delayMs == null ? 'SIGSTOP' : 'SIGCONT');
      res.on('finish', () => setTimeout(() => process.kill(plan.pid, 'SIGKILL'), plan.delayMs ?? 50));
      return issuer(req, res);
    default:
      throw new Error(`no mode ${plan.mode}`);
  }
}

async function api(req, res) {
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  const known = bearer && !refused.has(bearer) ? await provider.AccessToken.find(bearer) : undefined;
  if (!known?.isValid) {
    seen.refusedApi += 1;
    res.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Bearer error="invalid_token"' });
    return res.end(JSON.stringify({ error: 'The access token is invalid', saw: bearer }));
  }
  used.add(bearer);
  seen.api.push({ method: req.method, path: req.url.split('?')[0], token: hash(bearer) });
  const headers = { ...req.headers, authorization: `Bearer ${upstreamToken}`, host: upstream.host };
  const passed = http.request(new URL(req.url, upstream), { method: req.method, headers, agent: pool }, (answer) => {
    res.writeHead(answer.statusCode, { ...answer.headers, 'x-saw': bearer });
    answer.pipe(res);
  });
  passed.on('error', () => res.destroy());
  req.pipe(passed);
}
const pool = new http.Agent({ keepAlive: true, maxSockets: 64 });

async function control(path, req, res) {
  let text = '';
  for await (const chunk of req) text += chunk;
  const wish = text ? JSON.parse(text) : {};
  let answer = {};
  switch (path) {
    case '/control/seen':
      answer = seen;
      break;
    case '/control/secrets':
      answer = secrets.filter(Boolean);
      break;
    case '/control/id-tokens':
      answer = idTokens.filter(Boolean);
      break;
    case '/control/set':
      Object.assign(state, wish);
      break;
    case '/control/refuse-access':
      used.forEach((bearer) => refused.add(bearer));
      answer = { refused: refused.size };
      break;
    case '/control/browse':
      answer = await browse(wish.url);
      break;
    default:
      res.writeHead(404);
      return res.end();
  }
  res.writeHead(200, { 'content-type': 'application/json' });
  return res.end(JSON.stringify(answer));
}

// A browser with cookies that follows redirects until it would leave this server.
async function browse(start) {
  const cookies = new Map();
  let url = start;
  for (let hop = 0; hop < 12; hop += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = answer.headers.get('location');
    if (!location) return { status: answer.status, body: await answer.text() };
    url = new URL(location, url).href;
    if (!url.startsWith(`${origin}/`)) return { callback: url };
  }
  return { status: 0, body: 'too many redirects' };
}

// It ends when its standard input does, so it does not outlive a test that was killed.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdout.write(`${JSON.stringify({ url: origin })}\n`);
