import type { Place } from '../finding.ts';
import { connectionManagerNames, renamedFilters } from './filter-names.ts';
import { compileRe2 } from './re2.ts';
import { type ApplyTo, type EnvoyFilterMatch, objectMatches } from './schema.ts';

/** Longer version patterns are not compiled, as in Istio: versions are short, and compiling is not free. */
export const proxyVersionLimit = 1024;

type ObjectMatch = (typeof objectMatches)[number];

const matchOf: Readonly<Record<ApplyTo, ObjectMatch | undefined>> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  LISTENER_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
  EXTENSION_CONFIG: undefined,
  BOOTSTRAP: undefined,
};

/** Reports a match that is not of the kind that the patched object needs, or that can match nothing. */
export function checkMatch(match: EnvoyFilterMatch, applyTo: ApplyTo | undefined, place: Place): void {
  const { context = 'ANY' } = match;
  const given = objectMatches.filter((name) => match[name] !== undefined);
  if (given.length > 1) place.error(`has ${given.join(' and ')}; only one of ${objectMatches.join(', ')} may be set`);
  checkVersion(match, place);
  checkPorts(match, place);
  if (context === 'WAYPOINT' && !match.waypoint) place.at('waypoint').error('is required while context is WAYPOINT');
  if (context !== 'WAYPOINT' && match.waypoint) place.at('waypoint').error('is only allowed while context is WAYPOINT');
  // Istio leaves the combination with applyTo unchecked for waypoints.
  if (context === 'WAYPOINT' || !applyTo) return;
  const needed = matchOf[applyTo];
  for (const name of given) {
    if (name === needed || name === 'waypoint') continue;
    const message = needed
      ? `does not go with applyTo ${applyTo}, which takes a ${needed} match`
      : `has no effect with applyTo ${applyTo}`;
    // Istio has no rule for LISTENER_FILTER, so objects that break it may be in use.
    if (needed && applyTo !== 'LISTENER_FILTER') place.at(name).error(message);
    else place.at(name).warning(message);
  }
  if (needed === 'listener') checkFilter(match, applyTo, place);
}

function checkVersion(match: EnvoyFilterMatch, place: Place): void {
  const { proxyVersion = '' } = match.proxy ?? {};
  const at = place.at('proxy', 'proxyVersion');
  if (proxyVersion.length > proxyVersionLimit)
    at.warning(`is longer than ${proxyVersionLimit} characters, so it matches no proxy`);
  else at.error(compileRe2(proxyVersion).problem);
}

function checkPorts(match: EnvoyFilterMatch, place: Place): void {
  for (const name of objectMatches) {
    const port = match[name]?.portNumber;
    if (port === undefined || (port >= 1 && port <= 65_535)) continue;
    const at = place.at(name, 'portNumber');
    if (name === 'waypoint') at.error(`must be between 1 and 65535, found ${port}`);
    else if (port > 65_535) at.warning(`${port} is not a port, so it matches nothing`);
  }
}

function checkFilter(match: EnvoyFilterMatch, applyTo: ApplyTo, place: Place): void {
  const filter = match.listener?.filterChain?.filter;
  if (!filter) return;
  const at = place.at('listener', 'filterChain', 'filter');
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') at.warning(`has no effect with applyTo ${applyTo}`);
  if (!filter.name) {
    at.at('name').error('is required');
    return;
  }
  at.at('name').warning(renamedProblem(filter.name));
  if (!filter.subFilter) return;
  if (applyTo !== 'HTTP_FILTER') {
    at.at('subFilter').error(`is only allowed with applyTo HTTP_FILTER, not with ${applyTo}`);
    return;
  }
  if (!connectionManagerNames.includes(filter.name)) {
    at.at('name').error(`must be ${connectionManagerNames[0]} for a subFilter to be matched in it`);
    return;
  }
  if (!filter.subFilter.name) {
    at.at('subFilter', 'name').error('is required');
    return;
  }
  at.at('subFilter', 'name').warning(renamedProblem(filter.subFilter.name));
}

function renamedProblem(name: string): string | undefined {
  const today = renamedFilters.get(name);
  return today && `${JSON.stringify(name)} is a name from before Envoy 1.14; use ${today}`;
}
