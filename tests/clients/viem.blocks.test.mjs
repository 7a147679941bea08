// viem: blocks by every tag, number and hash; fees and fee history; what the node says of itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keccak256, numberToHex, parseGwei, toHex, zeroHash } from 'viem';
import { least, nextBaseFee } from './encoding.mjs';
import { notOnPeer, rejection, startNode, until } from './harness.mjs';

let node, client, alice, receipt;
before(async () => {
  node = await startNode();
  client = node.client;
  [alice] = await node.accounts();
  receipt = await node.receipt(await node.wallet(alice).sendTransaction({ to: alice.address, value: 1n, maxPriorityFeePerGas: parseGwei('2'), maxFeePerGas: parseGwei('90') }));
});
after(() => node?.stop());

test('latest, safe and finalized are one block', { skip: notOnPeer('has epochs') }, async () => {
  const batch = ['latest', 'safe', 'finalized'].map((tag, id) => ({ jsonrpc: '2.0', id, method: 'eth_getBlockByNumber', params: [tag, false] }));
  await until('three equal answers (the head may move between them)', async () => {
    const answers = await (await node.post(JSON.stringify(batch))).json();
    return new Set(answers.map(({ result }) => result.hash)).size === 1;
  });
});

test('earliest is block 0, and the chain hangs together from it', async () => {
  const earliest = await client.getBlock({ blockTag: 'earliest' });
  assert.equal(earliest.number, 0n);
  assert.equal(earliest.parentHash, zeroHash);
  const first = await client.getBlock({ blockNumber: 1n });
  assert.equal(first.parentHash, earliest.hash);
});

test('pending is a block on top of the head, or the head', async () => {
  const { number } = await client.getBlock();
  const pending = await client.getBlock({ blockTag: 'pending' });
  assert.ok(pending.number === null || pending.number >= number);
});

test('a block by hash and by number is the same, bodies or hashes', async () => {
  const byHash = await client.getBlock({ blockHash: receipt.blockHash });
  assert.deepEqual(await client.getBlock({ blockNumber: receipt.blockNumber }), byHash);
  assert.ok(byHash.transactions.includes(receipt.transactionHash));
  const full = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
  const transaction = full.transactions[receipt.transactionIndex];
  assert.equal(transaction.hash, receipt.transactionHash);
  assert.deepEqual(transaction, await client.getTransaction({ hash: receipt.transactionHash }));
  assert.equal(byHash.withdrawals.length, 0);
  assert.deepEqual(byHash.uncles, []);
  assert.ok(byHash.size > 500n);
  assert.ok(Math.abs(Number(byHash.timestamp) - Date.now() / 1000) < 60);
});

test('transactions by place; counts; uncles', async () => {
  const { blockHash, blockNumber, transactionIndex, transactionHash } = receipt;
  const number = numberToHex(blockNumber);
  const index = numberToHex(transactionIndex);
  assert.equal((await node.rpc('eth_getTransactionByBlockHashAndIndex', [blockHash, index])).hash, transactionHash);
  assert.equal((await node.rpc('eth_getTransactionByBlockNumberAndIndex', [number, index])).hash, transactionHash);
  assert.equal(await node.rpc('eth_getTransactionByBlockNumberAndIndex', [number, '0xffff']), null);
  const { transactions } = await client.getBlock({ blockHash });
  assert.equal(await client.getBlockTransactionCount({ blockHash }), transactions.length);
  assert.equal(await client.getBlockTransactionCount({ blockNumber }), transactions.length);
  assert.equal(await node.rpc('eth_getUncleCountByBlockHash', [blockHash]), '0x0');
  assert.equal(await node.rpc('eth_getUncleCountByBlockNumber', [number]), '0x0');
  assert.equal(await node.rpc('eth_getUncleByBlockHashAndIndex', [blockHash, '0x0']), null);
  assert.equal(await node.rpc('eth_getUncleByBlockNumberAndIndex', [number, '0x0']), null);
});

test('receipts of a block, by number, tag and hash', async () => {
  const byNumber = await node.rpc('eth_getBlockReceipts', [numberToHex(receipt.blockNumber)]);
  assert.deepEqual(byNumber[receipt.transactionIndex], await node.rpc('eth_getTransactionReceipt', [receipt.transactionHash]));
  if (!notOnPeer('number only')) assert.deepEqual(await node.rpc('eth_getBlockReceipts', [receipt.blockHash]), byNumber);
  assert.ok(Array.isArray(await node.rpc('eth_getBlockReceipts', ['latest'])));
});

test('a block that is not there is null', async () => {
  const future = numberToHex((await client.getBlockNumber()) + 1_000_000n);
  assert.equal(await node.rpc('eth_getBlockByNumber', [future, false]), null);
  assert.equal(await node.rpc('eth_getBlockByHash', [zeroHash, true]), null);
  assert.equal(await node.rpc('eth_getBlockReceipts', [future]), null);
  assert.equal(await node.rpc('eth_getBlockTransactionCountByHash', [zeroHash]), null);
  assert.equal((await rejection(client.getBlock({ blockHash: zeroHash }))).name, 'BlockNotFoundError');
});

test('fee history: base fees follow EIP-1559 and the blocks', async () => {
  const head = await client.getBlock();
  const history = await client.getFeeHistory({ blockCount: 5, blockNumber: head.number, rewardPercentiles: [0, 50, 100] });
  const oldest = history.oldestBlock;
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
  assert.equal(history.reward.length, history.gasUsedRatio.length);
  assert.equal(oldest + BigInt(history.gasUsedRatio.length) - 1n, head.number);
  for (const [index, ratio] of history.gasUsedRatio.entries()) {
    const block = await client.getBlock({ blockNumber: oldest + BigInt(index) });
    assert.equal(history.baseFeePerGas[index], block.baseFeePerGas);
    assert.ok(Math.abs(ratio - Number(block.gasUsed) / Number(block.gasLimit)) < 1e-9);
    // Block 1 starts with the base fee of genesis.
    if (!notOnPeer('its own parameters') && block.number > 0n) assert.equal(history.baseFeePerGas[index + 1], nextBaseFee(await node.rpc('eth_getBlockByHash', [block.hash, false]), least(history.baseFeePerGas)));
  }
});

test('fee history: rewards are the tips that were paid', async () => {
  const history = await client.getFeeHistory({ blockCount: 1, blockNumber: receipt.blockNumber, rewardPercentiles: [50] });
  assert.equal(history.oldestBlock, receipt.blockNumber);
  assert.equal(history.reward[0][0], parseGwei('2'));
});

test('fee history: wrong percentiles and ranges', { skip: notOnPeer('lenient') }, async () => {
  assert.ok((await node.raw('eth_feeHistory', ['0x1', 'latest', [101]])).error, 'above 100');
  assert.ok((await node.raw('eth_feeHistory', ['0x1', 'latest', [50, 10]])).error, 'descending');
  const future = numberToHex((await client.getBlockNumber()) + 1_000_000n);
  assert.ok((await node.raw('eth_feeHistory', ['0x1', future, []])).error, 'beyond the head');
  const { gasUsedRatio } = await node.rpc('eth_feeHistory', ['0xffff', 'latest', null]);
  assert.ok(gasUsedRatio.length <= 1_024);
});

test('gas price and tip make a transaction that is included', async () => {
  const [gasPrice, tip, { baseFeePerGas }] = await Promise.all([client.getGasPrice(), client.estimateMaxPriorityFeePerGas(), client.getBlock()]);
  assert.ok(gasPrice >= (baseFeePerGas * 7n) / 8n, `${gasPrice} < ${baseFeePerGas}`);
  assert.ok(tip >= 0n);
  const fees = await client.estimateFeesPerGas();
  assert.ok(fees.maxFeePerGas >= baseFeePerGas);
  assert.match(await node.rpc('eth_blobBaseFee'), /^0x[0-9a-f]+$/);
});

test('the node about itself', async () => {
  assert.equal(await client.getChainId(), node.chainId);
  assert.equal(await node.rpc('net_version'), `${node.chainId}`);
  assert.match(await node.rpc('web3_clientVersion'), notOnPeer('') ? /anvil/ : /^cairn\//i);
  assert.equal(await node.rpc('eth_syncing'), false);
  assert.equal(typeof (await node.rpc('net_listening')), 'boolean');
  assert.equal(await node.rpc('web3_sha3', ['0x68656c6c6f']), keccak256(toHex('hello')));
  if (notOnPeer('has accounts and no peers')) return;
  assert.match(await node.rpc('net_peerCount'), /^0x(0|[1-9a-f][0-9a-f]*)$/);
  assert.deepEqual(await node.rpc('eth_accounts'), []);
});

test('there is no Merkle-Patricia proof to give', { skip: notOnPeer('has one') }, async () => {
  assert.equal((await node.raw('eth_getProof', [alice.address, [], 'latest'])).error.code, -32601);
});

test('transactions sent one after another do not wait for heartbeats between them', { skip: notOnPeer('mines by the clock') }, async () => {
  const wallet = node.wallet(alice);
  const first = await client.getTransactionCount({ address: alice.address });
  const fees = { maxFeePerGas: parseGwei('90'), maxPriorityFeePerGas: 1n, gas: 21_000n, type: 'eip1559' };
  const signed = await Promise.all(Array.from({ length: 12 }, (_, i) => wallet.signTransaction({ to: alice.address, nonce: first + i, ...fees })));
  const numbers = [];
  for (const serializedTransaction of signed) numbers.push((await client.sendRawTransactionSync({ serializedTransaction })).blockNumber);
  // One block each; an empty one between any two would make it 22. A slow machine may see a few.
  assert.ok(numbers.at(-1) - numbers[0] <= 15n, `included in ${numbers}`);
});

test('blocks come without transactions too, in time', async () => {
  const start = await client.getBlock();
  const next = await until('an empty heartbeat block', async () => {
    const block = await client.getBlock();
    return block.number >= start.number + 2n && block;
  }, 10_000);
  assert.ok(next.timestamp >= start.timestamp);
});
