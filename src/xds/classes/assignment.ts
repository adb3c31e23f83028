import type { Mesh } from '../../mesh/mesh.ts';
import { type InboundInstance, type ProxyTraits, traitsKey, traitsOf } from '../../mesh/proxy-view.ts';
import type { Sidecar } from '../../mesh/sidecar.ts';
import type { FilterSource } from '../filter-source.ts';
import { fitFilters } from '../fit-filters.ts';
import { ClassFilters } from './class-filters.ts';
import type { Member } from './class-members.ts';
import { findInbound } from './find-inbound.ts';

/** Where a proxy belongs, and everything that its class is made from. */
export interface Assignment {
  readonly baseKey: string;
  /** The class's. */
  readonly key: string;
  readonly traits: ProxyTraits;
  readonly sidecar: Sidecar | undefined;
  readonly inbound: readonly InboundInstance[];
  readonly filters: ClassFilters;
}

/** Where a proxy belongs now. Costs the Sidecars and EnvoyFilters of its namespace and the root namespace. */
export function assign(member: Member, mesh: Mesh, source: FilterSource): Assignment {
  const { node } = member;
  member.inbound ??= findInbound(node, mesh.services);
  const { inbound } = member;
  const sidecar = mesh.sidecars.select(node.namespace, node.labels, mesh.config.rootNamespace);
  const traits = traitsOf(node, sidecar);
  const served = inbound.map(
    ({ service, port, targetPort }) =>
      `${service.spec.owner} ${service.spec.hostname}:${port.number}/${port.protocol}>${targetPort}`,
  );
  const baseKey = [traitsKey(traits), sidecar?.key ?? 'default', ...served].join('|');
  const selection = source.select(node);
  const filters = new ClassFilters(fitFilters(selection.filters, node), selection.awaiting);
  return { baseKey, key: baseKey + filters.key, traits, sidecar, inbound, filters };
}
