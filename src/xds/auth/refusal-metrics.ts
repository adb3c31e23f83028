import { Counter, type Registry } from 'prom-client';
import type { TokenRefusal } from './token-reviewer.ts';

const tokenReasons: readonly TokenRefusal[] = [
  'malformed',
  'expired',
  'invalid',
  'wrong_audience',
  'not_a_service_account',
  'not_bound_to_a_pod',
];

const otherReasons = [
  'no_token',
  'not_reviewed',
  'foreign_node',
  'foreign_namespace',
  'unknown_pod',
  'foreign_address',
  'deleted_pod',
  'superseded',
  'too_many_waiting',
] as const;

/** Why a proxy was refused, or turned out: the label of the metric. */
export type RefusalReason = TokenRefusal | (typeof otherReasons)[number];

/** Registers the counter, every reason at 0. */
export function createRefusalMetrics(registry: Registry): Counter<'reason'> {
  const counter = new Counter({
    name: 'weft_xds_refused_proxies_total',
    help: 'Streams of proxies that were refused or ended because of who opened them, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  });
  for (const reason of [...tokenReasons, ...otherReasons]) counter.inc({ reason }, 0);
  return counter;
}
