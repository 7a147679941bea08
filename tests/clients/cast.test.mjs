// Foundry's command line (alloy underneath): cast and forge, forge compiling with solc-js.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encodeAbiParameters, keccak256, pad, toEventSelector, toFunctionSelector, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { artifact, notOnPeer, startNode } from './harness.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const run = promisify(execFile);
const binary = (tool) => process.env[tool.toUpperCase()] ?? require.resolve(`@foundry-rs/${tool}-linux-amd64/bin/${tool}`);

let node, key, alice, ledger;
before(async () => {
  node = await startNode();
  key = generatePrivateKey();
  alice = privateKeyToAccount(key);
  await node.receipt(await node.treasurer.sendTransaction({ to: alice.address, value: 10n ** 20n }));
  ledger = (await node.deploy('Ledger', ['cast', 1_000n], alice)).address;
});
after(() => node?.stop());

async function foundry(tool, args, cwd = HERE) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ETH_RPC_URL: node.http, NO_COLOR: '1' };
  const { stdout } = await run(binary(tool), args, { cwd, env, timeout: 60_000, maxBuffer: 1 << 24 });
  return stdout.trim();
}
const cast = (...args) => foundry('cast', args);
const castJson = async (...args) => JSON.parse(await cast(...args, '--json'));
const send = (...args) => castJson('send', '--private-key', key, ...args);
/** The error that cast ends with. */
const castFails = async (...args) => {
  const error = await cast(...args).then(() => assert.fail(`cast ${args[0]} succeeded`), (failure) => failure);
  assert.ok('stderr' in error, error.message);
  return error.stderr;
};

test('chain-id, client, block-number, gas-price, base-fee, age', async () => {
  assert.equal(await cast('chain-id'), `${node.chainId}`);
  assert.match(await cast('client'), notOnPeer('') ? /anvil/ : /cairn/i);
  assert.ok(Number(await cast('block-number')) >= 1);
  assert.ok(BigInt(await cast('gas-price')) > 0n);
  assert.ok(BigInt(await cast('base-fee')) > 0n);
  assert.match(await cast('age'), /20\d\d/);
});

test('block: latest, finalized, by number and hash, a field, full', async () => {
  const block = await castJson('block', '1');
  assert.equal(block.number, '0x1');
  assert.equal(await cast('block', block.hash, '--field', 'number'), '1');
  assert.equal(await cast('block', '1', '--field', 'stateRoot'), block.stateRoot);
  assert.ok(await cast('block', 'finalized', '--field', 'hash'));
  assert.ok((await castJson('block', 'latest', '--full')).hash);
  assert.match(await cast('block', '1'), /requestsHash|parentBeaconBlockRoot/);
});

test('send, send --sync, receipt, tx, balance, nonce', async () => {
  const to = privateKeyToAccount(generatePrivateKey()).address;
  const nonce = Number(await cast('nonce', alice.address));
  const first = await send(to, '--value', '1ether');
  const second = await send(to, '--value', '2', '--sync');
  const third = await send(to, '--legacy', '--value', '3');
  for (const receipt of [first, second, third]) assert.equal(receipt.status, '0x1');
  assert.equal(third.type, '0x0');
  assert.equal(await cast('balance', to), `${10n ** 18n + 5n}`);
  assert.equal(Number(await cast('nonce', alice.address)), nonce + 3);
  assert.equal(await cast('receipt', first.transactionHash, 'blockHash'), first.blockHash);
  assert.equal(await cast('tx', second.transactionHash, 'value'), '2');
  assert.equal((await castJson('tx', first.transactionHash)).hash, first.transactionHash);
  assert.match(await cast('tx', first.transactionHash, '--raw'), /^0x02/);
});

test('send with an EIP-7702 authorization', async () => {
  const { address } = await node.deploy('Wallet');
  const receipt = await send(alice.address, 'execute((address,uint256,bytes)[])', '[]', '--auth', address);
  assert.equal(receipt.type, '0x4');
  assert.equal(receipt.logs.length, 1);
  assert.equal(await cast('code', alice.address), `0xef0100${address.slice(2)}`.toLowerCase());
});

test('send to a contract, call, storage, code, logs', async () => {
  const receipt = await send(ledger, 'put(uint256,uint256)', '5', '55');
  assert.equal(receipt.logs.length, 1);
  assert.equal(await cast('call', ledger, 'entries(address,uint256)(uint256)', alice.address, '5'), '55');
  assert.equal(BigInt(await cast('call', ledger, 'total()(uint256)', '--block', `${BigInt(receipt.blockNumber) - 1n}`)), 0n);
  assert.equal(await cast('storage', ledger, '0'), pad('0x1'));
  const outer = keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [alice.address, 1n]));
  assert.equal(await cast('storage', ledger, keccak256(encodeAbiParameters([{ type: 'uint256' }, { type: 'bytes32' }], [5n, outer]))), pad(toHex(55)));
  assert.equal((await cast('code', ledger)).length, artifact('Ledger').deployedBytecode.length);
  const logs = await castJson('logs', '--from-block', 'earliest', '--address', ledger, 'Entry(address indexed,uint256 indexed,uint256)', alice.address);
  assert.deepEqual(logs.map(({ transactionHash, topics }) => [transactionHash, topics[0]]), [[receipt.transactionHash, toEventSelector('Entry(address,uint256,uint256)')]]);
});

test('estimate, access-list, rpc', async () => {
  const to = privateKeyToAccount(generatePrivateKey()).address;
  assert.equal(await cast('estimate', to, '--value', '1', '--from', alice.address), '21000');
  assert.ok(Number(await cast('estimate', ledger, 'put(uint256,uint256)', '6', '6', '--from', alice.address)) > 40_000);
  assert.match(await cast('access-list', ledger, 'put(uint256,uint256)', '6', '6', '--from', alice.address), /access list/);
  assert.equal(JSON.parse(await cast('rpc', 'eth_chainId')), toHex(node.chainId));
  assert.equal(JSON.parse(await cast('rpc', 'eth_getBlockByNumber', '0x1', 'false')).number, '0x1');
});

test('reverts are told with their reason', async () => {
  assert.match(await castFails('call', ledger, 'withReason()'), /the ledger is closed/);
  assert.match(await castFails('estimate', ledger, 'withReason()'), /the ledger is closed/);
  assert.match(await castFails('send', '--private-key', key, ledger, 'withReason()'), /the ledger is closed/);
  const refused = toFunctionSelector('Refused(address,uint256,uint256)');
  assert.match(await castFails('call', ledger, 'put(uint256,uint256)', '1', '5000', '--from', alice.address), new RegExp(refused));
});

test('refusals are told: nonce, funds, replacement', async () => {
  const nonce = Number(await cast('nonce', alice.address));
  const to = privateKeyToAccount(generatePrivateKey()).address;
  const base = ['send', '--private-key', key, '--async', '--gas-limit', '21000', '--gas-price', '100gwei', '--priority-gas-price', '1gwei', to];
  assert.match(await castFails(...base, '--nonce', '0'), /nonce too low/);
  assert.match(await castFails(...base, '--value', '1000000ether'), /[iI]nsufficient funds/);
  await cast(...base, '--nonce', `${nonce + 5}`);
  assert.match(await castFails(...base, '--nonce', `${nonce + 5}`, '--value', '1'), /replacement transaction underpriced/);
  const { queued } = JSON.parse(await cast('tx-pool', 'content'));
  assert.ok(Object.keys(queued).some((address) => address.toLowerCase() === alice.address.toLowerCase()));
});

test('run replays a transaction locally on past state, to the same gas', async () => {
  const receipt = await send(ledger, 'putMany(uint256,uint256)', '100', '3');
  const replay = await cast('run', receipt.transactionHash, '--quick');
  assert.match(replay, /Transaction successfully executed/);
  assert.match(replay, new RegExp(`Gas used: ${BigInt(receipt.gasUsed)}\\b`));
});

test('forge create, forge script: compile, deploy, broadcast three dependent transactions', async () => {
  const project = join(HERE, 'forge');
  const created = JSON.parse(await foundry('forge', ['create', 'src/Cairnstone.sol:Cairnstone', '--rpc-url', node.http, '--private-key', key, '--broadcast', '--json', '--constructor-args', '7'], project));
  assert.equal(await cast('call', created.deployedTo, 'height()(uint256)'), '7');
  const script = await foundry('forge', ['script', 'script/Lay.s.sol:Lay', '--rpc-url', node.http, '--private-key', key, '--broadcast'], project);
  assert.match(script, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/);
  const stone = /stone: contract Cairnstone (0x[0-9a-fA-F]{40})/.exec(script)[1];
  assert.equal(await cast('call', stone, 'height()(uint256)'), '42');
});
