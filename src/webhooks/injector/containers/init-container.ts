import type { CaptureOptions } from '../../iptables/capture-options.ts';
import { initCommand } from '../../iptables/init-command.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import { type Container, initContainerName } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';
import { resourcesOf } from './resources.ts';

/** The init container that loads the rules: root, with NET_ADMIN and NET_RAW and nothing else. */
export function buildInitContainer(options: CaptureOptions, settings: InjectionSettings, config: InjectionConfig): Container {
  return {
    name: initContainerName,
    image: config.init.image,
    ...(config.imagePullPolicy && { imagePullPolicy: config.imagePullPolicy }),
    command: initCommand(options),
    resources: resourcesOf(settings, config),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      ...(config.proxy.seccompProfile && { seccompProfile: config.proxy.seccompProfile }),
    },
  };
}
