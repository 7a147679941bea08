// What a node acknowledged stays: over a clean stop, over kill -9 under load, and in a committee
// of four validators.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { numberToHex, parseGwei, toHex } from 'viem';
import { notOnPeer, rejection, startNode, until } from './harness.mjs';

const CRASHES = 5;
const FEES = { type: 'eip1559', gas: 21_000n, maxFeePerGas: parseGwei('500'), maxPriorityFeePerGas: parseGwei('1') };

describe('persistence', { skip: notOnPeer('keeps nothing') }, () => {
  let dataDir;
  const running = new Set();
  const start = async (options = {}) => {
    const node = await startNode({ dataDir, ...options });
    running.add(node);
    node.exited.then(() => running.delete(node));
    return node;
  };
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'cairn-client-test-'));
  });
  afterEach(async () => {
    for (const node of running) await node.crash();
    rmSync(dataDir, { recursive: true, force: true });
  });

  for (const validators of [undefined, 4]) {
    test(`${validators ?? 'one'} validator(s): a clean stop and a new start change nothing`, async () => {
      const first = await start({ validators });
      const history = await makeHistory(first);
      await first.stop();
      const second = await start({ validators });
      assert.equal(second.chainId, first.chainId);
      assert.deepEqual(second.devKeys, first.devKeys);
      await checkHistory(second, history);
      await checkChain(second);
      await makeHistory(second); // and it goes on
      await checkHistory(second, history);
      await second.stop();
    });
  }

  test('a transaction that waited in the pool still waits after a restart', async () => {
    const first = await start();
    const [alice] = await first.accounts();
    const wallet = (node) => node.wallet(alice);
    const later = await wallet(first).sendTransaction({ to: alice.address, nonce: 1, ...FEES });
    await first.stop();
    const second = await start();
    await wallet(second).sendTransaction({ to: alice.address, nonce: 0, ...FEES });
    assert.equal((await second.receipt(later)).status, 'success');
    await second.stop();
  });

  for (const [validators, crashes] of [[undefined, CRASHES], [4, 2]]) {
    test(`${validators ?? 'one'} validator(s): kill -9 under load, ${crashes} times: no seen receipt is lost`, async () => {
      const seen = new Map();
      let load;
      for (let round = 0; round < crashes; round++) {
        const node = await start({ validators });
        load ??= await Load.prepare(node, crashes + 1);
        await checkReceipts(node, seen);
        await load.run(node, seen, 40 + 20 * round);
        await node.crash();
      }
      const node = await start({ validators });
      await checkReceipts(node, seen);
      await load.run(node, seen, 40); // the chain goes on
      await load.settle(node);
      await checkReceipts(node, seen);
      await checkChain(node);
      await node.stop();
    });
  }

  test('a second node on the same data directory is refused', async () => {
    const first = await start();
    const refusal = await rejection(start());
    assert.match(refusal.message, /ended before it was ready \([1-9]/);
    assert.ok((await first.client.getBlockNumber()) >= 0n);
    await first.stop();
  });
});

/** A deployment, transfers and events; returns all that clients can see of them. */
async function makeHistory(node) {
  const [alice] = await node.accounts();
  const ledger = await node.deploy('Ledger', ['kept', 100n], alice);
  for (const value of [1n, 2n, 3n]) await node.receipt(await node.wallet(alice).writeContract({ ...ledger, functionName: 'put', args: [value, value] }));
  const head = await node.rpc('eth_getBlockByNumber', ['latest', true]);
  return { alice, ledger, head, views: await view(node, alice, ledger, head.number) };
}

function view(node, alice, ledger, number) {
  const range = { address: ledger.address, fromBlock: '0x0', toBlock: number };
  return Promise.all([
    node.rpc('eth_getBlockByNumber', [number, true]), node.rpc('eth_getBlockReceipts', [number]), node.rpc('eth_getLogs', [range]),
    node.rpc('eth_getTransactionReceipt', [ledger.receipt.transactionHash]), node.rpc('eth_getTransactionByHash', [ledger.receipt.transactionHash]),
    node.rpc('eth_getBalance', [alice.address, number]), node.rpc('eth_getTransactionCount', [alice.address, 'latest']),
    node.rpc('eth_getCode', [ledger.address, 'latest']), node.rpc('eth_getStorageAt', [ledger.address, '0x0', 'latest']),
  ]);
}

async function checkHistory(node, { alice, ledger, head, views }) {
  assert.ok((await node.client.getBlockNumber()) >= BigInt(head.number));
  assert.deepEqual(await view(node, alice, ledger, head.number), views);
}

/** Every block from 0 to the head is there and names its parent. */
async function checkChain(node) {
  const head = Number(await node.client.getBlockNumber());
  let parent = null;
  for (let number = 0; number <= head; number++) {
    const block = await node.rpc('eth_getBlockByNumber', [numberToHex(number), false]);
    assert.ok(block, `block ${number} of ${head} is missing`);
    if (parent) assert.equal(block.parentHash, parent.hash, `parent of block ${number}`);
    parent = block;
  }
}

async function checkReceipts(node, seen) {
  const hashes = [...seen.keys()];
  for (let at = 0; at < hashes.length; at += 50) {
    const batch = hashes.slice(at, at + 50).map((hash, id) => ({ jsonrpc: '2.0', id, method: 'eth_getTransactionReceipt', params: [hash] }));
    const answers = await (await node.post(JSON.stringify(batch))).json();
    for (const { id, result } of answers) assert.deepEqual(result, seen.get(batch[id].params[0]), `receipt ${batch[id].params[0]}`);
  }
}

/** Pre-signed transfers of several senders, fed to the node while its receipts are noted. */
class Load {
  static async prepare(node, rounds) {
    const load = new Load();
    load.sink = toHex(crypto.getRandomValues(new Uint8Array(20)));
    load.senders = await node.accounts(4);
    const perSender = rounds * 100;
    load.signed = await Promise.all(load.senders.map((account) => Promise.all(Array.from({ length: perSender }, (_, nonce) => account.signTransaction({ ...FEES, nonce, to: load.sink, value: 1n, chainId: node.chainId })))));
    return load;
  }

  /** Sends from each sender's next nonce on until `wanted` new receipts were seen; the pool stays full. */
  async run(node, seen, wanted) {
    let number = (await node.client.getBlockNumber()) + 1n;
    const goal = seen.size + wanted;
    await until(`${wanted} receipts`, async () => {
      await this.feed(node);
      const receipts = await node.rpc('eth_getBlockReceipts', [numberToHex(number)]);
      if (!receipts) return false;
      for (const receipt of receipts) seen.set(receipt.transactionHash, receipt);
      number += 1n;
      return seen.size >= goal;
    }, 30_000);
  }

  /** Tops every sender up to twenty waiting transactions. */
  async feed(node) {
    const batch = [];
    for (const [i, { address }] of this.senders.entries()) {
      const from = await node.client.getTransactionCount({ address, blockTag: 'pending' });
      const included = await node.client.getTransactionCount({ address });
      for (const raw of this.signed[i].slice(from, Math.max(from, included + 20))) batch.push({ jsonrpc: '2.0', id: batch.length, method: 'eth_sendRawTransaction', params: [raw] });
    }
    if (batch.length === 0) return;
    for (const { error } of await (await node.post(JSON.stringify(batch))).json()) {
      // The head may have moved since the nonces were read.
      if (error) assert.match(error.message, /nonce too low|already known/);
    }
  }

  /** Waits until nothing waits; then money and nonces must agree. */
  async settle(node) {
    await until('the pool to empty', async () => {
      const counts = await this.counts(node);
      return counts.latest.every((count, i) => count === counts.pending[i]);
    });
    const { latest } = await this.counts(node);
    assert.equal(await node.client.getBalance({ address: this.sink }), BigInt(latest.reduce((sum, count) => sum + count, 0)));
  }

  async counts(node) {
    const ask = (blockTag) => Promise.all(this.senders.map(({ address }) => node.client.getTransactionCount({ address, blockTag })));
    return { latest: await ask('latest'), pending: await ask('pending') };
  }
}
