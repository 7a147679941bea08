// viem: nonce gaps, replacement, ordering, and the txpool_* window on what waits.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { numberToHex, parseGwei } from 'viem';
import { notOnPeer, rejection, startNode, until } from './harness.mjs';

let node, client, sink;
before(async () => {
  node = await startNode();
  client = node.client;
  [sink] = await node.accounts(1, '0');
});
after(() => node?.stop());

const FEES = { maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: parseGwei('10') };
const send = (account, nonce, request = {}) => node.wallet(account).sendTransaction({ to: sink.address, gas: 21_000n, nonce, ...FEES, ...request });
const count = (account, blockTag) => client.getTransactionCount({ address: account.address, blockTag });

test('a nonce gap waits, and filling it includes all in order', async () => {
  const [alice] = await node.accounts();
  const late = [await send(alice, 3), await send(alice, 2), await send(alice, 1)];
  const at = await client.getBlockNumber();
  await until('two more blocks', async () => (await client.getBlockNumber()) >= at + 2n);
  for (const hash of late) assert.equal(await node.rpc('eth_getTransactionReceipt', [hash]), null, 'included over a gap');
  assert.equal(await count(alice, 'latest'), 0);
  assert.equal(await count(alice, 'pending'), 0, 'a gapped nonce must not count as pending');
  late.push(await send(alice, 0));
  const receipts = [];
  for (const hash of late.reverse()) receipts.push(await node.receipt(hash));
  receipts.forEach(({ status }) => assert.equal(status, 'success'));
  const positions = receipts.map(({ blockNumber, transactionIndex }) => blockNumber * 100_000n + BigInt(transactionIndex));
  assert.deepEqual(positions, positions.toSorted((a, b) => Number(a - b)));
  assert.equal(await count(alice, 'latest'), 4);
});

test('replacement: refused below +10 %, taken at +10 %, and only the new one is included', async () => {
  const [alice] = await node.accounts();
  const first = await send(alice, 1);
  const same = await rejection(send(alice, 1, { value: 1n }));
  assert.match(same.details, /replacement transaction underpriced/);
  const bump = (percent) => ({ maxFeePerGas: (FEES.maxFeePerGas * percent) / 100n, maxPriorityFeePerGas: (FEES.maxPriorityFeePerGas * percent) / 100n });
  if (!notOnPeer('takes any rise of one fee')) {
    const tooLittle = await rejection(send(alice, 1, { value: 1n, ...bump(109n) }));
    assert.match(tooLittle.details, /replacement transaction underpriced/);
    const onlyTip = await rejection(send(alice, 1, { value: 1n, ...bump(110n), maxFeePerGas: FEES.maxFeePerGas }));
    assert.match(onlyTip.details, /replacement transaction underpriced/);
  }
  const second = await send(alice, 1, { value: 2n, ...bump(110n) });
  await send(alice, 0);
  assert.equal((await node.receipt(second)).status, 'success');
  assert.equal(await node.rpc('eth_getTransactionReceipt', [first]), null);
  assert.equal(await count(alice, 'latest'), 2);
});

test('the same transaction again is already known', async () => {
  const [alice] = await node.accounts();
  const wallet = node.wallet(alice);
  const request = await wallet.prepareTransactionRequest({ to: sink.address, gas: 21_000n, nonce: 5, ...FEES });
  const signed = await wallet.signTransaction(request);
  await client.sendRawTransaction({ serializedTransaction: signed });
  const { error } = await node.raw('eth_sendRawTransaction', [signed]);
  assert.match(error.message, /already known|already imported/);
});

test('the pool asks for the money of all a sender has waiting', { skip: notOnPeer('checks each alone') }, async () => {
  const [alice] = await node.accounts(1, '1');
  await send(alice, 1, { value: 6n * 10n ** 17n });
  // Either refused at the door, or dropped when its turn comes; never included.
  const { hash, error } = await send(alice, 2, { value: 6n * 10n ** 17n }).then((accepted) => ({ hash: accepted }), (refused) => ({ error: refused }));
  if (error) assert.match(error.details, /insufficient funds|overdraft/);
  await node.receipt(await send(alice, 0));
  await until('nonce 1 to pass', async () => (await count(alice, 'latest')) >= 2);
  if (hash) assert.equal(await node.rpc('eth_getTransactionReceipt', [hash]), null);
});

test('txpool: status, content, contentFrom, inspect show what waits', async () => {
  const [alice] = await node.accounts();
  const hash = await send(alice, 7);
  const nonces = (section) => Object.entries(section).find(([address]) => address.toLowerCase() === alice.address.toLowerCase())?.[1] ?? {};
  const content = await node.rpc('txpool_content');
  assert.equal(nonces(content.queued)['7']?.hash, hash);
  assert.equal(nonces(content.queued)['7'].from, alice.address.toLowerCase());
  assert.equal(nonces(content.queued)['7'].blockHash, null);
  const status = await node.rpc('txpool_status');
  assert.ok(BigInt(status.queued) >= 1n && BigInt(status.pending) >= 0n);
  assert.match(nonces((await node.rpc('txpool_inspect')).queued)['7'], new RegExp(sink.address, 'i'));
  assert.equal((await client.getTransaction({ hash })).blockNumber, null);
  if (notOnPeer('no txpool_contentFrom')) return;
  const mine = await node.rpc('txpool_contentFrom', [alice.address]);
  assert.equal(mine.queued['7'].hash, hash);
});

test('a hundred transactions of one sender, sent at once, are included in order', async () => {
  const [alice] = await node.accounts();
  const wallet = node.wallet(alice);
  const signed = await Promise.all(Array.from({ length: 100 }, (_, nonce) => wallet.signTransaction({ to: sink.address, gas: 21_000n, nonce, value: 1n, type: 'eip1559', ...FEES })));
  const batch = signed.map((raw, id) => ({ jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [raw] }));
  const answers = await (await node.post(JSON.stringify(batch))).json();
  answers.forEach(({ error }) => assert.equal(error, undefined));
  await until('all hundred', async () => (await count(alice, 'latest')) === 100);
  const pending = await node.rpc('eth_getTransactionCount', [alice.address, 'pending']);
  assert.equal(pending, numberToHex(100));
});

test('higher tips go first among senders', { skip: notOnPeer('not by tip within a block time') }, async () => {
  const senders = await node.accounts(6);
  const tips = [3, 9, 1, 7, 5, 11].map((tip) => parseGwei(`${tip}`));
  const signed = await Promise.all(senders.map((account, i) => node.wallet(account).signTransaction({
    to: sink.address, gas: 21_000n, nonce: 0, type: 'eip1559', maxFeePerGas: parseGwei('200'), maxPriorityFeePerGas: tips[i],
  })));
  const batch = signed.map((raw, id) => ({ jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [raw] }));
  const answers = await (await node.post(JSON.stringify(batch))).json();
  const blocks = new Map();
  for (const [i, { result }] of answers.entries()) {
    const { blockNumber, transactionIndex } = await node.receipt(result);
    blocks.set(blockNumber, [...(blocks.get(blockNumber) ?? []), { at: transactionIndex, tip: tips[i] }]);
  }
  for (const included of blocks.values()) {
    const byPlace = included.toSorted((a, b) => a.at - b.at).map(({ tip }) => tip);
    assert.deepEqual(byPlace, byPlace.toSorted((a, b) => Number(b - a)));
  }
});
