import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HostOutcome } from '../mesh/service-registry.ts';
import type { Verdict } from '../mesh/verdict.ts';
import type { Propagation } from '../xds/ledger.ts';
import { decideConditions, type Gathered, progressDeadlineMs, staleAfterMs, summarise } from './conditions.ts';
import { renderStatus } from './render-status.ts';

const verdict: Verdict = { generation: 7, outcome: 'accepted', findings: [], generationInForce: 7 };
const counts = (acked: number, rejected = 0, pending = 0): Propagation => ({
  affected: acked + rejected + pending,
  acked,
  rejected,
  pending,
  rejections: rejected
    ? [
        {
          typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
          resource: 'c',
          proxies: rejected,
          exampleProxy: 'shop/web',
          message: 'bad cluster',
          lastSeen: 0,
          suspects: [],
        },
      ]
    : [],
  laggards: pending ? ['shop/slow'] : [],
  pendingSince: pending ? 0 : undefined,
  revision: 1,
  current: true,
});
const quarantined = {
  stage: 'quarantined',
  refusal: {
    typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener',
    resource: 'virtualOutbound',
    proxy: 'shop/web',
    message: 'no such filter',
    atMs: 0,
  },
  message: 'no such filter',
  servedGeneration: 6,
} as const;
const patched = (matched: readonly number[], failed: readonly (readonly [number, string])[] = []) => ({
  classes: 1,
  matched: new Set(matched),
  failed: new Map(failed),
});
const gathered = (overrides: Partial<Gathered> = {}): Gathered => ({
  verdict,
  hosts: [],
  rival: undefined,
  missingHosts: [],
  selectsNothing: false,
  matchablePatches: [],
  propagation: counts(2),
  isServed: true,
  wasReady: false,
  longestWaitMs: 0,
  ageMs: 0,
  ...overrides,
});
const finding = { severity: 'error' as const, path: 'spec.hosts[0]', segments: ['spec', 'hosts', 0], message: 'is not a host' };
const decide = (overrides: Partial<Gathered>) =>
  Object.fromEntries(
    decideConditions(gathered(overrides)).map(({ type, status, reason, message }) => [type, { status, reason, message }]),
  );

describe('decideConditions', () => {
  it('says who refused what of a quarantined generation, and what is served meanwhile', () => {
    expect(decide({ propagation: { ...counts(0, 1, 11), rollout: quarantined } }).Programmed!.message).toBe(
      'shop/web refused virtualOutbound of generation 7: no such filter (every proxy is served generation 6)',
    );
    // A generation that is invalid came after it.
    const verdict = { ...gathered({}).verdict, generation: 8, outcome: 'invalid' as const };
    expect(decide({ verdict, propagation: { ...counts(0, 1, 11), rollout: quarantined } }).Programmed!.message).toContain(
      'refused virtualOutbound of generation 7:',
    );
    const told = { ...quarantined, refusal: undefined, message: 'as the status said' };
    expect(decide({ propagation: { ...counts(0, 0, 12), rollout: told } }).Ready!.message).toBe('as the status said');
  });

  it('says how many try a generation, and when it waits for others to be tried', () => {
    const trial = (proxies: number) =>
      decide({ propagation: { ...counts(0, 0, 9), rollout: { stage: 'trial', proxies, servedGeneration: 6 } } }).Programmed!
        .message;
    expect(trial(1)).toBe('generation 7 is on trial with 1 proxy; the rest is served generation 6');
    expect(trial(0)).toBe('generation 7 waits for its turn to be tried; every proxy is served generation 6');
  });

  it('names the patches that change nothing by their index', () => {
    const patches = patched([0, 3], [[1, 'no such field'], [3, 'twice'] as const]);
    expect(decide({ matchablePatches: [0, 1, 2, 3], propagation: { ...counts(1), patches } }).ResolvedRefs!.message).toBe(
      'spec.configPatches[1] could not be applied: no such field; spec.configPatches[2] matches nothing in the configuration of any proxy that it is for; spec.configPatches[3] could not be applied: twice',
    );
  });

  it.each<[string, Partial<Gathered>, Record<string, [string, string]>]>([
    [
      'acknowledged by all',
      {},
      { Accepted: ['True', 'Accepted'], Programmed: ['True', 'Programmed'], Ready: ['True', 'Propagated'] },
    ],
    [
      'needed by no one',
      { propagation: counts(0) },
      { Programmed: ['True', 'NoAffectedProxies'], Ready: ['True', 'Propagated'] },
    ],
    [
      'on trial',
      { propagation: { ...counts(3, 0, 9), rollout: { stage: 'trial', proxies: 3, servedGeneration: 6 } } },
      { Programmed: ['False', 'Pending'], Ready: ['False', 'Propagating'], Reconciling: ['True', 'Propagating'] },
    ],
    [
      'refused on trial',
      { propagation: { ...counts(0, 1, 11), rollout: quarantined }, wasReady: true },
      { Programmed: ['False', 'Quarantined'], Ready: ['False', 'ProxyRejected'], Stalled: ['True', 'ProxyRejected'] },
    ],
    [
      'quarantined, with nobody connected',
      { propagation: { ...counts(0), rollout: { ...quarantined, refusal: undefined } } },
      { Programmed: ['False', 'Quarantined'], Stalled: ['True', 'ProxyRejected'] },
    ],
    [
      'a patch that matches nothing',
      { matchablePatches: [0, 1], propagation: { ...counts(2), patches: patched([0]) } },
      { ResolvedRefs: ['False', 'PatchTargetNotFound'], Ready: ['True', 'Propagated'] },
    ],
    [
      'patches that all match',
      { matchablePatches: [0, 1], propagation: { ...counts(2), patches: patched([0, 1]) } },
      { ResolvedRefs: ['True', 'ResolvedRefs'] },
    ],
    ['patches that no proxy is for', { matchablePatches: [0, 1] }, { ResolvedRefs: ['True', 'ResolvedRefs'] }],
    ['on its way', { propagation: counts(1, 0, 1) }, { Ready: ['False', 'Propagating'], Reconciling: ['True', 'Propagating'] }],
    [
      'not yet computed',
      { isServed: false },
      { Programmed: ['False', 'Pending'], Ready: ['False', 'Propagating'], Reconciling: ['True', 'Propagating'] },
    ],
    [
      'refused by one',
      { propagation: counts(1, 1), wasReady: true },
      { Ready: ['False', 'ProxyRejected'], Stalled: ['True', 'ProxyRejected'] },
    ],
    ['joined by a proxy after it was ready', { propagation: counts(1, 0, 1), wasReady: true }, { Ready: ['True', 'Propagated'] }],
    [
      'an acknowledgement overdue',
      { propagation: counts(1, 0, 1), wasReady: true, longestWaitMs: staleAfterMs },
      { Ready: ['False', 'ProxiesStale'], Reconciling: ['True', 'ProxiesStale'] },
    ],
    [
      'overdue beyond the deadline',
      { propagation: counts(1, 0, 1), longestWaitMs: staleAfterMs, ageMs: progressDeadlineMs },
      { Ready: ['False', 'ProxiesStale'], Stalled: ['True', 'ProgressDeadlineExceeded'] },
    ],
    [
      'invalid with nothing in force',
      { verdict: { ...verdict, outcome: 'invalid', findings: [finding], generationInForce: undefined } },
      {
        Accepted: ['False', 'Invalid'],
        Programmed: ['False', 'Pending'],
        Ready: ['False', 'NotAccepted'],
        Stalled: ['True', 'Invalid'],
      },
    ],
    [
      'unsupported',
      { verdict: { ...verdict, outcome: 'unsupported', findings: [finding], generationInForce: undefined } },
      { Accepted: ['False', 'Unsupported'], Ready: ['False', 'NotAccepted'], Stalled: ['True', 'Invalid'] },
    ],
    [
      'a rival',
      { rival: { key: 'Sidecar/shop/older', why: 'is older and claims the same' } },
      { Accepted: ['False', 'Conflicted'], Ready: ['False', 'NotAccepted'], Stalled: ['True', 'Invalid'] },
    ],
    ['no workload', { selectsNothing: true }, { ResolvedRefs: ['False', 'NoMatchingWorkloads'], Ready: ['True', 'Propagated'] }],
    ['an unknown host', { missingHosts: ['shop/a.example.com'] }, { ResolvedRefs: ['False', 'HostNotFound'] }],
  ])('%s', (_, overrides, expected) => {
    const actual = decide(overrides);
    for (const [type, [status, reason]] of Object.entries(expected)) expect(actual[type], type).toMatchObject({ status, reason });
    for (const type of ['Reconciling', 'Stalled']) expect(type in actual, type).toBe(type in expected);
  });

  it('names the field and says what stays in force', () => {
    expect(
      decide({ verdict: { ...verdict, outcome: 'invalid', findings: [finding], generationInForce: 6 } }).Accepted?.message,
    ).toBe('spec.hosts[0]: is not a host (generation 6 stays in force)');
  });

  it('names the winner of a host and of an address', () => {
    const winner = { owner: 'ServiceEntry/shop/older' };
    const outcome = {
      hostname: 'a.example.com',
      service: { spec: { wantsAddresses: false } },
      lostHost: { winner, servesOwnNamespace: true },
      lostAddresses: [
        { address: '10.9.0.1', port: 80, winner },
        { address: '*', port: 25, winner },
      ],
      isExhausted: false,
    };
    const { message } = decide({ hosts: [outcome as unknown as HostOutcome] }).Accepted!;
    expect(message).toBe(
      'host a.example.com is claimed by ServiceEntry shop/older, which is older and wins; this one serves its own namespace only; address 10.9.0.1 port 80 (host a.example.com) is claimed by ServiceEntry shop/older, which is older and wins; port 25 without an address (host a.example.com) is claimed by ServiceEntry shop/older, which is older and wins',
    );
  });

  it('tells of an exhausted pool', () => {
    const outcome = {
      hostname: 'a.example.com',
      service: { spec: { wantsAddresses: true } },
      lostAddresses: [],
      isExhausted: true,
    };
    expect(decide({ hosts: [outcome as unknown as HostOutcome] }).AddressAllocated).toMatchObject({
      status: 'False',
      reason: 'AddressPoolExhausted',
      message: expect.stringContaining('a.example.com'),
    });
  });

  it('cuts what an object repeats without end', () => {
    const path = `spec.${'x'.repeat(1_000_000)}`;
    const endless = { ...verdict, outcome: 'invalid' as const, findings: [{ ...finding, path, segments: [] }] };
    const facts = gathered({ verdict: endless });
    for (const { message } of decideConditions(facts)) expect(message.length).toBeLessThanOrEqual(4_096);
    const { validationMessages } = renderStatus(facts, [], { startedAtMs: 0, completedAtMs: undefined });
    expect(validationMessages![0]!.type!.name).toHaveLength(1_024);
  });

  it("keeps kstatus's rules whatever the facts are", () => {
    const facts = fc.record({
      propagation: fc
        .tuple(fc.nat(3), fc.nat(2), fc.nat(2))
        .map(([acked, rejected, pending]) => counts(acked, rejected, pending)),
      outcome: fc.constantFrom('accepted' as const, 'invalid' as const, 'unsupported' as const),
      isServed: fc.boolean(),
      wasReady: fc.boolean(),
      longestWaitMs: fc.constantFrom(0, staleAfterMs),
      ageMs: fc.constantFrom(0, progressDeadlineMs),
    });
    fc.assert(
      fc.property(facts, ({ outcome, ...rest }) => {
        const conditions = decide({ ...rest, verdict: { ...verdict, outcome, findings: [finding] } });
        const isReady = conditions.Ready?.status === 'True';
        expect(Number('Reconciling' in conditions) + Number('Stalled' in conditions)).toBe(isReady ? 0 : 1);
        if (isReady) expect([conditions.Accepted?.status, rest.propagation.rejected]).toEqual(['True', 0]);
      }),
    );
  });
});

it.each([
  [counts(117, 1, 2), '117/120 acked, 1 rejected'],
  [counts(2), '2/2 acked'],
  [counts(0), '0/0 acked'],
])('summarise %#', (propagation, expected) => {
  expect(summarise(propagation)).toBe(expected);
});
