// What Go clients recompute: every block's hash from its JSON, its transactions root from the
// transactions' JSON, its receipts root and bloom from the receipts' JSON, on a busy chain.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bytesToHex, encodeFunctionData, hexToBytes, keccak256, numberToHex, parseGwei, toHex } from 'viem';
import {
  EMPTY_REQUESTS, EMPTY_TRIE, EMPTY_UNCLES, bloomOf, encodeReceipt, encodeTransaction, headerHash, least, listRoot, nextBaseFee,
} from './encoding.mjs';
import { notOnPeer, startNode, until, within } from './harness.mjs';

const ROUNDS = 8;
let node, blocks, heads;
before(async () => {
  node = await startNode();
  const subscription = await subscribeHeads();
  await makeTraffic();
  blocks = await readChain();
  heads = subscription.heads;
  subscription.close();
});
after(() => node?.stop());

async function subscribeHeads() {
  const ws = new (await import('ws')).default(node.ws);
  await within('the socket', new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject)));
  const seen = [];
  let subscribed;
  ws.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.id === 1) subscribed = message;
    if (message.params) seen.push(message.params.result);
  });
  ws.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
  await until('the subscription', () => subscribed);
  assert.equal(subscribed.error, undefined);
  return { heads: seen, close: () => ws.terminate() };
}

/** All types, deployments, failures, many logs, large calldata, delegations: several a block. */
async function makeTraffic() {
  const senders = await node.accounts(6);
  const [deployer] = senders;
  const ledger = await node.deploy('Ledger', ['headers', 1_000n], deployer);
  const wallet = await node.deploy('Wallet', [], deployer);
  const encode = (functionName, args) => encodeFunctionData({ abi: ledger.abi, functionName, args });
  const fees = { maxFeePerGas: parseGwei('500'), maxPriorityFeePerGas: parseGwei('1') };
  const gas = 3_000_000n;
  const kinds = [
    (i) => ({ type: 'legacy', to: ledger.address, value: BigInt(i), gas: 100_000n, gasPrice: parseGwei('500') }),
    (i) => ({ type: 'eip2930', to: ledger.address, data: encode('put', [BigInt(i), 1n]), gas, gasPrice: parseGwei('500'), accessList: [{ address: ledger.address, storageKeys: [toHex(i, { size: 32 })] }] }),
    (i) => ({ type: 'eip1559', to: ledger.address, data: encode('putMany', [BigInt(1_000 * i), 30n]), gas, ...fees }),
    (i) => ({ type: 'eip1559', to: ledger.address, data: encode('note', [`${i}`, 'x'.repeat(2_000), '0x00']), gas, ...fees }),
    () => ({ type: 'eip1559', to: ledger.address, data: encode('withReason', []), gas: 60_000n, ...fees }),
    () => ({ type: 'eip1559', to: undefined, data: '0x60016000f3', gas: 200_000n, ...fees }),
  ];
  const hashes = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const account of senders.slice(1)) {
      const signer = node.wallet(account);
      const nonce = await node.client.getTransactionCount({ address: account.address, blockTag: 'pending' });
      const signed = await Promise.all(kinds.map((kind, i) => signer.signTransaction({ ...kind(round * 10 + i), nonce: nonce + i, chainId: node.chainId })));
      const authorization = await signer.signAuthorization({ contractAddress: wallet.address, nonce: nonce + kinds.length + 1, chainId: round % 2 ? 0 : node.chainId });
      signed.push(await signer.signTransaction({ type: 'eip7702', to: account.address, nonce: nonce + kinds.length, gas, chainId: node.chainId, authorizationList: [authorization], ...fees }));
      const batch = signed.map((raw, id) => ({ jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [raw] }));
      for (const { result, error } of await (await node.post(JSON.stringify(batch))).json()) {
        assert.equal(error, undefined);
        hashes.push(result);
      }
    }
    await node.receipt(hashes.at(-1));
  }
  for (const hash of hashes) await node.receipt(hash);
}

/** Every block from genesis to the head, with full transactions and receipts. */
async function readChain() {
  const head = await node.client.getBlockNumber();
  const all = [];
  for (let number = 0n; number <= head; number++) {
    const block = await node.rpc('eth_getBlockByNumber', [numberToHex(number), true]);
    all.push({ block, receipts: await node.rpc('eth_getBlockReceipts', [numberToHex(number)]) });
  }
  return all;
}

/** Runs `check` on every block, naming the block that fails. */
async function everyBlock(check) {
  assert.ok(blocks.length > ROUNDS);
  for (const [index, entry] of blocks.entries()) {
    try {
      await check(entry, blocks[index - 1]);
    } catch (error) {
      error.message = `block ${index}: ${error.message}`;
      throw error;
    }
  }
}

test('the chain was busy: every type, failures, deployments', () => {
  const receipts = blocks.flatMap((entry) => entry.receipts);
  assert.deepEqual([...new Set(receipts.map(({ type }) => type))].sort(), ['0x0', '0x1', '0x2', '0x4']);
  assert.ok(receipts.some(({ status }) => status === '0x0'));
  assert.ok(receipts.some(({ contractAddress }) => contractAddress));
  assert.ok(receipts.length >= ROUNDS * 5 * 7);
  assert.ok(blocks.some((entry) => entry.receipts.length > 7));
});

test('keccak(rlp(header)) is the hash of every block', () => everyBlock(({ block }, parent) => {
  assert.equal(headerHash(block), block.hash);
  if (parent) {
    assert.equal(block.parentHash, parent.block.hash);
    assert.equal(BigInt(block.number), BigInt(parent.block.number) + 1n);
    assert.ok(BigInt(block.timestamp) >= BigInt(parent.block.timestamp));
  }
}));

test('the fixed fields of a proof-of-stake Osaka header', { skip: notOnPeer('its own') }, () => everyBlock(({ block }) => {
  assert.equal(block.sha3Uncles, EMPTY_UNCLES);
  assert.equal(block.difficulty, '0x0');
  assert.equal(block.nonce, '0x0000000000000000');
  assert.equal(block.withdrawalsRoot, EMPTY_TRIE);
  assert.deepEqual(block.withdrawals, []);
  assert.equal(block.requestsHash, EMPTY_REQUESTS);
  assert.equal(block.blobGasUsed, '0x0');
  assert.ok(BigInt(block.gasUsed) <= BigInt(block.gasLimit));
}));

test('the base fee starts as in genesis and follows EIP-1559, down to the floor of the chain', { skip: notOnPeer('its own parameters') }, () => {
  const floor = least(blocks.map(({ block }) => BigInt(block.baseFeePerGas)));
  return everyBlock(({ block }, parent) => {
    if (block.number === '0x1') assert.equal(block.baseFeePerGas, parent.block.baseFeePerGas);
    else if (parent) assert.equal(BigInt(block.baseFeePerGas), nextBaseFee(parent.block, floor));
  });
});

test('transactions root, and every transaction hash and raw form', () => everyBlock(async ({ block }) => {
  const encoded = block.transactions.map(encodeTransaction);
  assert.equal(await listRoot(encoded), block.transactionsRoot);
  for (const [index, tx] of block.transactions.entries()) {
    assert.equal(keccak256(encoded[index]), tx.hash);
    assert.equal(tx.blockHash, block.hash);
    assert.equal(tx.blockNumber, block.number);
    assert.equal(Number(tx.transactionIndex), index);
  }
}));

test('receipts root, blooms, cumulative gas', () => everyBlock(async ({ block, receipts }) => {
  assert.equal(await listRoot(receipts.map(encodeReceipt)), block.receiptsRoot);
  assert.equal(bytesToHex(bloomOf(receipts.flatMap(({ logs }) => logs))), block.logsBloom);
  let [cumulative, logIndex] = [0n, 0];
  for (const [index, receipt] of receipts.entries()) {
    cumulative += BigInt(receipt.gasUsed);
    assert.equal(BigInt(receipt.cumulativeGasUsed), cumulative);
    assert.equal(receipt.transactionHash, block.transactions[index].hash);
    for (const log of receipt.logs) {
      assert.equal(Number(log.logIndex), logIndex++);
      assert.deepEqual([log.blockHash, log.blockNumber, log.transactionHash], [block.hash, block.number, receipt.transactionHash]);
    }
  }
  assert.equal(BigInt(block.gasUsed), cumulative);
}));

test('a receipt alone is the receipt of its block; so are logs', async () => {
  const { receipts } = blocks.findLast((entry) => entry.receipts.length > 0);
  for (const receipt of receipts) assert.deepEqual(await node.rpc('eth_getTransactionReceipt', [receipt.transactionHash]), receipt);
  const range = { fromBlock: '0x0', toBlock: blocks.at(-1).block.number };
  const logs = await node.rpc('eth_getLogs', [range]);
  const expected = blocks.flatMap((entry) => entry.receipts.flatMap((receipt) => receipt.logs));
  assert.equal(logs.length, expected.length);
  assert.deepEqual(logs.map(({ transactionHash, logIndex }) => [transactionHash, logIndex]), expected.map(({ transactionHash, logIndex }) => [transactionHash, logIndex]));
});

test('raw headers, blocks and receipts of debug_getRaw*', { skip: notOnPeer('partly') }, async () => {
  const { block, receipts } = blocks.findLast((entry) => entry.receipts.length > 0);
  assert.equal(keccak256(await node.rpc('debug_getRawHeader', [block.number])), block.hash);
  const raw = await node.rpc('debug_getRawReceipts', [block.number]);
  assert.deepEqual(raw, receipts.map((receipt) => bytesToHex(encodeReceipt(receipt))));
  const { transactions: [tx] } = block;
  assert.deepEqual(hexToBytes(await node.rpc('debug_getRawTransaction', [tx.hash])), encodeTransaction(tx));
});

test('pushed heads hash the same', () => {
  assert.ok(heads.length > ROUNDS, `${heads.length} heads`);
  for (const head of heads) assert.equal(headerHash(head), head.hash, `head ${head.number}`);
  heads.slice(1).forEach((head, index) => assert.equal(head.parentHash, heads[index].hash));
});
