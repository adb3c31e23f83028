import type { Place } from '../finding.ts';
import { isDnsLabel } from '../hostname.ts';
import { protocolProblem } from '../protocol.ts';
import { shown } from '../structure.ts';
import type { SidecarPort } from './schema.ts';

/** What holds for the port of any listener: a range, a known protocol, a name that is a DNS label, no targetPort. */
export function checkPort(port: SidecarPort, place: Place): void {
  const { number = 0, name = '', targetPort = 0 } = port;
  if (number > 65_535) place.at('number').error(`must be between 1 and 65535, found ${number}`);
  if (name !== '' && !isDnsLabel(name)) {
    place.at('name').error(`${shown(name)} is not a port name: it takes letters, digits and inner dashes, at most 63`);
  }
  place.at('protocol').error(protocolProblem(port.protocol));
  if (targetPort > 0) place.at('targetPort').error('has no effect in a Sidecar; remove it');
}
