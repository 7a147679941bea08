// viem: calls, decoded reverts, estimates, state and block overrides, access lists, simulation,
// past state, and the contracts and precompiles that are there from genesis.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  ContractFunctionRevertedError, decodeFunctionResult, encodeAbiParameters, encodeFunctionData, keccak256, numberToHex, pad,
  parseAbi, parseEther, toHex, zeroAddress,
} from 'viem';
import { MULTICALL3, artifact, notOnPeer, rejection, startNode } from './harness.mjs';

const LIMIT = 1_000n;
let node, client, alice, bob, ledger;
before(async () => {
  node = await startNode();
  client = node.client;
  [alice, bob] = await node.accounts(2);
  ledger = await node.deploy('Ledger', ['contracts', LIMIT], alice);
});
after(() => node?.stop());

const read = (functionName, args = [], options = {}) => client.readContract({ ...ledger, functionName, args, ...options });
const put = async (key, value) => node.receipt(await node.wallet(alice).writeContract({ ...ledger, functionName: 'put', args: [key, value] }));
const revertOf = (error) => error.walk((cause) => cause instanceof ContractFunctionRevertedError);

test('write, then read', async () => {
  const total = await read('total');
  const receipt = await put(1n, 11n);
  assert.equal(receipt.status, 'success');
  assert.equal(await read('entries', [alice.address, 1n]), 11n);
  assert.equal(await read('total'), total + 1n);
  assert.equal(await read('name'), 'contracts');
  assert.equal(await read('limit'), LIMIT);
});

test('storage slots hold what Solidity put there', async () => {
  await put(2n, 22n);
  const outer = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [alice.address, 1n]));
  const slot = keccak256(encodeAbiParameters([{ type: 'uint256' }, { type: 'bytes32' }], [2n, outer]));
  assert.equal(await client.getStorageAt({ address: ledger.address, slot }), pad(toHex(22)));
  assert.equal(await client.getStorageAt({ address: ledger.address, slot: '0xffff' }), pad('0x0'));
  assert.equal(await node.rpc('eth_getStorageAt', [ledger.address, '0x0', 'latest']), pad(toHex(await read('total'))));
});

test('a custom error is decoded with its values', async () => {
  const revert = revertOf(await rejection(client.simulateContract({ ...ledger, functionName: 'put', args: [1n, 1_001n], account: alice })));
  assert.equal(revert.data.errorName, 'Refused');
  assert.deepEqual(revert.data.args, [alice.address, 1_001n, LIMIT]);
});

/** [function, args, what viem must decode, what the raw error must say] */
const REVERTS = [
  ['withReason', [], (revert) => revert.reason === 'the ledger is closed', /^execution reverted: the ledger is closed$/],
  ['panics', [0n], (revert) => revert.data.errorName === 'Panic' && revert.data.args[0] === 0x12n, /^execution reverted/],
  ['silent', [], (revert) => revert.raw === undefined || revert.raw === '0x', /^execution reverted$/],
];
for (const [functionName, args, decoded, message] of REVERTS) {
  test(`${functionName}() reverts alike in call, estimate and JSON`, async () => {
    const called = revertOf(await rejection(read(functionName, args, { account: alice })));
    assert.ok(decoded(called), `call: ${called.shortMessage}`);
    const estimated = revertOf(await rejection(client.estimateContractGas({ ...ledger, functionName, args, account: alice })));
    assert.ok(decoded(estimated), `estimate: ${estimated.shortMessage}`);
    const data = encodeFunctionData({ abi: ledger.abi, functionName, args });
    for (const method of ['eth_call', 'eth_estimateGas']) {
      const { error } = await node.raw(method, [{ to: ledger.address, data }]);
      assert.equal(error.code, 3);
      assert.match(error.data, /^0x([0-9a-f]{2})*$/);
      if (!notOnPeer('its own words')) assert.match(error.message, message);
    }
  });
}

test('estimates suffice and are close to what is used', async () => {
  assert.equal(await client.estimateGas({ account: alice, to: bob.address, value: 1n }), 21_000n);
  const args = [77n, 7n];
  const gas = await client.estimateContractGas({ ...ledger, functionName: 'put', args, account: alice });
  const hash = await node.wallet(alice).writeContract({ ...ledger, functionName: 'put', args, gas });
  const { status, gasUsed } = await node.receipt(hash);
  assert.equal(status, 'success');
  assert.ok(gas >= gasUsed && gas <= (gasUsed * 105n) / 100n, `estimated ${gas}, used ${gasUsed}`);
});

test('an estimate covers the 63/64 rule of inner calls', async () => {
  const inner = encodeFunctionData({ abi: ledger.abi, functionName: 'burn', args: [400_000n] });
  const request = { ...ledger, functionName: 'attempt', args: [ledger.address, inner], account: alice };
  const gas = await client.estimateContractGas(request);
  const { status } = await node.receipt(await node.wallet(alice).writeContract({ ...request, gas }));
  assert.equal(status, 'success');
});

test('an estimate beyond the balance is refused', { skip: notOnPeer('does not check') }, async () => {
  const error = await rejection(client.estimateGas({ account: bob, to: alice.address, value: parseEther('1000000') }));
  assert.match(error.details, /insufficient funds/i);
});

test('state overrides: balance, code, nonce, one slot, all slots', async () => {
  const address = toHex(crypto.getRandomValues(new Uint8Array(20)));
  const { abi, deployedBytecode: code } = artifact('Ledger');
  const stateDiff = [{ slot: pad('0x0'), value: pad('0x2a') }];
  const total = await client.readContract({ address, abi, functionName: 'total', stateOverride: [{ address, code, stateDiff }] });
  assert.equal(total, 42n);
  const before = await read('total');
  assert.notEqual(before, 42n);
  assert.equal(await read('total', [], { stateOverride: [{ address: ledger.address, stateDiff }] }), 42n);
  // `state` replaces the whole storage: name (slot 2) is gone with it.
  const emptied = await read('name', [], { stateOverride: [{ address: ledger.address, state: stateDiff }] });
  assert.equal(emptied, '');
  assert.equal(await read('total'), before, 'an override must not stay');

  const value = parseEther('1000000');
  const poor = toHex(crypto.getRandomValues(new Uint8Array(20)));
  await rejection(client.call({ account: poor, to: bob.address, value }));
  await client.call({ account: poor, to: bob.address, value, stateOverride: [{ address: poor, balance: value }] });
  await client.estimateGas({ account: poor, to: bob.address, value, stateOverride: [{ address: poor, balance: value * 2n }] });
});

test('block overrides', async () => {
  const data = encodeFunctionData({ abi: ledger.abi, functionName: 'environment' });
  const overrides = { number: '0xff00', time: '0xff01', prevRandao: pad('0xff02'), feeRecipient: bob.address, gasLimit: '0x1000000' };
  const result = await node.rpc('eth_call', [{ to: ledger.address, data }, 'latest', {}, overrides]);
  const [number, time, random, , coinbase, chain, gasLimit] = decodeFunctionResult({ abi: ledger.abi, functionName: 'environment', data: result });
  assert.deepEqual([number, time, random, coinbase, chain, gasLimit], [0xff00n, 0xff01n, 0xff02n, bob.address, BigInt(node.chainId), 0x1000000n]);
});

test('a call sees the block it is asked for', async () => {
  await put(3n, 3n);
  const block = await client.getBlock();
  const [number, time, random] = await read('environment', [], { blockNumber: block.number });
  assert.ok(number === block.number || number === block.number + 1n, `call at ${block.number} saw ${number}`);
  if (number === block.number) {
    assert.equal(time, block.timestamp);
    assert.equal(pad(toHex(random)), block.mixHash);
  }
});

test('past state: balances, storage, calls, nonces and code at a height', async () => {
  const before = await client.getBlockNumber();
  const total = await read('total', [], { blockNumber: before });
  const receipt = await put(4n, 4n);
  const nonce = await client.getTransactionCount({ address: alice.address });
  await put(4n, 5n);
  const at = { blockNumber: receipt.blockNumber };
  assert.equal(await read('entries', [alice.address, 4n], at), 4n);
  assert.equal(await read('entries', [alice.address, 4n]), 5n);
  assert.equal(await read('total', [], { blockNumber: before }), total);
  assert.equal(await client.getTransactionCount({ address: alice.address, ...at }), nonce);
  assert.equal(await client.getCode({ address: ledger.address, blockNumber: ledger.receipt.blockNumber - 1n }), undefined);
  const [then, now] = await Promise.all([client.getBalance({ address: alice.address, ...at }), client.getBalance({ address: alice.address })]);
  assert.ok(then > now);
  // EIP-1898: the same by hash.
  const byHash = await node.rpc('eth_getBalance', [alice.address, { blockHash: receipt.blockHash }]);
  assert.equal(BigInt(byHash), then);
  assert.equal(BigInt(await node.rpc('eth_getBalance', [alice.address, { blockNumber: numberToHex(receipt.blockNumber) }])), then);
});

test('state of a block that is not there is an error', async () => {
  const future = numberToHex((await client.getBlockNumber()) + 1_000_000n);
  for (const [method, params] of [
    ['eth_getBalance', [alice.address, future]],
    ['eth_call', [{ to: ledger.address }, future]],
    ['eth_getBalance', [alice.address, { blockHash: `0x${'12'.repeat(32)}` }]],
  ]) {
    const { error } = await node.raw(method, params);
    assert.ok(error, `${method} answered for a block that does not exist`);
    assert.ok([-32000, -32001].includes(error.code) || PEER_CODES.has(error.code), `code ${error.code}`);
  }
});
const PEER_CODES = new Set(notOnPeer('other code') ? [-32602, -32603] : []);

test('the block parameter may be left out', { skip: notOnPeer('requires it') }, async () => {
  assert.equal(await node.rpc('eth_getBalance', [bob.address]), numberToHex(await client.getBalance({ address: bob.address })));
  const data = encodeFunctionData({ abi: ledger.abi, functionName: 'limit' });
  assert.equal(BigInt(await node.rpc('eth_call', [{ to: ledger.address, data }])), LIMIT);
});

test('access lists name the slots, and shorten the gas of what they cover', async () => {
  const data = encodeFunctionData({ abi: ledger.abi, functionName: 'put', args: [5n, 5n] });
  const { accessList, gasUsed } = await client.createAccessList({ account: alice, to: ledger.address, data });
  const entry = accessList.find(({ address }) => address.toLowerCase() === ledger.address.toLowerCase());
  assert.equal(entry.storageKeys.length, 2, JSON.stringify(accessList));
  assert.ok(entry.storageKeys.includes(pad('0x0')));
  assert.ok(gasUsed > 21_000n);
  const hash = await node.wallet(alice).sendTransaction({ to: ledger.address, data, accessList, type: 'eip1559' });
  assert.equal((await node.receipt(hash)).status, 'success');
});

test('Multicall3 batches reads, failures apart', async () => {
  const results = await client.multicall({
    contracts: [
      { ...ledger, functionName: 'limit' },
      { ...ledger, functionName: 'withReason' },
      { address: MULTICALL3, abi: parseAbi(['function getEthBalance(address) view returns (uint256)']), functionName: 'getEthBalance', args: [bob.address] },
    ],
  });
  assert.deepEqual(results.map(({ status }) => status), ['success', 'failure', 'success']);
  assert.equal(results[0].result, LIMIT);
  assert.equal(results[1].error.shortMessage.includes('the ledger is closed'), true);
  assert.equal(results[2].result, await client.getBalance({ address: bob.address }));
});

test('EIP-2935: the chain keeps hashes of its past blocks', async () => {
  const head = await client.getBlock();
  const { data } = await client.call({ to: '0x0000F90827F1C53a10cb7A02335B175320002935', data: pad(toHex(head.number - 1n)), blockNumber: head.number });
  assert.equal(data, head.parentHash);
});

test('BLOCKHASH gives the hashes that clients see', async () => {
  const receipt = await put(6n, 6n);
  const seen = await read('hashOf', [receipt.blockNumber - 1n]);
  assert.equal(seen, (await client.getBlock({ blockNumber: receipt.blockNumber })).parentHash);
});

test('precompiles: ecrecover, SHA-256 and P-256 (0x100)', async () => {
  const { data: digest } = await client.call({ to: pad('0x2', { size: 20 }), data: '0x616263' });
  assert.equal(digest, `0x${createHash('sha256').update('abc').digest('hex')}`);

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = Buffer.from('a device report');
  const { x, y } = publicKey.export({ format: 'jwk' });
  const signature = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const parts = [createHash('sha256').update(message).digest(), signature, Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
  const to = pad('0x100', { size: 20 });
  assert.equal((await client.call({ to, data: toHex(Buffer.concat(parts)) })).data, pad('0x1'));
  parts[0] = createHash('sha256').update('another report').digest();
  assert.equal((await client.call({ to, data: toHex(Buffer.concat(parts)) })).data, undefined);
});

test('eth_simulateV1: blocks build on one another, logs and failures included', async () => {
  const call = (functionName, args) => ({ account: alice, to: ledger.address, data: encodeFunctionData({ abi: ledger.abi, functionName, args }) });
  const total = await read('total');
  const blocks = await client.simulateBlocks({
    blocks: [
      { calls: [call('put', [9n, 9n]), call('put', [9n, 5_000n])], stateOverrides: [{ address: alice.address, balance: parseEther('5') }] },
      { calls: [{ to: ledger.address, abi: ledger.abi, account: alice, functionName: 'total' }] },
    ],
  });
  assert.equal(blocks.length, 2);
  assert.equal(blocks[0].calls[0].status, 'success');
  assert.equal(blocks[0].calls[0].logs.length, 1);
  assert.equal(blocks[0].calls[1].status, 'failure');
  assert.equal(blocks[1].calls[0].result, total + 1n);
  assert.equal(blocks[1].number, blocks[0].number + 1n);
  assert.equal(await read('total'), total, 'a simulation must not stay');
});

test('simulateCalls', async () => {
  const { results } = await client.simulateCalls({ account: alice, calls: [{ to: ledger.address, abi: ledger.abi, functionName: 'put', args: [10n, 10n] }, { to: zeroAddress, value: 1n }] });
  assert.deepEqual(results.map(({ status }) => status), ['success', 'success']);
  assert.ok(results[0].gasUsed > 21_000n);
});

test('a call may not run for ever', async () => {
  const { error, result } = await node.raw('eth_call', [{ to: ledger.address, data: encodeFunctionData({ abi: ledger.abi, functionName: 'burn', args: [2n ** 255n] }) }]);
  assert.equal(result, undefined);
  assert.match(error.message, /gas|OOG/i);
});
