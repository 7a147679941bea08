// viem: logs, filters and subscriptions, by polling over HTTP and by push over WebSocket.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { encodeAbiParameters, keccak256, numberToHex, pad, parseAbiItem, toEventSelector, toHex, zeroHash } from 'viem';
import { closeSocket, notOnPeer, startNode, until, within } from './harness.mjs';

const ENTRY = parseAbiItem('event Entry(address indexed who, uint256 indexed key, uint256 value)');
let node, client, socket, alice, bob, ledger, other;
before(async () => {
  node = await startNode();
  client = node.client;
  socket = node.socketClient();
  [alice, bob] = await node.accounts(2);
  ledger = await node.deploy('Ledger', ['events', 1_000n], alice);
  other = await node.deploy('Ledger', ['other', 1_000n], alice);
});
after(async () => {
  await closeSocket(socket);
  await node?.stop();
});

/** Writes one entry and returns its receipt. */
async function put(contract, account, key, value) {
  const receipt = await node.receipt(await node.wallet(account).writeContract({ ...contract, functionName: 'put', args: [key, value] }));
  assert.equal(receipt.status, 'success');
  return receipt;
}

test('getLogs by address, topic, topic list, range and block hash', async () => {
  const first = await put(ledger, alice, 1n, 10n);
  const second = await put(ledger, bob, 2n, 20n);
  const third = await put(other, bob, 1n, 30n);
  const range = { fromBlock: first.blockNumber, toBlock: third.blockNumber };
  const values = async (filter) => (await client.getLogs({ event: ENTRY, ...range, ...filter })).map((log) => log.args.value);
  assert.deepEqual(await values({ address: ledger.address }), [10n, 20n]);
  assert.deepEqual(await values({ address: [ledger.address, other.address] }), [10n, 20n, 30n]);
  assert.deepEqual(await values({ args: { who: bob.address } }), [20n, 30n]);
  assert.deepEqual(await values({ args: { key: [1n, 9n] } }), [10n, 30n]);
  assert.deepEqual(await values({ args: { who: alice.address, key: 2n } }), []);
  assert.deepEqual(await values({ toBlock: second.blockNumber }), [10n, 20n]);
  const [log] = await client.getLogs({ blockHash: second.blockHash, event: ENTRY });
  assert.deepEqual(log.args, { who: bob.address, key: 2n, value: 20n });
  assert.equal(log.blockHash, second.blockHash);
  assert.equal(log.transactionHash, second.transactionHash);
  assert.equal(log.removed, false);
  assert.deepEqual(second.logs.map(({ logIndex, data }) => [logIndex, data]), [[log.logIndex, log.data]]);
});

test('an indexed string is its hash; dynamic data is decoded', async () => {
  const hash = await node.wallet(alice).writeContract({ ...ledger, functionName: 'note', args: ['topic', 'héllo ✓', '0xdeadbeef'] });
  const { logs } = await node.receipt(hash);
  assert.equal(logs[0].topics[1], keccak256(toHex('topic')));
  assert.equal(logs[0].data, encodeAbiParameters([{ type: 'string' }, { type: 'bytes' }], ['héllo ✓', '0xdeadbeef']));
});

test('many logs in one block are numbered through', async () => {
  const hash = await node.wallet(alice).writeContract({ ...ledger, functionName: 'putMany', args: [100n, 50n] });
  const receipt = await node.receipt(hash);
  const logs = await client.getLogs({ address: ledger.address, blockHash: receipt.blockHash });
  assert.equal(logs.length, 50);
  logs.forEach((log, index) => assert.equal(log.logIndex, logs[0].logIndex + index));
});

test('wrong ranges are errors, not silence', async () => {
  const head = await client.getBlockNumber();
  const ask = (filter) => node.raw('eth_getLogs', [filter]);
  assert.ok((await ask({ blockHash: zeroHash })).error, 'unknown block hash');
  assert.ok((await ask({ blockHash: zeroHash, fromBlock: '0x1' })).error, 'block hash and range');
  if (notOnPeer('answers with nothing')) return;
  assert.ok((await ask({ fromBlock: numberToHex(head), toBlock: numberToHex(head - 1n) })).error, 'reversed range');
  assert.ok((await ask({ fromBlock: numberToHex(head + 10_000n), toBlock: numberToHex(head + 20_000n) })).error, 'future range');
});

test('filters: logs since the last question, all logs, uninstall', async () => {
  const filter = await client.createContractEventFilter({ ...ledger, eventName: 'Entry', args: { who: bob.address } });
  assert.deepEqual(await client.getFilterChanges({ filter }), []);
  await put(ledger, alice, 3n, 1n);
  await put(ledger, bob, 3n, 2n);
  const logs = await until('the filter to report', async () => {
    const changes = await client.getFilterChanges({ filter });
    return changes.length > 0 && changes;
  });
  assert.deepEqual(logs.map((log) => log.args), [{ who: bob.address, key: 3n, value: 2n }]);
  assert.deepEqual(await client.getFilterChanges({ filter }), []);
  const all = await node.rpc('eth_getFilterLogs', [filter.id]);
  assert.ok(all.length >= 1 && all.every((log) => log.topics[1] === pad(bob.address).toLowerCase()));
  assert.equal(await client.uninstallFilter({ filter }), true);
  assert.equal(await client.uninstallFilter({ filter }), false);
  const { error } = await node.raw('eth_getFilterChanges', [filter.id]);
  if (!notOnPeer('empty list')) assert.match(error.message, /filter not found/);
});

test('a filter over past blocks: getFilterLogs', async () => {
  const receipt = await put(ledger, bob, 4n, 4n);
  const filter = await client.createEventFilter({ address: ledger.address, event: ENTRY, fromBlock: 0n, toBlock: receipt.blockNumber });
  const logs = await client.getFilterLogs({ filter });
  assert.ok(logs.some((log) => log.transactionHash === receipt.transactionHash));
});

test('block and pending-transaction filters', async () => {
  const blocks = await client.createBlockFilter();
  const pending = await client.createPendingTransactionFilter();
  const receipt = await put(ledger, alice, 5n, 5n);
  const collect = (filter, wanted) => {
    const seen = [];
    return until(`${wanted} in a filter`, async () => {
      seen.push(...(await client.getFilterChanges({ filter })));
      return seen.includes(wanted);
    });
  };
  await collect(blocks, receipt.blockHash);
  await collect(pending, receipt.transactionHash);
});

/** Runs `watch` with a callback that resolves on the first item accepted by `wanted`. */
function firstOf(what, watch, wanted) {
  let unwatch;
  const found = new Promise((resolve, reject) => {
    unwatch = watch((item) => wanted(item) && resolve(item), reject);
  });
  return { found: within(what, found).finally(() => unwatch()) };
}

for (const transport of ['HTTP', 'WebSocket']) {
  const from = () => (transport === 'HTTP' ? client : socket);

  test(`watchContractEvent over ${transport}`, async () => {
    const key = transport === 'HTTP' ? 6n : 7n;
    const seen = firstOf('the event', (onLog, onError) => from().watchContractEvent({
      ...ledger, eventName: 'Entry', args: { who: bob.address }, strict: true, onError, onLogs: (logs) => logs.forEach(onLog),
    }), () => true);
    await ready(from());
    await put(ledger, alice, key, 1n); // not bob's: must not be reported
    const receipt = await put(ledger, bob, key, 2n);
    const log = await seen.found;
    assert.deepEqual(log.args, { who: bob.address, key, value: 2n });
    assert.equal(log.transactionHash, receipt.transactionHash);
  });

  test(`watchBlocks over ${transport} sees each block once, in order`, async () => {
    const numbers = [];
    const seen = firstOf('four blocks', (onBlock, onError) => from().watchBlocks({ onBlock, onError, emitMissed: true }), (block) => numbers.push(block.number) >= 4);
    await put(ledger, alice, 8n, 8n);
    await put(ledger, alice, 8n, 9n);
    await seen.found;
    numbers.slice(1).forEach((number, index) => assert.equal(number, numbers[index] + 1n, `${numbers}`));
  });

  test(`watchPendingTransactions over ${transport}`, async () => {
    const hashes = new Set();
    const unwatch = from().watchPendingTransactions({ onError: assert.ifError, onTransactions: (all) => all.forEach((hash) => hashes.add(hash)) });
    try {
      await ready(from());
      const { transactionHash } = await put(ledger, alice, 9n, 9n);
      await until('the pending hash', () => hashes.has(transactionHash));
    } finally {
      unwatch();
    }
  });
}

/** viem installs its filter or subscription without telling; one more round trip on the same transport follows it. */
async function ready(from) {
  await from.getBlockNumber();
  await from.getBlockNumber();
}

/** A bare WebSocket that speaks JSON-RPC: what subscriptions look like on the wire. */
async function openSocket() {
  const ws = new (await import('ws')).default(node.ws);
  await within('the socket to open', new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject)));
  const inbox = [];
  ws.on('message', (text) => inbox.push(JSON.parse(text)));
  let id = 0;
  const request = async (method, params) => {
    const mine = ++id;
    ws.send(JSON.stringify({ jsonrpc: '2.0', id: mine, method, params }));
    return until(`an answer to ${method}`, () => inbox.find((message) => message.id === mine));
  };
  const notes = (subscription) => inbox.filter((message) => message.params?.subscription === subscription).map((message) => message.params.result);
  return { ws, request, notes };
}

test('subscriptions on the wire: ids, heads, logs, pending hashes and bodies, unsubscribe', async () => {
  const { ws, request, notes } = await openSocket();
  const { result: heads } = await request('eth_subscribe', ['newHeads']);
  const { result: logs } = await request('eth_subscribe', ['logs', { address: ledger.address, topics: [toEventSelector(ENTRY), null, [pad('0xa'), pad('0xb')]] }]);
  const { result: pending } = await request('eth_subscribe', ['newPendingTransactions']);
  for (const id of [heads, logs, pending]) assert.match(id, /^0x[0-9a-f]+$/, 'subscription ids are hex strings');
  await put(ledger, alice, 9n, 1n);
  const receipt = await put(ledger, alice, 11n, 1n);
  const log = (await until('the log', () => notes(logs).length > 0 && notes(logs)))[0];
  assert.equal(log.transactionHash, receipt.transactionHash);
  assert.equal(log.removed, false);
  const head = await until('the head', () => notes(heads).find(({ hash }) => hash === receipt.blockHash));
  const block = await node.rpc('eth_getBlockByHash', [receipt.blockHash, false]);
  for (const field of Object.keys(head)) if (field in block) assert.deepEqual(head[field], block[field], field);
  for (const field of ['parentHash', 'baseFeePerGas', 'logsBloom', 'requestsHash', 'stateRoot']) assert.ok(field in head, field);
  assert.ok(notes(pending).includes(receipt.transactionHash));

  assert.equal((await request('eth_unsubscribe', [heads])).result, true);
  const count = notes(heads).length;
  await put(ledger, alice, 12n, 1n);
  assert.equal(notes(heads).length, count, 'heads after unsubscribe');
  const again = await request('eth_unsubscribe', [heads]);
  assert.ok(again.error || again.result === false);
  assert.ok((await request('eth_subscribe', ['nonsense'])).error);
  ws.close();
});

test('full bodies of pending transactions', async () => {
  const { ws, request, notes } = await openSocket();
  const { result: pending, error } = await request('eth_subscribe', ['newPendingTransactions', true]);
  if (notOnPeer('hashes only') && error) return ws.close();
  const { transactionHash } = await put(ledger, alice, 13n, 1n);
  const body = await until('the body', () => notes(pending).find((note) => (note.hash ?? note) === transactionHash));
  if (!notOnPeer('hashes only')) {
    assert.equal(body.from, alice.address.toLowerCase());
    assert.equal(body.blockNumber, null);
  }
  ws.close();
});

test('subscribing over HTTP is refused', async () => {
  const { error } = await node.raw('eth_subscribe', ['newHeads']);
  assert.ok(error);
});
