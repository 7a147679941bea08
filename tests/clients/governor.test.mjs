// An unmodified OpenZeppelin Governor with ERC20Votes and a TimelockController, through its whole
// life, on both ERC-6372 clocks.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeEventLog, keccak256, parseEther, parseSignature, toHex } from 'viem';
import { rejection, startNode, until } from './harness.mjs';

const STATE = { pending: 0, active: 1, canceled: 2, defeated: 3, succeeded: 4, queued: 5, executed: 7 };
const FOR = 1;
const AGAINST = 0;
const SUPPLY = parseEther('1000');

let node, client;
before(async () => {
  node = await startNode();
  client = node.client;
});
after(() => node?.stop());

/** Everything of one town: contracts, people, and verbs that assert their receipt. */
class Town {
  static async found(byTimestamp) {
    const town = new Town();
    town.byTimestamp = byTimestamp;
    [town.founder, town.voter, town.signer, town.crowd] = await node.accounts(4);
    town.token = await node.deploy('TownToken', [byTimestamp, SUPPLY], town.founder);
    town.timelock = await node.deploy('TownTimelock', [1n, town.founder.address], town.founder);
    const [delay, period] = byTimestamp ? [1, 6] : [2, 20];
    town.governor = await node.deploy('TownGovernor', [town.token.address, town.timelock.address, delay, period], town.founder);
    for (const role of ['PROPOSER_ROLE', 'CANCELLER_ROLE']) {
      const id = await town.read('timelock', role);
      await town.write(town.founder, 'timelock', 'grantRole', [id, town.governor.address]);
    }
    await town.write(town.founder, 'timelock', 'renounceRole', [`0x${'00'.repeat(32)}`, town.founder.address]);
    for (const person of [town.voter, town.signer]) await town.write(town.founder, 'token', 'transfer', [person.address, parseEther('200')]);
    return town;
  }

  read(contract, functionName, args = []) {
    return client.readContract({ ...this[contract], functionName, args });
  }

  async write(account, contract, functionName, args) {
    const hash = await node.wallet(account).writeContract({ ...this[contract], functionName, args });
    const receipt = await node.receipt(hash);
    assert.equal(receipt.status, 'success', `${contract}.${functionName}`);
    return receipt;
  }

  refused(account, contract, functionName, args) {
    return rejection(client.simulateContract({ ...this[contract], functionName, args, account }));
  }

  /** A proposal to send `amount` from the timelock to `to`. */
  proposal(to, amount, text) {
    return { call: [[to], [amount], ['0x']], text, ended: [[to], [amount], ['0x'], keccak256(toHex(text))] };
  }

  async propose(account, { call, text, ended }) {
    const receipt = await this.write(account, 'governor', 'propose', [...call, text]);
    const { args } = decodeEventLog({ abi: this.governor.abi, ...receipt.logs[0], eventName: 'ProposalCreated' });
    assert.equal(args.proposalId, await this.read('governor', 'hashProposal', ended));
    assert.equal(args.description, text);
    return args.proposalId;
  }

  /** Waits for a state; on the block-number clock, transactions drive the blocks on. */
  reaches(id, name) {
    return until(`the proposal to be ${name}`, async () => {
      if ((await this.read('governor', 'state', [id])) === STATE[name]) return true;
      if (!this.byTimestamp) await node.receipt(await node.wallet(this.founder).sendTransaction({ to: this.founder.address }));
      return false;
    }, 60_000);
  }

  /** EIP-712 signatures of OpenZeppelin's Governor and Votes. */
  async sign(account, contract, primaryType, types, message) {
    const [, name, version, chainId, verifyingContract] = await this.read(contract, 'eip712Domain');
    assert.equal(chainId, BigInt(node.chainId));
    return account.signTypedData({ domain: { name, version, chainId, verifyingContract }, types: { [primaryType]: types }, primaryType, message });
  }
}

const BALLOT = [['proposalId', 'uint256'], ['support', 'uint8'], ['voter', 'address'], ['nonce', 'uint256']].map(([name, type]) => ({ name, type }));
const DELEGATION = [['delegatee', 'address'], ['nonce', 'uint256'], ['expiry', 'uint256']].map(([name, type]) => ({ name, type }));

for (const byTimestamp of [true, false]) {
  describe(byTimestamp ? 'on the timestamp clock' : 'on the block-number clock', () => {
    let town;
    before(async () => {
      town = await Town.found(byTimestamp);
    });

    test('the clock is the chain', async () => {
      const { number, timestamp } = await client.getBlock();
      const clock = BigInt(await town.read('token', 'clock'));
      const now = byTimestamp ? timestamp : number;
      assert.ok(clock >= now && clock <= now + 3n, `${clock} beside ${now}`);
      assert.equal(await town.read('governor', 'CLOCK_MODE'), await town.read('token', 'CLOCK_MODE'));
    });

    test('delegation, direct and by signature, moves votes', async () => {
      await town.write(town.voter, 'token', 'delegate', [town.voter.address]);
      await town.write(town.founder, 'token', 'delegate', [town.founder.address]);
      const expiry = 2n ** 48n;
      const signature = await town.sign(town.signer, 'token', 'Delegation', DELEGATION, { delegatee: town.signer.address, nonce: 0n, expiry });
      const { r, s, yParity } = parseSignature(signature);
      await town.write(town.crowd, 'token', 'delegateBySig', [town.signer.address, 0n, expiry, yParity + 27, r, s]);
      assert.equal(await town.read('token', 'getVotes', [town.signer.address]), parseEther('200'));
      assert.equal(await town.read('token', 'getVotes', [town.founder.address]), parseEther('600'));
      // A proposer needs votes at the clock's last tick.
      await until('the delegation to be past', async () => {
        const clock = await town.read('token', 'clock');
        return (await town.read('token', 'getPastVotes', [town.signer.address, clock - 1])) > 0n;
      });
    });

    test('propose, vote (one by signature), queue, wait, execute', async () => {
      await node.receipt(await node.wallet(town.founder).sendTransaction({ to: town.timelock.address, value: 1_000n }));
      const to = toHex(crypto.getRandomValues(new Uint8Array(20)));
      const proposal = town.proposal(to, 777n, `pay ${to}`);
      const id = await town.propose(town.voter, proposal);
      assert.equal(await town.read('governor', 'state', [id]), STATE.pending);
      await town.refused(town.crowd, 'governor', 'execute', proposal.ended);
      await town.reaches(id, 'active');

      await town.write(town.voter, 'governor', 'castVoteWithReason', [id, FOR, 'it is due']);
      const again = await town.refused(town.voter, 'governor', 'castVote', [id, FOR]);
      assert.match(again.message, /GovernorAlreadyCastVote/);
      const ballot = { proposalId: id, support: FOR, voter: town.signer.address, nonce: await town.read('governor', 'nonces', [town.signer.address]) };
      const signature = await town.sign(town.signer, 'governor', 'Ballot', BALLOT, ballot);
      const forged = await town.refused(town.crowd, 'governor', 'castVoteBySig', [id, AGAINST, town.signer.address, signature]);
      assert.match(forged.message, /GovernorInvalidSignature/);
      await town.write(town.crowd, 'governor', 'castVoteBySig', [id, FOR, town.signer.address, signature]);
      assert.deepEqual(await town.read('governor', 'proposalVotes', [id]), [0n, parseEther('400'), 0n]);

      await town.reaches(id, 'succeeded');
      await town.write(town.crowd, 'governor', 'queue', proposal.ended);
      assert.equal(await town.read('governor', 'state', [id]), STATE.queued);
      const eta = await town.read('governor', 'proposalEta', [id]);
      await until('the timelock', async () => (await client.getBlock()).timestamp >= eta);
      await town.write(town.crowd, 'governor', 'execute', proposal.ended);
      assert.equal(await town.read('governor', 'state', [id]), STATE.executed);
      assert.equal(await client.getBalance({ address: to }), 777n);
      const votes = await client.getContractEvents({ ...town.governor, eventName: 'VoteCast', fromBlock: 0n });
      assert.deepEqual(votes.filter(({ args }) => args.proposalId === id).map(({ args }) => args.weight), [parseEther('200'), parseEther('200')]);
    });

    test('a proposal voted down is defeated and cannot be queued; a pending one can be cancelled', async () => {
      const proposal = town.proposal(town.crowd.address, 1n, 'waste');
      const id = await town.propose(town.voter, proposal);
      const withdrawn = town.proposal(town.crowd.address, 2n, 'a second thought');
      const other = await town.propose(town.signer, withdrawn);
      await town.write(town.signer, 'governor', 'cancel', withdrawn.ended);
      assert.equal(await town.read('governor', 'state', [other]), STATE.canceled);
      await town.reaches(id, 'active');
      await town.write(town.founder, 'governor', 'castVote', [id, AGAINST]);
      await town.write(town.voter, 'governor', 'castVote', [id, FOR]);
      await town.reaches(id, 'defeated');
      const refusal = await town.refused(town.crowd, 'governor', 'queue', proposal.ended);
      assert.match(refusal.message, /GovernorUnexpectedProposalState/);
    });

    test('votes are counted as of the snapshot', async () => {
      const proposal = town.proposal(town.crowd.address, 3n, 'late money');
      const id = await town.propose(town.voter, proposal);
      await town.reaches(id, 'active');
      await town.write(town.founder, 'token', 'transfer', [town.crowd.address, parseEther('500')]);
      await town.write(town.crowd, 'token', 'delegate', [town.crowd.address]);
      await town.write(town.crowd, 'governor', 'castVote', [id, FOR]);
      assert.deepEqual(await town.read('governor', 'proposalVotes', [id]), [0n, 0n, 0n]);
      const snapshot = await town.read('governor', 'proposalSnapshot', [id]);
      assert.equal(await town.read('token', 'getPastVotes', [town.founder.address, snapshot]), parseEther('600'));
      assert.equal(await town.read('token', 'getVotes', [town.founder.address]), parseEther('100'));
    });
  });
}
