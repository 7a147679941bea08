// debug_*: call trees and touched state, of transactions, blocks and calls.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { encodeFunctionData, numberToHex, toFunctionSelector } from 'viem';
import { notOnPeer, startNode } from './harness.mjs';

let node, alice, ledger, nested;
before(async () => {
  node = await startNode();
  [alice] = await node.accounts();
  ledger = await node.deploy('Ledger', ['trace', 10n], alice);
  // An outer call that swallows the inner call's custom error.
  const inner = encodeFunctionData({ abi: ledger.abi, functionName: 'put', args: [1n, 99n] });
  const hash = await node.wallet(alice).writeContract({ ...ledger, functionName: 'attempt', args: [ledger.address, inner], gas: 200_000n });
  nested = await node.receipt(hash);
});
after(() => node?.stop());

test('callTracer: the tree, with the inner revert', async () => {
  const trace = await node.rpc('debug_traceTransaction', [nested.transactionHash, { tracer: 'callTracer' }]);
  assert.equal(trace.type, 'CALL');
  assert.equal(trace.from, alice.address.toLowerCase());
  assert.equal(trace.to, ledger.address);
  assert.equal(BigInt(trace.gasUsed), nested.gasUsed);
  assert.equal(trace.error, undefined);
  assert.equal(trace.calls.length, 1);
  assert.equal(trace.calls[0].from, ledger.address);
  assert.equal(trace.calls[0].error, 'execution reverted');
  assert.equal(trace.calls[0].output.slice(0, 10), toFunctionSelector('Refused(address,uint256,uint256)'));
});

test('callTracer: options onlyTopCall and withLog', async () => {
  const top = await node.rpc('debug_traceTransaction', [nested.transactionHash, { tracer: 'callTracer', tracerConfig: { onlyTopCall: true } }]);
  assert.equal(top.calls, undefined);
  const hash = await node.wallet(alice).writeContract({ ...ledger, functionName: 'put', args: [1n, 2n] });
  await node.receipt(hash);
  const logged = await node.rpc('debug_traceTransaction', [hash, { tracer: 'callTracer', tracerConfig: { withLog: true } }]);
  assert.equal(logged.logs.length, 1);
  assert.equal(logged.logs[0].address, ledger.address);
});

test('prestateTracer: what was touched, and in diff mode what changed', async () => {
  const pre = await node.rpc('debug_traceTransaction', [nested.transactionHash, { tracer: 'prestateTracer' }]);
  assert.ok(pre[alice.address.toLowerCase()].balance);
  assert.ok(pre[ledger.address].code.length > 100);
  const diff = await node.rpc('debug_traceTransaction', [nested.transactionHash, { tracer: 'prestateTracer', tracerConfig: { diffMode: true } }]);
  const sender = alice.address.toLowerCase();
  assert.equal(diff.post[sender].nonce, diff.pre[sender].nonce + 1);
  assert.ok(BigInt(diff.post[sender].balance) < BigInt(diff.pre[sender].balance));
  assert.deepEqual(Object.keys(diff.post[ledger.address].storage), [`0x${'00'.repeat(32)}`]);
});

test('the default tracer lists opcodes', { skip: notOnPeer('off by default') }, async () => {
  const trace = await node.rpc('debug_traceTransaction', [nested.transactionHash]);
  assert.equal(trace.failed, false);
  assert.equal(BigInt(trace.gas), nested.gasUsed);
  assert.equal(trace.structLogs[0].op, 'PUSH1');
  assert.ok(trace.structLogs.some(({ op }) => op === 'REVERT'));
});

test('a block traced by number and by hash, one result a transaction', async () => {
  const byNumber = await node.rpc('debug_traceBlockByNumber', [numberToHex(nested.blockNumber), { tracer: 'callTracer' }]);
  const byHash = await node.rpc('debug_traceBlockByHash', [nested.blockHash, { tracer: 'callTracer' }]);
  assert.deepEqual(byHash, byNumber);
  const { transactions } = await node.client.getBlock({ blockHash: nested.blockHash });
  assert.deepEqual(byNumber.map(({ txHash }) => txHash), transactions);
  assert.equal(byNumber[nested.transactionIndex].result.calls.length, 1);
});

test('a call traced without a transaction', async () => {
  const data = encodeFunctionData({ abi: ledger.abi, functionName: 'withReason' });
  const trace = await node.rpc('debug_traceCall', [{ from: alice.address, to: ledger.address, data }, 'latest', { tracer: 'callTracer' }]);
  assert.equal(trace.error, 'execution reverted');
  assert.equal(trace.revertReason, 'the ledger is closed');
});

test('a transaction in the middle of a block is traced on what came before it', { skip: notOnPeer('gas differs') }, async () => {
  const wallet = node.wallet(alice);
  const nonce = await node.client.getTransactionCount({ address: alice.address });
  const hashes = [];
  for (let i = 0; i < 5; i++) hashes.push(await wallet.writeContract({ ...ledger, functionName: 'put', args: [7n, BigInt(i)], nonce: nonce + i, gas: 150_000n }));
  for (const hash of hashes) {
    const { gasUsed } = await node.receipt(hash);
    const trace = await node.rpc('debug_traceTransaction', [hash, { tracer: 'callTracer' }]);
    assert.equal(BigInt(trace.gasUsed), gasUsed);
  }
});

test('tracing what is not there is an error', { skip: notOnPeer('answers with nothing') }, async () => {
  assert.ok((await node.raw('debug_traceTransaction', [`0x${'12'.repeat(32)}`, { tracer: 'callTracer' }])).error);
  assert.ok((await node.raw('debug_traceTransaction', [nested.transactionHash, { tracer: 'noSuchTracer' }])).error);
  assert.ok((await node.raw('debug_traceBlockByHash', [`0x${'12'.repeat(32)}`])).error);
});
