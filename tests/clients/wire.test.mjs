// JSON-RPC as bytes: batches, ids, malformed and oversized input, error codes, CORS, WebSocket frames.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { notOnPeer, startNode, until, within } from './harness.mjs';

let node;
before(async () => {
  node = await startNode();
});
after(() => node?.stop());

const call = (id, method = 'eth_chainId', params = []) => ({ jsonrpc: '2.0', id, method, params });
const alive = async () => assert.equal(Number(await node.rpc('eth_chainId')), node.chainId);
const answer = async (body) => (await node.post(typeof body === 'string' ? body : JSON.stringify(body))).json();

test('a batch is answered whole, each by its id, failures apart', async () => {
  const answers = await answer([call(1), call('two', 'eth_blockNumber'), call(3, 'no_suchMethod'), call(4, 'eth_getBalance', ['0x12', 'latest'])]);
  assert.equal(answers.length, 4);
  const byId = new Map(answers.map((entry) => [entry.id, entry]));
  assert.equal(Number(byId.get(1).result), node.chainId);
  assert.match(byId.get('two').result, /^0x/);
  assert.equal(byId.get(3).error.code, -32601);
  assert.equal(byId.get(4).error.code, -32602);
});

test('a batch of one hundred', async () => {
  const answers = await answer(Array.from({ length: 100 }, (_, id) => call(id)));
  assert.deepEqual(answers.map(({ id }) => id).toSorted((a, b) => a - b), Array.from({ length: 100 }, (_, id) => id));
});

test('a batch beyond measure is refused, and the node goes on', { skip: notOnPeer('no limit') }, async () => {
  const text = await (await node.post(JSON.stringify(Array.from({ length: 20_000 }, (_, id) => call(id))))).text();
  const refusal = JSON.parse(text);
  assert.ok(!Array.isArray(refusal) && refusal.error, text.slice(0, 200));
  await alive();
});

/** [body, JSON-RPC error code] */
const MALFORMED = [
  ['{', -32700], ['', -32700], ['nonsense', -32700], ['{"jsonrpc":"2.0","id":1,"method":"eth_chainId"', -32700],
  ['[]', -32600], ['{}', -32600], ['[1]', -32600], ['{"jsonrpc":"2.0","id":1,"method":5}', -32600],
];
for (const [body, code] of MALFORMED) {
  test(`malformed ${JSON.stringify(body)} gets ${code}`, { skip: notOnPeer('its own codes') }, async () => {
    const response = await node.post(body);
    const parsed = JSON.parse(await response.text());
    const { error, id } = Array.isArray(parsed) ? parsed[0] : parsed;
    assert.equal(error.code, code, JSON.stringify(error));
    assert.ok(id === null || id === 1);
    await alive();
  });
}

test('a hundred thousand brackets do not bring the node down', async () => {
  await (await node.post('['.repeat(100_000))).text();
  await (await node.post(`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).text();
  await alive();
});

test('a body of 64 MiB is refused without being served', { skip: notOnPeer('no limit') }, async () => {
  const body = JSON.stringify(call(1, 'web3_sha3', [`0x${'00'.repeat(32 << 20)}`]));
  // The server may answer 413, or close the connection while the client is still writing.
  const outcome = await node.post(body).then(async (response) => ({ status: response.status, text: await response.text() }), (error) => ({ closed: error }));
  assert.ok(outcome.closed || outcome.status === 413 || JSON.parse(outcome.text).error, `${outcome.status} ${outcome.text?.slice(0, 200)}`);
  await alive();
});

test('the ids of requests come back as they were', async () => {
  for (const id of [0, 7, 'a string', '']) assert.equal((await answer(call(id))).id, id);
  assert.equal((await answer(call(null))).id, null);
});

test('params may be absent', async () => {
  const { result } = await answer({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber' });
  assert.match(result, /^0x/);
});

/** [method, params] that are wrong in form: all -32602 */
const WRONG_PARAMS = [
  ['eth_getBalance', []], ['eth_getBalance', ['0x12', 'latest']], ['eth_getBalance', ['not hex', 'latest']],
  ['eth_getBalance', [`0x${'11'.repeat(20)}`, 'yesterday']], ['eth_getBlockByNumber', ['0xzz', false]],
  ['eth_getTransactionByHash', ['0x1234']], ['eth_call', [{ to: 5 }, 'latest']], ['eth_getBlockByHash', []],
  ['eth_getStorageAt', [`0x${'11'.repeat(20)}`, `0x${'11'.repeat(33)}`, 'latest']],
];
for (const [method, params] of WRONG_PARAMS) {
  test(`${method} ${JSON.stringify(params).slice(0, 60)} gets -32602`, async () => {
    const { error } = await node.raw(method, params);
    assert.equal(error?.code, -32602, JSON.stringify(error));
  });
}

for (const method of ['no_suchMethod', '', 'eth_sendTransaction', 'eth_sign', 'personal_unlockAccount', 'miner_start', 'admin_addPeer', 'debug_setHead']) {
  test(`${method || 'the empty method'} does not exist`, { skip: notOnPeer('a development node') }, async () => {
    assert.equal((await node.raw(method)).error?.code, -32601);
  });
}

test('CORS: a page of any origin may preflight and call', async () => {
  const origin = 'https://wallet.example';
  const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  const preflight = await fetch(node.http, { method: 'OPTIONS', headers });
  assert.ok(preflight.ok, `${preflight.status}`);
  const allowed = (response, header) => response.headers.get(`access-control-allow-${header}`) ?? '';
  assert.ok(['*', origin].includes(allowed(preflight, 'origin')));
  assert.match(allowed(preflight, 'headers'), /\*|content-type/i);
  assert.match(allowed(preflight, 'methods'), /\*|POST/);
  const actual = await node.post(JSON.stringify(call(1)), { origin });
  assert.ok(['*', origin].includes(allowed(actual, 'origin')));
  await actual.text();
});

test('other HTTP methods get an answer, not a hang', async () => {
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const response = await within(method, fetch(node.http, { method }));
    assert.ok(response.status < 500, `${method}: ${response.status}`);
    await response.text();
  }
  await alive();
});

async function socket() {
  const ws = new WebSocket(node.ws);
  const inbox = [];
  ws.on('message', (text) => inbox.push(JSON.parse(text)));
  await within('the socket to open', new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject)));
  return { ws, inbox };
}

test('WebSocket: requests, batches and malformed frames on one connection', async () => {
  const { ws, inbox } = await socket();
  ws.send(JSON.stringify(call(1)));
  await until('a result', () => inbox.find((message) => Number(message.result) === node.chainId));
  ws.send(JSON.stringify([call(10), call(11)]));
  await until('a batch', () => inbox.find((message) => Array.isArray(message) && message.length === 2));
  ws.send('{');
  if (!notOnPeer('closes')) {
    await until('a parse error', () => inbox.find((message) => message.error?.code === -32700));
    ws.send(JSON.stringify(call(2)));
    await until('the connection to go on', () => inbox.find((message) => message.id === 2));
  }
  ws.terminate();
  await alive();
});

test('fifty connections at once', async () => {
  const sockets = await Promise.all(Array.from({ length: 50 }, socket));
  sockets.forEach(({ ws }, id) => ws.send(JSON.stringify(call(id))));
  await until('fifty answers', () => sockets.every(({ inbox }, id) => inbox[0]?.id === id));
  sockets.forEach(({ ws }) => ws.terminate());
  await alive();
});
