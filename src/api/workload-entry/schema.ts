import Type from 'typebox';
import type { KubernetesObject } from '../../runtime/object.ts';
import { celRules, mapOf, portNumber, record, uint32 } from '../schema-term.ts';
import type { MeshStatus } from '../status.ts';

/** The fields of Istio's `WorkloadEntry`, which is also the type of a ServiceEntry's endpoints. */
export const workloadEntrySchema = record(
  {
    address: Type.Optional(
      Type.String({
        maxLength: 256,
        description:
          'IP address, or fully qualified host name where the ServiceEntry resolves by DNS, or unix:///path of a socket. Without it, network must be set.',
        crd: celRules(
          {
            rule: "self.startsWith('unix://') ? (self.substring(7, 8) == '/' || self.substring(7, 8) == '@') : true",
            message: 'UDS must be an absolute path or abstract socket',
          },
          { rule: "self.startsWith('unix://') ? !self.endsWith('/') : true", message: 'UDS may not be a dir' },
        ),
      }),
    ),
    ports: Type.Optional(
      mapOf(portNumber(), {
        maxProperties: 128,
        description:
          "Port of this endpoint by the name of the service's port. A service port that is not named here goes to its targetPort, or to its own number.",
        crd: celRules({
          rule: "self.all(key, size(key) < 63 && key.matches('^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$'))",
          message: 'port name must be valid',
        }),
      }),
    ),
    labels: Type.Optional(
      mapOf(Type.String(), { maxProperties: 256, description: 'Labels of the workload; selectors and subsets match them.' }),
    ),
    network: Type.Optional(
      Type.String({
        maxLength: 2048,
        description: 'Layer 3 network of the endpoint. Endpoints of one network reach each other directly.',
      }),
    ),
    locality: Type.Optional(
      Type.String({ maxLength: 2048, description: 'Failure domain as region/zone/subzone; later parts may be left out.' }),
    ),
    weight: Type.Optional(
      uint32({ description: 'Share of the load in proportion to other endpoints. 0 and absent count as 1.' }),
    ),
    serviceAccount: Type.Optional(
      Type.String({ maxLength: 253, description: 'Service account of the workload, in the namespace of this object.' }),
    ),
  },
  {
    description: 'A workload outside of Kubernetes, or one endpoint of a ServiceEntry.',
    crd: celRules(
      { rule: 'has(self.address) || has(self.network)', message: 'Address is required' },
      {
        rule: "(has(self.address) ? self.address : '').startsWith('unix://') ? !has(self.ports) : true",
        message: 'UDS may not include ports',
      },
    ),
  },
);

/**
 * A workload outside of Kubernetes, or one endpoint of a ServiceEntry. Absent means: `address` reached through the gateway of
 * `network`; `ports` the service port's targetPort or number; `locality` unknown; `weight` 1.
 */
export type WorkloadEntrySpec = Type.Static<typeof workloadEntrySchema>;

/** Istio's WorkloadEntry resource. */
export interface WorkloadEntry extends KubernetesObject {
  spec: WorkloadEntrySpec;
  status?: MeshStatus;
}
